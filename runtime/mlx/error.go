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

// stop carries an error that is not MLX's up to Do: a cancelled context.
type stop struct{ err error }

// Raise panics with an error, inside a function given to Do, as operations do with MLX's; Do returns it.
func Raise(err error) {
	if e, ok := err.(*Error); ok {
		panic(e)
	}
	panic(stop{err})
}

// PanicError is a panic, other than an *Error, inside a function given to Do.
type PanicError struct {
	Value any
	Stack []byte // where it happened
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic on the MLX thread: %v", e.Value) }
