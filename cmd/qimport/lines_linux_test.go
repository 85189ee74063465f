package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestEditor types on a terminal: the up key brings the last line back, several lines make one message, and
// the terminal is left as it was found.
func TestEditor(t *testing.T) {
	if !haveMLX() {
		t.Skip("models cannot be run here")
	}
	keys, terminal := openTerminal(t)
	found, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("qimport", "run", "../../testdata/qwen3.5-bf16", "--device", "cpu") // testscript.Main has it in PATH
	command.Stdin, command.Stdout, command.Stderr = terminal, terminal, terminal
	command.Env = append(os.Environ(), "TERM=xterm")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	screen := newScreen(keys)
	const up = "\x1b[A"
	for _, step := range []struct{ keys, shows string }{
		{"", "/bye ends"},
		{"", "> "},
		{"What is 2+2?\r", "is 4."},
		{"", "tokens at"},
		{"", "> "},
		{up + "\r", "What is 2+2?"},
		{"", "is 4."},
		{"", "tokens at"},
		{"", "> "},
		{"x\x03", "> "}, // ctrl-C begins the line anew
		{`"""Say` + "\r" + `hello."""` + "\r", "tokens at"},
		{"", "> "},
		{"/bye\r", "/bye"},
	} {
		if _, err := io.WriteString(keys, step.keys); err != nil {
			t.Fatal(err)
		}
		screen.await(t, step.shows)
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
	left, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *left != *found {
		t.Errorf("the terminal is left with %+v; it had %+v", left, found)
	}
}

// screen is what a terminal has shown.
type screen struct {
	shown <-chan string
	text  string // of what was not waited for yet
}

func newScreen(keys io.Reader) *screen {
	shown := make(chan string, 100)
	go func() {
		defer close(shown)
		for b := make([]byte, 4096); ; {
			n, err := keys.Read(b)
			shown <- string(b[:n])
			if err != nil {
				return
			}
		}
	}()
	return &screen{shown: shown}
}

// await waits until the terminal shows a text, and forgets what came up to there.
func (s *screen) await(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		if strings.Contains(s.text, "^[[A") {
			t.Fatalf("a key is shown as its code: %q", s.text)
		}
		if _, after, found := strings.Cut(s.text, want); found {
			s.text = after
			return
		}
		select {
		case piece, more := <-s.shown:
			if s.text += piece; !more {
				t.Fatalf("it ended without %q: %q", want, s.text)
			}
		case <-deadline:
			t.Fatalf("no %q in %q", want, s.text)
		}
	}
}

// openTerminal makes a terminal, and the end at which one types and sees.
func openTerminal(t *testing.T) (keys, terminal *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(keys.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keys, terminal
}
