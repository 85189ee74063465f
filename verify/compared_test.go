package verify

import (
	"math"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/runtime"
	"qimport/verify/report"
)

// TestCompared: with rounded activations, routers may choose other experts at a few places, and at no more.
func TestCompared(t *testing.T) {
	one := func(n int, apart float64) []float64 { return append(slices.Repeat([]float64{0.1}, n-1), apart) }
	for _, tt := range []struct {
		name    string
		apart   []float64
		act     quant.Dtype
		experts bool
		want    report.Outcome
	}{
		{"all near", one(31, 0.2), quant.BF16, true, report.Passed},
		{"one place of a mixture", one(31, 5), quant.BF16, true, report.Passed},
		{"two places of few", append(one(31, 5), 0.6), quant.BF16, true, report.Failed},
		{"two places of many", append(one(511, 5), 0.6), quant.BF16, true, report.Passed},
		{"three places", one(3, 5), quant.BF16, true, report.Failed},
		{"a dense model", one(31, 5), quant.BF16, false, report.Failed},
		{"float32", one(31, 5), quant.F32, true, report.Failed},
		{"everywhere after one", slices.Repeat([]float64{0.1, 0.7}, 200), quant.BF16, true, report.Failed},
		{"no number", one(31, math.NaN()), quant.BF16, true, report.Failed},
	} {
		c := compared{apart: tt.apart, precision: runtime.Precision{Activations: tt.act}, experts: tt.experts}
		if got := c.judge("this and that"); got.Passed != tt.want || !strings.Contains(got.Detail, "this and that") {
			t.Errorf("%s: %v, %s", tt.name, got.Passed, got.Detail)
		}
	}
}
