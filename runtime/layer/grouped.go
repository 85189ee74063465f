package layer

import (
	"qimport/runtime/mlx"
)

// grouping is how rows of input lie for products with a stack of experts that use a GPU: side by side the
// same number of places for every expert, all experts one product, and for the few that were chosen more
// often the rest, a product each. MLX's own grouped products go row by row there, or compile for a minute.
type grouping struct {
	places int        // of every expert
	source []int32    // which row of the input lies in each place, experts after one another; 0 where none does
	rest   []restRows // of experts that were chosen more often
	back   []int32    // where the output of each choice lies: in the places, then in the rests
}

// restRows are the rows of one expert that its places do not hold.
type restRows struct {
	expert int
	rows   []int32
}

// placeStep is the multiple of which places are made: a product's tiles.
const placeStep = 8

// restCost is how many more rows in the product of all experts take as long as one more product beside it,
// of which the launches alone take some 50 microseconds: 16 ns a row of 3 matrices of 2048 by 512.
const restCost = 3000

// maxPlaces bounds the rows of the product of all experts, and with them its memory.
const maxPlaces = 1 << 17

// groupRows lays out rows for n experts, k choices a row: chosen [rows, k].
func groupRows(chosen []int32, n, k int) grouping {
	return groupRowsIn(placesFor(groupByExpert(chosen, n)), chosen, n, k)
}

func groupRowsIn(places int, chosen []int32, n, k int) grouping {
	groups := groupByExpert(chosen, n)
	g := grouping{places: places, back: make([]int32, len(chosen))}
	g.source = make([]int32, n*g.places)
	at := int32(len(g.source))
	for e, picks := range groups {
		held := min(len(picks), g.places)
		for i, pick := range picks[:held] {
			g.source[e*g.places+i] = int32(pick / k)
			g.back[pick] = int32(e*g.places + i)
		}
		if held == len(picks) {
			continue
		}
		r := restRows{expert: e}
		for _, pick := range picks[held:] {
			r.rows = append(r.rows, int32(pick/k))
			g.back[pick] = at
			at++
		}
		g.rest = append(g.rest, r)
	}
	return g
}

// placesFor is how many places every expert is given: those that cost least.
func placesFor(groups [][]int) int {
	most := 0
	for _, picks := range groups {
		most = max(most, len(picks))
	}
	best, least := placeStep, 1<<62
	for places := placeStep; places < most+placeStep; places += placeStep {
		rows := places * len(groups)
		if places > placeStep && rows > maxPlaces {
			break
		}
		cost := rows
		for _, picks := range groups {
			if rest := len(picks) - places; rest > 0 {
				cost += restCost + rest
			}
		}
		if cost < least {
			best, least = places, cost
		}
	}
	return best
}

// grouped runs each token of x [N, H] through its experts [N, k]: [N, k, H]. Packed experts are decoded,
// once for all their tokens. The choice has to be known, so the graph so far is evaluated.
func (m *MoE) grouped(s *mlx.Scope, x, chosen *mlx.Array) *mlx.Array {
	return m.runGrouped(s, x, groupRows(s.Int32s(chosen), m.gateUp.count, m.topK))
}

func (m *MoE) runGrouped(s *mlx.Scope, x *mlx.Array, g grouping) *mlx.Array {
	inner := m.gateUp.multiplyGrouped(s, g, g.take(s, x))
	for i := range inner {
		inner[i] = m.compute.swiglu(s, inner[i], m.inner)
	}
	return s.Reshape(g.collect(s, m.down.multiplyGrouped(s, g, inner)), x.Dim(0), m.topK, x.Dim(1))
}

// take lays the rows of x [N, in] out: [experts, places, in], and the rests [R, in].
func (g grouping) take(s *mlx.Scope, x *mlx.Array) []*mlx.Array {
	source := s.FromInt32(g.source, len(g.source)/g.places, g.places)
	xs := []*mlx.Array{s.Take(x, source, 0)}
	for _, r := range g.rest {
		xs = append(xs, s.Take(x, s.FromInt32(r.rows, len(r.rows)), 0))
	}
	return xs
}

