package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/quant"
)

// What is refused, and with which words: file and tensor, what is wrong, what the config said.
func TestOpenDirRefuses(t *testing.T) {
	int4 := func(t *testing.T) *build {
		b := newBuild(t, arch.Qwen3, release)
		b.mlxAll(quant.FormatInt4)
		return b
	}
	q0 := "model.layers.0.self_attn.q_proj"
	for _, c := range []struct {
		name string
		make func(t *testing.T) *build
		want []string
	}{
		// other models
		{"another architecture", change(arch.Qwen3, func(b *build) {
			b.config["model_type"] = "llama"
			b.config["architectures"] = []string{"LlamaForCausalLM"}
		}),
			[]string{"llama", "LlamaForCausalLM", "qwen3_5_moe"}},
		{"a relative", change(arch.Qwen3, func(b *build) { b.config["model_type"] = "qwen3_omni_moe" }), []string{"qwen3_omni_moe", "hears and speaks", "qwen3_next"}},
		// stacks whose inputs may lie one by one
		{"axes that cannot be told apart", change(arch.Qwen3VLMoE, func(b *build) {
			b.text["moe_intermediate_size"] = 128
			for i := range 2 {
				p := fmt.Sprintf("model.language_model.layers.%d.mlp.experts.", i)
				b.arrays[p+"gate_up_proj"], b.arrays[p+"down_proj"] = newArray(quant.BF16, 4, 128, 256), newArray(quant.BF16, 4, 128, 128)
			}
		}), []string{"layers.0.mlp.experts.down_proj", "[4 128 128]", "cannot be told", "save the experts one by one"}},
		{"axes swapped, in FP8, but not those of the scales", change(arch.Qwen3VLMoE, func(b *build) {
			b.config["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{64, 64}}
			b.blockFP8("layers.0.mlp.experts.gate_up_proj", "_scale_inv", quant.BF16, 4, 3, 2)
		}), []string{"layers.0.mlp.experts.gate_up_proj", "blocks of 64x64", "[4 3 2] do not fit"}},
		{"axes swapped, in FP8, blocks not square", change(arch.Qwen3VLMoE, func(b *build) {
			b.config["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{64, 128}}
			b.blockFP8("layers.0.mlp.experts.down_proj", "_scale_inv", quant.BF16, 4, 2, 1)
		}), []string{"layers.0.mlp.experts.down_proj", "[4 96 128], [experts, in, out]", "blocks of 64x128", "cannot be told", "bf16"}},
		{"axes swapped, in FP8, of which it cannot be told", change(arch.Qwen3VLMoE, func(b *build) {
			b.text["moe_intermediate_size"] = 128
			b.config["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{64, 64}}
			for i := range 2 {
				p := fmt.Sprintf("model.language_model.layers.%d.mlp.experts.", i)
				b.arrays[p+"gate_up_proj"], b.arrays[p+"down_proj"] = newArray(quant.BF16, 4, 128, 256), newArray(quant.BF16, 4, 128, 128)
			}
			b.blockFP8("layers.0.mlp.experts.down_proj", "_scale_inv", quant.BF16, 4, 2, 2)
		}), []string{"layers.0.mlp.experts.down_proj", "[4 128 128]", "cannot be told", "save the experts one by one"}},
		{"axes swapped, of Qwen3.5", change(arch.Qwen35MoE, func(b *build) {
			b.arrays["model.language_model.layers.0.mlp.experts.gate_up_proj"] = newArray(quant.BF16, 4, 128, 256)
		}), []string{"layers.0.mlp.experts.gate_up_proj", "[4 128 256]", "[4 256 128]"}},
		{"neither order", change(arch.Qwen3VLMoE, func(b *build) {
			b.arrays["model.language_model.layers.0.mlp.experts.gate_up_proj"] = newArray(quant.BF16, 4, 128, 96)
		}), []string{"layers.0.mlp.experts.gate_up_proj", "[4 128 96]", "[4 192 128]"}},
		{"no model_type", change(arch.Qwen3, func(b *build) { delete(b.config, "model_type") }), []string{`model_type ""`}},
		{"two model_types", change(arch.Qwen35, func(b *build) { b.text["model_type"] = "qwen3_5_moe_text" }), []string{"qwen3_5_moe_text", "text_config"}},
		{"a classifier", change(arch.Qwen3, func(b *build) { b.config["architectures"] = []string{"Qwen3ForSequenceClassification"} }), []string{"Qwen3ForSequenceClassification"}},
		{"size missing", change(arch.Qwen3, func(b *build) { delete(b.config, "vocab_size") }), []string{"config.json", "vocab_size is missing"}},
		{"size negative", change(arch.Qwen3, func(b *build) { b.config["hidden_size"] = -1 }), []string{"hidden_size is -1"}},
		{"size zero", change(arch.Qwen3, func(b *build) { b.config["hidden_size"] = 0 }), []string{"hidden_size is 0"}},
		{"too many layers", change(arch.Qwen3, func(b *build) { b.config["num_hidden_layers"] = 1 << 23 }), []string{"num_hidden_layers"}},
		{"layer_types too short", change(arch.Qwen35, func(b *build) { b.text["layer_types"] = []string{"full_attention"} }), []string{"layer_types"}},
		{"unknown layer type", change(arch.Qwen35, func(b *build) { b.text["layer_types"] = []string{"full_attention", "mamba"} }), []string{"layer_types[1]", "mamba"}},
		{"heads do not divide", change(arch.Qwen35, func(b *build) { b.text["linear_num_key_heads"] = 3 }), []string{"linear_num_value_heads is 4"}},
		{"sliding window", change(arch.Qwen3, func(b *build) { b.config["use_sliding_window"] = true }), []string{"use_sliding_window"}},
		// names and shapes
		{"wrong shape", change(arch.Qwen3, func(b *build) { b.arrays[q0+".weight"] = newArray(quant.BF16, 64, 128) }),
			[]string{"model.safetensors", q0 + ".weight", "[64 128]", "[128 128]"}},
		{"wrong shape for want of head_dim", change(arch.Qwen35, func(b *build) { delete(b.text, "head_dim") }),
			[]string{"self_attn.q_proj.weight has shape [256 128]", "head_dim is missing from config.json, so that 256 is taken, the default of qwen3_5"}},
		{"wrong shape for want of head_dim, packed", change2(int4, func(b *build) { delete(b.config, "head_dim") }),
			[]string{"self_attn.k_proj.weight", "head_dim is missing from config.json, so that 128 is taken, the default of qwen3"}},
		{"wrong shape, no want of head_dim", change(arch.Qwen35, func(b *build) {
			delete(b.text, "head_dim")
			b.arrays["model.language_model.norm.weight"] = newArray(quant.BF16, 64)
		}), []string{"tensor model.language_model.norm.weight has shape [64], the config needs [128] (and"}},
		{"layer too many", change(arch.Qwen3, func(b *build) { b.arrays["model.layers.2.mlp.up_proj.weight"] = newArray(quant.BF16, 1) }),
			[]string{"model.layers.2.mlp.up_proj.weight", "2 layers"}},
		{"one tensor, two spellings", change(arch.Qwen35, func(b *build) { b.arrays["model.layers.0.mlp.up_proj.weight"] = newArray(quant.BF16, 256, 128) }),
			[]string{"model.layers.0.mlp.up_proj.weight", "model.language_model.layers.0.mlp.up_proj.weight", "two spellings"}},
		{"both forms of a projection", change(arch.Qwen35, func(b *build) {
			b.arrays["model.language_model.layers.0.linear_attn.in_proj_ba.weight"] = newArray(quant.BF16, 8, 128)
		}), []string{"in_proj_ba.weight", "second form"}},
		{"name with a control character", change(arch.Qwen3, func(b *build) { b.arrays["a\nb"] = newArray(quant.BF16, 1) }), []string{"model.safetensors", `"a\nb"`}},
		{"name with a path", change(arch.Qwen3, func(b *build) { b.arrays["../a"] = newArray(quant.BF16, 1) }), []string{`"../a"`}},
		{"name without end", change(arch.Qwen3, func(b *build) { b.arrays[strings.Repeat("a", 5000)] = newArray(quant.BF16, 1) }), []string{"5000 bytes"}},
		// MLX
		{"scales missing", change2(int4, func(b *build) { delete(b.arrays, q0+".scales") }), []string{"model.safetensors", q0 + ".weight", "scales are missing"}},
		{"scales and biases missing", change2(int4, func(b *build) { delete(b.arrays, q0+".scales"); delete(b.arrays, q0+".biases") }),
			[]string{q0 + ".weight", "U32", "scales are missing"}},
		{"biases missing", change2(int4, func(b *build) { delete(b.arrays, q0+".biases") }), []string{q0 + ".weight", "biases are missing"}},
		{"weight missing", change2(int4, func(b *build) { delete(b.arrays, q0+".weight") }), []string{q0 + ".weight", "missing, but it has scales"}},
		{"scales of the wrong shape", change2(int4, func(b *build) {
			b.arrays[q0+".scales"] = newArray(quant.BF16, 128, 3)
			b.arrays[q0+".biases"] = newArray(quant.BF16, 128, 3)
		}),
			[]string{q0 + ".weight", "[128 3]", "int4"}},
		{"biases of another shape", change2(int4, func(b *build) { b.arrays[q0+".biases"] = newArray(quant.BF16, 128, 1) }), []string{q0 + ".weight", "must be alike"}},
		{"scales of the wrong dtype", change2(int4, func(b *build) { b.arrays[q0+".scales"] = newArray(quant.I32, 128, 2) }), []string{q0 + ".weight", "I32"}},
		{"config lies about everything", change2(int4, func(b *build) { b.config["quantization"] = map[string]any{"bits": 8, "group_size": 64} }),
			[]string{"lm_head.weight", "top level", "int8", "would fit int4"}},
		{"config lies about a path", change2(int4, func(b *build) { b.entry(q0, map[string]any{"bits": 6, "group_size": 64}) }), []string{q0, "affine:6:64", "would fit int4"}},
		{"config lies about a mode", change2(int4, func(b *build) {
			b.entry("layers.0.self_attn.q_proj", map[string]any{"bits": 4, "group_size": 16, "mode": "nvfp4"})
		}),
			[]string{`layers.0.self_attn.q_proj`, "nvfp4"}},
		{"config says false", change2(int4, func(b *build) { b.entry(q0, false) }), []string{q0, "says false", "has scales"}},
		{"config says quantized", change(arch.Qwen3, func(b *build) {
			b.config["quantization"] = map[string]any{"bits": 4, "group_size": 64, q0: map[string]any{"bits": 8, "group_size": 64}}
		}), []string{q0, "int8", "scales are missing"}},
		{"entries disagree", change2(int4, func(b *build) {
			b.entry("layers.0.self_attn.q_proj", map[string]any{"bits": 4})
			b.entry("language_model.model.layers.0.self_attn.q_proj", map[string]any{"bits": 8})
		}), []string{q0, "disagree"}},
		{"group that MLX has not", change2(int4, func(b *build) { b.config["quantization"] = map[string]any{"bits": 4, "group_size": 16} }), []string{"config.json", "group_size 16", "32, 64 or 128"}},
		{"group that MLX has not, in an entry", change2(int4, func(b *build) { b.entry(q0, map[string]any{"bits": 4, "group_size": 256}) }), []string{q0, "group_size 256"}},
		{"bits that MLX has not", change2(int4, func(b *build) { b.entry(q0, map[string]any{"bits": 1}) }), []string{q0, "1 bits"}},
		{"mode that MLX has not", change2(int4, func(b *build) { b.entry(q0, map[string]any{"mode": "nf4"}) }), []string{q0, "nf4"}},
		{"bits no number", change2(int4, func(b *build) { b.entry(q0, map[string]any{"bits": "four"}) }), []string{q0, "four"}},
		// other makers
		{"GPTQ beside the weight", change(arch.Qwen3, func(b *build) { b.arrays[q0+".qweight"] = newArray(quant.I32, 1) }), []string{q0, "twice", "qweight"}},
		{"bitsandbytes", change(arch.Qwen3, func(b *build) { b.config["quantization_config"] = map[string]any{"quant_method": "bitsandbytes"} }), []string{"bitsandbytes"}},
		{"gpt-oss", change(arch.Qwen3, func(b *build) { b.arrays["model.layers.0.mlp.experts.gate_up_proj_blocks"] = newArray(quant.U8, 1) }), []string{"gpt-oss"}},
		{"e5m2", change(arch.Qwen3, func(b *build) { b.arrays[q0+".weight"] = newArray(quant.F8E5M2, 128, 128) }), []string{q0, "F8_E5M2"}},
		{"integers", change(arch.Qwen3, func(b *build) { b.arrays[q0+".weight"] = newArray(quant.I8, 128, 128) }), []string{q0, "I8"}},
		{"FP8 without scales", fp8With(nil), []string{"q_proj.weight", "weight_scale_inv or weight_scale is missing"}},
		{"FP8 without block size", fp8With(func(b *build) {
			b.config["quantization_config"] = map[string]any{"quant_method": "fp8"}
			b.arrays["model.language_model.layers.1.self_attn.q_proj.weight_scale_inv"] = newArray(quant.F32, 2, 1)
		}), []string{"q_proj.weight", "weight_block_size"}},
		{"FP8 scales of the wrong shape", fp8With(func(b *build) {
			b.arrays["model.language_model.layers.1.self_attn.q_proj.weight_scale_inv"] = newArray(quant.F32, 1, 2)
		}), []string{"q_proj.weight", "F32 [1 2]", "128x128"}},
		{"FP8 scales of the wrong dtype", fp8With(func(b *build) {
			b.arrays["model.language_model.layers.1.self_attn.q_proj.weight_scale_inv"] = newArray(quant.U8, 2, 1)
		}), []string{"q_proj.weight", "U8 [2 1]"}},
		{"FP8 with block of nothing", fp8With(func(b *build) {
			b.config["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{0, 128}}
		}), []string{"weight_block_size"}},
		{"FP8 that no config names", fp8With(func(b *build) {
			delete(b.config, "quantization_config")
			b.arrays["model.language_model.layers.1.self_attn.q_proj.weight_scale_inv"] = newArray(quant.F32, 2, 1)
		}), []string{"q_proj.weight", "names no quantization"}},
		{"compressed-tensors integers", change(arch.Qwen35, func(b *build) {
			b.config["quantization_config"] = groups("marlin-24", map[string]any{"num_bits": 4, "type": "int"}, "Linear")
		}), []string{"config_groups.group_0", "marlin-24", "pack-quantized"}},
		{"compressed-tensors by group", change(arch.Qwen35, func(b *build) {
			b.config["quantization_config"] = groups("float-quantized", map[string]any{"num_bits": 8, "type": "float", "strategy": "group"}, "Linear")
		}), []string{"config_groups.group_0", "group_size is no size"}},
		{"compressed-tensors without global scale", compressedWith(func(b *build, q string) { delete(b.arrays, q+"_global_scale") }), []string{"q_proj.weight", "weight_global_scale is missing"}},
		{"compressed-tensors without scale", compressedWith(func(b *build, q string) { delete(b.arrays, q+"_scale") }), []string{"q_proj.weight", "weight_scale is missing"}},
		{"compressed-tensors beside plain", compressedWith(func(b *build, q string) { b.arrays[q] = newArray(quant.BF16, 256, 128) }), []string{"q_proj.weight", "twice"}},
		{"compressed-tensors scale of the wrong shape", compressedWith(func(b *build, q string) { b.arrays[q+"_scale"] = newArray(quant.F8E4M3, 256, 4) }), []string{"q_proj.weight", "group_0", "[256 4]"}},
		{"compressed-tensors in no group", compressedWith(func(b *build, q string) {
			b.config["quantization_config"] = groups("nvfp4-pack-quantized", map[string]any{"num_bits": 4, "type": "float"}, "re:.*k_proj")
		}), []string{"q_proj", "no group"}},
		{"compressed-tensors in another group", compressedWith(func(b *build, q string) {
			b.config["quantization_config"] = groups("float-quantized", map[string]any{"num_bits": 8, "type": "float", "strategy": "tensor"}, "Linear")
		}), []string{"q_proj", "group_0", "fp8"}},
		{"compressed-tensors that no config names", compressedWith(func(b *build, q string) { delete(b.config, "quantization_config") }), []string{"q_proj.weight_packed", "compressed-tensors"}},
		{"ModelOpt of another algorithm", change(arch.Qwen35, func(b *build) {
			b.files["hf_quant_config.json"] = `{"quantization":{"quant_algo":"NVFP4_SVD"}}`
		}), []string{"hf_quant_config.json", "NVFP4_SVD"}},
		{"ModelOpt without global scale", modelOptWith(func(b *build, q string) { delete(b.arrays, q+"_scale_2") }), []string{"q_proj.weight", "weight_scale_2 is missing"}},
		{"ModelOpt global scale a vector", modelOptWith(func(b *build, q string) { b.arrays[q+"_scale_2"] = newArray(quant.F32, 7) }), []string{"q_proj.weight_scale_2", "F32 [7]"}},
		{"ModelOpt that no config names", modelOptWith(func(b *build, q string) { delete(b.config, "quantization_config") }), []string{"q_proj.weight", "ModelOpt"}},
		// experts
		{"expert missing", singleWith(func(b *build, up string) { delete(b.arrays, up+"2.up_proj.weight") }), []string{"experts.2.up_proj.weight is missing"}},
		{"expert too many", singleWith(func(b *build, up string) { b.arrays[up+"4.up_proj.weight"] = newArray(quant.BF16, 128, 128) }), []string{"experts.4.up_proj.weight", "only 4"}},
		{"expert of another dtype", singleWith(func(b *build, up string) { b.arrays[up+"2.up_proj.weight"] = newArray(quant.F16, 128, 128) }), []string{"experts.2.up_proj.weight", "f16", "alike"}},
		{"expert numbered twice", singleWith(func(b *build, up string) { b.arrays[up+"02.up_proj.weight"] = newArray(quant.BF16, 128, 128) }), []string{"experts.02.up_proj.weight", "same expert"}},
		// forms
		{"conv1d of two forms", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.text["layer_types"] = []string{"linear_attention", "linear_attention"}
			whole := b.parse(t)
			for _, choice := range whole.Needs() {
				for _, need := range choice[0] {
					if name := "model.language_model." + need.Body; need.Body != "lm_head.weight" {
						b.arrays[name] = plainArray(need, true, release)
					}
				}
			}
			for name := range b.arrays {
				if strings.Contains(name, "self_attn") {
					delete(b.arrays, name)
				}
			}
			b.arrays["model.language_model.layers.1.linear_attn.conv1d.weight"] = newArray(quant.BF16, 256, 4, 1)
			return b
		}, []string{"layers.0.linear_attn.conv1d.weight", "layers.1.linear_attn.conv1d.weight", "mixes two forms"}},
		{"patch embedding without channels", change(arch.Qwen35, func(b *build) {
			b.arrays["model.visual.patch_embed.proj.weight"] = newArray(quant.BF16, 8, 2, 2, 4, 4)
		}), []string{"patch_embed.proj.weight", "3 channels"}},
		// tokenizer
		{"ids past the embedding", change(arch.Qwen3, func(b *build) {
			b.files["tokenizer.json"] = `{"model":{"vocab":{"a":0}},"added_tokens":[{"id":32,"content":"<|im_end|>"}]}`
		}), []string{"tokenizer.json", "<|im_end|>", "32 rows"}},
		{"no end of turn", change(arch.Qwen3, func(b *build) { b.files["tokenizer.json"] = `{"model":{"vocab":{"a":0}}}` }), []string{"tokenizer.json", "<|im_end|>"}},
		{"no end of turn, by template only", change(arch.Qwen3, func(b *build) {
			b.files["tokenizer.json"] = `{"model":{"vocab":{"a":2}}}`
			delete(b.files, "chat_template.jinja")
			b.files["tokenizer_config.json"] = `{"chat_template":"<|im_end|>"}`
		}), []string{"tokenizer.json", "<|im_end|>", "template"}},
		{"no end of turn, by id only", change(arch.Qwen3, func(b *build) {
			b.files = map[string]string{"tokenizer.json": `{"model":{"vocab":{"a":0}}}`, "generation_config.json": `{"eos_token_id":[7,8]}`}
		}), []string{"tokenizer.json", "[7 8 2]"}},
		{"no vocabulary", change(arch.Qwen3, func(b *build) { b.files["tokenizer.json"] = `{}` }), []string{"tokenizer.json", "no vocabulary"}},
		{"negative id", change(arch.Qwen3, func(b *build) { b.files["tokenizer.json"] = `{"model":{"vocab":{"a":-1}}}` }), []string{"tokenizer.json", "-1"}},
		{"template no text", change(arch.Qwen3, func(b *build) {
			delete(b.files, "chat_template.jinja")
			b.files["tokenizer_config.json"] = `{"chat_template":7}`
		}), []string{"tokenizer_config.json", "chat_template is 7"}},
		{"end no token", change(arch.Qwen3, func(b *build) { b.files["tokenizer_config.json"] = `{"eos_token":2}` }), []string{"tokenizer_config.json", "eos_token is 2"}},
		{"end no id", change(arch.Qwen3, func(b *build) { b.files["generation_config.json"] = `{"eos_token_id":"x"}` }), []string{"generation_config.json", `eos_token_id is "x"`}},
		{"generation config cut short", change(arch.Qwen3, func(b *build) { b.files["generation_config.json"] = `{"eos_token_id"` }), []string{"generation_config.json"}},
		{"tokenizer no JSON", change(arch.Qwen3, func(b *build) { b.files["tokenizer.json"] = `{` }), []string{"tokenizer.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustRefuse(t, c.make(t).write(t), c.want)
		})
	}
}

// change is a build of a family, changed.
func change(family arch.Family, f func(*build)) func(*testing.T) *build {
	return change2(func(t *testing.T) *build { return newBuild(t, family, release) }, f)
}

func change2(make func(*testing.T) *build, f func(*build)) func(*testing.T) *build {
	return func(t *testing.T) *build {
		b := make(t)
		f(b)
		return b
	}
}

// fp8With is a block FP8 checkpoint whose q_proj has no scales yet.
func fp8With(f func(*build)) func(*testing.T) *build {
	return change(arch.Qwen35, func(b *build) {
		b.config["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{128, 128}}
		b.arrays[b.name("q_proj.weight")] = newArray(quant.F8E4M3, 256, 128)
		if f != nil {
			f(b)
		}
	})
}

func compressedWith(f func(b *build, q string)) func(*testing.T) *build {
	return change(arch.Qwen35, func(b *build) {
		q := b.name("q_proj.weight")
		b.config["quantization_config"] = groups("nvfp4-pack-quantized", map[string]any{"num_bits": 4, "type": "float"}, "Linear")
		b.compressed("q_proj.weight")
		f(b, q)
	})
}

func modelOptWith(f func(b *build, q string)) func(*testing.T) *build {
	return change(arch.Qwen35, func(b *build) {
		q := b.name("q_proj.weight")
		b.config["quantization_config"] = map[string]any{"quant_method": "modelopt", "quant_algo": "NVFP4"}
		b.modelOpt("q_proj.weight")
		f(b, q)
	})
}

// singleWith is a checkpoint with experts one by one; up is the name of layer 0's up to the number.
func singleWith(f func(b *build, up string)) func(*testing.T) *build {
	return change(arch.Qwen35MoE, func(b *build) {
		b.single()
		f(b, "model.language_model.layers.0.mlp.experts.")
	})
}

func TestOpenDirRefusesBrokenFiles(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"truncated shard", func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, "model-00002-of-00002.safetensors")) }, "model-00002-of-00002.safetensors: tensor"},
		{"no config", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "config.json")) }, "there is no config.json"},
		{"config no JSON", func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "config.json"), []byte("{"), 0o644) }, "config.json"},
		{"config null", func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "config.json"), []byte("null"), 0o644) }, "config.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuild(t, arch.Qwen3, release)
			b.shards = 2
			dir := b.write(t)
			c.damage(t, dir)
			if _, err := OpenDir(dir); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := OpenDir(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such directory: %v", err)
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, stat.Size()-1); err != nil {
		t.Fatal(err)
	}
}

// A global scale that is no positive number is found when the tensor is asked for.
func TestLoadRefusesGlobalScale(t *testing.T) {
	b := compressedWith(func(b *build, q string) { fill(b.arrays[q+"_global_scale"], func(int) float32 { return 0 }) })(t)
	s, err := OpenDir(b.write(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Load("model.language_model.layers.1.self_attn.q_proj.weight"); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "global scale 0") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Load("no such"); !errors.Is(err, ErrSource) {
		t.Errorf("got %v", err)
	}
}

// mustRefuse demands that a checkpoint is refused, in one sentence that says all of want.
func mustRefuse(t *testing.T, dir string, want []string) {
	t.Helper()
	s, err := OpenDir(dir)
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, ErrSource) {
		t.Fatalf("got %v", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than one sentence", err)
	}
}
