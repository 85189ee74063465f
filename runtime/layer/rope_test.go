package layer

import (
	"context"
	"math"
	"slices"
	"testing"

	"qimport/runtime/mlx"
)

// TestPeriods compares with values worked out by hand from the definition.
func TestPeriods(t *testing.T) {
	plain := RoPE{Dims: 8, Theta: 10000}
	for j, want := range []float64{1, 10, 100, 1000} {
		if got := plain.periods()[j]; math.Abs(float64(got)/want-1) > 1e-6 {
			t.Errorf("pair %d: %g, want %g", j, got, want)
		}
	}
	// The pairs that make 32 turns and 1 turn over 4096 positions are 8*ln(4096/(2 pi 32))/(2 ln 10000)
	// = 1.31 and 2.81: pair 1 and below keeps its frequency, 3 has a quarter of it, 2 is half way.
	stretched := plain
	stretched.YaRN = &YaRN{Factor: 4, Original: 4096, BetaFast: 32, BetaSlow: 1, Truncate: true}
	for j, want := range []float64{1, 10, 1 / (0.5/400 + 0.5/100), 4000} {
		if got := stretched.periods()[j]; math.Abs(float64(got)/want-1) > 1e-6 {
			t.Errorf("yarn, pair %d: %g, want %g", j, got, want)
		}
	}
	// With the range of blending not rounded to whole pairs, pair 4 of 8 has (4-2.6181)/(5.6284-2.6181) of
	// the stretch: worked out in Python with the formula of transformers' _compute_yarn_parameters.
	for truncate, want := range map[bool][]float64{
		true:  {1, 3.162277660168379, 10, 38.9203404328416, 160, 722.8063223242011, 4000, 12649.110640673516},
		false: {1, 3.162277660168379, 10, 34.94840537489306, 152.50943164501507, 777.8275401514088, 4000, 12649.110640673516},
	} {
		wider := RoPE{Dims: 16, Theta: 10000, YaRN: &YaRN{Factor: 4, Original: 4096, BetaFast: 32, BetaSlow: 1, Truncate: truncate}}
		for j, want := range want {
			if got := wider.periods()[j]; math.Abs(float64(got)/want-1) > 1e-6 {
				t.Errorf("yarn, truncate %t, pair %d: %g, want %g", truncate, j, got, want)
			}
		}
	}
	if got, want := stretched.YaRN.attention(), 0.1*math.Log(4)+1; math.Abs(float64(got)-want) > 1e-6 {
		t.Errorf("yarn's attention factor is %g, want %g", got, want)
	}
}

// TestRotary rotates by the definition: columns j and j+Dims/2 of the first Dims by position/period,
// the rest untouched.
func TestRotary(t *testing.T) {
	thread := startMLX(t)
	const heads, tokens, width, offset = 2, 3, 12, 5
	for name, rope := range map[string]RoPE{
		"plain": {Dims: 8, Theta: 10000},
		"yarn":  {Dims: 8, Theta: 10000, YaRN: &YaRN{Factor: 4, Original: 4096, BetaFast: 32, BetaSlow: 1, Truncate: true}},
	} {
		x := make([]float32, heads*tokens*width)
		for i := range x {
			x[i] = float32(math.Sin(float64(i)))
		}
		want := rotated(x, rope, tokens, width, offset)
		err := thread.Do(context.Background(), func(s *mlx.Scope) error {
			r := NewRotary(rope)
			for _, p := range r.Params() {
				var err error
				if p.Array, err = s.Fill(p.Dtype, p.Shape, p.Fill); err != nil {
					return err
				}
			}
			got := s.Float32s(r.Apply(s, s.FromFloat32(x, 1, heads, tokens, width), offset, nil))
			if at, diff := worst(wide(got), want); diff > 1e-5 {
				t.Errorf("%s: element %d is off by %.2g", name, at, diff)
			}
			padding := Padding{0, 3}
			two := append(slices.Clone(want), rotated(x, rope, tokens, width, offset-3)...)
			got = s.Float32s(r.Apply(s, s.FromFloat32(append(slices.Clone(x), x...), 2, heads, tokens, width), offset, padding))
			if at, diff := worst(wide(got), two); diff > 1e-5 {
				t.Errorf("%s: of two sequences, element %d is off by %.2g", name, at, diff)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func rotated(x []float32, r RoPE, tokens, width, offset int) []float64 {
	out, half, factor := wide(x), r.Dims/2, 1.0
	if r.YaRN != nil {
		factor = float64(r.YaRN.attention())
	}
	for row := 0; row*width < len(x); row++ {
		for j, period := range r.periods() {
			sin, cos := math.Sincos(float64(offset+row%tokens) / float64(period))
			a, b := float64(x[row*width+j])*factor, float64(x[row*width+j+half])*factor
			out[row*width+j], out[row*width+j+half] = a*cos-b*sin, b*cos+a*sin
		}
	}
	return out
}
