package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// statement is a statement of a template. It is run by a rendering, never by gonja's own renderer,
// which has no bounds.
type statement interface {
	run(r *rendering, s *scope) (flow, error)
}

// node is what gonja's parser demands of a statement beside.
type node struct{ at *tokens.Token }

func (n node) Position() *tokens.Token { return n.at }
func (n node) String() string          { return "statement" }

// flow is how a statement ended: as it should, or by a break or continue that a loop waits for.
type flow int

const (
	onward flow = iota
	broken
	continued
)

// statementSet is the statements that a template can use, by name.
type statementSet map[string]parser.ControlStructureParser

// Get is how gonja's parser asks for one.
func (s statementSet) Get(name string) (parser.ControlStructureParser, bool) {
	p, ok := s[name]
	return p, ok
}

func statements() statementSet {
	jump := func(f flow) parser.ControlStructureParser {
		return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
			return jumpStatement{node{p.Current()}, f}, end(args)
		}
	}
	return statementSet{
		"if": parseIf, "for": parseFor, "set": parseSet, "macro": parseMacro, "call": parseCall,
		"filter": parseFilter, "with": parseWith, "raw": parseRaw, "do": parseDo,
		"generation": parseGeneration, "break": jump(broken), "continue": jump(continued),
	}
}

// end is an error if something is left of a tag.
func end(args *parser.Parser) error {
	if !args.End() {
		return args.Error("the tag goes on where it should end", args.Current())
	}
	return nil
}

// body parses up to one of the tags that are named, of which the last takes no arguments.
func body(p *parser.Parser, until ...string) ([]nodes.Node, error) {
	w, args, err := p.WrapUntil(until...)
	if err != nil {
		return nil, err
	}
	return w.Nodes, end(args)
}

type jumpStatement struct {
	node
	flow flow
}

func (j jumpStatement) run(*rendering, *scope) (flow, error) { return j.flow, nil }

// ifStatement has a body for each condition, and one more for else.
type ifStatement struct {
	node
	conditions []nodes.Expression
	bodies     [][]nodes.Node
}

