package api

import (
	"bytes"
	"sync"
	"time"
)

// What a record and one of its fields take in memory at most, slices that grow
// by doubling included.
const (
	recordMemory = 128
	fieldMemory  = 40
)

// recordsEstimate bounds what a body decodes to without decoding it: every
// object begins with a brace and every member has a colon. It may be too much,
// for text with many braces and colons, but never far too little.
func recordsEstimate(text []byte, asText bool) int64 {
	if asText {
		return int64(bytes.Count(text, []byte{'\n'})+1) * (recordMemory + 2*fieldMemory)
	}
	return int64(bytes.Count(text, []byte{'{'})+1)*recordMemory + int64(bytes.Count(text, []byte{':'}))*fieldMemory
}

// budget bounds the bytes of bodies, or of their records, in memory. A request takes what it may
// need before it reads, and gives back what it did not need as soon as it
// knows. Who comes first is served first, so that large requests do not starve.
type budget struct {
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

// budgetQueueMax is how many requests may wait for memory.
const budgetQueueMax = 1024

func newBudget(bytes int64) *budget {
	b := &budget{queueMax: budgetQueueMax}
	b.mu.free = bytes
	return b
}

// Take takes bytes within wait and reports whether it could.
func (b *budget) Take(bytes int64, wait time.Duration) bool {
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
func (b *budget) Give(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.free += bytes
	b.wake()
}

// wake serves those who wait; b.mu is held.
func (b *budget) wake() {
	for len(b.mu.waiting) > 0 && b.mu.free >= b.mu.waiting[0].bytes {
		w := b.mu.waiting[0]
		b.mu.waiting = b.mu.waiting[1:]
		b.mu.free -= w.bytes
		close(w.ready)
	}
}
