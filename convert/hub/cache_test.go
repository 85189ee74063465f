package hub

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pythonCache is a cache as huggingface_hub leaves it: refs/main names the commit, files are links
// to blobs, and there is no note of ours.
func pythonCache(t *testing.T, cache string, files map[string]string) (repo string) {
	t.Helper()
	repo = filepath.Join(cache, "models--org--model")
	write(t, filepath.Join(repo, "refs", "main"), commit)
	for name, body := range files {
		write(t, filepath.Join(repo, "blobs", oidOf(name, body)), body)
		link(t, filepath.Join(repo, "snapshots", commit, name), "../../blobs/"+oidOf(name, body))
	}
	return repo
}

// link makes name a link to target, whatever it was.
func link(t *testing.T, name, target string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Remove(name)
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// two is a checkpoint of two shards.
func two() map[string]string {
	return map[string]string{
		"config.json": "{}", "tokenizer.json": `{"model":{}}`,
		indexName:             `{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}`,
		"model-1.safetensors": "first", "model-2.safetensors": "second",
	}
}

func TestPythonCache(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, repo, snapshot string)
		whole  bool
	}{
		{"whole", func(*testing.T, string, string) {}, true},
		{"files in place of links", func(t *testing.T, repo, snapshot string) {
			os.Remove(filepath.Join(snapshot, "config.json"))
			write(t, filepath.Join(snapshot, "config.json"), "{}")
		}, true},
		{"absolute link", func(t *testing.T, repo, snapshot string) {
			link(t, filepath.Join(snapshot, "config.json"), filepath.Join(repo, "blobs", oidOf("config.json", "{}")))
		}, true},
		{"by our earlier library", func(t *testing.T, repo, snapshot string) {
			os.RemoveAll(filepath.Join(repo, "refs"))
			write(t, filepath.Join(repo, "info", "main"), string(listingJSON(two())))
		}, true},
		{"the cache's shared blobs", func(t *testing.T, repo, snapshot string) {
			shared := strings.Repeat("ab", 32)
			blob := filepath.Join(repo, "blobs", oidOf("model-1.safetensors", "first"))
			write(t, filepath.Join(filepath.Dir(repo), "blobs", "ab", shared), "first")
			link(t, blob, "../../blobs/ab/"+shared)
		}, true},
		{"no shard", func(t *testing.T, repo, snapshot string) { os.Remove(filepath.Join(snapshot, "model-1.safetensors")) }, false},
		{"no blob", func(t *testing.T, repo, snapshot string) {
			os.Remove(filepath.Join(repo, "blobs", oidOf("model-1.safetensors", "first")))
		}, false},
		{"no config", func(t *testing.T, repo, snapshot string) { os.Remove(filepath.Join(snapshot, "config.json")) }, false},
		{"half an index", func(t *testing.T, repo, snapshot string) {
			write(t, filepath.Join(snapshot, indexName), `{"weight_map":{"a":`)
		}, false},
		{"an index without shards", func(t *testing.T, repo, snapshot string) { write(t, filepath.Join(snapshot, indexName), `{}`) }, false},
		{"an index that leads out", func(t *testing.T, repo, snapshot string) {
			write(t, filepath.Join(snapshot, indexName), `{"weight_map":{"a":"../../blobs/x.safetensors"}}`)
		}, false},
		{"no snapshot", func(t *testing.T, repo, snapshot string) { os.RemoveAll(snapshot) }, false},
		{"empty ref", func(t *testing.T, repo, snapshot string) { write(t, filepath.Join(repo, "refs", "main"), "") }, false},
		{"ref that leads out", func(t *testing.T, repo, snapshot string) {
			write(t, filepath.Join(repo, "refs", "main"), "../../../../../../etc")
		}, false},
		{"ref that is a folder", func(t *testing.T, repo, snapshot string) {
			os.Remove(filepath.Join(repo, "refs", "main"))
			write(t, filepath.Join(repo, "refs", "main", "x"), commit)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFakeHub(t, two())
			s := h.settings(t)
			s.offline = true
			repo := pythonCache(t, s.cache, two())
			c.change(t, repo, filepath.Join(repo, "snapshots", commit))
			if !c.whole {
				refused(t, s, "HF_HUB_OFFLINE")
				return
			}
			mustResolve(t, s, two())
			if len(h.asked("")) > 0 {
				t.Errorf("offline, the hub was asked for %v", h.asked(""))
			}
		})
	}
}

