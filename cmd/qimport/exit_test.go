package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"qimport"
	"qimport/manifest"
	"qimport/quant/recipe"
	"qimport/runtime/mlx"
)

func TestExitStatus(t *testing.T) {
	live := context.Background()
	dead, cancel := context.WithCancel(live)
	cancel()
	wrapped := func(err error) error { return fmt.Errorf("somewhere: %w", err) }
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"done", live, nil, exitDone},
		{"done in time", dead, nil, exitDone},
		{"anything", live, errors.New("boom"), exitFailed},
		{"command line", live, wrapped(usagef("no")), exitUsage},
		{"recipe", live, wrapped(recipe.ErrRecipe), exitUsage},
		{"name", live, wrapped(manifest.ErrBadName), exitUsage},
		{"verdict", live, wrapped(qimport.ErrRefused), exitRefused},
		{"verdict and failure to print it", live, errors.Join(errors.New("disk"), qimport.ErrRefused), exitRefused},
		{"interrupt", dead, errors.New("whatever the work said"), exitInterrupted},
		{"no MLX", live, wrapped(mlx.ErrNoMLX), exitFailed},
	} {
		if got, _ := exitStatus(c.ctx, c.err); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestHints(t *testing.T) {
	for _, o := range outcomes() {
		status, hint := exitStatus(context.Background(), fmt.Errorf("x: %w", o.sentinel))
		if status != o.status || hint != o.hint {
			t.Errorf("%v is hidden by an outcome before it", o.sentinel)
		}
	}
}
