//go:build cgo && (amd64 || arm64) && !windows

package kernel

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
)

// random makes the arrays of b sequences, the same ones every time.
func (z DeltaPrompt) random(b int) DeltaArrays {
	a := z.DeltaStep.random(b)
	more := z.DeltaStep.random(b * z.Tokens)
	a.X, a.Y = more.X, more.Y
	return a
}

// TestDeltaPrompt holds the C function of every instruction set to the definition, token by token, over sizes with
// and without shared keys, heads that do not fill vectors, one tap, and lengths around those that are taken together.
func TestDeltaPrompt(t *testing.T) {
	for _, step := range []DeltaStep{
		{KeyHeads: 2, ValueHeads: 4, KeyDim: 32, ValueDim: 48, Taps: 4, Eps: 1e-6},
		{KeyHeads: 3, ValueHeads: 3, KeyDim: 21, ValueDim: 5, Taps: 3, Eps: 1e-6},
		{KeyHeads: 1, ValueHeads: 2, KeyDim: 128, ValueDim: 128, Taps: 1, Eps: 1e-5},
	} {
		for _, tokens := range []int{1, 2, 9, 31, 32, 33, 100} {
			z := DeltaPrompt{step, tokens}
			for i, version := range native() {
				want, got := z.random(2), z.random(2)
				if i%2 == 0 {
					got.NextState = got.State
				}
				z.Run(want)
				z.native(got, version.isa)
				for name, pair := range map[string][2][]float32{
					"y": {want.Y, got.Y}, "past": {want.Next, got.Next}, "state": {want.NextState, got.NextState}, "decay": {want.Decay, got.Decay},
				} {
					if at, diff := furthest(pair[0], pair[1]); !(diff <= 5e-5) {
						t.Errorf("%s, %+v: %s %d is %g, want %g", version.Name, z, name, at, pair[1][at], pair[0][at])
					}
				}
			}
		}
	}
}

// TestDeltaPromptDecays: decays that leave nothing of a state, and none at all, with keys that are all the same.
func TestDeltaPromptDecays(t *testing.T) {
	z := DeltaPrompt{DeltaStep{KeyHeads: 1, ValueHeads: 3, KeyDim: 16, ValueDim: 16, Taps: 1, Eps: 1e-6}, 70}
	for _, version := range native() {
		want, got := z.random(1), z.random(1)
		for _, a := range []DeltaArrays{want, got} {
			copy(a.Rate, []float32{-100, -1e-9, -1})
			for token := range z.Tokens {
				copy(a.X[token*z.Width():], a.X[:2*z.KeyDim])
				a.X[(token+1)*z.Width()-1] = float32(token%7*20 - 60) // of the last head: some of each
			}
		}
		z.Run(want)
		z.native(got, version.isa)
		for name, pair := range map[string][2][]float32{"y": {want.Y, got.Y}, "state": {want.NextState, got.NextState}} {
			if at, diff := furthest(pair[0], pair[1]); !(diff <= 5e-5) {
				t.Errorf("%s: %s %d is %g, want %g", version.Name, name, at, pair[1][at], pair[0][at])
			}
		}
	}
}

// random makes the arrays of b sequences, the same ones every time, with room for a few tokens more.
func (z AttendPrompt) random(b, length int) AttendArrays {
	a := z.Attend.random(b, length+z.Tokens)
	more := z.Attend.random(b*z.Tokens, 0)
	a.X, a.Y, a.Length, a.Turns = more.X, more.Y, length, nil
	for t := range z.Tokens {
		a.Turns = append(a.Turns, z.Attend.random(1, length+t).Turns...)
	}
	return a
}

// TestAttendPrompt holds the C function of every instruction set to the definition, token by token, over heads that
// share keys and do not, that fill vectors and do not, and lengths around those that are taken together.
func TestAttendPrompt(t *testing.T) {
	for _, z := range []Attend{
		{Heads: 8, KVHeads: 2, HeadDim: 64, Turned: 16, Gated: true, Eps: 1e-6},
		{Heads: 3, KVHeads: 3, HeadDim: 21, Turned: 20, Eps: 1e-6},
		{Heads: 4, KVHeads: 1, HeadDim: 128, Turned: 128, Eps: 1e-5},
	} {
		for _, size := range [][2]int{{0, 1}, {0, 33}, {1, 31}, {63, 2}, {130, 70}} {
			z, length := AttendPrompt{z, size[1]}, size[0]
			for i, version := range native() {
				want, got := z.random(2, length), z.random(2, length)
				keys, values := got.Keys, got.Values
				if i%2 == 0 {
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

// TestPromptThreads: results are the same bytes on any number of threads.
func TestPromptThreads(t *testing.T) {
	defer SetThreads(runtime.GOMAXPROCS(0))
	d := DeltaPrompt{DeltaStep{KeyHeads: 4, ValueHeads: 8, KeyDim: 32, ValueDim: 32, Taps: 4, Eps: 1e-6}, 77}
	a := AttendPrompt{Attend{Heads: 8, KVHeads: 2, HeadDim: 64, Turned: 16, Gated: true, Eps: 1e-6}, 77}
	var first []float32
	for _, threads := range []int{1, 2, 5} {
		SetThreads(threads)
		x, y := d.random(3), a.random(3, 40)
		d.native(x, best.isa)
		a.native(y, y.Keys, y.Values, best.isa)
		all := slices.Concat(x.Y, x.NextState, y.Y, y.Keys)
		if first == nil {
			first = all
		}
		if !slices.Equal(all, first) {
			t.Errorf("%d threads give other results than one", threads)
		}
	}
}

// TestAttendPromptNotFinite: what is not finite is not hidden, but from tokens long before.
func TestAttendPromptNotFinite(t *testing.T) {
	z := AttendPrompt{Attend{Heads: 2, KVHeads: 1, HeadDim: 16, Turned: 16, Eps: 1e-6}, 100}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		a := z.random(1, 0)
		for i := range z.HeadDim {
			a.X[99*z.Width()+2*z.HeadDim+i] = bad
		}
		z.native(a, a.Keys, a.Values, best.isa)
		width := z.Heads * z.HeadDim
		isNaN := func(y float32) bool { return math.IsNaN(float64(y)) }
		if !slices.ContainsFunc(a.Y[99*width:], isNaN) {
			t.Errorf("a key with %g goes unseen", bad)
		}
		if at := slices.IndexFunc(a.Y[:64*width], isNaN); at >= 0 {
			t.Errorf("a key with %g of token 99 is seen by token %d", bad, at/width)
		}
	}
}

func BenchmarkDeltaPrompt(b *testing.B) {
	z := DeltaPrompt{DeltaStep{KeyHeads: 16, ValueHeads: 16, KeyDim: 128, ValueDim: 128, Taps: 4, Eps: 1e-6}, 256}
	for _, version := range native() {
		b.Run(version.Name, func(b *testing.B) {
			a := z.random(1)
			for b.Loop() {
				z.native(a, version.isa)
			}
		})
	}
}

func BenchmarkAttendPrompt(b *testing.B) {
	for _, length := range []int{0, 256, 3840} {
		z := AttendPrompt{Attend{Heads: 8, KVHeads: 2, HeadDim: 256, Turned: 64, Gated: true, Eps: 1e-6}, 256}
		b.Run(fmt.Sprint("after ", length), func(b *testing.B) {
			a := z.random(1, length)
			for b.Loop() {
				z.native(a, a.Keys, a.Values, best.isa)
			}
		})
	}
}
