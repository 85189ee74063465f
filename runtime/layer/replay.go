package layer

import "qimport/runtime/mlx"

// To build a token's graph, and to hand it over one small operation after the other, takes longer than a
// GPU takes to compute it. So there, a block reads single tokens as Functions, which are built once: all
// of a block with a Gated DeltaNet, whose state has one size; of one with attention, what lies before and
// after the look at the keys and values so far, which grow.

// Replayed is one block for one token a sequence.
type Replayed struct {
	attention     *Attention // or nil
	before, after *mlx.Function
	// The same for a single token where kernels of ours look at the keys; nil where they do not.
	tokenBefore, tokenAfter *mlx.Function
}

// Residual is what a block is around its mixer: x + mixer(MixerNorm(x)), then that plus Feed of its norm.
type Residual struct {
	MixerNorm, FeedNorm *Norm
	Feed                interface {
		Added(s *mlx.Scope, n *Norm, x *mlx.Array) *mlx.Array
	}
}

// feed is the second half of the block, for x [B, 1, H].
func (r Residual) feed(s *mlx.Scope, x *mlx.Array) *mlx.Array { return r.Feed.Added(s, r.FeedNorm, x) }

// Replay makes the functions of a block with this mixer.
func (d *DeltaNet) Replay(r Residual) *Replayed {
	return &Replayed{before: &mlx.Function{Build: func(s *mlx.Scope, in []*mlx.Array) []*mlx.Array {
		cache := Cache{Delta: DeltaCache{conv: in[1], state: in[2]}}
		x := d.out.added(s, in[0], d.mixer(1)(s, d.in.normed(s, r.MixerNorm, in[0]), &cache.Delta), nil)
		made := cache.Delta
		return []*mlx.Array{r.feed(s, x), s.Adopt(made.conv), s.Adopt(made.state), s.Adopt(made.decay)}
	}}}
}

// Replay makes the functions of a block with this mixer.
func (a *Attention) Replay(r Residual) *Replayed {
	replayed := &Replayed{
		attention: a,
		before: &mlx.Function{Build: func(s *mlx.Scope, in []*mlx.Array) []*mlx.Array {
			h := a.parts(s, a.in.normed(s, r.MixerNorm, in[0]), func(y *mlx.Array) *mlx.Array { return a.rope.applyAt(s, y, in[1]) })
			if h.gate == nil {
				return []*mlx.Array{h.q, h.k, h.v}
			}
			return []*mlx.Array{h.q, h.k, h.v, h.gate}
		}},
		after: &mlx.Function{Build: func(s *mlx.Scope, in []*mlx.Array) []*mlx.Array {
			gate := in[len(in)-1] // not used where there is none
			return []*mlx.Array{r.feed(s, s.Add(in[0], a.finish(s, in[1], gate)))}
		}},
	}
	if a.fuses() {
		replayed.tokenBefore, replayed.tokenAfter = a.replayToken(r)
	}
	return replayed
}

// Reads says whether the functions can read x [B, T, H]: one token of each sequence, at a position that is
// counted, once the cache holds some of all of them.
func (r *Replayed) Reads(x *mlx.Array, cache *Cache) bool {
	return x.Dim(1) == 1 && cache.Turns == nil && (r.attention != nil || cache.Delta.state != nil && !cache.Padding.after(cache.Delta.read))
}

// Forward runs x [B, 1, H] through the block.
func (r *Replayed) Forward(s *mlx.Scope, x *mlx.Array, cache *Cache) *mlx.Array {
	if r.attention == nil {
		d := &cache.Delta
		out := s.Apply(r.before, x, d.conv, d.state)
		d.carry(s, out[1], out[2], out[3])
		d.read++
		return out[0]
	}
	if r.readsToken(s, x, cache) {
		return r.forwardToken(s, x, cache)
	}
	positions := cache.Padding.positionsOf(s, x.Dim(0), cache.KV.Len()-cache.Shift)
	out := s.Apply(r.before, x, positions)
	h := heads{q: out[0], k: out[1], v: out[2]}
	in := []*mlx.Array{x, r.attention.attend(s, h, cache)}
	return s.Apply(r.after, append(in, out[3:]...)...)[0]
}
