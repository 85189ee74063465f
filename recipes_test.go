package qimport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/manifest"
	"qimport/quant/recipe"
)

// Every shipped recipe plans on dense models and mixtures of experts, all of which Ollama runs, and has no rule
// that none of them needs.
func TestShippedRecipesPlan(t *testing.T) {
	dirs := []string{"testdata/qwen3.5-bf16", "testdata/qwen3.5-moe-4bit"}
	if fixtures := os.Getenv("QIMPORT_FIXTURES"); fixtures != "" {
		for _, name := range []string{"tiny-qwen3-hf", "tiny-qwen3.5-hf", "tiny-qwen3.5-moe-hf", "tiny-qwen3-next", "tiny-qwen3.5-vl", "tiny-qwen3.5-vl-moe"} {
			dirs = append(dirs, filepath.Join(fixtures, name))
		}
	}
	store, err := manifest.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range recipe.ShippedNames() {
		used := map[string]bool{}
		for _, dir := range dirs {
			o, err := Request{Source: "./" + dir, Recipe: name, For: "ollama", AllowRequantize: strings.HasSuffix(dir, "4bit")}.Options("")
			if err != nil {
				t.Fatal(err)
			}
			if filepath.IsAbs(dir) {
				o.Source = dir
			}
			p, err := Plan(t.Context(), store, o)
			if err != nil {
				t.Errorf("%s of %s: %v", name, dir, err)
			}
			for _, b := range p.Blobs {
				for _, tensor := range b.Tensors {
					used[tensor.Rule] = true
				}
			}
		}
		shipped, _ := recipe.OpenShipped(name)
		parsed, err := shipped.Parse()
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range parsed.Rules {
			if !used[rule.String()] {
				t.Errorf("%s: nothing is decided by %s", name, rule)
			}
		}
	}
}
