package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// deltaInputs are T tokens for the gated delta rule, in float32. Queries and keys are normalised
// and not repeated for the value heads that share them.
type deltaInputs struct {
	q, k  *mlx.Array  // [B, T, nk, dk]
	v     *mlx.Array  // [B, T, nv, dv]
	g     *mlx.Array  // [B, T, nv]: log decay, <= 0
	beta  *mlx.Array  // [B, T, nv]
	decay quant.Dtype // to which the state's decay is rounded: float32, or bf16 for the ablation
}

// gatedDeltaStep is the rule for one token, exactly as it is defined (DeltaReference.Step). State
// and new state are float32 [B, nv, dv, dk]; the output is [B, 1, nv, dv]; decay is what the state
// was multiplied by.
func gatedDeltaStep(s *mlx.Scope, in deltaInputs, state *mlx.Array) (o, next, decay *mlx.Array) {
	qs, vs := in.q.Shape(), in.v.Shape()
	b, nk, dk, nv, dv := qs[0], qs[2], qs[3], vs[2], vs[3]
	r := nv / nk
	perValue := func(x *mlx.Array) *mlx.Array { return s.Reshape(x, b, nk, r, -1, 1) }
	decay = s.AsType(s.Exp(in.g), in.decay)
	factor := perValue(s.AsType(decay, quant.F32)) // [B, nk, r, 1, 1]
	k := s.Reshape(in.k, b, nk, 1, 1, dk)
	q := s.Reshape(in.q, b, nk, dk, 1)
	next = s.Mul(s.Reshape(state, b, nk, r, dv, dk), factor)
	seen := s.MatMul(s.Reshape(next, b, nk, r*dv, dk), s.Reshape(k, b, nk, dk, 1))
	d := s.Sub(perValue(in.v), s.Reshape(seen, b, nk, r, dv, 1))
	d = s.Mul(d, perValue(in.beta)) // [B, nk, r, dv, 1]
	next = s.Add(next, s.Mul(d, k))
	o = s.MatMul(s.Reshape(next, b, nk, r*dv, dk), q)
	return s.Reshape(o, b, 1, nv, dv), s.Reshape(next, b, nv, dv, dk), decay
}
