package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/verify/report"
)

func importCommand(s stdio) *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "`NAME[:TAG]` of the model in the store", DefaultText: "the source's name, with the type as tag"},
		&cli.StringFlag{Name: "verify", Usage: "`LEVEL` to verify before the name moves: none, blobs, smoke or quality", Value: string(report.Smoke)},
		reportFlag(),
		&cli.StringFlag{Name: "attest", Usage: "sign what was verified with the private key in `FILE`, as qimport attest does; the source's files are hashed for it"},
		&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and stop"},
		&cli.BoolFlag{Name: "all", Usage: "with --dry-run: a line for every tensor"},
	}, append(recipeFlags(), layFlags()...)...)
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
		0, 1, append(flags, checkFlags()...), runImport)
}

func runImport(ctx context.Context, c call) error {
	request := c.request()
	request.Attest, request.Password = c.String("attest"), c.password(ctx)
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
	result, err := qimport.Import(ctx, store, o)
	if err != nil && !errors.Is(err, qimport.ErrRefused) {
		return err
	}
	return errors.Join(c.print(result, c.importText(result)), err)
}
