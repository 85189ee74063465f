package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// keyOfCtrlC lets a terminal give ctrl-C to who reads it as a key, instead of sending a signal.
func keyOfCtrlC(terminal *os.File) error {
	console := windows.Handle(terminal.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return err
	}
	return windows.SetConsoleMode(console, mode&^windows.ENABLE_PROCESSED_INPUT)
}
