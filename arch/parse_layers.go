package arch

import "slices"

// The kinds of layers, as layer_types names them.
const (
	kindFull   = "full_attention"
	kindLinear = "linear_attention"
)

// readAttention reads the heads, which layers have full attention, and the sizes of linear attention
// where there are any such layers.
func (c *Config) readAttention(s section) {
	c.Heads = s.size("num_attention_heads", maxHeads)
	c.KVHeads = s.size("num_key_value_heads", maxHeads)
	s.divides("num_key_value_heads", c.KVHeads, "num_attention_heads", c.Heads)
	c.HeadDim, c.HeadDimUnsaid = c.defaultHeadDim(), !s.has("head_dim")
	c.HeadDim = s.sizeOr("head_dim", c.HeadDim, maxHeadDim)
	c.AttentionBias = s.flag("attention_bias", false)
	c.refuseAttention(s)
	c.readLayerTypes(s)
	if slices.Contains(c.FullAttention, false) {
		c.LinearKeyHeads, c.LinearValueHeads = s.size("linear_num_key_heads", maxHeads), s.size("linear_num_value_heads", maxHeads)
		c.LinearKeyHeadDim, c.LinearValueHeadDim = s.size("linear_key_head_dim", maxHeadDim), s.size("linear_value_head_dim", maxHeadDim)
		c.ConvKernel = s.size("linear_conv_kernel_dim", maxKernel)
		s.divides("linear_num_key_heads", c.LinearKeyHeads, "linear_num_value_heads", c.LinearValueHeads)
	}
}

// defaultHeadDim is head_dim of the family's config class in transformers. Qwen3MoeConfig and
// Qwen3VLMoeTextConfig have none, where their attention divides.
func (c *Config) defaultHeadDim() int {
	switch c.Family {
	case Qwen3, Qwen3VL:
		return 128
	case Qwen3MoE, Qwen3VLMoE:
		return max(c.HiddenSize/max(c.Heads, 1), 1)
	}
	return 256
}

// refuseAttention names what other runtimes know of attention, and the graphs here do not.
func (c *Config) refuseAttention(s section) {
	if s.flag("use_sliding_window", false) {
		s.unsupported("use_sliding_window is true: sliding attention is not supported")
	}
	// transformers reads neither key, others do: the graphs have the gate by family, and SiLU in the
	// norm of linear attention
	if gated := s.flag("attn_output_gate", c.Family.Hybrid()); gated != c.Family.Hybrid() {
		s.unsupported("attn_output_gate %t is not supported in %s", gated, c.Family)
	}
	if act := s.word("output_gate_type", "swish"); act != "swish" && act != "silu" {
		s.unsupported("output_gate_type %q is not supported; supported: swish", act)
	}
}

// readLayerTypes says which layers have full attention: layer_types, else all of them or, in hybrid
// families, each full_attention_interval-th.
func (c *Config) readLayerTypes(s section) {
	c.FullAttention = slices.Repeat([]bool{true}, c.Layers)
	var types []string
	if s.read("layer_types", &types, "a list of names") {
		c.takeLayerTypes(s, types)
		return
	}
	if !c.Family.Hybrid() {
		return
	}
	interval := s.sizeOr("full_attention_interval", defaultInterval, maxLayers)
	for i := range c.FullAttention {
		c.FullAttention[i] = (i+1)%interval == 0
	}
}

func (c *Config) takeLayerTypes(s section, types []string) {
	if c.Layers > 0 && len(types) != c.Layers {
		s.bad("layer_types has %d entries, num_hidden_layers is %d", len(types), c.Layers)
	}
	known := []string{kindFull}
	if c.Family.Hybrid() {
		known = append(known, kindLinear)
	}
	for i, kind := range types {
		if !slices.Contains(known, kind) {
			s.unsupported("layer_types[%d] %q is not supported in %s; supported: %s", i, kind, c.Family, known)
			return // the first tells enough
		}
		if i < c.Layers {
			c.FullAttention[i] = kind == kindFull
		}
	}
}

// readFeedForward reads the dense width, the sizes of the experts, or both where layers differ.
func (c *Config) readFeedForward(s section) {
	if c.Family.Sparse() {
		c.readExperts(s)
	}
	if c.SparseLayer == nil || slices.Contains(c.SparseLayer, false) {
		c.Intermediate = s.size("intermediate_size", maxWidth)
	}
}

func (c *Config) readExperts(s section) {
	key := "num_experts"
	if local := "num_local_experts"; s.has(local) { // as transformers 5 may save Qwen3-MoE
		if s.has(key) && string(s.values[key]) != string(s.values[local]) {
			s.bad("%s is %.40s, but %s %.40s", key, s.values[key], local, s.values[local])
		}
		key = local
	}
	c.Experts = s.size(key, maxExperts)
	c.TopK = s.size("num_experts_per_tok", maxExperts)
	if c.Experts > 0 && c.TopK > c.Experts {
		s.bad("num_experts_per_tok is %d, %s only %d", c.TopK, key, c.Experts)
	}
	c.ExpertWidth = s.size("moe_intermediate_size", maxWidth)
	if c.Family != Qwen3MoE && c.Family != Qwen3VLMoE {
		c.SharedWidth = s.size("shared_expert_intermediate_size", maxWidth)
	}
	// transformers' defaults: false in Qwen3MoeConfig, true in Qwen3NextConfig. The routers of Qwen3.5
	// (Qwen3_5MoeTopKRouter) and of Qwen3-VL (Qwen3VLMoeTextTopKRouter) know no such key and always divide.
	c.NormalizeTopK = s.flag("norm_topk_prob", c.Family != Qwen3MoE) || c.Family == Qwen35MoE || c.Family == Qwen3VLMoE
	c.readSparseLayers(s)
}

// readSparseLayers says which layers have experts. Qwen3.5 has them in every layer; the older
// families except mlp_only_layers and all but each decoder_sparse_step-th.
func (c *Config) readSparseLayers(s section) {
	c.SparseLayer = slices.Repeat([]bool{true}, c.Layers)
	if c.Family == Qwen35MoE {
		return
	}
	step := s.sizeOr("decoder_sparse_step", defaultSparseStep, maxLayers)
	for i := range c.SparseLayer {
		c.SparseLayer[i] = (i+1)%step == 0
	}
	var dense []int
	s.read("mlp_only_layers", &dense, "a list of layers")
	for _, i := range dense {
		if i >= 0 && i < c.Layers {
			c.SparseLayer[i] = false
		}
	}
}
