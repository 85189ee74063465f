package layer

import (
	"slices"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// TestMoments adds up what goes into a map of two tensors, into a stack whose experts share their input, and into one
// whose experts each have their own, and holds it to sums made by hand.
func TestMoments(t *testing.T) {
	thread, err := mlx.Start(mlx.CPU) // where weights are mapped
	if err != nil {
		t.Skip(err)
	}
	defer thread.Close()
	err = thread.Do(t.Context(), func(s *mlx.Scope) error {
		c := Compute{Mode: Quantized}
		a, b := random(t, quant.FormatNVFP4, 32, 64), random(t, quant.FormatNVFP4, 16, 64)
		b.Name = "other"
		plain := NewLinear(c, NewMatrix(a), NewMatrix(b))
		stack := newExperts(c, NewMatrix(random(t, quant.FormatNVFP4, 3, 16, 64)))
		own := newExperts(c, NewMatrix(random(t, quant.FormatNVFP4, 3, 16, 64)))
		own.mapped.apart = true
		var products Products
		for _, m := range []*Mapped{plain.mapped, stack.mapped, own.mapped} {
			if err := m.Open(); err != nil {
				return err
			}
			defer m.Close()
			m.Watch(&products)
		}
		x := make([]float32, 4*64)
		for i := range x {
			x[i] = float32(i%7) - 2
		}
		rows := s.FromFloat32(x, 4, 64)
		ids := []int32{0, 2, 2, 0, 0, 2, 2, 0}
		chosen := s.FromInt32(ids, 4, 2)
		if err := s.Eval(plain.Apply(s, rows), stack.choose(s, rows, chosen)); err != nil {
			return err
		}
		plain.mapped.Observe(s, rows)
		each := s.Concatenate(0, rows, rows) // a row for every choice, where experts share nothing
		if err := s.Eval(own.choose(s, each, chosen)); err != nil {
			return err
		}
		got := plain.mapped.Unwatch()
		if len(got) != 2 || got[0].Tensor != a.Name || got[1].Tensor != "other" || got[1].In != 64 {
			t.Fatalf("%+v", got)
		}
		twice := columnSquares(x, []int{0, 1, 2, 3, 0, 1, 2, 3})
		if !slices.Equal(got[1].Rows, []int64{8}) || !slices.Equal(got[1].Sums[0], twice) {
			t.Errorf("of a map: %v %v, want %v", got[1].Rows, got[1].Sums[0], twice)
		}
		if h := got[1].Full; len(h) != 1 || len(h[0]) != 64*64 || got[1].FullRows[0] != 8 || h[0][0] != twice[0] || h[0][65] != twice[1] || h[0][1] != h[0][64] {
			t.Errorf("second moments over %d rows: %v", got[1].FullRows, h)
		}
		experts := stack.mapped.Unwatch()
		if len(experts) != 1 || !slices.Equal(experts[0].Rows, []int64{4, 0, 4}) {
			t.Fatalf("of a stack: %+v", experts)
		}
		// Second moments are those of the four rows that all experts shared, not of each one's own.
		if h := experts[0].Full; len(h) != 1 || experts[0].FullRows[0] != 4 || len(h[0]) != 64*64 || 2*h[0][0] != twice[0] {
			t.Errorf("second moments of a stack over %d rows", experts[0].FullRows)
		}
		if want := columnSquares(x, []int{0, 1, 2, 3}); !slices.Equal(experts[0].Sums[0], want) {
			t.Errorf("of expert 0: %v, want %v", experts[0].Sums[0], want)
		}
		// Of eight rows, 0, 3, 4 and 7 are those of expert 0, and the others of expert 2.
		apart := own.mapped.Unwatch()
		if len(apart) != 1 || !slices.Equal(apart[0].Rows, []int64{4, 0, 4}) || !slices.Equal(apart[0].FullRows, []int64{4, 0, 4}) {
			t.Fatalf("of experts that share nothing: %+v", apart)
		}
		for e, rows := range [][]int{{0, 3, 0, 3}, nil, {1, 2, 1, 2}} {
			if want := columnSquares(x, rows); !slices.Equal(apart[0].Sums[e], want) {
				t.Errorf("of expert %d: %v, want %v", e, apart[0].Sums[e], want)
			}
			if want := columnProducts(x, rows); !slices.Equal(apart[0].Full[e], want) {
				t.Errorf("expert %d has other products", e)
			}
		}
		if one, each := stack.mapped.Input().Bytes(), own.mapped.Input().Bytes(); one != 4*64*64 || each != 3*4*64*64 {
			t.Errorf("second moments take %d and %d bytes", one, each)
		}
		// What is taken back is lent again, as zeros, and what tensors share once.
		products.TakeBack(slices.Concat(got, apart))
		for range 3 {
			if sums := products.lend(64 * 64); slices.ContainsFunc(sums, func(x float64) bool { return x != 0 }) || (&sums[0] != &got[0].Full[0][0] && &sums[0] != &apart[0].Full[0][0] && &sums[0] != &apart[0].Full[2][0]) {
				t.Error("arrays that were taken back are not lent again")
			}
		}
		if sums := products.lend(64 * 64); &sums[0] == &got[0].Full[0][0] {
			t.Error("an array is lent twice")
		}
		if stack.mapped.Unwatch() != nil {
			t.Error("it is still watched")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// columnProducts adds up the products of any two columns of rows of 64; nil of no rows.
func columnProducts(x []float32, rows []int) []float64 {
	if len(rows) == 0 {
		return nil
	}
	sums := make([]float64, 64*64)
	for _, r := range rows {
		for i := range sums {
			sums[i] += float64(x[r*64+i/64]) * float64(x[r*64+i%64])
		}
	}
	return sums
}

// columnSquares adds up the squares of the columns of rows of 64.
func columnSquares(x []float32, rows []int) []float64 {
	sums := make([]float64, 64)
	for _, r := range rows {
		for i := range sums {
			sums[i] += float64(x[r*64+i]) * float64(x[r*64+i])
		}
	}
	return sums
}
