package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// LayerNorm is (x - mean) / sqrt(variance + eps) * weight + bias over the last axis.
type LayerNorm struct {
	weight, bias *Param // float32 [n]
	eps          float32
	act          quant.Dtype
}

// NewLayerNorm describes the norm of a stored weight and bias [n].
func NewLayerNorm(c Compute, weight, bias *Stored, eps float32) *LayerNorm {
	return &LayerNorm{weight: NewTable(weight), bias: NewTable(bias), eps: eps, act: c.Activation()}
}

// Params lists the norm's arrays.
func (n *LayerNorm) Params() []*Param { return []*Param{n.weight, n.bias} }

// Apply normalises x [.., n]; the result has the activations' dtype.
func (n *LayerNorm) Apply(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	return s.AsType(s.LayerNorm(x, n.weight.Array, n.bias.Array, n.eps), n.act)
}
