package manifest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// age makes everything in the store as old as d.
func age(t *testing.T, s *Store, d time.Duration) {
	t.Helper()
	then := time.Now().Add(-d)
	err := filepath.Walk(s.Root(), func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Chtimes(path, then, then))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// orphan puts a model and takes its name away, so that its blobs are garbage.
func orphan(t *testing.T, s *Store, name string, model testModel) {
	t.Helper()
	put(t, s, name, model)
	if err := os.Remove(s.manifestPath(mustName(t, name))); err != nil {
		t.Fatal(err)
	}
}

func gc(t *testing.T, s *Store, o GCOptions) GCResult {
	t.Helper()
	r, err := s.GC(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGC(t *testing.T) {
	s := openStore(t, t.TempDir())
	a := put(t, s, "a", testModel{"config": "{}", "w": "weights"})
	orphan(t, s, "old", testModel{"config": "{}", "w": "old garbage"})
	if err := errors.Join(s.PutReport(a, []byte("{}")), s.PutReport(DigestOf(nil), []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.stagingDir(), ".latest123"), []byte("left by a crash"), 0o644); err != nil {
		t.Fatal(err)
	}
	download := filepath.Join(s.blobsDir(), "sha256-"+strings.Repeat("0", 64)+"-partial")
	if err := os.WriteFile(download, []byte("of Ollama"), 0o644); err != nil {
		t.Fatal(err)
	}
	age(t, s, 2*Grace)
	orphan(t, s, "young", testModel{"config": "{}", "w": "young garbage"})

	dry := gc(t, s, GCOptions{Grace: Grace, DryRun: true})
	wet := gc(t, s, GCOptions{Grace: Grace})
	for what, r := range map[string]GCResult{"dry": dry, "wet": wet} {
		if len(r.Removed) != 3 || r.Bytes != 11+2+15 || len(r.Kept) != 1 || !strings.Contains(r.Kept[0].Why, "1h0m0s") {
			t.Errorf("%s: %+v", what, r)
		}
	}
	if r := gc(t, s, GCOptions{}); len(r.Removed) != 1 || r.Bytes != 13 || len(r.Kept) != 0 {
		t.Errorf("without grace: %+v", r)
	}
	if _, err := s.Report(a); err != nil {
		t.Errorf("the report on a is gone: %v", err)
	}
	if _, err := os.Stat(download); err != nil {
		t.Errorf("Ollama's download is gone: %v", err)
	}
	checkStore(t, s)
}

func TestGCRemovesNothingBesideABadManifest(t *testing.T) {
	s := openStore(t, t.TempDir())
	orphan(t, s, "old", testModel{"config": "{}"})
	put(t, s, "bad", testModel{"config": "{ }", "w": "needed"})
	if err := os.Truncate(s.manifestPath(mustName(t, "bad")), 50); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(context.Background(), GCOptions{}); !errors.Is(err, ErrBadManifest) || !strings.Contains(err.Error(), "bad:latest") {
		t.Errorf("got %v, want ErrBadManifest with its name", err)
	}
	if n := countFiles(t, s.blobsDir()); n != 3 {
		t.Errorf("%d blobs are left of 3", n)
	}
}

func TestGCAndUnfinishedImports(t *testing.T) {
	s := openStore(t, t.TempDir())
	orphan(t, s, "old", testModel{"config": "{}", "w": "reused"})
	st := openStage(t, s, "fp")
	stagePut(t, st, "new", "new")
	if !st.Reuse(context.Background(), "w", Layer{MediaTypeTensor, DigestOf([]byte("reused")), 6, "w"}) {
		t.Fatal("not reused")
	}
	if err := st.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	age(t, s, 2*Grace)

	r := gc(t, s, GCOptions{Interrupted: true})
	if len(r.Removed) != 1 || r.Bytes != 2 || len(r.Kept) != 2 {
		t.Errorf("while it runs: %+v", r)
	}
	st.Keep()
	if r := gc(t, s, GCOptions{}); len(r.Removed) != 0 || len(r.Kept) != 2 {
		t.Errorf("interrupted: %+v", r)
	}
	st = openStage(t, s, "fp")
	for _, key := range []string{"new", "w"} {
		if _, ok := st.Done(key); !ok {
			t.Errorf("%s has to be made again", key)
		}
	}
	st.Keep()
	if r := gc(t, s, GCOptions{Interrupted: true}); len(r.Removed) != 2 || len(r.Kept) != 0 {
		t.Errorf("asked to give it up: %+v", r)
	}
	if n := countFiles(t, s.blobsDir()) + countFiles(t, s.stagingDir()); n != 1 {
		t.Errorf("%d things are left, want the lock", n)
	}
}
