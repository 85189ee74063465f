package verify

import (
	"os"
	"path/filepath"
	"testing"

	"qimport/manifest"
	"qimport/verify/report"
)

// fixtures is the folder of trained models in the forms that users meet, or skips.
func fixtures(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("QIMPORT_FIXTURES")
	if dir == "" {
		t.Skip("QIMPORT_FIXTURES does not name the fixtures")
	}
	return dir
}

// A model is compared with its source whatever form either has: names with other prefixes, norms
// with and without their 1, conv1d turned, experts fused, apart, or one by one.
func TestQualityAcrossForms(t *testing.T) {
	needMLX(t)
	dir := fixtures(t)
	for _, tt := range []struct{ model, source string }{
		{"tiny-qwen3.5-bf16", "tiny-qwen3.5-hf"},
		{"tiny-qwen3.5-vlm-4bit", "tiny-qwen3.5-hf"},
		{"tiny-qwen3.5-fp8", "tiny-qwen3.5-hf"},
		{"tiny-qwen3.5-hf", "tiny-qwen3.5-bf16"},
		{"tiny-qwen3.5-moe-nvfp4", "tiny-qwen3.5-moe-hf"},
		{"tiny-qwen3.5-moe-fp8", "tiny-qwen3.5-moe-hf"},
		{"tiny-qwen3-nvfp4", "tiny-qwen3-hf"},
	} {
		t.Run(tt.model+" against "+tt.source, func(t *testing.T) {
			o := quick(report.Quality)
			o.TextTokens = 128
			r := judge(t, against(t, Directory(tt.model, filepath.Join(dir, tt.model)), filepath.Join(dir, tt.source)), o)
			if !r.Passed {
				t.Errorf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
			}
			if len(r.Tensors) < 40 {
				t.Errorf("%d tensors were compared", len(r.Tensors))
			}
		})
	}
}

// What a real Ollama stored is judged like what we store.
func TestOllamaStore(t *testing.T) {
	needMLX(t)
	store, err := manifest.Open(filepath.Join(fixtures(t), "ollama-store"))
	if err != nil {
		t.Fatal(err)
	}
	for model, source := range map[string]string{"tiny-qwen3.5-nvfp4": "tiny-qwen3.5-hf", "tiny-qwen3.5-moe-nvfp4": "tiny-qwen3.5-moe-hf"} {
		t.Run(model, func(t *testing.T) {
			name, err := manifest.ParseName(model)
			if err != nil {
				t.Fatal(err)
			}
			target, err := Stored(store, name)
			if err != nil {
				t.Fatal(err)
			}
			o := quick(report.Quality)
			o.TextTokens = 128
			r := judge(t, against(t, target, filepath.Join(fixtures(t), source)), o)
			if !r.Passed {
				t.Errorf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
			}
		})
	}
}
