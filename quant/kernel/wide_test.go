package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestWide holds products of rows that are longer than the piece of a row that is multiplied at a time to the
// definition, for numbers of columns that have kernels of their own.
func TestWide(t *testing.T) {
	for _, in := range []int{8192, 9216} {
		for _, f := range forms() {
			rng := rand.New(rand.NewPCG(9, uint64(in)))
			m := NewMatrix(in, [][]Rows{{f.make(rng, 5, in)}})
			for n := 1; n <= 5; n++ {
				x, y := normal(rng, n*in), make([]float32, n*m.Out)
				m.Multiply(y, x)
				m.mustBeWithin(t, fmt.Sprintf("%s of %d", f.name, in), 0, n, y, x)
			}
			m.Close()
		}
	}
}
