package layer

import (
	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// MLP is the SwiGLU feed-forward part: down(silu(gate(x)) * up(x)).
type MLP struct {
	compute Compute
	gateUp  *Linear // rows of gate, then of up
	down    *Linear
	inner   int
}

// NewMLP describes the part from gate and up [inner, H] and down [H, inner].
func NewMLP(c Compute, gate, up, down Matrix) *MLP {
	return &MLP{gateUp: NewLinear(c, gate, up), down: NewLinear(c, down), inner: gate.Out, compute: c}
}

// Params lists the part's arrays.
func (m *MLP) Params() []*Param { return concat(m.gateUp.Params(), m.down.Params()) }

// Forward maps x [.., H] to [.., H].
func (m *MLP) Forward(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	return m.down.Apply(s, m.compute.swiglu(s, m.gateUp.Apply(s, x), m.inner))
}

// swiglu is silu(y[.., :n]) * y[.., n:].
func (c Compute) swiglu(s *mlx.Scope, y *mlx.Array, n int) *mlx.Array {
	if f := kernel.SwiGLUEntry(); f != nil && c.maps() {
		settings := kernel.ActivationSizes(n, 0)
		return s.Call(f, nil, quant.F32, with(y.Shape()[:len(y.Shape())-1], n), y, s.FromInt32(settings, len(settings)))
	}
	if c.onHost(y.Size() / (2 * n)) {
		return s.AsType(hostSwiGLU(s, y, n), c.Activation())
	}
	parts := split(s, y, n)
	return s.Mul(silu(s, parts[0]), parts[1])
}

func silu(s *mlx.Scope, x *mlx.Array) *mlx.Array { return s.Mul(x, s.Sigmoid(x)) }
