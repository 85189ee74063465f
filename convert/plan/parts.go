package plan

import (
	"cmp"
	"strings"

	"qimport/convert/ollama"
	"qimport/convert/source"
)

// Parts are those of Ollama that serve a model, and the least version of it. "" is the usual one.
type Parts struct{ Parser, Renderer, Requires string }

// UsualParts are those that `ollama create` gives out.
func UsualParts(inv source.Inventory) Parts {
	p := Parts{"qwen3", "qwen3-coder", string(ollama.Least)}
	if inv.Config.Family.Hybrid() {
		p.Parser, p.Renderer = "qwen3.5", "qwen3.5"
		template := inv.Chat.Template.Text
		if strings.Contains(template, "resolved_reasoning_effort") && strings.Contains(template, "preserve_thinking") {
			p.Renderer = "qwen3.8"
		}
	}
	return p
}

// or is p, and where p says nothing, what another does.
func (p Parts) or(other Parts) Parts {
	return Parts{cmp.Or(p.Parser, other.Parser), cmp.Or(p.Renderer, other.Renderer), cmp.Or(p.Requires, other.Requires)}
}
