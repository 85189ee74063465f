package chat

import (
	"errors"
	"fmt"
	"html"
	"math"
	"math/bits"
	"slices"
	"strconv"
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

func abs(_ *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
	n, err := number(in)
	switch {
	case err != nil:
		return nil, err
	case n.IsInteger():
		return exec.AsValue(max(n.Integer(), -n.Integer())), nil
	}
	return exec.AsValue(math.Abs(n.Float())), nil
}

func round(_ *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	n, err := number(in)
	if err != nil {
		return nil, err
	}
	precision, err := integerArgument(a, 0, "precision", 0)
	if err != nil {
		return nil, err
	}
	how := math.RoundToEven
	if method, ok := argument(a, 1, "method"); ok {
		switch method.Interface() {
		case "common":
		case "floor":
			how = math.Floor
		case "ceil":
			how = math.Ceil
		default:
			return nil, errors.New("its method is common, floor or ceil")
		}
	}
	factor := math.Pow(10, float64(max(-300, min(precision, 300))))
	return exec.AsValue(how(n.Float()*factor) / factor), nil
}

// maxDigits is how long text can be that is read as a number, as in Python.
const maxDigits = 4300

func toFloat(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	if n, err := number(in); err == nil && !in.IsNil() {
		return exec.AsValue(n.Float()), nil
	}
	if in.IsString() && len(in.String()) <= maxDigits {
		if f, err := strconv.ParseFloat(strings.TrimSpace(in.String()), 64); err == nil {
			return exec.AsValue(f), nil
		}
	}
	if value, ok := argument(a, 0, "default"); ok {
		return value, nil
	}
	return exec.AsValue(0.0), nil
}

func toInt(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	if n, err := number(in); err == nil && !in.IsNil() {
		return exec.AsValue(n.Integer()), nil
	}
	base, err := integerArgument(a, 1, "base", 10)
	if err != nil || base < 2 || base > 36 {
		return nil, errors.New("its base is 2 to 36")
	}
	if in.IsString() && len(in.String()) <= maxDigits {
		text := strings.ToLower(strings.TrimSpace(in.String()))
		for prefix, of := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
			if of == base {
				text = strings.TrimPrefix(text, prefix)
			}
		}
		if i, err := strconv.ParseInt(text, base, 0); err == nil {
			return exec.AsValue(int(i)), nil
		} else if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1<<62 {
			return exec.AsValue(int(f)), nil
		}
	}
	if value, ok := argument(a, 0, "default"); ok {
		return value, nil
	}
	return exec.AsValue(0), nil
}

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

func join(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	separator := ""
	if d, ok := argument(a, 0, "d"); ok {
		separator = r.text(d)
	}
	path, byPath := argument(a, 1, "attribute")
	var out strings.Builder
	begun := false
	r.each(in, func(item, _ *exec.Value) bool {
		if byPath {
			item = r.at(item, path)
		}
		text := r.text(item)
		r.make(len(separator) + len(text))
		if begun {
			out.WriteString(separator)
		}
		begun = true
		out.WriteString(text)
		return true
	})
	return stringValue(out.String()), nil
}

func indent(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	if !in.IsString() {
		return nil, errors.New("it takes text")
	}
	width, err := integerArgument(a, 0, "width", 4)
	by := ""
	if v, ok := argument(a, 0, "width"); ok && v.IsString() {
		by = v.String()
	} else if err != nil {
		return nil, err
	} else {
		r.make(width)
		by = strings.Repeat(" ", max(0, width))
	}
	firstToo, blankToo := flag(a, 1, "first"), flag(a, 2, "blank")
	text := in.String()
	lines := 1 + strings.Count(text, "\n")
	r.make(len(text))
	r.make(times(lines, len(by)))
	r.spend(lines)
	var out strings.Builder
	for i := 0; text != "" || i == 0; i++ {
		line, rest, more := strings.Cut(text, "\n")
		if (i > 0 || firstToo) && (line != "" || blankToo) {
			out.WriteString(by)
		}
		out.WriteString(line)
		if more {
			out.WriteByte('\n')
		}
		text = rest
	}
	return stringValue(out.String()), nil
}

