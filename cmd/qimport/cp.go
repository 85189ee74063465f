package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"qimport/manifest"
)

func cpCommand(s stdio) *cli.Command {
	return command(s, "cp", "A B", "give a model a second name", `
Both names then point at the same blobs; nothing is copied. What B pointed at before loses that
name.

Example:
  qimport cp small:nvfp4 release:latest`,
		2, 2, nil, cp)
}

// copied is the result: both names point at the manifest.
type copied struct {
	Schema   int             `json:"schema"`
	From     manifest.Name   `json:"from"`
	To       manifest.Name   `json:"to"`
	Manifest manifest.Digest `json:"manifest"`
}

func cp(ctx context.Context, c call) error {
	store, names, err := c.storeAndNames()
	if err != nil {
		return err
	}
	from, err := store.Lookup(names[0])
	if err != nil {
		return err
	}
	to := names[1]
	if err := store.Copy(ctx, from.Name, to); err != nil {
		return err
	}
	document := copied{1, from.Name, to, from.Digest}
	return c.print(document, func(w io.Writer) error {
		fprintln(w, "%s  %s, as %s", to, from.Digest.Short(), from.Name)
		return nil
	})
}
