package qimport

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"qimport/convert/adapter"
	"qimport/convert/modelfile"
	"qimport/convert/ollama"
	"qimport/internal/untrusted"
)

// Laid is what is laid over a model, in words: a Modelfile, and what holds over that. A text that is "" is
// one that the model shall not have; one that is left out stays as it is.
type Laid struct {
	Modelfile  string   `yaml:"modelfile"` // file
	System     *string  `yaml:"system"`
	Template   *string  `yaml:"template"`
	Parameters []string `yaml:"parameters"` // NAME=VALUE
	Licenses   []string `yaml:"licenses"`   // files
	Parser     string   `yaml:"parser"`
	Renderer   string   `yaml:"renderer"`
	Requires   string   `yaml:"requires"`
}

// model gives the words their meaning. Files are read, named relative to dir.
func (l Laid) model(dir string) (modelfile.Model, error) {
	told, err := l.words(dir)
	if err != nil || l.Modelfile == "" {
		return told, err
	}
	b, err := untrusted.ReadFile(within(dir, l.Modelfile), modelfile.MaxBytes)
	if err != nil {
		return told, fmt.Errorf("--modelfile: %w", err)
	}
	file, err := modelfile.Read(b)
	if err != nil {
		return told, l.fault(err)
	}
	return told.Over(file), nil
}

// fault is an error of the Modelfile.
func (l Laid) fault(err error) error { return optionsf("%s: %w", l.Modelfile, err) }

// words are those that hold over the file.
func (l Laid) words(dir string) (m modelfile.Model, err error) {
	m.System, m.Template, m.Parser, m.Renderer = l.System, l.Template, l.Parser, l.Renderer
	if l.Template != nil {
		if err := modelfile.CheckTemplate(*l.Template); err != nil {
			return m, optionsf("--template: %w", err)
		}
	}
	for _, p := range l.Parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return m, optionsf("--parameter %s: it is NAME=VALUE, such as temperature=0.6", p)
		}
		if err := m.Set(name, value); err != nil {
			return m, optionsf("--parameter %s: %w", p, err)
		}
	}
	for _, file := range l.Licenses {
		b, err := untrusted.ReadFile(within(dir, file), modelfile.MaxBytes)
		if err == nil && !utf8.Valid(b) {
			err = fmt.Errorf("%s is no text", file)
		}
		if err != nil {
			return m, fmt.Errorf("--license: %w", err)
		}
		m.Licenses = append(m.Licenses, string(b))
	}
	return m, errors.Join(l.checkPart("--parser", l.Parser, ollama.CheckParser), l.checkPart("--renderer", l.Renderer, ollama.CheckRenderer), l.requires(&m.Requires))
}

func (l Laid) checkPart(flag, name string, check func(string) error) error {
	if name == "" {
		return nil
	}
	if err := check(name); err != nil {
		return optionsf("%s: %w", flag, err)
	}
	return nil
}

func (l Laid) requires(to *string) error {
	if l.Requires == "" {
		return nil
	}
	version, err := ollama.ParseRequires(l.Requires)
	if err != nil {
		return optionsf("--requires: %w", err)
	}
	*to = string(version)
	return nil
}

// source is what FROM names beside the source that was named, "" for none: both must be one. A path is
// relative to the Modelfile, or else to where the program runs, as for `ollama create`.
func (l Laid) source(m modelfile.Model, dir, named string) (string, error) {
	if m.From.Line == 0 {
		return named, nil
	}
	from, err := l.find("FROM", m.From, dir)
	if err != nil {
		return "", err
	}
	if named != "" && named != from && !sameFolder(named, from) {
		return "", l.fault(modelfile.Refuse(m.From.Line, "FROM %s, but the source is %s: leave one of the two out", m.From.Path, named))
	}
	return from, nil
}

// find finds what the Modelfile names: a directory, or org/name, which is looked up as any source.
func (l Laid) find(command string, p modelfile.Path, dir string) (string, error) {
	folder, err := l.directory(command, p, dir)
	if err == nil {
		return folder, nil
	}
	if info, statErr := os.Stat(l.beside(p.Path, dir)); statErr == nil && !info.IsDir() || !isRepository(p.Path) {
		return "", l.fault(err)
	}
	return p.Path, nil
}

// isRepository says whether a word can be org/name.
func isRepository(word string) bool {
	return strings.Count(word, "/") == 1 && !strings.HasPrefix(word, ".") && !strings.HasPrefix(word, "/") && !strings.HasPrefix(word, "~")
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// beside is a path of the Modelfile, as one from where the program runs.
func (l Laid) beside(path, dir string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	folder := filepath.Dir(within(dir, l.Modelfile))
	if folder == "." && !filepath.IsAbs(path) && !strings.HasPrefix(path, ".") {
		return "./" + path
	}
	return within(folder, path)
}

// directory finds a directory that the Modelfile names.
func (l Laid) directory(command string, p modelfile.Path, dir string) (string, error) {
	for _, candidate := range []string{l.beside(p.Path, dir), p.Path} {
		if info, err := os.Stat(candidate); err == nil && info.IsDir() {
			if !filepath.IsAbs(candidate) && !strings.HasPrefix(candidate, ".") {
				candidate = "./" + candidate
			}
			return candidate, nil
		}
	}
	what := "there is no such directory; a model that is stored already is no source"
	if _, err := os.Stat(l.beside(p.Path, dir)); err == nil {
		what = "it is a file, where a directory is wanted"
	}
	return "", modelfile.Refuse(p.Line, "%s %s: %s", command, p.Path, what)
}

// adapters are those of the Modelfile.
func (l Laid) adapters(m modelfile.Model, dir string) ([]adapter.Spec, error) {
	var specs []adapter.Spec
	for _, p := range m.Adapters {
		folder, err := l.find("ADAPTER", p, dir)
		if err != nil {
			return nil, err
		}
		specs = append(specs, adapter.Spec{Dir: folder, Scale: 1})
	}
	return specs, nil
}
