package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// patience is how long a fetch waits, and how often it tries again.
type patience struct {
	tries   int              // in a row that brought nothing
	first   time.Duration    // before the second try; each further wait is twice as long
	longest time.Duration    // of these waits
	asked   time.Duration    // the longest wait that a hub may ask for with Retry-After
	stall   time.Duration    // without an answer or a byte
	final   func(error) bool // what no further try mends, beside what is not temporary; nil for nothing
}

func usualPatience() patience {
	return patience{tries: 6, first: time.Second, longest: 30 * time.Second, asked: time.Minute, stall: time.Minute}
}

// temporary marks an error after which another try may do better.
type temporary struct {
	error
	after time.Duration // as the hub asked for; 0 where it did not
}

func (t temporary) Unwrap() error { return t.error }

// retry calls try until it succeeds, fails for good, or fails too often in a row without progress.
func (p patience) retry(ctx context.Context, try func() (progress bool, err error)) error {
	wait, failures := p.first, 0
	for {
		progress, err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if progress {
			wait, failures = p.first, 0
		}
		failures++
		var t temporary
		if !errors.As(err, &t) || failures >= p.tries || p.final != nil && p.final(err) {
			return err
		}
		jitter := rand.N(wait/4 + 1) // so that many do not come back at once
		if err := sleep(ctx, max(wait+jitter, min(t.after, p.asked))); err != nil {
			return err
		}
		wait = min(2*wait, p.longest)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// retryAfter reads the header of that name, seconds or a date; 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
