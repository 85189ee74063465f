package chat

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// operate is a binary operator on two values.
func (r *rendering) operate(kind tokens.Type, left, right *exec.Value) *exec.Value {
	switch kind {
	case tokens.Equals:
		return exec.AsValue(r.equal(left, right, 0))
	case tokens.Ne:
		return exec.AsValue(!r.equal(left, right, 0))
	case tokens.LowerThan:
		return exec.AsValue(r.compare(left, right) < 0)
	case tokens.LowerThanOrEqual:
		return exec.AsValue(r.compare(left, right) <= 0)
	case tokens.GreaterThan:
		return exec.AsValue(r.compare(left, right) > 0)
	case tokens.GreaterThanOrEqual:
		return exec.AsValue(r.compare(left, right) >= 0)
	case tokens.In:
		return exec.AsValue(r.contains(right, left))
	case tokens.Tilde:
		return r.concatenate(left, right)
	case tokens.Addition:
		if left.IsList() && right.IsList() {
			x, y := left.Interface().(list), right.Interface().(list)
			r.make(times(itemBytes, len(x)+len(y)))
			return exec.AsValue(append(x[:len(x):len(x)], y...))
		}
		if left.IsString() || right.IsString() {
			return r.concatenate(left, right)
		}
	case tokens.Multiply:
		if right.IsString() {
			left, right = right, left
		}
		if left.IsString() {
			return r.repeat(left.String(), right)
		}
	}
	return r.arithmetic(kind, left, right)
}

func (r *rendering) concatenate(left, right *exec.Value) *exec.Value {
	return r.made(r.text(left) + r.text(right))
}

func (r *rendering) repeat(text string, count *exec.Value) *exec.Value {
	n, err := number(count)
	if err != nil {
		return exec.AsValue(err)
	}
	most := max(0, n.Integer())
	r.make(times(len(text), most))
	return stringValue(strings.Repeat(text, most))
}

// compare orders two values: as text if one of them is that, else as numbers.
func (r *rendering) compare(a, b *exec.Value) int {
	if a.IsString() || b.IsString() {
		x, y := r.text(a), r.text(b)
		r.read(min(len(x), len(y)))
		return cmp.Compare(x, y)
	}
	x, errX := number(a)
	y, errY := number(b)
	switch {
	case errX != nil || errY != nil:
		return 0
	case x.IsInteger() && y.IsInteger():
		return cmp.Compare(x.Integer(), y.Integer())
	}
	return cmp.Compare(x.Float(), y.Float())
}

// arithmetic is an operator on two numbers.
func (r *rendering) arithmetic(kind tokens.Type, left, right *exec.Value) *exec.Value {
	x, errX := number(left)
	y, errY := number(right)
	if err := errors.Join(errX, errY); err != nil {
		return exec.AsValue(cmp.Or(errX, errY))
	}
	if kind == tokens.Division || kind == tokens.Power || x.IsFloat() || y.IsFloat() {
		return floats(kind, x.Float(), y.Float())
	}
	a, b := x.Integer(), y.Integer()
	switch kind {
	case tokens.Addition:
		return exec.AsValue(a + b)
	case tokens.Subtraction:
		return exec.AsValue(a - b)
	case tokens.Multiply:
		return exec.AsValue(a * b)
	case tokens.FloorDivision, tokens.Modulo:
		if b == 0 {
			return exec.AsValue(errors.New("division by zero"))
		}
		quotient, rest := a/b, a%b
		if rest != 0 && (rest < 0) != (b < 0) { // as Python has it: rounded down
			quotient, rest = quotient-1, rest+b
		}
		if kind == tokens.Modulo {
			return exec.AsValue(rest)
		}
		return exec.AsValue(quotient)
	}
	return exec.AsValue(fmt.Errorf("unknown operator %v", kind))
}

func floats(kind tokens.Type, a, b float64) *exec.Value {
	switch kind {
	case tokens.Addition:
		return exec.AsValue(a + b)
	case tokens.Subtraction:
		return exec.AsValue(a - b)
	case tokens.Multiply:
		return exec.AsValue(a * b)
	case tokens.Power:
		return exec.AsValue(math.Pow(a, b))
	}
	switch {
	case b == 0:
		return exec.AsValue(errors.New("division by zero"))
	case kind == tokens.Division:
		return exec.AsValue(a / b)
	case kind == tokens.FloorDivision:
		return exec.AsValue(math.Floor(a / b))
	case kind == tokens.Modulo:
		return exec.AsValue(a - b*math.Floor(a/b))
	}
	return exec.AsValue(fmt.Errorf("unknown operator %v", kind))
}

// evalSlice is value[start:end:step].
func (r *rendering) evalSlice(n *nodes.GetSlice, s *scope) *exec.Value {
	value := r.eval(n.Node, s)
	if value.IsError() {
		return value
	}
	var bounds [3]*int
	for i, bound := range []nodes.Node{n.Start, n.End, n.Step} {
		if bound == nil {
			continue
		}
		switch v := r.eval(bound, s); {
		case v.IsError():
			return v
		case v.IsInteger():
			number := v.Integer()
			bounds[i] = &number
		case !v.IsNil():
			return exec.AsValue(errors.New("a slice is bounded by integers"))
		}
	}
	if bounds[2] != nil && *bounds[2] == 0 {
		return exec.AsValue(errors.New("the step of a slice is zero"))
	}
	switch x := value.Interface().(type) {
	case string:
		r.make(times(5, len(x))) // it becomes characters on the way
		return stringValue(string(slice([]rune(x), bounds[0], bounds[1], bounds[2])))
	case list:
		r.make(times(itemBytes, len(x)))
		return exec.AsValue(list(slice(x, bounds[0], bounds[1], bounds[2])))
	}
	return exec.AsValue(errors.New("only text and lists can be sliced"))
}

// slice is Python's items[start:end:step].
func slice[T any](items []T, start, end, step *int) []T {
	n, by := len(items), 1
	if step != nil {
		by = max(-n-1, min(*step, n+1))
	}
	low, high := 0, n // what a bound can be
	from, to := 0, n
	if by < 0 {
		low, high = -1, n-1
		from, to = n-1, -1
	}
	bound := func(i *int, missing int) int {
		if i == nil {
			return missing
		}
		at := *i
		if at < 0 {
			at += n
		}
		return max(low, min(at, high))
	}
	from, to = bound(start, from), bound(end, to)
	var out []T
	for i := from; by > 0 && i < to || by < 0 && i > to; i += by {
		out = append(out, items[i])
	}
	return out
}
