package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qimport/convert/safetensors"
)

// ErrBadCheckpoint marks a directory that holds no model, or not all of one, or several.
var ErrBadCheckpoint = errors.New("not a whole checkpoint")

const (
	indexName = "model.safetensors.index.json"
	extension = ".safetensors"
	maxFile   = 512 << 20 // of a file that is read whole; the largest tokenizer.json has 20 MB
)

// Checkpoint is an open directory. No file descriptor stays open; shards are mapped when their
// bytes are asked for.
type Checkpoint struct {
	Dir       string
	Shards    []*safetensors.File // by name
	Unindexed []string            // tensors that the index leaves out: not part of the model
	Files     []string            // names of the other files, hidden ones left out, sorted
}

// Open reads the directory, the index and every shard's header. Links are followed, as the Hugging
// Face cache has them. What is broken or ambiguous is ErrBadCheckpoint or safetensors.ErrBadHeader.
func Open(dir string) (*Checkpoint, error) {
	names, err := list(dir)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Dir: dir}
	for _, name := range names {
		if !strings.HasSuffix(name, extension) && !strings.HasSuffix(name, extension+".index.json") {
			c.Files = append(c.Files, name)
		}
	}
	index, err := c.index()
	if err != nil {
		return nil, err
	}
	shards := index.shards()
	if len(shards) == 0 {
		if shards, err = loose(names); err != nil {
			return nil, err
		}
	}
	if err := c.openShards(shards, len(index) > 0); err != nil {
		return nil, err
	}
	if err := c.reconcile(index); err != nil {
		return nil, err
	}
	return c, nil
}

// list names the files of a directory, links to files included. A link that leads nowhere is
// listed too: opening it gives the error.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		stat, err := os.Stat(filepath.Join(dir, e.Name()))
		isFile := err == nil && stat.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist)
		if isFile && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// index reads the index file; none is an empty index.
func (c *Checkpoint) index() (index, error) {
	b, err := c.File(indexName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseIndex(b)
}

func (c *Checkpoint) openShards(names []string, indexed bool) error {
	for _, name := range names {
		f, err := safetensors.Open(filepath.Join(c.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			by := "is a link to nothing"
			if indexed {
				by = "is named by " + indexName + ", but is not there"
			}
			return fmt.Errorf("%s %s: fetch the checkpoint again: %w", name, by, ErrBadCheckpoint)
		}
		if err != nil {
			return err
		}
		c.Shards = append(c.Shards, f)
	}
	return nil
}

// reconcile holds the shards to the index, and every tensor to one shard.
func (c *Checkpoint) reconcile(index index) error {
	home := map[string]string{}
	for _, f := range c.Shards {
		for _, t := range f.Header.Tensors {
			want, indexed := index[t.Name]
			switch first, twice := home[t.Name]; {
			case indexed && want != f.Name():
				return fmt.Errorf("tensor %q is in %s, %s says %s: the shards are swapped or of two checkpoints: %w",
					t.Name, f.Name(), indexName, want, ErrBadCheckpoint)
			case twice:
				return fmt.Errorf("tensor %q is in both %s and %s: %w", t.Name, first, f.Name(), ErrBadCheckpoint)
			case len(index) > 0 && !indexed:
				c.Unindexed = append(c.Unindexed, t.Name)
			}
			home[t.Name] = f.Name()
		}
	}
	for _, name := range index.tensors() {
		if _, ok := home[name]; !ok {
			return fmt.Errorf("tensor %q is not in %s, where %s says it is: %w", name, index[name], indexName, ErrBadCheckpoint)
		}
	}
	slices.Sort(c.Unindexed)
	return nil
}

// File reads one of the other files whole; an error that wraps fs.ErrNotExist if there is none. A
// name with a folder in it names nothing.
func (c *Checkpoint) File(name string) ([]byte, error) {
	if name != filepath.Base(name) || !fs.ValidPath(name) {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	path := filepath.Join(c.Dir, name)
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if stat.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than %d: %w", path, stat.Size(), maxFile, ErrBadCheckpoint)
	}
	return os.ReadFile(path)
}

// Close unmaps the shards.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.Shards {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
