package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/stere-log/stere/raft/wal"
)

// Group is this node's member of one Raft group.
type Group struct {
	id        uint32
	host      *Host
	log       *wal.GroupLog
	raft      *hraft.Raft
	snapshots *snapshots
	facade    *facade
	progress  *progress
	budget    *budget       // proposals
	calls     *budget       // reads and changes of members
	changing  chan struct{} // holds a token while members are changed
	electing  chan struct{} // holds a token while an election is asked for
	parting   chan struct{} // holds a token while it is found out whether this is a member
	readTerm  atomic.Uint64 // term in which something is committed
	namedAt   atomic.Uint64 // newest index of committed members with this node

	removed    chan struct{}
	removeOnce sync.Once

	closing   chan struct{} // ends what waits
	spawn     sync.Mutex    // held while closing is closed and while wg grows
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

func (h *Host) start(id uint32, sm StateMachine, voters []string) (*Group, error) {
	g := &Group{
		id: id, host: h, log: h.log.Group(id), snapshots: &snapshots{sm: sm},
		budget:   newBudget(h.cfg.InFlight, h.cfg.InFlightBytes),
		calls:    newBudget(callsMax, 0),
		changing: make(chan struct{}, 1),
		electing: make(chan struct{}, 1),
		parting:  make(chan struct{}, 1),
		removed:  make(chan struct{}),
		closing:  make(chan struct{}),
	}
	if err := g.log.Lost(); err != nil {
		return nil, err
	}
	pos, _, sealed, err := g.snapshots.position()
	if err != nil {
		return nil, err
	}
	g.progress = newProgress(pos.Index)
	if sealed {
		// A member that got the manifest's term has stored it.
		if term, err := g.log.GetUint64(keyTerm); err != nil || term < pos.Term {
			return nil, errors.Join(fmt.Errorf("log is at term %d, manifest at %d: %w", term, pos.Term, ErrLogLost), err)
		}
	}
	if err := g.adjoins(pos.Index); err != nil {
		return nil, err
	}
	if removed, err := g.log.GetUint64(keyRemoved); err != nil {
		return nil, err
	} else if removed > 0 {
		g.removeOnce.Do(func() { close(g.removed) })
	}
	if err := h.bootstrap(g.log, sealed, voters); err != nil {
		return nil, err
	}
	if err := g.connect(); err != nil {
		return nil, err
	}
	if err := g.run(&machine{sm: sm, snapshots: g.snapshots, progress: g.progress, named: g.named}); err != nil {
		return nil, errors.Join(err, g.facade.Close())
	}
	g.wg.Go(g.facade.forward)
	g.hurry()
	return g, nil
}

// adjoins reports an ErrLogLost if entries are missing between a manifest and the
// log: the store has lost its newest manifest.
func (g *Group) adjoins(manifest uint64) error {
	first, err := g.log.FirstIndex()
	if err == nil && first > manifest+1 {
		err = fmt.Errorf("the log begins at %d, and the manifest is at %d: %w", first, manifest, ErrLogLost)
	}
	return err
}

// connect makes what the library sends with.
func (g *Group) connect() error {
	cfg := g.host.cfg
	g.facade = &facade{
		inner: solo{address: hraft.ServerAddress(cfg.NodeID)}, self: cfg.NodeID, beat: cfg.ElectionTimeout,
		log: g.log, closing: g.closing, rpc: make(chan hraft.RPC), parted: g.parted, base: &g.snapshots.base,
		hangs: g.host.log.Hangs,
	}
	if cfg.Streams == nil {
		return nil
	}
	streams, err := cfg.Streams(g.id)
	if err != nil {
		return fmt.Errorf("connect with other nodes: %w", err)
	}
	g.facade.layer = newLayer(streams, cfg.NodeID, cfg.NetworkTimeout)
	g.facade.inner = hraft.NewNetworkTransportWithConfig(&hraft.NetworkTransportConfig{
		Stream: g.facade.layer, MaxPool: poolMax, MaxRPCsInFlight: inFlightMax, Timeout: cfg.NetworkTimeout,
		Logger: newLogger(cfg.Logger.With("group", g.id)),
	})
	return nil
}

// run starts the library, in a goroutine that store may end.
func (g *Group) run(fsm hraft.FSM) error {
	s := &store{log: g.log, shared: g.host.log, snapshots: g.snapshots, closing: g.closing}
	err := g.host.log.Err()
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		err = fmt.Errorf("log has failed while it was read: %w", ErrShutdown)
		g.raft, err = hraft.NewRaft(g.host.cfg.library(g.id), fsm, s, s, g.snapshots, g.facade)
	})
	wg.Wait()
	if err == nil {
		g.facade.raft.Store(g.raft)
	}
	return err
}

