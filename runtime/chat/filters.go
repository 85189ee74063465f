package chat

import (
	"errors"
	"fmt"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// filter is a filter of templates. Whatever it goes through or makes is paid for by the
// rendering's own means: each, itemsOf, text, made.
type filter func(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error)

// filters are Jinja2's, but for those that chat templates have no use for: of HTML, of lorem ipsum
// and of chance.
func filters(name string) (filter, bool) {
	switch name {
	case "abs":
		return abs, true
	case "attr":
		return func(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
			name, err := stringArgument(a, 0, "name")
			return r.item(in, stringValue(name)), err
		}, true
	case "batch":
		return batch, true
	case "capitalize":
		return ofText(func(s string) string {
			_, n := utf8.DecodeRuneInString(s)
			return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
		}), true
	case "center":
		return center, true
	case "count", "length":
		return func(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
			n, _ := r.length(in)
			return exec.AsValue(n), nil
		}, true
	case "d", "default":
		return fallback, true
	case "dictsort":
		return dictsort, true
	case "e", "escape", "forceescape":
		return ofText(html.EscapeString), true
	case "first":
		return first, true
	case "float":
		return toFloat, true
	case "format":
		return format, true
	case "groupby":
		return groupby, true
	case "indent":
		return indent, true
	case "int":
		return toInt, true
	case "items":
		return itemsFilter, true
	case "join":
		return join, true
	case "last":
		return last, true
	case "list":
		return func(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
			return listValue(r.itemsOf(in)), nil
		}, true
	case "lower":
		return ofText(strings.ToLower), true
	case "map":
		return mapFilter, true
	case "max":
		return extreme(1), true
	case "min":
		return extreme(-1), true
	case "reject":
		return choose(false, false), true
	case "rejectattr":
		return choose(false, true), true
	case "replace":
		return func(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
			return r.replace(r.text(in), a)
		}, true
	case "reverse":
		return reverse, true
	case "round":
		return round, true
	case "safe":
		return func(_ *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) { return in, nil }, true
	case "select":
		return choose(true, false), true
	case "selectattr":
		return choose(true, true), true
	case "slice":
		return columns, true
	case "sort":
		return sorted, true
	case "string":
		return ofText(func(s string) string { return s }), true
	case "sum":
		return sum, true
	case "title":
		return ofText(title), true
	case "tojson":
		return toJSON, true
	case "trim":
		return func(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
			if !in.IsString() {
				return nil, errors.New("it takes text")
			}
			return r.strip(in.String(), a, "chars", strings.TrimFunc)
		}, true
	case "unique":
		return unique, true
	case "upper":
		return ofText(strings.ToUpper), true
	case "wordcount":
		return func(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
			text := r.text(in)
			r.make(len(text))
			return exec.AsValue(len(strings.Fields(text))), nil
		}, true
	}
	return nil, false
}

// filter puts a value through the filter of a name. Only default takes an error.
func (r *rendering) filter(name string, in *exec.Value, a *exec.VarArgs) *exec.Value {
	r.enter()
	defer r.leave()
	f, ok := filters(name)
	switch {
	case !ok:
		return exec.AsValue(fmt.Errorf("filter %.100s is unknown", name))
	case in.IsError() && name != "default" && name != "d":
		return in
	}
	out, err := f(r, in, a)
	if err != nil {
		return exec.AsValue(fmt.Errorf("filter %s: %w", name, err))
	}
	return out
}

// ofText is a filter of text, whose result is at most four times as long (HTML's five are for one
// byte in many).
func ofText(f func(string) string) filter {
	return func(r *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
		text := r.text(in)
		r.make(len(text))
		return r.made(f(text)), nil
	}
}

func title(s string) string {
	letter := false
	return strings.Map(func(c rune) rune {
		within := letter
		letter = unicode.IsLetter(c) || unicode.IsDigit(c) || c == '\''
		if within {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	}, s)
}

func fallback(_ *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	value, ok := argument(a, 0, "default_value")
	if !ok {
		if value, ok = argument(a, 0, "default"); !ok {
			value = stringValue("")
		}
	}
	falseToo, ok := argument(a, 1, "boolean")
	if in.IsError() || in.IsNil() || ok && truth(falseToo) && !truth(in) {
		return value, nil
	}
	return in, nil
}
