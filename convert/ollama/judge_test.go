package ollama

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// sound is a model that every Ollama of the table runs.
func sound() Model {
	return Model{
		Architecture: "Qwen3_5ForConditionalGeneration", Theta: 1e7, NormEps: 1e-6, Parser: "qwen3.5", Renderer: "qwen3.5",
		Requires: Least, Formats: map[string]string{"nvfp4": "nvfp4, first in a"},
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name    string
		version Version
		change  func(*Model)
		because string // a part of the first reason; "" where it runs
		but     string
		since   Version
	}{
		{"sound", Newest, func(*Model) {}, "", "", Least},
		{"no model of the kind", Newest, func(m *Model) { m.Architecture = "Qwen3MoeForCausalLM" }, "no Qwen3MoeForCausalLM", "", ""},
		{"no architecture", Newest, func(m *Model) { m.Architecture = "" }, "names no architecture", "", ""},
		{"too old for the model", "0.17.0", func(m *Model) { m.Requires = "" }, "from 0.17.6 on only", "", ""},
		{"too old for what it requires", "0.18.3", func(*Model) {}, "requires 0.19.0", "", ""},
		{"a format without a name", Newest, func(m *Model) { m.Formats["int6"] = "affine:6:64, first in b" }, "another format than affine:6:64", "", ""},
		{"a format that came later", "0.18.2", func(m *Model) { m.Requires, m.Formats["mxfp4"] = "", "x" }, "mxfp4 from 0.18.3", "", ""},
		{"a global scale before there were any", "0.18.2", func(m *Model) { m.Requires, m.GlobalScale = "", true }, "global scale", "", ""},
		{"a renderer that came later", "0.32.11", func(m *Model) { m.Renderer = "qwen3.8" }, "renderer qwen3.8 from 0.32.12", "", ""},
		{"a renderer that is there", "0.32.12", func(m *Model) { m.Renderer = "qwen3.8" }, "", "", "0.32.12"},
		{"theta below", Newest, func(m *Model) { m.Dense, m.ThetaMissing, m.Theta = true, true, 5e6 }, "takes 1000000 in place of 5e+06", "", ""},
		{"theta below, but the one that is taken", Newest, func(m *Model) { m.Dense, m.ThetaMissing, m.Theta = true, true, 1e6 }, "", "", Least},
		{"a hybrid's theta", Newest, func(m *Model) { m.ThetaMissing = true }, "", "", Least},
		{"width of a head", Newest, func(m *Model) { m.HeadDim, m.WidthOverN = 128, 64 }, "takes to be 64, not 128", "", ""},
		{"yarn", Newest, func(m *Model) { m.YaRN = 32768 }, "", "past 32768 positions", Least},
		{"a tower before it was read", "0.32.6", func(m *Model) { m.Vision = true }, "", "pictures from 0.32.7", Least},
		{"a tower", "0.32.7", func(m *Model) { m.Vision = true }, "", "", Least},
		{"a head before it was used", "0.32.5", func(m *Model) { m.MTP = true }, "", "head from 0.32.6", Least},
		{"calls of two forms", Newest, func(m *Model) { m.Dense, m.Parser, m.Renderer = true, "qwen3", "qwen3-coder" }, "", "tools do not work", Least},
		{"another epsilon", Newest, func(m *Model) { m.Dense, m.NormEps = true, 1e-5 }, "", "1e-05", Least},
		{"newer than the table", "0.99.0", func(*Model) {}, "", "", Least},
		{"a candidate counts as its release", "0.32.12-rc1", func(m *Model) { m.Renderer = "qwen3.8" }, "", "", "0.32.12"},
	} {
		m := sound()
		c.change(&m)
		a := Judge(c.version, m)
		because, but := strings.Join(a.Because, "; "), strings.Join(a.But, "; ")
		if a.Runs != (c.because == "") || !strings.Contains(because, c.because) || !strings.Contains(but, c.but) || (but == "") != (c.but == "") || a.Since != c.since {
			t.Errorf("%s: %v, since %q", c.name, a, a.Since)
		}
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]Version{"0.32.15": "0.32.15", "v0.19.0": "0.19.0", " 0.20.0-rc1 ": "0.20.0-rc1"} {
		if got, err := ParseVersion(text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "latest", "0.0.0.0", "0.32.x", strings.Repeat("1", 1000)} {
		if _, err := ParseVersion(text); !errors.Is(err, ErrVersion) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if !Version("0.9.0").Before("0.10.0") || Version("0.10.0").Before("0.9.0") || Version("0.33.0").Before("0.33.0-rc1") {
		t.Error("versions are not compared by their numbers")
	}
}

func TestCapabilities(t *testing.T) {
	const thinks, json, xml = "<think>…</think>", `tools {"name": …, "arguments": …}`, "tools <function=…>"
	for _, c := range []struct {
		template, parser, renderer string
		tower                      bool
		want                       string
	}{
		{thinks + xml, "qwen3.5", "qwen3.5", true, "completion vision tools thinking"},
		{thinks, "qwen3.5", "qwen3.5", false, "completion thinking"},
		{xml, "qwen3.5", "qwen3.5", false, "completion tools"},
		{thinks + json, "qwen3.5", "qwen3.5", false, "completion thinking"},
		{thinks + json, "qwen3", "qwen3-coder", false, "completion"}, // what `ollama create` gives Qwen3
		{thinks + json, "qwen3-thinking", "qwen3-vl-instruct", false, "completion tools thinking"},
		{xml, "qwen3-coder", "qwen3-coder", false, "completion tools"},
		{"", "qwen3.5", "qwen3.5", true, "completion vision"},
		{thinks + xml, "unknown", "qwen3.5", false, "completion"},
	} {
		got := Capabilities(c.template, c.parser, c.renderer, c.tower)
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
