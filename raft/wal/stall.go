package wal

import "sync"

// stall is whether a disk hangs: a write of some lane has not come back for
// longer than Config.Stall. What waits for the log then may wait for long, and
// what is asked of it comes behind.
type stall struct {
	mu struct {
		sync.Mutex
		lanes int           // that hang
		began chan struct{} // closed while any does, replaced when none does any more
	}
}

// Stalled returns a channel that is closed while a disk hangs, and when one
// begins to. After it has been closed it must be asked for anew.
func (w *Log) Stalled() <-chan struct{} {
	w.stall.mu.Lock()
	defer w.stall.mu.Unlock()
	return w.stall.mu.began
}

// Hangs reports whether a disk hangs now.
func (w *Log) Hangs() bool {
	w.stall.mu.Lock()
	defer w.stall.mu.Unlock()
	return w.stall.mu.lanes > 0
}

// hang counts a lane that hangs.
func (w *Log) hang() {
	w.stall.mu.Lock()
	w.stall.mu.lanes++
	first := w.stall.mu.lanes == 1
	if first {
		close(w.stall.mu.began)
	}
	w.stall.mu.Unlock()
	if first {
		w.cfg.OnStall()
	}
}

// recovered takes back what hang counted.
func (w *Log) recovered() {
	w.stall.mu.Lock()
	defer w.stall.mu.Unlock()
	if w.stall.mu.lanes--; w.stall.mu.lanes == 0 {
		w.stall.mu.began = make(chan struct{})
	}
}
