package qimport

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// changedNow is the time of change that the evidence for a file would name.
func changedNow(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(time.Unix(info.Sys().(*syscall.Stat_t).Ctimespec.Unix()).UnixNano(), 10)
}
