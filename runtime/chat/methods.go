package chat

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// stringMethods returns Python's string methods: those of gonja that do as Python does, and ours
// for those that refuse optional arguments or count bytes.
func stringMethods() *exec.MethodSet[string] {
	methods := map[string]exec.Method[string]{}
	for _, name := range []string{
		"startswith", "endswith", "strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize",
		"casefold", "swapcase", "join", "format", "splitlines", "removeprefix", "removesuffix", "partition",
		"rpartition", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "zfill", "encode",
	} {
		if method, ok := builtins.Methods.Str.Get(name); ok {
			methods[name] = method
		}
	}
	methods["split"] = splitter(strings.SplitN, firstFields)
	methods["rsplit"] = splitter(splitLastN, lastFields)
	methods["replace"] = replace
	methods["count"] = func(self string, _ *exec.Value, a *exec.VarArgs) (any, error) {
		sub, err := stringArgument(a, 0, "sub")
		return strings.Count(self, sub), err
	}
	methods["find"] = func(self string, _ *exec.Value, a *exec.VarArgs) (any, error) {
		sub, err := stringArgument(a, 0, "sub")
		return characterIndex(self, strings.Index(self, sub)), err
	}
	methods["index"] = func(self string, _ *exec.Value, a *exec.VarArgs) (any, error) {
		sub, err := stringArgument(a, 0, "sub")
		if i := strings.Index(self, sub); err != nil || i >= 0 {
			return characterIndex(self, i), err
		}
		return nil, errors.New("index: substring not found")
	}
	return exec.NewMethodSet(methods)
}

// splitter returns split or rsplit: by a separator as bySeparator does, without one by white
// space as byFields does. Their limit is the number of parts, -1 for all.
func splitter(bySeparator func(s, sep string, n int) []string, byFields func(s string, n int) []string) exec.Method[string] {
	return func(self string, _ *exec.Value, a *exec.VarArgs) (any, error) {
		limit := -1
		if v, ok := argument(a, 1, "maxsplit"); ok && v.Integer() >= 0 {
			limit = v.Integer() + 1
		}
		v, ok := argument(a, 0, "sep")
		if !ok || v.IsNil() {
			return listOf(byFields(self, limit)), nil
		}
		if v.String() == "" {
			return nil, errors.New("split: empty separator")
		}
		return listOf(bySeparator(self, v.String(), limit)), nil
	}
}

// splitLastN is strings.SplitN from the right.
func splitLastN(s, sep string, n int) []string {
	parts := strings.Split(s, sep)
	if n < 0 || len(parts) <= n {
		return parts
	}
	first := len(parts) - n + 1
	return append([]string{strings.Join(parts[:first], sep)}, parts[first:]...)
}

// firstFields is strings.Fields with at most n parts, the last one being the rest.
func firstFields(s string, n int) []string {
	fields := strings.Fields(s)
	if n < 0 || len(fields) <= n {
		return fields
	}
	rest := s
	for _, field := range fields[:n-1] {
		rest = rest[strings.Index(rest, field)+len(field):]
	}
	return append(fields[:n-1:n-1], strings.TrimLeftFunc(rest, isSpace))
}

// lastFields is firstFields from the right.
func lastFields(s string, n int) []string {
	fields := strings.Fields(s)
	if n < 0 || len(fields) <= n {
		return fields
	}
	first := len(fields) - n + 1
	rest := s
	for i := len(fields) - 1; i >= first; i-- {
		rest = rest[:strings.LastIndex(rest, fields[i])]
	}
	return append([]string{strings.TrimRightFunc(rest, isSpace)}, fields[first:]...)
}

func isSpace(r rune) bool { return strings.TrimSpace(string(r)) == "" }

// replace is str.replace(old, new[, count]).
func replace(self string, _ *exec.Value, a *exec.VarArgs) (any, error) {
	old, err := stringArgument(a, 0, "old")
	if err != nil {
		return nil, err
	}
	with, err := stringArgument(a, 1, "new")
	n := -1
	if v, ok := argument(a, 2, "count"); ok {
		n = v.Integer()
	}
	return strings.Replace(self, old, with, n), err
}

// characterIndex turns a byte index into one that counts characters; -1 stays.
func characterIndex(s string, i int) int {
	if i < 0 {
		return i
	}
	return utf8.RuneCountInString(s[:i])
}

// dictMethods returns Python's dict methods, in the order of the dict. gonja's sort the keys.
func dictMethods() *exec.MethodSet[map[string]any] {
	return exec.NewMethodSet(map[string]exec.Method[map[string]any]{
		"items": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) { return items(self), nil },
		"keys": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) {
			return self.Keys(), nil
		},
		"values": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) {
			values := exec.ValuesList{}
			for _, pair := range items(self) {
				values = append(values, pair[1])
			}
			return values, nil
		},
		"get": func(_ map[string]any, self *exec.Value, a *exec.VarArgs) (any, error) {
			key, err := stringArgument(a, 0, "key")
			if err != nil {
				return nil, err
			}
			if value, ok := self.GetItem(key); ok {
				return value.Interface(), nil
			}
			if fallback, ok := argument(a, 1, "default"); ok {
				return fallback.Interface(), nil
			}
			return nil, nil
		},
	})
}

// items returns the keys and values of a dict, in its order.
func items(dict *exec.Value) []exec.ValuesList {
	pairs := []exec.ValuesList{}
	for _, key := range dict.Keys() {
		value, _ := dict.GetItem(key.Interface())
		pairs = append(pairs, exec.ValuesList{key, value})
	}
	return pairs
}

// argument returns the argument at a position or of a name.
func argument(a *exec.VarArgs, position int, name string) (*exec.Value, bool) {
	if position < len(a.Args) {
		return a.Args[position], true
	}
	v, ok := a.KwArgs[name]
	return v, ok
}

// stringArgument is argument for a string that must be there.
func stringArgument(a *exec.VarArgs, position int, name string) (string, error) {
	v, ok := argument(a, position, name)
	if !ok || !v.IsString() {
		return "", errors.New("argument " + name + " must be a string")
	}
	return v.String(), nil
}

// listOf returns strings as a list of template values.
func listOf(strings []string) list {
	values := make(list, len(strings))
	for i, s := range strings {
		values[i] = s
	}
	return values
}
