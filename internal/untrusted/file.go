package untrusted

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrNotRegular marks a path that leads to something that is no file of bytes.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge marks a file of more bytes than it can rightly have.
var ErrTooLarge = errors.New("too large")

// Open opens a regular file for reading; links are followed. What else a path may lead to is refused
// by its kind, without waiting for it: a pipe has no end, and some devices act when they are opened.
func Open(path string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		if p, ok := err.(*fs.PathError); ok {
			p.Op = "open" // what was wanted of it
		}
		return nil, nil, err
	}
	if err := CheckRegular(path, info); err != nil {
		return nil, nil, err
	}
	f, err := openNow(path)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil { // what was opened may be another file than what was looked at
		err = CheckRegular(path, info)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// CheckRegular refuses what is no regular file, and says what it is instead.
func CheckRegular(path string, info os.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s is %s, %w", path, kind(info.Mode()), ErrNotRegular)
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else" // of a system of its own
}

// ReadFile reads a regular file whole, if it has at most max bytes. It reads as many as the file has
// when it is opened: one that shrinks meanwhile is io.ErrUnexpectedEOF, and one that grows ends where
// it ended.
func ReadFile(path string, max int64) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := CheckSize(path, info.Size(), max); err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("%s ended before its %d bytes were read: %w", path, len(b), noEOF(err))
	}
	return b, nil
}

// CheckSize refuses a file that is larger than its kind can rightly be.
func CheckSize(path string, size, max int64) error {
	if size <= max {
		return nil
	}
	return fmt.Errorf("%s has %d bytes, more than the %d that are read of such a file: %w", path, size, max, ErrTooLarge)
}

// noEOF makes an end of file that comes at once the same as one that comes later.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadAll reads a stream to its end, if that comes within max bytes. what names it.
func ReadAll(r io.Reader, what string, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%s has more than the %d bytes that are read of it: %w", what, max, ErrTooLarge)
	}
	return b, nil
}
