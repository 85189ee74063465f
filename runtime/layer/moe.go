package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// MoE is a mixture of experts: a router picks TopK of them for every token, their outputs are
// added by its weights, and a shared expert, where there is one, by its own gate.
type MoE struct {
	compute   Compute
	router    *Linear
	topK      int
	normalise bool // the chosen weights are made to sum to one
	gateUp    *experts
	down      *experts
	inner     int
	shared    *MLP    // or nil
	sharedOn  *Linear // [1, H]: how much of it
}

// MoEWeights are the stored parts of a MoE.
type MoEWeights struct {
	Router         Matrix  // [E, H]
	Gate, Up, Down Matrix  // [E, Im, H], [E, Im, H], [E, H, Im]
	Shared         *MLP    // nil for none
	SharedGate     *Matrix // [1, H]
}

// NewMoE describes the part.
func NewMoE(c Compute, topK int, normalise bool, w MoEWeights) *MoE {
	m := &MoE{compute: c, router: NewLinear(c.exact(), w.Router), topK: topK, normalise: normalise,
		gateUp: newExperts(c, w.Gate, w.Up), down: newExperts(c, w.Down), inner: w.Gate.Out, shared: w.Shared}
	if w.Shared != nil {
		m.sharedOn = NewLinear(c, *w.SharedGate)
	}
	if m.down.mapped != nil {
		m.down.mapped.apart = true
	}
	return m
}

// Params lists the part's arrays.
func (m *MoE) Params() []*Param {
	all := concat(m.router.Params(), m.gateUp.params(), m.down.params())
	if m.shared != nil {
		all = concat(all, m.shared.Params(), m.sharedOn.Params())
	}
	return all
}

// Forward maps x [B, T, H] to [B, T, H], in float32.
func (m *MoE) Forward(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	shape := x.Shape()
	tokens := shape[0] * shape[1]
	flat := s.Reshape(x, tokens, shape[2])
	if m.routes() {
		return s.Reshape(m.routed(s, flat), shape...)
	}
	chosen, weights := m.route(s, flat) // [N, k]
	var y *mlx.Array                    // [N, k, H]
	switch {
	case m.gateUp.mapped != nil:
		inner := m.compute.swiglu(s, m.gateUp.choose(s, flat, chosen), m.inner)
		y = m.down.choose(s, inner, chosen)
	case m.gateUp.oneByOne(tokens * m.topK):
		y = m.oneByOne(s, flat, chosen)
	case m.compute.groups(tokens, m.topK):
		y = m.grouped(s, flat, chosen)
	default:
		y = m.gathered(s, flat, chosen)
	}
	y = s.Sum(s.Mul(s.AsType(y, quant.F32), s.ExpandDims(weights, -1)), 1, false)
	if m.shared != nil {
		on := s.Sigmoid(s.AsType(m.sharedOn.Apply(s, flat), quant.F32)) // [N, 1]
		y = s.Add(y, s.Mul(on, s.AsType(m.shared.Forward(s, flat), quant.F32)))
	}
	return s.Reshape(y, shape...)
}

// route picks the experts of x [N, H] and their weights, both [N, k]: the router's product, softmax over
// all experts and everything after it in float32. Rounded to bf16, logits of two experts would be the same
// that are not, and chance would choose.
func (m *MoE) route(s *mlx.Scope, x *mlx.Array) (chosen, weights *mlx.Array) {
	p := s.Softmax(s.AsType(m.router.Apply(s, s.AsType(x, m.router.compute.Activation())), quant.F32), -1, true)
	n := p.Shape()[1]
	chosen = s.SliceAxis(s.ArgPartition(p, n-m.topK, -1), 1, n-m.topK, n)
	weights = s.TakeAlongAxis(p, chosen, -1)
	if m.normalise {
		weights = s.Div(weights, s.Sum(weights, -1, true))
	}
	return chosen, weights
}

// sortFrom is the number of chosen experts from which rows are grouped by them.
const sortFrom = 64

// gathered runs each token through its experts with MLX's products that pick a matrix for every row.
func (m *MoE) gathered(s *mlx.Scope, x, chosen *mlx.Array) *mlx.Array {
	n, k, h := x.Shape()[0], m.topK, x.Shape()[1]
	rows := s.Reshape(x, n, 1, 1, h)
	inner := m.compute.swiglu(s, m.gateUp.multiply(s, rows, chosen), m.inner) // [N, k, 1, Im]
	return s.Reshape(m.down.multiply(s, inner, chosen), n, k, h)
}

// oneByOne runs each chosen expert once, over all the tokens that chose it: on a CPU MLX's grouped
// product goes row by row, and knows float32 only. The choice has to be known, so the graph so far
// is evaluated.
func (m *MoE) oneByOne(s *mlx.Scope, x, chosen *mlx.Array) *mlx.Array {
	n, k, h := x.Shape()[0], m.topK, x.Shape()[1]
	groups := groupByExpert(s.Int32s(chosen), m.gateUp.count)
	back := make([]int32, n*k) // where the output of each choice lies among those of all experts
	at := int32(0)
	var both []*mlx.Array // of each expert that was chosen, gate and up
	for e, picks := range groups {
		if len(picks) == 0 {
			continue
		}
		tokens := make([]int32, len(picks))
		for i, pick := range picks {
			tokens[i], back[pick] = int32(pick/k), at
			at++
		}
		both = append(both, m.gateUp.one(s, s.Take(x, s.FromInt32(tokens, len(tokens)), 0), e))
	}
	inner := m.compute.swiglu(s, s.Concatenate(0, both...), m.inner) // [N*k, Im]
	var outs []*mlx.Array
	from := 0
	for e, picks := range groups {
		if to := from + len(picks); to > from {
			outs = append(outs, m.down.one(s, s.SliceAxis(inner, 0, from, to), e))
			from = to
		}
	}
	y := s.Take(s.Concatenate(0, outs...), s.FromInt32(back, n*k), 0)
	return s.Reshape(y, n, k, h)
}

// groupByExpert lists, for each of n experts, the positions of chosen that name it.
func groupByExpert(chosen []int32, n int) [][]int {
	groups := make([][]int, n)
	for at, e := range chosen {
		groups[e] = append(groups[e], at)
	}
	return groups
}
