package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile is what a name, a prompt or an error may hold: a title for the terminal, colours, a line that
// runs backwards, a carriage return over what was said, and bytes that are no text.
const hostile = "\x1b]0;owned\x07\x1b[31m \u202etxt.exe\u2066 ok\r \u009b2J\x7f\u200f \xff end"

// TestNothingSteersTheTerminal: whatever is printed, as text or JSON, as result, note or error, holds no
// control but newlines and tabs, and nothing bidirectional; JSON means what it meant.
func TestNothingSteersTheTerminal(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		var out, errs bytes.Buffer
		s := stdio{in: strings.NewReader(""), out: &out, err: &errs, wishes: wishes{json: asJSON}}
		document := map[string]string{"schema": "1", "name": strings.ToValidUTF8(hostile, "")}
		err := s.print(document, func(w io.Writer) error {
			_, err := io.WriteString(w, hostile+"\nline\ttwo\n")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.note("%s", hostile)
		s.Note(hostile)
		if status := s.fail(context.Background(), errors.New(hostile)); status != exitFailed {
			t.Errorf("status %d", status)
		}
		c := call{stdio: s}
		if !asJSON {
			s.progress(hostile).Step(hostile)
		} else {
			var back map[string]string
			if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["name"] != document["name"] {
				t.Errorf("%q, %v", back, err)
			}
		}
		fprintln(c.err, "%s", hostile)
		for _, printed := range []string{out.String(), errs.String()} {
			if !utf8.ValidString(printed) {
				t.Errorf("invalid UTF-8: %q", printed)
			}
			for _, r := range printed {
				if r != '\n' && r != '\t' && (unicode.In(r, unicode.Cc, unicode.Cf) || unicode.Is(unicode.Bidi_Control, r)) {
					t.Errorf("%U in %q", r, printed)
				}
			}
		}
	}
}

// TestErrorsAreBounded: an error that quotes a file is cut, line by line, and says so.
func TestErrorsAreBounded(t *testing.T) {
	var errs bytes.Buffer
	s := stdio{err: &errs}
	s.fail(context.Background(), errors.New(strings.Repeat("x", 1<<20)+"\nsecond\n"+strings.Repeat("y\n", 5000)))
	lines := strings.Split(errs.String(), "\n")
	if len(lines) > maxLines+5 || !strings.HasSuffix(lines[0], "… 1046576 more") || utf8.RuneCountInString(lines[0]) > maxLine+50 || lines[1] != "second" {
		t.Errorf("%d lines, the first %.100q of %d bytes", len(lines), lines[0], len(lines[0]))
	}
	if !strings.Contains(errs.String(), "more lines") {
		t.Error("the lines left out are not told")
	}
}
