package chat

import (
	"errors"
	"math/bits"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

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
