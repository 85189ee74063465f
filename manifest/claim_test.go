package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestClaim: a name is one process's until the claim is closed, whatever the case of its letters; other names
// are free.
func TestClaim(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	name := func(text string) Name {
		n, err := ParseName(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if s.Claimed(name("a")) {
		t.Error("claimed in a store that is not there")
	}
	c, err := s.Claim(t.Context(), name("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), name("A")); !errors.Is(err, ErrLocked) {
		t.Errorf("claimed twice: %v", err)
	}
	if !s.Claimed(name("A")) || s.Claimed(name("b")) {
		t.Error("who has what is not known")
	}
	other, err := s.Claim(t.Context(), name("b"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), other.Close()); err != nil {
		t.Fatal(err)
	}
	if s.Claimed(name("a")) {
		t.Error("still claimed")
	}
	if again, err := s.Claim(t.Context(), name("a")); err != nil || again.Close() != nil {
		t.Error(err)
	}
}

func TestRecord(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := ParseName("a")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.Record(n); b != nil || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for _, text := range []string{"one", "two"} {
		if err := s.PutRecord(n, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := s.Record(n); string(b) != text || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
}

// TestTouchSpares: a blob that was written lately is not touched, since another import may be reading it; an
// old one is.
func TestTouchSpares(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.root, "file")
	for age, touched := range map[time.Duration]bool{time.Minute: false, Grace: true} {
		then := time.Now().Add(-age).Truncate(time.Second)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chtimes(path, then, then), s.files.touch(path)); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.ModTime().Equal(then) == touched {
			t.Errorf("%v old: touched is not %v: %v", age, touched, err)
		}
	}
}
