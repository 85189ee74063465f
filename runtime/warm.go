package runtime

import (
	"context"
	"sync"

	"qimport/runtime/mlx"
)

// warmUp begins to compile what a GPU needs before its first step, on a thread of its own, since weights
// are read meanwhile. The function that it returns waits for it. What fails there fails again where it is
// used, and is told then.
func (m *Model) warmUp(ctx context.Context) (wait func()) {
	var done sync.WaitGroup
	if m.Info().Device != mlx.GPU {
		return done.Wait
	}
	done.Go(func() {
		thread, err := mlx.Start(mlx.GPU)
		if err != nil {
			return
		}
		defer thread.Close()
		_ = thread.Do(ctx, m.decoder.Warm)
	})
	return done.Wait
}