// alone reports whether this node is the only member.
func (g *Group) alone() bool {
	servers := g.facade.servers()
	return len(servers) == 1 && servers[0].ID == hraft.ServerID(g.host.cfg.NodeID)
}

// hurry makes a member that is alone stand for election without waiting for
// anybody else's heartbeat.
func (g *Group) hurry() {
	if !g.alone() {
		return
	}
	select {
	case g.electing <- struct{}{}:
	default:
		return
	}
	g.background(func() {
		defer func() { <-g.electing }()
		// The library answers a failed write before it steps down.
		for range stepDownTries {
			if g.raft.State() == hraft.Follower {
				g.facade.elect()
				return
			}
			select {
			case <-time.After(stepDownWait):
			case <-g.closing:
				return
			}
		}
	})
}

// ID returns the group's number.
func (g *Group) ID() uint32 { return g.id }

// Propose makes a command durable on a quorum, applies it, and returns its
// index and what Apply returned. It waits while too much is under way. The
// command must not be changed any more. See the package for what its errors
// say.
func (g *Group) Propose(ctx context.Context, command []byte) (index uint64, result any, err error) {
	if err := g.log.Space(); err != nil {
		return 0, nil, g.wrap(refused(err))
	}
	return g.ProposeReserved(ctx, command)
}

// ProposeReserved is Propose for small commands that let space be freed, such
// as seals: on a full disk they use the space that is kept for them.
func (g *Group) ProposeReserved(ctx context.Context, command []byte) (index uint64, result any, err error) {
	if len(command) > CommandMax {
		return 0, nil, fmt.Errorf("propose %d bytes to group %d: %w", len(command), g.id, ErrTooLarge)
	}
	if err := ctx.Err(); err != nil {
		return 0, nil, g.wrap(err)
	}
	if err := g.host.log.Err(); err != nil {
		return 0, nil, g.wrap(refused(err))
	}
	if !g.leading() {
		return 0, nil, g.wrap(ErrNotLeader)
	}
	bytes := int64(len(command))
	if err := g.budget.acquire(ctx, bytes); err != nil {
		return 0, nil, g.wrap(err)
	}
	type outcome struct {
		index  uint64
		result any
		err    error
	}
	o, err := wait(ctx, g, func() { g.budget.release(bytes) }, func() outcome {
		f := g.raft.Apply(command, 0)
		if err := f.Error(); err != nil {
			return outcome{err: g.outcome(err)}
		}
		return outcome{index: f.Index(), result: f.Response()}
	})
	if err == nil {
		err = o.err
	}
	if err != nil {
		return 0, nil, g.wrap(err)
	}
	return o.index, o.result, nil
}

