package runtime_test

import (
	"errors"
	"math"
	"testing"

	"qimport/convert/source"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// openDir opens a checkpoint.
func openDir(t testing.TB, dir string) *source.Source {
	t.Helper()
	w, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// load loads a model and demands, at the test's end, that nothing of it is left.
func load(t testing.TB, w runtime.Weights, o runtime.Options) *runtime.Model {
	t.Helper()
	before := mlx.LiveArrays() // of models that the test loaded earlier, which are closed later
	m, err := runtime.Load(t.Context(), w, o)
	if errors.Is(err, mlx.ErrNoMLX) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if n := mlx.LiveArrays() - before; n != 0 {
			t.Errorf("%d arrays are still alive", n)
		}
	})
	return m
}

// TestReference runs the checkpoints of this repository in every way to compute. For bf16, whose
// roundings mlx-lm's own bf16 run shares in size, only a few answers and a rough limit are asked.
func TestReference(t *testing.T) {
	for _, tt := range []struct {
		name       string
		compute    runtime.Compute
		worst, nll float64
		answers    int
	}{
		{"qwen3.5-bf16", runtime.F32, 2e-3, 1e-4, 22},
		{"qwen3.5-bf16", runtime.BF16, 0.4, 1e-2, 5},
		{"qwen3.5-bf16", runtime.Quantized, 2e-3, 1e-4, 5},
		{"qwen3.5-moe-4bit", runtime.F32, 5e-3, 1e-4, 22},
		{"qwen3.5-moe-4bit", runtime.BF16, 2, 1e-2, 5},
		{"qwen3.5-moe-4bit", runtime.Quantized, 5e-3, 1e-4, 5},
	} {
		t.Run(tt.name+"/"+tt.compute.String(), func(t *testing.T) {
			r := runtimetest.Read(t, "../testdata/"+tt.name)
			m := load(t, openDir(t, "../testdata/"+tt.name), runtime.Options{Compute: tt.compute, Device: mlx.CPU})
			d := runtimetest.Deviate(t, m, r)
			if d.Worst() > tt.worst || math.Abs(d.NLL-r.MeanNLL) > tt.nll {
				t.Errorf("log-probabilities are off by up to %.2g, limit %g; mean NLL is %.6f, want %.6f",
					d.Worst(), tt.worst, d.NLL, r.MeanNLL)
			}
			runtimetest.CheckAnswers(t, m, r, min(tt.answers, len(r.Answers)))
			t.Logf("off by up to %.2g, NLL by %.2g, %s", d.Worst(), d.NLL-r.MeanNLL, m.Placement)
		})
	}
}
