package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stere-log/stere/internal/pause"
)

const (
	newestInterval = 100 * time.Millisecond // between reads of the directory's newest state
	newestTimeout  = 2 * time.Second        // of one
	newestWaiting  = 1024                   // requests that may wait for one
)

// newest reads the newest state of a directory for those who send a key that this node
// does not know: it may have been made, or given another secret, elsewhere just now.
// Guesses look the same, so all that come meanwhile share the next read, and there are
// at most so many reads a second however many guess.
type newest struct {
	turn chan struct{} // taken by who reads, or waits until the next read may begin
	last time.Time     // when the last read began; for who has the turn

	mu struct {
		sync.Mutex
		next    *read // that has not begun; nil: nobody waits for one
		waiting int
	}
}

// read is one read: what was changed before it began is known after it.
type read struct {
	done chan struct{}
	err  error // that of the directory, once done is closed
}

// read returns when the directory has all that was agreed on before the call.
func (n *newest) read(d Directory) error {
	n.mu.Lock()
	if n.mu.waiting >= newestWaiting {
		n.mu.Unlock()
		return errors.New("too many wait for it already")
	}
	n.mu.waiting++
	one, first := n.mu.next, n.mu.next == nil
	if first {
		one = &read{done: make(chan struct{})}
		n.mu.next = one
	}
	n.mu.Unlock()
	if first {
		n.run(one, d)
	}
	<-one.done // a read ends by itself
	n.mu.Lock()
	n.mu.waiting--
	n.mu.Unlock()
	return one.err
}

func (n *newest) run(one *read, d Directory) {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	if !n.last.IsZero() {
		_ = pause.For(context.Background(), newestInterval-time.Since(n.last)) // a context that does not end
	}
	n.mu.Lock()
	n.mu.next = nil // who comes from here on may come after what this read sees
	n.mu.Unlock()
	n.last = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), newestTimeout)
	defer cancel()
	one.err = d.Current(ctx)
	close(one.done)
}
