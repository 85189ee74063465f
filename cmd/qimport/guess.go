package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/internal/spelling"
)

// noCommand is the error of a first argument that names no command.
func noCommand(c *cli.Context) error {
	var names []string
	for _, command := range c.App.Commands {
		names = append(names, command.Name)
	}
	return usagef("there is no command %q%s; qimport --help lists them", c.Args().First(), spelling.DidYouMean(c.Args().First(), names))
}

// unknownFlag is how the flag package of Go, under the parser's, complains of a flag that is not there.
const unknownFlag = "flag provided but not defined: -"

// usageError turns the parser's complaints into ours.
func usageError(c *cli.Context, err error, _ bool) error {
	typed, unknown := strings.CutPrefix(err.Error(), unknownFlag)
	if !unknown {
		return usagef("%w", err)
	}
	var names []string
	for _, flag := range c.Command.Flags {
		for _, name := range flag.Names() {
			names = append(names, dashes(name))
		}
	}
	where := strings.TrimSpace("qimport " + strings.TrimPrefix(c.Command.Name, "qimport"))
	return usagef("there is no flag %s%s; %s --help lists them", dashes(typed), spelling.DidYouMean(dashes(typed), names), where)
}

// dashes writes a flag as one types it.
func dashes(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
