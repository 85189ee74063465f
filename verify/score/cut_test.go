package score

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"qimport/convert/safetensors"
)

// TestScoresCutWhileRead: rows of a file of scores that was cut short are an error.
func TestScoresCutWhileRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	const vocab = 4096
	w, err := Create(path, Texts{{1, 2, 3}}, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Row(0, make([]float32, vocab)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Row(1); !errors.Is(err, safetensors.ErrTruncated) {
		t.Errorf("got %v", err)
	}
}
