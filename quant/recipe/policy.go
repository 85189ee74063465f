package recipe

import (
	"fmt"
	"strings"

	"qimport/internal/spelling"
	"qimport/quant"
)

// Policy gives a type to the tensors that no rule names.
type Policy uint8

// The policies. Ollama promotes what hurts most at 4 bits and leaves embeddings alone, as Ollama's
// own importer does; Uniform gives the type to all that can hold it, as mlx-lm does; KeepSource
// changes nothing.
const (
	Ollama Policy = iota
	Uniform
	KeepSource
)

var policyNames = [...]string{Ollama: "ollama", Uniform: "uniform", KeepSource: "keep"}

func (p Policy) String() string { return policyNames[p] }

// ParsePolicy reads a policy's name.
func ParsePolicy(name string) (Policy, error) {
	for p, n := range policyNames {
		if n == name {
			return Policy(p), nil
		}
	}
	return 0, fmt.Errorf("%w: policy %q is unknown%s; known are %s", ErrRecipe, name, spelling.DidYouMean(name, policyNames[:]), strings.Join(policyNames[:], ", "))
}

// minQuantized is the fewest elements that Ollama quantizes.
const minQuantized = 1024

// choose gives the format for an unquantized tensor when the type t was asked for, and the words
// that say why. The zero format means that the source's is kept.
func (p Policy) choose(t quant.Format, s Subject) (quant.Format, string) {
	switch {
	case s.Fixed != "":
		return quant.Format{}, "source: " + s.Fixed
	case t.IsKeep():
		return quant.Format{}, "source: no type was asked for"
	case t.Mode == quant.Plain:
		return t, "policy " + p.String()
	case p == Uniform:
		return uniform(t, s)
	}
	return ollama(t, s)
}

// uniform is mlx-lm's rule: every matrix whose columns divide, routers 8 bits affine.
func uniform(t quant.Format, s Subject) (quant.Format, string) {
	why := "policy uniform"
	if isRouter(s.Name) {
		t, why = quant.FormatInt8, "policy uniform: router takes 8 bit"
	}
	if err := t.CheckShape(s.Shape); err != nil {
		return quant.Format{}, "policy uniform: " + err.Error()
	}
	return t, why
}

// ollama is the rule of Ollama's importer, in its order of tests: each is a column of the table
// that its tests hold.
func ollama(t quant.Format, s Subject) (quant.Format, string) {
	if why := ollamaKeeps(s); why != "" {
		return quant.Format{}, "policy ollama: " + why
	}
	eight := eightBit(t)
	if strings.HasSuffix(s.Name, "lm_head.weight") {
		if eight.CheckShape(s.Shape) != nil {
			return quant.Format{}, "policy ollama: lm_head stays, its columns do not divide"
		}
		return eight, "policy ollama: lm_head takes 8 bit"
	}
	if err := t.CheckShape(s.Shape); err != nil {
		return quant.Format{}, "policy ollama: " + err.Error()
	}
	word := promoted(t, s.Name)
	if word == "" || eight == t || eight.CheckShape(s.Shape) != nil {
		return t, "policy ollama"
	}
	return eight, "policy ollama: " + word + " promoted to 8 bit"
}

// ollamaKeeps says why Ollama leaves a tensor as it is, or "".
func ollamaKeeps(s Subject) string {
	experts := isExpertName(s.Name)
	switch {
	case hasAnySuffix(s.Name, "linear_attn.in_proj_a.weight", "linear_attn.in_proj_b.weight", "linear_attn.in_proj_ba.weight"):
		return "delta gates stay"
	case !experts && containsAny(s.Name, "embed", "norm", "ln_", "audio_tower"):
		return "embeddings and norms stay"
	case !experts && !strings.HasSuffix(s.Name, ".weight"):
		return "not a weight matrix"
	case len(s.Shape) != 2 && !(experts && len(s.Shape) == 3):
		return fmt.Sprintf("a tensor of %d dimensions stays", len(s.Shape))
	case quant.Elements(s.Shape) < minQuantized:
		return fmt.Sprintf("under %d elements", minQuantized)
	case isRouter(s.Name):
		return "routers stay"
	case containsAny(s.Name, "vision", "visual"):
		return "vision stays"
	}
	return ""
}

// promoted names the projection for whose sake Ollama gives a tensor 8 bits instead of t, or "".
// Experts are promoted in the integer family only.
func promoted(t quant.Format, name string) string {
	if t.Bits >= 8 || (t.Mode != quant.Affine && isExpertName(name)) {
		return ""
	}
	for _, word := range []string{".v_proj", ".k_proj", "down_proj"} {
		if strings.Contains(name, word) {
			return strings.TrimPrefix(word, ".")
		}
	}
	return ""
}

// eightBit is the 8-bit type of a type's family: mxfp8, or affine with the same groups.
func eightBit(t quant.Format) quant.Format {
	if t.Mode == quant.Affine {
		return quant.AffineFormat(8, t.GroupSize)
	}
	return quant.FormatMXFP8
}

// isRouter says whether the tensor chooses experts, or gates the shared one.
func isRouter(name string) bool {
	return hasAnySuffix(name, ".mlp.gate.weight", ".shared_expert_gate.weight", ".router.proj.weight", ".mixer.gate.weight")
}

// isExpertName is Ollama's test: note the plural of shared_experts, which Qwen has not.
func isExpertName(name string) bool {
	return containsAny(name, ".experts.", ".mlp.switch_mlp.", ".mlp.shared_experts.")
}

func hasAnySuffix(s string, suffixes ...string) bool {
	for _, x := range suffixes {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return false
}

func containsAny(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}
