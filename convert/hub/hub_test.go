package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseReference(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Qwen/Qwen3.5-0.8B", "Qwen/Qwen3.5-0.8B@main"},
		{"mlx-community/Qwen3-4bit@v1.0", "mlx-community/Qwen3-4bit@v1.0"},
		{"a/b@refs/pr/3", "a/b@refs/pr/3"},
		{"plain", ""}, {"a/b/c", ""}, {"../b", ""}, {"a/..", ""}, {"a/b@", ""}, {"a/b@../../x", ""}, {"", ""},
	} {
		r, err := ParseReference(c.in)
		if c.want == "" {
			if err == nil {
				t.Errorf("%q was taken as %v", c.in, r)
			}
			continue
		}
		if err != nil || r.String() != c.want {
			t.Errorf("%q: got %v, %v; want %s", c.in, r, err, c.want)
		}
	}
}

// fakeHub serves one repository with the headers that the real one sends.
func fakeHub(t *testing.T, files map[string]string) *httptest.Server {
	const commit = "0123456789012345678901234567890123456789"
	mux := http.NewServeMux()
	mux.HandleFunc("/api/models/org/model/revision/main", func(w http.ResponseWriter, r *http.Request) {
		var siblings []map[string]string
		for name := range files {
			siblings = append(siblings, map[string]string{"rfilename": name})
		}
		json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
	})
	mux.HandleFunc("/api/models/org/gated/revision/main", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	})
	mux.HandleFunc("/org/model/resolve/"+commit+"/", func(w http.ResponseWriter, r *http.Request) {
		body, ok := files[filepath.Base(r.URL.Path)]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		sum := sha256.Sum256([]byte(body))
		etag := hex.EncodeToString(sum[:])
		if strings.Contains(body, "damaged on the way") {
			etag = hex.EncodeToString(make([]byte, sha256.Size))
		}
		w.Header().Set("X-Repo-Commit", commit)
		w.Header().Set("ETag", `"`+etag+`"`)
		w.Write([]byte(body))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("HF_HUB_CACHE", "")
	t.Setenv("HF_TOKEN", "")
	t.Setenv("HF_HUB_OFFLINE", "")
	return s
}

func TestFetchThenCache(t *testing.T) {
	s := fakeHub(t, map[string]string{"config.json": "{}", "model.safetensors": "weights", "README.md": "no"})
	got, err := Resolve(context.Background(), "org/model")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(got.Dir, "model.safetensors")); err != nil || string(b) != "weights" {
		t.Fatalf("the shard came as %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(got.Dir, "README.md")); err == nil {
		t.Error("README.md was fetched; an import does not read it")
	}
	s.Close() // from here on only the cache can answer
	again, err := Resolve(context.Background(), "org/model")
	if err != nil || again != got {
		t.Fatalf("from the cache: %+v, %v; want %+v", again, err, got)
	}
	if err := os.Remove(filepath.Join(got.Dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(context.Background(), "org/model"); err == nil {
		t.Error("a snapshot without its shard was taken as whole")
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, source, token, offline, want string }{
		{"gated without token", "org/gated", "", "", "set HF_TOKEN"},
		{"gated, licence not accepted", "org/gated", "t", "", "licence"},
		{"unknown", "org/nothing", "", "", "404"},
		{"offline", "org/model", "", "1", "HF_HUB_OFFLINE"},
		{"damaged", "org/model", "", "", "came damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fakeHub(t, map[string]string{"config.json": "{}", "model.safetensors": "damaged on the way"})
			t.Setenv("HF_TOKEN", c.token)
			t.Setenv("HF_HUB_OFFLINE", c.offline)
			_, err := Resolve(context.Background(), c.source)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want words of %q", err, c.want)
			}
		})
	}
}

// A cache as the Python library leaves it: refs/main names the commit, files are links to blobs.
func TestPythonCache(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HF_HOME", home)
	t.Setenv("HF_HUB_CACHE", "")
	t.Setenv("HF_HUB_OFFLINE", "1")
	repo := filepath.Join(home, "hub", "models--org--model")
	snapshot := filepath.Join(repo, "snapshots", "abc")
	for _, d := range []string{snapshot, filepath.Join(repo, "refs"), filepath.Join(repo, "blobs")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(repo, "refs", "main"), "abc")
	shard := strings.Repeat("0123456789abcdef", 4) // the digest that its name says is believed
	write(filepath.Join(repo, "blobs", shard), "weights")
	write(filepath.Join(snapshot, "config.json"), "{}")
	write(filepath.Join(snapshot, "model.safetensors.index.json"), `{"weight_map":{"a":"model-1.safetensors"}}`)
	if _, err := Resolve(context.Background(), "org/model"); err == nil {
		t.Fatal("a snapshot without an indexed shard was taken as whole")
	}
	if err := os.Symlink("../../blobs/"+shard, filepath.Join(snapshot, "model-1.safetensors")); err != nil {
		t.Fatal(err)
	}
	got, err := Resolve(context.Background(), "org/model")
	if err != nil || got.Dir != snapshot || got.Commit != "abc" {
		t.Fatalf("got %+v, %v; want %s", got, err, snapshot)
	}
	for name, want := range map[string]string{"model-1.safetensors": shard, "config.json": "", "nowhere": ""} {
		if d, known := Digest(filepath.Join(snapshot, name)); d != want || known != (want != "") {
			t.Errorf("digest of %s: %q, %v, want %q", name, d, known, want)
		}
	}
}