func parseIf(p, args *parser.Parser) (nodes.ControlStructure, error) {
	n := &ifStatement{node: node{p.Current()}}
	for {
		condition, err := args.ParseExpression()
		if err == nil {
			err = end(args)
		}
		if err != nil {
			return nil, err
		}
		w, rest, err := p.WrapUntil("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		n.conditions, n.bodies = append(n.conditions, condition), append(n.bodies, w.Nodes)
		switch w.EndTag {
		case "elif":
			args = rest
			continue
		case "else":
			if err := end(rest); err != nil {
				return nil, err
			}
			last, err := body(p, "endif")
			n.bodies = append(n.bodies, last)
			return n, err
		}
		return n, end(rest)
	}
}

func (n *ifStatement) run(r *rendering, s *scope) (flow, error) {
	for i, condition := range n.conditions {
		value := r.eval(condition, s)
		if value.IsError() {
			return onward, value
		}
		if truth(value) {
			return r.run(n.bodies[i], s)
		}
	}
	if len(n.bodies) > len(n.conditions) {
		return r.run(n.bodies[len(n.conditions)], s)
	}
	return onward, nil
}

// setStatement gives a name, or an attribute of a namespace, a value: an expression's, or the text
// that its body writes.
type setStatement struct {
	node
	target                      nodes.Node
	value, condition, otherwise nodes.Expression
	body                        []nodes.Node
}

func parseSet(p, args *parser.Parser) (_ nodes.ControlStructure, err error) {
	n := &setStatement{node: node{p.Current()}}
	if n.target, err = args.ParseVariableOrLiteral(); err != nil {
		return nil, err
	}
	switch n.target.(type) {
	case *nodes.Name, *nodes.GetItem, *nodes.GetAttribute:
	default:
		return nil, args.Error("set takes a name or an attribute", args.Current())
	}
	if args.Match(tokens.Assign) == nil {
		if err := end(args); err != nil {
			return nil, err
		}
		n.body, err = body(p, "endset")
		return n, err
	}
	if n.value, err = args.ParseExpression(); err != nil {
		return nil, err
	}
	if n.condition, n.otherwise, err = args.ParseCondition(); err != nil {
		return nil, err
	}
	return n, end(args)
}

func (n *setStatement) run(r *rendering, s *scope) (flow, error) {
	if n.value == nil {
		text, err := r.capture(n.body, s.child())
		if err != nil {
			return onward, err
		}
		return onward, r.assign(n.target, stringValue(text), s)
	}
	value := r.either(n.value, n.condition, n.otherwise, s)
	if value.IsError() {
		return onward, value
	}
	return onward, r.assign(n.target, value, s)
}

// withStatement runs its body with a few names more.
type withStatement struct {
	node
	names  []string
	values []nodes.Expression
	body   []nodes.Node
}

func parseWith(p, args *parser.Parser) (_ nodes.ControlStructure, err error) {
	n := &withStatement{node: node{p.Current()}}
	for !args.End() {
		name := args.Match(tokens.Name)
		if name == nil || args.Match(tokens.Assign) == nil {
			return nil, args.Error("with takes name=value", args.Current())
		}
		value, err := args.ParseExpression()
		if err != nil {
			return nil, err
		}
		n.names, n.values = append(n.names, name.Val), append(n.values, value)
		if args.Match(tokens.Comma) == nil {
			break
		}
	}
	if err := end(args); err != nil {
		return nil, err
	}
	n.body, err = body(p, "endwith")
	return n, err
}

func (n *withStatement) run(r *rendering, s *scope) (flow, error) {
	inner := s.child()
	for i, name := range n.names {
		value := r.eval(n.values[i], s)
		if value.IsError() {
			return onward, value
		}
		r.set(inner, name, value)
	}
	return r.run(n.body, inner)
}

// filterStatement puts what its body writes through filters.
type filterStatement struct {
	node
	filters []*nodes.FilterCall
	body    []nodes.Node
}

func parseFilter(p, args *parser.Parser) (_ nodes.ControlStructure, err error) {
	n := &filterStatement{node: node{p.Current()}}
	for more := true; more; more = args.Match(tokens.Pipe) != nil {
		filter, err := args.ParseFilter()
		if err != nil {
			return nil, err
		}
		n.filters = append(n.filters, filter)
	}
	if err := end(args); err != nil {
		return nil, err
	}
	n.body, err = body(p, "endfilter")
	return n, err
}

func (n *filterStatement) run(r *rendering, s *scope) (flow, error) {
	text, err := r.capture(n.body, s.child())
	if err != nil {
		return onward, err
	}
	value := r.filtered(stringValue(text), n.filters, s)
	if value.IsError() {
		return onward, value
	}
	r.write(r.text(value))
	return onward, nil
}

// generationStatement marks what the model itself writes, which only training asks for.
type generationStatement struct {
	node
	body []nodes.Node
}

func parseGeneration(p, args *parser.Parser) (_ nodes.ControlStructure, err error) {
	if err := end(args); err != nil {
		return nil, err
	}
	n := &generationStatement{node: node{p.Current()}}
	n.body, err = body(p, "endgeneration")
	return n, err
}

func (n *generationStatement) run(r *rendering, s *scope) (flow, error) { return r.run(n.body, s) }

type rawStatement struct {
	node
	text string
}

func parseRaw(p, args *parser.Parser) (nodes.ControlStructure, error) {
	if err := end(args); err != nil {
		return nil, err
	}
	n := &rawStatement{node: node{p.Current()}}
	inside, err := body(p, "endraw")
	for _, part := range inside {
		data, ok := part.(*nodes.Data)
		if !ok {
			return nil, fmt.Errorf("line %d: raw holds a tag", n.at.Line)
		}
		n.text += data.Data.Val
	}
	return n, err
}

func (n *rawStatement) run(r *rendering, _ *scope) (flow, error) {
	r.write(n.text)
	return onward, nil
}

// doStatement evaluates an expression for what it changes.
type doStatement struct {
	node
	expression nodes.Expression
}

func parseDo(p, args *parser.Parser) (_ nodes.ControlStructure, err error) {
	n := &doStatement{node: node{p.Current()}}
	if n.expression, err = args.ParseExpression(); err != nil {
		return nil, err
	}
	return n, end(args)
}

func (n *doStatement) run(r *rendering, s *scope) (flow, error) {
	if value := r.eval(n.expression, s); value.IsError() {
		return onward, value
	}
	return onward, nil
}
