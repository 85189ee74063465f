package qimport

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"qimport/convert/export"
	"qimport/convert/source"
	"qimport/manifest"
)

// ExportOptions say how to export.
type ExportOptions struct {
	Jobs  int     // pieces worked on at a time; 0 for one a core
	Watch Watcher // nil is no one
}

// ExportResult is what an export did, as scripts read it.
type ExportResult struct {
	Schema   int             `json:"schema"`
	Name     string          `json:"name"`
	Manifest manifest.Digest `json:"manifest"` // zero for a plain directory
	Dir      string          `json:"dir"`
	Files    []string        `json:"files"`
	Bytes    int64           `json:"bytes_written"`
	Notes    []string        `json:"notes"` // what could not be carried over as it is
	Seconds  float64         `json:"seconds"`
}

// Export writes a model as a directory of mlx-community's form, which appears whole or not at all.
func Export(ctx context.Context, stores Stores, named, dir string, o ExportOptions) (ExportResult, error) {
	if o.Jobs < 0 {
		return ExportResult{}, optionsf("--jobs %d: it is a number of workers, or 0 for one a core", o.Jobs)
	}
	start := time.Now()
	m, err := Find(stores, named)
	if err != nil {
		return ExportResult{}, err
	}
	src, err := m.Open()
	if err != nil {
		return ExportResult{}, err
	}
	defer src.Close()
	result := ExportResult{Schema: 1, Name: m.Name, Manifest: m.Manifest, Dir: dir}
	notes, err := exportSource(ctx, src, dir, o)
	if err != nil {
		return result, err
	}
	result.Notes = append(append([]string{}, src.Inventory().Notes...), notes...)
	if m.store != nil {
		if said, _ := shownStatements(m.store, m.Manifest); len(said) > 0 {
			result.Notes = append(result.Notes, "its attestations are on the manifest and the blobs of the store, not on the files that are written here, and stay there")
		}
	}
	for _, note := range result.Notes {
		notef(o.Watch, "note: %s", note)
	}
	result.Files, result.Bytes, err = filesIn(dir)
	result.Seconds = time.Since(start).Seconds()
	return result, err
}

func exportSource(ctx context.Context, src *source.Source, dir string, o ExportOptions) ([]string, error) {
	progress := begin(o.Watch, "export")
	defer progress.End()
	return export.Directory(ctx, src, dir, export.Options{Jobs: o.Jobs, Progress: encoding(progress)})
}

// filesIn lists the files of a directory by name, with their sizes in sum.
func filesIn(dir string) (names []string, bytes int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, 0, err
		}
		names, bytes = append(names, e.Name()), bytes+info.Size()
	}
	return names, bytes, err
}
