package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shape is the geometry of a Qwen3.5 model, in the words of its config.
type shape struct {
	Hidden, Intermediate, Layers     int
	Heads, KVHeads, HeadDim          int
	KeyHeads, ValueHeads, LinearHead int // gated delta rule
	Experts, PerToken, ExpertWidth   int // MoE: 0 experts is dense
	Vocab                            int
	Tied                             bool
}

// shapes are released geometries, and one of ten thousand small tensors.
var shapes = map[string]shape{
	"0.8b": {Hidden: 1024, Intermediate: 3584, Layers: 24, Heads: 8, KVHeads: 2, HeadDim: 256,
		KeyHeads: 16, ValueHeads: 16, LinearHead: 128, Vocab: 248320, Tied: true},
	"4b": {Hidden: 2560, Intermediate: 9216, Layers: 32, Heads: 16, KVHeads: 4, HeadDim: 256,
		KeyHeads: 16, ValueHeads: 32, LinearHead: 128, Vocab: 248320, Tied: true},
	"35b-a3b": {Hidden: 2048, Layers: 40, Heads: 16, KVHeads: 2, HeadDim: 256,
		KeyHeads: 16, ValueHeads: 32, LinearHead: 128, Experts: 256, PerToken: 8, ExpertWidth: 512, Vocab: 248320},
	"small-tensors": {Hidden: 128, Intermediate: 256, Layers: 740, Heads: 2, KVHeads: 1, HeadDim: 64,
		KeyHeads: 2, ValueHeads: 2, LinearHead: 64, Vocab: 1088, Tied: true},
}

func shapeNames() string { return strings.Join(slices.Sorted(maps.Keys(shapes)), ", ") }

// tensor is one entry of a checkpoint to be written.
type tensor struct {
	name  string
	shape []int
	dtype string // in safetensors' words; none is BF16
	ramp  bool   // rises from 0.1 to 1 in place of random values around 0
}

func (t tensor) elements() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

func (t tensor) bytes() int64 { return itemBytes[t.kind()] * int64(t.elements()) }

var itemBytes = map[string]int64{"BF16": 2, "F32": 4, "U32": 4, "U8": 1}

func (t tensor) kind() string { return cmp.Or(t.dtype, "BF16") }

// isFull says whether layer i has full attention: every fourth one, as in the releases.
func isFull(i int) bool { return i%4 == 3 }

// tensors lists what a release of this shape holds, in its order: names and shapes of the text
// model, without vision tower and MTP head.
func (s shape) tensors() []tensor {
	const body = "model.language_model."
	list := []tensor{{name: body + "embed_tokens.weight", shape: []int{s.Vocab, s.Hidden}}}
	for i := range s.Layers {
		layer := fmt.Sprintf("%slayers.%d.", body, i)
		list = append(list,
			tensor{name: layer + "input_layernorm.weight", shape: []int{s.Hidden}},
			tensor{name: layer + "post_attention_layernorm.weight", shape: []int{s.Hidden}})
		if isFull(i) {
			list = append(list, s.attention(layer+"self_attn.")...)
		} else {
			list = append(list, s.delta(layer+"linear_attn.")...)
		}
		list = append(list, s.feedForward(layer+"mlp.")...)
	}
	list = append(list, tensor{name: body + "norm.weight", shape: []int{s.Hidden}})
	if !s.Tied {
		list = append(list, tensor{name: "lm_head.weight", shape: []int{s.Vocab, s.Hidden}})
	}
	return list
}

func (s shape) attention(p string) []tensor {
	return []tensor{
		{name: p + "q_proj.weight", shape: []int{2 * s.Heads * s.HeadDim, s.Hidden}},
		{name: p + "k_proj.weight", shape: []int{s.KVHeads * s.HeadDim, s.Hidden}},
		{name: p + "v_proj.weight", shape: []int{s.KVHeads * s.HeadDim, s.Hidden}},
		{name: p + "o_proj.weight", shape: []int{s.Hidden, s.Heads * s.HeadDim}},
		{name: p + "q_norm.weight", shape: []int{s.HeadDim}},
		{name: p + "k_norm.weight", shape: []int{s.HeadDim}},
	}
}

