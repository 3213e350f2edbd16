package raft

import (
	"context"
	"errors"
	"fmt"
	"time"

	hraft "github.com/hashicorp/raft"
)

// Member is one node in a group.
type Member struct {
	ID    string
	Voter bool // else a learner
	// Match is the index up to which the member has the leader's entries, and
	// Contact when it last answered. Only the leader knows them, of others.
	Match   uint64
	Contact time.Time
}

// Members returns the members known here, with a change that may not be
// committed yet.
func (g *Group) Members() []Member {
	var out []Member
	term, leads := g.raft.CurrentTerm(), g.leading()
	for _, s := range g.facade.servers() {
		m := Member{ID: string(s.ID), Voter: s.Suffrage == hraft.Voter}
		if leads {
			p := g.facade.peers.get(m.ID, term)
			m.Match, m.Contact = p.match, p.contact
		}
		out = append(out, m)
	}
	return out
}

// AddLearner adds a node as a member without a vote, which follows the log. A
// node that is a member already stays what it is. Its Host must run the group,
// started with no voters.
//
// A change of members has the errors of Propose, and ErrChanging; with
// ErrUncertain the members show what became of it. Only the leader can.
func (g *Group) AddLearner(ctx context.Context, nodeID string) error {
	return g.change(ctx, "add learner "+nodeID+" to", func() (step, error) {
		if _, ok := g.facade.server(nodeID); ok {
			return nil, nil
		}
		g.facade.peers.forget(nodeID)
		return func(patience time.Duration) hraft.IndexFuture {
			return g.raft.AddNonvoter(hraft.ServerID(nodeID), hraft.ServerAddress(nodeID), 0, patience)
		}, nil
	})
}

// AddVoter gives a learner a vote, ErrNotMember if it is no member. With
// ErrBehind it is away, or lacks so many entries that the group would wait for
// it.
func (g *Group) AddVoter(ctx context.Context, nodeID string) error {
	return g.change(ctx, "add voter "+nodeID+" to", func() (step, error) {
		s, ok := g.facade.server(nodeID)
		switch {
		case !ok:
			return nil, ErrNotMember
		case s.Suffrage == hraft.Voter:
			return nil, nil
		}
		if err := g.near(nodeID); err != nil {
			return nil, err
		}
		return func(patience time.Duration) hraft.IndexFuture {
			return g.raft.AddVoter(s.ID, s.Address, 0, patience)
		}, nil
	})
}

// Remove makes a node no member any more, which may be this one. The only
// voter cannot be removed: ErrNotMember. See Removed.
func (g *Group) Remove(ctx context.Context, nodeID string) error {
	var index uint64
	err := g.change(ctx, "remove "+nodeID+" from", func() (step, error) {
		s, ok := g.facade.server(nodeID)
		if !ok {
			return nil, nil
		}
		if s.Suffrage == hraft.Voter && g.voters() == 1 {
			return nil, fmt.Errorf("%w: it is the only voter", ErrNotMember)
		}
		return func(patience time.Duration) hraft.IndexFuture {
			f := g.raft.RemoveServer(s.ID, 0, patience)
			if f.Error() == nil {
				index = f.Index()
				g.farewell(nodeID, index)
			}
			return f
		}, nil
	})
	return err
}

func (g *Group) voters() (n int) {
	for _, s := range g.facade.servers() {
		if s.Suffrage == hraft.Voter {
			n++
		}
	}
	return n
}

// near returns ErrBehind unless a member could take part at once.
func (g *Group) near(nodeID string) error {
	p := g.facade.peers.get(nodeID, g.raft.CurrentTerm())
	if time.Since(p.contact) > silence*g.host.cfg.ElectionTimeout {
		return fmt.Errorf("%w: it does not answer", ErrBehind)
	}
	if commit := g.raft.CommitIndex(); p.match == 0 || p.match+voterLagMax < commit {
		return fmt.Errorf("%w: it has %d of %d entries", ErrBehind, p.match, commit)
	}
	return nil
}

// step asks the library for a change, with the patience to wait until another
// one is committed.
type step func(patience time.Duration) hraft.IndexFuture

// change does what prepare returns; no step means that nothing is to be done.
func (g *Group) change(ctx context.Context, verb string, prepare func() (step, error)) error {
	err := g.tryChange(ctx, prepare)
	if err != nil {
		return fmt.Errorf("%s group %d: %w", verb, g.id, err)
	}
	return nil
}

