package layer

import (
	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// routes says whether routed stands in for the graph of Forward: whether experts are multiplied where they lie, and
// nobody watches what goes into them.
func (m *MoE) routes() bool {
	experts := m.gateUp.mapped
	return experts != nil && m.down.mapped != nil && kernel.RouteEntry() != nil && len(experts.matrix.Experts) <= kernel.MostExperts &&
		experts.watched == nil && m.down.mapped.watched == nil
}

// routed maps x [N, H] through the experts, choice and sum being operations of our own: MLX's take one core, and
// write all outputs of all experts once more.
func (m *MoE) routed(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	n, k := x.Dim(0), m.topK
	sizes := kernel.RouteSizes(len(m.gateUp.mapped.matrix.Experts), k, m.normalise)
	route := s.Calls(kernel.RouteEntry(), nil, quant.F32, []mlx.Output{{Shape: []int{n, k}}, {Shape: []int{n, k}}},
		m.router.Apply(s, x), s.FromInt32(sizes, len(sizes)))
	ids, weights := route[0], route[1] // ids are whole numbers, whatever the graph holds them for
	inner := m.compute.swiglu(s, m.gateUp.chosen(s, x, ids), m.inner)
	in := []*mlx.Array{m.down.chosen(s, inner, ids), weights, s.FromInt32(sizes[1:], len(sizes)-1)}
	entry := kernel.CombineEntry()
	if m.shared != nil {
		in, entry = append(in, m.sharedOn.Apply(s, x), m.shared.Forward(s, x)), kernel.CombineAllEntry()
	}
	return s.Call(entry, nil, quant.F32, x.Shape(), in...)
}

// chosen is choose for ids [n, k] that are uint32 in memory, though the graph has another name for them.
func (e *experts) chosen(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	f, argument := e.mapped.product.Function(quant.CallExperts)
	return e.compute.spoil(s, s.Call(f, argument, quant.F32, append(ids.Shape(), e.mapped.matrix.Out), x, ids))
}
