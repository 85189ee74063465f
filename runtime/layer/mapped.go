package layer

import (
	"fmt"
	"slices"

	"qimport/internal/untrusted"
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Mapped is a matrix, or a stack of experts, that a CPU multiplies by where its rows lie, in whatever
// format: nothing is read before it is used, and nothing is kept.
type Mapped struct {
	Name    string
	matrix  Matrix
	product *quant.Product // nil until opened
	apart   bool           // a stack of which each expert reads what it has made itself: choose takes a row for each choice
	watched *watch         // nil while nobody watches
}

func newMapped(m Matrix) *Mapped { return &Mapped{Name: m.Name, matrix: m} }

// Bytes is how many bytes lie where they are.
func (m *Mapped) Bytes() int64 {
	var n int64
	for _, r := range slices.Concat(m.matrix.Experts...) {
		t := r.Stored.Pieces[0]
		rows := int64(max(rowCount(t), 1))
		n += int64(len(t.Data)+len(t.Scales)+len(t.Biases)) * int64(r.N) / rows
	}
	return n
}

// Open holds the sizes of all parts to their shapes. No weight is read.
func (m *Mapped) Open() error {
	if err := m.matrix.check(); err != nil {
		return err
	}
	experts := make([][]quant.Span, len(m.matrix.Experts))
	for e, rows := range m.matrix.Experts {
		for _, r := range rows {
			experts[e] = append(experts[e], r.spans()...)
		}
	}
	p, err := quant.NewProduct(experts)
	if err != nil {
		return fmt.Errorf("tensor %s: %w", m.Name, err)
	}
	m.product = p
	return nil
}

// Close lets go of the bytes. It may be called more than once.
func (m *Mapped) Close() {
	if m.product != nil {
		m.product.Close()
		m.product = nil
	}
}

// Each calls f with the bytes of all parts, in the order in which a product reads them.
func (m *Mapped) Each(f func(b []byte)) {
	for _, r := range slices.Concat(m.matrix.Experts...) {
		for _, span := range r.spans() {
			t, all := span.Tensor, max(rowCount(span.Tensor), 1)
			if t.Turned() {
				f(turnedBytes(span))
				continue
			}
			for _, part := range [][]byte{t.Data, t.Scales, t.Biases} {
				from, end := span.From*len(part)/all, (span.From+span.N)*len(part)/all
				if from < end {
					f(part[from:end])
				}
			}
		}
	}
}

// turnedBytes is the matrices that rows lie in which have something everywhere in them.
func turnedBytes(s quant.Span) []byte {
	rows := rowCount(s.Tensor) / s.Tensor.Matrices()
	from, _ := s.Tensor.MatrixBytes(s.From / rows)
	_, end := s.Tensor.MatrixBytes((s.From + s.N - 1) / rows)
	return s.Tensor.Data[from:end]
}

// Stacked says whether there are experts to choose from.
func (m *Mapped) Stacked() bool { return len(m.matrix.Experts) > 1 }

// multiply is x [.., in] times the matrix's transpose: [.., out], float32.
func (m *Mapped) multiply(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	m.observe(s, x, nil)
	shape := x.Shape()
	shape[len(shape)-1] = m.matrix.Out
	f, argument := m.product.Function(quant.CallMultiply)
	if f == nil {
		in := s.Lend(x)
		return m.onHost(s, shape, func(y []float32) { m.product.Multiply(y, in) })
	}
	return s.Call(f, argument, quant.F32, shape, x)
}

// choose is each row of x [n, in] times the experts that ids [n, k] name for it: [n, k, out]; or each of
// the rows [n*k, in] times its own.
func (m *Mapped) choose(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	m.observe(s, x, ids)
	shape := append(ids.Shape(), m.matrix.Out)
	f, argument := m.product.Function(quant.CallExperts)
	if f == nil {
		in, chosen := s.Lend(x), s.Int32s(ids)
		which := make([]uint32, len(chosen))
		for i, e := range chosen {
			which[i] = uint32(e)
		}
		return m.onHost(s, shape, func(y []float32) { m.product.MultiplyExperts(y, in, which) })
	}
	return s.Call(f, argument, quant.F32, shape, x, s.AsType(ids, quant.U32))
}

// decode is the rows that ids [..] name: [.., in], float32.
func (m *Mapped) decode(s *mlx.Scope, ids *mlx.Array) *mlx.Array {
	shape := append(ids.Shape(), m.matrix.In)
	f, argument := m.product.Function(quant.CallDecode)
	if f == nil {
		rows := s.Int32s(ids)
		return m.onHost(s, shape, func(y []float32) { m.product.Decode(y, rows) })
	}
	return s.Call(f, argument, quant.F32, shape, s.AsType(ids, quant.I32))
}

// onHost is an array that Go code makes from what is mapped, where there is no C function for it.
func (m *Mapped) onHost(s *mlx.Scope, shape []int, compute func(y []float32)) *mlx.Array {
	a, err := s.Fill(quant.F32, shape, func(b []byte) error {
		return untrusted.Guard(func() error { compute(floats(b)); return nil })
	})
	if err != nil {
		mlx.Raise(err)
	}
	return a
}

// mappedOf lists what linear maps have mapped.
func mappedOf(ls ...*Linear) []*Mapped {
	var all []*Mapped
	for _, l := range ls {
		if l != nil && l.mapped != nil {
			all = append(all, l.mapped)
		}
	}
	return all
}

// Mapped lists what the map multiplies by where it lies: nothing, or all of it.
func (l *Linear) Mapped() []*Mapped { return mappedOf(l) }

// Mapped lists what the table is read from where it lies.
func (e *Embedding) Mapped() []*Mapped {
	if e.mapped == nil {
		return nil
	}
	return []*Mapped{e.mapped}
}

// Mapped lists what the layer multiplies by where it lies.
func (a *Attention) Mapped() []*Mapped { return mappedOf(a.in, a.out) }

// Mapped lists what the layer multiplies by where it lies.
func (d *DeltaNet) Mapped() []*Mapped { return mappedOf(d.in, d.out) }

// Mapped lists what the part multiplies by where it lies.
func (m *MLP) Mapped() []*Mapped { return mappedOf(m.gateUp, m.down) }

// Mapped lists what the part multiplies by where it lies.
func (m *MoE) Mapped() []*Mapped {
	all := mappedOf(m.router, m.sharedOn)
	if m.shared != nil {
		all = append(all, m.shared.Mapped()...)
	}
	for _, e := range []*experts{m.gateUp, m.down} {
		if e.mapped != nil {
			all = append(all, e.mapped)
		}
	}
	return all
}
