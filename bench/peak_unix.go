//go:build unix

package main

import (
	"os"
	"syscall"
)

// peakOf is the most that a process had resident, in bytes.
func peakOf(ended *os.ProcessState) int64 { return ended.SysUsage().(*syscall.Rusage).Maxrss << 10 }
