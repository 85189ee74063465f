package manifest

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestLockOfARemovedFolder takes a lock again and again while every holder removes its folder: a lock
// on a file that is gone would let two in.
func TestLockOfARemovedFolder(t *testing.T) {
	root := t.TempDir()
	f := files{root: root}
	path := filepath.Join(root, "fp", lockName)
	var holders atomic.Int32
	g, ctx := errgroup.WithContext(context.Background())
	for range 4 {
		g.Go(func() error {
			for range 100 {
				l, err := f.acquire(ctx, path, true, lockRetry)
				if errors.Is(err, ErrLocked) {
					continue
				}
				if err != nil {
					return err
				}
				if holders.Add(1) > 1 {
					return errors.New("two hold the lock")
				}
				time.Sleep(50 * time.Microsecond)
				holders.Add(-1)
				if err := errors.Join(f.removeStaging(filepath.Dir(path)), l.Close()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func TestLockStopsWaiting(t *testing.T) {
	f := files{root: t.TempDir()}
	path := filepath.Join(f.root, lockName)
	for range 2 { // shared ones do not exclude each other
		shared, err := f.acquire(context.Background(), path, false, lockRetry)
		if err != nil {
			t.Fatal(err)
		}
		defer shared.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*lockRetry)
	defer cancel()
	if _, err := f.acquire(ctx, path, true, 0); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrLocked) {
		t.Errorf("when the caller gives up: %v", err)
	}
}
