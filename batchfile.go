package qimport

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"qimport/internal/untrusted"
	"qimport/internal/untrusted/yamldoc"
)

// maxBatch bounds a batch file, in bytes.
const maxBatch = 4 << 20

// ReadBatch reads a batch file: a YAML list of imports, each a Request in its keys. A key may be
// spelled as the flag is, with hyphens. What an entry leaves out is that of defaults. Every word is
// checked, and every fault told, with the number of the import.
func ReadBatch(file string, defaults Request) ([]ImportOptions, error) {
	f, _, err := untrusted.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	requests, err := parseBatch(f, defaults)
	if err != nil {
		return nil, optionsf("%s: %w", file, err)
	}
	var all []ImportOptions
	var faults []error
	for i, r := range requests {
		o, err := r.Options(filepath.Dir(file))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: import %d: %w", file, i+1, err))
		}
		all = append(all, o)
	}
	return all, errors.Join(faults...)
}

// parseBatch reads the list, each entry over a copy of defaults.
func parseBatch(r io.Reader, defaults Request) ([]Request, error) {
	body, err := yamldoc.Read(r, "it", maxBatch)
	if err != nil {
		return nil, err
	}
	list, ok := body.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		return nil, errors.New("it lists no imports")
	}
	requests := make([]Request, len(list.Values))
	for i, entry := range list.Values {
		requests[i] = defaults
		if err := yamldoc.Decode(underscored(entry), &requests[i]); err != nil {
			return nil, fmt.Errorf("import %d: %w", i+1, err)
		}
	}
	return requests, nil
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
