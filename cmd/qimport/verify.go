package main

import (
	"context"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/verify/report"
)

func verifyCommand(s stdio) *cli.Command {
	flags := slices.Concat(group(checkGroup,
		&cli.StringFlag{Name: "level", Usage: "`LEVEL` to go to: blobs, smoke or quality", Value: string(report.Smoke)},
		&cli.StringFlag{Name: "against", Usage: "`SOURCE` that the model was made from, for quality"},
		&cli.StringFlag{Name: "ollama", Usage: "ask the Ollama that runs at `URL` the same, and hold its answers to ours"},
	), group(sourceGroup, adapterFlag()), rare(sourceGroup, mtpFromFlag()), checkFlags(), group(outputGroup, reportFlag()), rare(outputGroup, metricsFlag()))
	return command(s, "verify", "NAME|DIR", "run the checks over a model of the store, or over a directory", `
blobs:   every blob is there, whole, and holds the tensors that the config needs
smoke:   the model runs with its delta state in float32, answers, and stops
quality: it says what its source says, in numbers with limits

Examples:
  qimport verify small:nvfp4
  qimport verify small:nvfp4 --prompt 'What is 2+2?' --expect '\b4\b'
  qimport verify small:nvfp4 --level quality --against ./Qwen3.5-0.8B --report r.html --report r.xml
  qimport verify small:nvfp4 --level quality --against ./Qwen3.5-0.8B --text prose.txt --text code.txt
  qimport verify small:nvfp4 --ollama http://127.0.0.1:11434

Exit status: 0 every check was run and passed; 1 failed; 2 wrong usage; 3 a check said no or
could not be run; 130 interrupted.`,
		1, 1, flags, runVerify)
}

func runVerify(ctx context.Context, c call) error {
	return c.metered(ctx, c.Args().First(), func(m *qimport.Meter) error { return verifyMetered(ctx, c, m) })
}

func verifyMetered(ctx context.Context, c call, m *qimport.Meter) error {
	checks, err := c.checks().Options(c.String("level"), "")
	if err != nil {
		return err
	}
	checks.Version = version
	r, err := qimport.Verify(ctx, c.openStore, c.Args().First(), qimport.VerifyOptions{
		Against: c.String("against"), Adapters: c.StringSlice("adapter"), MTPFrom: c.String("mtp-from"), Ollama: c.String("ollama"), Checks: checks, Reports: c.StringSlice("report"), Watch: m,
	})
	m.Verified(&r)
	if err != nil {
		return err
	}
	if err := c.print(&r, func(w io.Writer) error { return c.writeReport(w, &r) }); err != nil {
		return err
	}
	if !r.Passed {
		return qimport.ErrRefused
	}
	return nil
}
