package manifest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testModel is what tests import: blobs by key, all but the config being layers.
type testModel map[string]string

// put imports a model under a name, in a stage of its own.
func put(t *testing.T, s *Store, name string, model testModel) Digest {
	t.Helper()
	d, err := importModel(s, "fp-"+strings.NewReplacer(":", "-", "/", "-", ".", "-").Replace(name), name, model)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// importModel does what an importer does: what is done already is not written again, and there is
// a flush in the middle.
func importModel(s *Store, fingerprint, name string, model testModel) (Digest, error) {
	st, err := s.Stage(fingerprint)
	if err != nil {
		return Digest{}, err
	}
	defer st.Keep()
	layers := map[string]Layer{}
	for i, key := range sortedKeys(model) {
		l, ok := st.Done(key)
		if !ok {
			if l, err = st.Put(key, MediaTypeTensor, key, []byte(model[key])); err != nil {
				return Digest{}, err
			}
		}
		layers[key] = l
		if i == len(model)/2 {
			if err := st.Flush(context.Background()); err != nil {
				return Digest{}, err
			}
		}
	}
	n, err := ParseName(name)
	if err != nil {
		return Digest{}, err
	}
	return st.Publish(context.Background(), n, testManifest(model, layers))
}

func testManifest(model testModel, layers map[string]Layer) Manifest {
	m := New(Layer{MediaType: MediaTypeConfig, Digest: layers["config"].Digest, Size: layers["config"].Size}, nil)
	for _, key := range sortedKeys(model) {
		if key != "config" {
			m.Layers = append(m.Layers, layers[key])
		}
	}
	return m
}

func sortedKeys(model testModel) []string { return slices.Sorted(maps.Keys(model)) }

func openStore(t *testing.T, root string) *Store {
	t.Helper()
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	s.tick = 0 // tests run into no clock, and would wait hundreds of times
	return s
}

func mustName(t *testing.T, s string) Name {
	t.Helper()
	n, err := ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkStore demands that every manifest and every named blob is whole.
func checkStore(t *testing.T, s *Store) CheckResult {
	t.Helper()
	r, err := s.Check(context.Background(), nil)
	if err := errors.Join(err, r.Err()); err != nil {
		t.Fatalf("the store is damaged: %v", err)
	}
	return r
}

func countFiles(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return len(entries)
}

func TestOpenMakesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "models")
	s := openStore(t, root)
	if entries, err := s.List(); len(entries) > 0 || err != nil {
		t.Errorf("an empty store lists %v, %v", entries, err)
	}
	if _, err := s.Manifest(mustName(t, "a")); !errors.Is(err, ErrNotFound) {
		t.Errorf("an empty store has a: %v", err)
	}
	if _, err := s.Preflight(1); err != nil {
		t.Error(err)
	}
	if r, err := s.GC(context.Background(), GCOptions{DryRun: true}); err != nil || len(r.Removed) > 0 {
		t.Errorf("an empty store has garbage: %v, %v", r, err)
	}
	checkStore(t, s)
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading made %s: %v", root, err)
	}
}

func TestOllamasStoreReads(t *testing.T) {
	fixtures := os.Getenv("QIMPORT_FIXTURES")
	if fixtures == "" {
		t.Skip("QIMPORT_FIXTURES names no folder")
	}
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join(fixtures, "ollama-store"))); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, root)
	entries, err := s.List()
	if err != nil || len(entries) != 2 || entries[0].Name.String() != "tiny-qwen3.5-moe-nvfp4:latest" {
		t.Fatalf("List: %v, %v", entries, err)
	}
	if r := checkStore(t, s); r.Blobs != countFiles(t, s.blobsDir()) || r.Unnamed != 0 {
		t.Errorf("checked %d blobs, %d unnamed", r.Blobs, r.Unnamed)
	}
	for _, e := range entries {
		theirs, err := os.ReadFile(s.manifestPath(e.Name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(New(e.Manifest.Config, e.Manifest.Layers).Encode(), theirs) {
			t.Errorf("%s: our manifest of the same layers differs", e.Name)
		}
		config, err := os.ReadFile(s.Blob(e.Manifest.Config.Digest))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := ParseConfig(config); err != nil || !bytes.Equal(c.Encode(), config) {
			t.Errorf("%s: our config blob differs: %v\n%s", e.Name, err, config)
		}
	}
}

func TestLayoutIsOllamas(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "me/Model:Tag", testModel{"config": "{}", "w": "weights"})
	blob := filepath.Join(s.Root(), "blobs", "sha256-9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c")
	for path, mode := range map[string]fs.FileMode{
		blob: 0o644,
		filepath.Join(s.Root(), "manifests", "registry.ollama.ai", "me", "Model", "Tag"): 0o644,
		filepath.Join(s.Root(), "blobs"):                                                 fs.ModeDir | 0o755,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, want mode %s", path, err, mode)
		}
	}
	if left := countFiles(t, s.stagingDir()); left != 1 { // the lock of the store
		t.Errorf("%d things are left in staging", left)
	}
	if n := countFiles(t, s.blobsDir()); n != 2 {
		t.Errorf("%d files in blobs, want 2", n)
	}
}

