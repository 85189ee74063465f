package main

import (
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"qimport"
	"qimport/internal/untrusted"
)

// progress shows how far long work is: a bar on a terminal, a line now and then elsewhere,
// nothing with --quiet.
type progress struct {
	title string
	out   io.Writer
	bar   func(kind barKind) *progressbar.ProgressBar // nil where there is no terminal
	made  *progressbar.ProgressBar                    // nil until there is something to show
	now   func() time.Time
	start time.Time
	last  time.Time // of the last line
}

// barKind is what a bar shows.
type barKind uint8

const (
	bytesDone barKind = iota
	steps
)

// lineInterval is how often a line is written where there is no terminal.
const lineInterval = 10 * time.Second

// Begin starts showing work, for a library that is watched.
func (s stdio) Begin(title string) qimport.Progress { return s.progress(title) }

// progress starts showing work that is measured in bytes.
func (s stdio) progress(title string) *progress {
	p := &progress{title: title, out: s.err, now: time.Now}
	if s.quiet {
		p.out = io.Discard
	} else if isTerminal(s.err) {
		p.bar = func(kind barKind) *progressbar.ProgressBar { return newBar(s.err, title, kind) }
	}
	p.start = p.now()
	p.last = p.start
	return p
}

// newBar is a bar of bytes, or a spinner beside words where nobody knows how much is left.
func newBar(out io.Writer, title string, kind barKind) *progressbar.ProgressBar {
	options := []progressbar.Option{
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(title),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionClearOnFinish(),
	}
	if kind == bytesDone {
		options = append(options, progressbar.OptionShowBytes(true), progressbar.OptionShowCount(),
			progressbar.OptionFullWidth(), progressbar.OptionSetPredictTime(true))
	} else {
		options = append(options, progressbar.OptionSpinnerType(spinner), progressbar.OptionSetElapsedTime(true))
	}
	bar := progressbar.NewOptions64(-1, options...)
	bar.StartWithoutRender() // its rate counts from here, not from the first bytes
	return bar
}

// spinner is the library's number of a plain one: - \ | /.
const spinner = 9

// Bytes shows that done of total bytes are through.
func (p *progress) Bytes(done, total int64) {
	if p.bar != nil {
		if p.made == nil {
			p.made = p.bar(bytesDone)
		}
		if p.made.GetMax64() != total {
			p.made.ChangeMax64(total)
		}
		p.made.Set64(done)
		return
	}
	now := p.now()
	if now.Sub(p.last) < lineInterval || total <= 0 {
		return
	}
	p.last = now
	rate := float64(done) / now.Sub(p.start).Seconds()
	left := "?"
	if rate > 0 {
		left = time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	fprintln(p.out, "%s: %d%%, %s of %s, %s/s, %s left", p.title, 100*done/total,
		humanize.Bytes(uint64(done)), humanize.Bytes(uint64(total)), humanize.Bytes(uint64(rate)), left)
}

// Step shows what is being done, where there is no measure of how much is left.
func (p *progress) Step(what string) {
	if p.bar != nil {
		if p.made == nil { // a bar of bytes would say 0 B
			p.made = p.bar(steps)
		}
		p.made.Describe(p.title + ": " + untrusted.Text(what))
		p.made.Add(0)
		return
	}
	if now := p.now(); now.Sub(p.last) >= lineInterval {
		p.last = now
		fprintln(p.out, "%s: %s", p.title, what)
	}
}

// End takes the bar away.
func (p *progress) End() {
	if p.made != nil {
		p.made.Clear()
		p.made.Exit()
	}
}
