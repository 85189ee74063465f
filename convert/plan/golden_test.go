package plan

import (
	"context"
	"testing"

	"qimport/convert/converttest"
	"qimport/convert/source"
	"qimport/quant/recipe"
)

// TestPlanGolden holds the printed plans of the shipped checkpoints, and of the fixtures where they
// are at hand, to testdata/*.plan.txt. An expected refusal is a golden too.
func TestPlanGolden(t *testing.T) {
	tests := []struct {
		name   string // of the golden
		source string // of testdata, or of the fixtures
		recipe string // policy type override…
	}{
		{"bf16-nvfp4", "../../testdata/qwen3.5-bf16", "ollama nvfp4 **.down_proj=mxfp8 layers.3.self_attn.{q,k,v,o}_proj=bf16"},
		{"bf16-int4-split-pair", "../../testdata/qwen3.5-bf16", "uniform int4 **.in_proj_z=bf16"},
		{"bf16-dead-pattern", "../../testdata/qwen3.5-bf16", "ollama nvfp4 **.donw_proj=mxfp8 **.layernorm=int8"},
		{"moe-4bit-keep", "../../testdata/qwen3.5-moe-4bit", "ollama keep"},
		{"moe-4bit-requantize", "../../testdata/qwen3.5-moe-4bit", "ollama keep **.o_proj=mxfp8"},
		{"hf-nvfp4", "tiny-qwen3.5-hf", "ollama nvfp4"},
		{"moe-hf-int4", "tiny-qwen3.5-moe-hf", "ollama int4"},
		{"moe-hf-some-experts", "tiny-qwen3.5-moe-hf", "ollama nvfp4 **.experts.{0..3}.**=mxfp8"},
		{"next-int4", "tiny-qwen3-next", "ollama int4"},
		{"3bit-keep", "tiny-qwen3.5-3bit", "ollama keep"},
		{"fp8-keep", "tiny-qwen3.5-fp8", "ollama keep"},
		{"fp8-mxfp8", "tiny-qwen3.5-fp8", "ollama mxfp8"},
		{"moe-fp8-bf16", "tiny-qwen3.5-moe-fp8", "ollama bf16"},
		{"moe-ct-nvfp4-keep", "tiny-qwen3.5-moe-ct-nvfp4", "ollama keep"},
		{"moe-ct-nvfp4-again", "tiny-qwen3.5-moe-ct-nvfp4", "ollama nvfp4"},
		{"modelopt-nvfp4-mxfp8", "tiny-qwen3.5-modelopt-nvfp4", "ollama mxfp8"},
		{"vl-moe-keep", "../../testdata/qwen3-vl-moe", "ollama keep"},
		{"vl-moe-nvfp4", "../../testdata/qwen3-vl-moe", "ollama nvfp4"},
		{"vlm-4bit-keep", "tiny-qwen3.5-vlm-4bit", "ollama keep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			converttest.Golden(t, "testdata/"+tt.name+".plan.txt", planText(t, converttest.SourceDir(t, tt.source), converttest.RecipeOf(t, tt.recipe)))
		})
	}
}

// planText is the plan, or the refusal, as a user sees it.
func planText(t *testing.T, dir string, recipe recipe.Recipe) string {
	t.Helper()
	src, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	plan, err := Make(context.Background(), src, recipe, Options{})
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return plan.String()
}
