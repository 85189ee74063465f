package qimport

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"qimport/convert/adapter"
	"qimport/convert/hub"
	"qimport/manifest"
	"qimport/quant"
)

// What stands in a batch file for other words: variables of the environment, patterns of directories,
// and fields in braces.

// variable is ${NAME}, with a second $ before it where it is to stay, or what looks like the beginning of
// one.
var variable = regexp.MustCompile(`\$?\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?`)

// withVariables puts the environment's values in. One that is not set is an error.
func withVariables(text string, getenv func(string) (string, bool)) (string, error) {
	var fault error
	text = variable.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		name := variable.FindStringSubmatch(found)[1]
		value, ok := getenv(name)
		switch {
		case name == "":
			fault = optionsf("a variable of the environment is written ${NAME}, and ${ itself $${")
		case !ok:
			fault = optionsf("the variable %s of the environment is not set", name)
		}
		return value
	})
	return text, fault
}

// globbed writes out sources that are patterns, each directory that matches as an entry of its own.
func globbed(all []batchWords, dir string) (out []batchWords, err error) {
	for _, w := range all {
		sources := []string{w.Source}
		if isPattern(w.Source, dir) {
			if sources, err = directories(w.Source, dir); err != nil {
				return nil, fmt.Errorf("line %d: source %s: %w", w.line, w.Source, err)
			}
		}
		for _, w.Source = range sources {
			out = append(out, w)
		}
		if len(out) > maxImports {
			return nil, fmt.Errorf("line %d: the file asks for more than %d imports: divide it", w.line, maxImports)
		}
	}
	return out, nil
}

// isPattern says whether a source stands for several: no directory, and with what makes a pattern.
func isPattern(source, dir string) bool {
	return strings.ContainsAny(source, "*?[") && !isDir(within(dir, source))
}

// directories are those that a pattern matches, sorted. What begins with a dot is matched by a dot alone, as
// in a shell.
func directories(pattern, dir string) (found []string, err error) {
	paths, err := filepath.Glob(within(dir, pattern))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		hidden := strings.HasPrefix(filepath.Base(path), ".") && !strings.HasPrefix(filepath.Base(pattern), ".")
		if hidden || !isDir(path) {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		found = append(found, path)
	}
	if len(found) == 0 {
		return nil, optionsf("no directory matches")
	}
	return found, nil
}

// fields are what a template may name in braces.
type fields map[string]string

// with is the fields and one more, as a word of a name.
func (f fields) with(name, value string) fields {
	all := maps.Clone(f)
	if all == nil {
		all = fields{}
	}
	base := filepath.Base(value)
	if ext := filepath.Ext(base); ext == ".yaml" || ext == ".yml" {
		base = strings.TrimSuffix(base, ext)
	}
	all[name] = nameWord(base)
	return all
}

// nameWord is a text as a part of a model's name.
func nameWord(text string) string {
	return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(text), "-"), ".-_")
}

var field = regexp.MustCompile(`\{[^{}]*\}`)

// fill puts values in the places of {FIELD}.
func (f fields) fill(template string) (string, error) {
	var fault error
	text := field.ReplaceAllStringFunc(template, func(found string) string {
		value := f[strings.Trim(found, "{}")]
		if value == "" {
			names := slices.Sorted(maps.Keys(f))
			fault = optionsf("%s: there is nothing to put in for %s; there is {%s}", template, found, strings.Join(names, "}, {"))
		}
		return value
	})
	return text, fault
}

// modelOf is the name, without a tag, that an import of a source gets where none is told.
func modelOf(source string, adapters []adapter.Spec) string {
	label := source
	if ref, err := hub.ParseReference(source); err == nil && !isDir(source) {
		label = ref.ID
	} else if abs, err := filepath.Abs(source); err == nil {
		label = abs
	}
	words := []string{filepath.Base(label)}
	for _, a := range adapters {
		words = append(words, filepath.Base(strings.TrimSuffix(a.Dir, "/")))
	}
	return modelName(words...)
}

// modelName joins the names of a source and its adapters to a model's.
func modelName(words ...string) string { return nameWord(strings.Join(words, "-")) }

// tagOf is the tag of an import whose name has none: its type.
func tagOf(asked quant.Format) string {
	if asked.IsKeep() {
		return manifest.DefaultTag
	}
	return notInNames.ReplaceAllString(asked.String(), "-")
}
