package arch

import (
	"errors"
	"slices"
	"strings"
)

// What a key means that is not there: the defaults of transformers' config classes (5.24,
// configuration_qwen3.py and those of qwen3_moe, qwen3_next, qwen3_5 and qwen3_5_moe), on which the
// five agree. What a layer is made of has no default here, for the classes' own are those of one
// model; nor has rope_theta, which is 10,000 to transformers and 100,000 to mlx-lm and Ollama.
const (
	defaultActivation = "silu"
	defaultNormEps    = 1e-6
	defaultPositions  = 32768
	defaultChannels   = 3 // of an image: vision_config.in_channels
	defaultInterval   = 4 // full_attention_interval; of the three hybrid classes
	defaultSparseStep = 1 // decoder_sparse_step; of Qwen3MoeConfig and Qwen3NextConfig
)

// Limits that are far above any model, and bound what a hostile config can make us allocate. The
// elements of a tensor of such sizes still fit 63 bits.
const (
	maxVocab     = 1 << 24
	maxWidth     = 1 << 20
	maxLayers    = 1 << 12
	maxHeads     = 1 << 12
	maxHeadDim   = 1 << 14
	maxKernel    = 1 << 10
	maxExperts   = 1 << 14
	maxPositions = 1 << 30
)

// ParseConfig reads config.json, from text_config where there is one. Everything that is wrong with
// it is reported, a line each, with its key: ErrConfig what is malformed, missing or contradicts the
// rest, ErrUnsupported what qimport cannot run.
func ParseConfig(b []byte) (Config, error) {
	var findings []error
	top := newSection("", b, &findings)
	text := top
	if top.has("text_config") {
		text = top.section("text_config")
		text.path = "" // its keys are unique enough, and stand at the top in other checkpoints
	}
	if len(findings) > 0 {
		return Config{}, errors.Join(findings...)
	}
	c := Config{VisionChannels: defaultChannels}
	if c.readFamily(top, text); len(findings) > 0 {
		return Config{}, errors.Join(findings...) // the keys of another model mean nothing here
	}
	c.readSizes(text)
	c.readAttention(text)
	c.readFeedForward(text)
	c.readRoPE(text)
	c.readHead(top, text)
	c.ThetaOnTop = top.has("rope_theta")
	if c.HasVision = top.has("vision_config"); c.HasVision {
		c.VisionChannels = top.section("vision_config").sizeOr("in_channels", defaultChannels, maxWidth)
	}
	if len(findings) > 0 {
		return Config{}, errors.Join(findings...)
	}
	c.readTower(top, text)
	return c, nil
}

// readFamily recognises the model by the top level's model_type. Flat text-only saves call
// themselves qwen3_5_text.
func (c *Config) readFamily(top, text section) {
	var architectures []string
	if top.read("architectures", &architectures, "a list of names") && len(architectures) > 0 {
		c.Architecture = architectures[0]
	}
	kind := top.word("model_type", "")
	c.Family = Family(strings.TrimSuffix(kind, "_text"))
	if !slices.Contains(Families(), c.Family) {
		what := ""
		if other := whatElse(kind, c.Architecture); other != "" {
			what = ": it is " + other
		}
		top.unsupported("model_type %q (architecture %q) is not supported%s; supported: %s", kind, c.Architecture, what, familyNames())
		return
	}
	if inner := text.word("model_type", kind); Family(strings.TrimSuffix(inner, "_text")) != c.Family {
		top.bad("model_type is %q, but %q in text_config", kind, inner)
	}
	a := c.Architecture
	if other := whatElse("", a); other != "" {
		top.unsupported("architecture %q is not supported: it is %s", a, other)
	} else if a != "" && !strings.HasSuffix(a, "ForCausalLM") && !strings.HasSuffix(a, "ForConditionalGeneration") {
		top.unsupported("architecture %q is not supported: it is no language model", a)
	}
}

func familyNames() string {
	var names []string
	for _, f := range Families() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// readSizes reads what all families have.
func (c *Config) readSizes(s section) {
	c.VocabSize = s.size("vocab_size", maxVocab)
	c.HiddenSize = s.size("hidden_size", maxWidth)
	c.Layers = s.size("num_hidden_layers", maxLayers)
	c.MaxPositions = s.sizeOr("max_position_embeddings", defaultPositions, maxPositions)
	eps := s.number("rms_norm_eps", defaultNormEps)
	if !(eps >= 0 && eps < 1) {
		s.bad("rms_norm_eps is %g; it must be from 0 to 1", eps)
	}
	c.NormEps = float32(eps)
	// swish is the same function under its older name
	if act := s.word("hidden_act", defaultActivation); act != "silu" && act != "swish" {
		s.unsupported("hidden_act %q is not supported; supported: silu", act)
	}
}

// readHead says where the head is: tie_word_embeddings of the text model, else of the top level. transformers
// goes by the top, and what it saves of Qwen3-VL with experts says the contrary in text_config, by a default.
func (c *Config) readHead(top, text section) {
	order := []section{text, top}
	if c.Family.Deep() {
		order = []section{top, text}
	}
	for _, s := range order {
		if s.has("tie_word_embeddings") {
			c.Output = HeadOwn
			if s.flag("tie_word_embeddings", false) {
				c.Output = HeadTied
			}
			return
		}
	}
}
