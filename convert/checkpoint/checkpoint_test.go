package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"qimport/convert/safetensors"
	"qimport/quant"
)

// shard writes a file that holds one byte for each name.
func shard(t *testing.T, dir, name string, tensors ...string) {
	t.Helper()
	var entries []safetensors.Tensor
	for _, n := range tensors {
		entries = append(entries, safetensors.Tensor{Name: n, Dtype: quant.U8, Shape: []int{1}})
	}
	h, err := safetensors.New(nil, entries)
	if err != nil {
		t.Fatal(err)
	}
	text(t, dir, name, string(h.Append(nil))+strings.Repeat("x", len(tensors)))
}

func text(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// two writes a checkpoint of two shards with an index.
func two(t *testing.T, dir string) {
	shard(t, dir, "model-00001-of-00002.safetensors", "a", "b")
	shard(t, dir, "model-00002-of-00002.safetensors", "c")
	text(t, dir, indexName, `{"metadata":{"total_size":3},"weight_map":{
		"a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}}`)
	text(t, dir, "config.json", "{}")
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name      string
		make      func(t *testing.T, dir string)
		shards    []string
		unindexed []string
		files     []string
	}{
		{"shards and index", two, []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}, nil, []string{"config.json"}},
		{"shards without index", func(t *testing.T, dir string) {
			two(t, dir)
			os.Remove(filepath.Join(dir, indexName))
		}, []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}, nil, []string{"config.json"}},
		{"one file among others", func(t *testing.T, dir string) {
			shard(t, dir, "model.safetensors", "a")
			shard(t, dir, "adapter.safetensors", "a")
			text(t, dir, "tokenizer.json", "{}")
			text(t, dir, ".gitattributes", "")
			if err := os.Mkdir(filepath.Join(dir, "original"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, []string{"model.safetensors"}, nil, []string{"tokenizer.json"}},
		{"empty index", func(t *testing.T, dir string) {
			shard(t, dir, "model.safetensors", "a")
			text(t, dir, indexName, `{"weight_map":{}}`)
		}, []string{"model.safetensors"}, nil, nil},
		{"index of another file name", func(t *testing.T, dir string) {
			shard(t, dir, "model.safetensors", "zzz")
			shard(t, dir, "weights.safetensors", "a", "extra")
			text(t, dir, indexName, `{"weight_map":{"a":"weights.safetensors"}}`)
		}, []string{"weights.safetensors"}, []string{"extra"}, nil},
		{"links, as in the Hugging Face cache", func(t *testing.T, dir string) {
			blobs := t.TempDir()
			shard(t, blobs, "0123abcd", "a")
			text(t, blobs, "4567", "{}")
			for name, blob := range map[string]string{"model.safetensors": "0123abcd", "config.json": "4567"} {
				if err := os.Symlink(filepath.Join(blobs, blob), filepath.Join(dir, name)); err != nil {
					t.Skip(err)
				}
			}
		}, []string{"model.safetensors"}, nil, []string{"config.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			got, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			var shards []string
			for _, f := range got.Shards {
				shards = append(shards, f.Name())
				if b, err := f.Bytes(f.Header.Tensors[0].Name); err != nil || string(b) != "x" {
					t.Errorf("%s: %q, %v", f.Name(), b, err)
				}
			}
			if !slices.Equal(shards, c.shards) || !slices.Equal(got.Unindexed, c.unindexed) || !slices.Equal(got.Files, c.files) {
				t.Errorf("shards %q, unindexed %q, files %q", shards, got.Unindexed, got.Files)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string // parts of the message
	}{
		{"index names a missing file", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "model-00002-of-00002.safetensors")) },
			[]string{"model-00002-of-00002.safetensors", indexName}},
		{"truncated shard", func(t *testing.T, dir string) {
			p := filepath.Join(dir, "model-00001-of-00002.safetensors")
			stat, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			os.Truncate(p, stat.Size()-1)
		}, []string{"model-00001-of-00002.safetensors", `tensor "b"`, "byte", "cut short"}},
		{"tensor in two shards", func(t *testing.T, dir string) {
			shard(t, dir, "model-00002-of-00002.safetensors", "a", "c")
		}, []string{`tensor "a"`, "model-00002-of-00002.safetensors"}},
		{"unindexed tensor in two shards", func(t *testing.T, dir string) {
			shard(t, dir, "model-00001-of-00002.safetensors", "a", "b", "x")
			shard(t, dir, "model-00002-of-00002.safetensors", "c", "x")
		}, []string{`tensor "x"`, "both"}},
		{"no shards", func(t *testing.T, dir string) {
			for _, p := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", indexName} {
				os.Remove(filepath.Join(dir, p))
			}
		}, []string{"no model*.safetensors"}},
		{"one shard of a set, no index", func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, indexName))
			os.Remove(filepath.Join(dir, "model-00001-of-00002.safetensors"))
		}, []string{"model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors is not"}},
		{"one file beside shards, no index", func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, indexName))
			shard(t, dir, "model.safetensors", "a")
		}, []string{"model.safetensors", "model-00001-of-00002.safetensors"}},
		{"only files of other names", func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, indexName))
			for _, p := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
				os.Rename(filepath.Join(dir, p), filepath.Join(dir, "consolidated"+p[5:]))
			}
		}, []string{"consolidated-00001-of-00002.safetensors"}},
		{"weights of another form", func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, indexName))
			for _, p := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
				os.Remove(filepath.Join(dir, p))
			}
			text(t, dir, "model-q4.gguf", "GGUF")
		}, []string{"only model-q4.gguf"}},
		{"link to nothing", func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, indexName))
			for _, p := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
				os.Remove(filepath.Join(dir, p))
			}
			if err := os.Symlink("nowhere", filepath.Join(dir, "model.safetensors")); err != nil {
				t.Skip(err)
			}
		}, []string{"model.safetensors is a link to nothing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			two(t, dir)
			c.damage(t, dir)
			_, err := Open(dir)
			if !errors.Is(err, ErrBadCheckpoint) && !errors.Is(err, safetensors.ErrBadHeader) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// TestIndexIsAHint: an index that cannot be read, leads out of the directory or is of other shards is
// noted, if the shards are whole and unambiguous without it; else it is an error, too.
func TestIndexIsAHint(t *testing.T) {
	remap := func(old, new string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, indexName))
			if err != nil {
				t.Fatal(err)
			}
			text(t, dir, indexName, strings.Replace(string(b), old, new, 1))
		}
	}
	whole := func(content string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { text(t, dir, indexName, content) }
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string // parts of the note
	}{
		{"swapped shards", func(t *testing.T, dir string) {
			shard(t, dir, "model-00001-of-00002.safetensors", "c")
			shard(t, dir, "model-00002-of-00002.safetensors", "a", "b")
		}, []string{"3 tensors", `"a" in model-00002-of-00002.safetensors, not model-00001-of-00002.safetensors`}},
		{"tensor missing", remap(`"a":`, `"d":"model-00002-of-00002.safetensors","a":`), []string{"1 tensors that it lists are in none", `"d"`}},
		{"path with a folder", remap(`"model-00002-of-00002.safetensors"`, `"sub/model-00002-of-00002.safetensors"`), []string{`tensor "c"`, "bare name"}},
		{"path upwards", remap(`"model-00002-of-00002.safetensors"`, `"../x.safetensors"`), []string{`tensor "c"`, "bare name"}},
		{"name that steers a terminal", remap(`"model-00002-of-00002.safetensors"`, `"\u001b[2J.safetensors"`), []string{`tensor "c"`, "bare name"}},
		{"not a safetensors file", remap(`"model-00002-of-00002.safetensors"`, `"config.json"`), []string{`tensor "c"`, "bare name"}},
		{"tensor listed twice", remap(`"a":`, `"b":"model-00001-of-00002.safetensors","a":`), []string{`tensor "b"`, "twice"}},
		{"shard a number", remap(`"model-00002-of-00002.safetensors"`, `7`), []string{`tensor "c"`}},
		{"weight_map a list", whole(`{"weight_map":[]}`), []string{indexName, "object"}},
		{"weight_map cut short", whole(`{"weight_map":{"a":`), []string{indexName, "left aside"}},
		{"no JSON", whole(`{`), []string{indexName}},
		{"empty file", whole(``), []string{indexName}},
		{"too large", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, indexName), maxBytes(indexName)+1); err != nil {
				t.Fatal(err)
			}
		}, []string{indexName, "134217729 bytes, more than the 134217728"}},
		{"a directory", func(t *testing.T, dir string) {
			p := filepath.Join(dir, indexName)
			if err := errors.Join(os.Remove(p), os.Mkdir(p, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, []string{indexName + " is a directory, not a regular file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			two(t, dir)
			c.damage(t, dir)
			got, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], want) {
					t.Errorf("%q do not say %q", got.Notes, want)
				}
			}
			if len(got.Shards) != 2 {
				t.Errorf("%d shards", len(got.Shards))
			}
			if err := os.Remove(filepath.Join(dir, "model-00002-of-00002.safetensors")); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil {
				t.Error("opened without one of its shards")
			}
		})
	}
}

