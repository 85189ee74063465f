package source

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzParseScheme: nothing panics, and a format that is accepted is one.
func FuzzParseScheme(f *testing.F) {
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
		s, err := parseScheme(b, nil)
		if err == nil && s.method == methodMLX && s.mlx.global.Validate() != nil {
			t.Errorf("accepted the format %v", s.mlx.global)
		}
	})
}
