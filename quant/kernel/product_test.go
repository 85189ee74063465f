package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// form is one way of storing rows, for tests.
type form struct {
	name string
	unit int // columns come in multiples of it
	rows Rows
}

func forms() []form {
	list := []form{
		{"bf16", 1, Rows{Layout: Plain, Elem: BF16}},
		{"f16", 1, Rows{Layout: Plain, Elem: F16}},
		{"f32", 1, Rows{Layout: Plain, Elem: F32}},
		{"bf16-turned", 1, Rows{Layout: Turned, Elem: BF16}},
		{"f16-turned", 1, Rows{Layout: Turned, Elem: F16}},
		{"f32-turned", 1, Rows{Layout: Turned, Elem: F32}},
		{"nvfp4", 16, Rows{Layout: NVFP4, Global: 1}},
		{"nvfp4-global", 16, Rows{Layout: NVFP4, Global: 7.3e-3}},
		{"mxfp4", 32, Rows{Layout: MXFP4}},
		{"mxfp8", 32, Rows{Layout: MXFP8}},
		{"fp8", 1, Rows{Layout: E4M3, Elem: F32, First: 3, Height: 4, Wide: 48}},
		{"fp8-row", 1, Rows{Layout: E4M3, Elem: BF16, Height: 1, Wide: 1 << 30}},
	}
	for i, bits := range affineBits {
		for j, group := range []int{32, 64, 128} {
			e := Elem((i + j) % 3)
			list = append(list, form{fmt.Sprintf("affine%d-g%d", bits, group), group, Rows{Layout: Affine, Elem: e, Bits: bits, Group: group}})
		}
	}
	return append(list, form{"fp8-block", 32, Rows{Layout: E4M3, Elem: BF16, First: 3, Height: 4, Wide: 64}})
}

// make is n rows of random finite values near 1 in size, at odd addresses, with nothing behind them.
func (f form) make(rng *rand.Rand, n, in int) Rows {
	r := f.rows
	r.N = n
	if r.Wide > in {
		r.Wide = in
	}
	data, scales := r.sizes(in)
	bytes := func(n int, f func() byte) []byte {
		b := make([]byte, n+1)[1:]
		for i := range b {
			b[i] = f()
		}
		return b[:len(b):len(b)]
	}
	any := func() byte { return byte(rng.Uint32()) }
	e4m3 := func() byte { return any() & 0xBF } // under 2 in size: no NaN
	floats := func(n int, e Elem) []byte {
		b := make([]byte, n*e.Size()+1)[1:]
		for i := range n {
			e.store(b, i, float32(rng.NormFloat64()))
		}
		return b
	}
	r.Data = bytes(n*data, any)
	switch r.Layout {
	case Plain:
		r.Data = floats(n*in, r.Elem)
	case Turned:
		r.Step = n + 3
		r.Data = floats((in-1)*r.Step+n, r.Elem)
	case NVFP4:
		r.Scales = bytes(n*scales, e4m3)
	case MXFP4:
		r.Scales = bytes(n*scales, func() byte { return 120 + any()%8 })
	case MXFP8:
		r.Data, r.Scales = bytes(n*data, e4m3), bytes(n*scales, func() byte { return 120 + any()%8 })
	case Affine:
		groups := n * in / r.Group
		r.Scales, r.Biases = floats(groups, r.Elem), floats(groups, r.Elem)
	case E4M3:
		r.Data, r.Scales = bytes(n*data, e4m3), floats(((r.First+n-1)/r.Height+1)*scales/r.Elem.Size(), r.Elem)
	}
	return r
}

// wideCounts are columns of output around every class of kernels.
var wideCounts = []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 32, 33, 100, 513}

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n+1)[1:]
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// mustBeWithin holds y [n, Out] to the definition of expert e.
func (m *Matrix) mustBeWithin(t *testing.T, what string, e, n int, y, x []float32) {
	t.Helper()
	for o := range m.Out {
		row := m.Row(e, o)
		for c := range n {
			if c > 40 && c < n-20 && c%7 > 0 {
				continue // some of many are enough
			}
			want, bound := row.Times(x[c*m.In:][:m.In])
			got := y[c*m.Out+o]
			if d := math.Abs(float64(got) - float64(want)); !(d <= bound) {
				t.Fatalf("%s: column %d of %d, row %d: got %v, want %v, off by %.3g of the bound", what, c, n, o, got, want, d/bound)
			}
		}
	}
}

// TestProduct holds every version to the definition: all forms, columns of output around every class of
// kernels, odd numbers of rows, lengths around every block.
func TestProduct(t *testing.T) {
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(f.unit), 5))
			for i, in := range []int{f.unit, 3 * f.unit, 5*f.unit + 64*f.unit, 256, 1024 + f.unit, 2560} {
				if in%f.unit != 0 {
					continue
				}
				out := []int{1, 2, 3, 5, 101, 13}[i]
				rows := f.make(rng, out, in)
				for _, n := range wideCounts {
					if n*in*out > 1<<20 && testing.Short() {
						continue
					}
					x := normal(rng, n*in)
					for _, s := range Versions() {
						m := newMatrix(s, in, [][]Rows{{rows}})
						var a arena
						y := a.values(n * out)
						m.Multiply(y, x)
						m.mustBeWithin(t, fmt.Sprintf("%s, in %d, out %d", s.Name, in, out), 0, n, y, x)
						a.mustHaveCanaries(t, s.Name)
						m.Close()
					}
				}
			}
		})
	}
}

// mustHaveCanaries fails where something was written before or after the values.
func (a *arena) mustHaveCanaries(t *testing.T, what string) {
	t.Helper()
	for i := range canaryLen {
		if a.floats[i] != -123.5 || a.floats[len(a.floats)-1-i] != -123.5 {
			t.Fatalf("%s: wrote outside of the result", what)
		}
	}
}
