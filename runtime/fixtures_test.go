package runtime_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert"
	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
)

// fixture is one of the shared checkpoints and how far it may be from its reference.
type fixture struct {
	name  string
	worst float64 // of a log-probability
	flips int     // positions that may be off by more: where a router chooses otherwise
}

// fixtures hold MLX's forms tightly. The others' references were made from a conversion to bf16
// that rounds norms and decoded weights; TestAsConverted shows that nothing else differs.
var fixtures = []fixture{
	{"tiny-qwen3.5-bf16", 2e-3, 0},
	{"tiny-qwen3.5-3bit", 5e-3, 0},
	{"tiny-qwen3.5-4bit", 5e-3, 0},
	{"tiny-qwen3.5-5bit", 5e-3, 0},
	{"tiny-qwen3.5-8bit", 5e-3, 0},
	{"tiny-qwen3.5-mixed_4_6", 5e-3, 0},
	{"tiny-qwen3.5-nvfp4", 5e-3, 0},
	{"tiny-qwen3.5-mxfp4", 5e-3, 0},
	{"tiny-qwen3.5-mxfp8", 5e-3, 0},
	{"tiny-qwen3.5-vlm-4bit", 5e-3, 0},
	{"tiny-qwen3.5-moe-4bit", 5e-3, 0},
	{"tiny-qwen3.5-moe-nvfp4", 5e-3, 0},
	{"tiny-qwen3.5-moe-mxfp8", 5e-3, 0},
	{"tiny-qwen3-4bit", 5e-3, 0},
	{"tiny-qwen3-nvfp4", 5e-3, 0},
	{"tiny-qwen3-hf", 5e-3, 0}, // its norms are plain and its weights bf16
	{"tiny-qwen3.5-hf", 0.2, 0},
	{"tiny-qwen3.5-moe-hf", 0.2, 8},
	{"tiny-qwen3-next", 0.2, 8},
	{"tiny-qwen3.5-fp8", 0.2, 0},
	{"tiny-qwen3.5-ct-nvfp4", 0.2, 0},
	{"tiny-qwen3.5-modelopt-nvfp4", 0.2, 0},
	{"tiny-qwen3.5-moe-fp8", 0.2, 8},
	{"tiny-qwen3.5-moe-ct-nvfp4", 0.2, 8},
	{"tiny-qwen3.5-moe-modelopt-nvfp4", 0.2, 8},
}

// maxNLL is by how much a mean negative log-likelihood may differ.
const maxNLL = 1e-4

// TestFixtures holds every fixture to what its README allows, computed in float32 from decoded
// weights, with all answers, and from the weights as they are stored.
func TestFixtures(t *testing.T) {
	dir := os.Getenv("QIMPORT_FIXTURES")
	if dir == "" {
		t.Skip("QIMPORT_FIXTURES names no folder of fixtures")
	}
	for _, f := range fixtures {
		text := strings.Replace(f.name, "-vlm", "", 1) // the vision tower changes nothing
		r := readReference(t, filepath.Join(dir, text+".reference.json"))
		for _, compute := range []runtime.Compute{runtime.F32, runtime.Quantized} {
			t.Run(f.name+"/"+compute.String(), func(t *testing.T) {
				m := load(t, openDir(t, filepath.Join(dir, f.name)), runtime.Options{Compute: compute, Device: mlx.CPU})
				d := deviate(t, m, r)
				if d.over(f.worst) > f.flips || math.Abs(d.nll-r.MeanNLL) > maxNLL {
					t.Errorf("%d log-probabilities are off by more than %g, up to %.2g; mean NLL is %.6f, want %.6f",
						d.over(f.worst), f.worst, d.worst(), d.nll, r.MeanNLL)
				}
				if compute == runtime.F32 {
					checkAnswers(t, m, r, len(r.Answers))
				}
				t.Logf("off by up to %.2g, NLL by %.2g", d.worst(), d.nll-r.MeanNLL)
			})
		}
	}
}

// asConverted is a checkpoint in the release's form as its reference was made from it: everything
// decoded to bf16, the norms' +1 added in bf16, and the convolutions in MLX's layout, which says so.
type asConverted struct{ *convert.Source }

func (w asConverted) Load(name string) (quant.Tensor, error) {
	t, err := w.Source.Load(name)
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
	dir := os.Getenv("QIMPORT_FIXTURES")
	if dir == "" {
		t.Skip("QIMPORT_FIXTURES names no folder of fixtures")
	}
	for _, f := range fixtures {
		if f.worst < 0.1 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			r := readReference(t, filepath.Join(dir, f.name+".reference.json"))
			m := load(t, asConverted{openDir(t, filepath.Join(dir, f.name))}, runtime.Options{Compute: runtime.F32, Device: mlx.CPU})
			limit := 1e-3
			if strings.Contains(f.name, "-ct-") {
				limit = 0.05 // a few weights round otherwise: its reference divided by the scale of which we take the inverse
			}
			d := deviate(t, m, r)
			if d.worst() > limit || math.Abs(d.nll-r.MeanNLL) > maxNLL {
				t.Errorf("log-probabilities are off by up to %.2g; mean NLL is %.6f, want %.6f", d.worst(), d.nll, r.MeanNLL)
			}
			t.Logf("off by up to %.2g", d.worst())
		})
	}
}
