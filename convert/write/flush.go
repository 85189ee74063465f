package write

import (
	"context"
	"time"
)

// flushEvery is how much work a killed import may lose, in time. Each flush takes all blobs that
// were finished since the last one, so that it costs little however small they are.
const flushEvery = 2 * time.Second

// flushNowAndThen brings finished blobs to the disk while others are written, and calls failed if that
// goes wrong. The returned function ends it, waits for a flush under way, and says what went wrong.
func (w *writer) flushNowAndThen(ctx context.Context, failed func()) (stop func() error) {
	enough := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		var err error
		for err == nil {
			select {
			case <-tick.C:
				err = w.stage.Flush(ctx)
			case <-enough:
				result <- nil
				return
			}
		}
		failed()
		result <- err
	}()
	return func() error {
		close(enough)
		return <-result
	}
}
