package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// flush brings every file system to the disk, for want of a call for one.
func flush(string) error { return unix.Sync() }

func startWriteback(*os.File, int64, int64) {}