func (g *Group) tryChange(ctx context.Context, prepare func() (step, error)) error {
	if !g.leading() {
		return ErrNotLeader
	}
	select {
	case g.changing <- struct{}{}:
	default:
		return ErrChanging
	}
	if err := g.calls.acquire(ctx, 0); err != nil {
		<-g.changing
		return err
	}
	result, err := wait(ctx, g, func() { g.calls.release(0) }, func() error {
		defer func() { <-g.changing }() // before the outcome is told: who has it may begin the next change
		do, err := prepare()
		if err != nil {
			return err
		}
		if do == nil {
			// It is so already, but may not be committed.
			if err := g.raft.Barrier(0).Error(); err != nil {
				return g.outcome(err)
			}
			return nil
		}
		err = do(g.host.cfg.ElectionTimeout).Error()
		if errors.Is(err, hraft.ErrEnqueueTimeout) {
			return ErrChanging
		}
		if err != nil {
			return g.outcome(err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return result
}

// Transfer makes another voter the leader: the node, or with "" the one that
// is most up to date. It returns when this member does not lead any more; when
// another one does is for WaitLeader. ErrBehind means that there is no such
// voter that could lead at once. While it is under way Propose returns
// ErrNotLeader.
func (g *Group) Transfer(ctx context.Context, nodeID string) error {
	if err := g.transfer(ctx, nodeID); err != nil {
		return fmt.Errorf("transfer leadership of group %d to %q: %w", g.id, nodeID, err)
	}
	return nil
}

func (g *Group) transfer(ctx context.Context, nodeID string) error {
	if !g.leading() {
		return ErrNotLeader
	}
	if nodeID == g.host.cfg.NodeID {
		return nil
	}
	if nodeID == "" {
		nodeID = g.successor()
	}
	if nodeID == "" {
		return fmt.Errorf("%w: no other voter answers", ErrBehind)
	}
	s, ok := g.facade.server(nodeID)
	if !ok || s.Suffrage != hraft.Voter {
		return ErrNotMember
	}
	// The library would stop to take commands until it gives up.
	if err := g.near(nodeID); err != nil {
		return err
	}
	if err := g.calls.acquire(ctx, 0); err != nil {
		return err
	}
	result, err := wait(ctx, g, func() { g.calls.release(0) }, func() error {
		return g.raft.LeadershipTransferToServer(s.ID, s.Address).Error()
	})
	if err != nil {
		return err
	}
	if result != nil && g.raft.State() == hraft.Leader {
		return fmt.Errorf("%w: %w", ErrBehind, result)
	}
	return nil
}

// successor returns the voter that answers and has most entries.
func (g *Group) successor() (best string) {
	var match uint64
	for _, m := range g.Members() {
		if m.Voter && m.ID != g.host.cfg.NodeID && m.Match >= match && g.near(m.ID) == nil {
			best, match = m.ID, m.Match
		}
	}
	return best
}

var keyRemoved = []byte("Removed")

// Removed is closed when this node is known not to be a member any more, for
// good: the group waits for Host.Destroy. It survives restarts. A member that
// is away when it is removed may never hear of it; its owner must also compare
// with what is to be here.
func (g *Group) Removed() <-chan struct{} { return g.removed }

// farewell tells a removed member that it is removed. The library stops
// talking to it before it could learn that its removal is committed.
func (g *Group) farewell(nodeID string, index uint64) {
	if nodeID == g.host.cfg.NodeID {
		g.parted(index)
		return
	}
	term := g.raft.CurrentTerm()
	g.background(func() {
		for range farewells {
			if g.facade.farewell(nodeID, term, index) == nil {
				return
			}
			select {
			case <-time.After(g.host.cfg.ElectionTimeout):
			case <-g.closing:
				return
			}
		}
	})
}

// named takes in members that are committed.
func (g *Group) named(index uint64, c hraft.Configuration) {
	for _, s := range c.Servers {
		if string(s.ID) != g.host.cfg.NodeID {
			continue
		}
		g.namedAt.Store(index)
		if at, err := g.log.GetUint64(keyRemoved); err == nil && at > 0 && at < index {
			_ = g.log.SetUint64(keyRemoved, 0) // else the next start is wrong about it, and the owner asks
		}
		return
	}
}

// parted takes in that the members of an index are without this node. If it is
// true for good, no leader talks to it.
func (g *Group) parted(index uint64) {
	select {
	case g.parting <- struct{}{}:
	default:
		return // one at a time, the removed one is told several times
	}
	g.background(func() {
		defer func() { <-g.parting }()
		patience := silence * g.host.cfg.ElectionTimeout
		for {
			select {
			case <-time.After(patience):
			case <-g.closing:
				return
			}
			if g.namedAt.Load() > index {
				return // a member again
			}
			if time.Since(g.raft.LastContact()) < patience {
				continue
			}
			if g.log.SetUint64(keyRemoved, index) == nil {
				g.removeOnce.Do(func() { close(g.removed) })
			}
			return
		}
	})
}

// background runs f on a goroutine that Close waits for.
func (g *Group) background(f func()) {
	g.spawn.Lock()
	defer g.spawn.Unlock()
	select {
	case <-g.closing:
	default:
		g.wg.Go(f)
	}
}
