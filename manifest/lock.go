package manifest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// ErrLocked marks work that another process is doing at this moment.
var ErrLocked = errors.New("in use by another process")

const (
	lockName  = "lock"
	lockRetry = 20 * time.Millisecond
	// lockWait outlasts the moment in which GC looks whether an import is running.
	lockWait = 500 * time.Millisecond
)

// acquire locks the file at path, which is made if need be, with its folder. The lock is the
// kernel's: it vanishes with the process. It is waited for until ctx ends or, where wait is not 0,
// for that long; then the error is ErrLocked.
func (f files) acquire(ctx context.Context, path string, exclusive bool, wait time.Duration) (*flock.Flock, error) {
	waiting := ctx
	if wait > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	for {
		if err := f.mkdir(filepath.Dir(path)); err != nil {
			return nil, err
		}
		l := flock.New(path, flock.SetPermissions(0o644))
		try := l.TryRLockContext
		if exclusive {
			try = l.TryLockContext
		}
		_, err := try(waiting, lockRetry)
		switch {
		case err == nil && sameFile(l, path):
			return l, nil
		case err == nil, errors.Is(err, os.ErrNotExist):
			l.Close() // the folder was removed between our opening the file and locking it
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return nil, errors.Join(ErrLocked, l.Close())
		default:
			return nil, errors.Join(explain(f.root, err), l.Close())
		}
	}
}

// sameFile reports whether the locked file still is the one at path.
func sameFile(l *flock.Flock, path string) bool {
	locked, err := l.Stat()
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(locked, info)
}
