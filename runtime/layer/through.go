package layer

import (
	"slices"

	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// Through is all blocks of a model for one token a sequence as one operation of a CPU's graph: the chains of
// the blocks, chained. With an operation for each block, a quarter of a small model's time went into making
// and handing over the graph.
type Through struct {
	blocks []*Chained
	rope   *Rotary // that of all layers with attention; nil where there are none
	heads  []*chain
	all    *chain
}

// NewThrough describes them; nil where a block is not chained, or looks at positions in its own way.
func NewThrough(blocks []*Chained) *Through {
	t := &Through{blocks: blocks}
	for _, b := range blocks {
		if b == nil {
			return nil
		}
		if a, ok := b.mixer.(*Attention); ok {
			if !a.qNorm.fused || !a.kNorm.fused || t.rope != nil && t.rope != a.rope || a.step().Entry() == nil {
				return nil
			}
			t.rope = a.rope
		}
	}
	if len(blocks) == 0 || len(blocks)*4 > kernel.MostValues {
		return nil
	}
	return t
}

// step is what an Attention does between its projections for one token.
func (a *Attention) step() kernel.Attend {
	z := a.sizes
	return kernel.Attend{Heads: z.Heads, KVHeads: z.KVHeads, HeadDim: z.HeadDim, Turned: a.rope.rope.Dims, Gated: a.gated, Eps: a.qNorm.eps}
}

// Reads says whether the blocks can read x [B, T, H] now: one token of each sequence, all sequences as long,
// whose ways nobody watches.
func (t *Through) Reads(x *mlx.Array, caches []Cache) bool {
	for i, b := range t.blocks {
		c := &caches[i]
		if c.Padding.any() || !b.Reads(x, c) {
			return false
		}
		if kept, ok := c.KV.Dtype(); ok && kept != quant.F32 {
			return false
		}
	}
	return true
}

// open makes the chains, once the products are there.
func (t *Through) open() {
	t.all = newChain(t.blocks[0].width())
	turns, length := t.all.Input(), t.all.Input()
	given := make([][]kernel.Value, len(t.blocks)) // what a call gives each block besides x
	for i := range t.blocks {
		given[i] = []kernel.Value{t.all.Input(), t.all.Input()} // conv and state, or keys and values
	}
	x, outputs := t.all.x, []kernel.Value{}
	for i, b := range t.blocks {
		c, widths := b.before, []int{b.width(), 0, 0} // the size of keys and values is not known, and nobody asks for it
		if a, ok := b.mixer.(*Attention); ok {
			c = b.openWhole(a)
			t.heads = append(t.heads, c)
			given[i] = append(given[i], turns, length)
		} else {
			widths = append(widths[:1], b.mixer.(*DeltaNet).sizes.carried()...)
		}
		in := append([]kernel.Value{x}, given[i]...)
		for _, p := range c.inputs {
			in = append(in, t.all.weight(p))
		}
		f, argument := c.Entry()
		made := t.all.Call(f, argument, widths, in...)
		x, outputs = made[0], append(outputs, made[1:]...)
	}
	t.all.Open(append([]kernel.Value{x}, outputs...)...)
}

// openWhole chains all of a block with attention. After x, a call gives it keys, values, turns and length.
func (b *Chained) openWhole(a *Attention) *chain {
	c, step := newChain(b.width()), a.step()
	keys, values, turns, length := c.Input(), c.Input(), c.Input(), c.Input()
	in := c.linear(a.in, c.norm(b.mixerNorm, c.x))
	width := a.sizes.Heads * a.sizes.HeadDim
	made := c.Call(step.Entry(), nil, []int{width, 0, 0}, in, keys, values, c.weight(a.qNorm.weight), c.weight(a.kNorm.weight),
		turns, length, c.Settings(step.Sizes()))
	c.Open(b.feedForward(c, c.add(b.width(), c.x, c.linear(a.out, made[0]))), made[1], made[2])
	return c
}

// Forward runs x [B, 1, H] through all blocks.
func (t *Through) Forward(s *mlx.Scope, x *mlx.Array, caches []Cache) *mlx.Array {
	if t.all == nil {
		t.open()
	}
	turns, length := t.turns(s, caches)
	in, outputs := []*mlx.Array{x, turns, length}, []mlx.Output{{Shape: x.Shape()}}
	for i, b := range t.blocks {
		c := &caches[i]
		first := len(in)
		if d, ok := b.mixer.(*DeltaNet); ok {
			d.begin(s, &c.Delta, x.Dim(0))
			in = append(in, c.Delta.conv, c.Delta.state)
			outputs = append(outputs, d.carriedOutputs(x.Dim(0), &c.Delta, first+2)...)
			continue
		}
		b.mixer.(*Attention).reserve(s, &c.KV, x.Dim(0))
		in = append(in, c.KV.keys, c.KV.values)
		outputs = append(outputs, mlx.Output{Shape: c.KV.keys.Shape(), Over: first + 1}, mlx.Output{Shape: c.KV.values.Shape(), Over: first + 2})
	}
	made := t.all.call(s, outputs, in...)
	t.carry(s, made[1:], caches)
	return made[0]
}

// carry lets the caches own what was made of them.
func (t *Through) carry(s *mlx.Scope, made []*mlx.Array, caches []Cache) {
	for i, b := range t.blocks {
		c := &caches[i]
		if _, ok := b.mixer.(*DeltaNet); ok {
			c.Delta.carry(s, made[0], made[1], made[2])
			c.Delta.read++
			made = made[3:]
			continue
		}
		replace(s, &c.KV.keys, made[0])
		replace(s, &c.KV.values, made[1])
		c.KV.length++
		made = made[2:]
	}
}

// turns are the cosines and sines of the position of the token that comes next, and length the places before
// it: what the rotation makes of pairs (1, 0).
func (t *Through) turns(s *mlx.Scope, caches []Cache) (turns, length *mlx.Array) {
	for i, b := range t.blocks {
		if a, ok := b.mixer.(*Attention); ok {
			dims := t.rope.rope.Dims
			unit := slices.Concat(slices.Repeat([]float32{1}, dims/2), make([]float32, dims/2))
			return a.rotate(s, s.FromFloat32(unit, 1, 1, 1, dims), &caches[i]), s.FromInt32([]int32{int32(caches[i].KV.Len())}, 1)
		}
	}
	return s.FromFloat32([]float32{0}, 1), s.FromInt32([]int32{0}, 1)
}

// reserve makes room for one more position of b sequences.
func (a *Attention) reserve(s *mlx.Scope, c *KVCache, b int) {
	z := a.sizes
	for _, buffer := range []**mlx.Array{&c.keys, &c.values} {
		reserve(s, buffer, quant.F32, b, z.KVHeads, c.length, c.length+1, z.HeadDim)
	}
}

// Close frees the chains. It may be called more than once; they are made again when they are used.
func (t *Through) Close() {
	if t == nil || t.all == nil {
		return
	}
	for _, c := range append(t.heads, t.all) {
		c.Close()
	}
	t.heads, t.all = nil, nil
}
