package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// ErrNoHead marks a model without a multi-token-prediction head.
var ErrNoHead = errors.New("there is no multi-token-prediction head (no tensors mtp.*)")

// mtpPrefix is how the names of the head's tensors begin.
const mtpPrefix = "mtp."

// Predictor is the multi-token-prediction head: for place i it is given the text model's normalised
// state there and the token after it, and says the token after that. Table, rotary positions and output
// map are the text model's.
type Predictor struct {
	embeddingNorm, hiddenNorm, norm *layer.Norm
	join                            *layer.Linear // [H, 2H]: of the embedding, then the state
	block                           Block         // full attention, with a KV cache of its own
	body                            *Decoder
}

// Predictor describes the head of a decoder, computed in the same way. Its norms may be of another form
// than the text model's.
func (ck *Checkpoint) Predictor(d *Decoder) (*Predictor, error) {
	head, err := ck.head()
	if err != nil {
		return nil, err
	}
	b := &builder{Checkpoint: head, compute: d.compute, rotary: d.rotary}
	c := b.Config
	p := &Predictor{
		body:          d,
		embeddingNorm: b.norm("pre_fc_norm_embedding", c.HiddenSize),
		hiddenNorm:    b.norm("pre_fc_norm_hidden", c.HiddenSize),
		norm:          b.norm("norm", c.HiddenSize),
		join:          layer.NewLinear(d.compute, b.matrix("fc", c.HiddenSize, 2*c.HiddenSize)),
		block: Block{
			MixerNorm:       b.norm(at(0, "input_layernorm"), c.HiddenSize),
			Mixer:           b.attention(0, c.Family.Hybrid()),
			FeedForwardNorm: b.norm(at(0, "post_attention_layernorm"), c.HiddenSize),
		},
	}
	if c.Family.Sparse() {
		p.block.FeedForward = b.mixture(0)
	} else {
		p.block.FeedForward = b.mlp(at(0, "mlp"), c.Intermediate)
	}
	for _, name := range slices.Sorted(maps.Keys(head.names)) {
		if name == "embed_tokens.weight" || name == "lm_head.weight" || strings.HasPrefix(name, "layers.1.") {
			b.fail("tensor %s: a head with more than one layer, or with a table or output map of its own, is not run", head.names[name])
		}
	}
	if err := b.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// head is the checkpoint of the head's tensors alone, by their names within it.
func (ck *Checkpoint) head() (*Checkpoint, error) {
	head := *ck
	head.prefix, head.names, head.form = mtpPrefix, map[string]string{}, ck.weights.HeadForm()
	for body, name := range ck.names {
		if within, ok := strings.CutPrefix(body, mtpPrefix); ok {
			head.names[within] = name
		}
	}
	switch {
	case len(head.names) == 0:
		return nil, ErrNoHead
	case ck.Config.Family.Hybrid() && head.form == arch.NormsPlain:
		return nil, fmt.Errorf("%w: the norms of the multi-token-prediction head are neither around 0 nor around 1: it cannot be told whether they lack the 1 that conversions add", ErrTensors)
	}
	return &head, nil
}

// Params lists the arrays that the head has besides the text model's.
func (p *Predictor) Params() []*layer.Param {
	all := slices.Concat(p.embeddingNorm.Params(), p.hiddenNorm.Params(), p.norm.Params(), p.join.Params())
	b := p.block
	return append(all, slices.Concat(b.MixerNorm.Params(), b.Mixer.Params(), b.FeedForwardNorm.Params(), b.FeedForward.Params())...)
}

// Mapped lists what of the head is multiplied by where it lies.
func (p *Predictor) Mapped() []*layer.Mapped {
	return slices.Concat(p.join.Mapped(), p.block.Mixer.Mapped(), p.block.FeedForward.Mapped())
}

// Products lists all products with packed rows.
func (p *Predictor) Products() []layer.Product {
	return slices.Concat(p.join.Products(), p.block.Mixer.Products(), p.block.FeedForward.Products())
}

// Hidden runs the head over places that follow those of the cache: states [1, T, H] of the text model,
// or of the head itself where it drafts on, and the ids [1, T] of the token after each. The states
// [1, T, H] that come of it are what the text model's Logits takes. The positions of sight are those of
// the states, its pictures stand among the ids.
func (p *Predictor) Hidden(s *mlx.Scope, ids, states *mlx.Array, cache *layer.Cache, sight Sight) *mlx.Array {
	sight.prepare(cache)
	return s.Only(func(s *mlx.Scope) *mlx.Array {
		embedded := p.embeddingNorm.Apply(s, p.body.Embed(s, ids, sight))
		x := p.join.Apply(s, s.Concatenate(-1, embedded, p.hiddenNorm.Apply(s, states)))
		return p.norm.Apply(s, p.block.feed(s, p.block.mix(s, x, cache)))
	})
}
