package replace

import (
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
