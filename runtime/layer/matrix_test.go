package layer

import (
	"slices"
	"testing"

	"qimport/quant"
)

// numbered is a stored float32 tensor whose row r (over all leading dimensions) is all from+r.
func numbered(shape []int, from float32) *Stored {
	t := quant.Tensor{Shape: shape, Format: quant.FormatF32}
	cols := quant.Columns(shape)
	f := make([]float32, quant.Elements(shape))
	for i := range f {
		f[i] = from + float32(i/cols)
	}
	t.Data = floatBytes(f)
	return NewStored("t", t)
}

// rowsOf fills a matrix and returns the number that each of its rows consists of.
func rowsOf(t *testing.T, m Matrix) []float32 {
	t.Helper()
	f := make([]float32, len(m.Experts)*m.Out*m.In)
	if err := m.fillPlain(floatBytes(f), quant.F32); err != nil {
		t.Fatal(err)
	}
	var rows []float32
	for i := 0; i < len(f); i += m.In {
		if slices.ContainsFunc(f[i:i+m.In], func(x float32) bool { return x != f[i] }) {
			t.Fatalf("row %d is mixed up: %v", i/m.In, f[i:i+m.In])
		}
		rows = append(rows, f[i])
	}
	return rows
}

func TestMatrixRows(t *testing.T) {
	plain := NewMatrix(numbered([]int{6, 3}, 0))
	stack := NewMatrix(numbered([]int{2, 4, 3}, 0))
	for _, tt := range []struct {
		name string
		m    Matrix
		want []float32
	}{
		{"as stored", plain, []float32{0, 1, 2, 3, 4, 5}},
		{"stack", stack, []float32{0, 1, 2, 3, 4, 5, 6, 7}},
		{"reordered", plain.Pick([2]int{4, 6}, [2]int{0, 2}), []float32{4, 5, 0, 1}},
		{"picked twice", plain.Pick([2]int{1, 6}, [2]int{0, 1}).Pick([2]int{4, 6}), []float32{5, 0}},
		{"lower half of each expert", stack.Pick([2]int{2, 4}), []float32{2, 3, 6, 7}},
		{"fused", fuse([]Matrix{plain.Pick([2]int{0, 1}), NewMatrix(numbered([]int{2, 3}, 50))}), []float32{0, 50, 51}},
		{"fused by expert", fuse([]Matrix{stack.Pick([2]int{3, 4}), stack.Pick([2]int{0, 2})}), []float32{3, 0, 1, 7, 4, 5}},
		{"stacked", Stack("s", []Matrix{plain.Pick([2]int{0, 2}), plain.Pick([2]int{4, 6})}), []float32{0, 1, 4, 5}},
		{"in pieces", NewMatrix(NewStored("p", numbered([]int{1, 4, 3}, 0).Pieces[0], numbered([]int{1, 4, 3}, 30).Pieces[0])).Pick([2]int{3, 4}, [2]int{1, 3}), []float32{3, 1, 2, 33, 31, 32}},
		{"column", NewColumn(numbered([]int{4}, 9)), []float32{9, 9, 9, 9}},
	} {
		if got := rowsOf(t, tt.m); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got rows %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestGlobals follows a global scale, of the tensor or of each expert, to the rows it belongs to.
func TestGlobals(t *testing.T) {
	with := func(shape []int, global ...float32) Matrix {
		return NewMatrix(&Stored{Tensor: quant.Tensor{Shape: shape, Format: quant.FormatNVFP4, Global: global}})
	}
	for _, tt := range []struct {
		m    Matrix
		want []float32
	}{
		{with([]int{2, 16}), nil},
		{with([]int{2, 16}, 1), nil},
		{with([]int{2, 16}, 3), []float32{3, 3}},
		{with([]int{2, 2, 16}, 3, 4), []float32{3, 3, 4, 4}},
		{fuse([]Matrix{with([]int{2, 1, 16}, 3, 4), with([]int{2, 1, 16})}), []float32{3, 1, 4, 1}},
	} {
		if got := tt.m.globals(); !slices.Equal(got, tt.want) {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}
}

func TestFillShort(t *testing.T) {
	s := numbered([]int{2, 3}, 0)
	s.Pieces[0].Data = s.Pieces[0].Data[:20]
	if err := NewMatrix(s).fillPlain(make([]byte, 24), quant.F32); err == nil {
		t.Error("a tensor with too few bytes was filled in")
	}
}
