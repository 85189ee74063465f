package chat

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// What a template's source may be. The parser calls itself for each block and each bracket, so
// these are counted in what the lexer makes of the text, before the parser sees it. The longest
// templates of real models have 20 kB and 500 tags, with blocks 10 deep.
const (
	maxSource   = 256 << 10 // bytes
	maxTags     = 20_000
	maxBlocks   = 100 // blocks in blocks
	maxBrackets = 100 // brackets in brackets
)

// parse parses a template as transformers has Jinja do it: blocks trimmed, no escaping, and nothing
// to include or import.
func parse(source string) (root []nodes.Node, err error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", ErrBudget, len(source), maxSource)
	}
	c := config.New()
	c.TrimBlocks = true
	all, err := lexed(tokens.LexAll(stripBlocks(source), c))
	if err != nil {
		return nil, err
	}
	defer func() { // the parser reads past the last token of some broken templates
		if r := recover(); r != nil {
			root, err = nil, errors.New("a tag is not complete")
		}
	}()
	t, err := parser.NewParser("", tokens.NewStream(all), c, nil, statements()).Parse()
	if err != nil {
		return nil, err
	}
	return t.Nodes, nil
}

// lexed returns the tokens of a stream, held to the bounds.
func lexed(s *tokens.Stream) ([]*tokens.Token, error) {
	var all []*tokens.Token
	var blocks, brackets, tags int
	for ; !s.End(); s.Next() {
		t := s.Current()
		all = append(all, t)
		switch t.Type {
		case tokens.VariableBegin, tokens.CommentBegin, tokens.BlockBegin:
			tags++
			brackets = 0
		case tokens.LeftParenthesis, tokens.LeftBracket, tokens.LeftBrace:
			brackets++
		case tokens.RightParenthesis, tokens.RightBracket, tokens.RightBrace:
			brackets--
		case tokens.Name:
			if len(all) > 1 && all[len(all)-2].Type == tokens.BlockBegin {
				blocks += opens(t.Val)
			}
		case tokens.Assign: // {% set x %} opens a block, {% set x = 1 %} does not
			if first := len(all) - 4; first >= 0 && all[first].Type == tokens.BlockBegin && all[first+1].Val == "set" {
				blocks--
			}
		}
		switch {
		case tags > maxTags:
			return nil, fmt.Errorf("%w: more than %d tags", ErrBudget, maxTags)
		case blocks > maxBlocks:
			return nil, fmt.Errorf("%w: line %d: blocks more than %d deep", ErrBudget, t.Line, maxBlocks)
		case brackets > maxBrackets:
			return nil, fmt.Errorf("%w: line %d: brackets more than %d deep", ErrBudget, t.Line, maxBrackets)
		}
	}
	if s.IsError() {
		return nil, fmt.Errorf("line %d: %.100s", lastLine(all), s.Current().Val)
	}
	return append(all, s.Current()), nil
}

// opens is by how much a statement changes the depth of blocks.
func opens(name string) int {
	switch name {
	case "if", "for", "macro", "call", "filter", "with", "raw", "set", "generation":
		return 1
	case "endif", "endfor", "endmacro", "endcall", "endfilter", "endwith", "endraw", "endset", "endgeneration":
		return -1
	}
	return 0
}

func lastLine(all []*tokens.Token) int {
	if len(all) == 0 {
		return 1
	}
	return all[len(all)-1].Line
}
