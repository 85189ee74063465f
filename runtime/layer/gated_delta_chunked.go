package layer

import (
	"math"
	"sync"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// chunk is C, the number of tokens whose updates are solved for together.
const chunk = 64

// gatedDeltaChunked is the rule for many tokens: within a chunk, the updates d solve
// (I + A) d = beta (v - e^c S k), a unit lower-triangular system. It is inverted for all n chunks
// at once, so that only n short steps remain one after the other. Shapes are those of
// gatedDeltaStep, with T tokens; it agrees with that to rounding.
//
// In the comments, .. is [B, nk, r, n]: the r value heads of a key head beside each other.
func gatedDeltaChunked(s *mlx.Scope, in deltaInputs, state *mlx.Array) (o, next, decay *mlx.Array) {
	x := cutChunks(s, in)
	m := newMasks(s)
	between := m.decays(s, x.g)                                       // D [.., C, C]: decay from token j to token i >= j, else 0
	since := s.ExpandDims(s.Exp(s.Cumsum(x.g, -1)), -1)               // e^c [.., C, 1]: decay since before the chunk
	beta := s.ExpandDims(x.beta, -1)                                  // [.., C, 1]
	kT := s.SwapAxes(x.k, -1, -2)                                     // [.., dk, C]
	a := s.Mul(s.Mul(s.MatMul(x.k, kT), between), beta)               // with its diagonal still
	inverse := m.invert(s, s.Mul(a, m.strict))                        // (I + A)^-1 [.., C, C]
	last := s.SliceAxis(between, 4, chunk-1, chunk)                   // [.., 1, C]: decay from each token to the end
	decay = s.AsType(s.SliceAxis(since, 4, chunk-1, chunk), in.decay) // [.., 1, 1]: of the state over the chunk
	o, next = carryState(s, state, carried{
		u:     s.MatMul(inverse, s.Mul(beta, x.v)),               // [.., C, dv]
		w:     s.MatMul(inverse, s.Mul(s.Mul(beta, since), x.k)), // [.., C, dk]
		p:     s.Mul(s.MatMul(x.q, kT), between),                 // [.., C, C]
		q:     s.Mul(x.q, since),                                 // [.., C, dk]
		k:     s.Mul(x.k, s.SwapAxes(last, -1, -2)),              // [.., C, dk]
		decay: s.AsType(decay, quant.F32),
	})
	return s.SliceAxis(o, 1, 0, in.q.Shape()[1]), next, decay
}

// chunks are the rule's inputs cut into n chunks of C tokens: [B, nk, r, n, C, width], g and beta
// without the width, q and k with r = 1.
type chunks struct {
	q, k, v, g, beta *mlx.Array
}

// cutChunks pads T to whole chunks with zeros, which change neither state nor earlier outputs.
func cutChunks(s *mlx.Scope, in deltaInputs) chunks {
	qs, nv := in.q.Shape(), in.v.Shape()[2]
	b, t, nk := qs[0], qs[1], qs[2]
	n := (t + chunk - 1) / chunk
	cut := func(x *mlx.Array, r int) *mlx.Array {
		shape := x.Shape()
		if pad := n*chunk - t; pad > 0 {
			zeros := append([]int{b, pad}, shape[2:]...)
			x = s.Concatenate(1, x, s.Zeros(quant.F32, zeros...))
		}
		x = s.Reshape(x, append([]int{b, n, chunk, nk, r}, shape[3:]...)...)
		if len(shape) == 3 {
			return s.Transpose(x, 0, 3, 4, 1, 2)
		}
		return s.Transpose(x, 0, 3, 4, 1, 2, 5)
	}
	r := nv / nk
	return chunks{q: cut(in.q, 1), k: cut(in.k, 1), v: cut(in.v, r), g: cut(in.g, r), beta: cut(in.beta, r)}
}

// carried is what the sequential part needs of every chunk.
type carried struct {
	u, w, p, q, k, decay *mlx.Array
}

// carryState goes through the chunks in order: d = U - W S^T; O = Q S^T + P d; S = decay S + d^T K.
// The output is [B, n*C, nv, dv].
func carryState(s *mlx.Scope, state *mlx.Array, c carried) (o, next *mlx.Array) {
	shape := c.u.Shape()
	b, nk, r, n, dv := shape[0], shape[1], shape[2], shape[3], shape[5]
	dk := state.Shape()[3]
	next = s.Reshape(state, b, nk, r, 1, dv, dk)
	outs := make([]*mlx.Array, n)
	for i := range n {
		at := func(x *mlx.Array) *mlx.Array { return s.SliceAxis(x, 3, i, i+1) }
		back := s.SwapAxes(next, -1, -2)                               // [B, nk, r, 1, dk, dv]
		d := s.Sub(at(c.u), s.MatMul(at(c.w), back))                   // [B, nk, r, 1, C, dv]
		outs[i] = s.Add(s.MatMul(at(c.q), back), s.MatMul(at(c.p), d)) // likewise
		next = s.Add(s.Mul(next, at(c.decay)), s.MatMul(s.SwapAxes(d, -1, -2), at(c.k)))
	}
	o = s.Transpose(s.Concatenate(3, outs...), 0, 3, 4, 1, 2, 5) // [B, n, C, nk, r, dv]
	return s.Reshape(o, b, n*chunk, nk*r, dv), s.Reshape(next, b, nk*r, dv, dk)
}

// masks are the constant [C, C] matrices of the chunked form.
type masks struct {
	identity *mlx.Array
	strict   *mlx.Array   // 1 below the diagonal, else 0
	above    *mlx.Array   // -Inf above the diagonal, else 0
	corners  []*mlx.Array // for b = 1, 2, 4 ..: 1 in the lower left quarter of each diagonal block of 2b, else 0
}

func newMasks(s *mlx.Scope) masks {
	array := func(m []float32) *mlx.Array { return s.FromFloat32(m, chunk, chunk) }
	d := maskData()
	m := masks{identity: array(d.identity), strict: array(d.strict), above: array(d.above)}
	for _, c := range d.corners {
		m.corners = append(m.corners, array(c))
	}
	return m
}

// maskTables are the elements of masks.
type maskTables struct {
	identity, strict, above []float32
	corners                 [][]float32
}

var maskData = sync.OnceValue(func() (d maskTables) {
	table := func(value func(i, j int) bool, yes float32) []float32 {
		m := make([]float32, chunk*chunk)
		for at := range m {
			if value(at/chunk, at%chunk) {
				m[at] = yes
			}
		}
		return m
	}
	d.identity = table(func(i, j int) bool { return i == j }, 1)
	d.strict = table(func(i, j int) bool { return i > j }, 1)
	d.above = table(func(i, j int) bool { return i < j }, float32(math.Inf(-1)))
	for b := 1; b < chunk; b *= 2 {
		d.corners = append(d.corners, table(func(i, j int) bool {
			return i/(2*b) == j/(2*b) && i/b%2 == 1 && j/b%2 == 0
		}, 1))
	}
	return d
})

// decays is exp(g_{j+1} + .. + g_i) for j <= i, and 0 above the diagonal. Sums of segments, not
// differences of one running sum, which lose digits after a strong decay; and the mask goes in
// before the exponential, which would overflow above the diagonal.
func (m masks) decays(s *mlx.Scope, g *mlx.Array) *mlx.Array {
	segments := s.Cumsum(s.Mul(s.ExpandDims(g, -1), m.strict), -2)
	return s.Exp(s.Add(segments, m.above))
}

// invert is (I + A)^-1 of a strictly lower-triangular A by block doubling: X holds the inverses of
// the diagonal blocks of b tokens, and the corner between two neighbours gives those of 2b. (The
// Neumann product and Newton's iteration, of the same depth, overflow for correlated keys.)
func (m masks) invert(s *mlx.Scope, a *mlx.Array) *mlx.Array {
	x := s.Sub(m.identity, s.Mul(a, m.corners[0]))
	for _, corner := range m.corners[1:] {
		x = s.Sub(x, s.MatMul(s.MatMul(x, s.Mul(a, corner)), x))
	}
	return x
}
