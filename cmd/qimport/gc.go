package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"qimport/manifest"
)

func gcCommand(s stdio) *cli.Command {
	flags := group(storeGroup,
		&cli.BoolFlag{Name: "dry-run", Usage: "list what would go, and remove nothing"},
		&cli.DurationFlag{Name: "grace", Usage: "leave alone what is younger than `TIME`", Value: manifest.Grace},
		&cli.BoolFlag{Name: "interrupted", Usage: "also drop what interrupted imports would go on from"},
	)
	return command(s, "gc", "", "remove what no name needs", `
Blobs without a name, leftovers of crashes, reports on models that are gone. What belongs to an
import that is running stays.

Examples:
  qimport gc --dry-run
  qimport gc --grace 0s --interrupted`,
		0, 0, flags, gc)
}

// garbage is one thing that gc looked at, as scripts read it.
type garbage struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Why   string `json:"why,omitempty"` // why it stays
}

// collected is the result: what went, and what stayed.
type collected struct {
	Schema  int       `json:"schema"`
	DryRun  bool      `json:"dry_run"`
	Bytes   int64     `json:"bytes"`
	Removed []garbage `json:"removed"`
	Kept    []garbage `json:"kept"`
}

func gc(ctx context.Context, c call) error {
	store, err := c.openStore()
	if err != nil {
		return err
	}
	if c.Duration("grace") < 0 {
		return usagef("--grace %s: it cannot be below zero", c.Duration("grace"))
	}
	dry := c.Bool("dry-run")
	r, err := store.GC(ctx, manifest.GCOptions{DryRun: dry, Grace: c.Duration("grace"), Interrupted: c.Bool("interrupted")})
	if err != nil {
		return err
	}
	document := collected{1, dry, r.Bytes, garbageOf(r.Removed), garbageOf(r.Kept)}
	return c.print(document, func(w io.Writer) error {
		done := "removed"
		if dry {
			done = "would be removed"
		}
		for _, g := range document.Removed {
			fprintln(w, "%s  %s", g.Path, size(g.Bytes))
		}
		for _, g := range document.Kept {
			fprintln(w, "%s  %s, stays: %s", g.Path, size(g.Bytes), g.Why)
		}
		fprintln(w, "%d %s, %s", len(document.Removed), done, size(r.Bytes))
		return nil
	})
}

func garbageOf(all []manifest.Garbage) []garbage {
	out := []garbage{}
	for _, g := range all {
		out = append(out, garbage(g))
	}
	return out
}
