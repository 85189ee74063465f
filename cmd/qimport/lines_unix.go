//go:build linux || darwin

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// keyOfCtrlC lets a terminal give ctrl-C to who reads it as a key, instead of sending a signal.
func keyOfCtrlC(terminal *os.File) error {
	mode, err := unix.IoctlGetTermios(int(terminal.Fd()), getMode)
	if err != nil {
		return err
	}
	mode.Lflag &^= unix.ISIG
	return unix.IoctlSetTermios(int(terminal.Fd()), setMode, mode)
}
