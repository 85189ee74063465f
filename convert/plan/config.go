package plan

import (
	"cmp"
	"fmt"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/convert/ollama"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
)

// storeConfig is the config blob by which Ollama serves the model: which parser and renderer it
// uses, and what the model can do.
func storeConfig(inv source.Inventory, recipe recipe.Recipe, tensors []Tensor, asked Parts) manifest.Config {
	parts := asked.or(UsualParts(inv))
	c := manifest.Config{
		ModelFormat: "safetensors",
		FileType:    fileType(recipe.Type, tensors),
		Generation:  generation(inv.Chat.Sampling),
		Parser:      parts.Parser,
		Renderer:    parts.Renderer,
		Requires:    parts.Requires,
	}
	c.Capabilities = ollama.Capabilities(inv.Chat.Template.Text, c.Parser, c.Renderer, inv.Config.HasVision)
	return c
}

// generation is what generation_config.json says, by the names of Ollama's parameters.
func generation(s files.Sampling) *manifest.Generation {
	if !s.IsSaid() {
		return nil
	}
	return &manifest.Generation{MinP: s.MinP, RepeatPenalty: s.RepetitionPenalty, Temperature: s.Temperature, TopK: s.TopK, TopP: s.TopP}
}

// served is what Ollama is asked about a model as a plan stores it.
func served(inv source.Inventory, c manifest.Config, tensors []Tensor) ollama.Model {
	inv.Config.Architecture = cmp.Or(inv.Config.Architecture, inv.Config.UsualArchitecture())
	inv.Config.ThetaOnTop = true
	stored := make([]source.Tensor, len(tensors))
	for i, t := range tensors {
		stored[i] = t.From
		stored[i].Name, stored[i].Format, stored[i].Global = t.Name, t.Target, source.NoGlobal
		if t.Global || t.MakesGlobal() {
			stored[i].Global = source.GlobalFactor
		}
	}
	inv.Tensors = stored
	return Served(inv, c)
}

// Served is what Ollama is asked about a stored model.
func Served(inv source.Inventory, c manifest.Config) ollama.Model {
	a := inv.Config
	m := ollama.Model{
		Architecture: a.Architecture, Dense: a.Family == arch.Qwen3,
		ThetaMissing: !a.ThetaOnTop, Theta: a.RoPE.Theta, YaRN: a.RoPE.YaRN.Original, NormEps: a.NormEps,
		Vision: a.HasVision, Parser: c.Parser, Renderer: c.Renderer, Requires: ollama.Version(c.Requires),
		Generation: c.Generation != nil, Formats: map[string]string{},
	}
	if a.HeadDimUnsaid && a.Heads > 0 {
		m.HeadDim, m.WidthOverN = a.HeadDim, a.HiddenSize/a.Heads
	}
	for _, t := range inv.Tensors {
		m.MTP = m.MTP || t.MTP
		m.GlobalScale = m.GlobalScale || t.Global != source.NoGlobal
		if name := source.QuantType(t.Format); t.Format.IsQuantized() && m.Formats[name] == "" {
			m.Formats[name] = fmt.Sprintf("%s, first in %s", t.Format, t.Name)
		}
	}
	return m
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
