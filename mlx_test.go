package qimport

import (
	"testing"

	"qimport/runtime/mlx"
)

// needMLX skips a test that runs models where there is nothing to run them with.
func needMLX(t *testing.T) {
	t.Helper()
	thread, err := mlx.Start(mlx.CPU)
	if err != nil {
		t.Skip("models cannot be run here")
	}
	thread.Close()
}
