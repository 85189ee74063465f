package recipe

import (
	"testing"

	"qimport/quant"
)

// bf16Subject is an unquantized tensor as inventories have it.
func bf16Subject(name string, shape ...int) Subject {
	return Subject{Name: name, Shape: shape, Source: quant.FormatBF16, Expert: len(shape) == 3}
}

// TestOllamaTable is the table of what Ollama's importer makes of each tensor of a MoE model.
func TestOllamaTable(t *testing.T) {
	types := []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8, quant.FormatInt4, quant.FormatInt8}
	tests := []struct {
		subject Subject
		want    string // one letter a type: s source, t the type itself, 8 the family's 8-bit type
	}{
		{bf16Subject("model.embed_tokens.weight", 4096, 256), "sssss"},
		{bf16Subject("lm_head.weight", 4096, 256), "88888"},
		{bf16Subject("model.layers.0.self_attn.q_proj.weight", 512, 256), "ttttt"},
		{bf16Subject("model.layers.0.self_attn.o_proj.weight", 256, 512), "ttttt"},
		{bf16Subject("model.layers.0.linear_attn.in_proj_qkv.weight", 768, 256), "ttttt"},
		{bf16Subject("model.layers.0.linear_attn.out_proj.weight", 256, 256), "ttttt"},
		{bf16Subject("model.layers.0.self_attn.k_proj.weight", 128, 256), "88888"},
		{bf16Subject("model.layers.0.self_attn.v_proj.weight", 128, 256), "88888"},
		{bf16Subject("model.layers.0.linear_attn.in_proj_a.weight", 8, 256), "sssss"},
		{bf16Subject("model.layers.0.linear_attn.in_proj_ba.weight", 16, 256), "sssss"},
		{bf16Subject("model.layers.0.mlp.up_proj.weight", 512, 256), "ttttt"},
		{bf16Subject("model.layers.0.mlp.down_proj.weight", 256, 512), "88888"},
		{bf16Subject("model.layers.0.mlp.shared_expert.down_proj.weight", 256, 512), "88888"},
		{bf16Subject("model.layers.0.mlp.experts.gate_up_proj", 8, 256, 256), "ttttt"},
		{bf16Subject("model.layers.0.mlp.experts.down_proj", 8, 256, 128), "ttt88"},
		{bf16Subject("model.layers.0.mlp.switch_mlp.down_proj.weight", 8, 256, 128), "ttt88"},
		{bf16Subject("model.layers.0.mlp.gate.weight", 8, 256), "sssss"},
		{bf16Subject("model.layers.0.mlp.shared_expert_gate.weight", 8, 256), "sssss"},
		{bf16Subject("model.visual.blocks.0.attn.qkv.weight", 768, 256), "sssss"},
		{bf16Subject("model.layers.0.linear_attn.conv1d.weight", 768, 1, 4), "sssss"},
		{bf16Subject("model.layers.0.input_layernorm.weight", 2048), "sssss"},
		{bf16Subject("model.layers.0.linear_attn.A_log", 16), "sssss"},
		{bf16Subject("model.layers.0.self_attn.q_proj.bias", 2048), "sssss"},
		{bf16Subject("mtp.fc.weight", 256, 512), "ttttt"},
		{bf16Subject("mtp.pre_fc_norm_hidden.weight", 256), "sssss"},
		{bf16Subject("model.layers.0.mlp.up_proj.weight", 3, 256), "sssss"},                 // 768 elements
		{bf16Subject("model.layers.0.mlp.up_proj.weight", 512, 48), "tssss"},                // 48 = 3*16
		{bf16Subject("model.layers.0.mlp.down_proj.weight", 512, 48), "tssss"},              // promoted type does not fit
		{bf16Subject("lm_head.weight", 512, 48), "sssss"},                                   // nor here
		{bf16Subject("model.layers.0.mlp.down_proj.weight", 512, 160), "888ss"},             // 160 = 5*32
		{bf16Subject("model.layers.0.self_attn.fused.q_proj.weight", 2, 512, 256), "sssss"}, // 3 dimensions, no expert
	}
	for _, tt := range tests {
		tt.subject.Expert = isExpertName(tt.subject.Name)
		for i, typ := range types {
			want := map[byte]quant.Format{'s': {}, 't': typ, '8': eightBit(typ)}[tt.want[i]]
			got, why := Ollama.choose(typ, tt.subject)
			if got != want {
				t.Errorf("%s %v -q %s: got %s (%s), want %s", tt.subject.Name, tt.subject.Shape, typ, got, why, want)
			}
		}
	}
}

func TestOllamaKeepsGroupsWhenItPromotes(t *testing.T) {
	got, _ := Ollama.choose(quant.AffineFormat(4, 32), bf16Subject("model.layers.0.self_attn.k_proj.weight", 128, 256))
	if want := quant.AffineFormat(8, 32); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUniform(t *testing.T) {
	fixed := bf16Subject("model.layers.0.linear_attn.conv1d.weight", 768, 1, 64)
	fixed.Fixed = "conv1d"
	tests := []struct {
		subject Subject
		want    quant.Format
	}{
		{bf16Subject("model.embed_tokens.weight", 4096, 256), quant.FormatNVFP4},
		{bf16Subject("model.layers.0.linear_attn.in_proj_a.weight", 4, 256), quant.FormatNVFP4},
		{bf16Subject("model.layers.0.mlp.experts.gate_up_proj", 8, 256, 256), quant.FormatNVFP4},
		{bf16Subject("model.layers.0.mlp.gate.weight", 8, 256), quant.FormatInt8},
		{bf16Subject("model.layers.0.mlp.shared_expert_gate.weight", 1, 256), quant.FormatInt8},
		{bf16Subject("model.layers.0.mlp.gate.weight", 8, 96), quant.Format{}}, // mlx-lm leaves it as well
		{bf16Subject("model.layers.0.mlp.up_proj.weight", 8, 40), quant.Format{}},
		{bf16Subject("model.layers.0.self_attn.q_proj.bias", 512), quant.Format{}},
		{fixed, quant.Format{}},
	}
	for _, tt := range tests {
		if got, why := Uniform.choose(quant.FormatNVFP4, tt.subject); got != tt.want {
			t.Errorf("%s %v: got %s (%s), want %s", tt.subject.Name, tt.subject.Shape, got, why, tt.want)
		}
	}
}

func TestParsePolicy(t *testing.T) {
	for _, p := range []Policy{Ollama, Uniform, KeepSource} {
		if got, err := ParsePolicy(p.String()); got != p || err != nil {
			t.Errorf("%s reads back as %s, %v", p, got, err)
		}
	}
	if _, err := ParsePolicy("mixed"); err == nil {
		t.Error("an unknown policy is taken")
	}
}
