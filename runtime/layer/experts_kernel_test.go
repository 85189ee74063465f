package layer

import (
	"context"
	"fmt"
	"math"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// TestTokenExpertsOnGPU holds the kernels of a single token's experts, on top of its sum of layers and behind a
// norm, to the definition.
func TestTokenExpertsOnGPU(t *testing.T) {
	thread := startCUDA(t)
	const eps = 1e-6
	for _, f := range []quant.Format{quant.FormatBF16, quant.FormatNVFP4} {
		parts := newMoEParts(t, f)
		parts.up = random(t, f, moeExperts, moeInner, moeHidden)
		for _, mode := range []Mode{F32, BF16, Quantized} {
			for seed := range 8 {
				t.Run(fmt.Sprintf("%s/%s/%d", f, mode, seed), func(t *testing.T) {
					c, normalise := Compute{Mode: mode, GPU: true}, seed%2 == 0
					x := testInput(seed+1, moeHidden)[seed*moeHidden:]
					square := 0.0
					for _, v := range x {
						square += float64(v) * float64(v)
					}
					weight, normal := make([]float32, moeHidden), make([]float64, moeHidden)
					for i := range x {
						weight[i] = 1 + float32(i%7)/8
						normal[i] = float64(x[i]) / math.Sqrt(square/moeHidden+eps) * float64(weight[i])
					}
					want := parts.reference(t, normal, normalise)
					_, size := worst(want, make([]float64, len(want)))
					for i := range want {
						want[i] += float64(x[i])
					}
					m := parts.layer(c, normalise)
					err := thread.Do(context.Background(), func(s *mlx.Scope) error {
						if err := place(t, s, m); err != nil {
							return err
						}
						in := s.FromFloat32(x, 1, 1, moeHidden)
						if !m.fuses(s, in) {
							return errNotTaken
						}
						n := &Norm{weight: &Param{Dtype: quant.F32, Array: s.FromFloat32(weight, moeHidden)}, eps: eps, act: c.Activation()}
						got := wide(s.Float32s(m.Added(s, n, in)))
						if at, diff := worst(got, want); diff > tolerance(c)*size {
							t.Errorf("element %d is off by %.2g of %.2g", at, diff, size)
						}
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}
