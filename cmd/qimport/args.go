package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// interspersed puts the flags of a command line before its other arguments, wherever they were:
// the parser stops at the first argument that is no flag. Flags may stand before the command's
// name, too. After "--" nothing is a flag.
func interspersed(app *cli.App, args []string) []string {
	at := commandIndex(app, args)
	if at < 0 {
		return args
	}
	command := app.Command(args[at])
	flags, rest := divide(command.Flags, append(append([]string{}, args[:at]...), args[at+1:]...))
	sorted := append([]string{command.Name}, flags...)
	if len(rest) > 0 {
		sorted = append(append(sorted, "--"), rest...)
	}
	return sorted
}

// asksForJSON says whether the flag --json is among the arguments.
func asksForJSON(args []string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "--json" || arg == "-json" {
			return true
		}
	}
	return false
}

// commandIndex finds the first argument that names a command, with nothing but flags, and perhaps
// a flag's value, before it; -1 if there is none.
func commandIndex(app *cli.App, args []string) int {
	for i, arg := range args {
		if arg == "--" {
			return -1
		}
		if strings.HasPrefix(arg, "-") {
			continue
		}
		command := app.Command(arg)
		if command == nil && (i == 0 || !strings.HasPrefix(args[i-1], "-")) {
			return -1
		}
		if command != nil && command.Name != "help" {
			return i
		}
	}
	return -1
}

// divide separates flags, with their values, from arguments.
func divide(known []cli.Flag, args []string) (flags, rest []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return flags, append(rest, args[i+1:]...)
		case !strings.HasPrefix(arg, "-") || arg == "-":
			rest = append(rest, arg)
		default:
			flags = append(flags, arg)
			if takesValue(known, arg) && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		}
	}
	return flags, rest
}

// takesValue says whether the argument after a flag is its value.
func takesValue(known []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, flag := range known {
		for _, n := range flag.Names() {
			if n == name {
				_, isBool := flag.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
