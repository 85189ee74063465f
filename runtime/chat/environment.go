package chat

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// compile parses a template in the environment that transformers gives chat templates: blocks
// trimmed, no escaping, and nothing to include or import.
func compile(source string) (*exec.Template, error) {
	const name = "/chat_template"
	loader, err := loaders.NewMemoryLoader(map[string]string{name: stripBlocks(source)})
	if err != nil {
		return nil, err
	}
	c := config.New()
	c.TrimBlocks = true
	t, err := exec.NewTemplate(name, c, loader, environment())
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // the outer one quotes the whole template
	}
	return t, err
}

// environment returns gonja's built-ins, some of them replaced: those that differ from Jinja2's in
// what chat templates use. Every template gets its own, because gonja's sets are shared.
func environment() *exec.Environment {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters).
		Update(exec.NewFilterSet(map[string]exec.FilterFunction{"tojson": toJSON, "items": itemsFilter, "reverse": reverse}))
	tests := exec.NewTestSet(map[string]exec.TestFunction{}).Update(builtins.Tests).
		Update(exec.NewTestSet(map[string]exec.TestFunction{"true": isTrue, "false": isFalse, "sequence": isSequence}))
	globals := exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables)
	globals.Set("range", integers)
	return &exec.Environment{
		Context:           globals,
		Filters:           filters,
		Tests:             tests,
		ControlStructures: builtins.ControlStructures,
		Methods: exec.Methods{
			Str:   stringMethods(),
			Dict:  dictMethods(),
			List:  builtins.Methods.List,
			Int:   builtins.Methods.Int,
			Float: builtins.Methods.Float,
			Bool:  builtins.Methods.Bool,
		},
	}
}

// itemsFilter is the filter items, which gonja has for unordered maps only.
func itemsFilter(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	switch {
	case in.IsError():
		return in
	case in.IsNil(): // as in Jinja2: no items of something undefined
		return exec.AsValue(list{})
	case !in.IsDict():
		return exec.AsValue(errors.New("items: not a mapping"))
	}
	return exec.AsValue(items(in))
}

// reverse is the filter reverse: gonja's sorts lists.
func reverse(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	switch {
	case in.IsError():
		return in
	case in.IsString():
		characters := []rune(in.String())
		slices.Reverse(characters)
		return exec.AsValue(string(characters))
	case !in.IsList():
		return exec.AsValue(errors.New("reverse: neither a list nor a string"))
	}
	items := list{}
	for i := in.Len() - 1; i >= 0; i-- {
		items = append(items, in.Index(i))
	}
	return exec.AsValue(items)
}

// isTrue is the test `is true`: the value true itself. gonja asks whether a value counts as true.
func isTrue(_ *exec.Context, in *exec.Value, _ *exec.VarArgs) (bool, error) {
	return in.IsBool() && in.Bool(), nil
}

// isFalse is the test `is false`: the value false itself. gonja also says yes to the undefined,
// which would turn thinking off in every template that tests `enable_thinking is false`.
func isFalse(_ *exec.Context, in *exec.Value, _ *exec.VarArgs) (bool, error) {
	return in.IsBool() && !in.Bool(), nil
}

// isSequence is the test `is sequence`, to which Jinja2 says yes for strings and objects too.
func isSequence(_ *exec.Context, in *exec.Value, _ *exec.VarArgs) (bool, error) {
	return in.IsList() || in.IsString() || in.IsDict(), nil
}

// maxRange is how long a range may be, as in Jinja2's sandbox.
const maxRange = 100_000

// integers is the function range([start,] stop[, step]). gonja's feeds a channel from a
// goroutine, which stays behind when a loop breaks.
func integers(_ *exec.Evaluator, params *exec.VarArgs) (list, error) {
	var bounds []int
	for _, a := range params.Args {
		if !a.IsInteger() {
			return nil, errors.New("range: its arguments must be integers")
		}
		bounds = append(bounds, a.Integer())
	}
	start, step := 0, 1
	switch len(bounds) {
	case 1:
		bounds = []int{0, bounds[0]}
	case 2:
	case 3:
		step = bounds[2]
	default:
		return nil, errors.New("range: it takes one to three arguments")
	}
	start, stop := bounds[0], bounds[1]
	if step == 0 {
		return nil, errors.New("range: the step is zero")
	}
	numbers := list{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(numbers) == maxRange {
			return nil, fmt.Errorf("range: longer than %d", maxRange)
		}
		numbers = append(numbers, i)
	}
	return numbers, nil
}
