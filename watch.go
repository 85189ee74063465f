package qimport

import (
	"fmt"

	"qimport/convert/encode"
)

// Watcher is told what happens while a call runs.
type Watcher interface {
	// Note is something to know beside the result, in one sentence.
	Note(text string)
	// Begin announces long work, in a word: "fetch", "import", "verify", "export".
	Begin(work string) Progress
}

// Progress shows how far one piece of long work is. Its methods are called by one goroutine at a time.
type Progress interface {
	Bytes(done, total int64)
	Step(what string) // where nobody knows how much is left
	End()
}

// notef tells a watcher, if there is one.
func notef(w Watcher, format string, args ...any) {
	if w != nil {
		w.Note(fmt.Sprintf(format, args...))
	}
}

// begin is a progress in any case.
func begin(w Watcher, work string) Progress {
	if w == nil {
		return unwatched{}
	}
	return w.Begin(work)
}

// unwatched shows nothing.
type unwatched struct{}

func (unwatched) Bytes(int64, int64) {}
func (unwatched) Step(string)        {}
func (unwatched) End()               {}

// encoding shows how far an engine is.
func encoding(p Progress) func(encode.Progress) {
	return func(e encode.Progress) {
		if e.Flushing {
			p.Step("waiting for the disk")
			return
		}
		p.Bytes(e.Done, e.Total)
	}
}
