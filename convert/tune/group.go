package tune

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/plan"
	"qimport/quant"
)

// By says which tensors are changed together.
type By uint8

// The ways to group. ByLayer has those together that must share a format; ByKind those of all layers as well, so
// that the mixture is good for a model of any depth.
const (
	ByLayer By = iota
	ByKind
)

// ParseBy reads a way to group.
func ParseBy(s string) (By, error) {
	switch s {
	case "", "layer":
		return ByLayer, nil
	case "kind":
		return ByKind, nil
	}
	return 0, fmt.Errorf("there is no grouping %.40q; there are layer and kind", s)
}

// Group is tensors that get one format.
type Group struct {
	Name    string // of its first tensor, without container; of a kind with a * for the layer
	Members []string
	Options []Option // that of the source first
}

// Groups puts the tensors that can be tried into groups, in the order of the first list. The lists are of the same
// tensors: as the source has them, and, one for each format that may be chosen, as they would be in it.
func Groups(kept []plan.Tensor, formats [][]plan.Tensor, by By, can func(tensor string) bool) []Group {
	var groups []Group
	at := map[string]int{}
	var members [][]int // of kept
	for i, t := range kept {
		if !can(t.Name) || !slices.ContainsFunc(formats, func(f []plan.Tensor) bool { return f[i].Target != t.Target }) {
			continue
		}
		name := groupName(t.Name, by)
		g, known := at[name]
		if !known {
			g = len(groups)
			at[name], groups, members = g, append(groups, Group{Name: name}), append(members, nil)
		}
		groups[g].Members, members[g] = append(groups[g].Members, t.Name), append(members[g], i)
	}
	for g := range groups {
		groups[g].Options = []Option{option(kept, members[g])}
		groups[g].Options[0].Format = quant.Format{}
		for _, format := range formats {
			groups[g].add(option(format, members[g]), members[g], kept)
		}
	}
	return groups
}

// option is what a list of tensors makes of the members of a group.
func option(tensors []plan.Tensor, members []int) Option {
	o := Option{Format: tensors[members[0]].Target}
	for _, i := range members {
		o.Tensors = append(o.Tensors, tensors[i])
		o.Bytes += tensors[i].Bytes
	}
	return o
}

// add takes an option that changes every member, and is none that is there already.
func (g *Group) add(o Option, members []int, kept []plan.Tensor) {
	for i, t := range o.Tensors {
		if t.Target != o.Format || t.Target == kept[members[i]].Target {
			return
		}
	}
	if !slices.ContainsFunc(g.Options, func(other Option) bool { return other.Format == o.Format }) {
		g.Options = append(g.Options, o)
	}
}

// layerOf finds the number of a tensor's layer.
var layerOf = regexp.MustCompile(`^layers\.(\d+)\.`)

// groupName is that of the group a tensor is in.
func groupName(tensor string, by By) string {
	name := strings.TrimSuffix(arch.Body(plan.JoinedAs(tensor)), ".weight")
	if by == ByKind {
		name = layerOf.ReplaceAllString(name, "layers.*.")
	}
	return name
}
