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
	"qimport/internal/untrusted"
)

// ErrBadCheckpoint marks a directory that holds no model, or not all of one, or several.
var ErrBadCheckpoint = errors.New("not a whole checkpoint")

const (
	indexName = "model.safetensors.index.json"
	extension = ".safetensors"
)

// Budgets of a checkpoint, each many times what the largest known one has.
const (
	maxShards = 10_000    // 163 files
	maxHeader = 512 << 20 // bytes of all headers together: 60 MB
)

// maxBytes is how large a file that is read whole may be.
func maxBytes(name string) int64 {
	switch name {
	case "config.json":
		return 16 << 20 // 50 KB; 1 MB where it lists every quantized path
	case "tokenizer.json":
		return 256 << 20 // 20 MB
	case indexName:
		return 128 << 20 // 50 MB
	}
	return 64 << 20 // vocab.json has 7 MB
}

// Checkpoint is an open directory. No file descriptor stays open; shards are mapped when their
// bytes are asked for.
type Checkpoint struct {
	Dir       string
	Shards    []*safetensors.File // by name
	Unindexed []string            // tensors that the index leaves out: not part of the model
	Files     []string            // names of the other files, hidden ones left out, sorted
	Notes     []string            // what is wrong with the index, though the shards are whole without it
	sidecars  []string            // those of Shards that hold a multi-token-prediction head alone
}

// Open reads the directory, the index and every shard's header. Links are followed, as the Hugging
// Face cache has them. What is broken or ambiguous is ErrBadCheckpoint, safetensors.ErrBadHeader or of
// package untrusted. The index is a hint: it says which files are the shards, and a shard that it lists
// must be there. Where it is broken, or of other shards, that is noted.
func Open(dir string) (*Checkpoint, error) { return open(dir, false) }

// OpenHead is Open of those shards alone that a multi-token-prediction head is in: no others need be there.
func OpenHead(dir string) (*Checkpoint, error) { return open(dir, true) }

func open(dir string, head bool) (*Checkpoint, error) {
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
	for _, name := range c.Files {
		if err := c.checkFile(name); err != nil {
			return nil, err
		}
	}
	index, broken := c.index()
	indexed := len(index) > 0
	if head {
		index = index.head()
	}
	shards := index.shards()
	if !indexed {
		if shards, err = loose(names); err != nil {
			return nil, errors.Join(broken, err)
		}
	}
	if broken != nil {
		c.note("the index is left aside: %v", broken)
	}
	if err := c.openShards(shards, indexed); err != nil {
		return nil, err
	}
	for _, name := range sidecars(names, shards) {
		if err := c.openShards([]string{name}, false); err != nil {
			return nil, err
		}
		c.sidecars = append(c.sidecars, name)
		c.note("%s is taken in, which no index lists: a multi-token-prediction head beside the model", name)
	}
	if err := c.reconcile(index); err != nil {
		return nil, err
	}
	return c, nil
}

// list names the files of a directory, links to files included. What has the name of a file that is
// read without being one is listed too, a link that leads nowhere among them, so that opening it tells.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && (isFile(dir, e) || slices.Contains(readEndings(), filepath.Ext(e.Name()))) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// readEndings are those of files that are read.
func readEndings() []string { return []string{extension, ".json", ".jinja"} }

func isFile(dir string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	stat, err := os.Stat(filepath.Join(dir, e.Name()))
	return err == nil && stat.Mode().IsRegular()
}

// checkFile refuses, before a byte of weights is read, a file that File will not read.
func (c *Checkpoint) checkFile(name string) error {
	if !slices.Contains(readEndings(), filepath.Ext(name)) {
		return nil
	}
	path := filepath.Join(c.Dir, name)
	stat, err := os.Stat(path)
	if err != nil {
		return nil // a link to nothing is told by whoever needs it
	}
	if err := untrusted.CheckRegular(path, stat); err != nil {
		return err
	}
	return untrusted.CheckSize(path, stat.Size(), maxBytes(name))
}

func (c *Checkpoint) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
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
	if len(names) > maxShards {
		return fmt.Errorf("%d shards, more than %d: %w", len(names), maxShards, ErrBadCheckpoint)
	}
	tensors, header := 0, int64(0)
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
		tensors, header = tensors+len(f.Header.Tensors), header+f.Header.DataStart
		if tensors > safetensors.MaxTensors || header > maxHeader {
			return fmt.Errorf("the shards up to %s have %d tensors in %d bytes of headers, more than %d in %d: %w",
				name, tensors, header, safetensors.MaxTensors, maxHeader, ErrBadCheckpoint)
		}
	}
	return nil
}

// reconcile holds every tensor to one shard, and notes where the index says otherwise. What a model
// cannot do without is asked for where its config is known.
func (c *Checkpoint) reconcile(index index) error {
	home := map[string]string{}
	var elsewhere, nowhere example
	for _, f := range c.Shards {
		for _, t := range f.Header.Tensors {
			if first, twice := home[t.Name]; twice {
				return fmt.Errorf("tensor %q is in both %s and %s: %w", t.Name, first, f.Name(), ErrBadCheckpoint)
			}
			home[t.Name] = f.Name()
			if slices.Contains(c.sidecars, f.Name()) {
				if !isHead(t.Name) {
					c.Unindexed = append(c.Unindexed, t.Name)
				}
				continue
			}
			switch want, indexed := index[t.Name]; {
			case indexed && want != f.Name():
				elsewhere.add(t.Name)
			case len(index) > 0 && !indexed:
				c.Unindexed = append(c.Unindexed, t.Name)
			}
		}
	}
	for name := range index {
		if _, ok := home[name]; !ok {
			nowhere.add(name)
		}
	}
	if elsewhere.count > 0 {
		c.note("%s is of other shards: %d tensors are in another one than it says, such as %q in %s, not %s",
			indexName, elsewhere.count, elsewhere.name, home[elsewhere.name], index[elsewhere.name])
	}
	if nowhere.count > 0 {
		c.note("%s is of other shards: %d tensors that it lists are in none, such as %q", indexName, nowhere.count, nowhere.name)
	}
	slices.Sort(c.Unindexed)
	return nil
}

// example is how many names there are, and the first of them in the alphabet.
type example struct {
	count int
	name  string
}

func (e *example) add(name string) {
	if e.count == 0 || name < e.name {
		e.name = name
	}
	e.count++
}

// File reads one of the other files whole; an error that wraps fs.ErrNotExist if there is none. A
// name with a folder in it names nothing.
func (c *Checkpoint) File(name string) ([]byte, error) {
	if name != filepath.Base(name) || !fs.ValidPath(name) {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return untrusted.ReadFile(filepath.Join(c.Dir, name), maxBytes(name))
}

// Close unmaps the shards.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.Shards {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
