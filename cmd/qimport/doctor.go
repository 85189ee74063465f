package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"qimport/runtime/mlx"
	"qimport/verify/report"
)

func doctorCommand(s stdio) *cli.Command {
	return command(s, "doctor", "", "look whether MLX, BLAS, GPU, store and disk are as they should be", `
Exit status 1 if something is not. A GPU that is not there is no fault.

Examples:
  qimport doctor
  qimport doctor --store /mnt/models --json`,
		0, 0, nil, doctor)
}

// finding is one thing that doctor looked at. Passed is null where nothing can be said.
type finding struct {
	Name   string         `json:"name"`
	Passed report.Outcome `json:"passed"`
	Detail string         `json:"detail"`
}

func doctor(_ context.Context, c call) error {
	findings := append(examineMLX(), c.examineStore()...)
	findings = append(findings, examineCache())
	document := struct {
		Schema  int       `json:"schema"`
		Version string    `json:"version"`
		Checks  []finding `json:"checks"`
	}{1, version, findings}
	err := c.print(document, func(w io.Writer) error {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fprintln(table, "qimport\t\t%s", version)
		for _, f := range findings {
			fprintln(table, "%s\t%s\t%s", f.Name, mark(f.Passed), f.Detail)
		}
		return table.Flush()
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

// examineMLX starts MLX as a verification would.
func examineMLX() []finding {
	thread, err := mlx.Start(mlx.Auto)
	if err != nil {
		return []finding{{"mlx", report.Failed, err.Error()}}
	}
	defer thread.Close()
	info := thread.Info()
	found := []finding{{"mlx", report.Passed, "MLX " + info.Version + ", runs on " + info.Backend}}
	if info.Device == mlx.GPU {
		return append(found, finding{"gpu", report.Passed, info.Name + ", " + size(info.Memory)})
	}
	found = append(found, finding{"gpu", report.NotRun, "none that MLX can use; models run on the CPU"})
	switch {
	case info.BLAS == "":
		return append(found, finding{"blas", report.NotRun, "this MLX does not say which it uses"})
	case strings.Contains(info.BLAS, "OpenBLAS"):
		return append(found, finding{"blas", report.Passed, info.BLAS})
	}
	return append(found, finding{"blas", report.Failed, info.BLAS + ": multiplication is many times slower than with OpenBLAS; make setup brings it"})
}

// examineStore looks whether the store can be read and written, and how much room it has.
func (c call) examineStore() []finding {
	store, err := c.openStore()
	if err != nil {
		return []finding{{"store", report.Failed, err.Error()}}
	}
	var found []finding
	entries, err := store.List()
	if err != nil {
		found = append(found, finding{"manifests", report.Failed, err.Error()})
	} else {
		found = append(found, finding{"manifests", report.Passed, plural(len(entries), "model") + " in " + store.Root()})
	}
	space, err := store.Preflight(0)
	if err != nil {
		return append(found, finding{"disk", report.Failed, err.Error()})
	}
	detail := size(space.Free) + " free"
	if space.Advice != "" {
		detail += "; " + space.Advice
	}
	return append(found, finding{"disk", report.Passed, detail})
}

// examineCache looks for the Hugging Face cache, where sources are found by name.
func examineCache() finding {
	dir := os.Getenv("HF_HUB_CACHE")
	if home := os.Getenv("HF_HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, "hub")
	}
	if home, err := os.UserHomeDir(); dir == "" && err == nil {
		dir = filepath.Join(home, ".cache", "huggingface", "hub")
	}
	models, _ := filepath.Glob(filepath.Join(dir, "models--*"))
	if len(models) == 0 {
		return finding{"cache", report.NotRun, "no models in " + dir}
	}
	return finding{"cache", report.Passed, plural(len(models), "model") + " in " + dir}
}
