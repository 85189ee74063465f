package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// The values of --color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

var colorValues = []string{colorAuto, colorAlways, colorNever}

// asksForColor is the last value of the flag --color among the arguments, "" without one.
func asksForColor(args []string) (value string) {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if v, ok := strings.CutPrefix(arg, "--color="); ok {
			value = v
		} else if arg == "--color" && i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value
}

// colors says whether what goes to a stream has colours: as the flag says, else on a terminal, unless
// NO_COLOR is set or the terminal says that it has none.
func (s stdio) colors(stream any) bool {
	switch s.color {
	case colorAlways:
		return true
	case colorNever:
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(stream)
}

// The colours, as a terminal is told them; each of them ends in plain.
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

// paints are the words of results that have a colour, where they begin a line or a column, or are the
// verdict at its end.
var paints = []struct {
	color string
	words *regexp.Regexp
}{
	{red, regexp.MustCompile(`(?m)^FAILED(?:  )|(?:  )FAULT(?:  )|: NOT verified \(.*\)$|  not published:`)},
	{green, regexp.MustCompile(`(?m)^ok(?:  )|(?:  )ok(?:  )|: verified \(.*\)$`)},
	{yellow, regexp.MustCompile(`(?m)^not run(?:  )|^ +warning: `)},
}

// painted is a result's text with colours. It was made harmless before: nothing else in it steers a terminal.
func painted(text string) string {
	for _, p := range paints {
		text = p.words.ReplaceAllStringFunc(text, func(found string) string {
			inner := strings.Trim(found, " :")
			return strings.Replace(found, inner, p.color+inner+plain, 1)
		})
	}
	return text
}

// heading is a line of help that is one.
func heading(line string) bool {
	return slices.Contains(groups, line) || line == "Commands" || line == "Examples:" || line == "Example:"
}

// emboldened is help with its headings in bold.
func emboldened(help string) string {
	lines := strings.Split(help, "\n")
	for i, l := range lines {
		if heading(l) {
			lines[i] = bold + l + plain
		}
	}
	return strings.Join(lines, "\n")
}
