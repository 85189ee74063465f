package arch

import (
	"regexp"
	"strconv"
	"strings"
)

// Body is a tensor's name, or a module's path, in the one spelling of this package: without the
// containers that release, mlx-lm and mlx-vlm forms put around it ("model.", "language_model." and
// their combinations), and with the vision tower called "visual". So the names begin with
// "embed_tokens", "layers.", "norm", "lm_head", "mtp." or "visual.".
func Body(name string) string {
	for {
		rest, cut := strings.CutPrefix(name, "model.")
		if !cut {
			rest, cut = strings.CutPrefix(name, "language_model.")
		}
		if !cut {
			break
		}
		name = rest
	}
	if rest, cut := strings.CutPrefix(name, "vision_tower."); cut {
		return "visual." + rest
	}
	return name
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
