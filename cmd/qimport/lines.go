package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/peterh/liner"
)

// lineReader reads what a person types, a line at a time; io.EOF ends it.
type lineReader interface {
	Line(prompt string) (string, error)
	Close()
}

// newLines reads lines from a terminal, with an editor where the answers go to one too.
func newLines(ctx context.Context, s stdio) lineReader {
	if s.in == os.Stdin && s.out == os.Stdout && isTerminal(s.in) && isTerminal(s.out) && liner.TerminalSupported() {
		if e, err := newEditor(ctx); err == nil {
			return e
		}
	}
	return plainLines{bufio.NewReaderSize(s.in, 1<<16), s.err}
}

// editor is a line editor with a history. While no line is read the terminal is as it was found, so that
// ctrl-C is a signal, and a program that is killed leaves no strange terminal behind.
type editor struct {
	state      *liner.State
	found, raw liner.ModeApplier
	stop       func() bool
}

func newEditor(ctx context.Context) (*editor, error) {
	found, err := liner.TerminalMode()
	if err != nil {
		return nil, err
	}
	e := &editor{state: liner.NewLiner(), found: found}
	e.state.SetCtrlCAborts(true)
	e.state.SetMultiLineMode(true)
	// The library makes ctrl-C a key only after it has shown the prompt, and whoever is quicker would end the
	// program: here it is one from before.
	if err = keyOfCtrlC(os.Stdin); err == nil {
		e.raw, err = liner.TerminalMode()
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	e.stop = context.AfterFunc(ctx, func() { _ = found.ApplyMode() }) // nothing else wakes who waits for a key
	return e, found.ApplyMode()
}

// Line reads a line. Ctrl-C begins it anew.
func (e *editor) Line(prompt string) (string, error) {
	if err := e.raw.ApplyMode(); err != nil {
		return "", err
	}
	defer func() { _ = e.found.ApplyMode() }()
	line, err := e.state.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", nil
	}
	if err == nil && line != "" {
		e.state.AppendHistory(line)
	}
	return line, err
}

func (e *editor) Close() {
	if e.stop != nil {
		e.stop()
	}
	_ = e.state.Close() // puts the terminal back
}

// plainLines reads from a terminal without a library's help, where the answers go elsewhere.
type plainLines struct {
	in     *bufio.Reader
	prompt io.Writer
}

func (p plainLines) Line(prompt string) (string, error) {
	fmt.Fprint(p.prompt, prompt)
	line, err := p.in.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

func (p plainLines) Close() {}