// TestHostileIndex: an index of three million tensors, or of names as long as they may be, costs
// seconds, and memory in proportion.
func TestHostileIndex(t *testing.T) {
	if testing.Short() {
		t.Skip("an index of 128 MB")
	}
	for _, c := range []struct{ entry, want string }{
		{`"t%d":"model.safetensors"`, "more than 1048576 tensors"},
		{`"%0512d":"model.safetensors"`, "tensors that it lists are in none"},
	} {
		dir := t.TempDir()
		shard(t, dir, "model.safetensors", "a")
		b := []byte(`{"weight_map":{"a":"model.safetensors"`)
		n := 0
		for ; n < 3_000_000 && len(b) < int(maxBytes(indexName))-1000; n++ {
			b = fmt.Appendf(append(b, ','), c.entry, n)
		}
		text(t, dir, indexName, string(b)+"}}")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		got, err := Open(dir)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err != nil || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], c.want) {
			t.Errorf("%v, %v", got, err)
		}
		made := after.TotalAlloc - before.TotalAlloc
		t.Logf("%d tensors in %d MB: %.1f s, %d MB made on the way", n, len(b)>>20, took.Seconds(), made>>20)
		if made > 12*uint64(len(b)) || took > time.Minute {
			t.Errorf("%v and %d bytes for an index of %d", took, made, len(b))
		}
	}
}

