//go:build cgo && (amd64 || arm64) && !windows

package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAttend holds the C function of every instruction set to the definition, over heads that share keys and
// do not, that fill vectors and do not, lengths around a share of a thread's work, and into the memory of keys and values.
func TestAttend(t *testing.T) {
	for _, z := range []Attend{
		{Heads: 8, KVHeads: 2, HeadDim: 64, Turned: 16, Gated: true, Eps: 1e-6},
		{Heads: 3, KVHeads: 3, HeadDim: 21, Turned: 20, Eps: 1e-6},
		{Heads: 4, KVHeads: 1, HeadDim: 128, Turned: 128, Eps: 1e-5},
	} {
		for _, length := range []int{0, 1, 127, 128, 300} {
			for _, version := range native() {
				for _, over := range []bool{false, true} {
					want, got := z.random(2, length), z.random(2, length)
					keys, values := got.Keys, got.Values
					if !over {
						keys, values = make([]float32, len(keys)), make([]float32, len(values))
					}
					z.Run(want)
					z.native(got, keys, values, version.isa)
					for name, pair := range map[string][2][]float32{"y": {want.Y, got.Y}, "keys": {want.Keys, keys}, "values": {want.Values, values}} {
						if at, diff := furthest(pair[0], pair[1]); !(diff <= 1e-5) {
							t.Errorf("%s, %+v after %d: %s %d is %g, want %g", version.Name, z, length, name, at, pair[1][at], pair[0][at])
						}
					}
				}
			}
		}
	}
}

// TestAttendNotFinite: what is not finite is not hidden.
func TestAttendNotFinite(t *testing.T) {
	z := Attend{Heads: 2, KVHeads: 1, HeadDim: 16, Turned: 16, Eps: 1e-6}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		a := z.random(1, 200)
		a.Keys[5*z.HeadDim] = bad
		z.native(a, a.Keys, a.Values, best.isa)
		if !slices.ContainsFunc(a.Y, func(y float32) bool { return math.IsNaN(float64(y)) }) {
			t.Errorf("a key with %g goes unseen", bad)
		}
	}
}

// random makes the arrays of b sequences, the same ones every time, with room for a few tokens more.
func (z Attend) random(b, length int) AttendArrays {
	r := rand.New(rand.NewPCG(5, 6))
	kept := b * z.KVHeads * (length + 3) * z.HeadDim
	a := AttendArrays{X: normal(r, b*z.Width()), Keys: normal(r, kept), Values: normal(r, kept),
		QueryNorm: normal(r, z.HeadDim), KeyNorm: normal(r, z.HeadDim), Turns: make([]float32, z.Turned),
		Length: length, Y: make([]float32, b*z.Heads*z.HeadDim)}
	for i := range z.Turned / 2 {
		sin, cos := math.Sincos(float64(i * length))
		a.Turns[i], a.Turns[z.Turned/2+i] = float32(cos), float32(sin)
	}
	return a
}
