//go:build unix

package manifest

import "syscall"

func makePipe(path string) error { return syscall.Mkfifo(path, 0o644) }
