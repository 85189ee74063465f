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
	f.Add([]byte(`{"model_type":"qwen3","quantization_config":{"quant_method":"compressed-tensors","format":"pack-quantized","ignore":["re:.*a"],"transform_config":{"config_groups":{"R1":{"apply":[{"location":"weight_input"}]}}},"config_groups":{"a":{"targets":["Linear","re:x","m"],"weights":{"num_bits":3,"type":"int","symmetric":false,"group_size":-1}}}}}`))
	f.Add([]byte(`{"model_type":"qwen3","quantization_config":{"quant_method":"modelopt","quant_algo":"MIXED_PRECISION","quantized_layers":{"a":{"quant_algo":"FP8"},"b":{"quant_algo":"NVFP4","group_size":16}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseScheme(b, nil)
		if err == nil && s.method == methodMLX && s.mlx.global.Validate() != nil {
			t.Errorf("accepted the format %v", s.mlx.global)
		}
		for _, g := range s.compressed.groups {
			if err == nil && g.format.Validate() != nil {
				t.Errorf("accepted the format %v", g.format)
			}
		}
	})
}
