package transfer

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Patience is how long a transfer waits, and how often it tries again.
type Patience struct {
	Tries   int              // in a row that brought nothing
	First   time.Duration    // before the second try; each further wait is twice as long
	Longest time.Duration    // of these waits
	Asked   time.Duration    // the longest wait that the other side may ask for with Retry-After
	Stall   time.Duration    // without an answer or a byte
	Final   func(error) bool // what no further try mends, beside what is not temporary; nil for nothing
}

// UsualPatience is that of a user who has a network.
func UsualPatience() Patience {
	return Patience{Tries: 6, First: time.Second, Longest: 30 * time.Second, Asked: time.Minute, Stall: time.Minute}
}

// Temporary marks an error after which another try may do better.
type Temporary struct {
	Err   error
	After time.Duration // as the other side asked for; 0 where it did not
}

func (t Temporary) Error() string { return t.Err.Error() }
func (t Temporary) Unwrap() error { return t.Err }

// Retry calls try until it succeeds, fails for good, or fails too often in a row without progress.
func (p Patience) Retry(ctx context.Context, try func() (progress bool, err error)) error {
	wait, failures := p.First, 0
	for {
		progress, err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if progress {
			wait, failures = p.First, 0
		}
		failures++
		var t Temporary
		if !errors.As(err, &t) || failures >= p.Tries || p.Final != nil && p.Final(err) {
			return err
		}
		jitter := rand.N(wait/4 + 1) // so that many do not come back at once
		if err := sleep(ctx, max(wait+jitter, min(t.After, p.Asked))); err != nil {
			return err
		}
		wait = min(2*wait, p.Longest)
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

// RetryAfter reads the header of that name, seconds or a date; 0 where there is none.
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// Unreachable says that there was no connection at all, as where there is no network.
func Unreachable(err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	return errors.As(err, &name) || errors.As(err, &dial) && dial.Op == "dial"
}
