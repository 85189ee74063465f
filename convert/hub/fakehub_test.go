package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"qimport/internal/transfer"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// fakeHub serves org/model as the real hub does, and lets a test say otherwise.
type fakeHub struct {
	*httptest.Server
	files map[string]string
	list  func(w http.ResponseWriter, r *http.Request)                                // in place of the listing
	serve func(w http.ResponseWriter, r *http.Request, name, body string) (done bool) // in place of a file

	mu       sync.Mutex
	requests []request
}

// request is what a test wants to know of one.
type request struct{ path, rng, auth string }

// checkpointFiles is a repository, small but of both kinds of digests.
func checkpointFiles() map[string]string {
	return map[string]string{
		"config.json": "{}", "chat_template.jinja": "{{ messages }}", "README.md": "a card", "original/params.json": "no", "train.py": "no",
		"model.safetensors": strings.Repeat("0123456789abcdef", 1<<13),
	}
}

func newFakeHub(t *testing.T, files map[string]string) *fakeHub {
	t.Helper()
	h := &fakeHub{files: files}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// settings for a cache of its own and a patience for tests.
func (h *fakeHub) settings(t *testing.T) settings {
	return settings{
		cache: t.TempDir(), endpoint: h.URL,
		patience: transfer.Patience{Tries: 3, First: time.Millisecond, Longest: 5 * time.Millisecond, Asked: 200 * time.Millisecond, Stall: 5 * time.Second},
	}
}

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests = append(h.requests, request{r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization")})
	serve := h.serve
	h.mu.Unlock()
	name, isFile := strings.CutPrefix(r.URL.Path, "/org/model/resolve/"+commit+"/")
	body, known := h.files[name]
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/models/org/model/revision/"):
		if h.list != nil {
			h.list(w, r)
			return
		}
		w.Write(listingJSON(h.files))
	case !isFile || !known:
		w.WriteHeader(http.StatusNotFound)
	case serve == nil || !serve(w, r, name, body):
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	}
}

// behave lets the hub serve files as they are from here on.
func (h *fakeHub) behave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serve = nil
}

// asked are the requests for paths with that ending.
func (h *fakeHub) asked(ending string) []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []request
	for _, r := range h.requests {
		if strings.HasSuffix(r.path, ending) {
			out = append(out, r)
		}
	}
	return out
}

// oidOf is the digest under which the hub lists a file: shards are with LFS, others with git.
func oidOf(name, body string) string {
	if isShard(name) {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
	}
	return fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(body), body)))
}

// listingJSON is the hub's answer to ?blobs=true.
func listingJSON(files map[string]string) []byte {
	siblings := []any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		one := map[string]any{"rfilename": name, "size": len(files[name]), "blobId": oidOf("", files[name])}
		if isShard(name) {
			one["lfs"] = map[string]any{"sha256": oidOf(name, files[name]), "size": len(files[name]), "pointerSize": 134}
		}
		siblings = append(siblings, one)
	}
	b, err := json.Marshal(map[string]any{"id": "org/model", "sha": commit, "siblings": siblings, "tags": []string{"mlx"}})
	if err != nil {
		panic(err)
	}
	return b
}

var model = Reference{ID: "org/model", Revision: "main"}

// mustResolve resolves org/model, and compares what came with what the hub has.
func mustResolve(t *testing.T, s settings, files map[string]string) Source {
	t.Helper()
	got, err := resolve(t.Context(), s, model, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if !isCheckpointFile(name) {
			continue
		}
		if b := mustRead(t, path.Join(got.Dir, name)); b != want {
			t.Errorf("%s has %d bytes, want %d", name, len(b), len(want))
		}
	}
	return got
}

// refused asserts that org/model is refused in words of want, and that no goroutine stays behind.
func refused(t *testing.T, s settings, want string) error {
	t.Helper()
	return refusedBy(t, context.Background(), s, want)
}

func refusedBy(t *testing.T, ctx context.Context, s settings, want string) error {
	t.Helper()
	got, err := resolve(ctx, s, model, nil)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %+v, %v; want words of %q", got, err, want)
	}
	return err
}

// noLeaks fails a test that leaves goroutines of the client behind.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() { // after the server's own cleanup
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<16)
				t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}
