package layer

import (
	"fmt"
	"slices"

	"qimport/quant"
)

// Stored is a tensor: what it is, and where its bytes lie.
type Stored struct {
	Name   string
	Tensor quant.Tensor // without Data, Scales and Biases
	// Pieces follow one another along the first dimension, all of one shape: the tensor itself, or
	// experts that lie one by one. They are borrowed, as long as whoever made this says.
	Pieces []quant.Tensor
}

// NewStored describes a tensor from its pieces.
func NewStored(name string, pieces ...quant.Tensor) *Stored {
	t := pieces[0]
	t.Data, t.Scales, t.Biases = nil, nil, nil
	if len(pieces) > 1 {
		t.Shape = slices.Clone(t.Shape)
		t.Shape[0], t.Global = t.Shape[0]*len(pieces), nil
		for _, p := range pieces {
			t.Global = append(t.Global, p.Global...)
		}
	}
	return &Stored{Name: name, Tensor: t, Pieces: pieces}
}

// check refuses pieces whose bytes are not as many as their shape and format need.
func (t *Stored) check() error {
	for _, p := range t.Pieces {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
	}
	return nil
}

// rowCount is how many rows a tensor has, counted over all its leading dimensions.
func rowCount(t quant.Tensor) int { return quant.Elements(t.Shape[:max(len(t.Shape)-1, 0)]) }

// spans are the rows as they lie in the pieces of their tensor.
func (r Rows) spans() []quant.Span {
	each := rowCount(r.Stored.Pieces[0])
	var all []quant.Span
	for from, end := r.From, r.From+r.N; from < end; {
		piece := from / each
		n := min((piece+1)*each, end) - from
		all = append(all, quant.Span{Tensor: r.Stored.Pieces[piece], From: from % each, N: n})
		from += n
	}
	return all
}

// Rows are N consecutive rows of a stored tensor from row From on, counted over all its leading
// dimensions.
type Rows struct {
	Stored *Stored
	From   int
	N      int
}

// Matrix is a weight [Out, In], or a stack of experts [len(Experts), Out, In], described by the
// stored rows it is put together from. Fusing, stacking, splitting and reordering are all done on
// this description: every format packs its rows independently, so no weight is touched.
type Matrix struct {
	Name    string
	Out, In int
	Experts [][]Rows // Out rows each; a plain matrix has one
}

// NewMatrix describes a stored matrix [out, in] or stack of experts [experts, out, in].
func NewMatrix(t *Stored) Matrix {
	shape := t.Tensor.Shape
	n := len(shape)
	m := Matrix{Name: t.Name, Out: shape[n-2], In: shape[n-1]}
	for e := range quant.Elements(shape[:n-2]) {
		m.Experts = append(m.Experts, []Rows{{Stored: t, From: e * m.Out, N: m.Out}})
	}
	return m
}

// NewColumn describes a stored vector [out] as a matrix of one column.
func NewColumn(t *Stored) Matrix { return t.reshaped(t.Tensor.Shape[0], 1) }

// NewFlat describes a stored tensor [out, ..] of plain elements as a matrix [out, in].
func NewFlat(t *Stored) Matrix {
	return t.reshaped(t.Tensor.Shape[0], quant.Elements(t.Tensor.Shape[1:]))
}

// reshaped is a stored tensor of one piece as a matrix.
func (t *Stored) reshaped(out, in int) Matrix {
	flat := *t
	flat.Tensor.Shape = []int{out, in}
	flat.Pieces = slices.Clone(t.Pieces)
	for i := range flat.Pieces {
		flat.Pieces[i].Shape = flat.Tensor.Shape
	}
	return NewMatrix(&flat)
}

// Stack makes one matrix of every expert into a stack, in order.
func Stack(name string, experts []Matrix) Matrix {
	m := Matrix{Name: name, Out: experts[0].Out, In: experts[0].In}
	for _, e := range experts {
		m.Experts = append(m.Experts, e.Experts...)
	}
	return m
}

// Pick reorders or splits: the result has, for every expert, the rows of the ranges [from, to) in
// the order given.
func (m Matrix) Pick(ranges ...[2]int) Matrix {
	picked := Matrix{Name: m.Name, In: m.In, Experts: make([][]Rows, len(m.Experts))}
	for _, r := range ranges {
		picked.Out += r[1] - r[0]
	}
	for e, rows := range m.Experts {
		for _, r := range ranges {
			picked.Experts[e] = append(picked.Experts[e], cut(rows, r[0], r[1])...)
		}
	}
	return picked
}

// cut returns the rows [from, to) of the concatenation of rows.
func cut(rows []Rows, from, to int) []Rows {
	var out []Rows
	at := 0
	for _, r := range rows {
		a, b := max(from, at), min(to, at+r.N)
		if a < b {
			out = append(out, Rows{Stored: r.Stored, From: r.From + a - at, N: b - a})
		}
		at += r.N
	}
	return out
}

// fuse puts the rows of several matrices one after the other, expert by expert.
func fuse(ms []Matrix) Matrix {
	f := Matrix{Name: ms[0].Name, In: ms[0].In, Experts: make([][]Rows, len(ms[0].Experts))}
	for i, m := range ms {
		if m.In != f.In || len(m.Experts) != len(f.Experts) {
			panic(fmt.Sprintf("layer: fusing %s [%d, %d, %d] with %s", f.Name, len(m.Experts), m.Out, m.In, m.Name))
		}
		if i > 0 {
			f.Name += "+" + m.Name
		}
		f.Out += m.Out
		for e := range m.Experts {
			f.Experts[e] = append(f.Experts[e], m.Experts[e]...)
		}
	}
	return f
}

// format is the one format that all rows have, with its scale dtype; the zero Format if they differ.
func (m Matrix) format() (quant.Format, quant.Dtype) {
	first := m.Experts[0][0].Stored.Tensor
	for _, rows := range m.Experts {
		for _, r := range rows {
			if t := r.Stored.Tensor; t.Format != first.Format || t.ScaleDtype != first.ScaleDtype {
				return quant.Format{}, quant.NoDtype
			}
		}
	}
	return first.Format, first.ScaleDtype
}

// globals is what each output row of every expert is multiplied by, or nil if that is always one.
func (m Matrix) globals() []float32 {
	var all []float32
	any := false
	for _, rows := range m.Experts {
		for _, r := range rows {
			for i := range r.N {
				g := r.global(r.From + i)
				any = any || g != 1
				all = append(all, g)
			}
		}
	}
	if !any {
		return nil
	}
	return all
}

// global is the global scale of one row of the tensor: of the tensor, of the row's expert, or none.
func (r Rows) global(row int) float32 {
	switch g := r.Stored.Tensor.Global; len(g) {
	case 0:
		return 1
	case 1:
		return g[0]
	default:
		perExpert := quant.Elements(r.Stored.Tensor.Shape[1 : len(r.Stored.Tensor.Shape)-1])
		return g[row/perExpert]
	}
}
