package score

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen: whatever a file of scores holds, it is opened or refused, and each row that it has can be
// read.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "s")
	w, err := Create(path, Texts{{1, 2, 3}, {4, 5}}, map[string]string{"model": "m"})
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []int{0, 1, 0} {
		if err := w.Row(text, []float32{0, 1, 2}); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-4])
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err != nil {
			return
		}
		defer s.Close()
		for i := range s.Texts.Positions() {
			if row, err := s.Row(i); err != nil || len(row) != s.Vocab {
				t.Fatalf("row %d: %d values, %v", i, len(row), err)
			}
		}
	})
}
