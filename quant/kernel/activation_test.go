//go:build cgo && (amd64 || arm64) && !windows

package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestActivations holds the C functions of every instruction set to the definition, over widths that do not
// fill vectors, rows that fill several pieces, and values at both ends of the exponential.
func TestActivations(t *testing.T) {
	ready()
	r := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{1, 5, 128, 1000, 9000} {
		for _, rows := range []int{1, 3, 20} {
			x, weight := make([]float32, 2*rows*width), make([]float32, width)
			for i := range x {
				x[i] = float32(r.NormFloat64() * 4)
			}
			x[0], x[len(x)-1] = -1e4, 1e4
			for i := range weight {
				weight[i] = float32(r.NormFloat64())
			}
			for _, set := range native() {
				settings := ActivationSizes(width, 1e-6)
				settings[2] = int32(set.isa)
				want, got := make([]float32, rows*width), make([]float32, rows*width)
				RMSNorm(want, x[:rows*width], weight, 1e-6)
				callActivation(false, got, settings, x[:rows*width], weight)
				nearActivation(t, set.Name+" norm", got, want)
				SwiGLU(want, x, width)
				callActivation(true, got, settings, x)
				nearActivation(t, set.Name+" swiglu", got, want)
			}
		}
	}
}

func nearActivation(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if off := math.Abs(float64(got[i] - want[i])); !(off <= 1e-6+2e-6*math.Abs(float64(want[i]))) {
			t.Fatalf("%s: %d of %d is %g, want %g", what, i, len(want), got[i], want[i])
		}
	}
}
