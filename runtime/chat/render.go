package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
)

// rendering is one run of a template. It walks the tree of gonja's parser itself: gonja's own
// evaluator has no bounds, and evaluates the left of a method call twice, its left four times, and
// so on.
type rendering struct {
	budget
	out *strings.Builder // of the template, or of what is captured of it
}

func newRendering(ctx context.Context) *rendering {
	return &rendering{budget: newBudget(ctx), out: &strings.Builder{}}
}

// render runs a template with these variables. It ends soon after the context does.
func (r *rendering) render(root []nodes.Node, variables map[string]any) (text string, err error) {
	if err := r.ctx.Err(); err != nil {
		return "", err
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exhausted:
			text, err = "", p.err
		default: // what nobody thought of: an error is the model's, a panic would be the program's
			text, err = "", fmt.Errorf("%v", p)
		}
	}()
	globals := &scope{}
	for name, f := range r.globals() {
		globals.set(name, exec.AsValue(f))
	}
	for name, value := range variables {
		globals.set(name, exec.ToValue(value))
	}
	if _, err := r.run(root, globals.child()); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// scope is the names that a part of a template sees: its own, and those around it.
type scope struct {
	names  map[string]*exec.Value
	around *scope
}

func (s *scope) child() *scope { return &scope{around: s} }

func (s *scope) set(name string, value *exec.Value) {
	if s.names == nil {
		s.names = map[string]*exec.Value{}
	}
	s.names[name] = value
}

// find returns the scope that has a name, or nil.
func (r *rendering) find(s *scope, name string) *scope {
	hops := 0
	for ; s != nil; s = s.around {
		if _, ok := s.names[name]; ok {
			break
		}
		hops++
	}
	r.spend(hops / 8)
	return s
}

// set gives a name a value in this scope.
func (r *rendering) set(s *scope, name string, value *exec.Value) {
	r.make(itemBytes)
	s.set(name, value)
}

// run runs nodes one after the other, up to a break or continue.
func (r *rendering) run(all []nodes.Node, s *scope) (flow, error) {
	r.enter()
	defer r.leave()
	for _, n := range all {
		r.spend(1)
		switch n := n.(type) {
		case *nodes.Data:
			r.write(dataText(n))
		case *nodes.Output:
			value := r.either(n.Expression, n.Condition, n.Alternative, s)
			if value.IsError() {
				return onward, at(n.Start.Line, value)
			}
			r.write(r.text(value))
		case *nodes.ControlStructureBlock:
			f, err := n.ControlStructure.(statement).run(r, s)
			if err != nil {
				return onward, at(n.Location.Line, err)
			}
			if f != onward {
				return f, nil
			}
		}
	}
	return onward, nil
}

// located is an error that says in which line of the template it came up.
type located struct {
	line int
	error
}

func (l located) Error() string { return fmt.Sprintf("line %d: %v", l.line, l.error) }
func (l located) Unwrap() error { return l.error }

// at locates an error where nothing further in has.
func at(line int, err error) error {
	if v, ok := err.(*exec.Value); ok {
		err = v.Interface().(error)
	}
	if errors.As(err, new(located)) {
		return err
	}
	return located{line, err}
}

// dataText is the text between two tags, without what these take away.
func dataText(n *nodes.Data) string {
	text := n.Data.Val
	if n.RemoveFirstLineReturn {
		text = strings.TrimPrefix(strings.TrimPrefix(text, "\r\n"), "\n")
	}
	if n.Trim.Left {
		text = strings.TrimLeft(text, " \r\n\t")
	}
	if n.Trim.Right {
		text = strings.TrimRight(text, " \r\n\t")
	}
	return text
}

func (r *rendering) write(text string) {
	r.make(len(text))
	if r.out.Len()+len(text) > maxOutput {
		panic(exhausted{fmt.Errorf("%w: it writes more than %d bytes", ErrBudget, maxOutput)})
	}
	r.out.WriteString(text)
}

// capture runs nodes and returns what they write.
func (r *rendering) capture(all []nodes.Node, s *scope) (string, error) {
	return r.captured(func() error {
		_, err := r.run(all, s)
		return err
	})
}

func (r *rendering) captured(f func() error) (string, error) {
	outer := r.out
	r.out = &strings.Builder{}
	err := f()
	text := r.out.String()
	r.out = outer
	return text, err
}
