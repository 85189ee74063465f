package transfer

import (
	"sync"
	"time"
)

// Meter adds up what several transfers have brought, and tells it now and then.
type Meter struct {
	mu          sync.Mutex
	done, total int64
	last        time.Time
	tell        func(done, total int64) // nil for nobody
}

// between is how often a Meter tells at most.
const between = 50 * time.Millisecond

// NewMeter is one that tells of its bytes, by one goroutine at a time; tell may be nil.
func NewMeter(tell func(done, total int64)) *Meter { return &Meter{tell: tell} }

// Expect counts n more bytes that are to come.
func (m *Meter) Expect(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += n
}

// Add counts n more bytes that are through, fewer where one begins anew.
func (m *Meter) Add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	now := time.Now()
	if m.tell != nil && (now.Sub(m.last) >= between || m.done == m.total) {
		m.last = now
		m.tell(m.done, m.total)
	}
}
