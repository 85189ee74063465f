package score

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeScores(t *testing.T, path string, ids []int, rows [][]float32) error {
	t.Helper()
	w, err := Create(path, Texts{ids}, map[string]string{"model": "tiny"})
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, row := range rows {
		if err := w.Row(0, row); err != nil {
			return err
		}
	}
	return w.Finish()
}

func TestScoresRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores.safetensors")
	ids := []int{5, 0, 2}
	if err := writeScores(t, path, ids, [][]float32{{1, 2, 3}, {0, 0, 0}}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Texts.Equal(Texts{ids}) || s.Vocab != 3 || s.Metadata["model"] != "tiny" {
		t.Errorf("ids %v, vocabulary %d, metadata %v", s.Texts, s.Vocab, s.Metadata)
	}
	near(t, "normalized", float64(mustRow(t, s, 1)[0]), -math.Log(3), 1e-6)
	near(t, "differences stay", float64(mustRow(t, s, 0)[2]-mustRow(t, s, 0)[0]), 2, 1e-6)
}

// Rows of several texts come as a batch makes them, and are found text by text.
func TestScoresOfSeveralTexts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores.safetensors")
	read := Texts{{5, 0}, {7, 1, 2}, {3, 3}}
	w, err := Create(path, read, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Row(2, []float32{0, 3}); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err == nil || !strings.Contains(err.Error(), "after 1 of 4") {
		t.Fatalf("finished without all rows: %v", err)
	}
	for _, row := range []struct {
		text  int
		value float32
	}{{1, 1}, {0, 0}, {1, 2}} {
		if err := w.Row(row.text, []float32{0, row.value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Row(0, []float32{0, 0}); err == nil || !strings.Contains(err.Error(), "expected 1 rows") {
		t.Errorf("a row past the end of a text: %v", err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Texts.Equal(read) {
		t.Errorf("read back %v", s.Texts)
	}
	for i := range 4 {
		near(t, "difference", float64(mustRow(t, s, i)[1]-mustRow(t, s, i)[0]), float64(i), 1e-6)
	}
}

// Lengths that do not cut the ids into texts with something to predict are refused.
func TestOpenScoresRefusesLengths(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "good")
	w, err := Create(path, Texts{{1, 2}, {3, 4, 5}}, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, text := range []int{0, 1, 1} {
		if err := w.Row(text, []float32{0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := len(good) - 3*2*4 - 2*4 // before the rows
	for name, lengths := range map[string][]int{"as written": {2, 3}, "elsewhere": {3, 2}, "too short": {1, 4}, "too long": {2, 4}, "an end left": {2, 2}, "negative": {-1, 6}} {
		copy(good[at:], encodeIDs(lengths))
		bad := filepath.Join(dir, "bad")
		if err := os.WriteFile(bad, good, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(bad)
		if fits := name == "as written" || name == "elsewhere"; fits != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			s.Close()
		} else if !errors.Is(err, errUnfit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScoresRefuse(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name string
		ids  []int
		rows [][]float32
		want string
	}{
		{"too short a text", []int{1}, nil, "nothing to predict"},
		{"a row too few", []int{1, 2, 3}, [][]float32{{0, 0}}, "after 1 of 2"},
		{"a row too many", []int{1, 2}, [][]float32{{0, 0}, {0, 0}}, "expected 1 rows"},
		{"rows of different length", []int{1, 2, 3}, [][]float32{{0, 0}, {0}}, "row 1 of 1 values"},
		{"a NaN", []int{1, 2}, [][]float32{{0, nan}}, ErrNotFinite.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			err := writeScores(t, filepath.Join(dir, "s"), tt.ids, tt.rows)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 0 {
				t.Errorf("%v is left behind (%v)", left, err)
			}
		})
	}
}

func TestOpenScoresRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "good")
	if err := writeScores(t, path, []int{1, 2}, [][]float32{{0, 0}}); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string][]byte{
		"cut short":     good[:len(good)-1],
		"other version": []byte(strings.Replace(string(good), `"scores":"1"`, `"scores":"2"`, 1)),
		"other names":   []byte(strings.Replace(string(good), `"log_probs"`, `"log_qrobs"`, 1)),
	}
	for name, b := range damage {
		bad := filepath.Join(dir, "bad")
		if err := os.WriteFile(bad, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(bad); err == nil {
			t.Errorf("%s: opened with %d ids", name, s.Texts.tokens())
		}
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func mustRow(t *testing.T, s *File, i int) []float32 {
	t.Helper()
	row, err := s.Row(i)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(row)
}
