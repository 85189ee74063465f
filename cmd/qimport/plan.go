package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/convert/plan"
	"qimport/manifest"
)

func planCommand(s stdio) *cli.Command {
	flags := slices.Concat(recipeFlags(), layFlags(), group(outputGroup,
		&cli.BoolFlag{Name: "all", Usage: "a line for every tensor, also where layers are alike"},
		&cli.BoolFlag{Name: "values", Usage: "read the weights too, and say which should not be as they are"}))
	return command(s, "plan", "[SOURCE]", "say what an import would write, and change nothing", `
Lists every tensor with the format it has, the one it would get and the rule that decided,
then sizes, bits a weight, memory and free space. Only headers are read, with --values the weights
too: tensors of nothing but zeros or of no numbers, and nvfp4 groups that are lost, are named as an
import names them.

Examples:
  qimport plan ./Qwen3.5-0.8B -q nvfp4
  qimport plan Qwen/Qwen3.5-0.8B -q nvfp4 --override '**.down_proj=mxfp8' --all`,
		0, 1, flags, runPlan)
}

func runPlan(ctx context.Context, c call) error {
	o, err := c.request().Options("")
	if err != nil {
		return err
	}
	store, err := c.openStore()
	if err != nil {
		return err
	}
	o.Watch, o.Values = c.stdio, c.Bool("values")
	p, err := qimport.Plan(ctx, store, o)
	if err != nil {
		return err
	}
	return c.printPlan(p, store)
}

// writeLaid says what lies over the weights.
func writeLaid(w io.Writer, laid []plan.LaidOver) {
	var all []string
	for _, l := range laid {
		if l.Kept {
			l.Kind += " (kept)"
		}
		all = append(all, l.Kind)
	}
	if len(all) > 0 {
		fprintln(w, "laid over it: %s", strings.Join(all, ", "))
	}
}

// printPlan prints a plan, and whether the store has room for it.
func (c call) printPlan(p qimport.Planned, store *manifest.Store) error {
	return c.print(p.Report(), func(w io.Writer) error {
		fprintln(w, "%s", strings.TrimRight(p.Text(c.Bool("all"), c.width()), "\n"))
		for _, finding := range p.Values {
			fprintln(w, "values: %s", finding)
		}
		if p.Values != nil && len(p.Values) == 0 {
			fprintln(w, "values: nothing to say")
		}
		writeLaid(w, p.Laid)
		fprintln(w, "%s", p.Ollama)
		fprintln(w, "memory: about %s while it is written; variants that a batch writes at once share it", size(p.PeakMemory))
		switch {
		case p.NoSpace != nil:
			fprintln(w, "store %s: %v", store.Root(), p.NoSpace)
		default:
			fprintln(w, "store %s: %s free", store.Root(), size(p.Space.Free))
		}
		if p.Space.Advice != "" {
			fprintln(w, "%s", p.Space.Advice)
		}
		return nil
	})
}
