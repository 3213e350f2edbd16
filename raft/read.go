package raft

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
	"github.com/stere-log/stere/internal/pause"
)

// progress is how far the state machine has come.
type progress struct {
	applied atomic.Uint64
	waiting atomic.Int64

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when it has come further
}

func newProgress(index uint64) *progress {
	p := &progress{changed: make(chan struct{})}
	p.applied.Store(index)
	return p
}

// advance is called by the one goroutine that applies.
func (p *progress) advance(index uint64) {
	p.applied.Store(index)
	if p.waiting.Load() == 0 {
		return // whoever comes later sees the index
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *progress) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// ReadIndex returns an index at or above that of everything that was
// acknowledged in the group before the call. A state machine that has applied
// it (WaitApplied) shows all of that. Only the leader knows, and it asks the
// others whether it still leads.
func (g *Group) ReadIndex(ctx context.Context) (uint64, error) {
	index, err := g.readIndex(ctx)
	if err != nil {
		return 0, fmt.Errorf("read index of group %d: %w", g.id, err)
	}
	return index, nil
}

func (g *Group) readIndex(ctx context.Context) (uint64, error) {
	if !g.leading() {
		return 0, ErrNotLeader
	}
	term := g.raft.CurrentTerm()
	if g.readTerm.Load() != term {
		// What earlier leaders acknowledged is known to be committed when
		// something of this term is.
		if err := g.Barrier(ctx); err != nil {
			return 0, err
		}
		if g.raft.CurrentTerm() != term {
			return 0, ErrNotLeader
		}
		g.readTerm.Store(term)
	}
	index, ticket := g.raft.CommitIndex(), g.facade.peers.ask()
	for {
		if err := g.verify(ctx); err != nil {
			return 0, err
		}
		if g.raft.CurrentTerm() != term {
			return 0, ErrNotLeader
		}
		// The library also counts answers to what it had sent before it was
		// asked. A new leader may be older than those.
		if g.agreed(term, ticket) {
			return index, nil
		}
		// Nor does it tell voters from learners, whose answer may be there at
		// once: without a pause this would ask without end for a voter that is
		// away.
		if err := pause.For(ctx, readPause); err != nil {
			return 0, err
		}
	}
}

// readPause is how long is waited between two questions whether this member
// leads.
const readPause = time.Millisecond

// verify asks the library whether this member leads.
func (g *Group) verify(ctx context.Context) error {
	if err := g.calls.acquire(ctx, 0); err != nil {
		return err
	}
	result, err := wait(ctx, g, func() { g.calls.release(0) }, func() error { return g.raft.VerifyLeader().Error() })
	if err != nil {
		return err
	}
	if result != nil {
		return fmt.Errorf("%w: %w", ErrNotLeader, result)
	}
	return nil
}

// agreed reports whether most voters have followed this leader in messages
// that were sent after a ticket was drawn.
func (g *Group) agreed(term, ticket uint64) bool {
	voters, agree := 0, 0
	for _, s := range g.facade.servers() {
		if s.Suffrage != hraft.Voter {
			continue
		}
		voters++
		if string(s.ID) == g.host.cfg.NodeID || g.facade.peers.get(string(s.ID), term).asked > ticket {
			agree++
		}
	}
	return agree > voters/2
}

// WaitApplied returns when this member's state machine has applied everything
// up to an index.
func (g *Group) WaitApplied(ctx context.Context, index uint64) error {
	g.progress.waiting.Add(1)
	defer g.progress.waiting.Add(-1)
	var poll <-chan time.Time // most who ask need not wait
	for {
		changed := g.progress.next()
		done, err := g.hasApplied(index)
		if err != nil {
			return fmt.Errorf("wait for index %d of group %d: %w", index, g.id, err)
		}
		if done {
			return nil
		}
		if poll == nil {
			// The state machine is not told of entries that mean nothing to it.
			t := time.NewTicker(appliedPoll)
			defer t.Stop()
			poll = t.C
		}
		select {
		case <-changed:
			continue
		case <-poll:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-g.closing:
			err = ErrShutdown
		case <-g.host.log.Failed():
			err = refused(g.host.log.Err())
		}
		return fmt.Errorf("wait for index %d of group %d: %w", index, g.id, err)
	}
}

func (g *Group) hasApplied(index uint64) (bool, error) {
	applied := g.progress.applied.Load()
	if applied >= index {
		return true, nil
	}
	if g.raft.AppliedIndex() < index {
		return false, nil
	}
	// All is handed over. What comes behind applied may be nothing to apply.
	for i := index; i > applied; i-- {
		var l hraft.Log
		if err := g.log.GetLog(i, &l); err != nil {
			if err == hraft.ErrLogNotFound {
				return false, nil // truncated meanwhile, so it was applied
			}
			return false, err
		}
		if l.Type == hraft.LogCommand || l.Type == hraft.LogConfiguration {
			return false, nil
		}
	}
	return true, nil
}

// Stats says how a member is.
type Stats struct {
	Leader  string    // the node that leads, as far as is known here
	Leads   bool      // it is this one
	Term    uint64    // the newest term seen
	Last    uint64    // index of the newest entry here
	Commit  uint64    // index of the newest entry known to be committed
	Applied uint64    // index of the newest entry that the state machine has applied
	Contact time.Time // when the leader was last heard of; zero: never, or this member leads
}

// Stats returns how the member is now. Without a leader its Commit says little
// of what the group has committed.
func (g *Group) Stats() Stats {
	var s Stats
	s.Leader, s.Leads = g.Leader()
	s.Term, s.Last, s.Commit = g.raft.CurrentTerm(), g.raft.LastIndex(), g.raft.CommitIndex()
	s.Applied = g.progress.applied.Load()
	if !s.Leads {
		s.Contact = g.raft.LastContact()
	}
	return s
}
