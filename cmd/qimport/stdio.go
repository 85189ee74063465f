package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"golang.org/x/term"
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
}

// print writes a result to stdout: as the document with --json, else as text writes it.
func (s stdio) print(document any, text func(io.Writer) error) error {
	if !s.json {
		return text(s.out)
	}
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

// note tells the user something beside the result.
func (s stdio) note(format string, args ...any) {
	if !s.quiet {
		fprintln(s.err, format, args...)
	}
}

// Note is a library's note to the user.
func (s stdio) Note(text string) { s.note("%s", text) }

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
	text := err.Error()
	if status == exitInterrupted {
		text = "interrupted"
	}
	if s.json {
		document := failure{Schema: 1, Error: text, Hint: hint, Status: status}
		b, _ := json.Marshal(document) // strings and a number
		fprintln(s.err, "%s", b)
		return status
	}
	fprintln(s.err, "qimport: %s", text)
	if hint != "" {
		fprintln(s.err, "hint: %s", hint)
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
