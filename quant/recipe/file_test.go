package recipe

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
)

func TestParseRecipe(t *testing.T) {
	const text = `# what we ship
policy: uniform   # as mlx-lm
type: affine:4:32
overrides:
  - "**.down_proj=mxfp8"   # worst at four bits
  # attention of the first layers
  - 're:layers\.[0-3]\.self_attn=bf16'
  - lm_head=keep
  - {rule: "embed_tokens=int8", optional: true, only: moe}
  - rule: "**.o_proj=int8"
    optional: false
    only: dense
`
	got, err := Parse(strings.NewReader(text), "r.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{
		{Pattern: "**.down_proj", Format: quant.FormatMXFP8, Origin: "r.yaml line 5"},
		{Pattern: `re:layers\.[0-3]\.self_attn`, Format: quant.FormatBF16, Origin: "r.yaml line 7"},
		{Pattern: "lm_head", Origin: "r.yaml line 8"},
		{Pattern: "embed_tokens", Format: quant.FormatInt8, Origin: "r.yaml line 9", Optional: true, Only: MoE},
		{Pattern: "**.o_proj", Format: quant.FormatInt8, Origin: "r.yaml line 10", Only: Dense},
	}
	if got.Policy != Uniform || got.Type != quant.AffineFormat(4, 32) || !slices.Equal(got.Rules, want) {
		t.Errorf("got %+v", got)
	}
}

func TestParseRecipeTakesLittle(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "type: nvfp4\n", "overrides:\n", "overrides: []\n", "---\ntype: int4\n"} {
		if _, err := Parse(strings.NewReader(text), "r.yaml"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseRecipeRefuses(t *testing.T) {
	tests := []struct{ text, says string }{
		{"policy: fancy\n", "r.yaml line 1: recipe: policy \"fancy\" is unknown"},
		{"type: nvfp4\ntpye: int4\n", "r.yaml line 2: the key tpye is unknown"},
		{"\ntype: fp4\n", "r.yaml line 2: type \"fp4\": no such format"},
		{"type: 4\n", "r.yaml line 1: 4 is not text"},
		{"type: nvfp4\ntype: int4\n", "type"},
		{"overrides: x=int4\n", "r.yaml line 1: overrides is a list"},
		{"overrides:\n  - a=int4\n  - b\n", "r.yaml line 3 'b' is not PATTERN=TYPE"},
		{"overrides:\n  - a=int4\n  - b: int4\n", "r.yaml line 3: the key b is unknown; an override has rule, optional, only"},
		{"overrides:\n  - optional: true\n", "r.yaml line 2: an override with keys needs the key rule"},
		{"overrides:\n  - {rule: a=int4, optional: maybe}\n", "r.yaml line 2: optional is true or false"},
		{"overrides:\n  - {rule: a=int4, only: sparse}\n", "\"sparse\" is no kind of model; known are dense, moe"},
		{"overrides:\n  - {rule: 4}\n", "r.yaml line 2: 4 is not text"},
		{"overrides:\n  - [a=int4]\n", "r.yaml line 2"},
		{"overrides:\n  - \"a=\n", "r.yaml: it is not YAML"},
		{"- a\n", "r.yaml line 1: a recipe is a mapping"},
		{"type: nvfp4\n---\ntype: int4\n", "2 documents"},
	}
	for _, tt := range tests {
		_, err := Parse(strings.NewReader(tt.text), "r.yaml")
		if !errors.Is(err, ErrRecipe) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: says %v, want %q", tt.text, err, tt.says)
		}
	}
}

func FuzzParseRecipe(f *testing.F) {
	f.Add("policy: keep\ntype: bf16\noverrides:\n  - a=int4\n")
	f.Add("overrides: [a=int4, 're:b=keep']")
	f.Add("overrides:\n  - {rule: a=int4, optional: true, only: moe}\n")
	f.Add("{policy: &a ollama, type: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse(strings.NewReader(text), "r.yaml"); err != nil && !errors.Is(err, ErrRecipe) {
			t.Fatalf("rejected without saying so: %v", err)
		}
	})
}
