package main

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/verify/report"
)

func importCommand(s stdio) *cli.Command {
	flags := slices.Concat(
		recipeFlags(), layFlags(),
		group(checkGroup, &cli.StringFlag{Name: "verify", Usage: "`LEVEL` to verify to: none, blobs, smoke or quality\nThe name moves when it has passed.", Value: string(report.Smoke)}),
		checkFlags(),
		rare(outputGroup, &cli.StringFlag{Name: "attest", Usage: "sign what was verified with the private key in `FILE`\nAs qimport attest does; the source's files are hashed for it."}),
		group(storeGroup, &cli.StringFlag{Name: "name", Usage: "`NAME[:TAG]` of the model in the store\nLeft out, it is the source's name, with the type as tag."}),
		group(outputGroup, reportFlag(), &cli.BoolFlag{Name: "dry-run", Usage: "print the plan and stop; with --all a line for every tensor"}),
		rare(runtimeGroup, &cli.StringFlag{Name: "part", Usage: "write part `I/N` of the blobs, for N machines that share the store\nThe call that finds all parts there puts them together, verifies, and moves the name; one that has stopped is finished by another."}),
		rare(outputGroup, metricsFlag(), &cli.BoolFlag{Name: "all", Usage: "with --dry-run: a line for every tensor"}),
	)
	return command(s, "import", "[SOURCE]", "write a checkpoint into the store, verify it, then move the name", `
Everything that can be checked is checked before the first byte is written. Interrupted, the
same command goes on where it stopped; until the last step the name keeps what it had.

SOURCE may be left out where the Modelfile's FROM names it. What was laid over the name before (SYSTEM,
PARAMETER and the like) stays where nothing else is told; a note says so.

Examples:
  qimport import ./Qwen3.5-0.8B -q nvfp4
  qimport import mlx-community/Qwen3.5-0.8B-4bit --name small:4bit
  qimport import ./Qwen3.5-0.8B -q nvfp4 --override '**.down_proj=mxfp8' --verify quality --report r.html
  qimport import --modelfile ./Modelfile --name pirate -q nvfp4 --parameter temperature=0.6

Exit status: 0 imported and verified; 1 failed; 2 wrong usage; 3 written whole, but the
verification said no and the name was not moved; 130 interrupted.`,
		0, 1, flags, runImport)
}

func runImport(ctx context.Context, c call) error {
	if c.Bool("dry-run") {
		if c.IsSet("metrics") {
			return usagef("--metrics %s: --dry-run does nothing that could be measured", c.String("metrics"))
		}
		if c.IsSet("part") {
			return usagef("--part %s: --dry-run prints the plan of all parts", c.String("part"))
		}
		return importMetered(ctx, c, nil)
	}
	return c.metered(ctx, cmp.Or(c.String("name"), c.Args().First()), func(m *qimport.Meter) error { return importMetered(ctx, c, m) })
}

// importMetered imports, or prints the plan of an import.
func importMetered(ctx context.Context, c call, m *qimport.Meter) error {
	request := c.request()
	request.Part, request.Attest, request.Password = c.String("part"), c.String("attest"), c.password(ctx)
	o, err := request.Options("")
	if err != nil {
		return err
	}
	store, err := c.openStore()
	if err != nil {
		return err
	}
	o.Checks.Version, o.Watch = version, c.stdio
	if c.Bool("dry-run") {
		p, err := qimport.Plan(ctx, store, o)
		if err != nil {
			return err
		}
		return c.printPlan(p, store)
	}
	o.Watch = m
	result, err := qimport.Import(ctx, store, o)
	m.Imported(result)
	if err != nil && !errors.Is(err, qimport.ErrRefused) {
		return err
	}
	return errors.Join(c.print(result, c.importText(result)), err)
}
