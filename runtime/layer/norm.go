package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Norm is RMSNorm over the last axis: x / sqrt(mean(x^2) + eps) * weight.
type Norm struct {
	weight *Param // float32 [n]
	eps    float32
	act    quant.Dtype
}

// NewNorm describes the norm of a stored weight [n]. With shifted, the stored weight is one less
// than what it means; the one is added in float32, where nothing is lost.
func NewNorm(c Compute, t *Stored, eps float32, shifted bool) *Norm {
	shift := float32(0)
	if shifted {
		shift = 1
	}
	p := vectorParam(t, func(w float32) float32 { return w + shift })
	return &Norm{weight: p, eps: eps, act: c.Activation()}
}

// Params lists the norm's array.
func (n *Norm) Params() []*Param { return []*Param{n.weight} }

// Apply normalises x [.., n]; the result has the activations' dtype.
func (n *Norm) Apply(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	return s.AsType(s.RMSNorm(x, n.weight.Array, n.eps), n.act)
}
