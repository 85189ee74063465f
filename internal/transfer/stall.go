package transfer

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrStalled marks a request that its Watchdog has ended.
var ErrStalled = errors.New("nothing came for too long")

// Watchdog ends a request that stands still. The time that its reader spends elsewhere, at a slow
// disk for one, does not count.
type Watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

// Watch begins to watch a request, which is to be made with the Watchdog's Context.
func Watch(ctx context.Context, stall time.Duration) *Watchdog {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Watchdog{ctx, cancel, time.AfterFunc(stall, func() { cancel(ErrStalled) }), stall}
}

// Context is that of the request.
func (w *Watchdog) Context() context.Context { return w.ctx }

// Rest stops the clock.
func (w *Watchdog) Rest() { w.timer.Stop() }

// Wake lets the clock run from the beginning.
func (w *Watchdog) Wake() { w.timer.Reset(w.stall) }

// End ends the watch, and the request with it.
func (w *Watchdog) End() {
	w.timer.Stop()
	w.cancel(nil)
}

// Why is what an error of the request comes from.
func (w *Watchdog) Why(err error) error {
	if errors.Is(context.Cause(w.ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}

// WatchedBody is a body under a Watchdog. What goes wrong on the way is Temporary.
type WatchedBody struct {
	io.ReadCloser
	Dog *Watchdog
}

func (b WatchedBody) Read(p []byte) (int, error) {
	b.Dog.Wake()
	n, err := b.ReadCloser.Read(p)
	b.Dog.Rest()
	if err != nil && !errors.Is(err, io.EOF) {
		err = Temporary{Err: b.Dog.Why(err)}
	}
	return n, err
}

// Close ends the request.
func (b WatchedBody) Close() error {
	b.Dog.End()
	return b.ReadCloser.Close()
}
