package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/verify/report"
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

// shown is a stored model, as scripts read it.
type shown struct {
	Schema       int             `json:"schema"`
	Name         manifest.Name   `json:"name"`
	Manifest     manifest.Digest `json:"manifest"`
	Modified     time.Time       `json:"modified"`
	Bytes        int64           `json:"bytes"`
	Family       arch.Family     `json:"family"`
	Config       manifest.Config `json:"config"`
	Tensors      []shownTensor   `json:"tensors"`
	Files        []string        `json:"files"`
	Notes        []string        `json:"notes"` // what is not as one would expect
	Verification *report.Report  `json:"verification"`
	Stale        string          `json:"verification_stale,omitempty"` // why the verdict does not answer for this model
}

// shownTensor is one tensor of a stored model.
type shownTensor struct {
	Name   string `json:"name"`
	Shape  []int  `json:"shape"`
	Format string `json:"format"`
	Bytes  int64  `json:"bytes"`
}

func show(_ context.Context, c call) error {
	store, e, err := c.entry(c.Args().First())
	if err != nil {
		return err
	}
	src, err := source.OpenStored(e.Manifest, store.Blob)
	if err != nil {
		return err
	}
	defer src.Close()
	document := shown{
		Schema: 1, Name: e.Name, Manifest: e.Digest, Modified: e.Modified.UTC(), Bytes: e.Manifest.Bytes(),
		Family: src.Inventory().Config.Family, Config: readConfig(store, e.Manifest), Tensors: []shownTensor{}, Files: src.Files(),
		Notes: append([]string{}, src.Inventory().Notes...),
	}
	for _, t := range src.Inventory().Tensors {
		document.Tensors = append(document.Tensors, shownTensor{t.Name, t.Shape, t.Format.String(), t.Bytes()})
	}
	if document.Verification, err = keptReport(store, e.Digest); err != nil {
		return err
	}
	if r := document.Verification; r != nil {
		document.Stale = r.Stale(e.Digest.String(), r.Level)
	}
	return c.print(document, func(w io.Writer) error { return document.write(w, c.Bool("all")) })
}

// keptReport is the verdict that the store keeps of a manifest; nil if there is none.
func keptReport(store *manifest.Store, d manifest.Digest) (*report.Report, error) {
	b, err := store.Report(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := report.Parse(b)
	return &r, err
}

// putReport keeps a verdict beside the manifest that it judges.
func putReport(store *manifest.Store, d manifest.Digest, r *report.Report) error {
	b, err := r.JSON()
	if err != nil {
		return err
	}
	return store.PutReport(d, b)
}

// write prints the model for people.
func (s shown) write(w io.Writer, all bool) error {
	fprintln(w, "%s  %s", s.Name, s.Manifest)
	fprintln(w, "%s, %s, %d tensors; able to: %s", s.Family, size(s.Bytes), len(s.Tensors), cmp.Or(strings.Join(s.Config.Capabilities, ", "), "unsaid"))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if all {
		for _, t := range s.Tensors {
			fprintln(table, "%s\t%v\t%s\t%s", t.Name, t.Shape, t.Format, size(t.Bytes))
		}
	}
	formats := s.formats()
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

// formats adds the tensors up by format.
func (s shown) formats() map[string]formatTotal {
	totals := map[string]formatTotal{}
	for _, t := range s.Tensors {
		sum := totals[t.Format]
		totals[t.Format] = formatTotal{sum.tensors + 1, sum.bytes + t.Bytes}
	}
	return totals
}
