package main

import (
	"os"
	"os/exec"
	"testing"
)

// TestColorsOnTerminal: a terminal has colours, one that is dumb or of somebody who wants none has not.
func TestColorsOnTerminal(t *testing.T) {
	for _, c := range []struct{ env, shows string }{
		{"TERM=xterm", red + "qimport:" + plain + " there is no command"},
		{"TERM=dumb", "qimport: there is no command"},
		{"NO_COLOR=1", "qimport: there is no command"},
	} {
		keys, terminal := openTerminal(t)
		command := exec.Command("qimport", "frob") // testscript.Main has it in PATH
		command.Stdout, command.Stderr = terminal, terminal
		command.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", c.env)
		shown := newScreen(keys)
		if err := command.Run(); err == nil {
			t.Error("it ends well")
		}
		shown.await(t, c.shows)
	}
}