// What the names of files do not tell, the listing does: each of these seems whole, and is mended.
func TestMended(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, repo, snapshot string)
		asked  []string // files that must be fetched, and no others
	}{
		{"whole", func(*testing.T, string, string) {}, nil},
		{"template gone", func(t *testing.T, repo, snapshot string) { os.Remove(filepath.Join(snapshot, "tokenizer.json")) }, nil}, // its blob is there
		{"shard cut short", func(t *testing.T, repo, snapshot string) {
			write(t, filepath.Join(repo, "blobs", oidOf("model-2.safetensors", "second")), "sec")
		}, []string{"model-2.safetensors"}},
		{"index cut short", func(t *testing.T, repo, snapshot string) {
			write(t, filepath.Join(repo, "blobs", oidOf(indexName, two()[indexName])), `{"weight_map":{"a":"model-1.safetensors"}}`)
		}, []string{indexName}},
		{"config of zeros, as after a crash", func(t *testing.T, repo, snapshot string) {
			write(t, filepath.Join(repo, "blobs", oidOf("config.json", "{}")), "\x00\x00")
		}, []string{"config.json"}},
		{"link to another blob", func(t *testing.T, repo, snapshot string) {
			link(t, filepath.Join(snapshot, "model-1.safetensors"), "../../blobs/"+oidOf("model-2.safetensors", "second"))
		}, nil},
		{"own file of another size", func(t *testing.T, repo, snapshot string) {
			os.Remove(filepath.Join(snapshot, "config.json"))
			write(t, filepath.Join(snapshot, "config.json"), `{"mine":1}`)
		}, nil},
		{"blob and link gone", func(t *testing.T, repo, snapshot string) {
			os.Remove(filepath.Join(snapshot, "tokenizer.json"))
			os.Remove(filepath.Join(repo, "blobs", oidOf("tokenizer.json", two()["tokenizer.json"])))
		}, []string{"tokenizer.json"}},
		{"no ref", func(t *testing.T, repo, snapshot string) { os.Remove(filepath.Join(repo, "refs", "main")) }, nil},
		{"bad note", func(t *testing.T, repo, snapshot string) {
			write(t, filepath.Join(repo, "qimport", commit+".json"), `{"schema":1,"commit":"../..","files":[]}`)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFakeHub(t, two())
			s := h.settings(t)
			repo := pythonCache(t, s.cache, two())
			c.change(t, repo, filepath.Join(repo, "snapshots", commit))
			mustResolve(t, s, two())
			var fetched []string
			for _, r := range h.asked("") {
				if name, isFile := strings.CutPrefix(r.path, "/org/model/resolve/"+commit+"/"); isFile {
					fetched = append(fetched, name)
				}
			}
			if !slices.Equal(fetched, c.asked) {
				t.Errorf("fetched %v, want %v", fetched, c.asked)
			}
			asked := len(h.asked(""))
			if mustResolve(t, s, two()); len(h.asked("")) > asked {
				t.Errorf("known to be whole, it was asked for again: %v", h.asked("")[asked:])
			}
			if ref := mustRead(t, filepath.Join(repo, "refs", "main")); ref != commit {
				t.Errorf("refs/main is %q", ref)
			}
		})
	}
}

// A snapshot that seems whole is looked at under its own commit, not where the branch points by now;
// where the hub does not know it any more, it is taken.
func TestBranchMoved(t *testing.T) {
	h := newFakeHub(t, two())
	h.list = func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, commit) {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(http.StatusNotFound)
	}
	s := h.settings(t)
	pythonCache(t, s.cache, two())
	mustResolve(t, s, two())
	h.Close()
	mustResolve(t, s, two())
}

