package manifest

import (
	"encoding/json"
	"fmt"
)

// Config is the config blob of a safetensors model, which tells Ollama how to serve it. The order
// of the fields, and which of them are left out when empty, is Ollama's.
type Config struct {
	ModelFormat   string   `json:"model_format"` // "safetensors"
	ModelFamily   string   `json:"model_family"`
	ModelFamilies []string `json:"model_families"` // nil, written as null
	ModelType     string   `json:"model_type"`
	FileType      string   `json:"file_type"` // the one quantization type, lower case, or ""
	// Generation is how answers are drawn where neither a PARAMETER nor a request says otherwise. A branch of
	// Ollama's reads it (2026-06); no release up to 0.32.15 does.
	Generation   *Generation `json:"generation_defaults,omitempty"`
	Renderer     string      `json:"renderer,omitempty"`
	Parser       string      `json:"parser,omitempty"`
	Requires     string      `json:"requires,omitempty"` // least version of Ollama
	Capabilities []string    `json:"capabilities,omitempty"`
	Draft        *Draft      `json:"draft,omitempty"`
	Architecture string      `json:"architecture"` // of a machine, empty for models
	OS           string      `json:"os"`
}

// Draft describes the draft model inside a safetensors model.
type Draft struct {
	ModelFormat  string `json:"model_format"`
	Architecture string `json:"architecture"`
	TensorPrefix string `json:"tensor_prefix"` // "draft."
	Config       string `json:"config"`        // "draft/config.json"
}

// Generation is settings of sampling by the names of Ollama's parameters, in their order. What is not said
// is nil.
type Generation struct {
	MinP          *float64 `json:"min_p,omitempty"`
	RepeatPenalty *float64 `json:"repeat_penalty,omitempty"`
	Temperature   *float64 `json:"temperature,omitempty"`
	TopK          *int     `json:"top_k,omitempty"`
	TopP          *float64 `json:"top_p,omitempty"`
}

// Encode is the config blob: one line of JSON, no newline.
func (c Config) Encode() []byte {
	b, err := json.Marshal(c)
	if err != nil { // no field can fail to encode
		panic(err)
	}
	return b
}

// ParseConfig reads a config blob, of other kinds of model too; unknown fields are left out.
func ParseConfig(b []byte) (Config, error) {
	var c Config
	if err := json.Unmarshal(b, &c); err != nil {
		return Config{}, fmt.Errorf("config blob: %w", err)
	}
	return c, nil
}
