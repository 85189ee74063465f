package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Embedding turns token ids into rows of a matrix [vocabulary, hidden].
type Embedding struct {
	mapped  *Mapped // on a CPU, where the table stays as it is stored; else nil
	weight  *weight // else
	compute Compute
}

// NewEmbedding describes the table. One that is only looked up in stays as it is stored, whatever
// the compute mode: a row is widened when it is taken. (Not for float32 on a GPU, where MLX widens
// packed rows by way of their scales' dtype.)
func NewEmbedding(c Compute, m Matrix, tied bool) *Embedding {
	keep := c
	if !tied && !(c.GPU && c.Mode == F32) {
		keep.Mode = Quantized
	}
	e := &Embedding{compute: c}
	if keep.maps() {
		e.mapped = newMapped(m)
		return e
	}
	e.weight = newWeight(keep, m, false)
	e.weight.compute = c
	return e
}

// Head is the output map that shares the table.
func (e *Embedding) Head() *Linear {
	if e.mapped != nil {
		return &Linear{mapped: e.mapped, compute: e.compute}
	}
	return &Linear{weights: []*weight{e.weight}, compute: e.compute}
}

// Params lists the table's arrays.
func (e *Embedding) Params() []*Param {
	if e.mapped != nil {
		return nil
	}
	return e.weight.params()
}

// Lookup takes rows by ids [B, T]: [B, T, hidden], in float32. That is the dtype of the sum that every
// layer adds to, also where activations are bf16: rounded anew by each of them, it would differ by more
// from one way of computing it to another than all else together.
func (e *Embedding) Lookup(s *mlx.Scope, ids *mlx.Array) *mlx.Array {
	if e.mapped != nil {
		return s.AsType(e.mapped.decode(s, ids), quant.F32)
	}
	w := e.weight.view(func(a *mlx.Array) *mlx.Array { return s.Take(a, ids, 0) })
	if w.dense != nil {
		return s.AsType(w.dense.Array, quant.F32)
	}
	y := w.wide(s)
	if w.global != nil {
		y = s.Mul(y, s.ExpandDims(w.global.Array, -1))
	}
	return s.AsType(y, quant.F32)
}
