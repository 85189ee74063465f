package hub

import (
	"sync"
	"time"
)

// meter adds up what several fetches have brought, and tells it now and then.
type meter struct {
	mu          sync.Mutex
	done, total int64
	last        time.Time
	tell        func(done, total int64) // nil for nobody
}

// between is how often a meter tells at most.
const between = 50 * time.Millisecond

// add counts n more bytes, fewer where a file begins anew.
func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	now := time.Now()
	if m.tell != nil && (now.Sub(m.last) >= between || m.done == m.total) {
		m.last = now
		m.tell(m.done, m.total)
	}
}
