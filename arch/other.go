package arch

import (
	"strings"

	"qimport/arch/files"
)

// others are model types near the families, by how they begin, and what they are.
var others = []struct{ kind, what string }{
	{"qwen3_omni", "Qwen3-Omni, which hears and speaks"},
	{"qwen3_5_omni", "Qwen3.5-Omni, which hears and speaks"},
	{"qwen2_5_omni", "Qwen2.5-Omni, which hears and speaks"},
	{"qwen4", "Qwen4, another architecture"},
	{"qwen2", "Qwen2, an older family"},
}

// whatElse is what a model type or an architecture that is none of the families' is; "" if it is not
// known.
func whatElse(kind, architecture string) string {
	for _, o := range others {
		if kind != "" && strings.HasPrefix(kind, o.kind) {
			return o.what
		}
	}
	for _, name := range []string{architecture, kind} {
		if what := files.KindOfName(name); what != "" {
			return what
		}
	}
	for _, word := range []string{"Omni", "Qwen4"} {
		if strings.Contains(architecture, word) {
			return "of the family " + word
		}
	}
	return ""
}
