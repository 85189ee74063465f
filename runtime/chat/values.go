package chat

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// A value is nothing (undefined or none), true or false, an int, a float64, a string, a list, an
// object (*exec.Dict, in order, or a namespace's map[string]any), a function, a *loop, or an error.
// There are no others, so that nothing a template does can reach a method of Go's.

// undefined is the value of what is not there.
func undefined() *exec.Value { return exec.AsValue(nil) }

func stringValue(text string) *exec.Value { return exec.AsValue(text) }

// made pays for a string, and returns it as a value.
func (r *rendering) made(text string) *exec.Value {
	r.make(len(text))
	return stringValue(text)
}

// truth is what a condition makes of a value.
func truth(v *exec.Value) bool {
	if d, ok := v.Interface().(*exec.Dict); ok {
		return len(d.Pairs) > 0
	}
	switch v.Interface().(type) {
	case function, *loop:
		return true
	}
	return v.IsTrue()
}

// length is the number of items or characters, ok where a value has one.
func (r *rendering) length(v *exec.Value) (n int, ok bool) {
	switch x := v.Interface().(type) {
	case string:
		r.read(len(x))
		return utf8.RuneCountInString(x), true
	case list:
		return len(x), true
	case *exec.Dict:
		return len(x.Pairs), true
	case map[string]any:
		return len(x), true
	}
	return 0, false
}

// each calls f with the items of a value, of objects with keys and values, until it says no. What
// cannot be gone through has none.
func (r *rendering) each(v *exec.Value, f func(key, value *exec.Value) bool) {
	switch x := v.Interface().(type) {
	case string:
		for _, c := range x {
			r.spend(1)
			if !f(stringValue(string(c)), nil) {
				return
			}
		}
	case list:
		for _, item := range x {
			r.spend(1)
			if !f(exec.ToValue(item), nil) {
				return
			}
		}
	case *exec.Dict:
		for _, pair := range x.Pairs {
			r.spend(1)
			if !f(pair.Key, pair.Value) {
				return
			}
		}
	case map[string]any:
		r.spend(4 * len(x))
		for _, key := range slices.Sorted(maps.Keys(x)) {
			r.spend(1)
			if !f(stringValue(key), exec.ToValue(x[key])) {
				return
			}
		}
	}
}

// itemsOf are the items of a value: an object's keys.
func (r *rendering) itemsOf(v *exec.Value) []*exec.Value {
	if l, ok := v.Interface().(list); ok {
		r.make(times(itemBytes, len(l)))
	}
	var all []*exec.Value
	r.each(v, func(key, _ *exec.Value) bool {
		if v.IsString() || v.IsDict() {
			r.make(itemBytes)
		}
		all = append(all, key)
		return true
	})
	return all
}

// listValue is a list of these values, which were paid for.
func listValue(values []*exec.Value) *exec.Value {
	l := make(list, len(values))
	for i, v := range values {
		l[i] = v
	}
	return exec.AsValue(l)
}

// item is the item of a list, the character of a string, or what an object has under a key.
func (r *rendering) item(v, key *exec.Value) *exec.Value {
	i, isIndex := key.Interface().(int)
	name, isName := key.Interface().(string)
	switch x := v.Interface().(type) {
	case *loop:
		return x.attribute(name)
	case string:
		if isIndex {
			r.read(len(x))
			if n := utf8.RuneCountInString(x); i < 0 {
				i += n
			}
			for _, c := range x {
				if i--; i == -1 {
					return stringValue(string(c))
				}
			}
		}
	case list:
		if i < 0 {
			i += len(x)
		}
		if isIndex && i >= 0 && i < len(x) {
			return exec.ToValue(x[i])
		}
	case *exec.Dict:
		r.spend(len(x.Pairs) / 8)
		for _, pair := range x.Pairs {
			if has, ok := pair.Key.Interface().(string); isName && ok {
				if has == name {
					return pair.Value
				}
			} else if !isName && r.equal(pair.Key, key, 0) {
				return pair.Value
			}
		}
	case map[string]any:
		if value, ok := x[name]; ok && isName {
			return exec.ToValue(value)
		}
	}
	return undefined()
}

