package runtime_test

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// TestFixtures holds every fixture to what its README allows, computed in float32 from decoded
// weights, with all answers, and from the weights as they are stored.
func TestFixtures(t *testing.T) {
	dir := runtimetest.Folder(t)
	if testing.Short() {
		t.Skip("all fixtures take minutes; TestReference holds the repository's own")
	}
	for _, f := range runtimetest.Fixtures() {
		r := runtimetest.Read(t, filepath.Join(dir, f.Name))
		for _, compute := range []runtime.Compute{runtime.F32, runtime.Quantized} {
			t.Run(f.Name+"/"+compute.String(), func(t *testing.T) {
				m := load(t, openDir(t, filepath.Join(dir, f.Name)), runtime.Options{Compute: compute, Device: mlx.CPU})
				d := runtimetest.Deviate(t, m, r)
				if d.Over(f.Worst) > f.Flips || math.Abs(d.NLL-r.MeanNLL) > runtimetest.MaxNLL {
					t.Errorf("%d log-probabilities are off by more than %g, up to %.2g; mean NLL is %.6f, want %.6f",
						d.Over(f.Worst), f.Worst, d.Worst(), d.NLL, r.MeanNLL)
				}
				if compute == runtime.F32 {
					runtimetest.CheckAnswers(t, m, r, len(r.Answers))
				}
				t.Logf("off by up to %.2g, NLL by %.2g", d.Worst(), d.NLL-r.MeanNLL)
			})
		}
	}
}

// asConverted is a checkpoint in the release's form as its reference was made from it: everything
// decoded to bf16, the norms' +1 added in bf16, and the convolutions in MLX's form.
type asConverted struct{ *source.Source }

func (asConverted) NormForm() arch.NormForm { return arch.NormsShifted }
func (asConverted) HeadForm() arch.NormForm { return arch.NormsShifted }

func (w asConverted) Pieces(name string) ([]quant.Tensor, error) {
	t, err := w.converted(name)
	return []quant.Tensor{t}, err
}

func (w asConverted) converted(name string) (quant.Tensor, error) {
	t, err := w.Load(name)
	switch {
	case err != nil || strings.HasSuffix(name, "linear_attn.norm.weight"):
		return t, err
	case strings.HasSuffix(name, "conv1d.weight"):
		t.Shape = []int{t.Shape[0], t.Shape[2], 1}
		return t, nil
	case strings.HasSuffix(name, "norm.weight"):
		return inBF16(t, 1)
	case t.Format.IsQuantized():
		return inBF16(t, 0)
	}
	return t, nil
}

// inBF16 decodes t, adds to every element, and rounds to bf16.
func inBF16(t quant.Tensor, add float32) (quant.Tensor, error) {
	f := make([]float32, quant.Elements(t.Shape))
	if err := t.Decode(f, 0); err != nil {
		return t, err
	}
	for i := range f {
		f[i] += add
	}
	out := quant.Tensor{Shape: t.Shape, Format: quant.FormatBF16, Data: make([]byte, 2*len(f))}
	return out, quant.FromFloat32(out.Data, quant.BF16, f)
}

// TestAsConverted shows that the references of the release's forms differ from this runtime only by
// the roundings of the conversion they were made from: with those, they are met as tightly as those
// of MLX's own form.
func TestAsConverted(t *testing.T) {
	dir := runtimetest.Folder(t)
	for _, f := range runtimetest.Fixtures() {
		if f.Worst < 0.1 {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			r := runtimetest.Read(t, filepath.Join(dir, f.Name))
			m := load(t, asConverted{openDir(t, filepath.Join(dir, f.Name))}, runtime.Options{Compute: runtime.F32, Device: mlx.CPU})
			limit := 1e-3
			if strings.Contains(f.Name, "-ct-") {
				limit = 0.05 // a few weights round otherwise: its reference divided by the scale of which we take the inverse
			}
			d := runtimetest.Deviate(t, m, r)
			if d.Worst() > limit || math.Abs(d.NLL-r.MeanNLL) > runtimetest.MaxNLL {
				t.Errorf("log-probabilities are off by up to %.2g; mean NLL is %.6f, want %.6f", d.Worst(), d.NLL, r.MeanNLL)
			}
			t.Logf("off by up to %.2g", d.Worst())
		})
	}
}
