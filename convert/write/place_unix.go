//go:build unix

package write

import (
	"os"
	"syscall"
)

// placeOf is what the system calls a file by.
func placeOf(_ string, info os.FileInfo) (device, inode uint64, err error) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), st.Ino, nil
	}
	return 0, 0, nil
}
