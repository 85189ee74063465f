package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
)

// Config is what config.json says, as far as converting needs it.
type Config struct {
	arch.Config        // family and sizes of the text model
	Raw         []byte // config.json as it is
}

// maxLayers bounds what a hostile config can make us allocate; released models have up to 94.
const maxLayers = 10_000

// ParseConfig reads config.json, from text_config where there is one. A family that qimport does not
// know is refused by its name, a size that is missing or no natural number by its key.
func ParseConfig(b []byte) (Config, error) {
	top, err := parseObject(b)
	if err != nil {
		return Config{}, err
	}
	r := configReader{text: top, top: top}
	if raw, ok := top["text_config"]; ok {
		if r.text, err = parseObject(raw); err != nil {
			return Config{}, fmt.Errorf("text_config: %w", err)
		}
	}
	c := Config{Raw: b}
	if c.Family, c.Architecture, err = r.family(); err != nil {
		return Config{}, err
	}
	r.read(&c.Config)
	return c, errors.Join(r.errs...)
}

// object is a JSON object whose values are read when their type is known.
type object map[string]json.RawMessage

func parseObject(b []byte) (object, error) {
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("null is no object")
	}
	return o, nil
}

// has says whether the key is there with a value that is not null.
func (o object) has(key string) bool {
	raw, ok := o[key]
	return ok && string(raw) != "null"
}

