package chat

import (
	"errors"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// forStatement runs its body for each item, or the one of else if there is none.
type forStatement struct {
	node
	key, value string // value is empty unless items are pairs
	over       nodes.Expression
	condition  nodes.Expression
	recursive  bool
	body       []nodes.Node
	otherwise  []nodes.Node
}

func parseFor(p, args *parser.Parser) (_ nodes.ControlStructure, err error) {
	n := &forStatement{node: node{p.Current()}}
	key := args.Match(tokens.Name)
	if key == nil {
		return nil, args.Error("for takes a name", args.Current())
	}
	n.key = key.Val
	if args.Match(tokens.Comma) != nil {
		value := args.Match(tokens.Name)
		if value == nil {
			return nil, args.Error("for takes a name after the comma", args.Current())
		}
		n.value = value.Val
	}
	if args.Match(tokens.In) == nil {
		return nil, args.Error("for takes in after its names", args.Current())
	}
	if n.over, err = args.ParseExpression(); err != nil {
		return nil, err
	}
	if args.MatchName("if") != nil {
		if n.condition, err = args.ParseExpression(); err != nil {
			return nil, err
		}
	}
	n.recursive = args.MatchName("recursive") != nil
	if err := end(args); err != nil {
		return nil, err
	}
	w, rest, err := p.WrapUntil("else", "endfor")
	if err != nil {
		return nil, err
	}
	if n.body, err = w.Nodes, end(rest); err == nil && w.EndTag == "else" {
		n.otherwise, err = body(p, "endfor")
	}
	return n, err
}

func (n *forStatement) run(r *rendering, s *scope) (flow, error) {
	over := r.eval(n.over, s)
	if over.IsError() {
		return onward, over
	}
	return n.each(r, over, s, 1)
}

// turn is what one turn of a loop is about.
type turn struct{ key, value *exec.Value }

// item is a turn as loop.previtem and loop.nextitem tell it.
func (t turn) item() *exec.Value {
	if t.value == nil {
		return t.key
	}
	return exec.AsValue(list{t.key, t.value})
}

func (n *forStatement) each(r *rendering, over *exec.Value, s *scope, depth int) (flow, error) {
	turns := n.turns(r, over, s)
	if len(turns) == 0 {
		return r.run(n.otherwise, s.child())
	}
	l := &loop{rendering: r, turns: turns, depth: depth}
	if n.recursive {
		l.again = func(items *exec.Value) *exec.Value {
			text, err := r.captured(func() error {
				_, err := n.each(r, items, s, depth+1)
				return err
			})
			if err != nil {
				return exec.AsValue(err)
			}
			return stringValue(text)
		}
	}
	for i, t := range turns {
		r.spend(1)
		l.at = i
		inner := s.child()
		n.name(r, inner, t)
		inner.set("loop", exec.AsValue(l))
		f, err := r.run(n.body, inner)
		if err != nil {
			return onward, err
		}
		if f == broken {
			break
		}
	}
	return onward, nil
}

// turns are the items that the condition lets through.
func (n *forStatement) turns(r *rendering, over *exec.Value, s *scope) (turns []turn) {
	r.each(over, func(key, value *exec.Value) bool {
		t := turn{key, nil}
		if n.value != "" {
			t.value = value
			if pair := r.itemsOf(key); !key.IsString() && len(pair) == 2 {
				t = turn{pair[0], pair[1]}
			}
		}
		if n.condition != nil {
			inner := s.child()
			n.name(r, inner, t)
			if !truth(r.eval(n.condition, inner)) {
				return true
			}
		}
		r.make(itemBytes)
		turns = append(turns, t)
		return true
	})
	return turns
}

func (n *forStatement) name(r *rendering, s *scope, t turn) {
	s.set(n.key, t.key)
	if t.value != nil {
		s.set(n.value, t.value)
	}
}

// loop is the variable of that name. It is a function where the loop is recursive.
type loop struct {
	rendering *rendering
	turns     []turn
	at, depth int
	again     func(items *exec.Value) *exec.Value
	told      *exec.Value // what changed was told last
}

// attribute is one of loop's, undefined if there is none of the name.
func (l *loop) attribute(name string) *exec.Value {
	n := len(l.turns)
	switch name {
	case "index":
		return exec.AsValue(l.at + 1)
	case "index0":
		return exec.AsValue(l.at)
	case "revindex":
		return exec.AsValue(n - l.at)
	case "revindex0":
		return exec.AsValue(n - l.at - 1)
	case "first":
		return exec.AsValue(l.at == 0)
	case "last":
		return exec.AsValue(l.at == n-1)
	case "length":
		return exec.AsValue(n)
	case "depth":
		return exec.AsValue(l.depth)
	case "depth0":
		return exec.AsValue(l.depth - 1)
	case "previtem":
		if l.at > 0 {
			return l.turns[l.at-1].item()
		}
	case "nextitem":
		if l.at < n-1 {
			return l.turns[l.at+1].item()
		}
	case "cycle":
		return exec.AsValue(function(l.cycle))
	case "changed":
		return exec.AsValue(function(l.changed))
	}
	return undefined()
}

func (l *loop) cycle(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	if len(a.Args) == 0 {
		return exec.AsValue(errors.New("cycle: it takes the values to cycle through"))
	}
	return a.Args[l.at%len(a.Args)]
}

func (l *loop) changed(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	now := exec.AsValue(exec.ValuesList(a.Args))
	same := l.told != nil && l.rendering.equal(now, l.told, 0)
	l.told = now
	return exec.AsValue(!same)
}
