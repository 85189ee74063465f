package ollama

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"qimport/internal/spelling"
)

// kind is the type of a parameter's value.
type kind uint8

const (
	whole kind = iota
	real
	truth
	text // of which there may be several
)

// parameters are the PARAMETERs of a Modelfile.
var parameters = map[string]kind{
	"num_ctx": whole, "num_batch": whole, "num_gpu": whole, "main_gpu": whole, "use_mmap": truth, "num_thread": whole, "draft_num_predict": whole,
	"num_keep": whole, "seed": whole, "num_predict": whole, "top_k": whole, "top_p": real, "min_p": real, "typical_p": real, "repeat_last_n": whole,
	"temperature": real, "repeat_penalty": real, "presence_penalty": real, "frequency_penalty": real, "stop": text,
}

// givenUp are parameters that `ollama create` takes and drops.
var givenUp = []string{"penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "mirostat", "mirostat_tau", "mirostat_eta"}

// ParseParameter reads the value of a PARAMETER: an int64, a float32, a bool, or a string of which there may
// be several.
func ParseParameter(name, value string) (any, error) {
	kind, known := parameters[name]
	if slices.Contains(givenUp, name) {
		return nil, fmt.Errorf("parameter %s: Ollama has given it up, and drops it", name)
	}
	if !known {
		all := slices.Sorted(maps.Keys(parameters))
		return nil, fmt.Errorf("there is no parameter %.40q%s; there are %s", name, spelling.DidYouMean(name, all), strings.Join(all, " "))
	}
	switch kind {
	case whole:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n, nil
		}
		return nil, fmt.Errorf("parameter %s: %.40q is no whole number", name, value)
	case real:
		if f, err := strconv.ParseFloat(value, 32); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return float32(f), nil
		}
		return nil, fmt.Errorf("parameter %s: %.40q is no number", name, value)
	case truth:
		if b, err := strconv.ParseBool(value); err == nil {
			return b, nil
		}
		return nil, fmt.Errorf("parameter %s: %.40q is neither true nor false", name, value)
	}
	return value, nil
}

// ParseRequires reads the version that a model requires, which is not below Least.
func ParseRequires(s string) (Version, error) {
	v, err := ParseVersion(s)
	if err == nil && v.Before(Least) {
		err = fmt.Errorf("a model of safetensors requires %s at least, not %s", Least, v)
	}
	return v, err
}

// CheckParser says whether the name is one of a parser that goes with these models.
func CheckParser(name string) error { return checkPart("parser", name, parsers) }

// CheckRenderer says whether the name is one of a renderer that goes with these models.
func CheckRenderer(name string) error { return checkPart("renderer", name, renderers) }

func checkPart(what, name string, known map[string]Part) error {
	if _, ok := known[name]; ok {
		return nil
	}
	all := slices.Sorted(maps.Keys(known))
	return fmt.Errorf("there is no %s %.40q for models of Qwen's in Ollama%s; there are %s", what, name, spelling.DidYouMean(name, all), strings.Join(all, " "))
}
