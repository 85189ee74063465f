package qimport

import "golang.org/x/sys/unix"

// peakMemory is the most that this process had resident, in bytes; 0 where that is not known.
func peakMemory() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Maxrss // bytes here, where Linux has kilobytes
}
