package manifest

import (
	"context"
	"errors"
	"io/fs"
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
	// lockTries is how often a folder is made again that others keep removing.
	lockTries = 1000
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
	for try := 0; ; try++ {
		err := f.mkdir(filepath.Dir(path))
		if err != nil {
			if try < lockTries && removedMeanwhile(err) {
				continue
			}
			return nil, err
		}
		l := flock.New(path, flock.SetPermissions(0o644))
		lock := l.TryRLockContext
		if exclusive {
			lock = l.TryLockContext
		}
		_, err = lock(waiting, lockRetry)
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

// removedMeanwhile reports whether making a folder failed because another process removed it, or one
// above it, in between: os.MkdirAll then finds it existing and a moment later gone.
func removedMeanwhile(err error) bool {
	var at *fs.PathError
	if !errors.As(err, &at) || !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	info, err := os.Lstat(at.Path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir()
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
