package hub

import (
	"context"
	"errors"
	"io"
	"time"
)

var errStalled = errors.New("nothing came for too long")

// watchdog ends a request that stands still. The time that its reader spends elsewhere, at a slow
// disk for one, does not count.
type watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

func watch(ctx context.Context, stall time.Duration) *watchdog {
	ctx, cancel := context.WithCancelCause(ctx)
	return &watchdog{ctx, cancel, time.AfterFunc(stall, func() { cancel(errStalled) }), stall}
}

func (w *watchdog) rest() { w.timer.Stop() }
func (w *watchdog) wake() { w.timer.Reset(w.stall) }

func (w *watchdog) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// why is what an error of the request comes from.
func (w *watchdog) why(err error) error {
	if errors.Is(context.Cause(w.ctx), errStalled) {
		return errStalled
	}
	return err
}

// watchedBody is a body under a watchdog. What goes wrong on the way is temporary.
type watchedBody struct {
	io.ReadCloser
	dog *watchdog
}

func (b watchedBody) Read(p []byte) (int, error) {
	b.dog.wake()
	n, err := b.ReadCloser.Read(p)
	b.dog.rest()
	if err != nil && !errors.Is(err, io.EOF) {
		err = temporary{error: b.dog.why(err)}
	}
	return n, err
}

func (b watchedBody) Close() error {
	b.dog.end()
	return b.ReadCloser.Close()
}
