package qimport

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/convert/adapter"
	"qimport/convert/safetensors"
	"qimport/quant"
)

// serveHub serves a directory as org/model, and points the environment at it and an empty cache.
func serveHub(t *testing.T, dir string) {
	t.Helper()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var siblings []any
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		lfs := map[string]any{"sha256": fmt.Sprintf("%x", sha256.Sum256(b)), "size": len(b)}
		siblings = append(siblings, map[string]any{"rfilename": e.Name(), "lfs": lfs})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/models/org/model/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
	})
	files := "/org/model/resolve/" + commit + "/"
	mux.Handle(files, http.StripPrefix(files, http.FileServer(http.Dir(dir))))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"HF_ENDPOINT": server.URL, "HF_HOME": t.TempDir(), "HF_HUB_CACHE": "", "HF_TOKEN": "", "HF_HUB_OFFLINE": ""} {
		t.Setenv(name, value)
	}
}

// A source of the hub is fetched in sight of the watcher; one that is at hand is nothing to watch.
func TestOpenSourceFetches(t *testing.T) {
	serveHub(t, dense)
	first, again := &notes{}, &notes{}
	for _, w := range []*notes{first, again} {
		src, err := OpenSource(t.Context(), "org/model", w)
		if err != nil {
			t.Fatal(err)
		}
		if src.Label() != "org/model" || src.Found.Repo != "org/model" {
			t.Errorf("found %+v", src.Found)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(first.works, []string{"fetch"}) || first.ends != 1 {
		t.Errorf("the fetch: told of %v, ended %d times", first.works, first.ends)
	}
	if len(again.works) > 0 {
		t.Errorf("from the cache: told of %v", again.works)
	}
}

// cachedFiles are the paths in the snapshots of the cache that serveHub has set.
func cachedFiles(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv("HF_HOME"), "hub/models--org--model/snapshots/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// indexed writes an index of all shards in a directory.
func indexed(t *testing.T, dir string) {
	t.Helper()
	shards, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	weights := map[string]string{}
	for _, path := range shards {
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, tensor := range f.Header.Tensors {
			weights[tensor.Name] = f.Name()
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"weight_map": weights})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// planOf is the plan of an import, as text.
func planOf(t *testing.T, o ImportOptions) string {
	t.Helper()
	p, err := Plan(t.Context(), openStore(t, t.TempDir()), o)
	if err != nil {
		t.Fatal(err)
	}
	return p.Plan.Text(true, 0)
}

// TestHeadOfRepository: a head that a repository has in a shard of its own is planned as that of a
// directory, and no other shard is fetched; all of them where the head alone does not tell its form.
func TestHeadOfRepository(t *testing.T) {
	for _, tt := range []struct {
		around float64
		whole  bool
	}{{0, false}, {1, true}} {
		dir := withHead(t, "mtp.safetensors", tt.around)
		indexed(t, dir)
		serveHub(t, dir)
		o := unverified(dense, quant.Format{})
		o.Plan.MTPFrom = dir
		want := planOf(t, o)
		o.Plan.MTPFrom = "org/model"
		watch := &notes{}
		o.Watch = watch
		got := planOf(t, o)
		if !strings.Contains(got, "mtp.fc.weight") {
			t.Error("there is no head")
		}
		samePlan(t, got, strings.ReplaceAll(want, dir, filepath.Dir(cachedFiles(t)[0])))
		var names []string
		for _, path := range cachedFiles(t) {
			names = append(names, filepath.Base(path))
		}
		if !slices.Contains(names, "mtp.safetensors") || slices.Contains(names, "model.safetensors") != tt.whole {
			t.Errorf("norms around %g: fetched %q", tt.around, names)
		}
		if told := strings.Contains(strings.Join(watch.lines, " "), "do not tell its form"); told != tt.whole {
			t.Errorf("norms around %g: told of %q", tt.around, watch.lines)
		}
	}
	serveHub(t, dense)
	o := unverified(dense, quant.Format{})
	o.Plan.MTPFrom = "org/model"
	if _, err := Plan(t.Context(), openStore(t, t.TempDir()), o); err == nil || !strings.Contains(err.Error(), "has no multi-token-prediction head") {
		t.Error(err)
	}
}

// samePlan compares two plans line by line, but for the widths of columns.
func samePlan(t *testing.T, got, want string) {
	t.Helper()
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if !slices.Equal(strings.Fields(a[i]), strings.Fields(b[i])) {
			t.Fatalf("%s\nwant %s", a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d lines, want %d", len(a), len(b))
	}
}

// TestAdapterOfRepository: an adapter of the hub is fused as that of a directory, under its own name.
func TestAdapterOfRepository(t *testing.T) {
	dir := smallAdapter(t, 0.1)
	serveHub(t, dir)
	o := unverified(dense, quant.Format{})
	o.Name = ""
	o.Plan.Adapters = []adapter.Spec{{Dir: dir, Scale: 0.5}}
	want := planOf(t, o)
	o.Plan.Adapters[0].Dir = "org/model"
	samePlan(t, planOf(t, o), strings.ReplaceAll(strings.ReplaceAll(want, "of "+filepath.Base(dir), "of org/model"), "adapter: "+filepath.Base(dir), "adapter: org/model"))
	src, err := openWhole(t.Context(), dense, "", o.Plan.Adapters, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if name, err := src.defaultName(quant.Format{}); err != nil || name.Model != "qwen3.5-bf16-model" {
		t.Errorf("it is called %s, %v", name, err)
	}
}
