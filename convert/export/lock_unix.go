//go:build unix

package export

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFolder locks a folder, as long as it is open.
func lockFolder(path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOLCK) {
		err = nil // without locks nothing is ever taken for a leftover
	}
	return dir, err
}

// isLeftover tells that nobody has locked a folder.
func isLeftover(dir *os.File) bool {
	return unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