// wait runs f, whose goroutine may outlive the call: the library's futures
// cannot be given up. It calls after when the outcome is there to be taken, so
// that Close, which drains the budget first, leaves no known outcome behind.
func wait[T any](ctx context.Context, g *Group, after func(), f func() T) (T, error) {
	done := make(chan T, 1)
	go func() {
		done <- f()
		after()
	}()
	var zero T
	stalled := g.host.log.Stalled()
	for {
		select {
		case t := <-done:
			return t, nil
		case <-stalled:
			if stalled = nil; !g.alone() {
				return zero, fmt.Errorf("%w: %w", ErrUncertain, errStalled)
			}
		case <-ctx.Done():
			return zero, fmt.Errorf("%w: %w", ErrUncertain, ctx.Err())
		case <-g.host.log.Failed():
			return zero, fmt.Errorf("%w: %w", ErrUncertain, g.host.log.Err())
		case <-g.closing:
			select {
			case t := <-done:
				return t, nil
			default:
				return zero, fmt.Errorf("%w: %w", ErrUncertain, ErrShutdown)
			}
		}
	}
}

func (g *Group) wrap(err error) error { return fmt.Errorf("propose to group %d: %w", g.id, err) }

// refused translates why the log refuses, before anything was handed over.
func refused(err error) error {
	if errors.Is(err, wal.ErrNoSpace) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrShutdown, err)
}

// outcome translates an error of the library.
func (g *Group) outcome(err error) error {
	switch {
	case errors.Is(err, hraft.ErrNotLeader), errors.Is(err, hraft.ErrLeadershipTransferInProgress):
		return ErrNotLeader
	case errors.Is(err, wal.ErrNoSpace):
		// The library made the leader a follower; alone it can lead again, and
		// must, to accept what frees space.
		g.hurry()
		return err
	case errors.Is(err, hraft.ErrRaftShutdown):
		// Also given to what is committed and was not applied any more.
		return fmt.Errorf("%w: %w", ErrUncertain, ErrShutdown)
	case errors.Is(err, wal.ErrTooLarge):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUncertain, err)
}

// Barrier returns when everything that was committed before is applied. Only
// the leader knows.
func (g *Group) Barrier(ctx context.Context) error {
	if !g.leading() {
		return fmt.Errorf("barrier of group %d: %w", g.id, ErrNotLeader)
	}
	if err := g.budget.acquire(ctx, 0); err != nil {
		return fmt.Errorf("barrier of group %d: %w", g.id, err)
	}
	result, err := wait(ctx, g, func() {}, func() error {
		defer g.budget.release(0)
		if err := g.raft.Barrier(0).Error(); err != nil {
			return g.outcome(err)
		}
		return nil
	})
	if err = errors.Join(err, result); err != nil {
		return fmt.Errorf("barrier of group %d: %w", g.id, err)
	}
	return nil
}

// WaitLeader returns when the group has a leader that this member knows.
func (g *Group) WaitLeader(ctx context.Context) error {
	changes := make(chan hraft.Observation, 1)
	o := hraft.NewObserver(changes, false, func(o *hraft.Observation) bool {
		_, ok := o.Data.(hraft.LeaderObservation)
		return ok
	})
	g.raft.RegisterObserver(o)
	defer g.raft.DeregisterObserver(o)
	for {
		if id, _ := g.Leader(); id != "" {
			return nil
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return fmt.Errorf("wait for a leader of group %d: %w", g.id, ctx.Err())
		case <-g.closing:
			return fmt.Errorf("wait for a leader of group %d: %w", g.id, ErrShutdown)
		case <-g.host.log.Failed():
			return fmt.Errorf("wait for a leader of group %d: %w", g.id, refused(g.host.log.Err()))
		}
	}
}

// Leader returns the node that leads, as far as is known here, and whether it
// is this one. A member whose disk hangs does not lead, whatever the library
// says.
func (g *Group) Leader() (nodeID string, self bool) {
	_, id := g.raft.LeaderWithID()
	if string(id) == g.host.cfg.NodeID && g.stalled() {
		return "", false
	}
	return string(id), string(id) == g.host.cfg.NodeID && g.raft.State() == hraft.Leader
}

// Truncate deletes log entries that the durable manifest covers: all up to
// sealedIndex or, where there are followers, all but the seal itself and a few
// before it for those that are a little behind. The leader also keeps what a
// member that is catching up needs next, within limits: else such a one would
// be given one manifest after the other and never reach the tail.
func (g *Group) Truncate(sealedIndex uint64) error { return g.truncate(sealedIndex, trailingMax) }

