package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// function is all that a template can call by name. caller is the body of a call statement, itself
// a function, else nil.
type function func(a *exec.VarArgs, caller *exec.Value) *exec.Value

// parameter of a macro; fallback is nil where there is none.
type parameter struct {
	name     string
	fallback nodes.Expression
}

// macroStatement defines a macro: a function that returns what its body writes.
type macroStatement struct {
	node
	name        string
	parameters  []parameter
	rest, words string // where *args and **kwargs go, if anywhere
	body        []nodes.Node
}

func parseMacro(p, args *parser.Parser) (_ nodes.ControlStructure, err error) {
	n := &macroStatement{node: node{p.Current()}}
	name := args.Match(tokens.Name)
	if name == nil || args.Match(tokens.LeftParenthesis) == nil {
		return nil, args.Error("macro takes a name and parameters in brackets", args.Current())
	}
	n.name = name.Val
	for args.Match(tokens.RightParenthesis) == nil {
		if err := n.parseParameter(args); err != nil {
			return nil, err
		}
		if args.Match(tokens.Comma) == nil && args.Current(tokens.RightParenthesis) == nil {
			return nil, args.Error("a comma or ) is missing", args.Current())
		}
	}
	if err := end(args); err != nil {
		return nil, err
	}
	n.body, err = body(p, "endmacro")
	return n, err
}

func (n *macroStatement) parseParameter(args *parser.Parser) (err error) {
	kind := args.Match(tokens.Power, tokens.Multiply)
	name := args.Match(tokens.Name)
	switch {
	case name == nil:
		return args.Error("the name of a parameter is missing", args.Current())
	case kind == nil:
		p := parameter{name: name.Val}
		if args.Match(tokens.Assign) != nil {
			p.fallback, err = args.ParseExpression()
		}
		n.parameters = append(n.parameters, p)
		return err
	case kind.Type == tokens.Power:
		n.words = name.Val
	default:
		n.rest = name.Val
	}
	return nil
}

func (n *macroStatement) run(r *rendering, s *scope) (flow, error) {
	r.set(s, n.name, exec.AsValue(function(func(a *exec.VarArgs, caller *exec.Value) *exec.Value {
		inner := s.child()
		if err := n.bind(r, inner, a); err != nil {
			return exec.AsValue(fmt.Errorf("macro %s: %w", n.name, err))
		}
		if caller != nil {
			inner.set("caller", caller)
		}
		text, err := r.capture(n.body, inner)
		if err != nil {
			return exec.AsValue(err)
		}
		return stringValue(text)
	})))
	return onward, nil
}

// bind gives the parameters their values.
func (n *macroStatement) bind(r *rendering, s *scope, a *exec.VarArgs) error {
	words := map[string]any{}
	for word, value := range a.KwArgs {
		words[word] = value
	}
	r.spend(len(n.parameters) + len(words))
	for i, p := range n.parameters {
		value, named := a.KwArgs[p.name]
		delete(words, p.name)
		switch {
		case i < len(a.Args) && named:
			return fmt.Errorf("argument %s is given twice", p.name)
		case i < len(a.Args):
			value = a.Args[i]
		case !named && p.fallback != nil:
			value = r.eval(p.fallback, s)
		case !named:
			value = undefined()
		}
		if value.IsError() {
			return value
		}
		s.set(p.name, value)
	}
	rest := list{}
	for _, value := range a.Args[min(len(n.parameters), len(a.Args)):] {
		rest = append(rest, value)
	}
	switch {
	case len(rest) > 0 && n.rest == "":
		return fmt.Errorf("it takes %d arguments, not %d", len(n.parameters), len(a.Args))
	case len(words) > 0 && n.words == "":
		return fmt.Errorf("it has no parameter of the name that is given")
	}
	if n.rest != "" {
		s.set(n.rest, exec.AsValue(rest))
	}
	if n.words != "" {
		s.set(n.words, exec.AsValue(words))
	}
	return nil
}

// callStatement calls a macro, which finds its body as caller().
type callStatement struct {
	node
	call *nodes.Call
	body []nodes.Node
}

func parseCall(p, args *parser.Parser) (nodes.ControlStructure, error) {
	n := &callStatement{node: node{p.Current()}}
	expression, err := args.ParseExpression()
	if err != nil {
		return nil, err
	}
	call, ok := expression.(*nodes.Call)
	if !ok {
		return nil, args.Error("call takes the call of a macro", args.Current())
	}
	if err := end(args); err != nil {
		return nil, err
	}
	n.call = call
	n.body, err = body(p, "endcall")
	return n, err
}

func (n *callStatement) run(r *rendering, s *scope) (flow, error) {
	caller := function(func(*exec.VarArgs, *exec.Value) *exec.Value {
		text, err := r.capture(n.body, s.child())
		if err != nil {
			return exec.AsValue(err)
		}
		return stringValue(text)
	})
	value := r.call(n.call, exec.AsValue(caller), s)
	if value.IsError() {
		return onward, value
	}
	r.write(r.text(value))
	return onward, nil
}