func center(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	width, err := integerArgument(a, 0, "width", 80)
	if err != nil {
		return nil, err
	}
	text := r.text(in)
	space := max(0, width-utf8.RuneCountInString(text))
	r.make(space)
	return r.made(strings.Repeat(" ", space/2) + text + strings.Repeat(" ", space-space/2)), nil
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

// ranked is an item with what it is ordered by.
type ranked struct{ item, by *exec.Value }

// ranks are the items with the attribute that a filter is to order by, text in lower case unless
// case counts.
func (r *rendering) ranks(items []*exec.Value, path *exec.Value, caseCounts bool) []ranked {
	r.make(times(itemBytes, len(items)))
	all := make([]ranked, len(items))
	longest := 0
	for i, item := range items {
		by := item
		if path != nil && !path.IsNil() {
			by = r.at(item, path)
		}
		if !by.IsNumber() && !by.IsBool() && !by.IsNil() {
			text := r.text(by)
			if !caseCounts {
				r.make(len(text))
				text = strings.ToLower(text)
			}
			longest = max(longest, len(text))
			by = stringValue(text)
		}
		all[i] = ranked{item, by}
	}
	r.spend(times(times(len(all), 1+longest/bytesPerStep), bits.Len(uint(len(all))))) // what sorting takes at most
	return all
}

// order sorts ranks, equal ones as they came.
func (r *rendering) order(all []ranked, backwards bool) {
	slices.SortStableFunc(all, func(a, b ranked) int {
		if backwards {
			return r.compare(b.by, a.by)
		}
		return r.compare(a.by, b.by)
	})
}

func flag(a *exec.VarArgs, position int, name string) bool {
	v, ok := argument(a, position, name)
	return ok && truth(v)
}

func attribute(a *exec.VarArgs, position int) *exec.Value {
	v, _ := argument(a, position, "attribute")
	return v
}

func sorted(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	all := r.ranks(r.itemsOf(in), attribute(a, 2), flag(a, 1, "case_sensitive"))
	r.order(all, flag(a, 0, "reverse"))
	return itemsOfRanks(all), nil
}

func itemsOfRanks(all []ranked) *exec.Value {
	l := make(list, len(all))
	for i, one := range all {
		l[i] = one.item
	}
	return exec.AsValue(l)
}

func dictsort(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	by := 0
	if v, ok := argument(a, 1, "by"); ok && v.Interface() == "value" {
		by = 1
	}
	all := r.ranks(r.itemsOf(r.pairs(in)), exec.AsValue(by), flag(a, 0, "case_sensitive"))
	r.order(all, flag(a, 2, "reverse"))
	return itemsOfRanks(all), nil
}

// extreme is max (1) or min (-1).
func extreme(sign int) filter {
	return func(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
		best := ranked{item: undefined()}
		for _, one := range r.ranks(r.itemsOf(in), attribute(a, 1), flag(a, 0, "case_sensitive")) {
			if best.by == nil || sign*r.compare(one.by, best.by) > 0 {
				best = one
			}
		}
		return best.item, nil
	}
}

func unique(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	seen := map[any]bool{}
	kept := list{}
	for _, one := range r.ranks(r.itemsOf(in), attribute(a, 1), flag(a, 0, "case_sensitive")) {
		if by := one.by.Interface(); !seen[by] {
			seen[by] = true
			kept = append(kept, one.item)
		}
	}
	return exec.AsValue(kept), nil
}

// groupby gives pairs of an attribute's value and the items that have it, which are also called
// grouper and list.
func groupby(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	path, ok := argument(a, 0, "attribute")
	if !ok {
		return nil, errors.New("it takes an attribute's name")
	}
	all := r.ranks(r.itemsOf(in), path, flag(a, 2, "case_sensitive"))
	r.order(all, false)
	groups := list{}
	for i := 0; i < len(all); {
		j := i
		members := list{}
		for ; j < len(all) && r.compare(all[i].by, all[j].by) == 0; j++ {
			members = append(members, all[j].item)
		}
		r.make(6 * itemBytes)
		groups = append(groups, exec.AsValue(list{r.at(all[i].item, path), exec.AsValue(members)}))
		i = j
	}
	return exec.AsValue(groups), nil
}

func batch(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	n, err := integerArgument(a, 0, "linecount", 0)
	if err != nil || n < 1 {
		return nil, errors.New("it takes a number of items")
	}
	filling, fill := argument(a, 1, "fill_with")
	rows := list{}
	for row := range slices.Chunk(r.itemsOf(in), n) {
		r.spend(1)
		whole := slices.Clone(row)
		if fill {
			r.make(times(itemBytes, n-len(row)))
			for len(whole) < n {
				whole = append(whole, filling)
			}
		}
		rows = append(rows, listValue(whole))
	}
	return exec.AsValue(rows), nil
}

func columns(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	n, err := integerArgument(a, 0, "slices", 0)
	if err != nil || n < 1 {
		return nil, errors.New("it takes a number of slices")
	}
	filling, fill := argument(a, 1, "fill_with")
	r.make(times(2*itemBytes, n))
	items := r.itemsOf(in)
	each, more := len(items)/n, len(items)%n
	all := list{}
	for i := range n {
		r.spend(1)
		size := each
		if i < more {
			size++
		}
		column := slices.Clone(items[:size])
		items = items[size:]
		if fill && i >= more {
			column = append(column, filling)
		}
		all = append(all, listValue(column))
	}
	return exec.AsValue(all), nil
}
