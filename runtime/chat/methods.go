package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

const plus = tokens.Addition

// method calls a method of Python's on a value. One that changes a list gives the name or attribute
// that the list was found by the new one.
func (r *rendering) method(self *exec.Value, at *nodes.GetAttribute, a *exec.VarArgs, s *scope) *exec.Value {
	var out *exec.Value
	var err error
	switch x := self.Interface().(type) {
	case string:
		out, err = r.stringMethod(at.Attribute, x, a)
	case list:
		out, err = r.listMethod(at, x, a, s)
	case *exec.Dict, map[string]any:
		out, err = r.dictMethod(at.Attribute, self, a)
	default:
		err = errors.New("the value has no methods")
	}
	if err != nil {
		return exec.AsValue(fmt.Errorf("%.100s: %w", at.Attribute, err))
	}
	return out
}

// stringMethod is one of str's.
func (r *rendering) stringMethod(name, self string, a *exec.VarArgs) (*exec.Value, error) {
	r.read(len(self))
	switch name {
	case "startswith":
		return r.affix(self, a, strings.HasPrefix)
	case "endswith":
		return r.affix(self, a, strings.HasSuffix)
	case "strip":
		return r.strip(self, a, "chars", strings.TrimFunc)
	case "lstrip":
		return r.strip(self, a, "chars", strings.TrimLeftFunc)
	case "rstrip":
		return r.strip(self, a, "chars", strings.TrimRightFunc)
	case "split":
		return r.split(self, a, strings.SplitN, firstFields)
	case "rsplit":
		return r.split(self, a, splitLastN, lastFields)
	case "replace":
		return r.replace(self, a)
	case "join":
		items, ok := argument(a, 0, "iterable")
		if !ok {
			return nil, errors.New("it takes a list")
		}
		return join(r, items, &exec.VarArgs{Args: []*exec.Value{stringValue(self)}})
	case "format":
		return r.braces(self, a)
	case "count", "find", "rfind", "index":
		return r.search(name, self, a)
	case "zfill":
		return r.zfill(self, a)
	case "upper":
		return r.cased(self, strings.ToUpper), nil
	case "lower", "casefold":
		return r.cased(self, strings.ToLower), nil
	}
	return r.builtin(name, self, a)
}

// builtin is a method that gonja has as Python does. All of these take time and memory in
// proportion to the text.
func (r *rendering) builtin(name, self string, a *exec.VarArgs) (*exec.Value, error) {
	known := []string{"title", "capitalize", "swapcase", "splitlines", "removeprefix", "removesuffix", "partition",
		"rpartition", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "encode"}
	method, ok := builtins.Methods.Str.Get(name)
	if !ok || !slices.Contains(known, name) {
		return nil, errors.New("text has no such method")
	}
	for _, v := range a.Args {
		if !v.IsString() && !v.IsNumber() && !v.IsBool() && !v.IsNil() {
			return nil, errors.New("it takes text")
		}
	}
	if len(a.KwArgs) > 0 && name != "splitlines" {
		return nil, errors.New("it takes no arguments by name")
	}
	r.make(times(2, len(self)))
	if name == "splitlines" { // each end of a line is looked for in turn
		lines := 1 + strings.Count(self, "\n") + strings.Count(self, "\r")
		r.make(times(itemBytes, lines))
	}
	out, err := method(self, stringValue(self), &exec.VarArgs{Args: a.Args, KwArgs: a.KwArgs})
	if err != nil {
		return nil, err
	}
	if b, ok := out.([]byte); ok {
		return stringValue(string(b)), nil
	}
	switch v := exec.AsValue(out); {
	case v.IsString():
		return stringValue(v.String()), nil
	case v.IsList():
		parts := list{}
		for i := range v.Len() {
			parts = append(parts, v.Index(i).String())
		}
		return exec.AsValue(parts), nil
	default:
		return v, nil
	}
}

func (r *rendering) cased(self string, to func(string) string) *exec.Value {
	r.make(len(self))
	return r.made(to(self))
}

// affix is startswith or endswith, of text or any of a list of texts.
func (r *rendering) affix(self string, a *exec.VarArgs, has func(s, affix string) bool) (*exec.Value, error) {
	v, ok := argument(a, 0, "prefix")
	if !ok || !v.IsString() && !v.IsList() {
		return nil, errors.New("it takes text")
	}
	if v.IsString() {
		return exec.AsValue(has(self, v.String())), nil
	}
	found := false
	r.each(v, func(item, _ *exec.Value) bool {
		r.read(len(self))
		found = item.IsString() && has(self, item.String())
		return !found
	})
	return exec.AsValue(found), nil
}

// strip takes away white space, or the characters that it is given, at one end or both.
func (r *rendering) strip(self string, a *exec.VarArgs, name string, trim func(string, func(rune) bool) string) (*exec.Value, error) {
	v, ok := argument(a, 0, name)
	if !ok || v.IsNil() {
		r.read(2 * len(self))
		return stringValue(trim(self, unicode.IsSpace)), nil
	}
	if !v.IsString() {
		return nil, errors.New("it takes text")
	}
	cut := map[rune]bool{}
	r.make(times(itemBytes, len(v.String())))
	for _, c := range v.String() {
		cut[c] = true
	}
	r.read(times(8, len(self)))
	return stringValue(trim(self, func(c rune) bool { return cut[c] })), nil
}

