package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/quant"
)

// stackExperts joins the experts that a source has one by one to one logical tensor a projection,
// in the order of their numbers. Every expert of the config must be there, all alike.
func stackExperts(tensors []Tensor, experts int) ([]Tensor, error) {
	var rest []Tensor
	stacks := map[string]map[int]Tensor{} // what is there: a config may claim any number of experts
	for _, t := range tensors {
		stack, e, ok := arch.Single(t.Name)
		if !ok {
			rest = append(rest, t)
			continue
		}
		if e >= experts {
			return nil, fmt.Errorf("tensor %s: the config has only %d experts", t.Name, experts)
		}
		if stacks[stack] == nil {
			stacks[stack] = map[int]Tensor{}
		}
		if other, twice := stacks[stack][e]; twice {
			return nil, fmt.Errorf("tensors %s and %s are the same expert", other.Name, t.Name)
		}
		stacks[stack][e] = t
	}
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		t, err := stack(name, stacks[name], experts)
		if err != nil {
			return nil, err
		}
		rest = append(rest, t)
	}
	slices.SortFunc(rest, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return rest, nil
}

func stack(name string, singles map[int]Tensor, experts int) (Tensor, error) {
	present := singles[slices.Min(slices.Collect(maps.Keys(singles)))]
	t := present
	t.Name, t.Body, t.Stacked, t.Pieces = name, arch.Body(name), true, nil
	t.Shape = append([]int{experts}, present.Shape...)
	for e := range experts {
		one, ok := singles[e]
		switch {
		case !ok:
			return Tensor{}, fmt.Errorf("tensor %s is missing: the config has %d experts, and %s is here",
				strings.Replace(name, ".experts.", fmt.Sprintf(".experts.%d.", e), 1), experts, present.Name)
		case !slices.Equal(one.Shape, present.Shape) || one.Format != present.Format || one.ScaleDtype != present.ScaleDtype || one.Global != present.Global || one.Shared != present.Shared || one.ScalesInputs() != present.ScalesInputs():
			return Tensor{}, fmt.Errorf("tensor %s is %s %v, but %s is %s %v: the experts of a layer must be alike",
				one.Name, one.Format, one.Shape, present.Name, present.Format, present.Shape)
		case one.OutOfOrder() != present.OutOfOrder():
			return Tensor{}, fmt.Errorf("of tensors %s and %s one has a g_idx: the experts of a layer must be alike", present.Name, one.Name)
		case one.Global != NoGlobal && quant.Elements(one.Pieces[0].Global.Shape) != 1:
			return Tensor{}, fmt.Errorf("tensor %s has %s, where one number is due", one.Name, one.Pieces[0].Global)
		}
		t.Pieces = append(t.Pieces, one.Pieces[0])
	}
	return t, nil
}
