package source

import (
	"strings"
	"testing"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/manifest"
)

// TestStandIn: the turns of Ollama's renderer stand in for a template only where the model has none
// that would be run.
func TestStandIn(t *testing.T) {
	for _, c := range []struct {
		name            string
		renderer        string
		template        string // of tokenizer_config.json, in JSON
		text, from      string // begins so
		standIn, hasOne bool
	}{
		{"none", "qwen3.5", `null`, "{%- if tools", files.ChatTemplate, true, true},
		{"a list without a default", "qwen3-coder", `[{"name":"rag","template":"t"}]`, "{%- if tools", files.ChatTemplate, true, true},
		{"its own", "qwen3.5", `"own"`, "own", files.TokenizerConfig, false, true},
		{"none, for a renderer that is not known", "other", `null`, "", "", false, false},
	} {
		b := newBuild(t, arch.Qwen35, release)
		delete(b.files, files.ChatTemplate)
		b.files[files.TokenizerConfig] = `{"chat_template":` + c.template + `}`
		st := store(t, b, nil)
		st.add(t, "config", "", manifest.Config{Renderer: c.renderer}.Encode())
		last := len(st.layers) - 1
		s, err := OpenStored(manifest.New(st.layers[last], st.layers[:last]), st.path)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		inv := s.Inventory()
		if got := inv.Chat.Template; !strings.HasPrefix(got.Text, c.text) || got.File != c.from {
			t.Errorf("%s: the template is %+v", c.name, got)
		}
		if note := strings.Join(inv.Notes, ""); strings.Contains(note, "Ollama's renderer "+c.renderer) != c.standIn {
			t.Errorf("%s: notes %q", c.name, inv.Notes)
		}
		again, err := files.Read(s) // as the runtime does
		if err != nil || again.Template != inv.Chat.Template {
			t.Errorf("%s: the files say %+v, %v", c.name, again.Template, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
