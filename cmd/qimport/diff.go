package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"qimport"
)

func diffCommand(s stdio) *cli.Command {
	return command(s, "diff", "A B", "compare two stored models, blob by blob", `
Tensors and files with the same digest are the same, bit for bit. Of the others it says in which
format each model has them.

Example:
  qimport diff small:nvfp4 small:mxfp8`,
		2, 2, nil, diff)
}

func diff(_ context.Context, c call) error {
	store, names, err := c.storeAndNames()
	if err != nil {
		return err
	}
	d, err := qimport.Diff(store, names[0], names[1])
	if err != nil {
		return err
	}
	return c.print(d, func(w io.Writer) error {
		for _, line := range d.Lines() {
			fprintln(w, "%s", line)
		}
		fprintln(w, "%d the same, %d differ", d.Same, len(d.Differences))
		return nil
	})
}
