package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// flush brings a folder's file system to the disk.
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

func startWriteback(file *os.File, offset, bytes int64) {
	_ = unix.SyncFileRange(int(file.Fd()), offset, bytes, unix.SYNC_FILE_RANGE_WRITE)
}