// TestManyShards: more shards than any model has are refused before they are opened, and so are more
// tensors than any has, over all shards together.
func TestManyShards(t *testing.T) {
	dir := t.TempDir()
	b := []byte(`{"weight_map":{"a":"model.safetensors"`)
	for i := range maxShards {
		b = fmt.Appendf(b, `,"t%d":"model-%d.safetensors"`, i, i)
	}
	text(t, dir, indexName, string(b)+"}}")
	if _, err := Open(dir); !errors.Is(err, ErrBadCheckpoint) || !strings.Contains(err.Error(), "10001 shards") {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	outside := t.TempDir()
	text(t, outside, "secret", "x")
	dir := filepath.Join(outside, "model")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	two(t, dir)
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := c.File("config.json"); err != nil || string(b) != "{}" {
		t.Errorf("config.json: %q, %v", b, err)
	}
	for _, name := range []string{"tokenizer.json", "../secret", filepath.Join(outside, "secret"), "", "."} {
		if b, err := c.File(name); err == nil {
			t.Errorf("%q: read %q", name, b)
		}
	}
	if _, err := c.File("../secret"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path: %v", err)
	}
}

// FuzzParseIndex: nothing panics, and what is accepted names bare files only.
func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map":{"a":"model.safetensors","b":"../x.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"m.safetensors","a":"m.safetensors"},"metadata":{}}`))
	f.Add([]byte(`{"weight_map":{"a":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseIndex(b)
		if err != nil && !errors.Is(err, ErrBadCheckpoint) {
			t.Fatalf("rejected without saying so: %v", err)
		}
		for tensor, name := range x {
			if err == nil && name != filepath.Base(name) {
				t.Fatalf("tensor %q leads to %q", tensor, name)
			}
		}
	})
}
