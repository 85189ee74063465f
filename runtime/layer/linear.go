package layer

import "qimport/runtime/mlx"

// Linear is y = x W^T + bias, of one matrix or of several that share their input: their outputs
// then follow one another.
type Linear struct {
	mapped  *Mapped   // on a CPU, where weights stay as they are stored; else nil
	weights []*weight // else: neighbours of one format are one weight
	bias    *Param    // [out], float32, or nil
	compute Compute
}

// NewLinear describes the map; all matrices have the same In.
func NewLinear(c Compute, ms ...Matrix) *Linear {
	l := &Linear{compute: c}
	if c.maps() {
		l.mapped = newMapped(fuse(ms))
		return l
	}
	for _, group := range groupByStorage(c, ms) {
		l.weights = append(l.weights, newWeight(c, fuse(group), false))
	}
	return l
}

// NewBiased describes the map of one matrix with a bias [out].
func NewBiased(c Compute, m, bias Matrix) *Linear {
	return NewLinear(c, m).withBias([]*Matrix{&bias})
}

// groupByStorage puts neighbours together that can be kept as one array.
func groupByStorage(c Compute, ms []Matrix) [][]Matrix {
	var groups [][]Matrix
	for i, m := range ms {
		if i > 0 && sameStorage(c, ms[i-1], m) {
			last := len(groups) - 1
			groups[last] = append(groups[last], m)
			continue
		}
		groups = append(groups, []Matrix{m})
	}
	return groups
}

// packedTile: on an NVIDIA GPU, MLX's fast product with a packed weight takes multiples of so many
// output rows. Fused with a matrix that has others, all of them would take the slow one.
const packedTile = 128

func sameStorage(c Compute, a, b Matrix) bool {
	af, as := a.format()
	bf, bs := b.format()
	if c.packs(af) || c.packs(bf) {
		return af == bf && as == bs && (!c.GPU || a.Out%packedTile == 0 == (b.Out%packedTile == 0))
	}
	return true
}

// withBias adds the biases of the matrices given to NewLinear, in that order: all or none.
func (l *Linear) withBias(biases []*Matrix) *Linear {
	var columns []Matrix
	for _, b := range biases {
		if b != nil {
			columns = append(columns, *b)
		}
	}
	if len(columns) == 0 {
		return l
	}
	w := newWeight(Compute{Mode: F32}, fuse(columns), false)
	w.dense.Shape = w.dense.Shape[:1]
	l.bias = w.dense
	return l
}

// Params lists the map's arrays.
func (l *Linear) Params() []*Param {
	var all []*Param
	for _, w := range l.weights {
		all = append(all, w.params()...)
	}
	if l.bias != nil {
		all = append(all, l.bias)
	}
	return all
}

// Apply maps x [.., in] to [.., out] in the activations' dtype.
func (l *Linear) Apply(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	y := l.product(s, x)
	if l.bias != nil {
		y = s.AsType(s.Add(y, l.bias.Array), l.compute.Activation())
	}
	return y
}

func (l *Linear) product(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	if l.mapped != nil {
		return l.compute.spoil(s, l.mapped.multiply(s, x))
	}
	ys := make([]*mlx.Array, len(l.weights))
	for i, w := range l.weights {
		ys[i] = w.multiply(s, x)
	}
	if len(ys) == 1 {
		return ys[0]
	}
	return s.Concatenate(-1, ys...)
}

// split cuts the last axis into parts of these sizes, and what is left over.
func split(s *mlx.Scope, y *mlx.Array, sizes ...int) []*mlx.Array {
	var at []int
	end := 0
	for _, n := range sizes {
		end += n
		at = append(at, end)
	}
	if end == y.Dim(-1) { // nothing is left over
		at = at[:len(at)-1]
	}
	return s.SplitAt(y, -1, at...)
}

func concat(lists ...[]*Param) []*Param {
	var all []*Param
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