// split is split or rsplit: by a separator as bySeparator does, without one by white space as
// byFields does. Their limit is the number of parts, -1 for all.
func (r *rendering) split(self string, a *exec.VarArgs, bySeparator func(s, sep string, n int) []string, byFields func(s string, n int) []string) (*exec.Value, error) {
	limit, err := integerArgument(a, 1, "maxsplit", -1)
	if err != nil {
		return nil, err
	}
	if limit = min(limit, len(self)); limit >= 0 {
		limit++
	}
	v, ok := argument(a, 0, "sep")
	switch {
	case !ok || v.IsNil():
		r.make(times(itemBytes, len(self)/2+1))
		return exec.AsValue(listOf(byFields(self, limit))), nil
	case !v.IsString() || v.String() == "":
		return nil, errors.New("its separator is some text")
	}
	r.make(times(2*itemBytes, strings.Count(self, v.String())+1))
	return exec.AsValue(listOf(bySeparator(self, v.String(), limit))), nil
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
	return append(fields[:n-1:n-1], strings.TrimLeftFunc(rest, unicode.IsSpace))
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
	return append([]string{strings.TrimRightFunc(rest, unicode.IsSpace)}, fields[first:]...)
}

// replace is str.replace(old, new[, count]).
func (r *rendering) replace(self string, a *exec.VarArgs) (*exec.Value, error) {
	old, err := stringArgument(a, 0, "old")
	if err != nil {
		return nil, err
	}
	with, err := stringArgument(a, 1, "new")
	if err != nil {
		return nil, err
	}
	n, err := integerArgument(a, 2, "count", -1)
	if err != nil {
		return nil, err
	}
	r.read(len(self))
	found := strings.Count(self, old)
	if n >= 0 {
		found = min(found, n)
	}
	r.spend(found / 16)
	r.make(len(self))
	r.make(times(found, len(with)))
	return stringValue(strings.Replace(self, old, with, n)), nil
}

// search is count, find, rfind or index, which tell in characters.
func (r *rendering) search(name, self string, a *exec.VarArgs) (*exec.Value, error) {
	sub, err := stringArgument(a, 0, "sub")
	if err != nil {
		return nil, err
	}
	r.read(2 * len(self))
	i := 0
	switch name {
	case "count":
		return exec.AsValue(strings.Count(self, sub)), nil
	case "rfind":
		i = strings.LastIndex(self, sub)
	default:
		i = strings.Index(self, sub)
	}
	if i < 0 && name == "index" {
		return nil, errors.New("the text is not found")
	}
	return exec.AsValue(characterIndex(self, i)), nil
}

// characterIndex turns a byte index into one that counts characters; -1 stays.
func characterIndex(s string, i int) int {
	if i < 0 {
		return i
	}
	return utf8.RuneCountInString(s[:i])
}

func (r *rendering) zfill(self string, a *exec.VarArgs) (*exec.Value, error) {
	width, err := integerArgument(a, 0, "width", 0)
	if err != nil {
		return nil, err
	}
	zeros := max(0, width-utf8.RuneCountInString(self))
	r.make(len(self))
	r.make(zeros)
	sign := ""
	if self != "" && strings.ContainsRune("+-", rune(self[0])) {
		sign, self = self[:1], self[1:]
	}
	return stringValue(sign + strings.Repeat("0", zeros) + self), nil
}

// listMethod is one of list's. A list is a value here: what changes it makes a new one.
func (r *rendering) listMethod(at *nodes.GetAttribute, self list, a *exec.VarArgs, s *scope) (*exec.Value, error) {
	switch at.Attribute {
	case "append":
		if len(a.Args) != 1 {
			return nil, errors.New("it takes one value")
		}
		r.make(2 * itemBytes)
		return undefined(), r.renew(at.Node, append(self, a.Args[0]), s)
	case "reverse":
		r.make(times(itemBytes, len(self)))
		turned := slices.Clone(self)
		slices.Reverse(turned)
		return undefined(), r.renew(at.Node, turned, s)
	case "copy":
		r.make(times(itemBytes, len(self)))
		return exec.AsValue(slices.Clone(self)), nil
	}
	return nil, errors.New("a list has no such method")
}

// renew puts a changed list where the one that it was made of was found, if that has a name.
func (r *rendering) renew(found nodes.Node, changed list, s *scope) error {
	switch n := found.(type) {
	case *nodes.Name:
		if owner := r.find(s, n.Name.Val); owner != nil {
			owner.set(n.Name.Val, exec.AsValue(changed))
		}
	case *nodes.GetAttribute, *nodes.GetItem:
		return r.assign(n, exec.AsValue(changed), s)
	}
	return nil
}

// dictMethod is one of dict's, in the order of the dict.
func (r *rendering) dictMethod(name string, self *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	switch name {
	case "items":
		return r.pairs(self), nil
	case "keys":
		return listValue(r.itemsOf(self)), nil
	case "values":
		values := list{}
		r.each(self, func(_, value *exec.Value) bool {
			r.make(itemBytes)
			values = append(values, value)
			return true
		})
		return exec.AsValue(values), nil
	case "get":
		key, err := stringArgument(a, 0, "key")
		if err != nil {
			return nil, err
		}
		if !r.contains(self, stringValue(key)) {
			if fallback, ok := argument(a, 1, "default"); ok {
				return fallback, nil
			}
			return undefined(), nil
		}
		return r.item(self, stringValue(key)), nil
	}
	return nil, errors.New("an object has no such method")
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

// integerArgument is argument for an integer, missing where it is not there.
func integerArgument(a *exec.VarArgs, position int, name string, missing int) (int, error) {
	v, ok := argument(a, position, name)
	switch {
	case !ok || v.IsNil():
		return missing, nil
	case !v.IsInteger():
		return 0, errors.New("argument " + name + " must be an integer")
	}
	return v.Integer(), nil
}

// listOf returns strings as a list of template values.
func listOf(strings []string) list {
	values := make(list, len(strings))
	for i, s := range strings {
		values[i] = s
	}
	return values
}
