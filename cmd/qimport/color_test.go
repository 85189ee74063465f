package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestPainted(t *testing.T) {
	text := "ok       smoke.load  it is okay  \nFAILED   smoke.state  bf16\nnot run  smoke.x  no\n         warning: look\nm: NOT verified (smoke: 1 of 3 checks failed, 1 not run)\n"
	want := "\x1b[32mok\x1b[0m       smoke.load  it is okay  \n\x1b[1;31mFAILED\x1b[0m   smoke.state  bf16\n\x1b[33mnot run\x1b[0m  smoke.x  no\n         \x1b[33mwarning\x1b[0m: look\nm: \x1b[1;31mNOT verified (smoke: 1 of 3 checks failed, 1 not run)\x1b[0m\n"
	if got := painted(text); got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// TestColors: the flag goes before NO_COLOR, that before the terminal; JSON and files have none unless they
// are asked for, and what a name would say to the terminal stays an escape.
func TestColors(t *testing.T) {
	for _, c := range []struct {
		args  string
		want  bool
		noEnv string
	}{
		{"frob\x1b[31m", false, ""},
		{"frob\x1b[31m --color always", true, ""},
		{"frob\x1b[31m --color=always", true, "1"},
		{"frob\x1b[31m --color=always --color never", false, ""},
	} {
		t.Setenv("NO_COLOR", c.noEnv)
		var out, errs bytes.Buffer
		if status := run(t.Context(), strings.Fields(c.args), stdio{in: strings.NewReader(""), out: &out, err: &errs}); status != exitUsage {
			t.Errorf("%q: exit status %d", c.args, status)
		}
		if got := strings.HasPrefix(errs.String(), red+"qimport:"+plain); got != c.want {
			t.Errorf("%q: %q", c.args, &errs)
		}
		if !strings.Contains(errs.String(), `frob\x1b[31m`) {
			t.Errorf("%q: the name is not harmless: %q", c.args, &errs)
		}
	}
}
