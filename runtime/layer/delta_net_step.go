package layer

import (
	"unsafe"

	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// steps says whether step stands in for mix.
func (d *DeltaNet) steps(tokens int) bool {
	return tokens == 1 && d.compute.maps() && d.compute.State == quant.F32 && d.compute.Decay == quant.F32 && d.kernel().Entry() != nil
}

func (d *DeltaNet) kernel() kernel.DeltaStep {
	z := d.sizes
	return kernel.DeltaStep{KeyHeads: z.KeyHeads, ValueHeads: z.ValueHeads, KeyDim: z.KeyDim, ValueDim: z.ValueDim, Taps: z.Kernel, Eps: d.norm.eps}
}

// step is mix of one token a sequence as one operation of the graph: as operations of MLX, each of which
// passes over the state on one core, it took longer than the layer's products.
func (d *DeltaNet) step(s *mlx.Scope, x *mlx.Array, cache *DeltaCache) *mlx.Array {
	k := d.kernel()
	return d.operate(s, x, cache, k.Entry(), k.Sizes())
}

// operate is mix of x [B, T, ..] by a function of C with these sizes.
func (d *DeltaNet) operate(s *mlx.Scope, x *mlx.Array, cache *DeltaCache, entry unsafe.Pointer, sizes []int32) *mlx.Array {
	b, t, act := x.Dim(0), x.Dim(1), d.compute.Activation()
	d.begin(s, cache, b)
	inputs := []*mlx.Array{s.AsType(x, quant.F32), s.AsType(cache.conv, quant.F32), cache.state, d.conv.Array, d.rate.Array,
		d.bias.Array, d.norm.weight.Array, s.FromInt32(sizes, len(sizes))}
	out := s.Calls(entry, nil, quant.F32, d.stepOutputs([]int{b, t, d.sizes.ValueWidth()}, cache), inputs...)
	cache.carry(s, s.AsType(out[1], act), out[2], out[3])
	return s.AsType(out[0], act)
}

// stepOutputs are those of an operation whose second and third input are the cache's conv and state: y of that
// shape, and what it makes of conv, state and decay. The state is carried on in place.
func (d *DeltaNet) stepOutputs(y []int, cache *DeltaCache) []mlx.Output {
	const state = 3 // counted from one
	return append([]mlx.Output{{Shape: y}}, d.carriedOutputs(y[0], cache, state)...)
}

// carriedOutputs are what is made of conv, state and decay of b sequences, where the state is an input of that
// number, counted from one.
func (d *DeltaNet) carriedOutputs(b int, cache *DeltaCache, state int) []mlx.Output {
	return []mlx.Output{
		{Shape: cache.conv.Shape()},
		{Shape: cache.state.Shape(), Over: state},
		{Shape: []int{b, 1, d.sizes.ValueHeads}},
	}
}
