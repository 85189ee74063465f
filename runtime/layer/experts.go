package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// experts is a stack of linear maps of which each row of input goes through its own; one stack, or
// several that share their input and whose outputs then follow one another.
type experts struct {
	mapped  *Mapped   // on a CPU, where weights stay as they are stored; else nil
	weights []*weight // else: [E, out, in] each
	count   int
	compute Compute
}

func newExperts(c Compute, ms ...Matrix) *experts {
	e := &experts{count: len(ms[0].Experts), compute: c}
	if c.maps() {
		e.mapped = newMapped(fuse(ms))
		return e
	}
	for _, group := range groupByStorage(c, ms) {
		e.weights = append(e.weights, newWeight(c, fuse(group), true))
	}
	return e
}

func (e *experts) params() []*Param {
	var all []*Param
	for _, w := range e.weights {
		all = append(all, w.params()...)
	}
	return all
}

// oneByOne says whether that many rows are better, or can only be, multiplied expert by expert.
func (e *experts) oneByOne(rows int) bool {
	if e.compute.GPU {
		return false
	}
	for _, w := range e.weights {
		if w.dense != nil && w.dense.Dtype != quant.F32 {
			return true
		}
	}
	return rows >= sortFrom
}

// choose maps x through the experts ids [n, k] where they lie; see Mapped.choose.
func (e *experts) choose(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	return e.compute.spoil(s, e.mapped.choose(s, x, ids))
}

// multiply maps x [.., 1, in] through the experts ids [..]: [.., 1, out]. Dimensions of x before
// the last two broadcast to those of ids.
func (e *experts) multiply(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	return e.join(s, func(w *weight) *mlx.Array { return w.gather(s, x, ids) })
}

// one maps x [N, in] through one expert: [N, out].
func (e *experts) one(s *mlx.Scope, x *mlx.Array, expert int) *mlx.Array {
	return e.join(s, func(w *weight) *mlx.Array { return w.expert(s, expert).multiply(s, x) })
}

func (e *experts) join(s *mlx.Scope, apply func(*weight) *mlx.Array) *mlx.Array {
	ys := make([]*mlx.Array, len(e.weights))
	for i, w := range e.weights {
		ys[i] = apply(w)
	}
	if len(ys) == 1 {
		return ys[0]
	}
	return s.Concatenate(-1, ys...)
}

// gather is x times the transpose of the expert that ids name for each row, in the activations' dtype.
func (w *weight) gather(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	var y *mlx.Array
	if w.dense != nil {
		y = s.GatherMM(x, s.SwapAxes(w.dense.Array, -1, -2), nil, ids, false)
	} else {
		y = w.compute.spoil(s, w.gatherPacked(s, x, ids))
	}
	if w.global != nil {
		y = s.Mul(y, s.ExpandDims(s.Take(w.global.Array, ids, 0), -2))
	}
	return s.AsType(y, w.compute.Activation())
}

// expert is a view of one expert's matrix.
func (w *weight) expert(s *mlx.Scope, e int) *weight {
	return w.view(func(a *mlx.Array) *mlx.Array {
		return s.Reshape(s.SliceAxis(a, 0, e, e+1), a.Shape()[1:]...)
	})
}
