package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// uneven is columns side by side that are made of blocks of many sizes: zeros, some at the ends of float32, and one
// element far above the others.
func uneven(rng *rand.Rand, n, in int) []float32 {
	sizes := []float32{1, 0, 0x1p-99, 0x1p-101, 0x1p-130, 0x1p59, 0x1p61, 0x1p100}
	x := normal(rng, n*in)
	for c := range n {
		for k := range in {
			size := float32(1)
			if c%4 == 3 { // else a column like any other
				size = sizes[(c/4+k/64)%len(sizes)]
			}
			x[c*in+k] *= size
		}
		if c%5 == 1 {
			x[c*in+in/2] = 1e4
		}
	}
	return x
}

// TestProductOfUneven: columns of blocks of many sizes beside others, and rows with scales that are large, tiny or none.
func TestProductOfUneven(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 2))
	for _, f := range forms() {
		if f.rows.Layout == Plain || f.rows.Layout == Turned {
			continue
		}
		in := 12 * f.unit
		rows := f.make(rng, 55, in)
		_, scales := rows.sizes(in)
		switch rows.Layout {
		case MXFP4, MXFP8:
			rows.Scales[3*scales], rows.Scales[7*scales+1] = 215, 0
			rows.Scales[50*scales+2] = 218
		case NVFP4:
			rows.Scales[3*scales], rows.Scales[7*scales+1] = 0x7E, 0
		case Affine:
			large := float32(0x1p12)
			if rows.Elem != F16 {
				large = 0x1p91
			}
			rows.Elem.store(rows.Scales, 3*in/rows.Group, large)
			rows.Elem.store(rows.Biases, 50*in/rows.Group, large)
			rows.Elem.store(rows.Scales, 7*in/rows.Group+1, 0)
		}
		for _, n := range []int{12, 45} {
			x := uneven(rng, n, in)
			for i, v := range x {
				if rows.Layout != NVFP4 && rows.Layout != E4M3 { // products are to stay within float32
					x[i] = min(max(v, -0x1p20), 0x1p20)
				}
			}
			for _, s := range Versions() {
				m := newMatrix(s, in, [][]Rows{{rows}})
				y := make([]float32, n*m.Out)
				m.Multiply(y, x)
				m.mustBeWithin(t, s.Name+" "+f.name, 0, n, y, x)
				m.Close()
			}
		}
	}
}

// TestProductBeside: a column has the same bits whichever columns are beside it and wherever it lies among them, where
// there are many.
func TestProductBeside(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 3))
	for _, f := range forms() {
		in, out := 7*f.unit, 60
		rows := f.make(rng, out, in)
		mine := uneven(rng, 4, in)
		for _, s := range Versions() {
			m := newMatrix(s, in, [][]Rows{{rows}})
			for c := range 4 {
				column := mine[c*in:][:in]
				var first []float32
				for _, at := range []struct{ place, of int }{{0, 9}, {8, 9}, {20, 40}, {39, 40}, {520, 530}} {
					if at.of > 100 && testing.Short() {
						continue
					}
					x := uneven(rng, at.of, in)
					if at.of == 40 {
						x[5] = nan32
					}
					copy(x[at.place*in:], column)
					y := make([]float32, at.of*out)
					m.Multiply(y, x)
					got := y[at.place*out:][:out]
					if first == nil {
						first = got
					} else if !slices.Equal(first, got) {
						t.Fatalf("%s: a column has other bits as number %d of %d", fmt.Sprint(s.Name, " ", f.name), at.place, at.of)
					}
				}
			}
			m.Close()
		}
	}
}
