package verify

import (
	"errors"
	"testing"

	"qimport/arch/files"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant/recipe"
	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/mlx"
	"qimport/verify/language"
)

// TestOneTemplate: where the files of a model hold several templates, Ollama's renderer is chosen
// from the one that is run and judged.
func TestOneTemplate(t *testing.T) {
	const plain, later = "plain", "later {# resolved_reasoning_effort preserve_thinking #}"
	list := func(text string) any {
		return []map[string]string{{"name": "tool_use", "template": "tools"}, {"name": "default", "template": text}}
	}
	for _, c := range []struct {
		name           string
		file           string // chat_template.jinja; "" for none
		key            any    // chat_template of tokenizer_config.json
		renders, named string
	}{
		{"the file has the later one", later, plain, "later ", "qwen3.8"},
		{"the key has the later one", plain, later, "plain", "qwen3.5"},
		{"a list has the later one", plain, list(later), "plain", "qwen3.5"},
		{"only a list", "", list(later), "later ", "qwen3.8"},
		{"only a key", "", plain, "plain", "qwen3.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			copied := copyCheckpoint(t, dense)
			loseTemplate(copied)
			if c.file != "" {
				copied.write(files.ChatTemplate, []byte(c.file))
			}
			copied.editJSON(files.TokenizerConfig, func(v map[string]any) { v["chat_template"] = c.key })
			store, name := importInto(t, copied.dir, recipe.Recipe{Policy: recipe.KeepSource})
			target, err := Stored(store, name)
			if err != nil {
				t.Fatal(err)
			}
			for from, open := range map[string]func() (*source.Source, error){
				"the directory": func() (*source.Source, error) { return source.OpenDir(copied.dir) },
				"the store":     target.Open,
			} {
				src, err := open()
				if err != nil {
					t.Fatal(err)
				}
				defer src.Close()
				p, err := plan.Make(t.Context(), src, recipe.Recipe{Policy: recipe.KeepSource}, plan.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if p.Config.Renderer != c.named {
					t.Errorf("%s: the plan says %+v, want renderer %s", from, p.Config, c.named)
				}
				judged, err := language.Read(src, src.Inventory().Chat)
				if err != nil {
					t.Fatal(err)
				}
				expectText(t, from+", judged", judged.Template, c.renders)
				model, err := runtime.Load(t.Context(), src, runtime.Options{})
				if errors.Is(err, mlx.ErrNoMLX) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				expectText(t, from+", run", model.Template, c.renders)
				model.Close()
			}
		})
	}
}

func expectText(t *testing.T, from string, template *chat.Template, want string) {
	t.Helper()
	if got, err := template.Render(t.Context(), []chat.Message{{Role: "user"}}, chat.Options{}); err != nil || got != want {
		t.Errorf("%s: the template writes %q, %v; want %q", from, got, err, want)
	}
}
