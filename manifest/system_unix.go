//go:build unix

package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// noWait opens a pipe without waiting for its other end.
const noWait = unix.O_NONBLOCK

// openToFlush is how a file is opened that is only to be brought to the disk.
const openToFlush = os.O_RDONLY

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// isReadOnly tells that a whole file system is.
func isReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }

func isNotEmpty(err error) bool { return errors.Is(err, unix.ENOTEMPTY) }

// openNoLink opens a file for reading, and nothing that a link at its path leads to.
func openNoLink(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|noWait|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ELOOP) {
		if info, err := os.Lstat(path); err == nil {
			return nil, checkRegular(path, info)
		}
	}
	return file, err
}

// inodeOf is the number of a file and when anything about it last changed, in nanoseconds.
func inodeOf(info os.FileInfo) (inode uint64, change int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return st.Ino, changed(st)
}

func (f files) renameFile(from, to string) error {
	return f.twice("rename", from, to, unix.Renameat)
}

func (f files) linkFile(from, to string) error {
	return f.twice("link", from, to, func(fromDir int, from string, toDir int, to string) error {
		return unix.Linkat(fromDir, from, toDir, to, 0)
	})
}

func (f files) touchFile(path string) error {
	return f.folder(path, func(dir int, base string) error {
		if err := touchAt(dir, base); err != nil {
			return &fs.PathError{Op: "touch", Path: path, Err: err}
		}
		return nil
	})
}

// flock waits for the kernel's lock on a file until ctx ends.
func flock(ctx context.Context, file *os.File, exclusive bool) error {
	how := unix.LOCK_SH | unix.LOCK_NB
	if exclusive {
		how = unix.LOCK_EX | unix.LOCK_NB
	}
	for {
		err := unix.Flock(int(file.Fd()), how)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return os.NewSyscallError("flock", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockRetry):
		}
	}
}
