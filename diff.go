package qimport

import (
	"maps"
	"slices"
	"strings"

	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
)

// Differences are what two stored models do not share, as scripts read it.
type Differences struct {
	Schema      int           `json:"schema"`
	A           manifest.Name `json:"a"`
	B           manifest.Name `json:"b"`
	Same        int           `json:"same"`
	Differences []Difference  `json:"differences"`
}

// Difference is a blob that two models do not share. A side that lacks it is "".
type Difference struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
	// Keys are the keys in which two JSON files differ, by their path, and Values what each has there.
	Keys   []string    `json:"keys,omitempty"`
	Values []ValuePair `json:"values,omitempty"`
}

// ValuePair is what two JSON files have under one key, as JSON; "" where the key is not there.
type ValuePair struct {
	A string `json:"a"`
	B string `json:"b"`
}

func (d Difference) String() string {
	switch {
	case d.A == "":
		return d.Name + ": only in B, " + d.B
	case d.B == "":
		return d.Name + ": only in A, " + d.A
	case d.A == d.B && len(d.Keys) > 0:
		return d.Name + ": " + strings.Join(d.changes(), "; ")
	case d.A == d.B:
		return d.Name + ": both " + d.A + ", other values"
	}
	return d.Name + ": " + d.A + " in A, " + d.B + " in B"
}

// Lines are the differences for people: tensors that differ in the same way, and by their layer only, share
// a line.
func (d Differences) Lines() []string {
	groups := map[string][]int{} // line -> numbers of layers
	var lines []string
	at := map[string]int{}
	for _, one := range d.Differences {
		before, number, after := plan.SplitNumber(one.Name)
		if number < 0 || len(one.Keys) > 0 {
			lines = append(lines, one.String())
			continue
		}
		one.Name = before + "*" + after
		line := one.String()
		if _, known := at[line]; !known {
			at[line] = len(lines)
			lines = append(lines, line)
		}
		groups[line] = append(groups[line], number)
	}
	for line, numbers := range groups {
		lines[at[line]] = strings.Replace(line, "*", plan.NumbersText(numbers), 1)
	}
	return lines
}

// Diff compares two stored models blob by blob: what has the same digest is the same, bit for bit.
func Diff(store *manifest.Store, a, b manifest.Name) (Differences, error) {
	nameA, ofA, err := describe(store, a)
	if err != nil {
		return Differences{}, err
	}
	nameB, ofB, err := describe(store, b)
	if err != nil {
		return Differences{}, err
	}
	d := Differences{Schema: 1, A: nameA, B: nameB, Differences: []Difference{}}
	all := maps.Clone(ofA)
	maps.Copy(all, ofB)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one, other := ofA[name], ofB[name]
		if one.what == other.what && one.layer.Digest == other.layer.Digest {
			d.Same++
			continue
		}
		difference := Difference{Name: name, A: one.what, B: other.what}
		if err := difference.compare(store, one, other); err != nil {
			return d, err
		}
		d.Differences = append(d.Differences, difference)
	}
	return d, nil
}

// described is a blob and, in a word, what is in it.
type described struct {
	layer manifest.Layer
	what  string
}

// describe lists the layers of a model by name.
func describe(store *manifest.Store, name manifest.Name) (manifest.Name, map[string]described, error) {
	e, err := store.Lookup(name)
	if err != nil {
		return name, nil, err
	}
	src, err := source.OpenStored(e.Manifest, store.Blob)
	if err != nil {
		return name, nil, err
	}
	defer src.Close()
	all := map[string]described{"config": {e.Manifest.Config, "config"}}
	for _, l := range e.Manifest.Layers {
		what := "file"
		if l.MediaType == manifest.MediaTypeTensor {
			what = "group of tensors"
		}
		if t, ok := src.Inventory().Tensor(l.Name); ok {
			what = t.Format.String()
		}
		all[l.Name] = described{l, what}
	}
	return e.Name, all, nil
}
