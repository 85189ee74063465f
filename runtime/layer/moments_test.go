package layer

import (
	"slices"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// TestMoments adds up what goes into a map of two tensors and into a stack of experts, once as a row for
// all its experts and once as a row for each, and holds it to sums made by hand.
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
		for _, m := range []*Mapped{plain.mapped, stack.mapped} {
			if err := m.Open(); err != nil {
				return err
			}
			defer m.Close()
			m.Watch(true)
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
		each := s.Concatenate(0, rows, rows) // a row for every choice
		if err := s.Eval(stack.choose(s, each, chosen)); err != nil {
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
		if h := got[1].Full; len(h) != 64*64 || got[1].FullRows != 8 || h[0] != twice[0] || h[65] != twice[1] || h[1] != h[64] {
			t.Errorf("second moments over %d rows: %v", got[1].FullRows, h[:min(len(h), 2)])
		}
		experts := stack.mapped.Unwatch()
		if len(experts) != 1 || !slices.Equal(experts[0].Rows, []int64{8, 0, 8}) {
			t.Fatalf("of a stack: %+v", experts)
		}
		// Second moments are those of the four rows that all experts shared, not of each one's own.
		if h := experts[0].Full; experts[0].FullRows != 4 || len(h) != 64*64 || 2*h[0] != twice[0] {
			t.Errorf("second moments of a stack over %d rows", experts[0].FullRows)
		}
		// Row i of the four is seen by 0 and 2 once; of the eight, rows 0, 3, 4 and 7 by expert 0.
		if want := columnSquares(x, []int{0, 1, 2, 3, 0, 3, 0, 3}); !slices.Equal(experts[0].Sums[0], want) {
			t.Errorf("of expert 0: %v, want %v", experts[0].Sums[0], want)
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
