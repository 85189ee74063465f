package qimport

import (
	"bytes"
	"fmt"
	"os"
)

// peakMemory is the most that this process had resident, in bytes; 0 where that is not known. What getrusage
// says may be that of the program which started this one.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		var kB int64
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kB); n == 1 {
			return kB << 10
		}
	}
	return 0
}
