package chat

import (
	"errors"
	"slices"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// first and last are those of what has items; of nothing, nothing.
func first(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
	found := undefined()
	r.each(in, func(key, _ *exec.Value) bool {
		found = key
		return false
	})
	return found, nil
}

func last(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
	if !in.IsDict() {
		return r.item(in, exec.AsValue(-1)), nil
	}
	found := undefined()
	r.each(in, func(key, _ *exec.Value) bool {
		found = key
		return true
	})
	return found, nil
}

// reverse is the filter reverse, of text and lists.
func reverse(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
	switch x := in.Interface().(type) {
	case string:
		r.make(times(5, len(x)))
		characters := []rune(x)
		slices.Reverse(characters)
		return stringValue(string(characters)), nil
	case list:
		items := r.itemsOf(in)
		slices.Reverse(items)
		return listValue(items), nil
	}
	return nil, errors.New("neither a list nor text")
}

// itemsFilter is the filter items: pairs of an object, in its order.
func itemsFilter(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
	if !in.IsNil() && !in.IsDict() { // as in Jinja2: no items of something undefined
		return nil, errors.New("not a mapping")
	}
	return r.pairs(in), nil
}

// pairs are the keys and values of an object.
func (r *rendering) pairs(of *exec.Value) *exec.Value {
	all := list{}
	r.each(of, func(key, value *exec.Value) bool {
		r.make(3 * itemBytes)
		all = append(all, exec.AsValue(list{key, value}))
		return true
	})
	return exec.AsValue(all)
}

func sum(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	path, byPath := argument(a, 0, "attribute")
	byPath = byPath && !path.IsNil()
	total, ok := argument(a, 1, "start")
	if !ok {
		total = exec.AsValue(0)
	}
	r.each(in, func(item, _ *exec.Value) bool {
		if byPath {
			item = r.at(item, path)
		}
		total = r.arithmetic(plus, total, item)
		return !total.IsError()
	})
	return total, nil
}

func mapFilter(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	var name string
	var rest *exec.VarArgs
	path, byPath := a.KwArgs["attribute"]
	if !byPath {
		var err error
		if name, err = stringArgument(a, 0, "name"); err != nil {
			return nil, err
		}
		rest = &exec.VarArgs{Args: a.Args[1:], KwArgs: a.KwArgs}
	}
	instead, hasInstead := a.KwArgs["default"]
	items := r.itemsOf(in)
	for i, item := range items {
		switch {
		case !byPath:
			items[i] = r.filter(name, item, rest)
		default:
			items[i] = r.at(item, path)
			if items[i].IsNil() && hasInstead {
				items[i] = instead
			}
		}
		if items[i].IsError() {
			return items[i], nil
		}
	}
	return listValue(items), nil
}

// choose is select or reject, of items or by an attribute of theirs.
func choose(keep, byAttribute bool) filter {
	return func(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
		args := a.Args
		var path *exec.Value
		if byAttribute {
			if len(args) == 0 {
				return nil, errors.New("it takes an attribute's name")
			}
			path, args = args[0], args[1:]
		}
		name, rest := "", &exec.VarArgs{}
		if len(args) > 0 {
			name, rest = r.text(args[0]), &exec.VarArgs{Args: args[1:], KwArgs: a.KwArgs}
		}
		var chosen []*exec.Value
		for _, item := range r.itemsOf(in) {
			value := item
			if byAttribute {
				value = r.at(item, path)
			}
			yes := truth(value)
			if name != "" {
				var err error
				if yes, err = r.test(name, value, rest); err != nil {
					return nil, err
				}
			}
			if yes == keep {
				chosen = append(chosen, item)
			}
		}
		return listValue(chosen), nil
	}
}