func (s shape) delta(p string) []tensor {
	keys, values := s.KeyHeads*s.LinearHead, s.ValueHeads*s.LinearHead
	return []tensor{
		{name: p + "in_proj_qkv.weight", shape: []int{2*keys + values, s.Hidden}},
		{name: p + "in_proj_z.weight", shape: []int{values, s.Hidden}},
		{name: p + "in_proj_a.weight", shape: []int{s.ValueHeads, s.Hidden}},
		{name: p + "in_proj_b.weight", shape: []int{s.ValueHeads, s.Hidden}},
		{name: p + "conv1d.weight", shape: []int{2*keys + values, 1, 4}},
		{name: p + "A_log", shape: []int{s.ValueHeads}, dtype: "F32", ramp: true},
		{name: p + "dt_bias", shape: []int{s.ValueHeads}},
		{name: p + "norm.weight", shape: []int{s.LinearHead}, dtype: "F32", ramp: true},
		{name: p + "out_proj.weight", shape: []int{s.Hidden, values}},
	}
}

func (s shape) feedForward(p string) []tensor {
	if s.Experts == 0 {
		return swiGLU(p, s.Hidden, s.Intermediate)
	}
	list := []tensor{
		{name: p + "gate.weight", shape: []int{s.Experts, s.Hidden}},
		{name: p + "experts.gate_up_proj", shape: []int{s.Experts, 2 * s.ExpertWidth, s.Hidden}},
		{name: p + "experts.down_proj", shape: []int{s.Experts, s.Hidden, s.ExpertWidth}},
		{name: p + "shared_expert_gate.weight", shape: []int{1, s.Hidden}},
	}
	return append(list, swiGLU(p+"shared_expert.", s.Hidden, s.ExpertWidth)...)
}

func swiGLU(p string, hidden, width int) []tensor {
	return []tensor{
		{name: p + "gate_proj.weight", shape: []int{width, hidden}},
		{name: p + "up_proj.weight", shape: []int{width, hidden}},
		{name: p + "down_proj.weight", shape: []int{hidden, width}},
	}
}

// config is the model's config.json.
func (s shape) config() map[string]any {
	text := map[string]any{
		"model_type": "qwen3_5_text", "dtype": "bfloat16", "hidden_act": "silu",
		"vocab_size": s.Vocab, "hidden_size": s.Hidden, "num_hidden_layers": s.Layers,
		"num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads, "head_dim": s.HeadDim,
		"linear_num_key_heads": s.KeyHeads, "linear_num_value_heads": s.ValueHeads,
		"linear_key_head_dim": s.LinearHead, "linear_value_head_dim": s.LinearHead,
		"linear_conv_kernel_dim": 4, "full_attention_interval": 4, "layer_types": s.layerTypes(),
		"rms_norm_eps": 1e-6, "attention_bias": false, "tie_word_embeddings": s.Tied,
		"max_position_embeddings": 262144, "eos_token_id": 1026,
		"rope_parameters": map[string]any{"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25,
			"mrope_interleaved": true, "mrope_section": []int{11, 11, 10}},
	}
	kind, arch := "qwen3_5", "Qwen3_5ForConditionalGeneration"
	if s.Experts > 0 {
		kind, arch = "qwen3_5_moe", "Qwen3_5MoeForConditionalGeneration"
		text["model_type"] = "qwen3_5_moe_text"
		text["num_experts"], text["num_experts_per_tok"] = s.Experts, s.PerToken
		text["moe_intermediate_size"], text["shared_expert_intermediate_size"] = s.ExpertWidth, s.ExpertWidth
	} else {
		text["intermediate_size"] = s.Intermediate
	}
	return map[string]any{"architectures": []string{arch}, "model_type": kind,
		"tie_word_embeddings": s.Tied, "text_config": text}
}

func (s shape) layerTypes() []string {
	types := make([]string, s.Layers)
	for i := range types {
		types[i] = "linear_attention"
		if isFull(i) {
			types[i] = "full_attention"
		}
	}
	return types
}
