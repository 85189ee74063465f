package qimport

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"qimport/internal/untrusted"
	"qimport/internal/untrusted/yamldoc"
	"qimport/manifest"
	"qimport/manifest/registry"
)

const (
	maxBatch   = 4 << 20 // bytes of a batch file
	maxImports = 10_000  // that it asks for, with all matrices and globs written out
)

// BatchEntry is one import of a batch.
type BatchEntry struct {
	ImportOptions                     // its Name is never ""
	Line          int                 // of the batch file
	Model         manifest.Name       // what Name says
	Push          *registry.Reference // where the model goes when it is whole; nil for nowhere
}

// BatchDefaults are what an entry says that does not say otherwise.
type BatchDefaults struct {
	Request
	Push string // REGISTRY/REPO[:TAG], perhaps with fields of the name; "" for nowhere
}

// batchWords is an entry in words.
type batchWords struct {
	Request `yaml:",inline"`
	Push    string   `yaml:"push"`
	Matrix  ast.Node `yaml:"matrix"`

	line   int
	fields fields // of templates: what the axes of the matrix say
}

// ReadBatch reads a batch file: a YAML list of imports, each a Request in its keys, or many with a
// matrix or a glob. What comes of one source is next to each other. A key may be spelled as the flag is,
// with hyphens. What an entry leaves out is that of defaults. Every word is checked, and every fault told,
// with its line.
func ReadBatch(file string, defaults BatchDefaults) ([]BatchEntry, error) {
	f, _, err := untrusted.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dir := filepath.Dir(file)
	all, err := parseBatch(f, defaults, os.LookupEnv)
	if err == nil {
		all, err = globbed(all, dir)
	}
	if err != nil {
		return nil, optionsf("%s: %w", file, err)
	}
	var entries []BatchEntry
	var faults []error
	for i, w := range all {
		entry, err := w.entry(dir)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: line %d, import %d: %w", file, w.line, i+1, err))
		}
		entries = append(entries, entry)
	}
	if len(faults) == 0 {
		faults = clashes(file, entries)
	}
	return grouped(entries), errors.Join(faults...)
}

// placeOf tells the source of an entry from others.
func placeOf(e BatchEntry) string {
	if abs, err := filepath.Abs(e.Source); err == nil && isDir(e.Source) {
		return abs
	}
	return e.Source
}

// grouped puts what comes of one source next to each other, sources in the order of the file.
func grouped(entries []BatchEntry) []BatchEntry {
	first := map[string]int{}
	for i, e := range entries {
		if _, ok := first[placeOf(e)]; !ok {
			first[placeOf(e)] = i
		}
	}
	slices.SortStableFunc(entries, func(a, b BatchEntry) int { return cmp.Compare(first[placeOf(a)], first[placeOf(b)]) })
	return entries
}

// parseBatch reads the list, each entry over a copy of defaults, with matrices written out.
func parseBatch(r io.Reader, defaults BatchDefaults, getenv func(string) (string, bool)) ([]batchWords, error) {
	body, err := yamldoc.Read(r, "it", maxBatch)
	if err != nil {
		return nil, err
	}
	list, ok := body.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		return nil, errors.New("it lists no imports")
	}
	lines := make([]int, len(list.Values))
	for i, entry := range list.Values {
		lines[i] = yamldoc.Line(entry) // before an alias is another's entry
	}
	if _, err := yamldoc.Resolve(list, func(_ int, text string) (string, error) { return withVariables(text, getenv) }); err != nil {
		return nil, err
	}
	var all []batchWords
	for i, entry := range list.Values {
		w := batchWords{Request: defaults.Request, Push: defaults.Push, line: lines[i]}
		err := yamldoc.Decode(underscored(entry), &w)
		if err == nil {
			all, err = w.addTo(all)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d, import %d: %w", lines[i], len(all)+1, err)
		}
	}
	return all, nil
}

// addTo adds the entry, or all that its matrix makes of it.
func (w batchWords) addTo(all []batchWords) ([]batchWords, error) {
	axes, err := readMatrix(w.Matrix)
	if err != nil {
		return all, fmt.Errorf("matrix: %w", err)
	}
	size := 1
	for _, a := range axes {
		if size *= len(a.values); size > maxImports-len(all) {
			return all, fmt.Errorf("the file asks for more than %d imports: divide it", maxImports)
		}
	}
	if len(all) == maxImports {
		return all, fmt.Errorf("the file asks for more than %d imports: divide it", maxImports)
	}
	w.Matrix = nil
	combined, err := w.combined(axes)
	return append(all, combined...), err
}

// underscored writes the keys of an entry as Request has them: "scale-search" is scale_search.
func underscored(entry ast.Node) ast.Node {
	m, ok := entry.(*ast.MappingNode)
	if !ok {
		return entry
	}
	for _, pair := range m.Values {
		if key, ok := pair.Key.(*ast.StringNode); ok {
			key.Value = strings.ReplaceAll(key.Value, "-", "_")
		}
	}
	return m
}

// entry gives the words their meaning. Files are named relative to dir.
func (w batchWords) entry(dir string) (e BatchEntry, err error) {
	e.Line = w.line
	if e.ImportOptions, err = w.Request.Options(dir); err != nil {
		return e, err
	}
	model := modelOf(e.Source, e.Plan.Adapters)
	f := fields{}.with("model", model).with("type", tagOf(e.Plan.Recipe.Type))
	maps.Copy(f, w.fields)
	if e.Name, err = f.fill(w.Name); err != nil {
		return e, fmt.Errorf("name: %w", err)
	}
	if e.Name == "" {
		e.Name = model + ":" + tagOf(e.Plan.Recipe.Type)
	}
	if e.Model, err = manifest.ParseName(e.Name); err != nil {
		return e, err
	}
	f = f.with("name", e.Model.String())
	for i, file := range w.Report {
		if file, err = f.fill(file); err != nil {
			return e, fmt.Errorf("report: %w", err)
		}
		e.Reports[i] = within(dir, file)
	}
	if w.SaveScores, err = f.fill(w.SaveScores); err != nil {
		return e, fmt.Errorf("save_scores: %w", err)
	}
	e.Checks.SaveScores = within(dir, w.SaveScores)
	e.Push, err = w.reference(f, e.Model)
	return e, err
}

// reference is where the entry's model is to be pushed, with the tag that its name has where none is
// given.
func (w batchWords) reference(f fields, name manifest.Name) (*registry.Reference, error) {
	if w.Push == "" {
		return nil, nil
	}
	text, err := f.fill(w.Push)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	if !strings.ContainsRune(text[strings.LastIndexByte(text, '/')+1:], ':') {
		text += ":" + name.Tag
	}
	ref, err := registry.ParseReference(text)
	if err == nil && !ref.Digest.IsZero() {
		err = optionsf("push: %s: a digest is no place to push to", text)
	}
	return &ref, err
}

// clashes are entries that would move the same name, or be pushed to the same place.
func clashes(file string, entries []BatchEntry) (faults []error) {
	seen := map[string]int{}
	look := func(e BatchEntry, what, place string) {
		if line, ok := seen[what+place]; ok {
			faults = append(faults, optionsf("%s: lines %d and %d both %s %s: tell them apart, with {model}, {type} or an axis of the matrix in it", file, line, e.Line, what, place))
			return
		}
		seen[what+place] = e.Line
	}
	for _, e := range entries {
		look(e, "import", strings.ToLower(e.Model.String()))
		if e.Push != nil {
			look(e, "push to", e.Push.String())
		}
		for _, report := range e.Reports {
			look(e, "write", report)
		}
	}
	return faults
}
