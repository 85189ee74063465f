package model

import "qimport/runtime/layer"

// Qwen3 dense, and the text model of Qwen3-VL: attention without an output gate in every layer, plain norms, a dense SwiGLU.

func (b *builder) qwen3Block(i int) Block {
	return Block{
		MixerNorm:       b.norm(at(i, "input_layernorm"), b.Config.HiddenSize),
		Mixer:           b.attention(i, false),
		FeedForwardNorm: b.norm(at(i, "post_attention_layernorm"), b.Config.HiddenSize),
		FeedForward:     b.mlp(at(i, "mlp"), b.Config.Intermediate),
	}
}

// attention is the full-attention mixer of layer i. With gated, q_proj has for every head the rows
// of its query and then those of its output gate.
func (b *builder) attention(i int, gated bool) Mixer {
	c := b.Config
	path := func(name string) string { return at(i, "self_attn.%s", name) }
	wide, narrow := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	query := wide
	if gated {
		query *= 2
	}
	sizes := layer.AttentionSizes{Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim}
	return layer.NewAttention(b.compute, sizes, layer.AttentionWeights{
		Query:     b.matrix(path("q_proj"), query, c.HiddenSize),
		Key:       b.matrix(path("k_proj"), narrow, c.HiddenSize),
		Value:     b.matrix(path("v_proj"), narrow, c.HiddenSize),
		Out:       b.matrix(path("o_proj"), c.HiddenSize, wide),
		QueryBias: b.bias(path("q_proj"), query),
		KeyBias:   b.bias(path("k_proj"), narrow),
		ValueBias: b.bias(path("v_proj"), narrow),
		OutBias:   b.bias(path("o_proj"), c.HiddenSize),
		QueryNorm: b.headNorm(path("q_norm"), c.HeadDim),
		KeyNorm:   b.headNorm(path("k_norm"), c.HeadDim),
		Rotary:    b.rotary,
	})
}

// mlp is the SwiGLU under path, with inner units.
func (b *builder) mlp(path string, inner int) *layer.MLP {
	h := b.Config.HiddenSize
	return layer.NewMLP(b.compute,
		b.matrix(path+".gate_proj", inner, h),
		b.matrix(path+".up_proj", inner, h),
		b.matrix(path+".down_proj", h, inner))
}
