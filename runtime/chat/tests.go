package chat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// test answers `value is name(arguments)`. An error is undefined, and nothing else.
func (r *rendering) test(name string, in *exec.Value, a *exec.VarArgs) (bool, error) {
	r.spend(1)
	switch name {
	case "defined":
		return !in.IsError() && !in.IsNil(), nil
	case "undefined":
		return in.IsError() || in.IsNil(), nil
	case "none":
		return in.IsNil(), nil
	case "boolean":
		return in.IsBool(), nil
	case "true": // the value itself, not what counts as true
		return in.IsBool() && in.Bool(), nil
	case "false": // not the undefined, or thinking would be off wherever a template tests for it
		return in.IsBool() && !in.Bool(), nil
	case "string":
		return in.IsString(), nil
	case "number":
		return in.IsNumber(), nil
	case "integer":
		return in.IsInteger(), nil
	case "float":
		return in.IsFloat(), nil
	case "mapping":
		return in.IsDict(), nil
	case "iterable", "sequence": // in Jinja2 strings and objects are sequences, too
		return in.IsList() || in.IsString() || in.IsDict(), nil
	case "callable":
		_, ok := in.Interface().(function)
		return ok, nil
	case "filter":
		_, ok := filters(r.text(in))
		return ok, nil
	case "even", "odd":
		return in.IsInteger() && (in.Integer()%2 == 0) == (name == "even"), nil
	case "lower", "upper":
		return r.isCase(name, in), nil
	}
	if len(a.Args) == 0 {
		return false, fmt.Errorf("test %.100s is unknown, or lacks what to compare with", name)
	}
	return r.testAgainst(name, in, a.Args[0])
}

// testAgainst is test for those that compare with something.
func (r *rendering) testAgainst(name string, in, with *exec.Value) (bool, error) {
	switch name {
	case "eq", "equalto", "==", "sameas":
		return r.equal(in, with, 0), nil
	case "ne", "!=":
		return !r.equal(in, with, 0), nil
	case "lt", "lessthan", "<":
		return r.compare(in, with) < 0, nil
	case "le", "<=":
		return r.compare(in, with) <= 0, nil
	case "gt", "greaterthan", ">":
		return r.compare(in, with) > 0, nil
	case "ge", ">=":
		return r.compare(in, with) >= 0, nil
	case "in":
		return r.contains(with, in), nil
	case "divisibleby":
		if !in.IsInteger() || !with.IsInteger() || with.Integer() == 0 {
			return false, errors.New("divisibleby takes integers")
		}
		return in.Integer()%with.Integer() == 0, nil
	}
	return false, fmt.Errorf("test %.100s is unknown", name)
}

// isCase says whether text is all of one case.
func (r *rendering) isCase(name string, in *exec.Value) bool {
	if !in.IsString() {
		return false
	}
	r.make(len(in.String()))
	if name == "lower" {
		return strings.ToLower(in.String()) == in.String()
	}
	return strings.ToUpper(in.String()) == in.String()
}
