package main

import (
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/internal/table"
)

// plainWidth is how wide help is where there is no window, in columns.
const plainWidth = 100

// printsHelp is what the library calls for help: of the program, or of a command.
func (s stdio) printsHelp(out io.Writer, _ string, of any) {
	width := s.width()
	if width == 0 {
		width = plainWidth
	}
	var b strings.Builder
	switch of := of.(type) {
	case *cli.App:
		appHelp(&b, of, width)
	case *cli.Command:
		if of.Name == of.HelpName || len(of.Subcommands) > 0 { // the library's stand-in for the program
			appHelp(&b, application(s), width)
			break
		}
		b.WriteString(commandHelp(of, width))
	}
	text := b.String()
	if s.colors(s.out) {
		text = emboldened(text)
	}
	io.WriteString(out, text)
}

func appHelp(b *strings.Builder, app *cli.App, width int) {
	line(b, app.Name+": "+app.Usage, "", "  "+app.Name+" COMMAND [FLAGS] [ARGUMENTS]", "", "Commands")
	var rows [][]string
	for _, c := range app.Commands {
		if !c.Hidden && c.Name != "help" {
			rows = append(rows, []string{"  " + strings.Join(c.Names(), ", "), c.Usage})
		}
	}
	table.Write(b, width, rows)
	line(b, "", app.Description, "",
		app.Name+" COMMAND --help says more; "+app.Name+" man COMMAND | man -l - says all; --version says which this is.")
}

// screenful is how many lines a command's help has at most.
const screenful = 50

// commandHelp is what fits a screen: flags that are rare are only named, and of a long description it has
// the beginning and the examples.
func commandHelp(c *cli.Command, width int) string {
	all := parts(c.Description)
	text := helpOf(c, all, width)
	if strings.Count(text, "\n") <= screenful {
		return text
	}
	return helpOf(c, slices.DeleteFunc(all, func(p part) bool { return p.title == "" && !p.first }), width)
}

func helpOf(c *cli.Command, all []part, width int) string {
	b := new(strings.Builder)
	line(b, strings.TrimSpace("qimport "+c.Name+" [FLAGS] "+c.ArgsUsage), "  "+c.Usage)
	for _, p := range all {
		if p.title == "" {
			line(b, "")
			line(b, p.lines...)
		}
	}
	line(b, "")
	for _, flags := range grouped(c.VisibleFlags()) {
		flagHelp(b, flags, width)
	}
	for _, p := range all {
		switch {
		case p.title == "":
		case p.asIs():
			line(b, "", p.title+":")
			line(b, p.lines...)
		default:
			line(b, "", p.title+": "+p.lines[0])
			line(b, p.lines[1:]...)
		}
	}
	line(b, "", "qimport man "+c.Name+" | man -l - says all of it.")
	return b.String()
}

// flagHelp is a group of flags: a line for each, and the names of the rare.
func flagHelp(b *strings.Builder, flags []told, width int) {
	line(b, flags[0].group)
	var rows [][]string
	var also []string
	for _, f := range flags {
		switch {
		case f.names[len(f.names)-1] == "--help": // whoever reads this knows it
			continue
		case f.rare:
			also = append(also, f.names[0])
			continue
		}
		text := f.short
		if f.otherwise != "" {
			text += " (default: " + f.otherwise + ")"
		}
		rows = append(rows, []string{"  " + f.head(), text})
	}
	if len(also) > 0 {
		rows = append(rows, []string{"  also", strings.Join(also, ", ")})
	}
	var t strings.Builder
	table.Write(&t, width, aligned(rows))
	for l := range strings.Lines(t.String()) {
		line(b, strings.TrimRight(strings.ReplaceAll(l, "\u00a0", " "), " \n"))
	}
}

// headWidth is the room of flags, so that the texts of all groups begin in one column where most flags end.
const headWidth = 26

// aligned gives the first cells the same width in every group.
func aligned(rows [][]string) [][]string {
	for _, r := range rows {
		r[0] += strings.Repeat("\u00a0", max(0, headWidth-len(r[0])))
	}
	return rows
}

func line(b *strings.Builder, lines ...string) {
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
}
