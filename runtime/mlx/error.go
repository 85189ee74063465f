package mlx

import (
	"errors"
	"fmt"
)

// ErrNoMLX is what Start returns in a build without cgo.
var ErrNoMLX = errors.New("this qimport was built without MLX (CGO_ENABLED=0): it can do everything but run a model; build it with `make build` for that")

// ErrClosed is what Do returns once its Thread is closed.
var ErrClosed = errors.New("the MLX thread is closed")

// Error is an operation that MLX refused.
type Error struct {
	Op   string // "matmul"
	Text string // MLX's own words
}

func (e *Error) Error() string { return fmt.Sprintf("mlx %s: %s", e.Op, e.Text) }

// PanicError is a panic, other than an *Error, inside a function given to Do.
type PanicError struct {
	Value any
	Stack []byte // where it happened
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic on the MLX thread: %v", e.Value) }
