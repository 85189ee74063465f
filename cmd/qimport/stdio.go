package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"qimport/internal/untrusted"
	"qimport/verify/report"
)

// stdio is where the program reads and writes, and how much of it the user wants.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	wishes
}

// wishes are the flags that every command has for its output.
type wishes struct {
	json  bool
	quiet bool
	color string // auto, always or never; "" is auto
}

// print writes a result to stdout: as the document with --json, else as text writes it. Either way
// nothing in it steers a terminal.
func (s stdio) print(document any, text func(io.Writer) error) error {
	var b bytes.Buffer
	if !s.json {
		err := text(&b)
		shown := untrusted.Lines(b.String(), 0)
		if s.colors(s.out) {
			shown = painted(shown)
		}
		_, written := io.WriteString(s.out, shown)
		return errors.Join(err, written)
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(document); err != nil {
		return err
	}
	_, err := s.out.Write(untrusted.JSON(b.Bytes()))
	return err
}

// maxLine is the most runes of a line of an error or a note: what they quote may be as long as a file.
const maxLine = 2000

// maxLines is the most lines of them.
const maxLines = 1000

// bounded is an error or a note as people are shown it.
func bounded(text string) string {
	lines := strings.Split(untrusted.Lines(text, maxLine), "\n")
	if n := len(lines); n > maxLines {
		lines = append(lines[:maxLines], fmt.Sprintf("… %d more lines", n-maxLines))
	}
	return strings.Join(lines, "\n")
}

// note tells the user something beside the result.
func (s stdio) note(format string, args ...any) {
	if !s.quiet {
		fprintln(s.err, "%s", bounded(fmt.Sprintf(format, args...)))
	}
}

// Note is a library's note to the user.
func (s stdio) Note(text string) { s.note("%s", text) }

// width is how many columns the window has that results go to; 0 where they go elsewhere.
func (s stdio) width() int {
	f, ok := s.out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// writeReport prints a verdict: with --quiet only what did not pass, and the last line.
func (s stdio) writeReport(w io.Writer, r *report.Report) error {
	if s.quiet {
		return r.WriteBrief(w, s.width())
	}
	return r.WriteWithin(w, s.width())
}

// isTerminal says whether a person reads or types at the other end of a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// fail reports how a command ended and returns the exit status.
func (s stdio) fail(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	status, hint := exitStatus(ctx, err)
	text := bounded(err.Error())
	if status == exitInterrupted {
		text = "interrupted"
	}
	if s.json {
		document := failure{Schema: 1, Error: text, Hint: hint, Status: status}
		b, _ := json.Marshal(document) // strings and a number
		fprintln(s.err, "%s", untrusted.JSON(b))
		return status
	}
	program, advice := "qimport:", "hint:"
	if s.colors(s.err) {
		program, advice = red+program+plain, yellow+advice+plain
	}
	fmt.Fprintf(s.err, "%s %s\n", program, text) // bounded has made it harmless
	if hint != "" {
		fmt.Fprintf(s.err, "%s %s\n", advice, untrusted.Lines(hint, 0))
	}
	return status
}

// failure is an error as JSON, on stderr.
type failure struct {
	Schema int    `json:"schema"`
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
	Status int    `json:"exit_status"`
}