// at follows a path of attributes and indices, such as function.name or 0.
func (r *rendering) at(v, path *exec.Value) *exec.Value {
	name, ok := path.Interface().(string)
	if !ok {
		return r.item(v, path)
	}
	r.read(len(name))
	for part := range strings.SplitSeq(name, ".") {
		r.spend(1)
		key := stringValue(part)
		if i, err := strconv.Atoi(part); err == nil {
			key = exec.AsValue(i)
		}
		v = r.item(v, key)
	}
	return v
}

// equal says whether two values are the same, whatever their depth.
func (r *rendering) equal(a, b *exec.Value, level int) bool {
	nested(level)
	r.spend(1)
	switch {
	case a.IsNumber() && b.IsNumber():
		if a.IsInteger() && b.IsInteger() {
			return a.Integer() == b.Integer()
		}
		return a.Float() == b.Float()
	case a.IsNil() || b.IsNil():
		return a.IsNil() && b.IsNil()
	case a.IsList() && b.IsList():
		x, y := a.Interface().(list), b.Interface().(list)
		for i := range min(len(x), len(y)) {
			if len(x) != len(y) || !r.equal(exec.ToValue(x[i]), exec.ToValue(y[i]), level+1) {
				return false
			}
		}
		return len(x) == len(y)
	case a.IsDict() && b.IsDict():
		n, _ := r.length(a)
		m, _ := r.length(b)
		same := n == m
		r.each(a, func(key, value *exec.Value) bool {
			same = same && r.equal(value, r.item(b, key), level+1)
			return same
		})
		return same
	case a.IsString() && b.IsString():
		x, y := a.String(), b.String()
		if len(x) == len(y) {
			r.read(len(x))
		}
		return x == y
	case a.IsBool() && b.IsBool():
		return a.Bool() == b.Bool()
	}
	return false
}

// contains is `item in v`.
func (r *rendering) contains(v, item *exec.Value) bool {
	if v.IsString() {
		r.read(len(v.String()))
		return item.IsString() && strings.Contains(v.String(), item.String())
	}
	if names, ok := v.Interface().(map[string]any); ok && item.IsString() {
		_, has := names[item.String()]
		return has
	}
	found := false
	r.each(v, func(key, _ *exec.Value) bool {
		found = r.equal(key, item, 0)
		return !found
	})
	return found
}

// text is what a value looks like when it is written out.
func (r *rendering) text(v *exec.Value) string {
	if s, ok := v.Interface().(string); ok {
		return s
	}
	if v.IsNil() {
		return ""
	}
	var out strings.Builder
	r.appendText(&out, v, 0)
	return out.String()
}

func (r *rendering) appendText(out *strings.Builder, v *exec.Value, level int) {
	nested(level)
	r.make(itemBytes)
	switch x := v.Interface().(type) {
	case nil:
		out.WriteString("None")
	case string:
		r.make(len(x))
		out.WriteString("'" + x + "'")
	case list:
		out.WriteByte('[')
		for i, item := range x {
			if i > 0 {
				out.WriteString(", ")
			}
			r.appendText(out, exec.ToValue(item), level+1)
		}
		out.WriteByte(']')
	case *exec.Dict, map[string]any:
		out.WriteByte('{')
		first := true
		r.each(v, func(key, value *exec.Value) bool {
			if !first {
				out.WriteString(", ")
			}
			first = false
			r.appendText(out, key, level+1)
			out.WriteString(": ")
			r.appendText(out, value, level+1)
			return true
		})
		out.WriteByte('}')
	case function, *loop:
		out.WriteString("<function>")
	case error:
		out.WriteString(x.Error())
	default: // a number or a truth value
		out.WriteString(v.String())
	}
}

// number is the value as a number, ok where it is one or a truth value, or nothing at all.
func number(v *exec.Value) (*exec.Value, error) {
	switch {
	case v.IsNumber():
		return v, nil
	case v.IsNil():
		return exec.AsValue(0), nil
	case v.IsBool():
		if v.Bool() {
			return exec.AsValue(1), nil
		}
		return exec.AsValue(0), nil
	}
	return nil, errors.New("a number is asked for, and something else is there")
}
