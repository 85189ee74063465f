package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
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

// lock is a lock of the kernel's on a file: it vanishes with the process.
type lock struct{ file *os.File }

// Close gives the lock back.
func (l *lock) Close() error { return l.file.Close() }

// acquire locks the file at path, which is made if need be, with its folder. It is waited for until
// ctx ends or, where wait is not 0, for that long; then the error is ErrLocked.
func (f files) acquire(ctx context.Context, path string, exclusive bool, wait time.Duration) (*lock, error) {
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
		l, err := f.lockFile(waiting, path, exclusive)
		switch {
		case err == nil && f.sameFile(l, path):
			return l, nil
		case err == nil:
			l.Close() // the folder was removed between our opening the file and locking it
		case errors.Is(err, os.ErrNotExist) && try < lockTries: // or before
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return nil, ErrLocked
		default:
			return nil, explain(f.root, err)
		}
	}
}

// lockFile opens and locks the file at path.
func (f files) lockFile(ctx context.Context, path string, exclusive bool) (*lock, error) {
	file, err := f.openToWrite(path, os.O_RDWR|os.O_CREATE)
	if errors.Is(err, fs.ErrPermission) || isReadOnly(err) {
		file, _, err = f.open(path) // of another user: to read is enough to lock, but on some network file systems
	}
	if err != nil {
		return nil, err
	}
	if err := flock(ctx, file, exclusive); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &lock{file}, nil
}

// removedMeanwhile reports whether making a folder failed because another process removed it, or one
// above it, in between.
func removedMeanwhile(err error) bool {
	var at *fs.PathError
	if !errors.As(err, &at) || !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	info, err := os.Lstat(at.Path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir()
}

// sameFile reports whether the locked file still is the one at path.
func (f files) sameFile(l *lock, path string) bool {
	locked, err := l.file.Stat()
	if err != nil {
		return false
	}
	info, err := f.lstat(path)
	return err == nil && os.SameFile(locked, info)
}
