package replace

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// unnamed opens a file without a name in path's folder, or gives nil where there are none: a file system may not
// have them (O_TMPFILE of open(2)), and a name is given by way of /proc.
func unnamed(path string, mode Mode) *os.File {
	permissions := uint32(0o600)
	if mode != Private {
		permissions = 0o644
	}
	fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, permissions)
	if err != nil {
		return nil // what is wrong with the folder says who opens a file with a name there
	}
	f := os.NewFile(uintptr(fd), path)
	_, err = os.Stat(inProc(f))
	if err == nil && mode == Public {
		err = f.Chmod(fs.FileMode(permissions))
	}
	if err != nil {
		f.Close()
		return nil
	}
	return f
}

func inProc(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// nameIt gives a file its name. A link takes no other file's place: where there is one already, it gets a name beside
// it first, and then that file's by a rename.
func nameIt(f *os.File, path string) error {
	link := func(name string) error {
		return unix.Linkat(unix.AT_FDCWD, inProc(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	}
	err := link(path)
	for errors.Is(err, fs.ErrExist) {
		beside := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s%016x", filepath.Base(path), rand.Uint64()))
		if err = link(beside); err != nil {
			continue
		}
		if err = os.Rename(beside, path); err != nil {
			return errors.Join(err, os.Remove(beside))
		}
	}
	if err != nil {
		return &fs.PathError{Op: "link", Path: path, Err: err}
	}
	return nil
}
