package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestSubtractProduct holds every version to the bits of the definition, in blocks of larger matrices, of which
// nothing else changes.
func TestSubtractProduct(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 3))
	random := func(rows, columns int) Block {
		b := Block{Rows: rows, Columns: columns, Stride: columns + rng.IntN(9)}
		b.Values = make([]float64, rows*b.Stride+11)
		for i := range b.Values {
			b.Values[i] = rng.NormFloat64()
			if rng.IntN(50) == 0 {
				b.Values[i] = float64(specials[rng.IntN(len(specials))])
			}
		}
		return b
	}
	for _, m := range []int{0, 1, 3, 4, 7, 130} {
		for _, n := range []int{0, 1, 7, 8, 64, 65, 139} {
			for _, k := range []int{0, 1, 16, 127, 128, 300} {
				d, a, b := random(m, n), random(k, m), random(k, n)
				want := d
				want.Values = append([]float64(nil), d.Values...)
				Reference().SubtractProduct(want, a, b)
				for _, s := range fast(t) {
					got := d
					got.Values = append([]float64(nil), d.Values...)
					s.SubtractProduct(got, a, b)
					for i, w := range want.Values {
						if g := got.Values[i]; math.Float64bits(g) != math.Float64bits(w) && (g == g || w == w) {
							t.Fatalf("%s, [%d, %d] of %d products: value %d: got %g, want %g", s.Name, m, n, k, i, g, w)
						}
					}
				}
			}
		}
	}
}

// TestSubtractProductSizes: what does not fit panics before native code sees it.
func TestSubtractProductSizes(t *testing.T) {
	block := func(rows, columns, values int) Block {
		return Block{Values: make([]float64, values), Rows: rows, Columns: columns, Stride: columns}
	}
	for _, s := range Versions() {
		for i, c := range [][3]Block{
			{block(2, 3, 5), block(4, 2, 8), block(4, 3, 12)},
			{block(2, 3, 6), block(4, 2, 7), block(4, 3, 12)},
			{block(2, 3, 6), block(4, 2, 8), block(4, 3, 11)},
			{block(2, 3, 6), block(4, 2, 8), block(5, 3, 15)},
			{block(2, 3, 6), block(4, 3, 12), block(4, 3, 12)},
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s takes blocks that do not fit, case %d", s.Name, i)
					}
				}()
				s.SubtractProduct(c[0], c[1], c[2])
			}()
		}
	}
}

func BenchmarkSubtractProduct(b *testing.B) {
	const m, n, k = 1024, 64, 128
	d := Block{Values: make([]float64, m*n), Rows: m, Columns: n, Stride: n}
	l := Block{Values: make([]float64, k*m), Rows: k, Columns: m, Stride: m}
	r := Block{Values: make([]float64, k*n), Rows: k, Columns: n, Stride: n}
	for _, s := range Versions() {
		b.Run(fmt.Sprint(s.Name), func(b *testing.B) {
			b.SetBytes(m * n * k) // a product a byte: MB/s are millions of products a second
			for b.Loop() {
				s.SubtractProduct(d, l, r)
			}
		})
	}
}
