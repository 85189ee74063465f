package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func openStage(t *testing.T, s *Store, fingerprint string) *Stage {
	t.Helper()
	st, err := s.Stage(fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Keep() })
	return st
}

func stagePut(t *testing.T, st *Stage, key, content string) Layer {
	t.Helper()
	l, err := st.Put(key, MediaTypeTensor, key, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSecondStageIsRefused(t *testing.T) {
	s := openStore(t, t.TempDir())
	first := openStage(t, s, "fp")
	if _, err := s.Stage("fp"); !errors.Is(err, ErrLocked) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a second one: %v, want ErrLocked in one sentence", err)
	}
	openStage(t, s, "other")
	if err := first.Discard(); err != nil {
		t.Fatal(err)
	}
	openStage(t, s, "fp")
	for _, bad := range []string{"", ".", "..", "a/b", "../x", ".lock", strings.Repeat("a", 129)} {
		if st, err := s.Stage(bad); err == nil {
			st.Keep()
			t.Errorf("fingerprint %q is taken", bad)
		}
	}
}

func TestOnlyFlushedBlobsAreResumed(t *testing.T) {
	s := openStore(t, t.TempDir())
	st := openStage(t, s, "fp")
	flushed := stagePut(t, st, "flushed", "on the disk")
	if err := st.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	later := stagePut(t, st, "later", "in memory only, for all we know")
	if _, err := st.NewBlob("half"); err != nil {
		t.Fatal(err)
	}
	st.Keep()

	st = openStage(t, s, "fp")
	if l, ok := st.Done("flushed"); !ok || l != flushed {
		t.Errorf("flushed: %v, %v", l, ok)
	}
	if got, err := os.ReadFile(st.Path(flushed.Digest)); err != nil || string(got) != "on the disk" {
		t.Errorf("flushed holds %q, %v", got, err)
	}
	for _, key := range []string{"later", "half"} {
		if _, ok := st.Done(key); ok {
			t.Errorf("%s is trusted", key)
		}
	}
	if _, err := os.Stat(st.stagedPath(later.Digest)); err == nil {
		t.Error("what is not trusted is not removed")
	}
	if n := countFiles(t, st.dir); n != 3 {
		t.Errorf("%d files in staging, want lock, journal and one blob", n)
	}
}

func TestJournalDamage(t *testing.T) {
	for name, damage := range map[string]func(st *Stage, a Layer) error{
		"blob cut short": func(st *Stage, a Layer) error { return os.Truncate(st.stagedPath(a.Digest), 1) },
		"blob lost":      func(st *Stage, a Layer) error { return os.Remove(st.stagedPath(a.Digest)) },
		"line cut short": func(st *Stage, a Layer) error { return os.Truncate(st.journalPath(), 20) },
		"newline lost":   func(st *Stage, a Layer) error { return cutLastByte(st.journalPath()) },
		"line of zeros":  func(st *Stage, a Layer) error { return os.WriteFile(st.journalPath(), make([]byte, 300), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			st := openStage(t, s, "fp")
			a := stagePut(t, st, "a", "first")
			if err := st.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			st.Keep()
			if err := damage(st, a); err != nil {
				t.Fatal(err)
			}
			st = openStage(t, s, "fp")
			if _, ok := st.Done("a"); ok {
				t.Error("the blob is still trusted")
			}
			b := stagePut(t, st, "b", "second")
			if err := st.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			st.Keep()
			st = openStage(t, s, "fp")
			if l, ok := st.Done("b"); !ok || l != b {
				t.Error("the line after the damage is lost")
			}
		})
	}
}

func cutLastByte(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-1)
}

func TestExistingBlobCountsWithItsSizeOnly(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "a", testModel{"config": "{}", "w": "weights"})
	blob := s.Blob(DigestOf([]byte("weights")))
	before, err := os.Stat(blob)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "b", testModel{"config": "{}", "w": "weights"})
	if after, err := os.Stat(blob); err != nil || !os.SameFile(before, after) {
		t.Errorf("a blob that was there has been written again: %v", err)
	}
	if err := os.Truncate(blob, 3); err != nil {
		t.Fatal(err)
	}
	put(t, s, "c", testModel{"config": "{}", "w": "weights"})
	if got, err := os.ReadFile(blob); err != nil || string(got) != "weights" {
		t.Errorf("a cut blob was not replaced: %q, %v", got, err)
	}
}

func TestReusedBlobSurvivesOthersPruning(t *testing.T) {
	s := openStore(t, t.TempDir())
	ctx := context.Background()
	put(t, s, "a", testModel{"config": "{}", "w": "weights"})
	blob := s.Blob(DigestOf([]byte("weights")))
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(blob, old, old); err != nil {
		t.Fatal(err)
	}

	st := openStage(t, s, "fp")
	w := Layer{MediaTypeTensor, DigestOf([]byte("weights")), 7, "w"}
	if !st.Reuse(context.Background(), "w", w) {
		t.Fatal("the blob is there, but cannot be reused")
	}
	if st.Reuse(context.Background(), "w2", Layer{MediaTypeTensor, w.Digest, 8, "w2"}) || st.Reuse(context.Background(), "x", Layer{MediaTypeTensor, DigestOf(nil), 0, "x"}) {
		t.Error("reused what is not there")
	}
	if _, err := s.Remove(ctx, mustName(t, "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(blob); err == nil {
		t.Fatal("the blob should be gone from the store by now")
	}
	config := stagePut(t, st, "config", "{}")
	if _, err := st.Publish(ctx, mustName(t, "b"), New(config, []Layer{w})); err != nil {
		t.Fatal(err)
	}
	checkStore(t, s)
	if info, err := os.Stat(blob); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("the blob is not young: %v", err)
	}
}

