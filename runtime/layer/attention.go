package layer

import (
	"math"

	"qimport/runtime/mlx"
)

// AttentionSizes are the dimensions of a full-attention layer.
type AttentionSizes struct {
	Heads, KVHeads, HeadDim int
}

// Attention is grouped-query attention with normalised queries and keys, rotary positions and,
// where the model has one, a sigmoid gate on its output.
type Attention struct {
	sizes AttentionSizes
	in    *Linear // rows: all queries, all keys, all values, then all gates if there are any
	out   *Linear
	qNorm *Norm
	kNorm *Norm
	rope  *Rotary
	gated bool
}

// AttentionWeights are the stored parts of an Attention. Query may be twice as high as the heads
// need: then each head's rows are followed by those of its gate.
type AttentionWeights struct {
	Query, Key, Value, Out                 Matrix
	QueryBias, KeyBias, ValueBias, OutBias *Matrix // columns; nil for none
	QueryNorm, KeyNorm                     *Norm
	Rotary                                 *Rotary
}

// NewAttention describes the layer.
func NewAttention(c Compute, z AttentionSizes, w AttentionWeights) *Attention {
	a := &Attention{sizes: z, qNorm: w.QueryNorm, kNorm: w.KeyNorm, rope: w.Rotary}
	a.gated = w.Query.Out == 2*z.Heads*z.HeadDim
	parts := []Matrix{w.Query, w.Key, w.Value}
	biases := []*Matrix{w.QueryBias, w.KeyBias, w.ValueBias}
	if a.gated {
		query, gate := z.ungate(w.Query)
		parts = []Matrix{query, w.Key, w.Value, gate}
		if w.QueryBias != nil {
			queryBias, gateBias := z.ungate(*w.QueryBias)
			biases = []*Matrix{&queryBias, w.KeyBias, w.ValueBias, &gateBias}
		}
	}
	a.in = NewLinear(c, parts...).withBias(biases)
	a.out = NewLinear(c, w.Out).withBias([]*Matrix{w.OutBias})
	return a
}

// ungate parts rows that lie [query, gate] head by head into all queries and all gates.
func (z AttentionSizes) ungate(m Matrix) (query, gate Matrix) {
	var q, g [][2]int
	for h := range z.Heads {
		at := 2 * h * z.HeadDim
		q = append(q, [2]int{at, at + z.HeadDim})
		g = append(g, [2]int{at + z.HeadDim, at + 2*z.HeadDim})
	}
	return m.Pick(q...), m.Pick(g...)
}

// Params lists the layer's arrays; those of Rotary, which layers share, are not among them.
func (a *Attention) Params() []*Param {
	return concat(a.in.Params(), a.out.Params(), a.qNorm.Params(), a.kNorm.Params())
}

// Forward attends from x [B, T, H] to itself and to all that the KV cache holds, which grows by T, but
// for padding.
func (a *Attention) Forward(s *mlx.Scope, x *mlx.Array, cache *Cache) *mlx.Array {
	if x.Dim(1) > 1 && a.readsPrompt(cache) {
		return a.out.Apply(s, a.lookPrompt(s, a.in.Apply(s, x), cache))
	}
	h := a.heads(s, x, func(y *mlx.Array) *mlx.Array { return a.rotate(s, y, cache) })
	return a.finish(s, a.attend(s, h, cache), h.gate)
}

// heads is what an Attention makes of its input before it looks at other tokens.
type heads struct {
	q    *mlx.Array // [B, nq, T, D]
	k, v *mlx.Array // [B, nkv, T, D]
	gate *mlx.Array // [B, T, nq*D], or nil
}

// heads projects x [B, T, H]; rotate turns queries and keys to their positions.
func (a *Attention) heads(s *mlx.Scope, x *mlx.Array, rotate func(*mlx.Array) *mlx.Array) heads {
	return a.parts(s, a.in.Apply(s, x), rotate)
}

// parts is heads of x [B, T, H] whose projection is y.
func (a *Attention) parts(s *mlx.Scope, y *mlx.Array, rotate func(*mlx.Array) *mlx.Array) heads {
	q, k, v, gate := a.cut(s, y)
	return heads{q: rotate(a.qNorm.Apply(s, q)), k: rotate(a.kNorm.Apply(s, k)), v: v, gate: gate}
}

// attend adds keys and values to the cache and attends to all of them: [B, nq, T, D].
func (a *Attention) attend(s *mlx.Scope, h heads, cache *Cache) *mlx.Array {
	at, t := cache.KV.Len(), h.q.Dim(2)
	keys, values := cache.KV.Append(s, h.k, h.v) // [B, nkv, S, D]
	scale := float32(1 / math.Sqrt(float64(a.sizes.HeadDim)))
	return s.Attention(h.q, keys, values, scale, cache.Padding.mask(s, at, t))
}

// finish maps what was attended to, gated, to [B, T, H].
func (a *Attention) finish(s *mlx.Scope, o, gate *mlx.Array) *mlx.Array {
	b, t := o.Dim(0), o.Dim(2)
	o = s.Reshape(s.Transpose(o, 0, 2, 1, 3), b, t, a.sizes.Heads*a.sizes.HeadDim)
	if a.gated {
		o = s.Mul(o, s.Sigmoid(gate))
	}
	return a.out.Apply(s, o)
}

// rotate turns x [B, heads, T, D] by the positions of the tokens that the cache is to take next.
func (a *Attention) rotate(s *mlx.Scope, x *mlx.Array, cache *Cache) *mlx.Array {
	if cache.Turns != nil {
		return cache.Turns.Apply(s, x)
	}
	return a.rope.Apply(s, x, cache.KV.Len()-cache.Shift, cache.Padding)
}

// cut makes queries [B, nq, T, D], keys and values [B, nkv, T, D], and the gate [B, T, nq*D] of a projection.
func (a *Attention) cut(s *mlx.Scope, x *mlx.Array) (q, k, v, gate *mlx.Array) {
	z := a.sizes
	wide, narrow := z.Heads*z.HeadDim, z.KVHeads*z.HeadDim
	parts := split(s, x, wide, narrow, narrow)
	if a.gated {
		gate = parts[3]
	}
	b, t := x.Shape()[0], x.Shape()[1]
	heads := func(y *mlx.Array, n int) *mlx.Array {
		return s.Transpose(s.Reshape(y, b, t, n, z.HeadDim), 0, 2, 1, 3)
	}
	return heads(parts[0], z.Heads), heads(parts[1], z.KVHeads), heads(parts[2], z.KVHeads), gate
}