// str is the key's string; "" if it is none.
func (o object) str(key string) string {
	var s string
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// configReader reads keys of the text model and remembers what was wrong.
type configReader struct {
	text, top object
	errs      []error
}

// family recognises the model. Flat text-only saves call themselves qwen3_5_text.
func (r *configReader) family() (arch.Family, string, error) {
	var architectures []string
	_ = json.Unmarshal(r.top["architectures"], &architectures) // absent or odd: model_type decides
	architecture := ""
	if len(architectures) > 0 {
		architecture = architectures[0]
	}
	kind := r.top.str("model_type")
	name := arch.Family(strings.TrimSuffix(kind, "_text"))
	if !slices.Contains(arch.Families(), name) {
		return "", "", fmt.Errorf("model_type %q (architecture %q) is none that qimport knows: those are %s", kind, architecture, joinFamilies())
	}
	if inner := r.text.str("model_type"); inner != "" && arch.Family(strings.TrimSuffix(inner, "_text")) != name {
		return "", "", fmt.Errorf("model_type is %q, but %q in text_config", kind, inner)
	}
	if architecture != "" && !strings.HasSuffix(architecture, "ForCausalLM") && !strings.HasSuffix(architecture, "ForConditionalGeneration") {
		return "", "", fmt.Errorf("architecture %q is no language model", architecture)
	}
	return name, architecture, nil
}

func joinFamilies() string {
	var names []string
	for _, f := range arch.Families() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func (r *configReader) read(c *arch.Config) {
	c.VocabSize = r.size("vocab_size")
	c.HiddenSize = r.size("hidden_size")
	c.Layers = r.size("num_hidden_layers")
	c.Heads = r.size("num_attention_heads")
	c.KVHeads = r.size("num_key_value_heads")
	if r.text.has("head_dim") {
		c.HeadDim = r.size("head_dim")
	} else if c.Heads > 0 {
		c.HeadDim = c.HiddenSize / c.Heads
	}
	c.AttentionBias = r.flag(r.text, "attention_bias")
	c.HasVision = r.top.has("vision_config")
	c.Output = r.output()
	if c.Layers > maxLayers {
		r.errs = append(r.errs, fmt.Errorf("num_hidden_layers is %d, more than %d", c.Layers, maxLayers))
		return
	}
	if r.flag(r.text, "use_sliding_window") {
		r.errs = append(r.errs, errors.New("use_sliding_window is true, which no model of this family is known to use"))
	}
	c.FullAttention = slices.Repeat([]bool{true}, c.Layers)
	if c.Family.Hybrid() {
		r.readLinear(c)
	}
	if c.Family.Sparse() {
		r.readExperts(c)
	}
	if c.SparseLayer == nil || slices.Contains(c.SparseLayer, false) {
		c.Intermediate = r.size("intermediate_size")
	}
}

// readLinear reads the sizes of linear attention and which layers have it: layer_types, or else
// every layer but each full_attention_interval-th.
func (r *configReader) readLinear(c *arch.Config) {
	c.LinearKeyHeads, c.LinearValueHeads = r.size("linear_num_key_heads"), r.size("linear_num_value_heads")
	c.LinearKeyHeadDim, c.LinearValueHeadDim = r.size("linear_key_head_dim"), r.size("linear_value_head_dim")
	c.ConvKernel = r.size("linear_conv_kernel_dim")
	if c.LinearKeyHeads > 0 && c.LinearValueHeads%c.LinearKeyHeads != 0 {
		r.errs = append(r.errs, fmt.Errorf("linear_num_value_heads %d is no multiple of linear_num_key_heads %d", c.LinearValueHeads, c.LinearKeyHeads))
	}
	if !r.text.has("layer_types") {
		interval := r.sizeOr("full_attention_interval", 4)
		for i := range c.FullAttention {
			c.FullAttention[i] = interval > 0 && (i+1)%interval == 0
		}
		return
	}
	var types []string
	if err := json.Unmarshal(r.text["layer_types"], &types); err != nil || len(types) != c.Layers {
		r.errs = append(r.errs, fmt.Errorf("layer_types does not list %d layers", c.Layers))
		return
	}
	for i, kind := range types {
		if kind != "full_attention" && kind != "linear_attention" {
			r.errs = append(r.errs, fmt.Errorf("layer_types[%d] is %q, neither full_attention nor linear_attention", i, kind))
		}
		c.FullAttention[i] = kind == "full_attention"
	}
}

// readExperts reads the sizes of the experts and which layers have them. Qwen3.5 has them in every
// layer; the older families except mlp_only_layers and all but each decoder_sparse_step-th.
func (r *configReader) readExperts(c *arch.Config) {
	key := "num_experts"
	if !r.text.has(key) && r.text.has("num_local_experts") {
		key = "num_local_experts" // as transformers 5 may save Qwen3-MoE
	}
	c.Experts, c.ExpertWidth = r.size(key), r.size("moe_intermediate_size")
	if c.Family != arch.Qwen3MoE {
		c.SharedWidth = r.sizeOr("shared_expert_intermediate_size", 0)
	}
	c.SparseLayer = slices.Repeat([]bool{true}, c.Layers)
	if c.Family == arch.Qwen35MoE {
		return
	}
	step := r.sizeOr("decoder_sparse_step", 1)
	var dense []int
	if r.text.has("mlp_only_layers") && json.Unmarshal(r.text["mlp_only_layers"], &dense) != nil {
		r.errs = append(r.errs, errors.New("mlp_only_layers is no list of layers"))
	}
	for i := range c.SparseLayer {
		c.SparseLayer[i] = step > 0 && (i+1)%step == 0 && !slices.Contains(dense, i)
	}
}

// output says where the head is: tie_word_embeddings of the text model, else of the top level.
func (r *configReader) output() arch.Output {
	for _, o := range []object{r.text, r.top} {
		if o.has("tie_word_embeddings") {
			if r.flag(o, "tie_word_embeddings") {
				return arch.HeadTied
			}
			return arch.HeadOwn
		}
	}
	return arch.HeadUnsaid
}

// size is a natural number that must be there.
func (r *configReader) size(key string) int {
	if !r.text.has(key) {
		r.errs = append(r.errs, fmt.Errorf("%s is missing", key))
		return 0
	}
	n := r.sizeOr(key, 0)
	if n == 0 {
		r.errs = append(r.errs, fmt.Errorf("%s must not be 0", key))
	}
	return n
}

// sizeOr is a number that may be missing. The bound, far above any model's, keeps products of two
// sizes within 63 bits.
func (r *configReader) sizeOr(key string, missing int) int {
	if !r.text.has(key) {
		return missing
	}
	var n int
	if err := json.Unmarshal(r.text[key], &n); err != nil || n < 0 || n > 1<<24 {
		r.errs = append(r.errs, fmt.Errorf("%s is %.40s, no size", key, r.text[key]))
		return 1
	}
	return n
}

func (r *configReader) flag(o object, key string) bool {
	var b bool
	if o.has(key) && json.Unmarshal(o[key], &b) != nil {
		r.errs = append(r.errs, fmt.Errorf("%s is %.40s, neither true nor false", key, o[key]))
	}
	return b
}
