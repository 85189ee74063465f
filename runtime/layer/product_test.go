package layer

import (
	"math"
	"slices"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// TestOff: what rounding does is allowed, one per cent of a weight matrix is not, and a NaN never.
func TestOff(t *testing.T) {
	w, x := make([]float32, 1024), make([]float32, 1024)
	for i := range w {
		w[i], x[i] = float32(math.Sin(float64(i))), float32(math.Cos(float64(3*i)+1))
	}
	y := 0.0
	for i, v := range w {
		y += float64(v) * float64(x[i])
	}
	size := math.Sqrt(float64(len(w))) / 2 // of such a sum
	nan := math.NaN()
	for _, tt := range []struct {
		name  string
		add   float64
		act   quant.Dtype
		right bool
	}{
		{"exact", 0, quant.F32, true},
		{"rounded", 1e-5 * size, quant.F32, true},
		{"wrong", 0.01 * size, quant.F32, false},
		{"rounded to bf16", 0x1p-8 * size, quant.BF16, true},
		{"wrong in bf16", 0.5 * size, quant.BF16, false},
		{"no number", nan, quant.F32, false},
	} {
		if got := off(w, x, float32(y+tt.add), tt.act); (got <= 1) != tt.right {
			t.Errorf("%s: off by %g", tt.name, got)
		}
	}
}

// TestProducts holds products in every format to their definition, plain and stacked, and makes them wrong.
func TestProducts(t *testing.T) {
	thread := startMLX(t)
	gpu := thread.Info().Device == mlx.GPU
	for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8, quant.FormatInt4, quant.FormatInt8} {
		for _, wrong := range []int{0, 3} {
			c := Compute{Mode: Quantized, GPU: gpu, WrongRows: wrong}
			parts := newMoEParts(t, f)
			m := parts.layer(c, true)
			all := m.Products()
			if len(all) == 0 {
				t.Fatalf("%s: no products", f)
			}
			err := thread.Do(t.Context(), func(s *mlx.Scope) error {
				if err := place(t, s, m); err != nil {
					return err
				}
				for _, p := range all {
					for _, n := range []int{1, 3, 33, 70} {
						off, err := p.Off(s, n)
						if err != nil {
							return err
						}
						if packed := slices.Contains(p.Formats(), f); (off <= 1) != (n != wrong) && packed {
							t.Errorf("%s, %d rows, wrong with %d: off by %.3g", p.Kind(), n, wrong, off)
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
