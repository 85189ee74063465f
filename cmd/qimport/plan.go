package main

import (
	"context"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/manifest"
)

func planCommand(s stdio) *cli.Command {
	flags := append(recipeFlags(), &cli.BoolFlag{Name: "all", Usage: "a line for every tensor, also where layers are alike"})
	return command(s, "plan", "SOURCE", "say what an import would write, and change nothing", `
Lists every tensor with the format it has, the one it would get and the rule that decided,
then sizes, bits a weight, memory and free space. Only headers are read.

Examples:
  qimport plan ./Qwen3.5-0.8B -q nvfp4
  qimport plan Qwen/Qwen3.5-0.8B -q nvfp4 --override '**.down_proj=mxfp8' --all`,
		1, 1, flags, runPlan)
}

func runPlan(ctx context.Context, c call) error {
	o, err := c.importOptions()
	if err != nil {
		return err
	}
	src, err := openSource(ctx, c.Args().First())
	if err != nil {
		return err
	}
	defer src.Close()
	p, err := makePlan(ctx, src, o)
	if err != nil {
		return err
	}
	store, err := c.openStore()
	if err != nil {
		return err
	}
	return c.printPlan(p, store, o.jobs)
}

// makePlan decides what becomes of every tensor of a source.
func makePlan(ctx context.Context, src openedSource, o importOptions) (plan.Plan, error) {
	facts, err := plan.ReadFacts(ctx, src.Source)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.New(src.Inventory(), o.recipe, plan.Options{MTP: o.mtp, ScaleSearch: o.search, Facts: facts})
}

// printPlan prints a plan, and whether the store has room for it.
func (c call) printPlan(p plan.Plan, store *manifest.Store, jobs int) error {
	space, spaceErr := store.Preflight(p.Totals().BytesWritten)
	return c.print(p.Report(encode.PeakMemory(p.Totals().Tensors, jobs), space.Free), func(w io.Writer) error {
		fprintln(w, "%s", strings.TrimRight(p.Text(c.Bool("all")), "\n"))
		switch {
		case spaceErr != nil:
			fprintln(w, "store %s: %v", store.Root(), spaceErr)
		default:
			fprintln(w, "store %s: %s free", store.Root(), size(space.Free))
		}
		if space.Advice != "" {
			fprintln(w, "%s", space.Advice)
		}
		return nil
	})
}
