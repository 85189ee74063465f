package manifest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestCheckFindsAllDamage(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "a", testModel{"config": "{}", "flip": "one bit of this", "cut": "shortened", "gone": "removed", "fine": "fine"})
	put(t, s, "b", testModel{"config": "{}", "flip": "one bit of this"})
	put(t, s, "unnamed", testModel{"config": "{ }", "w": "left behind"})
	put(t, s, "torn", testModel{"config": "{}"})
	blob := func(content string) string { return s.Blob(DigestOf([]byte(content))) }
	for _, err := range []error{
		os.WriteFile(blob("one bit of this"), []byte("one bit of thiS"), 0o644),
		os.Truncate(blob("shortened"), 5),
		os.Remove(blob("removed")),
		os.Remove(s.manifestPath(mustName(t, "unnamed"))),
		os.WriteFile(blob("left behind"), []byte("left_behind"), 0o644),
		os.Truncate(s.manifestPath(mustName(t, "torn")), 100),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	r, err := s.Check(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		blob("one bit of this") + " holds other bytes than it should: they hash to sha256:",
		blob("shortened") + " has 5 bytes instead of 9; needed by [a:latest]",
		blob("removed") + " is missing; needed by [a:latest]",
		blob("left behind") + " holds other bytes",
		"torn:latest: " + s.manifestPath(mustName(t, "torn")) + ": bad manifest",
	} {
		if !strings.Contains(r.Err().Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if len(r.Damage) != 5 || r.Manifests != 2 || r.Unnamed != 2 || !errors.Is(r.Err(), ErrDamaged) {
		t.Errorf("%d manifests, %d unnamed, damage:\n%v", r.Manifests, r.Unnamed, r.Err())
	}
	a, err := s.Manifest(mustName(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if damage, err := CheckBlobs(context.Background(), a.Blobs(), s.Blob, nil); err != nil || len(damage) != 3 {
		t.Errorf("of a alone: %v, %v", damage, err)
	} else if got := damage[0].Error(); !strings.Contains(got, " (cut) has 5 bytes instead of 9") {
		t.Errorf("of a alone: %s", got)
	}
	for _, d := range r.Damage {
		if d.Path == blob("one bit of this") && len(d.Names) != 2 {
			t.Errorf("the flipped bit is needed by %v, want a and b", d.Names)
		}
	}
}

func TestCheckFindsDisagreeingManifests(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "a", testModel{"config": "{}", "w": "weights"})
	m, err := s.Manifest(mustName(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	m.Layers[0].Size++
	path := filepath.Join(filepath.Dir(s.manifestPath(mustName(t, "a"))), "other")
	if err := os.WriteFile(path, m.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := s.Check(context.Background(), nil)
	if err != nil || len(r.Damage) != 1 || r.Damage[0].Path != path {
		t.Errorf("%v, %v", r.Err(), err)
	}
}

func TestCheckTellsItsProgressAndStops(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "a", testModel{"config": "{}", "w": strings.Repeat("w", 3<<20)})
	var last, total int64
	r, err := s.Check(context.Background(), func(d, t int64) { last, total = d, t })
	if err != nil || last != total || total != 3<<20+2 || r.Bytes != total {
		t.Errorf("ended at %d of %d with %d bytes, %v", last, total, r.Bytes, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := s.Check(ctx, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled in the middle: %v", err)
	}
}

func TestRemovedWhileCheckedIsNoDamage(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "a", testModel{"config": "{}", "w": "weights"})
	put(t, s, "b", testModel{"config": "{}", "large": strings.Repeat("w", 1<<20)})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that nothing small is read beside the large one
	removed := false
	r, err := s.Check(context.Background(), func(int64, int64) {
		if !removed {
			removed = true
			if _, err := s.Remove(context.Background(), mustName(t, "a")); err != nil {
				t.Error(err)
			}
		}
	})
	if err := errors.Join(err, r.Err()); err != nil {
		t.Error(err)
	}
}
