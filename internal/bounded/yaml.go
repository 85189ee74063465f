package bounded

import (
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxDepth    = 64      // lists and objects in each other; a block within a block stands further right
	maxColumn   = 256     // where the text of a block begins
	maxRow      = 16      // tokens of one value and the key after it
	maxExpanded = 8 << 20 // bytes, of a text whose aliases are written out
)

// YAML parses the one document of at most so many bytes that r holds. It may be empty.
func YAML(r io.Reader, most int) (ast.Node, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrBound, most)
	}
	tokens := lexer.Tokenize(string(text))
	if err := checkTokens(tokens, len(text)); err != nil {
		return nil, err
	}
	file, err := parse(tokens)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is not YAML: %w", err)
	case len(file.Docs) > 1:
		return nil, fmt.Errorf("it holds %d documents, not one", len(file.Docs))
	case len(file.Docs) == 0:
		return nil, nil
	}
	body := file.Docs[0].Body
	if body == nil {
		return nil, nil
	}
	check := aliases{inAnchor: false, nested: new(bool)}
	ast.Walk(check, body)
	if *check.nested {
		return nil, fmt.Errorf("%w: an alias stands within what another one names", ErrBound)
	}
	return body, nil
}

// aliases looks for an alias within an anchor's value: a few of them can mean a billion values.
type aliases struct {
	inAnchor bool
	nested   *bool
}

// Visit is how ast.Walk shows a node.
func (a aliases) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode:
		a.inAnchor = true
	case *ast.AliasNode:
		*a.nested = *a.nested || a.inAnchor
	}
	return a
}

// parse makes an error of a panic: the library has some on broken files.
func parse(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, err = nil, errors.New("its syntax is broken")
		}
	}()
	return parser.Parse(tokens, 0)
}

// checkTokens bounds how deep the parser will call itself, and how much aliases will mean: each is at
// most the whole text once more. Of what cannot stand in a row the parser would make a row, in time
// that grows with the square of its length.
func checkTokens(tokens token.Tokens, size int) error {
	flow, aliases, anchors := 0, 0, 0
	row := 0
	for _, t := range tokens {
		if row++; structural(t.Type) {
			row = 0
		}
		if row > maxRow {
			return fmt.Errorf("line %d: %.100q stands where it cannot", t.Position.Line, t.Value)
		}
		begins := false
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			begins = true
		case token.MappingValueType:
			begins = true
			if t.Prev != nil {
				t = t.Prev
			}
		case token.AnchorType:
			anchors++
		case token.AliasType:
			aliases++
		}
		switch {
		case flow > maxDepth:
			return fmt.Errorf("%w: line %d: it is nested deeper than %d", ErrBound, t.Position.Line, maxDepth)
		case begins && flow <= 0 && t.Position.Column > maxColumn:
			return fmt.Errorf("%w: line %d: it is indented by more than %d", ErrBound, t.Position.Line, maxColumn)
		case anchors > 0 && aliases*size > maxExpanded:
			return fmt.Errorf("%w: line %d: its aliases name too much", ErrBound, t.Position.Line)
		}
	}
	return nil
}

// structural says of a kind of token that it is none of what a value is made of: a tag, the name of
// an anchor, text.
func structural(t token.Type) bool {
	switch t {
	case token.DocumentHeaderType, token.DocumentEndType, token.SequenceEntryType, token.MappingKeyType, token.MappingValueType,
		token.CollectEntryType, token.SequenceStartType, token.SequenceEndType, token.MappingStartType, token.MappingEndType,
		token.CommentType, token.MergeKeyType:
		return true
	}
	return false
}
