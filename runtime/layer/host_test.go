package layer

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

func TestExp32(t *testing.T) {
	for i := range 200001 {
		x := float32(i-100000) / 1000
		got, want := float64(exp32(x)), math.Exp(min(max(float64(x), -87), 88))
		if math.Abs(got/want-1) > 3e-7 {
			t.Fatalf("e^%g is %g, want %g", x, got, want)
		}
	}
}

func TestParallel(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100} {
		seen := make([]int, n)
		parallel(n, func(from, to int) {
			for i := from; i < to; i++ {
				seen[i]++
			}
		})
		for i, times := range seen {
			if times != 1 {
				t.Errorf("of %d, %d was done %d times", n, i, times)
			}
		}
	}
}

// TestHostForms holds what is computed here to the graphs that it stands in for.
func TestHostForms(t *testing.T) {
	thread := startMLX(t)
	if thread.Info().Device != mlx.CPU {
		t.Skip("not used on a GPU")
	}
	c := Compute{Mode: F32, State: quant.F32, Decay: quant.F32}
	z := DeltaSizes{KeyHeads: 2, ValueHeads: 4, KeyDim: 32, ValueDim: 48, Kernel: 4}
	d := NewDeltaNet(c, z, deltaWeights(t, c, z, 16))
	const batch, tokens = 2, 70
	width := z.ConvDim() + z.ValueWidth() + 2*z.ValueHeads
	x := testInput(2*batch*tokens, width)
	err := thread.Do(context.Background(), func(s *mlx.Scope) error {
		if err := place(s, d.Params()); err != nil {
			return err
		}
		var host, graph DeltaCache
		for part := range 2 { // the second from the state of the first
			in := s.SliceAxis(s.FromFloat32(x, batch, 2*tokens, width), 1, part*tokens, (part+1)*tokens)
			got, want := d.mixOnHost(s, in, &host), d.mix(s, in, &graph)
			for name, pair := range map[string][2]*mlx.Array{
				"output": {got, want}, "state": {host.state, graph.state}, "conv state": {host.conv, graph.conv},
			} {
				if at, diff := worst(wide(s.Float32s(pair[0])), wide(s.Float32s(pair[1]))); diff > 1e-5 {
					t.Errorf("part %d, %s: element %d differs by %.2g", part, name, at, diff)
				}
			}
		}
		for _, cache := range []*Cache{{Delta: host}, {Delta: graph}} {
			cache.Free()
		}
		y := s.FromFloat32(testInput(hostRows, 20), hostRows, 20)
		got, want := c.swiglu(s, y, 10), s.Mul(silu(s, s.SliceAxis(y, 1, 0, 10)), s.SliceAxis(y, 1, 10, 20))
		if at, diff := worst(wide(s.Float32s(got)), wide(s.Float32s(want))); diff > 1e-6 {
			t.Errorf("SwiGLU: element %d differs by %.2g", at, diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// deltaWeights are random ones, of which only the small are used without the projections.
func deltaWeights(t testing.TB, c Compute, z DeltaSizes, hidden int) DeltaWeights {
	m := func(out int) Matrix { return NewMatrix(random(t, quant.FormatF32, out, hidden)) }
	small := func(shape ...int) *Stored { return random(t, quant.FormatF32, shape...) }
	return DeltaWeights{
		QKV: m(z.ConvDim()), Z: m(z.ValueWidth()), B: m(z.ValueHeads), A: m(z.ValueHeads),
		Conv: small(z.ConvDim(), z.Kernel, 1), ALog: small(z.ValueHeads), DtBias: small(z.ValueHeads),
		Norm: NewNorm(c, small(z.ValueDim), 1e-6, true), Out: NewMatrix(small(hidden, z.ValueWidth())),
	}
}

func BenchmarkSiLU(b *testing.B) {
	r, x := rand.New(rand.NewPCG(1, 1)), make([]float32, 1<<16)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		for i, y := range x {
			x[i] = silu32(y) + 0.5
		}
	}
}
