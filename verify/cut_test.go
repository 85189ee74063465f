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
	"qimport/verify/cost"
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
	_, err := cost.Tensors(t.Context(), src, src)
	mustNameShard(t, err)
	if _, err = src.Load(src.Names()[0]); err == nil {
		_, err = runtime.Load(t.Context(), src, runtime.Options{Device: mlx.CPU})
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
