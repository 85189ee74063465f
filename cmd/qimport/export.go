package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"qimport/convert/export"
	"qimport/convert/source"
	"qimport/manifest"
)

func exportCommand(s stdio) *cli.Command {
	flags := []cli.Flag{
		&cli.IntFlag{Name: "jobs", Usage: "work on `N` pieces at a time", DefaultText: "one a core"},
	}
	return command(s, "export", "NAME|DIR OUT", "write a model as an mlx-community directory, which mlx-lm loads", `
Every tensor keeps its format; names, norms, axes and config.json become those that mlx-lm's own
conversion has, with an entry for each quantized path. A store of Ollama is exported as well as
our own. OUT appears whole or not at all, and must not hold anything before.

Examples:
  qimport export small:nvfp4 ./small-nvfp4
  qimport verify small:nvfp4 && qimport export small:nvfp4 ./out && mlx_lm.generate --model ./out`,
		2, 2, flags, runExport)
}

// exportResult is the result of an export, as scripts read it.
type exportResult struct {
	Schema   int             `json:"schema"`
	Name     string          `json:"name"`
	Manifest manifest.Digest `json:"manifest"` // zero for a plain directory
	Dir      string          `json:"dir"`
	Files    []string        `json:"files"`
	Bytes    int64           `json:"bytes_written"`
	Notes    []string        `json:"notes"`
	Seconds  float64         `json:"seconds"`
}

func runExport(ctx context.Context, c call) error {
	if c.Int("jobs") < 0 {
		return usagef("--jobs %d: it is a number of workers, or 0 for one a core", c.Int("jobs"))
	}
	target, err := c.target(c.Args().Get(0))
	if err != nil {
		return err
	}
	src, err := target.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	start := time.Now()
	result := exportResult{Schema: 1, Name: target.Name, Manifest: target.Manifest, Dir: c.Args().Get(1)}
	notes, err := c.exportTo(ctx, src, result.Dir, c.Int("jobs"))
	if err != nil {
		return err
	}
	result.Notes = append(append([]string{}, src.Inventory().Notes...), notes...)
	for _, note := range result.Notes {
		c.note("note: %s", note)
	}
	if result.Files, result.Bytes, err = filesIn(result.Dir); err != nil {
		return err
	}
	result.Seconds = time.Since(start).Seconds()
	return c.print(result, func(w io.Writer) error {
		fprintln(w, "%s  %s in %s, %.1f s", result.Dir, size(result.Bytes), plural(len(result.Files), "file"), result.Seconds)
		return nil
	})
}

// exportTo writes the directory, under a bar.
func (s stdio) exportTo(ctx context.Context, src *source.Source, dir string, jobs int) ([]string, error) {
	bar := s.progress("export")
	defer bar.end()
	return export.Directory(ctx, src, dir, export.Options{
		Jobs:     jobs,
		Progress: bar.written,
	})
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
