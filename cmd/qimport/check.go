package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"qimport/manifest"
)

func checkCommand(s stdio) *cli.Command {
	return command(s, "check", "", "read the whole store and compare every blob with its digest", `
Names all damage, and the models that cannot be relied upon for it. Nothing is changed.

Examples:
  qimport check
  qimport check --json | jq '.damage[].names'`,
		0, 0, nil, check)
}

// damaged is one thing that check found wrong, as scripts read it.
type damaged struct {
	Path    string          `json:"path"`
	Names   []manifest.Name `json:"names"`
	Problem string          `json:"problem"`
}

func check(ctx context.Context, c call) error {
	store, err := c.openStore()
	if err != nil {
		return err
	}
	bar := c.progress("check")
	r, err := store.Check(ctx, bar.Bytes)
	bar.End()
	if err != nil {
		return err
	}
	document := struct {
		Schema    int       `json:"schema"`
		Manifests int       `json:"manifests"`
		Blobs     int       `json:"blobs"`
		Bytes     int64     `json:"bytes"`
		Unnamed   int       `json:"unnamed"`
		Damage    []damaged `json:"damage"`
	}{1, r.Manifests, r.Blobs, r.Bytes, r.Unnamed, []damaged{}}
	for _, d := range r.Damage {
		document.Damage = append(document.Damage, damaged{d.Path, append([]manifest.Name{}, d.Names...), d.Problem})
	}
	err = c.print(document, func(w io.Writer) error {
		fprintln(w, "%s, %s, %s read; %s without a name; %d found damaged", plural(r.Manifests, "model"), plural(r.Blobs, "blob"),
			size(r.Bytes), plural(r.Unnamed, "blob"), len(r.Damage))
		return nil
	})
	if err != nil {
		return err
	}
	return r.Err()
}
