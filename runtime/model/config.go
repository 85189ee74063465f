package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/runtime/layer"
)

// Family is one architecture of the Qwen3 line, named by its model_type.
type Family string

// The families that New can build.
const (
	Qwen3     Family = "qwen3"
	Qwen3MoE  Family = "qwen3_moe"
	Qwen3Next Family = "qwen3_next"
	Qwen35    Family = "qwen3_5"
	Qwen35MoE Family = "qwen3_5_moe"
)

// families is the list that errors show.
var families = []Family{Qwen3, Qwen3MoE, Qwen3Next, Qwen35, Qwen35MoE}

// hybrid says whether most layers are Gated DeltaNet, attention has an output gate and the norms
// of a release are stored without their +1.
func (f Family) hybrid() bool { return f == Qwen3Next || f == Qwen35 || f == Qwen35MoE }

// mixture says whether the family has routed experts.
func (f Family) mixture() bool { return f == Qwen3MoE || f == Qwen3Next || f == Qwen35MoE }

// ErrArchitecture marks a config of a model that this package does not know how to run.
var ErrArchitecture = errors.New("architecture not supported")

// ErrConfig marks a config.json that is malformed, incomplete or contradicts itself.
var ErrConfig = errors.New("bad config.json")

// Config is what the graphs need of config.json, checked: sizes are positive and fit together.
type Config struct {
	Family           Family
	VocabSize        int
	HiddenSize       int
	IntermediateSize int // of dense feed-forward layers; 0 where a mixture has none
	Layers           int
	Heads, KVHeads   int
	HeadDim          int
	NormEps          float32
	MaxPositions     int
	TieEmbeddings    bool
	AttentionBias    bool // the attention's projections must have biases; they may in any case
	RoPE             layer.RoPE
	Linear           []bool // one per layer: Gated DeltaNet rather than attention
	Delta            layer.DeltaSizes
	MoE              MoE
}

// MoE is the part of a Config that mixtures have.
type MoE struct {
	Experts, TopK      int
	Intermediate       int  // of one expert
	SharedIntermediate int  // of the shared expert; 0 for none
	Normalise          bool // the chosen experts' weights are made to sum to one
	sparseStep         int
	denseLayers        []int
}

// Sparse says whether that layer has experts rather than a dense feed-forward part.
func (m MoE) Sparse(layer int) bool {
	return m.Experts > 0 && (layer+1)%m.sparseStep == 0 && !slices.Contains(m.denseLayers, layer)
}

// ParseConfig reads a config.json. Sizes come from text_config if there is one, else from the top
// level; a missing size is an error, never a default. Every finding is reported.
func ParseConfig(data []byte) (Config, error) {
	var top rawConfig
	if err := json.Unmarshal(data, &top); err != nil {
		return Config{}, fmt.Errorf("config.json: %w: %w", ErrConfig, err)
	}
	family, err := parseFamily(top.ModelType)
	if err != nil {
		return Config{}, err
	}
	text := top.rawText
	if top.Text != nil {
		text = *top.Text
	}
	c, err := text.config(family)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: %w: %w", ErrConfig, err)
	}
	if text.Tie == nil && top.Tie != nil {
		c.TieEmbeddings = *top.Tie
	}
	return c, nil
}

// parseFamily knows a family by the top-level model_type; a text-only save adds "_text".
func parseFamily(modelType string) (Family, error) {
	f := Family(strings.TrimSuffix(modelType, "_text"))
	if !slices.Contains(families, f) {
		return "", fmt.Errorf("config.json: model_type %q: %w; known are %v", modelType, ErrArchitecture, families)
	}
	return f, nil
}