// Cut is Truncate that keeps nothing for members that are a little behind: they are
// given the manifest. The files in which the entries are go, too, as soon as no group
// of the node needs one in them.
func (g *Group) Cut(sealedIndex uint64) error {
	if err := g.truncate(sealedIndex, 1); err != nil {
		return err
	}
	return g.log.Leave()
}

// Holds reports whether there is a file here that has an entry up to an index, also
// if that was truncated.
func (g *Group) Holds(upto uint64) bool { return g.log.Holds(upto) }

// KeepsDamaged reports whether damaged files of the log are kept aside here, in which
// there may be entries of the group: as long as other groups are lost by that.
func (g *Group) KeepsDamaged() bool { return g.log.KeepsDamaged() }

func (g *Group) truncate(sealedIndex, trailing uint64) error {
	pos, _, ok, err := g.snapshots.position()
	if err != nil {
		return fmt.Errorf("truncate group %d: %w", g.id, err)
	}
	if !ok || pos.Index < sealedIndex {
		return fmt.Errorf("truncate group %d to %d: the manifest is at %d", g.id, sealedIndex, pos.Index)
	}
	keep := uint64(0) // the store serves the seal's own entry from the manifest
	if !g.alone() {
		keep = trailing
	}
	keep = min(keep, sealedIndex)
	for keep > 1 && g.log.Bytes(sealedIndex-keep)-g.log.Bytes(sealedIndex) > trailingBytesMax {
		keep--
	}
	return g.log.TruncatePrefix(g.needed(sealedIndex + 1 - keep))
}

// needed lowers the first index that is kept to the newest entry of every
// member that is there and behind it.
func (g *Group) needed(first uint64) uint64 {
	oldest, err := g.log.FirstIndex()
	term := g.raft.CurrentTerm()
	if err != nil || !g.facade.leads(term) {
		return first
	}
	lowest := first
	for _, s := range g.facade.servers() {
		p := g.facade.peers.get(string(s.ID), term)
		at := max(p.match, p.installing)
		away := p.installing == 0 && time.Since(p.contact) > silence*g.host.cfg.ElectionTimeout
		if away || at == 0 || at >= lowest || at+1 < oldest {
			continue
		}
		if g.log.Bytes(at)-g.log.Bytes(first-1) <= behindMax {
			lowest = at
		}
	}
	return lowest
}

// LogBytes returns the size of the entries that the manifest does not cover:
// what a restart would replay.
func (g *Group) LogBytes() int64 {
	if base := g.snapshots.base.Load(); base != nil {
		return g.log.Bytes(base.Index)
	}
	return g.log.Bytes(0)
}

// Applied returns the index of the newest entry that was handed to the state
// machine.
func (g *Group) Applied() uint64 { return g.raft.AppliedIndex() }

// Close stops the member, after proposals under way have their answer.
func (g *Group) Close() error {
	g.closeOnce.Do(func() {
		g.budget.close()
		g.calls.close()
		// The library forgets what is queued when it stops, so wait for that.
		t := time.NewTimer(drainTimeout)
		defer t.Stop()
		for _, b := range []*budget{g.budget, g.calls} {
			select {
			case <-b.idle:
			case <-g.host.log.Failed():
			case <-t.C:
				t.Reset(0)
			}
		}
		g.spawn.Lock()
		close(g.closing)
		g.spawn.Unlock()
		stopped := g.raft.Shutdown()
		// Before it waits: a member that does not answer would be waited for.
		g.closeErr = g.facade.Close()
		if err := stopped.Error(); err != nil {
			g.closeErr = errors.Join(g.closeErr, err)
		}
		if g.closeErr != nil {
			g.closeErr = fmt.Errorf("stop group %d: %w", g.id, g.closeErr)
		}
		g.wg.Wait()
		g.host.mu.Lock()
		delete(g.host.groups, g.id)
		g.host.mu.Unlock()
	})
	return g.closeErr
}