func TestNamesDifferingInCase(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "Me/Model", testModel{"config": "{}"})
	_, err := importModel(s, "again", "me/model", testModel{"config": "{}"})
	if !errors.Is(err, ErrNameClash) || !strings.Contains(err.Error(), "Me/Model:latest") {
		t.Errorf("publishing me/model beside Me/Model: %v", err)
	}
	if err := s.Copy(context.Background(), mustName(t, "me/model"), mustName(t, "ME/MODEL")); !errors.Is(err, ErrNameClash) {
		t.Errorf("copying to ME/MODEL beside Me/Model: %v", err)
	}
	if e, err := s.Lookup(mustName(t, "me/MODEL")); err != nil || e.Name.String() != "Me/Model:latest" {
		t.Errorf("me/MODEL is %v, %v", e.Name, err)
	}
}

func TestCopyAndRemove(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir())
	a := put(t, s, "a", testModel{"config": "{}", "shared": "shared", "own": "of a"})
	put(t, s, "b", testModel{"config": "{}", "shared": "shared", "own": "of b!"})
	if err := s.Copy(ctx, mustName(t, "a"), mustName(t, "you/c:v1")); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Lookup(mustName(t, "you/c:v1")); err != nil || e.Digest != a {
		t.Fatalf("the copy is %s, %v, want %s", e.Digest, err, a)
	}
	if err := s.PutReport(a, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		remove string
		want   Removed
		report bool
	}{
		{"a", Removed{Name: mustName(t, "a")}, true},
		{"YOU/c:V1", Removed{Name: mustName(t, "you/c:v1"), Blobs: 1, Bytes: 4}, false},
		{"b", Removed{Name: mustName(t, "b"), Blobs: 3, Bytes: 13}, false},
	} {
		got, err := s.Remove(ctx, mustName(t, step.remove))
		if err != nil || got != step.want {
			t.Errorf("removing %s: %+v, %v, want %+v", step.remove, got, err, step.want)
		}
		if _, err := s.Report(a); (err == nil) != step.report {
			t.Errorf("the report after removing %s: %v", step.remove, err)
		}
		checkStore(t, s)
	}
	if n := countFiles(t, s.manifestsDir()) + countFiles(t, s.blobsDir()); n != 0 {
		t.Errorf("%d things are left of nothing", n)
	}
	if _, err := s.Remove(ctx, mustName(t, "a")); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing a twice: %v", err)
	}
}

func TestRemoveBesideABadManifest(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir())
	put(t, s, "good", testModel{"config": "{}", "w": "weights"})
	put(t, s, "bad", testModel{"config": "{}"})
	if err := os.Truncate(s.manifestPath(mustName(t, "bad")), 0); err != nil {
		t.Fatal(err)
	}
	r, err := s.Remove(ctx, mustName(t, "good"))
	if err != nil || r.Blobs != 0 || !strings.Contains(r.Note, "bad:latest") {
		t.Errorf("blobs that the bad manifest may need: %+v, %v", r, err)
	}
	if _, err := s.Remove(ctx, mustName(t, "bad")); err != nil {
		t.Errorf("a bad manifest cannot be removed: %v", err)
	}
	if entries, err := s.List(); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestRemoveWhatIsBad: a damaged manifest goes, also by its name in another case, and with it a link or
// a pipe in its place.
func TestRemoveWhatIsBad(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir())
	for name, spoil := range map[string]func(path string) error{
		"torn": func(path string) error { return os.Truncate(path, 30) },
		"link": func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)) },
		"pipe": func(path string) error { return errors.Join(os.Remove(path), makePipe(path)) },
	} {
		put(t, s, "You/"+name, testModel{"config": "{}"})
		n := mustName(t, "You/"+name)
		if err := spoil(s.manifestPath(n)); err != nil {
			t.Fatal(err)
		}
		r, err := s.Remove(ctx, mustName(t, "you/"+name))
		if name != "torn" { // they have no name in any case
			r, err = s.Remove(ctx, n)
		}
		if err != nil || r.Name != n || r.Note == "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := os.Lstat(s.manifestPath(n)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if _, err := s.GC(ctx, GCOptions{}); err != nil {
		t.Errorf("gc after that: %v", err)
	}
}

func TestListReportsAllThatIsBad(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "good", testModel{"config": "{}"})
	dir := filepath.Dir(s.manifestPath(mustName(t, "good")))
	for name, content := range map[string]string{"empty": "", "cut": `{"schemaVersion":2,`, ".DS_Store": "?"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := s.List()
	if len(entries) != 1 || !errors.Is(err, ErrBadManifest) || !errors.Is(err, ErrBadName) {
		t.Fatalf("List: %v, %v", entries, err)
	}
	for _, name := range []string{"good:empty", "good:cut", ".DS_Store"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in: %v", name, err)
		}
	}
}

func TestDefaultRoot(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for value, want := range map[string]string{"": "/home/me/.ollama/models", ` "/mnt/store" `: "/mnt/store"} {
		t.Setenv("OLLAMA_MODELS", value)
		if got, err := DefaultRoot(); err != nil || got != want {
			t.Errorf("OLLAMA_MODELS=%q: %q, %v, want %q", value, got, err, want)
		}
	}
}
