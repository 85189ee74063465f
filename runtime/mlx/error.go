package mlx

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
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

// stop carries an error that is not MLX's up to Do: a cancelled context.
type stop struct{ err error }

// recovered turns what recover returned into an error. It must be called by the deferred function
// itself, where the stack still shows the place.
func recovered(value any) error {
	switch v := value.(type) {
	case *Error:
		return v
	case stop:
		return v.err
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// cleanText drops the place in mlx-c's sources that it appends to MLX's message.
func cleanText(message string) string {
	if i := strings.LastIndex(message, " at "); i >= 0 && strings.Contains(message[i:], "/mlx/c/") {
		message = message[:i]
	}
	return strings.TrimSpace(message)
}
