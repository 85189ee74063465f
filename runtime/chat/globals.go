package chat

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// globals are the functions that every template has, as Jinja2's.
func (r *rendering) globals() map[string]function {
	return map[string]function{"range": r.integers, "namespace": r.namespace, "dict": r.dict, "joiner": r.joiner, "cycler": r.cycler}
}

// maxRange is how long a range may be, as in Jinja2's sandbox.
const maxRange = 100_000

// integers is range([start,] stop[, step]).
func (r *rendering) integers(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	var bounds []int
	for _, v := range a.Args {
		if !v.IsInteger() {
			return exec.AsValue(errors.New("range: its arguments must be integers"))
		}
		bounds = append(bounds, v.Integer())
	}
	step := 1
	switch len(bounds) {
	case 1:
		bounds = []int{0, bounds[0]}
	case 2:
	case 3:
		step = bounds[2]
	default:
		return exec.AsValue(errors.New("range: it takes one to three arguments"))
	}
	if step == 0 {
		return exec.AsValue(errors.New("range: the step is zero"))
	}
	numbers := list{}
	for i, stop := bounds[0], bounds[1]; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(numbers) == maxRange {
			return exec.AsValue(fmt.Errorf("range: longer than %d", maxRange))
		}
		r.make(itemBytes)
		numbers = append(numbers, i)
	}
	return exec.AsValue(numbers)
}

// namespace is an object whose attributes set can change.
func (r *rendering) namespace(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	r.make(times(2*itemBytes, len(a.KwArgs)))
	names := map[string]any{}
	for name, value := range a.KwArgs {
		names[name] = value
	}
	return exec.AsValue(names)
}

// dict is an object of what is given by name, in the order of the names.
func (r *rendering) dict(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	r.make(times(2*itemBytes, len(a.KwArgs)))
	d := exec.NewDict()
	for _, name := range slices.Sorted(maps.Keys(a.KwArgs)) {
		d.Pairs = append(d.Pairs, &exec.Pair{Key: stringValue(name), Value: a.KwArgs[name]})
	}
	return exec.AsValue(d)
}

// joiner is a function that gives nothing at first, then a separator every time.
func (r *rendering) joiner(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	separator, ok := argument(a, 0, "sep")
	if !ok {
		separator = stringValue(", ")
	}
	begun := false
	return exec.AsValue(function(func(*exec.VarArgs, *exec.Value) *exec.Value {
		if !begun {
			begun = true
			return stringValue("")
		}
		return separator
	}))
}

// cycler is an object whose next() gives its values in turn.
func (r *rendering) cycler(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	if len(a.Args) == 0 {
		return exec.AsValue(errors.New("cycler: it takes the values to cycle through"))
	}
	names := map[string]any{"current": a.Args[0]}
	at := 0
	move := func(to int) {
		at = to % len(a.Args)
		names["current"] = a.Args[at]
	}
	names["next"] = function(func(*exec.VarArgs, *exec.Value) *exec.Value {
		value := a.Args[at]
		move(at + 1)
		return value
	})
	names["reset"] = function(func(*exec.VarArgs, *exec.Value) *exec.Value {
		move(0)
		return undefined()
	})
	return exec.AsValue(names)
}
