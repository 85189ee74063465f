package main

import "golang.org/x/sys/unix"

// What reads the mode of a terminal, and what sets it.
const getMode, setMode = unix.TIOCGETA, unix.TIOCSETA
