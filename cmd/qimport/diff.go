package main

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/urfave/cli/v2"

	"qimport/convert/source"
	"qimport/manifest"
)

func diffCommand(s stdio) *cli.Command {
	return command(s, "diff", "A B", "compare two stored models, blob by blob", `
Tensors and files with the same digest are the same, bit for bit. Of the others it says in which
format each model has them.

Example:
  qimport diff small:nvfp4 small:mxfp8`,
		2, 2, nil, diff)
}

// difference is a blob that two models do not share. A side that lacks it is "".
type difference struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

func diff(_ context.Context, c call) error {
	store, a, err := c.entry(c.Args().Get(0))
	if err != nil {
		return err
	}
	_, b, err := c.entry(c.Args().Get(1))
	if err != nil {
		return err
	}
	ofA, err := describe(store, a.Manifest)
	if err != nil {
		return err
	}
	ofB, err := describe(store, b.Manifest)
	if err != nil {
		return err
	}
	document := struct {
		Schema      int           `json:"schema"`
		A           manifest.Name `json:"a"`
		B           manifest.Name `json:"b"`
		Same        int           `json:"same"`
		Differences []difference  `json:"differences"`
	}{1, a.Name, b.Name, 0, []difference{}}
	for _, name := range slices.Sorted(maps.Keys(union(ofA, ofB))) {
		one, other := ofA[name], ofB[name]
		if one == other {
			document.Same++
			continue
		}
		document.Differences = append(document.Differences, difference{name, one.what, other.what})
	}
	return c.print(document, func(w io.Writer) error {
		for _, d := range document.Differences {
			fprintln(w, "%s", d)
		}
		fprintln(w, "%d the same, %d differ", document.Same, len(document.Differences))
		return nil
	})
}

func (d difference) String() string {
	switch {
	case d.A == "":
		return d.Name + ": only in B, " + d.B
	case d.B == "":
		return d.Name + ": only in A, " + d.A
	case d.A == d.B:
		return d.Name + ": both " + d.A + ", other values"
	}
	return d.Name + ": " + d.A + " in A, " + d.B + " in B"
}

// described is a blob and, in a word, what is in it.
type described struct {
	digest manifest.Digest
	what   string
}

// describe lists the layers of a model by name.
func describe(store *manifest.Store, m manifest.Manifest) (map[string]described, error) {
	src, err := source.OpenStored(m, store.Blob)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	all := map[string]described{"config": {m.Config.Digest, "config"}}
	for _, l := range m.Layers {
		what := "file"
		if l.MediaType == manifest.MediaTypeTensor {
			what = "group of tensors"
		}
		if t, ok := src.Inventory().Tensor(l.Name); ok {
			what = t.Format.String()
		}
		all[l.Name] = described{l.Digest, what}
	}
	return all, nil
}

// union holds the keys of both.
func union(a, b map[string]described) map[string]described {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
