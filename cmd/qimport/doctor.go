package main

import (
	"context"
	"errors"
	"io"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/table"
	"qimport/verify/report"
)

func doctorCommand(s stdio) *cli.Command {
	return command(s, "doctor", "", "look whether MLX, BLAS, GPU, store and disk are as they should be", `
Exit status 1 if something is not. A GPU that is not there is no fault. Of the models in the store it
says which the Ollama that runs here would not run, or else the newest that is known.

Examples:
  qimport doctor
  qimport doctor --store /mnt/models --json`,
		0, 0, group(checkGroup, ollamaFlag()), doctor)
}

// diagnosis is the result, a check a line.
type diagnosis struct {
	Schema  int               `json:"schema"`
	Version string            `json:"version"`
	Checks  []qimport.Finding `json:"checks"`
}

func doctor(ctx context.Context, c call) error {
	findings := qimport.Doctor(ctx, c.openStore, c.String("ollama"))
	document := diagnosis{1, version, findings}
	err := c.print(document, func(w io.Writer) error {
		rows := [][]string{{"qimport", "", version}}
		for _, f := range findings {
			rows = append(rows, []string{f.Name, mark(f.Passed), f.Detail})
		}
		return table.Write(w, c.width(), rows)
	})
	for _, f := range findings {
		if f.Passed == report.Failed {
			err = errors.Join(err, errors.New(f.Name+": "+f.Detail))
		}
	}
	return err
}

// mark is a finding's outcome in a word.
func mark(o report.Outcome) string {
	switch o {
	case report.Passed:
		return "ok"
	case report.Failed:
		return "FAULT"
	}
	return "-"
}
