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

// testFormats are those that weights come in.
var testFormats = []quant.Format{
	quant.FormatBF16, quant.FormatF16, quant.FormatF32, quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8,
	quant.AffineFormat(3, 32), quant.AffineFormat(4, 64), quant.AffineFormat(8, 128),
}

// random is a stored tensor of random weights in that format; NVFP4 ones have a global scale, one
// an expert if there are experts.
func random(t testing.TB, f quant.Format, shape ...int) *Stored {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(quant.Elements(shape))))
	w := make([]float32, quant.Elements(shape))
	for i := range w {
		w[i] = float32(r.NormFloat64()) / 8
	}
	x := quant.Tensor{Shape: shape, Format: f, ScaleDtype: quant.BF16}
	layout, err := f.Layout(shape, quant.BF16)
	if err != nil {
		t.Fatal(err)
	}
	if f.Mode != quant.Affine {
		x.ScaleDtype = quant.NoDtype
	}
	x.Data = make([]byte, layout.Weight.Bytes())
	if f.Mode == quant.Plain {
		err = quant.FromFloat32(x.Data, f.Dtype, w)
	} else {
		x.Scales, x.Biases = make([]byte, layout.Scales.Bytes()), make([]byte, layout.Biases.Bytes())
		err = quant.Encode(f, quant.Packed{Weight: x.Data, Scales: x.Scales, Biases: x.Biases}, quant.Float32s(w), quant.Options{Scale: quant.BF16})
	}
	if err != nil {
		t.Fatal(err)
	}
	if f == quant.FormatNVFP4 {
		x.Global = []float32{0.5}
		for e := 1; len(shape) == 3 && e < shape[0]; e++ {
			x.Global = append(x.Global, 0.5+float32(e))
		}
	}
	return NewStored(f.String(), x)
}

// decoded is all of a stored tensor in float32.
func decoded(t *testing.T, s *Stored) []float64 {
	t.Helper()
	f := make([]float32, quant.Elements(s.Tensor.Shape))
	if err := s.decode(f); err != nil {
		t.Fatal(err)
	}
	return wide(f)
}

// product is x [n, in] times the transpose of w [out, in].
func product(x, w []float64, in int) []float64 {
	var y []float64
	for i := 0; i < len(x); i += in {
		for o := 0; o < len(w); o += in {
			sum := 0.0
			for j := range in {
				sum += x[i+j] * w[o+j]
			}
			y = append(y, sum)
		}
	}
	return y
}

// part is what a layer consists of.
type part interface {
	Params() []*Param
	Mapped() []*Mapped
}

// place fills a part's params, which live as long as the scope, and opens what it has mapped until the test's end.
func place(t testing.TB, s *mlx.Scope, p part) error {
	t.Helper()
	for _, p := range p.Params() {
		var err error
		if p.Array, err = s.Fill(p.Dtype, p.Shape, p.Fill); err != nil {
			return err
		}
	}
	for _, m := range p.Mapped() {
		if err := m.Open(); err != nil {
			return err
		}
		t.Cleanup(m.Close)
	}
	return nil
}

// tolerance is what a product of that kind may be off by, relative to the size of its terms.
func tolerance(c Compute) float64 {
	if c.Activation() == quant.BF16 {
		return 2e-2
	}
	return 1e-5
}

// onGPU says whether layers are to be made for a GPU.
func onGPU(thread *mlx.Thread) bool { return thread.Info().Device == mlx.GPU }

func testInput(rows, in int) []float32 {
	r := rand.New(rand.NewPCG(9, uint64(rows)))
	x := make([]float32, rows*in)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// TestLinear multiplies by weights of every format in every mode, alone and fused with another
// format, a row at a time and many, and compares with the decoded weights.
func TestLinear(t *testing.T) {
	thread := startMLX(t)
	const in, out = 128, 12
	for _, f := range testFormats {
		for _, mode := range []Mode{F32, BF16, Quantized} {
			for _, rows := range []int{1, 3, 9} {
				t.Run(fmt.Sprintf("%s/%s/%d", f, mode, rows), func(t *testing.T) {
					c := Compute{Mode: mode, GPU: onGPU(thread)}
					a, b, other := random(t, f, out, in), random(t, f, 4, in), random(t, quant.FormatBF16, 8, in)
					l := NewLinear(c, NewMatrix(a), NewMatrix(b), NewMatrix(other))
					all := append(append(decoded(t, a), decoded(t, b)...), decoded(t, other)...)
					x := testInput(rows, in)
					err := thread.Do(context.Background(), func(s *mlx.Scope) error {
						if err := place(t, s, l); err != nil {
							return err
						}
						y := l.Apply(s, s.AsType(s.FromFloat32(x, 1, rows, in), c.Activation()))
						if y.Dtype() != c.Activation() {
							t.Errorf("the result is %s", y.Dtype())
						}
						if at, diff := worst(wide(s.Float32s(y)), product(wide(x), all, in)); diff > tolerance(c)*math.Sqrt(in) {
							t.Errorf("element %d is off by %.2g", at, diff)
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

// TestEmbedding looks rows up in tables of every format.
func TestEmbedding(t *testing.T) {
	thread := startMLX(t)
	for _, f := range testFormats {
		for _, tied := range []bool{false, true} {
			for _, mode := range []Mode{F32, BF16, Quantized} {
				c := Compute{Mode: mode, GPU: onGPU(thread)}
				stored := random(t, f, 10, 128)
				e := NewEmbedding(c, NewMatrix(stored), tied)
				rows := decoded(t, stored)
				err := thread.Do(context.Background(), func(s *mlx.Scope) error {
					if err := place(t, s, e); err != nil {
						return err
					}
					got := wide(s.Float32s(e.Lookup(s, s.FromInt32([]int32{7, 0}, 1, 2))))
					want := append(append([]float64{}, rows[7*128:8*128]...), rows[:128]...)
					if at, diff := worst(got, want); diff > tolerance(c) {
						t.Errorf("%s, %s, tied %v: element %d is off by %.2g", f, mode, tied, at, diff)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
