package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/table"
)

func compareCommand(s stdio) *cli.Command {
	return command(s, "compare", "REPORT...", "put the verdicts on several models beside each other", `
REPORT is a report in JSON, of verify --report r.json or of an import with --json, or a model of the store,
of which the kept verdict is taken. The page has the verdicts, KL divergence against size as a plot, every
check, the worst tensors of each and the answers, a column a model.

Examples:
  qimport compare small:nvfp4 small:mxfp8 small:int4 --report compared.html
  qimport compare nvfp4.json mxfp8.json`,
		1, -1, group(outputGroup,
			&cli.StringSliceFlag{Name: "report", Usage: "write the comparison to `FILE`: .html, with the plot, or .json"},
		), compare)
}

func compare(_ context.Context, c call) error {
	result, err := qimport.Compare(c.openStore, c.Args().Slice(), c.StringSlice("report"))
	if err != nil {
		return err
	}
	return c.print(&result, func(w io.Writer) error {
		if err := table.Write(w, c.width(), result.Rows()); err != nil {
			return err
		}
		for _, note := range result.Notes {
			fprintln(w, "%s", note)
		}
		return nil
	})
}
