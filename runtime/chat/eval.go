package chat

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// eval returns the value of an expression. An error is a value too: a filter or test gets it, and
// `default` and `is defined` let the template go on, which a spent budget does not.
func (r *rendering) eval(n nodes.Node, s *scope) *exec.Value {
	r.enter()
	defer r.leave()
	switch n := n.(type) {
	case *nodes.None:
		return undefined()
	case *nodes.String:
		return stringValue(n.Val)
	case *nodes.Integer:
		return exec.AsValue(n.Val)
	case *nodes.Float:
		return exec.AsValue(n.Val)
	case *nodes.Bool:
		return exec.AsValue(n.Val)
	case *nodes.List:
		return r.evalList(n.Val, s)
	case *nodes.Tuple:
		return r.evalList(n.Val, s)
	case *nodes.Dict:
		return r.evalDict(n, s)
	case *nodes.Name:
		if found := r.find(s, n.Name.Val); found != nil {
			return found.names[n.Name.Val]
		}
		return undefined()
	case *nodes.Call:
		return r.call(n, nil, s)
	case *nodes.GetItem:
		return r.evalItem(n, s)
	case *nodes.GetAttribute:
		return r.attributeOf(r.eval(n.Node, s), n)
	case *nodes.GetSlice:
		return r.evalSlice(n, s)
	case *nodes.Negation:
		return exec.AsValue(!truth(r.eval(n.Term, s)))
	case *nodes.BinaryExpression:
		return r.evalBinary(n, s)
	case *nodes.UnaryExpression:
		value := r.eval(n.Term, s)
		if value.IsError() || !n.Negative {
			return value
		}
		return r.arithmetic(tokens.Subtraction, exec.AsValue(0), value)
	case *nodes.FilteredExpression:
		return r.filtered(r.eval(n.Expression, s), n.Filters, s)
	case *nodes.TestExpression:
		return r.evalTest(n, s)
	}
	return exec.AsValue(errors.New("an expression is missing"))
}

// either is `value if condition else otherwise`, of which the latter two may be missing.
func (r *rendering) either(value, condition, otherwise nodes.Expression, s *scope) *exec.Value {
	if condition == nil {
		return r.eval(value, s)
	}
	switch c := r.eval(condition, s); {
	case c.IsError():
		return c
	case truth(c):
		return r.eval(value, s)
	case otherwise == nil:
		return undefined()
	}
	return r.eval(otherwise, s)
}

func (r *rendering) evalList(all []nodes.Expression, s *scope) *exec.Value {
	r.make(times(itemBytes, len(all)))
	items := make(list, len(all))
	for i, n := range all {
		value := r.eval(n, s)
		if value.IsError() {
			return value
		}
		items[i] = value
	}
	return exec.AsValue(items)
}

func (r *rendering) evalDict(n *nodes.Dict, s *scope) *exec.Value {
	r.make(times(2*itemBytes, len(n.Pairs)))
	d := exec.NewDict()
	for _, pair := range n.Pairs {
		key := r.eval(pair.Key, s)
		value := r.eval(pair.Value, s)
		if key.IsError() {
			return key
		} else if value.IsError() {
			return value
		}
		d.Pairs = append(d.Pairs, &exec.Pair{Key: key, Value: value})
	}
	return exec.AsValue(d)
}

func (r *rendering) evalItem(n *nodes.GetItem, s *scope) *exec.Value {
	value := r.eval(n.Node, s)
	if value.IsError() {
		return value
	}
	if n.Arg == nil {
		return undefined()
	}
	key := r.eval(n.Arg, s)
	switch {
	case key.IsError():
		return key
	case value.IsNil():
		return exec.AsValue(errors.New("an item of something undefined"))
	case !key.IsString() && !key.IsInteger():
		return exec.AsValue(errors.New("an item is found by text or an integer only"))
	}
	return r.item(value, key)
}

// attributeOf is value.name, or value.3.
func (r *rendering) attributeOf(value *exec.Value, n *nodes.GetAttribute) *exec.Value {
	switch {
	case value.IsError():
		return value
	case n.Attribute == "":
		return r.item(value, exec.AsValue(n.Index))
	case value.IsNil():
		return exec.AsValue(fmt.Errorf("%s of something undefined", n.Attribute))
	}
	return r.item(value, exec.AsValue(n.Attribute))
}

