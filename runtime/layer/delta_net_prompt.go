package layer

import (
	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// readsPrompt says whether prompt stands in for mix. It rounds neither state nor decay, as ablations do.
func (d *DeltaNet) readsPrompt() bool {
	c := d.compute
	return !c.GPU && c.State == quant.F32 && c.Decay == quant.F32 && d.prompt(1).Entry() != nil
}

func (d *DeltaNet) prompt(tokens int) kernel.DeltaPrompt {
	return kernel.DeltaPrompt{DeltaStep: d.kernel(), Tokens: tokens}
}

// mixPrompt is mix of several tokens a sequence as one operation of a CPU's graph. As operations of MLX, which come
// one after the other and use one core but for large products, it took longer than the layer's products.
func (d *DeltaNet) mixPrompt(s *mlx.Scope, x *mlx.Array, cache *DeltaCache) *mlx.Array {
	b, t := x.Dim(0), x.Dim(1)
	d.begin(s, cache, b)
	k, act := d.prompt(t), d.compute.Activation()
	sizes := k.Sizes()
	inputs := []*mlx.Array{s.AsType(x, quant.F32), s.AsType(cache.conv, quant.F32), cache.state, d.conv.Array, d.rate.Array,
		d.bias.Array, d.norm.weight.Array, s.FromInt32(sizes, len(sizes))}
	out := s.Calls(k.Entry(), nil, quant.F32, d.stepOutputs([]int{b, t, d.sizes.ValueWidth()}, cache), inputs...)
	cache.carry(s, s.AsType(out[1], act), out[2], out[3])
	return s.AsType(out[0], act)
}
