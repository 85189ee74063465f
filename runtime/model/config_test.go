package model

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"qimport/runtime/layer"
)

// base is a flat config of each family with all that it needs; edit changes keys (nil removes one).
func base(t *testing.T, family Family, edit map[string]any) []byte {
	t.Helper()
	c := map[string]any{
		"model_type": string(family), "vocab_size": 100, "hidden_size": 64, "intermediate_size": 128,
		"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
		"rms_norm_eps": 1e-6, "max_position_embeddings": 512, "rope_theta": 1e6,
	}
	family = Family(strings.TrimSuffix(string(family), "_text"))
	if family.hybrid() {
		maps.Copy(c, map[string]any{
			"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
			"linear_value_head_dim": 16, "linear_conv_kernel_dim": 4, "full_attention_interval": 4,
		})
	}
	if family.mixture() {
		maps.Copy(c, map[string]any{
			"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32,
		})
	}
	for k, v := range edit {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		family Family
		edit   map[string]any
		check  func(Config) bool
	}{
		{"text-only save", "qwen3_5_text", nil, func(c Config) bool { return c.Family == Qwen35 }},
		{"head_dim absent", Qwen3, map[string]any{"head_dim": nil}, func(c Config) bool { return c.HeadDim == 16 }},
		{"whole head rotates", Qwen3, nil, func(c Config) bool { return c.RoPE.Dims == 32 }},
		{"a quarter rotates", Qwen3Next, nil, func(c Config) bool { return c.RoPE.Dims == 8 }},
		{"rope_parameters win", Qwen35, map[string]any{"rope_parameters": map[string]any{"rope_theta": 5e6, "partial_rotary_factor": 0.5, "type": "default"}},
			func(c Config) bool { return c.RoPE.Theta == 5e6 && c.RoPE.Dims == 16 }},
		{"yarn", Qwen3, map[string]any{"rope_scaling": map[string]any{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 128}},
			func(c Config) bool {
				return *c.RoPE.YaRN == (layer.YaRN{Factor: 4, Original: 128, BetaFast: 32, BetaSlow: 1})
			}},
		{"interval", Qwen35, nil, func(c Config) bool { return slices.Equal(c.Linear, []bool{true, true, true, false}) }},
		{"layer_types win", Qwen35, map[string]any{"layer_types": []string{"full_attention", "linear_attention", "linear_attention", "full_attention"}},
			func(c Config) bool { return slices.Equal(c.Linear, []bool{false, true, true, false}) }},
		{"plain family", Qwen3, nil, func(c Config) bool { return !slices.Contains(c.Linear, true) }},
		{"sparse steps", Qwen3MoE, map[string]any{"decoder_sparse_step": 2, "mlp_only_layers": []int{3}},
			func(c Config) bool { return !c.MoE.Sparse(0) && c.MoE.Sparse(1) && !c.MoE.Sparse(3) }},
		{"always sparse", Qwen35MoE, map[string]any{"decoder_sparse_step": 2, "intermediate_size": nil},
			func(c Config) bool { return c.MoE.Sparse(0) && c.MoE.Sparse(3) }},
		{"weights as they come", Qwen3MoE, nil, func(c Config) bool { return !c.MoE.Normalise && c.MoE.SharedIntermediate == 0 }},
		{"weights made to sum to one", Qwen3Next, nil, func(c Config) bool { return c.MoE.Normalise }},
		{"num_local_experts", Qwen3MoE, map[string]any{"num_experts": nil, "num_local_experts": 16}, func(c Config) bool { return c.MoE.Experts == 16 }},
		{"text level ties", Qwen35, map[string]any{"tie_word_embeddings": true}, func(c Config) bool { return c.TieEmbeddings }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseConfig(base(t, tt.family, tt.edit))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(c) {
				t.Errorf("got %+v", c)
			}
		})
	}
}

func TestNestedConfig(t *testing.T) {
	var text map[string]any
	if err := json.Unmarshal(base(t, Qwen35, nil), &text); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		inner any
		want  bool
	}{{nil, true}, {false, false}} {
		if text["tie_word_embeddings"] = tt.inner; tt.inner == nil {
			delete(text, "tie_word_embeddings")
		}
		b, err := json.Marshal(map[string]any{"model_type": "qwen3_5", "tie_word_embeddings": true, "hidden_size": 1, "text_config": text})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseConfig(b)
		if err != nil || c.HiddenSize != 64 || c.TieEmbeddings != tt.want {
			t.Errorf("text level says %v: got %+v, %v", tt.inner, c, err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for _, tt := range []struct {
		family Family
		edit   map[string]any
		want   error
		words  string
	}{
		{"llama", nil, ErrArchitecture, `"llama"`},
		{"qwen3_vl", nil, ErrArchitecture, "known are [qwen3 "},
		{Qwen3, map[string]any{"hidden_size": nil, "vocab_size": 0}, ErrConfig, "vocab_size is 0; it must be from 1 to 1073741824\nhidden_size is missing"},
		{Qwen3, map[string]any{"num_hidden_layers": 1 << 40}, ErrConfig, "from 1 to 4096"},
		{Qwen3, map[string]any{"rope_theta": nil}, ErrConfig, "rope_theta is missing"},
		{Qwen3, map[string]any{"use_sliding_window": true}, ErrConfig, "sliding"},
		{Qwen3, map[string]any{"hidden_act": "gelu"}, ErrConfig, `hidden_act is "gelu"`},
		{Qwen3, map[string]any{"num_key_value_heads": 3}, ErrConfig, "does not divide"},
		{Qwen3, map[string]any{"partial_rotary_factor": 0.1}, ErrConfig, "rotary dimensions"},
		{Qwen3, map[string]any{"rope_scaling": map[string]any{"type": "linear", "factor": 2}}, ErrConfig, `"linear"`},
		{Qwen3, map[string]any{"rope_scaling": map[string]any{"type": "yarn"}}, ErrConfig, "original_max_position_embeddings is missing"},
		{Qwen3, map[string]any{"layer_types": []string{"sliding_attention"}}, ErrConfig, "sliding_attention"},
		{Qwen35, map[string]any{"layer_types": []string{"full_attention"}}, ErrConfig, "1 entries"},
		{Qwen35, map[string]any{"linear_num_value_heads": 3}, ErrConfig, "does not divide"},
		{Qwen35MoE, map[string]any{"num_experts_per_tok": 9}, ErrConfig, "num_experts only 8"},
		{Qwen3, map[string]any{"hidden_size": "64"}, ErrConfig, "hidden_size"},
	} {
		_, err := ParseConfig(base(t, tt.family, tt.edit))
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s %v: got %v, want %q", tt.family, tt.edit, err, tt.words)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, name := range []string{"qwen3.5-bf16", "qwen3.5-moe-4bit"} {
		b, err := os.ReadFile("../../testdata/" + name + "/config.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"model_type":"qwen3","num_hidden_layers":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig(b)
		if err != nil {
			if !errors.Is(err, ErrConfig) && !errors.Is(err, ErrArchitecture) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		if len(c.Linear) != c.Layers || c.Heads%c.KVHeads != 0 || c.RoPE.Dims%2 != 0 || c.RoPE.Dims > c.HeadDim {
			t.Fatalf("accepted %+v", c)
		}
	})
}
