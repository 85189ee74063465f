package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// mayWriteIn does not know: who may do what is found out by doing it.
func mayWriteIn(string) error { return nil }

// deviceOf names the volume that a folder lies on.
func deviceOf(dir string, _ os.FileInfo) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return strings.ToLower(filepath.VolumeName(dir))
}

// freeBytes is what this user may still write on the volume of a folder.
func freeBytes(dir string) (free int64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var n uint64
	err = windows.GetDiskFreeSpaceEx(path, &n, nil, nil)
	return int64(n), err
}

// ownerAdvice is for systems where Ollama often runs as a user of its own.
func (s *Store) ownerAdvice(os.FileInfo) string { return "" }

func permissionAdvice(root string) string {
	return fmt.Sprintf("the store %s cannot be read or written by this user: choose another with --store", root)
}
