package model

import (
	"qimport/arch"
	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// Mixer is the first half of a block: attention or Gated DeltaNet.
type Mixer interface {
	Params() []*layer.Param
	Mapped() []*layer.Mapped
	Products() []layer.Product
	Forward(s *mlx.Scope, x *mlx.Array, cache *layer.Cache) *mlx.Array // [B, T, H] to [B, T, H]
	Replay(around layer.Residual) *layer.Replayed
}

// FeedForward is the second half of a block: dense or a mixture of experts.
type FeedForward interface {
	Params() []*layer.Param
	Mapped() []*layer.Mapped
	Products() []layer.Product
	Forward(s *mlx.Scope, x *mlx.Array) *mlx.Array // [B, T, H] to [B, T, H]
	// Added is x [B, T, H], a sum of layers, and Forward of its norm.
	Added(s *mlx.Scope, n *layer.Norm, x *mlx.Array) *mlx.Array
}

// Block is one layer: x + Mixer(norm(x)), then that plus FeedForward(norm(that)).
type Block struct {
	MixerNorm, FeedForwardNorm *layer.Norm
	Mixer                      Mixer
	FeedForward                FeedForward
	replayed                   *layer.Replayed // on a GPU, for single tokens; else nil
	chained                    *layer.Chained  // on a CPU, likewise
}

// residual is the block around its mixer.
func (b *Block) residual() layer.Residual {
	return layer.Residual{MixerNorm: b.MixerNorm, FeedNorm: b.FeedForwardNorm, Feed: b.FeedForward}
}

// Decoder is a whole text model. The same for all families, which differ in their blocks.
type Decoder struct {
	Embedding *layer.Embedding
	Blocks    []Block
	Norm      *layer.Norm
	Head      *layer.Linear
	rotary    *layer.Rotary
	compute   layer.Compute
	tied      bool
	through   *layer.Through // on a CPU, for single tokens; nil where blocks go one by one
}

// decoder describes all but the blocks. The head is the embedding if the config ties them, or if
// there is no other.
func (b *builder) decoder() *Decoder {
	c := b.Config
	const head = "lm_head.weight"
	d := &Decoder{
		Norm:   b.norm("norm", c.HiddenSize),
		rotary: b.rotary, compute: b.compute,
		tied: c.Output == arch.HeadTied || !b.has(head),
	}
	table := b.matrix("embed_tokens", c.VocabSize, c.HiddenSize)
	d.Embedding = layer.NewEmbedding(b.compute, table, d.tied)
	if d.tied {
		d.Head = d.Embedding.Head()
	} else {
		d.Head = layer.NewLinear(b.compute, layer.NewMatrix(b.load(head, c.VocabSize, c.HiddenSize)))
	}
	return d
}

// Params lists all arrays of the model, each once.
func (d *Decoder) Params() []*layer.Param {
	all := append(d.Embedding.Params(), d.rotary.Params()...)
	for _, b := range d.Blocks {
		all = append(all, b.MixerNorm.Params()...)
		all = append(all, b.Mixer.Params()...)
		all = append(all, b.FeedForwardNorm.Params()...)
		all = append(all, b.FeedForward.Params()...)
	}
	all = append(all, d.Norm.Params()...)
	if !d.tied {
		all = append(all, d.Head.Params()...)
	}
	return all
}

// Mapped lists all that is multiplied by where it lies, each once.
func (d *Decoder) Mapped() []*layer.Mapped {
	all := d.Embedding.Mapped()
	for _, b := range d.Blocks {
		all = append(all, b.Mixer.Mapped()...)
		all = append(all, b.FeedForward.Mapped()...)
	}
	if !d.tied {
		all = append(all, d.Head.Mapped()...)
	}
	return all
}

// Reopen opens mapped weights of a block anew, over what their tensors are now; those of the embedding and of
// the head have a number that no block has.
func (d *Decoder) Reopen(block int, mapped []*layer.Mapped) error {
	d.through.Close() // it is made again when it is used, as is the block's
	if block >= 0 && block < len(d.Blocks) && d.Blocks[block].chained != nil {
		d.Blocks[block].chained.Close()
	}
	for _, m := range mapped {
		m.Close()
		if err := m.Open(); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of what is mapped, and of what was made of it.
func (d *Decoder) Close() {
	d.through.Close()
	for _, b := range d.Blocks {
		if b.chained != nil {
			b.chained.Close()
		}
	}
	for _, m := range d.Mapped() {
		m.Close()
	}
}

// Products lists all products with packed rows.
func (d *Decoder) Products() []layer.Product {
	var all []layer.Product
	for _, b := range d.Blocks {
		all = append(all, b.Mixer.Products()...)
		all = append(all, b.FeedForward.Products()...)
	}
	return append(all, d.Head.Products()...)
}

// Warm uses what a GPU compiles before its first use. No weight need be there yet.
func (d *Decoder) Warm(s *mlx.Scope) error {
	if err := d.Embedding.Warm(s); err != nil {
		return err
	}
	for _, b := range d.Blocks {
		if mixer, ok := b.Mixer.(interface{ Warm(*mlx.Scope) error }); ok {
			return mixer.Warm(s) // one is as the others
		}
	}
	return nil
}

// Hidden runs token ids [B, T] through the model, from caches, one a block, to the caches T tokens
// on: the normalised states [B, T, H] that Logits takes. Pictures are of a single sequence.
func (d *Decoder) Hidden(s *mlx.Scope, ids *mlx.Array, caches []layer.Cache, sight Sight) *mlx.Array {
	x := d.Embed(s, ids, sight)
	if d.readsThrough(x, caches, sight) {
		return d.Norm.Apply(s, d.through.Forward(s, x, caches))
	}
	for i := range d.Blocks {
		x = d.Block(s, i, x, &caches[i], sight)
	}
	return d.Norm.Apply(s, x)
}

// readsThrough says whether all blocks can read states [B, T, H] as one.
func (d *Decoder) readsThrough(x *mlx.Array, caches []layer.Cache, sight Sight) bool {
	if d.through == nil || len(sight.Spans) > 0 {
		return false
	}
	for i := range caches {
		sight.prepare(&caches[i])
	}
	return d.through.Reads(x, caches)
}

// Embed is the states [B, T, H] that token ids [B, T] and pictures begin with.
func (d *Decoder) Embed(s *mlx.Scope, ids *mlx.Array, sight Sight) *mlx.Array {
	return sight.embed(s, d.Embedding.Lookup(s, ids))
}

// Block runs states [B, T, H] through one block and its cache.
func (d *Decoder) Block(s *mlx.Scope, i int, x *mlx.Array, cache *layer.Cache, sight Sight) *mlx.Array {
	b := &d.Blocks[i]
	sight.prepare(cache)
	if b.replayed != nil && len(sight.Spans) == 0 && b.replayed.Reads(x, cache) {
		return b.replayed.Forward(s, x, cache)
	}
	if b.chained != nil && len(sight.Spans) == 0 && b.chained.Reads(x, cache) {
		return b.chained.Forward(s, x, cache)
	}
	x = b.mix(s, x, cache)
	return s.Only(func(s *mlx.Scope) *mlx.Array { return sight.deepen(s, i, b.feed(s, x)) })
}

// mix is the first half of a block.
func (b Block) mix(s *mlx.Scope, x *mlx.Array, cache *layer.Cache) *mlx.Array {
	return s.Only(func(s *mlx.Scope) *mlx.Array {
		return s.Add(x, b.Mixer.Forward(s, b.MixerNorm.Apply(s, x), cache))
	})
}

// feed is the second half of a block.
func (b Block) feed(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	return s.Only(func(s *mlx.Scope) *mlx.Array {
		return s.Add(x, b.FeedForward.Forward(s, b.FeedForwardNorm.Apply(s, x)))
	})
}

// Turns are the rotary positions of tokens that have a time, a row and a column; see layer.Rotary.
func (d *Decoder) Turns(s *mlx.Scope, positions [][3]int, sections [3]int) *layer.Turns {
	return d.rotary.Turns(s, positions, sections)
}

// Logits maps normalised states [.., H] to float32 logits [.., V]. Entries from the tokenizer's
// size on are padding.
func (d *Decoder) Logits(s *mlx.Scope, hidden *mlx.Array) *mlx.Array {
	return s.AsType(d.Head.Apply(s, hidden), quant.F32)
}
