package layer

import (
	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// A token's way through a block is some twenty operations, of which the products take most of the time. To
// hand them to MLX's graph one by one takes a third as long again: its threads wait for each other at every
// one. So on a CPU, where the products are ours, all of a block with a Gated DeltaNet is one operation for
// single tokens; of one with attention, what lies before and after the look at keys and values. They are the
// same functions, in the same order. Where all sequences have as many tokens, all blocks are one: see through.go.

// Chained is one block for one token a sequence.
type Chained struct {
	mixerNorm, feedNorm *Norm
	mixer, feed         any // *DeltaNet or *Attention; *MLP or *MoE
	before, after       *chain
}

// NewChained describes the block x + mixer(norm(x)), then that plus feed(norm(that)); nil where it takes more
// than functions of our own.
func NewChained(mixerNorm *Norm, mixer any, feedNorm *Norm, feed any) *Chained {
	if kernel.AddEntry() == nil || !mixerNorm.fused || !feedNorm.fused || !chainsFeed(feed) || !chainsMixer(mixer) {
		return nil
	}
	return &Chained{mixerNorm: mixerNorm, feedNorm: feedNorm, mixer: mixer, feed: feed}
}

func chainsMixer(mixer any) bool {
	switch m := mixer.(type) {
	case *DeltaNet:
		return m.in.chains() && m.out.chains() && m.steps(1)
	case *Attention:
		return m.in.chains() && m.out.chains()
	}
	return false
}

func chainsFeed(feed any) bool {
	switch m := feed.(type) {
	case *MLP:
		return m.gateUp.chains() && m.down.chains()
	case *MoE:
		experts := m.gateUp.mapped
		return experts != nil && m.down.mapped != nil && len(experts.matrix.Experts) <= kernel.MostExperts && m.router.chains() &&
			m.gateUp.compute.WrongRows == 0 && (m.shared == nil || m.sharedOn.chains() && chainsFeed(m.shared))
	}
	return false
}

// open makes the chains, once the products are there.
func (b *Chained) open() {
	switch m := b.mixer.(type) {
	case *DeltaNet:
		b.before = b.openDelta(m)
	case *Attention:
		b.openAttention(m)
	}
}

// width is that of a row of the block's input.
func (b *Chained) width() int { return b.mixerNorm.weight.Shape[0] }

// openDelta chains all of the block. After x, a call gives it conv and state.
func (b *Chained) openDelta(d *DeltaNet) *chain {
	c := newChain(b.width())
	conv, state := c.Input(), c.Input()
	in := c.linear(d.in, c.norm(b.mixerNorm, c.x))
	k := d.kernel()
	widths := append([]int{d.sizes.ValueWidth()}, d.sizes.carried()...)
	made := c.Call(k.Entry(), nil, widths, in, conv, state, c.weight(d.conv), c.weight(d.rate), c.weight(d.bias),
		c.weight(d.norm.weight), c.Settings(k.Sizes()))
	x := c.add(b.width(), c.x, c.linear(d.out, made[0]))
	c.Open(b.feedForward(c, x), made[1], made[2], made[3])
	return c
}

// carried are the elements a sequence of conv, state and decay.
func (z DeltaSizes) carried() []int {
	return []int{(z.Kernel - 1) * z.ConvDim(), z.ValueWidth() * z.KeyDim, z.ValueHeads}
}

func (b *Chained) feedForward(c *chain, x kernel.Value) kernel.Value {
	return c.feed(b.width(), b.feedNorm, b.feed, x)
}

// openAttention chains what lies before the look at keys and values, and after it. After x, a call gives the
// second what was seen, and the gate if there is one.
func (b *Chained) openAttention(a *Attention) {
	b.before = newChain(b.width())
	b.before.Open(b.before.linear(a.in, b.before.norm(b.mixerNorm, b.before.x)))
	c, width := newChain(b.width()), a.sizes.Heads*a.sizes.HeadDim
	seen := c.Input()
	if a.gated {
		seen = c.Call(kernel.GateEntry(), nil, []int{width}, seen, c.Input(), c.Settings(kernel.ActivationSizes(width, 0)))[0]
	}
	c.Open(b.feedForward(c, c.add(b.width(), c.x, c.linear(a.out, seen))))
	b.after = c
}

// Reads says whether the chains can read x [B, T, H] now: one token of each sequence, whose ways nobody
// watches.
func (b *Chained) Reads(x *mlx.Array, cache *Cache) bool {
	if x.Dim(1) != 1 || x.Dtype() != quant.F32 || cache.Trail {
		return false
	}
	if b.before == nil {
		b.open()
	}
	if b.before.watched() || b.after.watched() {
		return false
	}
	_, delta := b.mixer.(*DeltaNet)
	return !delta || !cache.Padding.after(cache.Delta.read)
}

// Forward runs x [B, 1, H] through the block.
func (b *Chained) Forward(s *mlx.Scope, x *mlx.Array, cache *Cache) *mlx.Array {
	if d, ok := b.mixer.(*DeltaNet); ok {
		return b.throughDelta(s, d, x, &cache.Delta)
	}
	return b.throughAttention(s, b.mixer.(*Attention), x, cache)
}

func (b *Chained) throughDelta(s *mlx.Scope, d *DeltaNet, x *mlx.Array, cache *DeltaCache) *mlx.Array {
	d.begin(s, cache, x.Dim(0))
	out := b.before.call(s, d.stepOutputs(x.Shape(), cache), x, cache.conv, cache.state)
	cache.carry(s, out[1], out[2], out[3])
	cache.read++
	return out[0]
}

func (b *Chained) throughAttention(s *mlx.Scope, a *Attention, x *mlx.Array, cache *Cache) *mlx.Array {
	in := b.before.call(s, []mlx.Output{{Shape: []int{x.Dim(0), 1, a.in.mapped.matrix.Out}}}, x)[0]
	h := a.parts(s, in, func(y *mlx.Array) *mlx.Array { return a.rotate(s, y, cache) })
	o := s.Reshape(a.attend(s, h, cache), x.Dim(0), 1, a.sizes.Heads*a.sizes.HeadDim)
	given := []*mlx.Array{x, o}
	if a.gated {
		given = append(given, h.gate)
	}
	return b.after.call(s, []mlx.Output{{Shape: x.Shape()}}, given...)[0]
}

// Close frees the chains. It may be called more than once.
func (b *Chained) Close() {
	for _, c := range []*chain{b.before, b.after} {
		if c != nil {
			c.Close()
		}
	}
	b.before, b.after = nil, nil
}
