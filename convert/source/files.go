package source

import (
	"regexp"
	"strings"

	"qimport/arch/files"
)

// licences are the names of the text that says what one may do with a model.
var licences = regexp.MustCompile(`(?i)^licen[cs]e(\.(txt|md))?$`)

// IsLicence says whether a file is the model's licence.
func IsLicence(name string) bool { return licences.MatchString(name) }

// others are files that are no JSON, and that publishers ship with a model.
var others = map[string]bool{files.ChatTemplate: true, "merges.txt": true, "README.md": true, "NOTICE": true}

// CarriedFiles picks the files that go into the store: all JSON, as Ollama does it, and of the others the
// chat template, merges.txt, the model card and the licence. Ollama reads layers of the type json by
// name, one at a time, so that what is no JSON rests beside them untouched; of a licence it has a type of
// its own. The index of the shards is of no meaning there.
func CarriedFiles(names []string) []string {
	var out []string
	for _, f := range names {
		json := strings.HasSuffix(f, ".json") && f != "model.safetensors.index.json"
		if json || others[f] || IsLicence(f) {
			out = append(out, f)
		}
	}
	return out
}
