package source

import (
	"strings"

	"qimport/arch/files"
)

// CarriedFiles picks the files that go into the store: all JSON, as Ollama does it, and the chat
// template. Ollama reads layers of the type json by name, one at a time, so that the template, which
// is no JSON, rests beside them untouched. The index of the shards is of no meaning there.
func CarriedFiles(names []string) []string {
	var out []string
	for _, f := range names {
		json := strings.HasSuffix(f, ".json") && f != "model.safetensors.index.json"
		if json || f == files.ChatTemplate {
			out = append(out, f)
		}
	}
	return out
}
