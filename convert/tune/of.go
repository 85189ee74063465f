package tune

import (
	"qimport/convert/plan"
	"qimport/quant"
)

// MixtureOf is the mixture that a list of tensors is: of each group the option that has the formats of the list.
// There is none where a group has no such option, or is not whole in the list.
func MixtureOf(groups []Group, tensors []plan.Tensor) (Mixture, bool) {
	formats := map[string]quant.Format{}
	for _, t := range tensors {
		formats[t.Name] = t.Target
	}
	m := Mixture{Choice: make([]int, len(groups))}
	for g, group := range groups {
		at, ok := optionOf(group, formats)
		if !ok {
			return Mixture{}, false
		}
		m.Choice[g] = at
		m.Bytes, m.KL = m.Bytes+group.Options[at].Bytes, m.KL+group.Options[at].KL
	}
	return m, true
}

// optionOf is the place of the option that gives each member the format that is known of it.
func optionOf(g Group, formats map[string]quant.Format) (int, bool) {
next:
	for i, o := range g.Options {
		for _, t := range o.Tensors {
			if f, known := formats[t.Name]; !known || f != t.Target {
				continue next
			}
		}
		return i, true
	}
	return 0, false
}
