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
	// Full are the sums of the products of any two columns [In, In]; nil unless they were asked for. Of a stack
	// whose experts share their input they are one, of what all experts were offered; where each expert reads
	// what it has made itself, there is one for each, nil of an expert without rows.
	Full     [][]float64
	FullRows []int64 // over how many rows each of them is
}

// watch adds up what goes into a mapped product, while it is set. The arrays belong to Go.
type watch struct {
	rows []int64
	sums [][]float64
	// full is for the products of any two columns, if asked for: one, or one for each expert, since what each has
	// made itself is in a basis of its own. Each is begun with its first rows.
	asked    bool
	full     [][]float64
	fullRows []int64
	lent     *Products
}

// Products lends the arrays that products of any two columns are added up in, and takes them back for the next.
type Products struct{ free map[int][][]float64 } // by length

// lend is n zeros.
func (p *Products) lend(n int) []float64 {
	of := p.free[n]
	if len(of) == 0 {
		return make([]float64, n)
	}
	sums := of[len(of)-1]
	p.free[n] = of[:len(of)-1]
	clear(sums)
	return sums
}

// TakeBack has the arrays of moments lent again: they are not to be read any more.
func (p *Products) TakeBack(all []Moments) {
	seen := map[*float64]bool{} // tensors that share their input share them
	for _, t := range all {
		for _, sums := range t.Full {
			if len(sums) == 0 || seen[&sums[0]] {
				continue
			}
			if seen[&sums[0]] = true; p.free == nil {
				p.free = map[int][][]float64{}
			}
			p.free[len(sums)] = append(p.free[len(sums)], sums)
		}
	}
}

// Watch begins to add up what goes into the product, from nothing; products of any two columns as well, in arrays that
// are lent, unless full is nil.
func (m *Mapped) Watch(full *Products) {
	w := &watch{asked: full != nil, rows: make([]int64, len(m.matrix.Experts)), sums: make([][]float64, len(m.matrix.Experts)), lent: full}
	for e := range w.sums {
		w.sums[e] = make([]float64, m.matrix.In)
	}
	if in := m.Input(); full != nil {
		w.full, w.fullRows = make([][]float64, in.Matrices), make([]int64, in.Matrices)
	}
	m.watched = w
}

// Input is what is known of a map's input before it is watched.
type Input struct {
	In      int
	Tensors []Reader // that have rows in the matrix
	// Matrices is how many matrices of second moments there are: one, which all tensors share, or one for each expert.
	Matrices int
	Apart    bool // the latter
}

// Reader is a tensor whose rows an input is multiplied by: as it is stored, and the experts whose rows those are.
type Reader struct {
	Tensor  string
	Experts []int
}

// Input says who reads the input.
func (m *Mapped) Input() Input {
	in := Input{In: m.matrix.In, Matrices: 1, Apart: m.apart}
	if m.apart {
		in.Matrices = len(m.matrix.Experts)
	}
	at := map[string]int{}
	for e, rows := range m.matrix.Experts {
		for _, r := range rows {
			i, known := at[r.Stored.Name]
			if !known {
				i = len(in.Tensors)
				at[r.Stored.Name], in.Tensors = i, append(in.Tensors, Reader{Tensor: r.Stored.Name})
			}
			if t := &in.Tensors[i]; len(t.Experts) == 0 || t.Experts[len(t.Experts)-1] != e {
				t.Experts = append(t.Experts, e)
			}
		}
	}
	return in
}

// Bytes is what the second moments of the input take in a file.
func (in Input) Bytes() int64 { return 4 * int64(in.In) * int64(in.In) * int64(in.Matrices) }

// Unwatch ends that, and returns what was added up, for each tensor that has rows in the matrix. Tensors that
// share their input share the numbers.
func (m *Mapped) Unwatch() []Moments {
	w := m.watched
	m.watched = nil
	if w == nil {
		return nil
	}
	var all []Moments
	for _, r := range m.Input().Tensors {
		t := Moments{Tensor: r.Tensor, In: m.matrix.In}
		for _, e := range r.Experts {
			t.Rows, t.Sums = append(t.Rows, w.rows[e]), append(t.Sums, w.sums[e])
			t.Full, t.FullRows = w.fullOf(e, t.Full, t.FullRows)
		}
		all = append(all, t)
	}
	return all
}

// fullOf adds what there is for one more expert to the second moments of a tensor: its own, or those of all,
// once.
func (w *watch) fullOf(expert int, full [][]float64, rows []int64) ([][]float64, []int64) {
	switch {
	case !slices.ContainsFunc(w.full, func(sums []float64) bool { return sums != nil }): // not asked for, or never multiplied by
		return nil, nil
	case len(w.full) == 1:
		return w.full, w.fullRows
	}
	return append(full, w.full[expert]), append(rows, w.fullRows[expert])
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
		m.watched.products(s, 0, values, in)
		return
	}
	chosen := s.Int32s(ids)
	each := len(chosen) / n // of each row
	for i, e := range chosen {
		m.watched.add(int(e), values[i/each*in:][:in])
	}
	if !m.apart {
		m.watched.products(s, 0, values, in)
		return
	}
	m.watched.productsApart(s, values, chosen, in)
}

// products adds the products of any two columns of rows, to those of one expert or of all, if they were asked for.
func (w *watch) products(s *mlx.Scope, expert int, values []float32, in int) {
	if !w.asked || len(values) == 0 {
		return
	}
	if w.full[expert] == nil {
		w.full[expert] = w.lent.lend(in * in)
	}
	n, sums := len(values)/in, w.full[expert]
	w.fullRows[expert] += int64(n)
	rows := s.FromFloat32(values, n, in) // in float32, whatever the model computes in
	for i, v := range s.Lend(s.MatMul(s.Transpose(rows, 1, 0), rows)) {
		sums[i] += float64(v)
	}
}

// productsApart is products of rows of which each goes to one expert: a product for each expert that was chosen.
func (w *watch) productsApart(s *mlx.Scope, values []float32, chosen []int32, in int) {
	if !w.asked {
		return
	}
	var own []float32
	for e, picks := range groupByExpert(chosen, len(w.full)) {
		own = own[:0]
		for _, i := range picks {
			own = append(own, values[i*in:][:in]...)
		}
		err := s.Nested(func(s *mlx.Scope) error { // what is not needed any more goes before the next
			w.products(s, e, own, in)
			return nil
		})
		if err != nil {
			mlx.Raise(err)
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
