package qimport

import (
	"maps"
	"slices"

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
	// Keys are the keys in which two JSON files differ, by their path.
	Keys []string `json:"keys,omitempty"`
}

func (d Difference) String() string {
	switch {
	case d.A == "":
		return d.Name + ": only in B, " + d.B
	case d.B == "":
		return d.Name + ": only in A, " + d.A
	case d.A == d.B && len(d.Keys) > 0:
		return d.Name + ": both " + d.A + ", other values of " + someOf(d.Keys)
	case d.A == d.B:
		return d.Name + ": both " + d.A + ", other values"
	}
	return d.Name + ": " + d.A + " in A, " + d.B + " in B"
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
		keys, err := differingKeys(store, one, other)
		if err != nil {
			return d, err
		}
		d.Differences = append(d.Differences, Difference{name, one.what, other.what, keys})
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
