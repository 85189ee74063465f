package hub

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// headFiles is a release of three shards, with its head in the second, and a stray file of a head's name.
func headFiles(t *testing.T) map[string]string {
	t.Helper()
	index, err := json.Marshal(map[string]any{"weight_map": map[string]string{
		"model.language_model.layers.0.mlp.up_proj.weight": "a.safetensors", "lm_head.weight": "c.safetensors",
		"model.language_model.norm.weight": "b.safetensors", "mtp.fc.weight": "b.safetensors",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"config.json": "{}", "tokenizer.json": `{"model":{}}`, indexName: string(index), "LICENSE": "terms", "train.py": "no",
		"a.safetensors": "first", "b.safetensors": "second", "c.safetensors": "third", "mtp.safetensors": "beside",
	}
}

// fetched are the names of the files that a snapshot has, sorted.
func fetched(t *testing.T, s Source) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestHeadAlone: of a release the head's shards and the small files are fetched, the rest when all is asked
// for, and nothing that is there twice.
func TestHeadAlone(t *testing.T) {
	h := newFakeHub(t, headFiles(t))
	s := h.settings(t)
	var done, total int64
	head := Reference{"org/model", "main", Head}
	got, err := resolve(t.Context(), s, head, func(d, all int64) { done, total = d, all })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LICENSE", "b.safetensors", "config.json", indexName, "mtp.safetensors", "tokenizer.json"}
	if names := fetched(t, got); !slices.Equal(names, want) {
		t.Errorf("fetched %q, want %q", names, want)
	}
	size := 0
	for _, name := range want {
		size += len(h.files[name])
	}
	if done != total || done != int64(size) {
		t.Errorf("told of %d of %d bytes, of %d", done, total, size)
	}
	listings := len(h.asked("/revision/main"))
	if again, err := resolve(t.Context(), s, head, nil); err != nil || again != got || len(h.asked("/revision/main")) != listings {
		t.Errorf("from the cache: %+v, %v", again, err)
	}
	offline := s
	offline.offline = true
	if _, err := resolve(t.Context(), offline, head, nil); err != nil {
		t.Errorf("offline: %v", err)
	}
	refused(t, offline, "a.safetensors")
	mustResolve(t, s, h.files)
	for name := range h.files {
		if n := len(h.asked("/" + name)); n != 1 && name != "train.py" {
			t.Errorf("%s was fetched %d times", name, n)
		}
	}
}

// TestHeadOfOldCache: without a note, as huggingface_hub leaves a part of a snapshot, the shards count that
// the index names for the head.
func TestHeadOfOldCache(t *testing.T) {
	h := newFakeHub(t, headFiles(t))
	s := h.settings(t)
	got := mustResolve(t, s, h.files)
	for _, gone := range []string{path.Join(path.Dir(path.Dir(got.Dir)), notePath(commit)), path.Join(got.Dir, "a.safetensors")} {
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
	}
	s.offline = true
	head := Reference{"org/model", "main", Head}
	if _, err := resolve(t.Context(), s, head, nil); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path.Join(got.Dir, "b.safetensors")); err != nil {
		t.Fatal(err)
	}
	if _, err := resolve(t.Context(), s, head, nil); err == nil || !strings.Contains(err.Error(), "b.safetensors") {
		t.Error(err)
	}
}

// TestHeadOfOneFile: without an index, all of it is the head's.
func TestHeadOfOneFile(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	got, err := resolve(t.Context(), h.settings(t), Reference{"org/model", "main", Head}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if names := fetched(t, got); !slices.Contains(names, "model.safetensors") {
		t.Errorf("fetched %q", names)
	}
}

// TestBadHeadIndex: an index that says nothing ends the fetch, in words.
func TestBadHeadIndex(t *testing.T) {
	files := headFiles(t)
	for _, bad := range []string{"{", `{"weight_map":{}}`, `{"weight_map":3}`} {
		files[indexName] = bad
		h := newFakeHub(t, files)
		_, err := resolve(t.Context(), h.settings(t), Reference{"org/model", "main", Head}, nil)
		if err == nil || !strings.Contains(err.Error(), "is no index of shards") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestAdapterParts: of a repository with an adapter, its two files are fetched.
func TestAdapterParts(t *testing.T) {
	files := map[string]string{
		adapterConfig: "{}", "adapter_model.safetensors": "arrays", "tokenizer.json": "{}", "README.md": "no", "checkpoint-1/adapter_model.safetensors": "older",
	}
	reference := Reference{"org/model", "main", Adapter}
	h := newFakeHub(t, files)
	s := h.settings(t)
	got, err := resolve(t.Context(), s, reference, nil)
	if err != nil {
		t.Fatal(err)
	}
	if names := fetched(t, got); !slices.Equal(names, []string{adapterConfig, "adapter_model.safetensors"}) {
		t.Errorf("fetched %q", names)
	}
	h.Close()
	if again, err := resolve(t.Context(), s, reference, nil); err != nil || again != got {
		t.Errorf("from the cache: %+v, %v", again, err)
	}
	for lacks, says := range map[string]string{adapterConfig: "it is no adapter", "adapter_model.safetensors": "no other form of an adapter's weights"} {
		rest := maps.Clone(files)
		delete(rest, lacks)
		h := newFakeHub(t, rest)
		if _, err := resolve(t.Context(), h.settings(t), reference, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("without %s: %v", lacks, err)
		}
	}
	whole := newFakeHub(t, files)
	refused(t, whole.settings(t), "it holds no config.json")
	whole.list = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	if _, err := resolve(t.Context(), whole.settings(t), reference, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
}
