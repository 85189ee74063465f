package main

import (
	"context"
	"errors"
	"io"
	goruntime "runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"qimport/internal/table"
	"qimport/runtime/mlx"
)

func versionCommand(s stdio) *cli.Command {
	return command(s, "version", "", "say what this program is made of", `
Its own version, Go's, MLX's, mlx-c's and that of the BLAS behind them, and every Go module with its version.

Examples:
  qimport version
  qimport version --json`,
		0, 0, nil, sayVersion)
}

// made is what the program is made of.
type made struct {
	Schema   int      `json:"schema"`
	Version  string   `json:"version"`
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	MLX      string   `json:"mlx"`     // "" in a build without it
	MLXC     string   `json:"mlx_c"`   // the C interface to it; "" in a build without
	Backend  string   `json:"backend"` // that MLX runs on here
	BLAS     string   `json:"blas"`
	Modules  []module `json:"modules"`
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum"`
}

func sayVersion(_ context.Context, c call) error {
	m, fault := whatItIsMadeOf()
	err := c.print(m, func(w io.Writer) error {
		rows := [][]string{{"qimport", m.Version}, {"go", m.Go + " " + m.Platform}}
		if fault != nil {
			rows = append(rows, []string{"mlx", fault.Error()})
		} else {
			rows = append(rows, []string{"mlx", m.MLX + " on " + m.Backend}, []string{"mlx-c", m.MLXC}, []string{"blas", m.BLAS})
		}
		for _, d := range m.Modules {
			rows = append(rows, []string{d.Path, d.Version})
		}
		return table.Write(w, c.width(), rows)
	})
	if errors.Is(fault, mlx.ErrNoMLX) {
		fault = nil // it does everything but run a model
	}
	return errors.Join(err, fault)
}

// whatItIsMadeOf is what is linked in, and what MLX says of itself; the error is that it does not start.
func whatItIsMadeOf() (made, error) {
	m := made{Schema: 1, Version: version, Go: goruntime.Version(), Platform: goruntime.GOOS + "/" + goruntime.GOARCH, Modules: []module{}}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			m.Modules = append(m.Modules, module{d.Path, d.Version, d.Sum})
		}
	}
	thread, err := mlx.Start(mlx.Auto)
	if err != nil {
		return m, err
	}
	defer thread.Close()
	info := thread.Info()
	m.MLX, m.MLXC, m.Backend, m.BLAS = info.Version, mlx.BuiltOn(), info.Backend, info.BLAS
	return m, nil
}
