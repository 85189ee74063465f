package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestProductOfSizes: columns of zeros, and those so small or large that little is left to the sides.
func TestProductOfSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for _, f := range forms() {
		in := 5 * f.unit
		rows := f.make(rng, 7, in)
		for _, size := range []float32{0, 0x1p-149, 0x1p-140, 0x1p-126, 0x1p-70, 0x1p70, 0x1p100} {
			for _, n := range []int{1, 3, 17} {
				x := normal(rng, n*in)
				for i := range x {
					x[i] *= size
				}
				for _, s := range Versions() {
					m := newMatrix(s, in, [][]Rows{{rows}})
					y := make([]float32, n*m.Out)
					m.Multiply(y, x)
					m.mustBeWithin(t, fmt.Sprintf("%s %s, x of %v", s.Name, f.name, size), 0, n, y, x)
					m.Close()
				}
			}
		}
	}
}

// TestProductOfLargest: elements and columns whose products are all of the largest size and one sign, around where
// whole numbers of three bytes end.
func TestProductOfLargest(t *testing.T) {
	const in = 512
	for _, f := range forms() {
		if f.rows.Layout != NVFP4 && f.rows.Layout != MXFP4 && (f.rows.Layout != Affine || f.rows.Bits != 4) {
			continue
		}
		rng := rand.New(rand.NewPCG(6, 1))
		for _, code := range []byte{0xFF, 0x77, 0} {
			rows := f.make(rng, 5, in)
			for i := range rows.Data {
				rows.Data[i] = code
			}
			for _, size := range []float32{0x7F7F7F, -0x7F7F7F, 0x7F7F80, 0x7FFFFF, -0x800000} {
				x := make([]float32, 4*in)
				for i := range x {
					x[i] = size
				}
				for _, s := range Versions() {
					for _, n := range []int{1, 4} {
						m := newMatrix(s, in, [][]Rows{{rows}})
						y := make([]float32, n*m.Out)
						m.Multiply(y, x[:n*in])
						m.mustBeWithin(t, fmt.Sprintf("%s %s, codes of %#x, x of %v", s.Name, f.name, code, size), 0, n, y, x[:n*in])
						m.Close()
					}
				}
			}
		}
	}
}

// eightBits is rows of e4m3 codes with scales of 1, as mxfp8 and in blocks.
func eightBits(codes []byte, n, in int) []Rows {
	one := make([]byte, 2*n*in/32)
	for i := range len(one) / 2 {
		BF16.store(one, i, 1)
	}
	scales := make([]byte, n*in/32)
	for i := range scales {
		scales[i] = 127
	}
	return []Rows{
		{Layout: MXFP8, N: n, Data: codes, Scales: scales},
		{Layout: E4M3, Elem: BF16, N: n, Data: codes, Scales: one, Height: 1, Wide: 32},
	}
}

// TestProductOfCodes: a column that is one at one place and else zero picks out the value of each code there,
// exactly; a NaN makes the result one, whatever its place and sign, and no other.
func TestProductOfCodes(t *testing.T) {
	const n, in = 254, 96
	codes := make([]byte, n*in)
	for i := range codes {
		c := (i/in + 37*(i%in)) % n // all codes but NaN
		codes[i] = byte(c + c/127)
	}
	for _, rows := range eightBits(codes, n, in) {
		for _, s := range Versions() {
			m := newMatrix(s, in, [][]Rows{{rows}})
			for p := range in {
				x, y := make([]float32, in), make([]float32, n)
				x[p] = 1
				m.Multiply(y, x)
				for o, v := range y {
					if want := DecodeE4M3(codes[o*in+p]); v != want {
						t.Fatalf("%s, layout %d: element %d of code %#02x gives %v, not %v", s.Name, rows.Layout, p, codes[o*in+p], v, want)
					}
				}
				for bad := p % 7; bad < n; bad += 50 {
					old := codes[bad*in+p]
					codes[bad*in+p] = 0x7F | byte(bad)<<7
					m.Multiply(y, x)
					for o, v := range y {
						if (v != v) != (o == bad) {
							t.Fatalf("%s, layout %d: NaN as element %d of row %d: row %d gives %v", s.Name, rows.Layout, p, bad, o, v)
						}
					}
					codes[bad*in+p] = old
				}
			}
			m.Close()
		}
	}
}
