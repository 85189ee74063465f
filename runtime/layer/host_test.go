package layer

import (
	"context"
	"fmt"
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

// TestHostForms holds what is computed here to the graphs that it stands in for. With bf16 around
// them, those round more often.
func TestHostForms(t *testing.T) {
	thread := startMLX(t)
	if thread.Info().Device != mlx.CPU {
		t.Skip("not used on a GPU")
	}
	for _, tt := range []struct {
		mode      Mode
		tolerance float64 // of outputs
	}{{F32, 1e-5}, {BF16, 0.015}} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			err := thread.Do(context.Background(), func(s *mlx.Scope) error {
				c := Compute{Mode: tt.mode, State: quant.F32, Decay: quant.F32}
				compareSwiGLU(t, s, c, tt.tolerance)
				return compareMixes(t, s, c, tt.tolerance)
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func compareMixes(t *testing.T, s *mlx.Scope, c Compute, tolerance float64) error {
	z := DeltaSizes{KeyHeads: 2, ValueHeads: 4, KeyDim: 32, ValueDim: 48, Kernel: 4}
	d := NewDeltaNet(c, z, deltaWeights(t, c, z, 16))
	if err := place(t, s, d); err != nil {
		return err
	}
	const batch, tokens = 2, 70
	width := z.ConvDim() + z.ValueWidth() + 2*z.ValueHeads
	x := s.AsType(s.FromFloat32(testInput(2*batch*tokens, width), batch, 2*tokens, width), c.Activation())
	var host, graph Cache
	defer host.Free()
	defer graph.Free()
	for part := range 2 { // the second from the state of the first
		in := s.SliceAxis(x, 1, part*tokens, (part+1)*tokens)
		compareArrays(t, s, fmt.Sprint("output ", part), d.mixPrompt(s, in, &host.Delta), d.mix(s, in, &graph.Delta), tolerance)
		compareArrays(t, s, fmt.Sprint("state ", part), host.Delta.state, graph.Delta.state, 1e-5)
		compareArrays(t, s, fmt.Sprint("conv state ", part), host.Delta.conv, graph.Delta.conv, 0)
	}
	return nil
}

func compareSwiGLU(t *testing.T, s *mlx.Scope, c Compute, tolerance float64) {
	y := s.AsType(s.FromFloat32(testInput(hostRows, 20), hostRows, 20), c.Activation())
	compareArrays(t, s, "SwiGLU", c.swiglu(s, y, 10), s.Mul(silu(s, s.SliceAxis(y, 1, 0, 10)), s.SliceAxis(y, 1, 10, 20)), tolerance)
}

func compareArrays(t *testing.T, s *mlx.Scope, name string, got, want *mlx.Array, tolerance float64) {
	t.Helper()
	if got.Dtype() != want.Dtype() {
		t.Errorf("%s is %s, want %s", name, got.Dtype(), want.Dtype())
	}
	a, b := wide(s.Float32s(got)), wide(s.Float32s(want))
	for i := range b { // bf16 rounds by the size of a number
		size := max(1, math.Abs(b[i]))
		a[i], b[i] = a[i]/size, b[i]/size
	}
	if at, diff := worst(a, b); diff > tolerance {
		t.Errorf("%s: element %d differs by %.2g", name, at, diff)
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
