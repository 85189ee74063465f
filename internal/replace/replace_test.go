package replace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestWhole: until it is placed a file is as it was, and nothing is left beside it.
func TestWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	holds := func(want string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil || string(b) != want {
			t.Fatalf("it has %q, %v; want %q", b, err, want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Fatalf("there are %v, %v", entries, err)
		}
	}
	if err := WriteFile(path, []byte("old"), Public); err != nil {
		t.Fatal(err)
	}
	holds("old")
	for _, place := range []bool{false, true} {
		f, err := New(path, Shared)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("new")); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
			t.Fatalf("before it is placed: %q, %v", b, err)
		}
		if place {
			if err := f.Place(); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Drop(); err != nil {
			t.Fatal(err)
		}
		holds(map[bool]string{false: "old", true: "new"}[place])
	}
}

// TestPlaceErrors: a file whose place is gone, or is a folder's, says so.
func TestPlaceErrors(t *testing.T) {
	dir := t.TempDir()
	gone, taken := filepath.Join(dir, "gone"), filepath.Join(dir, "taken")
	for path, spoil := range map[string]func() error{
		filepath.Join(gone, "file"): func() error { return os.RemoveAll(gone) },
		taken:                       func() error { return os.Mkdir(taken, 0o755) },
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := New(path, Shared)
		if err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := f.Place(); err == nil {
			t.Errorf("%s was placed", path)
		}
		if err := f.Drop(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v is left, %v", entries, err)
	}
	if _, err := New(filepath.Join(gone, "file"), Shared); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}
