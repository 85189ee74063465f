package main

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/source"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// TestQwen3MoEOnGPU holds the Qwen3-MoE that is made of the dense model to that one's reference on a GPU,
// in every way to compute, and imports it with a verification there.
func TestQwen3MoEOnGPU(t *testing.T) {
	thread, err := mlx.Start(mlx.GPU)
	if err != nil {
		t.Skip(err)
	}
	thread.Close()
	made := qwen3MoE(t, filepath.Join(runtimetest.Folder(t), "tiny-qwen3-hf"))
	for _, tt := range []struct {
		compute runtime.Compute
		worst   float64 // of a log-probability
		nll     float64
		answers int
	}{
		{runtime.F32, made.Worst, runtimetest.MaxNLL, 22},
		{runtime.BF16, 0.4, 1e-2, 5},
		{runtime.Quantized, 0.4, 1e-2, 5},
	} {
		t.Run(tt.compute.String(), func(t *testing.T) {
			m := loadOnGPU(t, made.dir, tt.compute)
			r := runtimetest.Read(t, made.reference)
			d := runtimetest.Deviate(t, m, r)
			if d.Over(tt.worst) > 0 || math.Abs(d.NLL-r.MeanNLL) > tt.nll {
				t.Errorf("%d log-probabilities are off by more than %g, up to %.2g; mean NLL is %.6f, want %.6f",
					d.Over(tt.worst), tt.worst, d.Worst(), d.NLL, r.MeanNLL)
			}
			runtimetest.CheckAnswers(t, m, r, min(tt.answers, len(r.Answers)))
			t.Logf("off by up to %.2g, NLL by %.2g, %s", d.Worst(), d.NLL-r.MeanNLL, m.Placement)
			verifyOnGPU(t, made.dir, tt.compute)
		})
	}
}

func loadOnGPU(t *testing.T, dir string, compute runtime.Compute) *runtime.Model {
	t.Helper()
	src, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	m, err := runtime.Load(t.Context(), src, runtime.Options{Compute: compute, Device: mlx.GPU})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// verifyOnGPU imports the checkpoint as it is and in four bits, each with the checks of the level smoke.
func verifyOnGPU(t *testing.T, dir string, compute runtime.Compute) {
	t.Helper()
	for _, target := range []string{"keep", "nvfp4"} {
		args := []string{"import", dir, "--store", t.TempDir(), "--name", "made", "--json", "--quiet",
			"--verify", "smoke", "--length", "33", "--device", "gpu", "--compute", compute.String()}
		if target != "keep" {
			args = append(args, "-q", target)
		}
		var out, errs bytes.Buffer
		if status := run(t.Context(), args, stdio{in: strings.NewReader(""), out: &out, err: &errs}); status != exitDone {
			t.Errorf("%q exits with %d: %s%s", args, status, &errs, failures(out.Bytes()))
		}
	}
}
