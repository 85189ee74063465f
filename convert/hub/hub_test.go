package hub

import (
	"context"
	"io/fs"
	"net/http"
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
		{"a--b/c", ""}, {"a/b--c", ""}, {"a/b@x/", ""}, {"a/b@x//y", ""}, {"a/b@x/./y", ""}, {"a/" + strings.Repeat("b", 300), ""},
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

// useEnvironment sets all variables that Resolve reads.
func useEnvironment(t *testing.T, endpoint string) (home string) {
	home = t.TempDir()
	for name, value := range map[string]string{
		"HF_ENDPOINT": endpoint, "HF_HOME": home, "HF_HUB_CACHE": "", "HF_TOKEN": "", "HF_TOKEN_PATH": "", "HF_HUB_OFFLINE": "",
	} {
		t.Setenv(name, value)
	}
	return home
}

func TestFetchThenCache(t *testing.T) {
	noLeaks(t)
	h := newFakeHub(t, checkpointFiles())
	home := useEnvironment(t, h.URL+"/")
	var done, total int64
	got, err := Resolve(context.Background(), "org/model", func(d, all int64) { done, total = d, all })
	if err != nil {
		t.Fatal(err)
	}
	want := Source{filepath.Join(home, "hub/models--org--model/snapshots", commit), "org/model", "main", commit}
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if size := int64(len(h.files["model.safetensors"]) + len("{}") + len("{{ messages }}") + len("a card")); done != size || total != size {
		t.Errorf("told of %d of %d bytes, want %d", done, total, size)
	}
	if _, err := os.Stat(filepath.Join(got.Dir, "train.py")); err == nil {
		t.Error("train.py was fetched; an import does not read it")
	}
	if sum, known := Digest(filepath.Join(got.Dir, "model.safetensors")); !known || sum != oidOf("model.safetensors", h.files["model.safetensors"]) {
		t.Errorf("digest of the shard: %q, %v", sum, known)
	}
	h.Close() // from here on only the cache can answer
	if again, err := Resolve(context.Background(), "org/model", nil); err != nil || again != got {
		t.Fatalf("from the cache: %+v, %v; want %+v", again, err, got)
	}
	if again, err := Resolve(context.Background(), "org/model@"+commit, nil); err != nil || again.Dir != got.Dir {
		t.Fatalf("by its commit: %+v, %v; want %+v", again, err, got)
	}
	if err := os.Remove(filepath.Join(got.Dir, "chat_template.jinja")); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(context.Background(), "org/model", nil); err == nil {
		t.Error("a snapshot without its template was taken as whole")
	}
}

func TestResolveDirectory(t *testing.T) {
	dir := t.TempDir()
	if got, err := Resolve(context.Background(), dir, nil); err != nil || got != (Source{Dir: dir}) {
		t.Errorf("got %+v, %v", got, err)
	}
	file := filepath.Join(dir, "model.safetensors")
	write(t, file, "x")
	if _, err := Resolve(context.Background(), file, nil); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("a file was taken: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  int
		offline bool
		want    string
	}{
		{"gated without token", http.StatusUnauthorized, false, "set HF_TOKEN"},
		{"gated, licence not accepted", http.StatusForbidden, false, "licence"},
		{"unknown", http.StatusNotFound, false, "404"},
		{"not in order", http.StatusTeapot, false, "418"},
		{"offline", http.StatusOK, true, "HF_HUB_OFFLINE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			h := newFakeHub(t, nil)
			h.list = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }
			s := h.settings(t)
			s.offline = c.offline
			refused(t, s, c.want)
			if entries, err := os.ReadDir(s.cache); err != nil || len(entries) > 0 {
				t.Errorf("the cache has %v, %v; want nothing", entries, err)
			}
		})
	}
}

func TestNoHub(t *testing.T) {
	h := newFakeHub(t, nil)
	s := h.settings(t)
	h.Close()
	refused(t, s, "the hub cannot be reached")
	for _, bad := range []string{"ftp://host", "huggingface.co", "https://", "https://host?x=1", "https://host/%zz", "file:///etc"} {
		s.endpoint = bad
		refused(t, s, "HF_ENDPOINT")
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// filesUnder lists everything but folders.
func filesUnder(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			relative, _ := filepath.Rel(dir, name)
			names = append(names, relative)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
