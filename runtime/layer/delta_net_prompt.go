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
	k := d.prompt(x.Dim(1))
	return d.operate(s, x, cache, k.Entry(), k.Sizes())
}
