package encode

import "sync"

// Progress is how far reading a source has come, in its bytes.
type Progress struct {
	Done, Total int64
	Reused      int64  // of Done: what was there already
	Blob        string // the one last worked on
	Flushing    bool   // all is written, and on its way to the disk
}

// Meter counts the bytes of a source that are through, and tells whoever asked.
type Meter struct {
	report func(Progress)

	mu   sync.Mutex // guards what follows
	done Progress
}

// NewMeter counts up to total bytes. report is called often, by one goroutine at a time; nil is no one.
func NewMeter(total int64, report func(Progress)) *Meter {
	return &Meter{report: report, done: Progress{Total: total}}
}

// Advance adds n bytes, read for that blob or there already.
func (m *Meter) Advance(blob string, n int64, reused bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done.Done += n
	m.done.Blob = blob
	if reused {
		m.done.Reused += n
	}
	m.tell()
}

// Flushing says that only the disk is waited for.
func (m *Meter) Flushing() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done.Flushing = true
	m.tell()
}

func (m *Meter) tell() {
	if m.report != nil {
		m.report(m.done)
	}
}

// Read is how many bytes were read, those left out that were there already.
func (m *Meter) Read() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done.Done - m.done.Reused
}
