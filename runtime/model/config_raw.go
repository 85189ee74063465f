package model

import (
	"errors"
	"fmt"
	"slices"

	"qimport/runtime/layer"
)

// rawConfig is config.json as written: the text model's keys either nested or at the top.
type rawConfig struct {
	rawText
	Text *rawText `json:"text_config"`
}

// rawText holds the keys of the text model. Pointers tell a missing key from a zero.
type rawText struct {
	ModelType          string   `json:"model_type"`
	VocabSize          *int     `json:"vocab_size"`
	HiddenSize         *int     `json:"hidden_size"`
	IntermediateSize   *int     `json:"intermediate_size"`
	Layers             *int     `json:"num_hidden_layers"`
	Heads              *int     `json:"num_attention_heads"`
	KVHeads            *int     `json:"num_key_value_heads"`
	HeadDim            *int     `json:"head_dim"`
	NormEps            *float64 `json:"rms_norm_eps"`
	Activation         string   `json:"hidden_act"`
	AttentionBias      bool     `json:"attention_bias"`
	MaxPositions       *int     `json:"max_position_embeddings"`
	Tie                *bool    `json:"tie_word_embeddings"`
	UseSlidingWindow   bool     `json:"use_sliding_window"`
	LayerTypes         []string `json:"layer_types"`
	FullInterval       *int     `json:"full_attention_interval"`
	LinearKeyHeads     *int     `json:"linear_num_key_heads"`
	LinearValueHeads   *int     `json:"linear_num_value_heads"`
	LinearKeyDim       *int     `json:"linear_key_head_dim"`
	LinearValueDim     *int     `json:"linear_value_head_dim"`
	ConvKernel         *int     `json:"linear_conv_kernel_dim"`
	Experts            *int     `json:"num_experts"`
	LocalExperts       *int     `json:"num_local_experts"`
	TopK               *int     `json:"num_experts_per_tok"`
	ExpertIntermediate *int     `json:"moe_intermediate_size"`
	SharedIntermediate *int     `json:"shared_expert_intermediate_size"`
	NormTopK           *bool    `json:"norm_topk_prob"`
	SparseStep         *int     `json:"decoder_sparse_step"`
	DenseLayers        []int    `json:"mlp_only_layers"`
	rawPositions
}

// sizes collects what is wrong with the numbers of a config.
type sizes struct{ findings []error }

func (s *sizes) fail(format string, args ...any) {
	s.findings = append(s.findings, fmt.Errorf(format, args...))
}

// maxSize is beyond any size of a model, and small enough that two of them multiply; maxLayers and
// maxExperts likewise, of what is made one by one.
const (
	maxSize    = 1 << 30
	maxLayers  = 1 << 12
	maxExperts = 1 << 14
)

// need returns a size above zero, or notes the key that lacks one.
func (s *sizes) need(key string, v *int) int { return s.upTo(maxSize, key, v) }

func (s *sizes) upTo(limit int, key string, v *int) int {
	switch {
	case v == nil:
		s.fail("%s is missing", key)
	case *v <= 0 || *v > limit:
		s.fail("%s is %d; it must be from 1 to %d", key, *v, limit)
	default:
		return *v
	}
	return 1
}

func (s *sizes) divides(aKey string, a int, bKey string, b int) {
	if b%a != 0 {
		s.fail("%s is %d, which %s, %d, does not divide", bKey, b, aKey, a)
	}
}

