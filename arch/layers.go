package arch

import (
	"fmt"
	"slices"
)

// The parts that families share, cut by mechanism. A prefix such as "layers.3." ends with its dot.

// ends is what stands around the layers: embedding, final norm, head.
func ends(c Config) []Choice {
	needs := []Choice{one("embed_tokens.weight", c.VocabSize, c.HiddenSize), one("norm.weight", c.HiddenSize)}
	if c.Output == HeadOwn {
		needs = append(needs, one("lm_head.weight", c.VocabSize, c.HiddenSize))
	}
	return needs
}

// layers calls layer for each layer's number and prefix.
func layers(c Config, layer func(i int, prefix string) []Choice) []Choice {
	var needs []Choice
	for i := range c.Layers {
		prefix := fmt.Sprintf("layers.%d.", i)
		needs = append(needs, one(prefix+"input_layernorm.weight", c.HiddenSize), one(prefix+"post_attention_layernorm.weight", c.HiddenSize))
		needs = append(needs, layer(i, prefix)...)
	}
	return needs
}

// attention is full attention; gated doubles the rows of q_proj.
func attention(c Config, prefix string, gated bool) []Choice {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	rows := q
	if gated {
		rows = 2 * q
	}
	p := prefix + "self_attn."
	needs := []Choice{
		one(p+"q_proj.weight", rows, c.HiddenSize),
		one(p+"k_proj.weight", kv, c.HiddenSize),
		one(p+"v_proj.weight", kv, c.HiddenSize),
		one(p+"o_proj.weight", c.HiddenSize, q),
		one(p+"q_norm.weight", c.HeadDim),
		one(p+"k_norm.weight", c.HeadDim),
	}
	if c.AttentionBias {
		needs = append(needs, one(p+"q_proj.bias", rows), one(p+"k_proj.bias", kv), one(p+"v_proj.bias", kv), one(p+"o_proj.bias", c.HiddenSize))
	}
	return needs
}

// linearAttention is a gated delta layer. Its input projections come split (Qwen3.5) or fused and
// interleaved by key head (Qwen3-Next); conv1d is [channels, 1, kernel] or, in mlx form,
// [channels, kernel, 1].
func linearAttention(c Config, prefix string) []Choice {
	keys, values := c.LinearKeyHeads*c.LinearKeyHeadDim, c.LinearValueHeads*c.LinearValueHeadDim
	channels := 2*keys + values
	h, nv, p := c.HiddenSize, c.LinearValueHeads, prefix+"linear_attn."
	need := func(name string, shape ...int) Need { return Need{Body: p + name, Shapes: [][]int{shape}} }
	qkvz := Choice{
		{need("in_proj_qkv.weight", channels, h), need("in_proj_z.weight", values, h)},
		{need("in_proj_qkvz.weight", channels+values, h)},
	}
	ba := Choice{
		{need("in_proj_b.weight", nv, h), need("in_proj_a.weight", nv, h)},
		{need("in_proj_ba.weight", 2*nv, h)},
	}
	if c.Family == Qwen3Next { // its own form first, for what is missing is told by the first
		slices.Reverse(qkvz)
		slices.Reverse(ba)
	}
	return []Choice{
		qkvz,
		ba,
		{{{Body: p + "conv1d.weight", Shapes: [][]int{{channels, 1, c.ConvKernel}, {channels, c.ConvKernel, 1}}}}},
		one(p+"A_log", nv),
		one(p+"dt_bias", nv),
		one(p+"norm.weight", c.LinearValueHeadDim),
		one(p+"out_proj.weight", h, values),
	}
}

// mixer is the attention of a hybrid layer: full, gated attention or the gated delta rule.
func mixer(c Config, i int, prefix string) []Choice {
	if c.FullAttention[i] {
		return attention(c, prefix, true)
	}
	return linearAttention(c, prefix)
}

// feedForward is a dense one of that width at prefix, which names the module ("layers.3.mlp.").
func feedForward(c Config, prefix string, width int) []Choice {
	return []Choice{
		one(prefix+"gate_proj.weight", width, c.HiddenSize),
		one(prefix+"up_proj.weight", width, c.HiddenSize),
		one(prefix+"down_proj.weight", c.HiddenSize, width),
	}
}

// experts is a mixture of experts: router, stacks, and the shared expert if the config has one. The
// stacks come fused (release form of Qwen3.5), one a projection (made of single experts) or one a
// projection as switch_mlp (mlx form).
func experts(c Config, prefix string) []Choice {
	e, w, h, p := c.Experts, c.ExpertWidth, c.HiddenSize, prefix+"mlp."
	need := func(name string, shape ...int) Need { return Need{Body: p + name, Shapes: [][]int{shape}} }
	apart := func(stack string) []Need {
		return []Need{
			need(stack+".gate_proj.weight", e, w, h),
			need(stack+".up_proj.weight", e, w, h),
			need(stack+".down_proj.weight", e, h, w),
		}
	}
	needs := []Choice{
		one(p+"gate.weight", e, h),
		{
			{need("experts.gate_up_proj", e, 2*w, h), need("experts.down_proj", e, h, w)},
			apart("experts"),
			apart("switch_mlp"),
		},
	}
	if c.SharedWidth > 0 {
		needs = append(needs, one(p+"shared_expert_gate.weight", 1, h))
		needs = append(needs, feedForward(c, p+"shared_expert.", c.SharedWidth)...)
	}
	return needs
}

// channel is the feed-forward of a layer that may be dense or sparse.
func channel(c Config, i int, prefix string) []Choice {
	if c.SparseLayer[i] {
		return experts(c, prefix)
	}
	return feedForward(c, prefix+"mlp.", c.Intermediate)
}

// mtp is the multi-token-prediction head: one layer of full attention with the body's kind of
// feed-forward, and a projection of two hidden states onto one.
func mtp(c Config) []Choice {
	h := c.HiddenSize
	needs := []Choice{
		one("mtp.fc.weight", h, 2*h),
		one("mtp.pre_fc_norm_embedding.weight", h), one("mtp.pre_fc_norm_hidden.weight", h), one("mtp.norm.weight", h),
		one("mtp.layers.0.input_layernorm.weight", h), one("mtp.layers.0.post_attention_layernorm.weight", h),
	}
	needs = append(needs, attention(c, "mtp.layers.0.", c.Family.Hybrid())...)
	if c.Family.Sparse() {
		return append(needs, experts(c, "mtp.layers.0.")...)
	}
	return append(needs, feedForward(c, "mtp.layers.0.mlp.", c.Intermediate)...)
}
