package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/safetensors"
	"qimport/runtime"
	"qimport/runtime/mlx"
)

// TestCutWhileRun: weights are used where they lie, so that a file that is cut short under a loaded model
// ends whatever reads it with an error that names it, now and from then on.
func TestCutWhileRun(t *testing.T) {
	for name, read := range map[string]func(*runtime.Model) error{
		"step": func(m *runtime.Model) error {
			x := m.NewSession()
			defer x.Close()
			_, err := x.Step(t.Context(), 5)
			return err
		},
		"prompt": func(m *runtime.Model) error {
			x := m.NewSession()
			defer x.Close()
			_, err := x.Feed(t.Context(), someTokens(700))
			return err
		},
		"scores": func(m *runtime.Model) error {
			_, err := m.ScoreBatch(t.Context(), threeTexts(t), func(int, int, []float32) error {
				t.Error("something was scored")
				return nil
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("../testdata/qwen3.5-bf16")); err != nil {
				t.Fatal(err)
			}
			m := load(t, openDir(t, dir), runtime.Options{Device: mlx.CPU})
			if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 4096); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				err := read(m)
				if !errors.Is(err, safetensors.ErrTruncated) || !strings.Contains(err.Error(), "model.safetensors was cut while it was read") {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}
