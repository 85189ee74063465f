package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/internal/replace"
)

// Options say how to export.
type Options struct {
	Jobs     int                   // chunks worked on at a time; 0 for one a core
	Progress func(encode.Progress) // called often, by one goroutine at a time; nil for none
}

// ErrExists marks an export to a directory that has something in it.
var ErrExists = errors.New("the directory is not empty")

// Directory writes a model as a directory of mlx-community's form, which mlx-lm and mlx-vlm load: their
// tensor names, norms and axes as their converters leave them, and a config that says for every
// quantized path its mode, bits and group size. Formats stay as they are. The directory appears
// whole, by one rename, or not at all; dir must be empty, or not there yet. The notes say what could not
// be carried over as it is.
func Directory(ctx context.Context, src *source.Source, dir string, opts Options) (notes []string, err error) {
	if err := checkEmpty(dir); err != nil {
		return nil, err
	}
	plan, err := planExport(ctx, src)
	if err != nil {
		return nil, err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	removeLeftovers(parent)
	temp, err := newUnfinished(parent)
	if err != nil {
		return nil, err
	}
	defer temp.close()
	if err := plan.write(ctx, src, temp.path, opts); err != nil {
		return nil, errors.Join(err, os.RemoveAll(temp.path))
	}
	if err := publishDir(temp.path, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(temp.path))
	}
	return plan.notes, nil
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s: %w; name another, or remove it first", dir, ErrExists)
	}
	return err
}

// publishDir gives the finished directory its name.
func publishDir(temp, dir string) error {
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncDir(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(replace.SyncNames(d), d.Close())
}

// write puts shards, index, config and the other files into a directory.
func (x exportPlan) write(ctx context.Context, src *source.Source, dir string, opts Options) error {
	view := exportView{Source: src, halves: x.halves}
	engine := encode.NewEngine(view, opts.Jobs, encode.NewMeter(x.bytesRead(), opts.Progress))
	for _, s := range x.shards {
		if err := s.write(ctx, engine, dir); err != nil {
			return err
		}
	}
	if err := src.Unchanged(); err != nil {
		return err
	}
	return writeFiles(dir, x.files)
}

// writeFiles puts the other files beside the shards. Wherever their names come from, none leads out
// of the directory.
func writeFiles(dir string, files map[string][]byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, content := range files {
		if err := writeFile(root, name, content); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(root *os.Root, name string, content []byte) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// write makes one shard: the header, then all tensors, each to its place.
func (s exportShard) write(ctx context.Context, engine *encode.Engine, dir string) (err error) {
	file, err := os.OpenFile(filepath.Join(dir, s.name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.WriteAt(s.header.Append(nil), 0); err != nil {
		return err
	}
	if err := file.Truncate(s.header.FileSize()); err != nil {
		return err
	}
	g, work := errgroup.WithContext(ctx)
	g.SetLimit(engine.AtOnce())
	for i, t := range s.tensors {
		g.Go(func() error {
			if err := work.Err(); err != nil {
				return err
			}
			places := s.places[i]
			if err := engine.Tensor(work, t.Name, t, places, &section{file, places[plan.WeightArray].At}); err != nil {
				return fmt.Errorf("tensor %s: %w", t.Name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return file.Sync()
}

// section is the place of one tensor in a shard. It is the Sink of an export.
type section struct {
	file *os.File
	at   int64 // of the next byte
}

// Write puts the next bytes.
func (s *section) Write(p []byte) (int, error) {
	n, err := s.file.WriteAt(p, s.at)
	s.at += int64(n)
	return n, err
}

// WriteAhead puts bytes further on.
func (s *section) WriteAhead(p []byte, offset int64) error {
	_, err := s.file.WriteAt(p, offset)
	return err
}

// Advance passes what was written ahead.
func (s *section) Advance(n int64) error {
	s.at += n
	return nil
}
