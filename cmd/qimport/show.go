package main

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"qimport"
)

func showCommand(s stdio) *cli.Command {
	flags := []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "list every tensor"}}
	return command(s, "show", "NAME", "say what a stored model consists of, and how it was judged", `
Examples:
  qimport show small:nvfp4
  qimport show small:nvfp4 --all
  qimport show small:nvfp4 --json | jq '.verification.passed'`,
		1, 1, flags, show)
}

func show(_ context.Context, c call) error {
	store, names, err := c.storeAndNames()
	if err != nil {
		return err
	}
	model, err := qimport.Show(store, names[0])
	if err != nil {
		return err
	}
	return c.print(model, func(w io.Writer) error { return writeShown(w, model, c.Bool("all")) })
}

// writeShown prints the model for people.
func writeShown(w io.Writer, s qimport.Shown, all bool) error {
	fprintln(w, "%s  %s", s.Name, s.Manifest)
	fprintln(w, "%s, %s, %d tensors; able to: %s", s.Family, size(s.Bytes), len(s.Tensors), cmp.Or(strings.Join(s.Config.Capabilities, ", "), "unsaid"))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if all {
		for _, t := range s.Tensors {
			fprintln(table, "%s\t%v\t%s\t%s", t.Name, t.Shape, t.Format, size(t.Bytes))
		}
	}
	formats := totalFormats(s.Tensors)
	for _, name := range slices.Sorted(maps.Keys(formats)) {
		fprintln(table, "%s\t%d tensors\t%s", name, formats[name].tensors, size(formats[name].bytes))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fprintln(w, "files: %s", strings.Join(s.Files, " "))
	for _, note := range s.Notes {
		fprintln(w, "note: %s", note)
	}
	if s.Verification == nil {
		fprintln(w, "not verified")
		return nil
	}
	if s.Stale != "" {
		fprintln(w, "the verdict below does not answer for it: %s", s.Stale)
	}
	return s.Verification.WriteText(w)
}

// formatTotal is what the tensors of one format amount to.
type formatTotal struct {
	tensors int
	bytes   int64
}

// totalFormats adds tensors up by format.
func totalFormats(tensors []qimport.ShownTensor) map[string]formatTotal {
	totals := map[string]formatTotal{}
	for _, t := range tensors {
		sum := totals[t.Format]
		totals[t.Format] = formatTotal{sum.tensors + 1, sum.bytes + t.Bytes}
	}
	return totals
}
