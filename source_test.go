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
	"testing"
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
