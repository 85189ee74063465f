package plan

import (
	"errors"
	"testing"

	"qimport/arch"
	"qimport/convert/source"
)

// TestStoredFile: Ollama's reader of Qwen3 looks for rope_theta and the architecture at the top alone.
func TestStoredFile(t *testing.T) {
	below := "{\n  \"model_type\": \"qwen3\",\n  \"rope_parameters\": {\"rope_theta\": 5000000}\n}\n"
	for _, c := range []struct {
		name   string
		config arch.Config
		file   string
		want   string
	}{
		{"theta below", arch.Config{Family: arch.Qwen3, Architecture: "A", RoPE: arch.RoPE{Theta: 5e6}}, "config.json",
			"{\n  \"rope_theta\": 5000000,\n  \"model_type\": \"qwen3\",\n  \"rope_parameters\": {\"rope_theta\": 5000000}\n}\n"},
		{"no architecture", arch.Config{Family: arch.Qwen3, ThetaOnTop: true}, "config.json",
			"{\n  \"architectures\": [\"Qwen3ForCausalLM\"],\n  \"model_type\": \"qwen3\",\n  \"rope_parameters\": {\"rope_theta\": 5000000}\n}\n"},
		{"all there", arch.Config{Family: arch.Qwen3, Architecture: "A", ThetaOnTop: true}, "config.json", below},
		{"a hybrid", arch.Config{Family: arch.Qwen35, Architecture: "A", RoPE: arch.RoPE{Theta: 5e6}}, "config.json", below},
		{"another file", arch.Config{Family: arch.Qwen3}, "tokenizer_config.json", below},
	} {
		got, err := StoredFile(source.Inventory{Config: c.config}, c.file, []byte(below))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s", c.name, err, got)
		}
	}
	if got, err := StoredFile(source.Inventory{Config: arch.Config{Family: arch.Qwen35}}, "config.json", []byte("{ }")); string(got) != `{ "architectures": ["Qwen3_5ForCausalLM"] }` {
		t.Errorf("an empty object: %s, %v", got, err)
	}
	for _, broken := range []string{"", "[]", "{"} {
		if _, err := StoredFile(source.Inventory{Config: arch.Config{Family: arch.Qwen35}}, "config.json", []byte(broken)); !errors.Is(err, source.ErrSource) {
			t.Errorf("%q: %v", broken, err)
		}
	}
}
