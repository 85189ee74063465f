package adapter

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/internal/untrusted"
)

// peftConfig is what of PEFT's adapter_config.json says how arrays are to be read (0.21, LoraConfig).
type peftConfig struct {
	Type    string          `json:"peft_type"`
	Rank    int             `json:"r"`
	Alpha   float64         `json:"lora_alpha"`
	RSLoRA  bool            `json:"use_rslora"`
	DoRA    bool            `json:"use_dora"`
	FanIn   bool            `json:"fan_in_fan_out"`
	Init    json.RawMessage `json:"init_lora_weights"`
	Ranks   patterns        `json:"rank_pattern"`
	Alphas  patterns        `json:"alpha_pattern"`
	LoRABia bool            `json:"lora_bias"`
	Tokens  trainedTokens   `json:"trainable_token_indices"`
}

// unfusable are keys of a PEFT config under which there is more to a model than its weights, or other
// arithmetic than a product of two matrices. They are no obstacle where they are null or false.
var unfusable = []string{
	"alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication", "monteclora_config",
	"use_bdlora", "use_qalora",
}

// rebased are ways to begin a training that change the weights of the model itself: the adapter belongs
// to those, which are not at hand.
var rebased = []string{"pissa", "olora", "corda", "loftq", "lora_ga"}

// newPEFT reads adapter_config.json.
func newPEFT(raw []byte, keys map[string]json.RawMessage) (maker, error) {
	var c peftConfig
	if err := untrusted.Unmarshal(raw, &c); err != nil {
		return nil, err
	}
	return c, c.check(keys)
}

func (peftConfig) who() (string, arch.NormForm) { return "PEFT", arch.NormsRaw }

func (peftConfig) fileName() string { return "adapter_model.safetensors" }

// read puts the arrays of each module together.
func (c peftConfig) read(a *Adapter, arrays []safetensors.Tensor) error {
	modules := map[string]*change{}
	for _, t := range arrays {
		if err := a.readPEFT(modules, t.Name); err != nil {
			return fmt.Errorf("tensor %s %w", t.Name, err)
		}
	}
	if n := (len(c.Ranks) + len(c.Alphas)) * len(modules); n > maxMatches {
		return fmt.Errorf("the patterns of %s times its %d modules are %d, more than %d", configName, len(modules), n, maxMatches)
	}
	for _, key := range slices.Sorted(maps.Keys(modules)) {
		m := modules[key]
		if err := c.complete(m); err != nil {
			return fmt.Errorf("module %s %w", m.module, err)
		}
		a.changes = append(a.changes, *m)
	}
	return c.Tokens.allIn(a.changes)
}

// check refuses what cannot be fused, whatever the arrays are.
func (c peftConfig) check(keys map[string]json.RawMessage) error {
	if c.Type != "LORA" {
		return fmt.Errorf("peft_type %q is not supported; supported: LORA", c.Type)
	}
	if c.FanIn {
		return fmt.Errorf("fan_in_fan_out is not supported: no layer of these models has its weight transposed")
	}
	if c.LoRABia {
		return fmt.Errorf("lora_bias is not supported: the layers of these models have no bias to add it to")
	}
	for _, key := range unfusable {
		if raw, ok := keys[key]; ok && !slices.Contains([]string{"null", "false", "[]", "{}"}, string(raw)) {
			return fmt.Errorf("%s is not supported: such an adapter cannot be fused into the weights", key)
		}
	}
	if err := c.Tokens.check(); err != nil {
		return err
	}
	var init string
	_ = json.Unmarshal(c.Init, &init) // a truth value in most
	for _, word := range rebased {
		if strings.HasPrefix(strings.ToLower(init), word) {
			return fmt.Errorf("init_lora_weights %q is not supported: it has changed the model's own weights; save the adapter with path_initial_model_for_weight_conversion", init)
		}
	}
	return nil
}

// readPEFT puts an array to the module that it is of, or among those that replace a tensor.
func (a *Adapter) readPEFT(modules map[string]*change, name string) error {
	rest, ok := strings.CutPrefix(name, "base_model.model.")
	if !ok {
		return fmt.Errorf("does not begin with base_model.model, as those of PEFT do")
	}
	module := func(suffix string) (*change, bool) {
		stem, ok := strings.CutSuffix(rest, suffix)
		if !ok {
			return nil, false
		}
		if modules[stem] == nil {
			path := stem // a second parameter of a module is said under the first one's wrapper
			for strings.HasSuffix(path, ".base_layer") {
				path = strings.TrimSuffix(path, ".base_layer")
			}
			modules[stem] = &change{module: path}
		}
		return modules[stem], true
	}
	if m, ok := module(".lora_A.weight"); ok {
		m.a = name
	} else if m, ok := module(".lora_B.weight"); ok {
		m.b = name
	} else if m, ok := module(".lora_embedding_A"); ok {
		m.a, m.embedding = name, true
	} else if m, ok := module(".lora_embedding_B"); ok {
		m.b, m.embedding = name, true
	} else if m, ok := module(".lora_magnitude_vector"); ok {
		m.magnitude = name
	} else if m, ok := module(".lora_magnitude_vector.weight"); ok {
		m.magnitude = name
	} else if m, ok := module(".token_adapter.trainable_tokens_delta"); ok {
		m.tokens = name
	} else if strings.Contains(rest, ".lora_") || strings.Contains(rest, ".token_adapter.") {
		return fmt.Errorf("is of a kind that is not known")
	} else {
		bare := strings.Replace(strings.Replace(rest, ".base_layer.", ".", 1), ".modules_to_save.", ".", 1)
		a.replaced = append(a.replaced, replacement{bare, name})
	}
	return nil
}

// completeTokens gives a module with trained tokens their ids.
func (c peftConfig) completeTokens(m *change) error {
	if m.ids = c.Tokens.of(m.module); m.ids == nil {
		return fmt.Errorf("has trained tokens, but trainable_token_indices of %s does not name it", configName)
	}
	if m.a != "" || m.b != "" || m.magnitude != "" {
		return fmt.Errorf("has trained tokens beside low-rank matrices, which is not supported")
	}
	return nil
}

// complete refuses halves, and gives the module its rank and scale.
func (c peftConfig) complete(m *change) error {
	if m.tokens != "" {
		return c.completeTokens(m)
	}
	switch {
	case m.a == "" || m.b == "":
		return fmt.Errorf("has one of lora_A and lora_B without the other")
	case c.DoRA && m.magnitude == "":
		return fmt.Errorf("has no lora_magnitude_vector, but %s says use_dora", configName)
	case !c.DoRA && m.magnitude != "":
		return fmt.Errorf("has a lora_magnitude_vector, but %s does not say use_dora", configName)
	}
	rank, alpha := c.Ranks.of(m.module, float64(c.Rank)), c.Alphas.of(m.module, c.Alpha)
	if rank != math.Trunc(rank) || rank < 1 || rank > maxRank {
		return fmt.Errorf("has the rank %g by %s: it is a whole number from 1 to %d", rank, configName, maxRank)
	}
	m.rank, m.scale = int(rank), alpha/rank
	if c.RSLoRA { // arXiv:2312.03732
		m.scale = alpha / math.Sqrt(rank)
	}
	if math.IsInf(m.scale, 0) || math.IsNaN(m.scale) {
		return fmt.Errorf("has the scale %g by %s", m.scale, configName)
	}
	return nil
}
