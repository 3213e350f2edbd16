// Package budget bounds how many bytes requests hold at once.
//
// Budget is safe for concurrent use. It starts no goroutine.
package budget

import (
	"sync"
	"time"
)

// Budget bounds the bytes of bodies, or of their records, in memory. A request takes what it may
// need before it reads, and gives back what it did not need as soon as it
// knows. Who comes first is served first, so that large requests do not starve.
type Budget struct {
	mu struct {
		sync.Mutex
		free    int64
		waiting []*waiter
	}
	queueMax int
}

type waiter struct {
	bytes int64
	ready chan struct{} // closed when the bytes are taken
}

// queueMax is how many requests may wait for memory.
const queueMax = 1024

// New returns a budget.
func New(bytes int64) *Budget {
	b := &Budget{queueMax: queueMax}
	b.mu.free = bytes
	return b
}

// Take takes bytes within wait and reports whether it could.
func (b *Budget) Take(bytes int64, wait time.Duration) bool {
	b.mu.Lock()
	if b.mu.free >= bytes && len(b.mu.waiting) == 0 {
		b.mu.free -= bytes
		b.mu.Unlock()
		return true
	}
	if len(b.mu.waiting) >= b.queueMax {
		b.mu.Unlock()
		return false
	}
	w := &waiter{bytes: bytes, ready: make(chan struct{})}
	b.mu.waiting = append(b.mu.waiting, w)
	b.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return true
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.mu.waiting {
		if other == w {
			b.mu.waiting = append(b.mu.waiting[:i], b.mu.waiting[i+1:]...)
			b.wake()
			return false
		}
	}
	return true // the bytes came together with the timer
}

// Give returns bytes.
func (b *Budget) Give(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.free += bytes
	b.wake()
}

// wake serves those who wait; b.mu is held.
func (b *Budget) wake() {
	for len(b.mu.waiting) > 0 && b.mu.free >= b.mu.waiting[0].bytes {
		w := b.mu.waiting[0]
		b.mu.waiting = b.mu.waiting[1:]
		b.mu.free -= w.bytes
		close(w.ready)
	}
}

// Free returns how many bytes are left.
func (b *Budget) Free() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.free
}
