package verify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/runtime"
	"qimport/runtime/mlx"
)

// cutSource opens a copy of a shipped model, whose shard then loses all but its header.
func cutSource(t *testing.T) *source.Source {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/qwen3.5-bf16")); err != nil {
		t.Fatal(err)
	}
	src, err := source.OpenDir(dir) // reads norms, so that the shard is mapped
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 4096); err != nil {
		t.Fatal(err)
	}
	return src
}

// TestSourceCutWhileRead: loading a model, and comparing its tensors, end with an error that names the
// shard that was cut short after it was opened.
func TestSourceCutWhileRead(t *testing.T) {
	src := cutSource(t)
	matched, _ := pairs(src, src)
	_, err := tensorErrors(t.Context(), matched)
	mustNameShard(t, err)
	if _, err = src.Load(matched[0].name); err == nil {
		_, err = load(t.Context(), src, runtime.Options{Device: mlx.CPU})
	}
	if !errors.Is(err, mlx.ErrNoMLX) {
		mustNameShard(t, err)
	}
}

func mustNameShard(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, safetensors.ErrTruncated) || !strings.Contains(err.Error(), "model.safetensors was cut while it was read") {
		t.Errorf("got %v", err)
	}
}

// TestScoresCutWhileRead: rows of a file of scores that was cut short are an error.
func TestScoresCutWhileRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	const vocab = 4096
	w, err := newScoreWriter(path, texts{{1, 2, 3}}, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.row(0, make([]float32, vocab)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	s, err := openScores(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.row(1); !errors.Is(err, safetensors.ErrTruncated) {
		t.Errorf("got %v", err)
	}
}
