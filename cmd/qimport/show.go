package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/table"
	"qimport/manifest"
)

func showCommand(s stdio) *cli.Command {
	flags := group(outputGroup, &cli.BoolFlag{Name: "all", Usage: "list every tensor"})
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
	return c.print(model, func(w io.Writer) error { return writeShown(w, model, c.Bool("all"), c.width()) })
}

// writeShown prints the model for people, in a window of so many columns; 0 is no limit.
func writeShown(w io.Writer, s qimport.Shown, all bool, width int) error {
	fprintln(w, "%s  %s", s.Name, s.Manifest)
	fprintln(w, "%s, %s, %d tensors; able to: %s", s.Family, size(s.Bytes), len(s.Tensors), cmp.Or(strings.Join(s.Config.Capabilities, ", "), "unsaid"))
	if served := servedBy(s.Config); served != "" {
		fprintln(w, "Ollama: %s", served)
	}
	var tensors, totals [][]string
	if all {
		for _, t := range s.Tensors {
			tensors = append(tensors, []string{t.Name, fmt.Sprint(t.Shape), t.Format, size(t.Bytes)})
		}
	}
	formats := totalFormats(s.Tensors)
	for _, name := range slices.Sorted(maps.Keys(formats)) {
		totals = append(totals, []string{name, plural(formats[name].tensors, "tensor"), size(formats[name].bytes)})
	}
	if err := errors.Join(table.Write(w, width, tensors), table.Write(w, width, totals)); err != nil {
		return err
	}
	fprintln(w, "files: %s", strings.Join(s.Files, " "))
	for _, note := range s.Notes {
		fprintln(w, "note: %s", note)
	}
	for _, said := range s.Statements {
		fprintln(w, "attestation, not checked here: %s, signed as %s", said.Predicate, strings.Join(said.Keys, ", "))
	}
	if s.Verification == nil {
		fprintln(w, "not verified")
		return nil
	}
	if s.Stale != "" {
		fprintln(w, "the verdict below does not answer for it: %s", s.Stale)
	}
	return s.Verification.WriteWithin(w, width)
}

// servedBy names what of an Ollama the model is served with.
func servedBy(c manifest.Config) string {
	var parts []string
	for _, part := range []struct{ is, name string }{{"renderer", c.Renderer}, {"parser", c.Parser}, {"from version", c.Requires}} {
		if part.name != "" {
			parts = append(parts, part.is+" "+part.name)
		}
	}
	return strings.Join(parts, ", ")
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
