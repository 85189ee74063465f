//go:build cgo && (amd64 || arm64) && !windows

package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestDeltaStep holds the C function of every instruction set to the definition, over sizes with and
// without shared keys, heads that do not fill vectors, and one tap, and into the state's own memory.
func TestDeltaStep(t *testing.T) {
	for _, z := range []DeltaStep{
		{KeyHeads: 2, ValueHeads: 4, KeyDim: 32, ValueDim: 48, Taps: 4, Eps: 1e-6},
		{KeyHeads: 3, ValueHeads: 3, KeyDim: 21, ValueDim: 5, Taps: 3, Eps: 1e-6},
		{KeyHeads: 1, ValueHeads: 2, KeyDim: 128, ValueDim: 128, Taps: 1, Eps: 1e-5},
	} {
		for _, version := range native() {
			for _, over := range []bool{false, true} {
				want, got := z.random(3), z.random(3)
				if over {
					got.NextState = got.State
				}
				z.Run(want)
				z.native(got, version.isa)
				for name, pair := range map[string][2][]float32{
					"y": {want.Y, got.Y}, "past": {want.Next, got.Next}, "state": {want.NextState, got.NextState}, "decay": {want.Decay, got.Decay},
				} {
					if at, diff := furthest(pair[0], pair[1]); !(diff <= 2e-5) {
						t.Errorf("%s, %+v: %s %d is %g, want %g", version.Name, z, name, at, pair[1][at], pair[0][at])
					}
				}
			}
		}
	}
}

// random makes the arrays of b sequences, the same ones every time.
func (z DeltaStep) random(b int) DeltaArrays {
	r := rand.New(rand.NewPCG(1, 2))
	normal := func(n int) []float32 {
		f := make([]float32, n)
		for i := range f {
			f[i] = float32(r.NormFloat64())
		}
		return f
	}
	states := b * z.ValueHeads * z.ValueDim * z.KeyDim
	a := DeltaArrays{X: normal(b * z.Width()), Past: normal(b * (z.Taps - 1) * z.Conv()), State: normal(states),
		Weight: normal(z.Taps * z.Conv()), Rate: normal(z.ValueHeads), Bias: normal(z.ValueHeads), Norm: normal(z.ValueDim),
		Y: normal(b * z.ValueHeads * z.ValueDim), Next: normal(b * (z.Taps - 1) * z.Conv()), NextState: normal(states), Decay: normal(b * z.ValueHeads)}
	for h, x := range a.Rate {
		a.Rate[h] = -float32(math.Exp(float64(x)))
	}
	return a
}

// furthest is where two lists differ most, in parts of the larger value where that is over one.
func furthest(want, got []float32) (at int, diff float64) {
	for i := range want {
		d := math.Abs(float64(want[i])-float64(got[i])) / max(1, math.Abs(float64(want[i])))
		if math.IsNaN(d) || d > diff {
			at, diff = i, d
		}
		if math.IsNaN(d) {
			return at, d
		}
	}
	return at, diff
}

// BenchmarkDeltaStep takes states of 64 sequences, more than caches hold, over one token where they lie, in bytes read
// and written a second.
func BenchmarkDeltaStep(b *testing.B) {
	z := DeltaStep{KeyHeads: 16, ValueHeads: 16, KeyDim: 128, ValueDim: 128, Taps: 4, Eps: 1e-6}
	for _, version := range native() {
		b.Run(version.Name, func(b *testing.B) {
			a := z.random(64)
			a.NextState = a.State
			b.SetBytes(int64(2 * 4 * len(a.State)))
			for b.Loop() {
				z.native(a, version.isa)
			}
		})
	}
}
