package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/internal/replace"
	"qimport/internal/spelling"
)

func manCommand(s stdio) *cli.Command {
	return command(s, "man", "[COMMAND|DIR]", "print a man page, or write all of them into a directory", `
Without an argument it is the page of the program. DIR is what is no command's name, and must be there.

Examples:
  qimport man import | man -l -
  qimport man /usr/local/share/man/man1`,
		0, 1, nil, func(_ context.Context, c call) error {
			app := application(c.stdio)
			switch what := c.Args().First(); {
			case what == "":
				_, err := c.out.Write(manPage(app, nil))
				return err
			case app.Command(what) != nil:
				_, err := c.out.Write(manPage(app, app.Command(what)))
				return err
			default:
				return c.writeManPages(app, what)
			}
		})
}

// writeManPages writes the pages of the program and of its commands into a directory.
func (c call) writeManPages(app *cli.App, dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		var names []string
		for _, command := range app.Commands {
			names = append(names, command.Name)
		}
		return usagef("%q is neither a command%s nor a directory", dir, spelling.DidYouMean(dir, names))
	}
	pages := map[string][]byte{"qimport.1": manPage(app, nil)}
	for _, command := range app.Commands {
		pages["qimport-"+command.Name+".1"] = manPage(app, command)
	}
	for name, page := range pages {
		if err := replace.WriteFile(filepath.Join(dir, name), page, replace.Shared); err != nil {
			return err
		}
	}
	c.note("%d pages", len(pages))
	return nil
}

// roff is a page in the language of man pages.
type roff struct{ strings.Builder }

// manPage is the page of a command, or of the program.
func manPage(app *cli.App, c *cli.Command) []byte {
	var r roff
	if c == nil {
		r.begin("qimport", app.Usage)
		r.section("SYNOPSIS")
		r.text(`\fBqimport\fR \fICOMMAND\fR [\fIFLAGS\fR] [\fIARGUMENTS\fR]`)
		r.description(app.Description)
		r.section("COMMANDS")
		for _, c := range app.Commands {
			r.item(`\fBqimport\-`+escaped(c.Name)+`\fR(1)`, c.Usage)
		}
		return []byte(r.String())
	}
	r.begin("qimport-"+c.Name, c.Usage)
	r.section("SYNOPSIS")
	r.text(strings.TrimSpace(`\fBqimport ` + escaped(c.Name) + `\fR [\fIFLAGS\fR] ` + escaped(c.ArgsUsage)))
	r.description(c.Description)
	r.section("OPTIONS")
	r.text("Flags may stand before and after the other arguments; what follows \\fB\\-\\-\\fR is no flag.")
	for _, flags := range grouped(c.VisibleFlags()) {
		fmt.Fprintf(&r, ".SS %s\n", flags[0].group)
		for _, f := range flags {
			r.flag(f)
		}
	}
	r.section("SEE ALSO")
	r.text(`\fBqimport\fR(1)`)
	return []byte(r.String())
}

// begin writes the title and the name.
func (r *roff) begin(name, usage string) {
	fmt.Fprintf(r, ".TH %s 1 %q %q qimport\n", strings.ToUpper(escaped(name)), commitDay(), "qimport "+version)
	r.section("NAME")
	r.text(escaped(name) + ` \- ` + escaped(usage))
}

// commitDay is the day of what this program was built from; "" where that is not known.
func commitDay() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if day, _, found := strings.Cut(s.Value, "T"); s.Key == "vcs.time" && found {
				return day
			}
		}
	}
	return ""
}

// description writes a description's parts: prose, then sections of their own.
func (r *roff) description(text string) {
	for i, p := range parts(text) {
		switch {
		case p.title != "":
			r.section(strings.ToUpper(p.title))
		case i == 0:
			r.section("DESCRIPTION")
		default:
			r.WriteString(".PP\n")
		}
		if p.asIs() {
			r.WriteString(".nf\n")
		}
		for _, l := range p.lines {
			r.text(escaped(l))
		}
		if p.asIs() {
			r.WriteString(".fi\n")
		}
	}
}

// flag writes what a flag is for.
func (r *roff) flag(f told) {
	head := `\fB` + escaped(strings.Join(f.names, ", ")) + `\fR`
	if f.value != "" {
		head += ` \fI` + escaped(f.value) + `\fR`
	}
	text := f.short
	if f.long != "" {
		text += ". " + strings.ReplaceAll(f.long, "\n", " ")
	}
	if f.otherwise != "" {
		text = strings.TrimSuffix(text, ".") + ". Default: " + f.otherwise + "."
	}
	r.item(head, text)
}

func (r *roff) section(title string) { fmt.Fprintf(r, ".SH %s\n", title) }

// item writes a paragraph under a head, which is roff already.
func (r *roff) item(head, text string) {
	fmt.Fprintf(r, ".TP\n%s\n", head)
	r.text(escaped(text))
}

// text writes a line of running text, which is roff already but for its beginning: there a dot or an
// apostrophe would be a request.
func (r *roff) text(line string) {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	r.WriteString(line + "\n")
}

// escaped is text as roff shows it.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\[u2026]`).Replace(text)
}
