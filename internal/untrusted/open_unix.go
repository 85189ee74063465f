//go:build unix

package untrusted

import (
	"os"
	"syscall"
)

// openNow opens without waiting: what became a pipe since it was looked at has no writer to wait for.
// Reads of a regular file wait as ever.
func openNow(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	c, err := f.SyscallConn()
	if err == nil {
		err = c.Control(func(fd uintptr) { _ = syscall.SetNonblock(int(fd), false) }) // of no effect on what is kept
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
