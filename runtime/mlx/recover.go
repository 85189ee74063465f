//go:build cgo

package mlx

import (
	"runtime/debug"
	"strings"
)

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
