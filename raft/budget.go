package raft

import (
	"context"
	"sync"
)

// budget bounds what is under way, first come first served. One that is alone
// is let in whatever its size.
type budget struct {
	countMax int
	bytesMax int64

	mu      sync.Mutex
	count   int
	bytes   int64
	waiters []*waiter
	closed  bool
	idle    chan struct{} // closed when closed and nothing is under way
}

type waiter struct {
	bytes int64
	done  chan struct{} // closed when let in, or when refused for good
	in    bool
}

func newBudget(count int, bytes int64) *budget {
	return &budget{countMax: count, bytesMax: bytes, idle: make(chan struct{})}
}

func (b *budget) fits(bytes int64) bool {
	return b.count == 0 || b.count < b.countMax && b.bytes+bytes <= b.bytesMax
}

// acquire waits for room and must be followed by release if it returns nil.
func (b *budget) acquire(ctx context.Context, bytes int64) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrShutdown
	}
	if len(b.waiters) == 0 && b.fits(bytes) {
		b.count++
		b.bytes += bytes
		b.mu.Unlock()
		return nil
	}
	w := &waiter{bytes: bytes, done: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.mu.Unlock()
	var err error
	select {
	case <-w.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.in {
		return nil // also when ctx ended at the same time
	}
	if err == nil {
		return ErrShutdown
	}
	for i, other := range b.waiters {
		if other == w {
			b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
			b.admit() // the next one may be smaller
			break
		}
	}
	return err
}

func (b *budget) admit() {
	for len(b.waiters) > 0 && b.fits(b.waiters[0].bytes) {
		w := b.waiters[0]
		b.waiters = b.waiters[1:]
		b.count++
		b.bytes += w.bytes
		w.in = true
		close(w.done)
	}
}

func (b *budget) release(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count--
	b.bytes -= bytes
	b.admit()
	if b.closed && b.count == 0 {
		close(b.idle)
	}
}

// close refuses everybody who waits or comes; idle is closed when those who
// are in have left.
func (b *budget) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	for _, w := range b.waiters {
		close(w.done)
	}
	b.waiters = nil
	if b.count == 0 {
		close(b.idle)
	}
}
