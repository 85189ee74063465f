package quant

import (
	"math"
	"testing"
)

// TestAddProducts: sums over rows, in two calls, are those of a plain loop, on both sides of the diagonal.
func TestAddProducts(t *testing.T) {
	const n, columns = 7, factorRows + 9
	rows := weights(n*columns, 1)
	sums := make([]float64, columns*columns)
	AddProducts(sums, rows[:3*columns], columns)
	AddProducts(sums, rows[3*columns:], columns)
	AddProducts(sums, nil, columns)
	for i := range columns {
		for j := range columns {
			want := 0.0
			for r := range n {
				want += float64(rows[r*columns+i]) * float64(rows[r*columns+j])
			}
			if got := sums[i*columns+j]; math.Abs(got-want) > 1e-12*(1+math.Abs(want)) || got != sums[j*columns+i] {
				t.Fatalf("columns %d and %d: %g, want %g", i, j, got, want)
			}
		}
	}
}
