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
	Full   [][]float64 // of the products of any two columns [In, In], by expert; nil unless asked for
}

// watch adds up what goes into a mapped product, while it is set. The arrays belong to Go.
type watch struct {
	rows []int64
	sums [][]float64
	full [][]float64
}

// Watch begins to add up what goes into the product, from nothing; with full, products of any two columns as well.
func (m *Mapped) Watch(full bool) {
	w := &watch{rows: make([]int64, len(m.matrix.Experts)), sums: make([][]float64, len(m.matrix.Experts))}
	for e := range w.sums {
		w.sums[e] = make([]float64, m.matrix.In)
		if full {
			w.full = append(w.full, make([]float64, m.matrix.In*m.matrix.In))
		}
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
				all = append(all, Moments{Tensor: r.Stored.Name, In: m.matrix.In})
			}
			if t := &all[i]; len(t.Sums) == 0 || &t.Sums[len(t.Sums)-1][0] != &w.sums[e][0] {
				t.Rows, t.Sums = append(t.Rows, w.rows[e]), append(t.Sums, w.sums[e])
				if w.full != nil {
					t.Full = append(t.Full, w.full[e])
				}
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
		if m.watched.full != nil {
			flat := s.Reshape(x, n, in)
			for i, v := range s.Float32s(s.MatMul(s.Transpose(flat), flat)) {
				m.watched.full[0][i] += float64(v)
			}
		}
		return
	}
	chosen := s.Int32s(ids)
	each := len(chosen) / n // of each row
	for i, e := range chosen {
		row := values[i/each*in:][:in]
		m.watched.add(int(e), row)
		if m.watched.full != nil {
			full := m.watched.full[e]
			for a, x := range row {
				products := full[a*in:][:in]
				for b, y := range row {
					products[b] += float64(x) * float64(y)
				}
			}
		}
	}
}

// add adds one row. Sums run in the order of the rows, in float64.
func (w *watch) add(expert int, row []float32) {
	w.rows[expert]++
	sums := w.sums[expert][:len(row)]
	for i, x := range row {
		sums[i] += float64(x) * float64(x)
	}
}
