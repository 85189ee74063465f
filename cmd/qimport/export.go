package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"qimport"
)

func exportCommand(s stdio) *cli.Command {
	return command(s, "export", "NAME|DIR OUT", "write a model as an mlx-community directory, which mlx-lm loads", `
Every tensor keeps its format; names, norms, axes and config.json become those that mlx-lm's own
conversion has, with an entry for each quantized path. A store of Ollama is exported as well as
our own. OUT appears whole or not at all, and must not hold anything before.

Examples:
  qimport export small:nvfp4 ./small-nvfp4
  qimport verify small:nvfp4 && qimport export small:nvfp4 ./out && mlx_lm.generate --model ./out`,
		2, 2, group(runtimeGroup, jobsFlag()), runExport)
}

func runExport(ctx context.Context, c call) error {
	r, err := qimport.Export(ctx, c.openStore, c.Args().Get(0), c.Args().Get(1), qimport.ExportOptions{Jobs: c.Int("jobs"), Watch: c.stdio})
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) error {
		fprintln(w, "%s  %s in %s, %.1f s", r.Dir, size(r.Bytes), plural(len(r.Files), "file"), r.Seconds)
		return nil
	})
}
