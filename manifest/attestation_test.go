package manifest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// attach adds a line to the statements on a manifest.
func attach(s *Store, d Digest, line string) error {
	return s.UpdateAttestations(context.Background(), d, func(old []byte) ([]byte, error) {
		return append(old, line+"\n"...), nil
	})
}

// TestAttestationsFollowTheManifest: a copy of the name has them too, and the last name takes them away.
func TestAttestationsFollowTheManifest(t *testing.T) {
	s, ctx := openStore(t, t.TempDir()), context.Background()
	d := put(t, s, "m", versionOne)
	if _, err := s.Attestations(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	if err := errors.Join(attach(s, d, "one"), attach(s, d, "two"), s.Copy(ctx, mustName(t, "m"), mustName(t, "copy"))); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Attestations(d); string(b) != "one\ntwo\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.Remove(ctx, mustName(t, "m")); err != nil {
		t.Fatal(err)
	}
	gc(t, s, GCOptions{})
	if b, err := s.Attestations(d); string(b) != "one\ntwo\n" || err != nil {
		t.Errorf("with a copy left: %q, %v", b, err)
	}
	if _, err := s.Remove(ctx, mustName(t, "copy")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.AttestationsPath(d)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the last name: %v", err)
	}
}

// TestGCRemovesStatementsWithoutAName, those of a name that Ollama removed.
func TestGCRemovesStatementsWithoutAName(t *testing.T) {
	s := openStore(t, t.TempDir())
	kept, lost := put(t, s, "m", versionOne), DigestOf([]byte("of no name"))
	if err := errors.Join(attach(s, kept, "kept"), attach(s, lost, "lost")); err != nil {
		t.Fatal(err)
	}
	if r := gc(t, s, GCOptions{Grace: Grace}); len(r.Removed) != 0 || len(r.Kept) != 1 {
		t.Errorf("young: %+v", r)
	}
	if r := gc(t, s, GCOptions{}); len(r.Removed) != 1 || r.Removed[0].Path != s.AttestationsPath(lost) {
		t.Errorf("old: %+v", r)
	}
	if _, err := s.Attestations(kept); err != nil {
		t.Error(err)
	}
}

func TestAttestationsHaveAnEnd(t *testing.T) {
	s := openStore(t, t.TempDir())
	d := DigestOf(nil)
	if err := attach(s, d, string(bytes.Repeat([]byte("x"), MaxAttestations))); err == nil {
		t.Error("more than the limit was written")
	}
	if err := os.MkdirAll(filepath.Dir(s.AttestationsPath(d)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.AttestationsPath(d), make([]byte, MaxAttestations+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attestations(d); err == nil {
		t.Error("more than the limit was read")
	}
	if err := attach(s, d, "more"); err == nil {
		t.Error("what cannot be read was replaced")
	}
}

// TestAttestationsAddUp: none is lost where several processes add theirs.
func TestAttestationsAddUp(t *testing.T) {
	root, d := t.TempDir(), DigestOf(nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := attach(openStore(t, root), d, "line"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if b, err := openStore(t, root).Attestations(d); len(b) != 8*len("line\n") || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestAttestStoppedAnywhere: the statements of before are there, or those with the new one.
func TestAttestStoppedAnywhere(t *testing.T) {
	d := DigestOf(testBytes(versionOne))
	stoppedAnywhere(t, 5, func(s *Store) {
		put(t, s, "m", versionOne)
		if err := attach(s, d, "old"); err != nil {
			t.Fatal(err)
		}
	}, func(s *Store) error { return attach(s, d, "new") }, func(s *Store, stopped bool) {
		b, err := s.Attestations(d)
		if got := string(b); err != nil || got != "old\nnew\n" && (!stopped || got != "old\n") {
			t.Errorf("%q, %v", got, err)
		}
		checkStore(t, s)
	})
}
