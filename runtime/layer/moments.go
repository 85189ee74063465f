package layer

import (
	"slices"

	"qimport/runtime/mlx"
)

// Moments are the second moments of what a tensor's rows are multiplied by, for each expert of a stack;
// a plain matrix is one expert.
type Moments struct {
	Tensor string // as it is stored
	In     int
	Rows   []int64     // of input, by expert
	Sums   [][]float64 // of the squares of each column [In], by expert
	// Full are the sums of the products of any two columns [In, In] over FullRows rows; nil unless they were
	// asked for. Of a stack, it is of what all experts were offered.
	Full     []float64
	FullRows int64
}

// watch adds up what goes into a mapped product, while it is set. The arrays belong to Go.
type watch struct {
	rows []int64
	sums [][]float64
	// full is for the products of any two columns, if asked for: begun with the first rows of an input that is
	// shared. What each expert has made itself, another basis for each, has no moments in common.
	asked    bool
	full     []float64
	fullRows int64
}

// Watch begins to add up what goes into the product, from nothing; with full, products of any two columns as well.
func (m *Mapped) Watch(full bool) {
	w := &watch{asked: full, rows: make([]int64, len(m.matrix.Experts)), sums: make([][]float64, len(m.matrix.Experts))}
	for e := range w.sums {
		w.sums[e] = make([]float64, m.matrix.In)
	}
	m.watched = w
}

// Unwatch ends that, and returns what was added up, for each tensor that has rows in the matrix. Tensors that
// share their input share the numbers.
func (m *Mapped) Unwatch() []Moments {
	w := m.watched
	m.watched = nil
	if w == nil {
		return nil
	}
	var all []Moments
	for e, rows := range m.matrix.Experts {
		for _, r := range rows {
			i := slices.IndexFunc(all, func(t Moments) bool { return t.Tensor == r.Stored.Name })
			if i < 0 {
				i = len(all)
				all = append(all, Moments{Tensor: r.Stored.Name, In: m.matrix.In, Full: w.full, FullRows: w.fullRows})
			}
			if t := &all[i]; len(t.Sums) == 0 || &t.Sums[len(t.Sums)-1][0] != &w.sums[e][0] {
				t.Rows, t.Sums = append(t.Rows, w.rows[e]), append(t.Sums, w.sums[e])
			}
		}
	}
	return all
}

// Observe adds rows x [.., in] to what is watched, without a product.
func (m *Mapped) Observe(s *mlx.Scope, x *mlx.Array) { m.observe(s, x, nil) }

// observe adds the rows of x to what is watched: each to the experts that ids [n, k] name for it, where
// there are ids. x has n rows, or n*k. It evaluates both.
func (m *Mapped) observe(s *mlx.Scope, x, ids *mlx.Array) {
	if m.watched == nil {
		return
	}
	values, in := s.Float32s(x), m.matrix.In
	n := len(values) / in
	if ids == nil {
		for i := range n {
			m.watched.add(0, values[i*in:][:in])
		}
		m.watched.products(s, values, n, in)
		return
	}
	chosen := s.Int32s(ids)
	each := len(chosen) / n // of each row
	for i, e := range chosen {
		m.watched.add(int(e), values[i/each*in:][:in])
	}
	if each > 1 { // the experts share the rows
		m.watched.products(s, values, n, in)
	}
}

// products adds the products of any two columns of n rows, if they were asked for.
func (w *watch) products(s *mlx.Scope, values []float32, n, in int) {
	if !w.asked || n == 0 {
		return
	}
	if w.full == nil {
		w.full = make([]float64, in*in)
	}
	w.fullRows += int64(n)
	rows := s.FromFloat32(values, n, in) // in float32, whatever the model computes in
	for i, v := range s.Float32s(s.MatMul(s.Transpose(rows, 1, 0), rows)) {
		w.full[i] += float64(v)
	}
}

// FullBytes is what the second moments of the matrix's input take in a file.
func (m *Mapped) FullBytes() int64 { return 4 * int64(m.matrix.In) * int64(m.matrix.In) }

// add adds one row. Sums run in the order of the rows, in float64.
func (w *watch) add(expert int, row []float32) {
	w.rows[expert]++
	sums := w.sums[expert][:len(row)]
	for i, x := range row {
		sums[i] += float64(x) * float64(x)
	}
}
