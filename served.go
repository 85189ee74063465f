package qimport

import (
	"errors"
	"fmt"
	"strings"

	"qimport/convert/ollama"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
)

// ErrOllama marks a model that the Ollama it was asked for would not run.
var ErrOllama = errors.New("this Ollama would not run it")

// Audience is the Ollama that a model is made for.
type Audience struct {
	Version ollama.Version // "" for the newest that is known
	Must    bool           // what it does not run is an error
}

// ParseAudience reads "ollama" or "ollama@VERSION"; "" asks for nothing.
func ParseAudience(s string) (a Audience, err error) {
	if s == "" {
		return a, nil
	}
	name, version, named := strings.Cut(s, "@")
	if name != "ollama" {
		return a, optionsf("--for %s: it is ollama or ollama@VERSION, such as ollama@%s", s, ollama.Newest)
	}
	a.Must = true
	if named {
		if a.Version, err = ollama.ParseVersion(version); err != nil {
			return a, optionsf("--for %s: %w", s, err)
		}
	}
	return a, nil
}

// judge asks what the Ollama that is meant makes of a plan.
func (a Audience) judge(p plan.Plan) (ollama.Answer, error) {
	version := a.Version
	if version == "" {
		version = ollama.Newest
	}
	answer := ollama.Judge(version, p.Served)
	if a.Must && !answer.Runs {
		return answer, fmt.Errorf("%w: version %s: %s", ErrOllama, version, strings.Join(answer.Because, "; "))
	}
	return answer, nil
}

// JudgeStored says what a version of Ollama makes of each model of a store. A model of another kind, or one
// that cannot be read, is left out.
func JudgeStored(store *manifest.Store, version ollama.Version) map[string]ollama.Answer {
	entries, _ := store.List() // what is damaged is told by others
	answers := map[string]ollama.Answer{}
	for _, e := range entries {
		src, err := source.OpenStored(e.Manifest, store.Blob)
		if err != nil {
			continue
		}
		answers[e.Name.String()] = ollama.Judge(version, plan.Served(src.Inventory(), readConfig(store, e.Manifest)))
		src.Close()
	}
	return answers
}
