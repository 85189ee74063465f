// Package yamldoc owns the border for YAML: files of it are read within a size, a depth, and a number and
// size of values after aliases are followed, so that none takes more than a moment.
//
// It must not know what keys mean.
package yamldoc

import (
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"

	"qimport/internal/untrusted"
)

// ErrBudget marks YAML that is too deep, or becomes too much when its aliases are followed. What has
// too many bytes is untrusted.ErrTooLarge.
var ErrBudget = errors.New("more than a file of this kind can rightly hold")

const (
	maxDepth  = 64        // lists and mappings within each other; the parser's time grows with the square
	maxValues = 1_000_000 // with every alias followed
	maxText   = 64 << 20  // bytes of all values, the same way: they may be written out again
)

// Read reads a YAML document of at most max bytes. what names it in errors.
func Read(r io.Reader, what string, max int64) (ast.Node, error) {
	text, err := untrusted.ReadAll(r, what, max)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// Parse parses one YAML document; nil for one that is empty.
func Parse(text []byte) (ast.Node, error) {
	if err := checkDepth(string(text)); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("it is not YAML: %w", err)
	}
	if len(file.Docs) > 1 {
		return nil, fmt.Errorf("it holds %d documents, not one", len(file.Docs))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, nil
	}
	w := weigher{anchors: map[string]weight{}}
	ast.Walk(&w, file.Docs[0].Body)
	if w.total > maxValues {
		return nil, fmt.Errorf("it holds more than %d values when its aliases are followed: %w", maxValues, ErrBudget)
	}
	if w.text > maxText {
		return nil, fmt.Errorf("it holds more than %d bytes when its aliases are followed: %w", maxText, ErrBudget)
	}
	return file.Docs[0].Body, nil
}

// checkDepth looks at the tokens until they are too deep, too many, or no YAML.
func checkDepth(text string) error {
	var s scanner.Scanner
	s.Init(text)
	var d depth
	for n := 0; ; {
		tokens, err := s.Scan()
		if errors.Is(err, io.EOF) {
			return nil
		}
		for _, t := range tokens {
			if err := d.add(t); err != nil {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("it is not YAML: line %d: %w", d.line, err)
		}
		if n += len(tokens); n > maxValues {
			return fmt.Errorf("it holds more than %d values: %w", maxValues, ErrBudget)
		}
	}
}

// depth counts what is open: brackets, and entries of lists that begin on one line.
type depth struct{ flow, dashes, line int }

func (d *depth) add(t *token.Token) error {
	if t.Position.Line != d.line {
		d.dashes, d.line = 0, t.Position.Line
	}
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		d.flow++
	case token.SequenceEndType, token.MappingEndType:
		d.flow--
	case token.SequenceEntryType, token.MappingKeyType:
		d.dashes++
	}
	if d.flow > maxDepth || d.dashes > maxDepth {
		return fmt.Errorf("line %d: lists and mappings are more than %d deep: %w", d.line, maxDepth, ErrBudget)
	}
	return nil
}

// weight is a number of values, and of the bytes of their texts.
type weight struct{ total, text int }

// weigher adds up the values of a document. An alias weighs what its anchor does, which stands before
// it.
type weigher struct {
	weight
	anchors map[string]weight
}

func (w *weigher) Visit(n ast.Node) ast.Visitor {
	if w.total > maxValues || w.text > maxText {
		return nil
	}
	w.add(weight{total: 1})
	switch n := n.(type) {
	case *ast.StringNode:
		w.text += len(n.Value)
	case *ast.AnchorNode:
		inner := weigher{anchors: maps.Clone(w.anchors)}
		ast.Walk(&inner, n.Value)
		if n.Name != nil {
			inner.anchors[n.Name.String()] = inner.weight
		}
		w.anchors = inner.anchors
		w.add(inner.weight)
		return nil
	case *ast.AliasNode:
		if n.Value != nil {
			w.add(w.anchors[n.Value.String()])
		}
		return nil
	}
	return w
}

func (w *weight) add(more weight) {
	w.total += more.total
	w.text += more.text
}

// Decode fills v from a node; unknown keys are errors, and what goes into an any keeps the order of its keys
// (yaml.MapSlice). The library panics on some documents, which is an error of the document here.
func Decode(node ast.Node, v any) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("it is no document that can be read: %v", fault)
		}
	}()
	return yaml.NodeToValue(node, v, yaml.Strict(), yaml.UseOrderedMap())
}
