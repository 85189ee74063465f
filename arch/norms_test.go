package arch

import (
	"strings"
	"testing"
)

func TestZeroCentred(t *testing.T) {
	for _, body := range []string{
		"norm.weight", "layers.0.input_layernorm.weight", "layers.3.post_attention_layernorm.weight",
		"layers.3.self_attn.q_norm.weight", "layers.3.self_attn.k_norm.weight",
		"mtp.norm.weight", "mtp.pre_fc_norm_hidden.weight", "mtp.layers.0.self_attn.q_norm.weight",
	} {
		if !ZeroCentred(body) {
			t.Errorf("%s is taken for a norm without its 1 in no form", body)
		}
	}
	for _, body := range []string{
		"layers.0.linear_attn.norm.weight", "visual.merger.norm.weight", "visual.blocks.0.norm1.weight",
		"layers.0.self_attn.q_proj.weight", "layers.0.linear_attn.conv1d.weight", "norm.bias",
	} {
		if ZeroCentred(body) {
			t.Errorf("%s is taken for a norm without its 1", body)
		}
	}
}

// Of the norms that a model needs, one alone is stored as its gain in every form.
func TestZeroCentredOfNeeds(t *testing.T) {
	for _, choice := range tiny(Qwen35).Needs() {
		for _, need := range choice[0] {
			if RoleOf(need.Body) == Norm && ZeroCentred(need.Body) == strings.Contains(need.Body, "linear_attn") {
				t.Errorf("%s: zero-centred is %t", need.Body, ZeroCentred(need.Body))
			}
		}
	}
}
