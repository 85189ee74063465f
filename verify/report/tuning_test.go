package report

import (
	"strings"
	"testing"
)

// tuning is a mixture of everything.
func tuning() Tuning {
	return Tuning{
		Source: "<tiny>", Predicted: 0.02, Same: 0.03,
		Groups:   []TunedGroup{{Name: "layers.0.mlp.up_proj", Format: "nvfp4", Tensors: 1, Options: []TunedOption{{"keep", 32, 0}, {"nvfp4", 9, 0.01}}}},
		Frontier: []TunedPoint{{Bits: 4.5, KL: 0.1}, {Bits: 8, KL: 0.01}, {Bits: 16}},
		Uniform:  []TunedPoint{{Format: "nvfp4", Bits: 4.5, KL: 0.12}, {Format: "int8", Bits: 8.5, KL: 0.001}},
		Chosen:   TunedPoint{Bits: 6, KL: 0.03},
	}
}

// TestTuningPage: the page has the frontier as a line, a mark for each uniform format and one for what was chosen.
func TestTuningPage(t *testing.T) {
	r := tuning()
	if got := r.Ratio(); got != 1.5 {
		t.Errorf("the ratio is %g", got)
	}
	var b strings.Builder
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for part, times := range map[string]int{"<polyline": 1, `<circle class="dot bad"`: 2, `<circle class="dot" `: 1, "&lt;tiny&gt;": 2, "<tiny>": 0, "1.5 of that": 1, "--ground": 4, "keep 0.00, 0;": 1} {
		if n := strings.Count(page, part); n != times {
			t.Errorf("%q stands in it %d times, not %d", part, n, times)
		}
	}
}
