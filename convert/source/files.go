package source

import (
	"strings"

	"qimport/arch/files"
)

// IsLicence says whether a file is the model's licence.
func IsLicence(name string) bool { return files.IsLicence(name) }

// CarriedFiles picks the files that go into the store: all JSON, as Ollama does it, and of the others the
// chat template, merges.txt, the model card and the licence. Ollama reads layers of the type json by
// name, one at a time, so that what is no JSON rests beside them untouched; of a licence it has a type of
// its own. The index of the shards is of no meaning there.
func CarriedFiles(names []string) []string {
	var out []string
	for _, f := range names {
		json := strings.HasSuffix(f, ".json") && f != "model.safetensors.index.json"
		if json || files.IsShipped(f) {
			out = append(out, f)
		}
	}
	return out
}
