package layer

import (
	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// Norm is RMSNorm over the last axis: x / sqrt(mean(x^2) + eps) * weight.
type Norm struct {
	weight *Param // float32 [n]; bf16 where it is stored so and so are activations
	eps    float32
	act    quant.Dtype
	fused  bool // one operation of ours, on a CPU: MLX makes it from seven
}

// NewNorm describes the norm of a stored weight [n]. With shifted, the stored weight is one less
// than what it means; the one is added in float32, where nothing is lost.
func NewNorm(c Compute, t *Stored, eps float32, shifted bool) *Norm {
	shift := float32(0)
	if shifted {
		shift = 1
	}
	p := vectorParam(t, func(w float32) float32 { return w + shift })
	return &Norm{weight: p, eps: eps, act: c.Activation(), fused: c.maps() && kernel.NormEntry() != nil}
}

// NewHeadNorm is NewNorm for what is an activation and no sum of layers: the heads of a projection.
func NewHeadNorm(c Compute, t *Stored, eps float32, shifted bool) *Norm {
	n := NewNorm(c, t, eps, shifted)
	if c.GPU && c.Activation() == quant.BF16 && t.Tensor.Format == quant.FormatBF16 && !shifted {
		n.weight = n.weight.inBF16()
	}
	return n
}

// inBF16 is a float32 Param kept in bf16, the dtype of the activations it meets. Else it would be
// converted at every use: on a GPU, two more operations around a small one.
func (p *Param) inBF16() *Param {
	return &Param{Name: p.Name, Shape: p.Shape, Dtype: quant.BF16, Fill: func(dst []byte) error {
		f := make([]float32, len(dst)/2)
		if err := p.Fill(floatBytes(f)); err != nil {
			return err
		}
		return quant.FromFloat32(dst, quant.BF16, f)
	}}
}

// Params lists the norm's array.
func (n *Norm) Params() []*Param { return []*Param{n.weight} }

// Apply normalises x [.., n]; the result has the activations' dtype.
func (n *Norm) Apply(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	if n.fused && x.Dtype() == quant.F32 {
		settings := kernel.ActivationSizes(x.Dim(-1), n.eps)
		return s.Call(kernel.NormEntry(), nil, quant.F32, x.Shape(), x, n.weight.Array, s.FromInt32(settings, len(settings)))
	}
	return s.AsType(s.RMSNorm(x, n.weight.Array, n.eps), n.act)
}
