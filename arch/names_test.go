package arch

import (
	"slices"
	"testing"
)

func TestBodyAndRole(t *testing.T) {
	for _, c := range []struct {
		name, body string
		role       Role
	}{
		{"model.embed_tokens.weight", "embed_tokens.weight", Embedding},
		{"language_model.model.embed_tokens.weight", "embed_tokens.weight", Embedding},
		{"model.language_model.norm.weight", "norm.weight", Norm},
		{"model.language_model.model.norm.weight", "norm.weight", Norm},
		{"lm_head.weight", "lm_head.weight", Head},
		{"language_model.lm_head.weight", "lm_head.weight", Head},
		{"model.layers.3.input_layernorm.weight", "layers.3.input_layernorm.weight", Norm},
		{"model.layers.3.post_attention_layernorm.weight", "layers.3.post_attention_layernorm.weight", Norm},
		{"model.layers.3.self_attn.q_norm.weight", "layers.3.self_attn.q_norm.weight", Norm},
		{"model.layers.3.self_attn.q_proj.weight", "layers.3.self_attn.q_proj.weight", Linear},
		{"model.layers.3.self_attn.q_proj.bias", "layers.3.self_attn.q_proj.bias", Bias},
		{"model.layers.3.linear_attn.norm.weight", "layers.3.linear_attn.norm.weight", Norm},
		{"model.layers.3.linear_attn.A_log", "layers.3.linear_attn.A_log", State},
		{"model.layers.3.linear_attn.dt_bias", "layers.3.linear_attn.dt_bias", State},
		{"model.layers.3.linear_attn.conv1d.weight", "layers.3.linear_attn.conv1d.weight", Conv},
		{"model.layers.3.linear_attn.in_proj_qkvz.weight", "layers.3.linear_attn.in_proj_qkvz.weight", Linear},
		{"model.layers.3.linear_attn.in_proj_a.weight", "layers.3.linear_attn.in_proj_a.weight", Linear},
		{"model.layers.3.mlp.gate.weight", "layers.3.mlp.gate.weight", Router},
		{"model.layers.3.mlp.shared_expert_gate.weight", "layers.3.mlp.shared_expert_gate.weight", Router},
		{"model.layers.3.mlp.gate_proj.weight", "layers.3.mlp.gate_proj.weight", Linear},
		{"model.layers.3.mlp.shared_expert.up_proj.weight", "layers.3.mlp.shared_expert.up_proj.weight", Linear},
		{"model.layers.3.mlp.experts.gate_up_proj", "layers.3.mlp.experts.gate_up_proj", Expert},
		{"model.layers.3.mlp.experts.7.up_proj.weight", "layers.3.mlp.experts.7.up_proj.weight", Expert},
		{"model.layers.3.mlp.switch_mlp.up_proj.weight", "layers.3.mlp.switch_mlp.up_proj.weight", Expert},
		{"model.layers.3.self_attn.rotary_emb.inv_freq", "layers.3.self_attn.rotary_emb.inv_freq", Other},
		{"mtp.fc.weight", "mtp.fc.weight", Linear},
		{"mtp.pre_fc_norm_hidden.weight", "mtp.pre_fc_norm_hidden.weight", Norm},
		{"mtp.norm.weight", "mtp.norm.weight", Norm},
		{"model.visual.blocks.0.norm1.weight", "visual.blocks.0.norm1.weight", Vision},
		{"vision_tower.blocks.0.attn.proj.weight", "visual.blocks.0.attn.proj.weight", Vision},
		{"model.language_model.visual.merger.norm.bias", "visual.merger.norm.bias", Vision},
	} {
		if body := Body(c.name); body != c.body || RoleOf(body) != c.role {
			t.Errorf("%s: body %s, role %s; want %s, %s", c.name, body, RoleOf(body), c.body, c.role)
		}
	}
}

func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		name string
		want []string
	}{
		{"model.language_model.norm.weight", []string{"model.language_model.norm.weight", "norm.weight",
			"model.language_model.model.norm.weight", "language_model.model.norm.weight", "language_model.norm.weight", "model.norm.weight"}},
		{"lm_head", []string{"lm_head", "model.language_model.model.lm_head", "model.language_model.lm_head",
			"language_model.model.lm_head", "language_model.lm_head", "model.lm_head"}},
		{"model.visual.blocks.0.attn.qkv", []string{"model.visual.blocks.0.attn.qkv", "visual.blocks.0.attn.qkv"}},
		{"vision_tower.merger.norm.weight", []string{"vision_tower.merger.norm.weight"}},
		{"mtp.norm.weight", []string{"mtp.norm.weight"}},
		{"normal.weight", []string{"normal.weight"}},
	} {
		if got := Spellings(c.name); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		for _, s := range Spellings(c.name) {
			if Body(s) != Body(c.name) {
				t.Errorf("%s is spelled %s, whose body is %s", c.name, s, Body(s))
			}
		}
	}
}

func TestOnlyMatricesMayBeQuantized(t *testing.T) {
	for r := Other; r <= Vision; r++ {
		free := r == Linear || r == Embedding || r == Head || r == Router || r == Expert
		if (r.Fixed() == "") != free {
			t.Errorf("%s: fixed by %q", r, r.Fixed())
		}
	}
}

func TestSingle(t *testing.T) {
	for _, c := range []struct {
		name, stack string
		expert      int
		ok          bool
	}{
		{"model.layers.3.mlp.experts.127.up_proj.weight", "model.layers.3.mlp.experts.up_proj.weight", 127, true},
		{"mtp.layers.0.mlp.experts.0.down_proj.weight", "mtp.layers.0.mlp.experts.down_proj.weight", 0, true},
		{"model.layers.3.mlp.experts.up_proj.weight", "", 0, false},
		{"model.layers.3.mlp.experts.1.up_proj.bias", "", 0, false},
		{"model.layers.3.mlp.experts.99999999999999999999.up_proj.weight", "model.layers.3.mlp.experts.up_proj.weight", 0, false},
	} {
		stack, expert, ok := Single(c.name)
		if ok != c.ok || ok && (stack != c.stack || expert != c.expert) {
			t.Errorf("%s: %s, %d, %t", c.name, stack, expert, ok)
		}
	}
}
