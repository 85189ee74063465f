package arch

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// base is a flat config of each family with all that it needs; edit changes keys (nil removes one).
func base(t testing.TB, family Family, edit map[string]any) []byte {
	t.Helper()
	c := map[string]any{
		"model_type": string(family), "vocab_size": 100, "hidden_size": 64, "intermediate_size": 128,
		"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "rope_theta": 1e6,
	}
	family = Family(strings.TrimSuffix(string(family), "_text"))
	if family.Hybrid() {
		maps.Copy(c, map[string]any{
			"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
			"linear_value_head_dim": 16, "linear_conv_kernel_dim": 4,
		})
	}
	if family.Sparse() {
		maps.Copy(c, map[string]any{
			"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 48,
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

type keys = map[string]any

// tower is a vision_config that fits base.
func tower(edit keys) keys {
	c := keys{
		"depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 16, "num_position_embeddings": 16,
		"out_hidden_size": 64,
	}
	maps.Copy(c, edit)
	return c
}

func TestParseConfig(t *testing.T) {
	yarn := func(edit keys) keys {
		c := keys{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 128}
		maps.Copy(c, edit)
		return keys{"rope_scaling": c}
	}
	full := []bool{true, true, true, true}
	for _, tt := range []struct {
		name   string
		family Family
		edit   keys
		got    func(Config) any
		want   any
	}{
		{"text-only save", "qwen3_5_text", nil, func(c Config) any { return c.Family }, Qwen35},
		{"rms_norm_eps absent", Qwen3, nil, func(c Config) any { return c.NormEps }, float32(1e-6)},
		{"rms_norm_eps", Qwen3, keys{"rms_norm_eps": 1e-5}, func(c Config) any { return c.NormEps }, float32(1e-5)},
		{"max_position_embeddings absent", Qwen35, nil, func(c Config) any { return c.MaxPositions }, 32768},
		{"head_dim absent", Qwen3, keys{"head_dim": nil}, func(c Config) any { return []any{c.HeadDim, c.HeadDimUnsaid} }, []any{128, true}},
		{"head_dim absent, of a class that has none", Qwen3MoE, keys{"head_dim": nil}, func(c Config) any { return c.HeadDim }, 16},
		{"head_dim absent, of a hybrid", Qwen35MoE, keys{"head_dim": nil}, func(c Config) any { return c.HeadDim }, 256},
		{"head_dim", Qwen3, nil, func(c Config) any { return []any{c.HeadDim, c.HeadDimUnsaid} }, []any{32, false}},
		{"keys beside ours", Qwen35, keys{"x": keys{"__float__": "Infinity"}}, func(c Config) any { return c.Layers }, 4},
		{"null as if it were absent", Qwen3, keys{"rope_scaling": json.RawMessage("null"), "hidden_act": json.RawMessage("null")}, func(c Config) any { return c.RoPE.YaRN }, YaRN{}},

		{"whole head rotates", Qwen3, nil, func(c Config) any { return c.RoPE }, RoPE{Dims: 32, Theta: 1e6}},
		{"a quarter rotates", Qwen3Next, nil, func(c Config) any { return c.RoPE }, RoPE{Dims: 8, Theta: 1e6}},
		{"rope_parameters win over the keys beside it", Qwen35, keys{"partial_rotary_factor": 1, "rope_parameters": keys{"rope_theta": 5e6, "partial_rotary_factor": 0.5, "type": "default"}},
			func(c Config) any { return c.RoPE }, RoPE{Dims: 16, Theta: 5e6}},
		{"whole head rotates, whatever is said", Qwen3MoE, keys{"partial_rotary_factor": 0.5}, func(c Config) any { return c.RoPE.Dims }, 32},
		{"whole head rotates, whatever rope_parameters say", Qwen3, keys{"rope_parameters": keys{"rope_theta": 1e6, "partial_rotary_factor": 0.1}}, func(c Config) any { return c.RoPE.Dims }, 32},
		{"mrope, equal for text", Qwen35, keys{"rope_scaling": keys{"type": "mrope", "mrope_section": []int{1, 1, 2}}}, func(c Config) any { return c.RoPE.Dims }, 8},
		{"yarn", Qwen3, yarn(nil), func(c Config) any { return c.RoPE.YaRN }, YaRN{Factor: 4, Original: 128, BetaFast: 32, BetaSlow: 1, Truncate: true}},
		{"yarn, its default said", Qwen3, yarn(keys{"truncate": true}), func(c Config) any { return c.RoPE.YaRN.Truncate }, true},
		{"yarn with all that it takes", Qwen35, yarn(keys{"beta_fast": 16, "beta_slow": 2, "attention_factor": 1.5, "truncate": false}), func(c Config) any { return c.RoPE },
			RoPE{Dims: 8, Theta: 1e6, YaRN: YaRN{Factor: 4, Original: 128, BetaFast: 16, BetaSlow: 2, Attention: 1.5}}},

		{"interval by default", Qwen35, nil, func(c Config) any { return c.FullAttention }, []bool{false, false, false, true}},
		{"interval", Qwen3Next, keys{"full_attention_interval": 2}, func(c Config) any { return c.FullAttention }, []bool{false, true, false, true}},
		{"layer_types win", Qwen35, keys{"full_attention_interval": 2, "layer_types": []string{kindFull, kindLinear, kindLinear, kindFull}},
			func(c Config) any { return c.FullAttention }, []bool{true, false, false, true}},
		{"full attention only", Qwen3, nil, func(c Config) any { return c.FullAttention }, full},
		{"hybrid without linear layers", Qwen35, keys{"full_attention_interval": 1, "linear_num_key_heads": nil, "linear_conv_kernel_dim": nil}, func(c Config) any { return c.FullAttention }, full},
		{"gated, as vLLM is told", Qwen35, keys{"attn_output_gate": true, "output_gate_type": "swish"}, func(c Config) any { return c.Heads }, 4},

		{"every second layer sparse, but one", Qwen3MoE, keys{"decoder_sparse_step": 2, "mlp_only_layers": []int{3, -1, 1 << 40}}, func(c Config) any { return c.SparseLayer }, []bool{false, true, false, false}},
		{"sparse steps of the hybrid", Qwen3Next, keys{"decoder_sparse_step": 2}, func(c Config) any { return c.SparseLayer }, []bool{false, true, false, true}},
		{"always sparse", Qwen35MoE, keys{"decoder_sparse_step": 2, "mlp_only_layers": []int{0}, "intermediate_size": nil}, func(c Config) any { return c.SparseLayer }, full},
		{"no dense width where no layer is dense", Qwen35MoE, keys{"intermediate_size": nil}, func(c Config) any { return c.Intermediate }, 0},
		{"weights as they come", Qwen3MoE, nil, func(c Config) any { return c.NormalizeTopK }, false},
		{"weights as they come, unless said", Qwen3MoE, keys{"norm_topk_prob": true}, func(c Config) any { return c.NormalizeTopK }, true},
		{"weights made to sum to one", Qwen3Next, nil, func(c Config) any { return c.NormalizeTopK }, true},
		{"weights made to sum to one, unless said", Qwen3Next, keys{"norm_topk_prob": false}, func(c Config) any { return c.NormalizeTopK }, false},
		{"weights always made to sum to one", Qwen35MoE, keys{"norm_topk_prob": false}, func(c Config) any { return c.NormalizeTopK }, true},
		{"weights always made to sum to one, also beside a tower", Qwen3VLMoE, keys{"norm_topk_prob": false}, func(c Config) any { return c.NormalizeTopK }, true},
		{"head_dim absent, of Qwen3-VL with experts", Qwen3VLMoE, keys{"head_dim": nil}, func(c Config) any { return c.HeadDim }, 16},
		{"some layers dense, beside a tower", Qwen3VLMoE, keys{"mlp_only_layers": []int{1}}, func(c Config) any { return []any{c.SparseLayer, c.Intermediate} }, []any{[]bool{true, false, true, true}, 128}},
		{"no shared expert beside a tower", Qwen3VLMoE, nil, func(c Config) any { return c.SharedWidth }, 0},
		{"no shared expert", Qwen3MoE, nil, func(c Config) any { return c.SharedWidth }, 0},
		{"shared expert", Qwen35MoE, nil, func(c Config) any { return c.SharedWidth }, 48},
		{"num_local_experts", Qwen3MoE, keys{"num_experts": nil, "num_local_experts": 16}, func(c Config) any { return c.Experts }, 16},

		{"tied", Qwen35, keys{"tie_word_embeddings": true}, func(c Config) any { return c.Output }, HeadTied},
		{"untied", Qwen35, keys{"tie_word_embeddings": false}, func(c Config) any { return c.Output }, HeadOwn},
		{"tied unsaid", Qwen35, nil, func(c Config) any { return c.Output }, HeadUnsaid},
		{"pictures in colour", Qwen35, keys{"vision_config": keys{}}, func(c Config) any { return []any{c.HasVision, c.VisionChannels} }, []any{true, 3}},
		{"features in between", Qwen3VL, keys{"vision_config": tower(keys{"deepstack_visual_indexes": []int{0, 2}}), "rope_scaling": keys{"rope_type": "default", "mrope_section": []int{6, 5, 5}}},
			func(c Config) any { return []any{c.Tower.Deepstack, c.Tower.Sections, c.Tower.Flaw} }, []any{[]int{0, 2}, [3]int{6, 5, 5}, ""}},
		{"features in between unsaid", Qwen3VL, keys{"vision_config": tower(nil), "head_dim": 128},
			func(c Config) any { return []any{c.Tower.Sections, c.Tower.Flaw} }, []any{[3]int{24, 20, 20}, "vision_config.deepstack_visual_indexes is missing"}},
		{"features in between unsaid, with experts", Qwen3VLMoE, keys{"vision_config": tower(nil), "head_dim": 128},
			func(c Config) any { return []any{c.Tower.Sections, c.Tower.Flaw} }, []any{[3]int{24, 20, 20}, "vision_config.deepstack_visual_indexes is missing"}},
		{"features past the last block", Qwen3VL, keys{"vision_config": tower(keys{"deepstack_visual_indexes": []int{3}}), "head_dim": 128},
			func(c Config) any { return strings.Contains(c.Tower.Flaw, "deepstack_visual_indexes is [3]") }, true},
		{"pictures in grey", Qwen35, keys{"vision_config": keys{"in_channels": 1}}, func(c Config) any { return c.VisionChannels }, 1},
		{"no pictures", Qwen35, nil, func(c Config) any { return []any{c.HasVision, c.VisionChannels} }, []any{false, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseConfig(base(t, tt.family, tt.edit))
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.got(c); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNestedConfig(t *testing.T) {
	var text keys
	if err := json.Unmarshal(base(t, "qwen3_5_text", nil), &text); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		inner any
		want  Output
	}{{nil, HeadTied}, {false, HeadOwn}} {
		text["tie_word_embeddings"] = tt.inner
		b, err := json.Marshal(keys{"model_type": "qwen3_5", "tie_word_embeddings": true, "hidden_size": 1, "text_config": text})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseConfig(b)
		if err != nil || c.HiddenSize != 64 || c.Output != tt.want {
			t.Errorf("text level says %v: got %+v, %v", tt.inner, c, err)
		}
	}
}

// TestHeadSaidTwice: transformers goes by the top level, and saves Qwen3-VL with experts with the contrary in
// text_config.
func TestHeadSaidTwice(t *testing.T) {
	var text keys
	if err := json.Unmarshal(base(t, "qwen3_vl_moe_text", keys{"tie_word_embeddings": true}), &text); err != nil {
		t.Fatal(err)
	}
	for top, want := range map[any]Output{false: HeadOwn, true: HeadTied, nil: HeadTied} {
		b, err := json.Marshal(keys{"model_type": "qwen3_vl_moe", "tie_word_embeddings": top, "text_config": text})
		if err != nil {
			t.Fatal(err)
		}
		if c, err := ParseConfig(b); err != nil || c.Output != want {
			t.Errorf("the top level says %v: got %v, %v", top, c.Output, err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	yarn := func(edit keys) keys {
		c := keys{"type": "yarn", "factor": 4, "original_max_position_embeddings": 128}
		maps.Copy(c, edit)
		return keys{"rope_scaling": c}
	}
	for _, tt := range []struct {
		family Family
		edit   keys
		want   error
		words  string
	}{
		{"llama", keys{"architectures": []string{"LlamaForCausalLM"}}, ErrUnsupported, `model_type "llama" (architecture "LlamaForCausalLM") is not supported; supported: qwen3, `},
		{"qwen3_vl_flash", nil, ErrUnsupported, `"qwen3_vl_flash"`},
		{Qwen3, keys{"model_type": nil}, ErrUnsupported, `model_type ""`},
		{"qwen3_omni_moe", keys{"architectures": []string{"Qwen3OmniMoeForConditionalGeneration"}}, ErrUnsupported, "it is Qwen3-Omni"},
		{"qwen4_exp", keys{"architectures": []string{"Qwen4ExpForConditionalGeneration"}}, ErrUnsupported, "it is Qwen4"},
		{"qwen3_asr", keys{"architectures": []string{"Qwen3ASRForConditionalGeneration"}}, ErrUnsupported, "speech recognition"},
		{"qwen3_tts", keys{"architectures": []string{"Qwen3TTSForConditionalGeneration"}}, ErrUnsupported, "speaks"},
		{Qwen3MoE, keys{"architectures": []string{"Qwen3OmniMoeThinkerForConditionalGeneration"}}, ErrUnsupported, "family Omni"},
		{Qwen3, keys{"architectures": []string{"Qwen3ForGuardModel"}}, ErrUnsupported, "a guard"},
		{Qwen3, keys{"architectures": []string{"Qwen3ForRewardModel"}}, ErrUnsupported, "rewards"},
		{Qwen3, keys{"architectures": []string{"Qwen3Model"}}, ErrUnsupported, "no language model"},
		{Qwen3, keys{"architectures": []string{"Qwen3ForSequenceClassification"}}, ErrUnsupported, `"Qwen3ForSequenceClassification" is not supported`},
		{Qwen3, keys{"text_config": keys{"model_type": "qwen3_moe"}}, ErrConfig, `model_type is "qwen3", but "qwen3_moe" in text_config`},
		{Qwen3, keys{"text_config": 1}, ErrConfig, "text_config is no JSON object"},
		// every finding is told
		{Qwen3, keys{"hidden_size": nil, "vocab_size": 0, "hidden_act": "gelu"}, ErrConfig,
			"vocab_size is 0; it must be from 1 to 16777216\nhidden_size is missing\nhidden_act \"gelu\" is not supported; supported: silu"},
		{Qwen3, keys{"hidden_size": nil, "vocab_size": 0, "hidden_act": "gelu"}, ErrUnsupported, "hidden_act"},
		{Qwen3, keys{"num_hidden_layers": 1 << 40}, ErrConfig, "num_hidden_layers is 1099511627776; it must be from 1 to 4096"},
		{Qwen3, keys{"hidden_size": "64"}, ErrConfig, `hidden_size is "64", not a whole number`},
		{Qwen3, keys{"hidden_size": -64}, ErrConfig, "hidden_size is -64"},
		{Qwen3, keys{"num_key_value_heads": 3}, ErrConfig, "num_attention_heads is 4, which num_key_value_heads, 3, does not divide"},
		{Qwen3, keys{"rms_norm_eps": -1}, ErrConfig, "rms_norm_eps is -1"},
		{Qwen3, keys{"attention_bias": "no"}, ErrConfig, `attention_bias is "no", not true or false`},
		{Qwen3, keys{"intermediate_size": nil}, ErrConfig, "intermediate_size is missing"},
		// rope
		{Qwen3, keys{"rope_theta": nil}, ErrConfig, "rope_theta is missing"},
		{Qwen35, keys{"partial_rotary_factor": 0.1}, ErrConfig, "partial_rotary_factor 0.1 of head_dim 32 leaves 3 rotary dimensions"},
		{Qwen35, keys{"partial_rotary_factor": 2}, ErrConfig, "rotary dimensions"},
		{Qwen3, keys{"rope_scaling": keys{"type": "linear", "factor": 2}}, ErrUnsupported, `rope_type "linear" is not supported; supported: default, mrope, yarn`},
		{Qwen3, keys{"rope_parameters": keys{"rope_type": "llama3"}}, ErrUnsupported, `rope_type "llama3"`},
		{Qwen3, keys{"rope_parameters": keys{"rope_type": "longrope", "type": "default"}}, ErrUnsupported, `rope_type "longrope"`},
		{Qwen3, keys{"rope_scaling": keys{"type": "dynamic"}}, ErrUnsupported, `rope_type "dynamic"`},
		{Qwen3, keys{"rope_parameters": keys{"full_attention": keys{"rope_type": "default"}}}, ErrUnsupported, "rope_parameters.full_attention is not supported"},
		{Qwen3, keys{"rope_parameters": []int{1}}, ErrConfig, "rope_parameters is no JSON object"},
		{Qwen3, keys{"rope_parameters": keys{"rope_type": "default"}, "rope_scaling": keys{"type": "yarn", "factor": 2, "original_max_position_embeddings": 8}}, ErrConfig,
			"rope_parameters and rope_scaling are both there and disagree"},
		{Qwen3, keys{"rope_scaling": keys{"type": "yarn", "factor": 2}}, ErrConfig, "rope_scaling.original_max_position_embeddings is missing"},
		{Qwen3, yarn(keys{"factor": nil}), ErrConfig, "rope_scaling.factor is missing or below 1"},
		{Qwen3, yarn(keys{"beta_slow": 0}), ErrConfig, "beta_slow"},
		{Qwen3, yarn(keys{"attention_factor": 0}), ErrConfig, "rope_scaling.attention_factor is 0"},
		{Qwen3, yarn(keys{"partial_rotary_factor": 0.5}), ErrUnsupported, "partial_rotary_factor 0.5 with yarn is not supported in qwen3"},
		{Qwen3, yarn(keys{"mscale": 1}), ErrUnsupported, "rope_scaling.mscale is not supported"},
		{Qwen3, yarn(keys{"mscale_all_dim": 1}), ErrUnsupported, "rope_scaling.mscale_all_dim is not supported"},
		// layers
		{Qwen3, keys{"use_sliding_window": true}, ErrUnsupported, "use_sliding_window is true: sliding attention is not supported"},
		{Qwen3, keys{"layer_types": []string{"full_attention", "sliding_attention", "full_attention", "full_attention"}}, ErrUnsupported,
			`layer_types[1] "sliding_attention" is not supported in qwen3; supported: [full_attention]`},
		{Qwen35, keys{"layer_types": []string{"full_attention", "mamba", "x", "x"}}, ErrUnsupported, `layer_types[1] "mamba" is not supported in qwen3_5; supported: [full_attention linear_attention]`},
		{Qwen35, keys{"layer_types": []string{"full_attention"}}, ErrConfig, "layer_types has 1 entries, num_hidden_layers is 4"},
		{Qwen35, keys{"full_attention_interval": 0}, ErrConfig, "full_attention_interval is 0"},
		{Qwen35, keys{"linear_num_value_heads": 3}, ErrConfig, "linear_num_value_heads is 3, which linear_num_key_heads, 2, does not divide"},
		{Qwen35, keys{"linear_conv_kernel_dim": nil}, ErrConfig, "linear_conv_kernel_dim is missing"},
		{Qwen35, keys{"attn_output_gate": false}, ErrUnsupported, "attn_output_gate false is not supported in qwen3_5"},
		{Qwen3, keys{"attn_output_gate": true}, ErrUnsupported, "attn_output_gate true is not supported in qwen3"},
		{Qwen35, keys{"output_gate_type": "sigmoid"}, ErrUnsupported, `output_gate_type "sigmoid"`},
		// experts
		{Qwen35MoE, keys{"num_experts_per_tok": 9}, ErrConfig, "num_experts_per_tok is 9, num_experts only 8"},
		{Qwen35MoE, keys{"num_experts_per_tok": nil}, ErrConfig, "num_experts_per_tok is missing"},
		{Qwen35MoE, keys{"shared_expert_intermediate_size": nil}, ErrConfig, "shared_expert_intermediate_size is missing"},
		{Qwen3MoE, keys{"num_local_experts": 9}, ErrConfig, "num_experts is 8, but num_local_experts 9"},
		{Qwen3MoE, keys{"mlp_only_layers": 3}, ErrConfig, "mlp_only_layers is 3, not a list of layers"},
		{Qwen3MoE, keys{"decoder_sparse_step": 0}, ErrConfig, "decoder_sparse_step is 0"},
		{Qwen35, keys{"vision_config": keys{"in_channels": 0}}, ErrConfig, "vision_config.in_channels is 0"},
	} {
		_, err := ParseConfig(base(t, tt.family, tt.edit))
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s %v: got %v, want %q", tt.family, tt.edit, err, tt.words)
		}
	}
	// what is missing is said once, and nothing follows from it
	if _, err := ParseConfig([]byte(`{"model_type": "qwen3_5_moe"}`)); err == nil || strings.Count(err.Error(), "\n") != 9 ||
		strings.Count(err.Error(), "is missing") != 10 {
		t.Errorf("nothing but a family: %v", err)
	}
	for _, text := range []string{"", "null", "[]", "{", `"qwen3"`} {
		if _, err := ParseConfig([]byte(text)); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "the file is no JSON object") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParseConfig: nothing panics, whatever is rejected is so with a sentinel, and what is accepted
// fits together and can be asked what it needs.
func FuzzParseConfig(f *testing.F) {
	for _, name := range []string{"qwen3.5-bf16", "qwen3.5-moe-4bit"} {
		b, err := os.ReadFile(filepath.Join("..", "testdata", name, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, family := range Families() {
		f.Add(base(f, family, nil))
	}
	f.Add([]byte(`{"model_type":"qwen3","text_config":null}`))
	f.Add([]byte(`{"model_type":"qwen3","num_hidden_layers":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig(b)
		if err != nil {
			if !errors.Is(err, ErrConfig) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		if len(c.FullAttention) != c.Layers || c.Heads%c.KVHeads != 0 || c.RoPE.Dims%2 != 0 || c.RoPE.Dims > c.HeadDim || c.TopK > c.Experts {
			t.Fatalf("accepted %+v", c)
		}
		if !slices.ContainsFunc(c.Needs(), func(choice Choice) bool { return choice[0][0].Body == "embed_tokens.weight" }) {
			t.Errorf("a %s without an embedding", c.Family)
		}
	})
}
