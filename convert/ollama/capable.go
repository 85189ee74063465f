package ollama

import "strings"

// TemplateTools is the form of tools that a model's chat template has, which is that of its training.
func TemplateTools(template string) ToolForm {
	switch {
	case !strings.Contains(template, "tools"):
		return NoTools
	case strings.Contains(template, "<function="):
		return XMLTools
	case strings.Contains(template, "arguments"):
		return JSONTools
	}
	return NoTools
}

// TemplateThinks says whether a template knows thoughts.
func TemplateThinks(template string) bool {
	return strings.Contains(template, "<think>") && strings.Contains(template, "</think>")
}

// Capabilities are what a model is said to be able to do: not what its family might, but what its template,
// its parser, its renderer and its tower together can.
func Capabilities(template, parser, renderer string, tower bool) []string {
	p, _ := Parser(parser)
	r, _ := Renderer(renderer)
	out := []string{"completion"}
	if tower {
		out = append(out, "vision")
	}
	if form := TemplateTools(template); form != NoTools && p.Tools == form && r.Tools == form {
		out = append(out, "tools")
	}
	if p.Thinking && r.Thinking && TemplateThinks(template) {
		out = append(out, "thinking")
	}
	return out
}
