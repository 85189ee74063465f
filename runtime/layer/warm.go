package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Warm uses, on zeros, what a GPU has to compile before its first use whatever the weights are: the kernel
// of our own. What comes out is not used.
func (d *DeltaNet) Warm(s *mlx.Scope) error {
	if !d.fuses() {
		return nil
	}
	zeros := func(p *Param) *Param { return &Param{Array: s.Zeros(p.Dtype, p.Shape...)} }
	z, norm := d.sizes, *d.norm
	norm.weight = zeros(norm.weight)
	w := &DeltaNet{sizes: z, compute: d.compute, norm: &norm, conv: zeros(d.conv), rate: zeros(d.rate), bias: zeros(d.bias)}
	var cache Cache
	defer cache.Free()
	width := z.ConvDim() + z.ValueWidth() + 2*z.ValueHeads
	y := w.fused(s, s.Zeros(d.compute.Activation(), 1, 1, width), &cache.Delta)
	return s.Eval(y)
}

// Warm is the same for what takes rows of tables.
func (e *Embedding) Warm(s *mlx.Scope) error {
	index := s.Zeros(quant.I32, 1, 1)
	var all []*mlx.Array
	for _, d := range []quant.Dtype{e.compute.Activation(), quant.U32, quant.U8} {
		all = append(all, s.Take(s.Zeros(d, 2, 8), index, 0))
	}
	return s.Eval(all...)
}
