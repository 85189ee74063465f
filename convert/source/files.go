package source

import "strings"

// ChatTemplate is the file that holds the chat template where tokenizer_config.json does not. Ollama
// reads layers of the type json by name, one at a time, so that this one, which is no JSON, rests
// beside them untouched.
const ChatTemplate = "chat_template.jinja"

// CarriedFiles picks the files that go into the store: all JSON, as Ollama does it, and the chat
// template. The index of the shards is of no meaning there.
func CarriedFiles(files []string) []string {
	var out []string
	for _, f := range files {
		json := strings.HasSuffix(f, ".json") && f != "model.safetensors.index.json"
		if json || f == ChatTemplate {
			out = append(out, f)
		}
	}
	return out
}
