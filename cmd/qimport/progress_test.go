package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestProgressLines: without a terminal, a line every ten seconds and none in between.
func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	p := stdio{err: &out}.progress("import")
	at := p.start
	p.now = func() time.Time { return at }
	for second := range 31 {
		at = p.start.Add(time.Duration(second) * time.Second)
		p.Bytes(int64(second)*10_000_000, 400_000_000)
	}
	p.End()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := "import: 50%, 200 MB of 400 MB, 10 MB/s, 20s left"
	if len(lines) != 3 || lines[1] != want {
		t.Errorf("got %q; the second of three should be %q", lines, want)
	}
}

func TestProgressSteps(t *testing.T) {
	var out bytes.Buffer
	p := stdio{err: &out}.progress("verify")
	at := p.start
	p.now = func() time.Time { return at }
	p.Step("smoke.load")
	at = at.Add(lineInterval)
	p.Step("smoke.answer.1")
	if got := out.String(); got != "verify: smoke.answer.1\n" {
		t.Errorf("got %q", got)
	}
}

func TestProgressQuiet(t *testing.T) {
	var out bytes.Buffer
	p := stdio{err: &out, wishes: wishes{quiet: true}}.progress("import")
	p.now = func() time.Time { return p.start.Add(time.Hour) }
	p.Bytes(1, 2)
	p.Step("x")
	p.End()
	if out.Len() > 0 {
		t.Errorf("quiet, but %q", &out)
	}
}
