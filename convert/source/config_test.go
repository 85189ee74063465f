package source

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"qimport/arch"
)

func TestParseConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(b *build)
		fam  arch.Family
		got  func(c Config) any
		want any
	}{
		{"flat text-only save", func(b *build) { b.config = b.text }, arch.Qwen35, func(c Config) any { return c.Family }, arch.Qwen35},
		{"layers by interval", func(b *build) { delete(b.text, "layer_types"); b.text["full_attention_interval"] = 2 }, arch.Qwen35,
			func(c Config) any { return c.FullAttention[1] && !c.FullAttention[0] }, true},
		{"layers by default interval", func(b *build) { delete(b.text, "layer_types") }, arch.Qwen35, func(c Config) any { return c.FullAttention[1] }, false},
		{"head_dim from the heads", func(b *build) { delete(b.text, "head_dim") }, arch.Qwen3, func(c Config) any { return c.HeadDim }, 32},
		{"tied at the top only", func(b *build) { delete(b.text, "tie_word_embeddings"); b.config["tie_word_embeddings"] = true }, arch.Qwen35,
			func(c Config) any { return c.Output }, arch.HeadTied},
		{"text level wins over top", func(b *build) { b.config["tie_word_embeddings"] = true }, arch.Qwen35, func(c Config) any { return c.Output }, arch.HeadOwn},
		{"tied unsaid", func(b *build) { delete(b.text, "tie_word_embeddings") }, arch.Qwen35, func(c Config) any { return c.Output }, arch.HeadUnsaid},
		{"experts as transformers 5 names them", func(b *build) { delete(b.text, "num_experts"); b.text["num_local_experts"] = 8 }, arch.Qwen3MoE,
			func(c Config) any { return c.Experts }, 8},
		{"dense layers among sparse", func(b *build) { b.text["mlp_only_layers"] = []int{0} }, arch.Qwen3MoE,
			func(c Config) any { return !c.SparseLayer[0] && c.SparseLayer[1] }, true},
		{"every second layer sparse", func(b *build) { b.text["decoder_sparse_step"] = 2 }, arch.Qwen3Next,
			func(c Config) any { return !c.SparseLayer[0] && c.SparseLayer[1] }, true},
		{"Qwen3.5 has experts everywhere", func(b *build) { b.text["decoder_sparse_step"] = 2 }, arch.Qwen35MoE,
			func(c Config) any { return c.SparseLayer[0] && c.SparseLayer[1] }, true},
		{"no dense width where no layer is dense", func(b *build) { delete(b.text, "intermediate_size") }, arch.Qwen35MoE, func(c Config) any { return c.Intermediate }, 0},
		{"no shared expert", func(b *build) { delete(b.text, "shared_expert_intermediate_size") }, arch.Qwen35MoE, func(c Config) any { return c.SharedWidth }, 0},
		{"numbers that are none elsewhere", func(b *build) { b.text["x"] = map[string]any{"__float__": "Infinity"} }, arch.Qwen35, func(c Config) any { return c.Layers }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuild(t, c.fam, release)
			c.edit(b)
			if got := c.got(b.parse(t)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// FuzzParseConfig: nothing panics, and a config that is accepted can be asked what it needs.
func FuzzParseConfig(f *testing.F) {
	for _, name := range []string{"qwen3.5-bf16", "qwen3.5-moe-4bit"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "testdata", name, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"model_type":"qwen3","text_config":null}`))
	f.Add([]byte(`{"model_type":"qwen3","quantization_config":{"config_groups":{"a":{"targets":["re:("],"weights":{}}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseConfig(b); err == nil && c.Layers < 100 {
			needs := c.Needs()
			if !slices.ContainsFunc(needs, func(choice arch.Choice) bool { return choice[0][0].Body == "embed_tokens.weight" }) {
				t.Errorf("a %s without an embedding", c.Family)
			}
		}
		s, err := parseScheme(b, nil)
		if err == nil && s.method == methodMLX && s.mlx.global.Validate() != nil {
			t.Errorf("accepted the format %v", s.mlx.global)
		}
	})
}