func TestReadOnlyCache(t *testing.T) {
	h := newFakeHub(t, two())
	s := h.settings(t)
	repo := pythonCache(t, s.cache, two())
	chmod := func(mode os.FileMode) {
		for _, dir := range []string{"refs", "snapshots", "blobs", ""} {
			if err := os.Chmod(filepath.Join(repo, dir), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod(0o555)
	defer chmod(0o755)
	mustResolve(t, s, two())
}

// Each of these leads out of the repository's blobs, and is refused by name, with a network and without.
func TestHostileCache(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, filepath.Join(outside, "config.json"), "{}")
	pipe := func(t *testing.T, name string) {
		os.Remove(name)
		if err := makePipe(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, at string // what is changed, under the repository's folder
		change   func(t *testing.T, name string)
	}{
		{"absolute link", "snapshots/" + commit + "/config.json", func(t *testing.T, name string) { link(t, name, "/etc/passwd") }},
		{"relative link", "snapshots/" + commit + "/config.json", func(t *testing.T, name string) { link(t, name, "../../../../../etc/passwd") }},
		{"link through the blobs", "snapshots/" + commit + "/config.json", func(t *testing.T, name string) { link(t, name, "../../blobs/../../../x") }},
		{"link into another repository", "snapshots/" + commit + "/config.json", func(t *testing.T, name string) { link(t, name, "../../../models--a--b/blobs/x") }},
		{"link to a ref", "snapshots/" + commit + "/config.json", func(t *testing.T, name string) { link(t, name, "../../refs/main") }},
		{"a file that nobody lists", "snapshots/" + commit + "/extra.json", func(t *testing.T, name string) { link(t, name, "/etc/passwd") }},
		{"pipe", "snapshots/" + commit + "/extra.json", pipe},
		{"pipe for a blob", "blobs/" + oidOf("config.json", "{}"), pipe},
		{"folder for a blob", "blobs/" + oidOf("config.json", "{}"), func(t *testing.T, name string) {
			os.Remove(name)
			os.Mkdir(name, 0o755)
		}},
		{"link for a blob", "blobs/" + oidOf("config.json", "{}"), func(t *testing.T, name string) { link(t, name, "/etc/passwd") }},
		{"link for a blob, shaped like a shared one", "blobs/" + oidOf("config.json", "{}"), func(t *testing.T, name string) { link(t, name, "../../blobs/ab/passwd") }},
		{"link for the snapshot", "snapshots/" + commit, func(t *testing.T, name string) {
			os.RemoveAll(name)
			link(t, name, outside)
		}},
		{"file for the snapshot", "snapshots/" + commit, func(t *testing.T, name string) {
			os.RemoveAll(name)
			write(t, name, "x")
		}},
		{"link for the snapshots", "snapshots", func(t *testing.T, name string) {
			os.RemoveAll(name)
			link(t, name, outside)
		}},
		{"link for the blobs", "blobs", func(t *testing.T, name string) {
			os.RemoveAll(name)
			link(t, name, outside)
		}},
		{"link for the refs", "refs", func(t *testing.T, name string) {
			os.RemoveAll(name)
			link(t, name, outside)
		}},
		{"link for a ref", "refs/main", func(t *testing.T, name string) { link(t, name, "/etc/passwd") }},
		{"pipe for a ref", "refs/main", pipe},
		{"endless ref", "refs/main", func(t *testing.T, name string) { write(t, name, strings.Repeat("a", 1<<20)) }},
		{"link for our folder", "qimport", func(t *testing.T, name string) { link(t, name, outside) }},
		{"link for a note", "qimport/" + commit + ".json", func(t *testing.T, name string) { link(t, name, "/etc/passwd") }},
		{"endless note", "qimport/" + commit + ".json", func(t *testing.T, name string) { write(t, name, strings.Repeat(" ", maxNote+1)) }},
	} {
		for _, offline := range []bool{true, false} {
			h := newFakeHub(t, two())
			s := h.settings(t)
			s.offline = offline
			repo := pythonCache(t, s.cache, two())
			at := filepath.Join(repo, c.at)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			c.change(t, at)
			_, err := resolve(t.Context(), s, model, nil)
			if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), c.at) {
				t.Errorf("%s (offline %v): got %v, want a refusal of %s", c.name, offline, err, c.at)
			}
		}
	}
	if names := filesUnder(t, outside); len(names) != 1 {
		t.Errorf("something was written outside: %v", names)
	}
}

// Where a fetch writes, nothing leads it out either.
func TestHostileCacheWhileFetching(t *testing.T) {
	shard := oidOf("model.safetensors", checkpointFiles()["model.safetensors"])
	for _, c := range []struct {
		name, at string // under the cache
		mended   bool
	}{
		{"link for an unfinished blob", "models--org--model/blobs/" + shard + incomplete, true},
		{"link for the locks", ".locks", false},
		{"link for a lock", ".locks/models--org--model/" + shard + ".lock", false},
		{"link for a part of a ref", "models--org--model/refs/heads", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			outside := filepath.Join(t.TempDir(), "outside")
			h := newFakeHub(t, checkpointFiles())
			s := h.settings(t)
			link(t, filepath.Join(s.cache, c.at), outside)
			_, err := resolve(t.Context(), s, Reference{ID: "org/model", Revision: "heads/x"}, nil)
			if c.mended != (err == nil) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Lstat(outside); err == nil {
				t.Error("something was written outside")
			}
		})
	}
}
