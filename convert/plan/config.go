package plan

import (
	"strings"

	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
)

// storeConfig is the config blob by which Ollama serves the model: which parser and renderer it
// uses, and what the model can do.
func storeConfig(inv source.Inventory, recipe recipe.Recipe, tensors []Tensor) manifest.Config {
	template := inv.Chat.Template.Text
	c := manifest.Config{
		ModelFormat:  "safetensors",
		FileType:     fileType(recipe.Type, tensors),
		Requires:     "0.19.0",
		Capabilities: []string{"completion"},
	}
	c.Parser, c.Renderer = "qwen3", "qwen3-coder"
	hybrid := inv.Config.Family.Hybrid()
	if hybrid {
		c.Parser, c.Renderer = "qwen3.5", "qwen3.5"
		if strings.Contains(template, "resolved_reasoning_effort") && strings.Contains(template, "preserve_thinking") {
			c.Renderer = "qwen3.8"
		}
	}
	if inv.Config.HasVision {
		c.Capabilities = append(c.Capabilities, "vision")
	}
	c.Capabilities = append(c.Capabilities, "tools")
	if hybrid || strings.Contains(template, "<think>") && strings.Contains(template, "</think>") {
		c.Capabilities = append(c.Capabilities, "thinking")
	}
	return c
}

// fileType is the type asked for, else the one type of all quantized tensors, else "".
func fileType(asked quant.Format, tensors []Tensor) string {
	if asked.IsQuantized() {
		return source.QuantType(asked)
	}
	one := ""
	for _, t := range tensors {
		if !t.Target.IsQuantized() {
			continue
		}
		if name := source.QuantType(t.Target); one == "" {
			one = name
		} else if name != one {
			return ""
		}
	}
	return one
}
