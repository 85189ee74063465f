package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestCheckProduct: every format is within the bound at the numbers of columns that use different kernels;
// rows that are not there are refused; what is wrong would be told.
func TestCheckProduct(t *testing.T) {
	for name, tensor := range productTensors(t) {
		worst, err := checkProduct([][]Span{{{tensor, 0, 7}, {tensor, 7, 5}}, {{tensor, 1, 3}}}, []int{0, 2}, []int{1, 3, 32, 33, 513})
		if err != nil || !(worst <= 1) {
			t.Errorf("%s: off by %v of the bound, %v", name, worst, err)
		}
		for _, row := range []int{-1, 12} {
			if _, err := checkProduct([][]Span{{{tensor, 0, 7}, {tensor, 7, 5}}}, []int{row}, []int{1}); err == nil {
				t.Errorf("%s: row %d of 12 is accepted", name, row)
			}
		}
	}
	bad := Tensor{Shape: []int{2, 8}, Format: FormatF32, Data: Float32s([]float32{7: 1, 15: float32(math.NaN())}).Data}
	if worst, err := checkProduct([][]Span{{{bad, 0, 2}}}, []int{0}, []int{1}); err != nil || worst == worst {
		t.Errorf("a NaN among the weights: off by %v, %v", worst, err)
	}
}

// checkProduct computes products of some rows of experts, as NewProduct takes them, for each number of
// columns, and holds them to the definition: rows decoded, products and sums in float64. It returns the
// largest error, where 1 is the bound of kernel.Row.Times; more than 1, or NaN, is a wrong
// product. Columns are random numbers about 1 in size, the same each time. It costs len(rows) rows, not
// the whole matrix; each row is computed with the one that follows it in its span.
func checkProduct(experts [][]Span, rows, columns []int) (worst float64, err error) {
	for e, spans := range experts {
		picked, err := pick(spans, rows)
		if err != nil {
			return 0, fmt.Errorf("expert %d: %w", e, err)
		}
		p, err := NewProduct([][]Span{picked})
		if err != nil {
			return 0, fmt.Errorf("expert %d: %w", e, err)
		}
		for _, n := range columns {
			if off := p.offBy(n); !(off <= worst) {
				worst = off
			}
		}
		p.Close()
	}
	return worst, nil
}

// pick cuts spans to two rows from each of some numbers on, counted over all spans, or one at a span's end.
func pick(spans []Span, rows []int) (picked []Span, err error) {
	for _, row := range rows {
		at := row
		for i, s := range spans {
			if at >= 0 && at < s.N {
				picked = append(picked, Span{s.Tensor, s.From + at, min(2, s.N-at)})
				break
			}
			if at -= s.N; i == len(spans)-1 {
				return nil, fmt.Errorf("there is no row %d", row)
			}
		}
	}
	return picked, nil
}

// offBy is the largest error of n columns, in bounds.
func (p *Product) offBy(n int) (worst float64) {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	x := make([]float32, n*p.In())
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	y := make([]float32, n*p.Out())
	p.Multiply(y, x)
	for o := range p.Out() {
		row := p.m.Row(0, o)
		for c := range n {
			got := y[c*p.Out()+o]
			want, bound := row.Times(x[c*p.In():][:p.In()])
			if off := math.Abs(float64(got)-float64(want)) / bound; !(off <= worst) && got != want {
				worst = off
			}
		}
	}
	return worst
}