// collect puts outputs, laid out as take does, in the order of the choices: [choices, out].
func (g grouping) collect(s *mlx.Scope, ys []*mlx.Array) *mlx.Array {
	out := ys[0].Dim(-1)
	all := []*mlx.Array{s.Reshape(ys[0], len(g.source), out)}
	all = append(all, ys[1:]...)
	y := all[0]
	if len(all) > 1 {
		y = s.Concatenate(0, all...)
	}
	return s.Take(y, s.FromInt32(g.back, len(g.back)), 0)
}

// multiplyGrouped maps what grouping.take laid out through the experts, and leaves it laid out so.
func (e *experts) multiplyGrouped(s *mlx.Scope, g grouping, xs []*mlx.Array) []*mlx.Array {
	parts := make([][]*mlx.Array, len(xs))
	for _, w := range e.weights {
		for i, y := range w.multiplyGrouped(s, g, xs) {
			parts[i] = append(parts[i], y)
		}
	}
	ys := make([]*mlx.Array, len(xs))
	for i, part := range parts {
		ys[i] = part[0]
		if len(part) > 1 {
			ys[i] = s.Concatenate(-1, part...)
		}
	}
	return ys
}

func (w *weight) multiplyGrouped(s *mlx.Scope, g grouping, xs []*mlx.Array) []*mlx.Array {
	all := w.decoded(s)
	ys := []*mlx.Array{s.MatMul(xs[0], s.SwapAxes(all, -1, -2))}
	if w.global != nil {
		ys[0] = s.Mul(ys[0], s.ExpandDims(w.global.Array, 1))
	}
	for i, r := range g.rest {
		one := func(a *mlx.Array) *mlx.Array {
			return s.Reshape(s.SliceAxis(a, 0, r.expert, r.expert+1), a.Shape()[1:]...)
		}
		y := s.MatMul(xs[i+1], s.Transpose(one(all)))
		if w.global != nil {
			y = s.Mul(y, one(w.global.Array))
		}
		ys = append(ys, y)
	}
	for i := range ys {
		ys[i] = s.AsType(ys[i], w.compute.Activation())
	}
	return ys
}

// decodeRows is the number of rows of input from which a packed weight is decoded for a product on a GPU.
// Up to there MLX's packed product is made for few rows; the one for many is compiled at its first use,
// for the better part of a minute for each format and size, and reaches a tenth of the card.
const decodeRows = 8

// packedProduct is x [.., in] of that many rows times the transpose of the packed weight, without its
// global scale. Rows that are a single group are decoded too: MLX has another product for those, which is
// wrong with float32 (affine:8:128, three rows, CUDA).
func (w *weight) packedProduct(s *mlx.Scope, x *mlx.Array, rows int) *mlx.Array {
	if rows >= decodeRows || x.Dim(-1) <= w.format.GroupSize {
		return s.MatMul(x, s.SwapAxes(w.decoded(s), -1, -2))
	}
	return s.QuantizedMatMul(x, w.quantized(), true)
}

// decoded is the whole weight as the activations are, without its global scale.
func (w *weight) decoded(s *mlx.Scope) *mlx.Array {
	if w.dense != nil {
		return w.dense.Array
	}
	return s.Dequantize(w.quantized(), w.compute.Activation())
}

// gatherPacked is MLX's product of rows x [N, 1 or k, 1, in] with the packed experts ids [N, k] of them,
// some at a time, so that it stays the one for few rows.
func (w *weight) gatherPacked(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	n, k := ids.Dim(0), ids.Dim(1)
	step := max((decodeRows-1)/n, 1)
	if step >= k {
		return s.GatherQMM(x, w.quantized(), nil, ids, true, false)
	}
	parts := (k + step - 1) / step
	var ys []*mlx.Array
	for i := range parts {
		from, to := k*i/parts, k*(i+1)/parts
		rows := x
		if x.Dim(1) > 1 {
			rows = s.SliceAxis(x, 1, from, to)
		}
		ys = append(ys, s.GatherQMM(rows, w.quantized(), nil, s.SliceAxis(ids, 1, from, to), true, false))
	}
	return s.Concatenate(1, ys...)
}

// groups says whether rows, k choices each, are grouped by expert for their products.
func (c Compute) groups(rows, k int) bool {
	return c.GPU && (rows >= decodeRows || rows*k >= sortFrom)
}