func TestPublishWithoutABlob(t *testing.T) {
	s := openStore(t, t.TempDir())
	st := openStage(t, s, "fp")
	config := stagePut(t, st, "config", "{}")
	missing := Layer{MediaTypeTensor, DigestOf([]byte("gone")), 4, "gone"}
	_, err := st.Publish(context.Background(), mustName(t, "a"), New(config, []Layer{missing}))
	if !errors.Is(err, ErrMissingBlob) {
		t.Errorf("got %v, want ErrMissingBlob", err)
	}
	if entries, err := s.List(); err != nil || len(entries) > 0 {
		t.Errorf("the name has moved all the same: %v, %v", entries, err)
	}
	stagePut(t, st, "gone", "gone")
	if _, err := st.Publish(context.Background(), mustName(t, "a"), New(config, []Layer{missing})); err != nil {
		t.Errorf("repeating it with the blob: %v", err)
	}
	checkStore(t, s)
}

func TestEndedBlobWriter(t *testing.T) {
	s := openStore(t, t.TempDir())
	st := openStage(t, s, "fp")
	w, err := st.NewBlob("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("wrote to an aborted blob")
	}
	if _, err := w.Finish(MediaTypeTensor, "a"); err == nil {
		t.Error("finished an aborted blob")
	}
	if err := w.Abort(); err != nil {
		t.Errorf("aborting twice: %v", err)
	}
	if n := countFiles(t, st.dir); n != 1 {
		t.Errorf("%d files in staging, want the lock", n)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	st := openStage(t, s, "fp")
	const workers, each = 8, 40
	layers := make([]Layer, workers*each)
	g, ctx := errgroup.WithContext(context.Background())
	for w := range workers {
		g.Go(func() error {
			for i := range each {
				key := fmt.Sprint(w, "-", i)
				l, err := st.Put(key, MediaTypeTensor, key, []byte(fmt.Sprint("content ", i, w/2))) // each by two workers
				layers[w*each+i] = l
				if err == nil && i%15 == 0 {
					err = st.Flush(ctx)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	m := New(layers[0], layers[1:])
	if damage, err := CheckBlobs(context.Background(), m.Blobs(), st.Path, nil); err != nil || len(damage) > 0 {
		t.Errorf("staged: %v, %v", damage, err)
	}
	if _, err := st.Publish(context.Background(), mustName(t, "m"), m); err != nil {
		t.Fatal(err)
	}
	if r := checkStore(t, s); r.Blobs != workers*each/2 || r.Unnamed != 0 {
		t.Errorf("%d blobs, %d without a name, want %d and 0", r.Blobs, r.Unnamed, workers*each/2)
	}
}

func TestReusedIsTold(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "a", testModel{"config": "{}", "w": "there"})
	st := openStage(t, s, "fp")
	for content, want := range map[string]bool{"there": true, "new": false} {
		w, err := st.NewBlob(content)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(MediaTypeTensor, content); err != nil || w.Reused() != want {
			t.Errorf("%s: reused %v, %v", content, w.Reused(), err)
		}
	}
}

func TestSharedContentIsOneBlob(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "a", testModel{"config": "{}", "x": "same", "y": "same"})
	if n := countFiles(t, s.blobsDir()); n != 2 {
		t.Errorf("%d blobs, want 2", n)
	}
	m, err := s.Manifest(mustName(t, "a"))
	if err != nil || len(m.Layers) != 2 || m.Layers[0].Digest != m.Layers[1].Digest || m.Layers[1].Name != "y" {
		t.Errorf("layers %v, %v", m.Layers, err)
	}
	checkStore(t, s)
}

func TestBlobsAreOlderThanTheirManifestByNoHour(t *testing.T) {
	s := openStore(t, t.TempDir())
	st := openStage(t, s, "fp")
	config := stagePut(t, st, "config", "{}")
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(st.Path(config.Digest), old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Publish(context.Background(), mustName(t, "a"), New(config, nil)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.Blob(config.Digest)); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("Ollama could prune the blob before its manifest is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.stagingDir(), "fp")); err == nil {
		t.Error("the staging folder is still there")
	}
}

// TestPublishBytes: a manifest of others keeps its bytes, with what Parse leaves out, and its digest.
func TestPublishBytes(t *testing.T) {
	s := openStore(t, t.TempDir())
	st, err := s.Stage("other")
	if err != nil {
		t.Fatal(err)
	}
	l, err := st.Put("w", MediaTypeTensor, "w", []byte("weights"))
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Replace(New(Layer{}, []Layer{l}).Encode(), []byte(`{"schemaVersion":2,`), []byte(`{ "schemaVersion": 2, "annotations": {"a": "b"},`), 1)
	d, err := st.PublishBytes(t.Context(), mustName(t, "m"), content)
	if err != nil || d != DigestOf(content) {
		t.Fatalf("%s, %v", d, err)
	}
	if e, got, err := s.Content(mustName(t, "m")); err != nil || !bytes.Equal(got, content) || e.Digest != d {
		t.Errorf("%s: %q, %v", e.Digest, got, err)
	}
	if _, err := st.PublishBytes(t.Context(), mustName(t, "m"), []byte("{}")); !errors.Is(err, ErrBadManifest) {
		t.Errorf("published: %v", err)
	}
}
