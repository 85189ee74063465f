//go:build cgo

package mlx

import "testing"

// TestProduct holds small products, with strides and transposes, to the sums they stand for.
func TestProduct(t *testing.T) {
	if !HasProduct() {
		t.Skip("no BLAS beside MLX")
	}
	const m, n, k, stride = 3, 4, 5, 7
	matrix := func(seed, rows int) []float32 {
		x := make([]float32, rows*stride)
		for i := range x {
			x[i] = float32((i*seed)%11 - 5)
		}
		return x
	}
	for _, ta := range []bool{false, true} {
		for _, tb := range []bool{false, true} {
			a, b := Operand{matrix(3, 5), stride, ta}, Operand{matrix(5, 5), stride, tb}
			c := Operand{Data: matrix(7, m), Stride: stride}
			before := append([]float32(nil), c.Data...)
			Product(m, n, k, a, b, 2, c)
			at := func(o Operand, i, j int) float32 {
				if o.Transposed {
					i, j = j, i
				}
				return o.Data[i*stride+j]
			}
			for i := range m {
				for j := range stride {
					want := before[i*stride+j]
					if j < n {
						want *= 2
						for l := range k {
							want += at(a, i, l) * at(b, l, j)
						}
					}
					if got := c.Data[i*stride+j]; got != want {
						t.Errorf("transposed %t, %t: element %d, %d is %g, want %g", ta, tb, i, j, got, want)
					}
				}
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a matrix that ends beyond its memory is read")
		}
	}()
	Product(m, n, k, Operand{Data: make([]float32, m*k-1), Stride: k}, Operand{Data: make([]float32, k*n), Stride: n}, 0, Operand{Data: make([]float32, m*n), Stride: n})
}
