package manifest

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// There are no pipes among files here.
const noWait = 0

// openToFlush is how a file is opened that is only to be brought to the disk.
const openToFlush = os.O_RDWR

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// isReadOnly tells that a whole file system is.
func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

func isNotEmpty(err error) bool { return errors.Is(err, windows.ERROR_DIR_NOT_EMPTY) }

// openNoLink opens a file for reading, and nothing that a link at its path leads to.
func openNoLink(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// inodeOf tells nothing: neither is told with a file's size here. So there never is evidence for a file,
// and each is read before it is used.
func inodeOf(os.FileInfo) (inode uint64, change int64) { return 0, 0 }

// Two folders cannot be held open for a rename or a link from one to the other: whoever may write into
// the store could put a link there in between.

func (f files) renameFile(from, to string) error { return os.Rename(from, to) }

func (f files) linkFile(from, to string) error { return os.Link(from, to) }

func (f files) touchFile(path string) error {
	now := time.Now()
	return f.at(path, func(r *os.Root, rel string) error { return r.Chtimes(rel, now, now) })
}

func syncBatch(ctx context.Context, dir *os.Root, names []string) error {
	return syncEach(ctx, dir, names)
}

// startWriteback does nothing: this system has no call for it.
func startWriteback(*os.File, int64, int64) {}

func flush(file *os.File) error { return file.Sync() }

// lockedByte is the byte of a file that is locked, far behind what any has: what is locked can be read by
// nobody else here.
const lockedByte = 1 << 30 // in units of 4 GB

// flock waits for the system's lock on a file until ctx ends.
func flock(ctx context.Context, file *os.File, exclusive bool) error {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	for {
		err := windows.LockFileEx(windows.Handle(file.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedByte})
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, windows.ERROR_LOCK_VIOLATION) && !errors.Is(err, windows.ERROR_IO_PENDING):
			return os.NewSyscallError("LockFileEx", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockRetry):
		}
	}
}