func (r *rendering) evalBinary(n *nodes.BinaryExpression, s *scope) *exec.Value {
	left := r.eval(n.Left, s)
	if left.IsError() {
		return left
	}
	switch kind := n.Operator.Token.Type; {
	case kind == tokens.And && !truth(left), kind == tokens.Or && truth(left):
		return left
	case kind == tokens.And, kind == tokens.Or:
		return r.eval(n.Right, s)
	default:
		right := r.eval(n.Right, s)
		if right.IsError() {
			return right
		}
		return r.operate(kind, left, right)
	}
}

// filtered puts a value through filters.
func (r *rendering) filtered(value *exec.Value, filters []*nodes.FilterCall, s *scope) *exec.Value {
	for _, f := range filters {
		a, err := r.arguments(f.Args, f.Kwargs, s)
		if err != nil {
			return exec.AsValue(err)
		}
		if value = r.filter(f.Name, value, a); value.IsError() {
			return value
		}
	}
	return value
}

func (r *rendering) evalTest(n *nodes.TestExpression, s *scope) *exec.Value {
	value := r.eval(n.Expression, s)
	a, err := r.arguments(n.Test.Args, n.Test.Kwargs, s)
	if err != nil {
		return exec.AsValue(err)
	}
	yes, err := r.test(n.Test.Name, value, a)
	if err != nil {
		return exec.AsValue(err)
	}
	return exec.AsValue(yes)
}

// arguments evaluates what stands between the brackets of a call.
func (r *rendering) arguments(args []nodes.Expression, words map[string]nodes.Expression, s *scope) (*exec.VarArgs, error) {
	r.make(times(itemBytes, len(args)+len(words)))
	a := &exec.VarArgs{}
	for _, n := range args {
		value := r.eval(n, s)
		if value.IsError() {
			return nil, value.Interface().(error)
		}
		a.Args = append(a.Args, value)
	}
	if len(words) == 0 {
		return a, nil
	}
	a.KwArgs = map[string]*exec.Value{}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		value := r.eval(words[word], s)
		if value.IsError() {
			return nil, value.Interface().(error)
		}
		a.KwArgs[word] = value
	}
	return a, nil
}

// call calls a function or a method. caller is the body of a call statement, or nil.
func (r *rendering) call(n *nodes.Call, caller *exec.Value, s *scope) *exec.Value {
	var self, f *exec.Value
	attribute, isMethod := n.Func.(*nodes.GetAttribute)
	if isMethod {
		if self = r.eval(attribute.Node, s); self.IsError() {
			return self
		}
		f = r.attributeOf(self, attribute)
	} else {
		f = r.eval(n.Func, s)
	}
	a, err := r.arguments(n.Args, n.Kwargs, s)
	if err != nil {
		return exec.AsValue(err)
	}
	switch f := f.Interface().(type) {
	case function:
		return f(a, caller)
	case *loop:
		if f.again != nil && len(a.Args) == 1 {
			return f.again(a.Args[0])
		}
	}
	switch {
	case f.IsError():
		return f
	case isMethod:
		return r.method(self, attribute, a, s)
	}
	return exec.AsValue(errors.New("what is called is no function"))
}

// assign gives a target of set a value: a name in this scope, or an attribute of a namespace.
func (r *rendering) assign(target nodes.Node, value *exec.Value, s *scope) error {
	var holder *exec.Value
	key := ""
	switch n := target.(type) {
	case *nodes.Name:
		r.set(s, n.Name.Val, value)
		return nil
	case *nodes.GetAttribute:
		holder, key = r.eval(n.Node, s), n.Attribute
	case *nodes.GetItem:
		holder = r.eval(n.Node, s)
		name := r.eval(n.Arg, s)
		if !name.IsString() {
			return errors.New("set: an attribute's name is text")
		}
		key = name.String()
	}
	names, ok := holder.Interface().(map[string]any)
	if !ok {
		return errors.New("set: only a namespace's attributes can be set")
	}
	r.make(itemBytes + len(key))
	names[key] = value
	return nil
}
