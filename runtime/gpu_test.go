package runtime_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// needGPU skips the test where MLX has no GPU to run on.
func needGPU(t testing.TB) {
	t.Helper()
	thread, err := mlx.Start(mlx.GPU)
	if err != nil {
		t.Skip(err)
	}
	thread.Close()
}

// gpuModels are this repository's checkpoints and those of the fixtures that are there.
func gpuModels() map[string]runtimetest.Fixture {
	models := map[string]runtimetest.Fixture{
		"../testdata/qwen3.5-bf16":     {Name: "qwen3.5-bf16", Worst: 2e-3},
		"../testdata/qwen3.5-moe-4bit": {Name: "qwen3.5-moe-4bit", Worst: 5e-3},
	}
	for _, f := range runtimetest.Fixtures() {
		dir := filepath.Join(os.Getenv("QIMPORT_FIXTURES"), f.Name)
		if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
			models[dir] = f
		}
	}
	return models
}

// TestReferenceOnGPU runs them in every way to compute. In float32, a GPU is held as tightly to
// mlx-lm's float32 as a CPU; with bf16 activations, to what their roundings cost.
func TestReferenceOnGPU(t *testing.T) {
	needGPU(t)
	for dir, f := range gpuModels() {
		r := runtimetest.Read(t, dir)
		for _, compute := range []runtime.Compute{runtime.F32, runtime.BF16, runtime.Quantized} {
			t.Run(f.Name+"/"+compute.String(), func(t *testing.T) {
				m := load(t, openDir(t, dir), runtime.Options{Compute: compute, Device: mlx.GPU})
				d := runtimetest.Deviate(t, m, r)
				worst, flips, nll, answers := f.Worst, f.Flips, runtimetest.MaxNLL, len(r.Answers)
				if compute != runtime.F32 {
					worst, nll, answers = max(0.4, worst), 1e-2, 5
				}
				if strings.Contains(f.Name, "moe") || strings.Contains(f.Name, "next") {
					flips = len(r.IDs) / 20 // a router between two experts as good chooses the other one
				}
				if d.Over(worst) > flips || math.Abs(d.NLL-r.MeanNLL) > nll {
					t.Errorf("%d log-probabilities are off by more than %g, up to %.2g; mean NLL is %.6f, want %.6f",
						d.Over(worst), worst, d.Worst(), d.NLL, r.MeanNLL)
				}
				runtimetest.CheckAnswers(t, m, r, min(answers, len(r.Answers)))
				t.Logf("off by up to %.2g, NLL by %.2g, %s", d.Worst(), d.NLL-r.MeanNLL, m.Placement)
			})
		}
	}
}

// TestStepsOnGPU compares reading a text at once (chunks) with reading it token by token (the
// kernel), and looks at the dtypes of the arrays that both leave.
func TestStepsOnGPU(t *testing.T) {
	needGPU(t)
	const dir = "../testdata/qwen3.5-bf16"
	ids := runtimetest.Read(t, dir).IDs[:100]
	for _, tt := range []struct {
		compute runtime.Compute
		act     quant.Dtype
		limit   float64 // of a logit, of up to 25
	}{{runtime.F32, quant.F32, 1e-3}, {runtime.BF16, quant.BF16, 0.5}} {
		t.Run(tt.compute.String(), func(t *testing.T) {
			m := load(t, openDir(t, dir), runtime.Options{Compute: tt.compute, Device: mlx.GPU})
			read := func(step int) (logits []float32) {
				x := m.NewSession()
				defer x.Close()
				for at := 0; at < len(ids); at += step {
					var err error
					if logits, err = x.Feed(t.Context(), ids[at:min(at+step, len(ids))]); err != nil {
						t.Fatal(err)
					}
				}
				want := runtime.Precision{DeltaState: quant.F32, Decay: quant.F32, ConvState: tt.act, KV: tt.act, Activations: tt.act}
				if p := x.Precision(); p != want {
					t.Errorf("%d at a time: the arrays are %+v, want %+v", step, p, want)
				}
				return logits
			}
			atOnce := read(len(ids))
			for _, step := range []int{1, 7} {
				worst := 0.0
				for i, l := range read(step) {
					worst = max(worst, math.Abs(float64(l-atOnce[i])))
				}
				if !(worst <= tt.limit) {
					t.Errorf("%d at a time: logits differ by up to %.2g from all at once", step, worst)
				}
				t.Logf("%d at a time: logits differ by up to %.2g", step, worst)
			}
		})
	}
}
