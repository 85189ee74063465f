package main

import (
	"slices"
	"strings"
	"testing"
)

// TestCandidates: what may stand at the end of a line that is being typed.
func TestCandidates(t *testing.T) {
	t.Setenv("OLLAMA_MODELS", t.TempDir())
	for line, want := range map[string][]string{
		"":                          nil, // all commands: see below
		"veri":                      {"verify"},
		"nothing ":                  nil,
		"import -":                  nil,
		"import x --pol":            {"--policy"},
		"import x --policy ":        {"ollama", "uniform", "keep"},
		"import x -q mx":            {"mxfp8", "mxfp4"},
		"import --quantize aff":     nil,
		"import x --policy=k":       {"--policy=keep"},
		"import -q=mx":              {"-q=mxfp8", "-q=mxfp4"},
		"import --override **.a=nv": {"**.a=nvfp4"},
		"import --override=*=nv":    {"--override=*=nvfp4"},
		"verify --level s":          {"smoke"},
		"ls --js":                   {"--json"},
		"import --store /x --name ": nil,
		"completion f":              {"fish"},
		"run ":                      nil, // there are no models
	} {
		var got []string
		for _, c := range candidates(application(stdio{}), strings.Split(line, " ")) {
			got = append(got, c.word)
		}
		if want != nil && !slices.Equal(got, want) || (line == "nothing " || line == "run ") && got != nil {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
		if line == "" && (len(got) < 15 || !slices.Contains(got, "import")) || line == "import -" && !slices.Contains(got, "--recipe") {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// TestFlagValues: every flag whose values are listed is one that takes a value.
func TestFlagValues(t *testing.T) {
	for name := range flagValues {
		found := false
		for _, c := range application(stdio{}).Commands {
			found = found || valueWanted(c, dashes(name)) == name
		}
		if !found {
			t.Errorf("no command has a flag --%s with a value", name)
		}
	}
}
