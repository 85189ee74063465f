package arch

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// prefixes are the containers that publishers put around the text model's names: release and mlx
// forms, and one that Ollama looks for too. Longer ones come first, so that the first that fits is
// the whole prefix.
var prefixes = []string{"model.language_model.model.", "model.language_model.", "language_model.model.", "language_model.", "model."}

// CutPrefix takes the containers off a tensor's name or a module's path.
func CutPrefix(name string) (prefix, bare string) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(name, p); ok {
			return p, rest
		}
	}
	return "", name
}

// Body is a tensor's name, or a module's path, in the one spelling of this package: without
// containers, and with the vision tower called "visual". So the names begin with "embed_tokens",
// "layers.", "norm", "lm_head", "mtp." or "visual.".
func Body(name string) string {
	_, bare := CutPrefix(name)
	if rest, cut := strings.CutPrefix(bare, "vision_tower."); cut {
		return "visual." + rest
	}
	return bare
}

// textModules are how the names of the text model's tensors begin without containers.
var textModules = []string{"layers", "embed_tokens", "norm", "lm_head"}

// Spellings lists every way that a user, or the config of another publisher, may write the name of a
// tensor or the path of a module: as it is, without containers and, of the text model's, under each
// of them. A name of the vision tower or of the multi-token-prediction head is under none: else it
// would be found by patterns that name the language model.
func Spellings(name string) []string {
	_, bare := CutPrefix(name)
	out := []string{name}
	if bare != name {
		out = append(out, bare)
	}
	if !slices.ContainsFunc(textModules, func(m string) bool { return isWithin(bare, m) }) {
		return out
	}
	for _, p := range prefixes {
		if p+bare != name {
			out = append(out, p+bare)
		}
	}
	return out
}

// isWithin says whether a name is that module or in it.
func isWithin(name, module string) bool {
	return name == module || strings.HasPrefix(name, module+".")
}

// IsMTP says whether a body name is of the multi-token-prediction head.
func IsMTP(body string) bool { return strings.HasPrefix(body, "mtp.") }

// RoleOf tells a tensor's role from its body name.
func RoleOf(body string) Role {
	module, isWeight := strings.CutSuffix(body, ".weight")
	last := module[strings.LastIndexByte(module, '.')+1:]
	switch {
	case strings.HasPrefix(body, "visual."):
		return Vision
	case strings.Contains(body, ".experts.") || strings.Contains(body, ".switch_mlp."):
		return Expert
	case strings.HasSuffix(body, ".bias"):
		return Bias
	case last == "A_log" || last == "dt_bias":
		return State
	case !isWeight:
		return Other
	}
	switch {
	case last == "norm" || strings.HasSuffix(last, "_norm") || strings.HasSuffix(last, "layernorm") || strings.HasPrefix(last, "pre_fc_norm"):
		return Norm
	case last == "conv1d":
		return Conv
	case last == "embed_tokens":
		return Embedding
	case last == "lm_head":
		return Head
	case strings.HasSuffix(module, "mlp.gate") || last == "shared_expert_gate":
		return Router
	case strings.HasSuffix(last, "_proj") || strings.HasPrefix(last, "in_proj_") || body == "mtp.fc.weight":
		return Linear
	}
	return Other
}

var single = regexp.MustCompile(`^(.*\.mlp\.experts)\.(\d+)\.((?:gate|up|down)_proj\.weight)$`)

// Single takes apart the name of one expert's projection, "….mlp.experts.7.up_proj.weight", with
// or without containers: the name of the stack that it belongs to, "….mlp.experts.up_proj.weight",
// and the expert's number.
func Single(name string) (stack string, expert int, ok bool) {
	m := single.FindStringSubmatch(name)
	if m == nil {
		return "", 0, false
	}
	expert, err := strconv.Atoi(m[2])
	return m[1] + "." + m[3], expert, err == nil
}

// layerOf is the N of "layers.N.…".
func layerOf(body string) (int, bool) {
	rest, ok := strings.CutPrefix(body, "layers.")
	if !ok {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	return n, err == nil
}