// config checks the raw keys and gives them their meaning in that family.
func (r rawText) config(f Family) (Config, error) {
	var s sizes
	c := Config{
		Family:     f,
		VocabSize:  s.need("vocab_size", r.VocabSize),
		HiddenSize: s.need("hidden_size", r.HiddenSize),
		Layers:     s.upTo(maxLayers, "num_hidden_layers", r.Layers),
		Heads:      s.need("num_attention_heads", r.Heads),
		KVHeads:    s.need("num_key_value_heads", r.KVHeads),
		NormEps:    1e-6,

		MaxPositions:  s.need("max_position_embeddings", r.MaxPositions),
		TieEmbeddings: r.Tie != nil && *r.Tie,
		AttentionBias: r.AttentionBias,
	}
	c.HeadDim = c.HiddenSize / c.Heads // only where head_dim is absent
	if r.HeadDim != nil {
		c.HeadDim = s.need("head_dim", r.HeadDim)
	}
	if r.NormEps != nil {
		c.NormEps = float32(*r.NormEps)
	}
	s.divides("num_key_value_heads", c.KVHeads, "num_attention_heads", c.Heads)
	if r.Activation != "" && r.Activation != "silu" {
		s.fail("hidden_act is %q; only silu is known", r.Activation)
	}
	if r.UseSlidingWindow {
		s.fail("use_sliding_window is true; sliding attention is not supported")
	}
	c.RoPE = r.rope(&s, f, c.HeadDim)
	c.Linear = r.layerKinds(&s, f, c.Layers)
	if f.hybrid() && slices.Contains(c.Linear, true) {
		c.Delta = r.delta(&s)
	}
	r.feedForward(&s, &c)
	return c, errors.Join(s.findings...)
}

// layerKinds says which layers are Gated DeltaNet: layer_types, else every layer but each n-th.
func (r rawText) layerKinds(s *sizes, f Family, n int) []bool {
	linear := make([]bool, n)
	switch {
	case !f.hybrid():
		for i, kind := range r.LayerTypes {
			if kind != "full_attention" {
				s.fail("layer_types[%d] is %q; %s has full_attention only", i, kind, f)
			}
		}
	case len(r.LayerTypes) == n:
		for i, kind := range r.LayerTypes {
			linear[i] = kind == "linear_attention"
			if !linear[i] && kind != "full_attention" {
				s.fail("layer_types[%d] is %q; known are linear_attention and full_attention", i, kind)
			}
		}
	case r.LayerTypes != nil:
		s.fail("layer_types has %d entries, num_hidden_layers is %d", len(r.LayerTypes), n)
	default:
		every := s.need("full_attention_interval", r.FullInterval)
		for i := range linear {
			linear[i] = (i+1)%every != 0
		}
	}
	return linear
}

// delta reads the sizes of the Gated DeltaNet layers.
func (r rawText) delta(s *sizes) layer.DeltaSizes {
	d := layer.DeltaSizes{
		KeyHeads:   s.need("linear_num_key_heads", r.LinearKeyHeads),
		ValueHeads: s.need("linear_num_value_heads", r.LinearValueHeads),
		KeyDim:     s.need("linear_key_head_dim", r.LinearKeyDim),
		ValueDim:   s.need("linear_value_head_dim", r.LinearValueDim),
		Kernel:     s.need("linear_conv_kernel_dim", r.ConvKernel),
	}
	s.divides("linear_num_key_heads", d.KeyHeads, "linear_num_value_heads", d.ValueHeads)
	return d
}

// feedForward reads the dense size, the mixture's sizes, or both where layers differ.
func (r rawText) feedForward(s *sizes, c *Config) {
	if !c.Family.mixture() {
		c.IntermediateSize = s.need("intermediate_size", r.IntermediateSize)
		return
	}
	experts := r.Experts
	if experts == nil {
		experts = r.LocalExperts
	}
	m := MoE{
		Experts:      s.upTo(maxExperts, "num_experts", experts),
		TopK:         s.need("num_experts_per_tok", r.TopK),
		Intermediate: s.need("moe_intermediate_size", r.ExpertIntermediate),
		Normalise:    c.Family != Qwen3MoE, // transformers' default where the key is absent
		sparseStep:   1,
	}
	if m.TopK > m.Experts {
		s.fail("num_experts_per_tok is %d, num_experts only %d", m.TopK, m.Experts)
	}
	if r.NormTopK != nil {
		m.Normalise = *r.NormTopK
	}
	if c.Family != Qwen3MoE {
		m.SharedIntermediate = s.need("shared_expert_intermediate_size", r.SharedIntermediate)
	}
	if c.Family != Qwen35MoE { // there every layer is sparse
		m.denseLayers = r.DenseLayers
		if r.SparseStep != nil {
			m.sparseStep = s.need("decoder_sparse_step", r.SparseStep)
		}
	}
	for i := range c.Layers {
		if !m.Sparse(i) {
			c.IntermediateSize = s.need("intermediate_size", r.IntermediateSize)
			break
		}
	}
	c.MoE = m
}
