package layer

import "qimport/runtime/mlx"

// Embedding turns token ids into rows of a matrix [vocabulary, hidden].
type Embedding struct {
	weight *weight
}

// NewEmbedding describes the table. One that is only looked up in is kept as it is stored, whatever
// the compute mode: a row is widened when it is taken.
func NewEmbedding(c Compute, m Matrix, tied bool) *Embedding {
	keep := c
	if !tied {
		keep.Mode = Quantized
	}
	w := newWeight(keep, m, false)
	w.compute = c
	return &Embedding{weight: w}
}

// Head is the output map that shares the table.
func (e *Embedding) Head() *Linear {
	return &Linear{weights: []*weight{e.weight}, compute: e.weight.compute}
}

// Params lists the table's arrays.
func (e *Embedding) Params() []*Param { return e.weight.params() }

// Lookup takes rows by ids [B, T]: [B, T, hidden], in the activations' dtype.
func (e *Embedding) Lookup(s *mlx.Scope, ids *mlx.Array) *mlx.Array {
	w := e.weight.view(func(a *mlx.Array) *mlx.Array { return s.Take(a, ids, 0) })
	act := e.weight.compute.Activation()
	if w.dense != nil {
		return s.AsType(w.dense.Array, act)
	}
	y := w.wide(s)
	if w.global != nil {
		y = s.Mul(y, s.ExpandDims(w.global.Array, -1))
	}
	return s.AsType(y, act)
}
