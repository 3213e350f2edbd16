package raft

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	hraft "github.com/hashicorp/raft"

	"github.com/stere-log/stere/raft/pulse"
	"github.com/stere-log/stere/raft/wal"
)

// Host owns the shared log of a node and the groups that run on it.
type Host struct {
	cfg   Config
	log   *wal.Log
	pulse *pulse.Pulse // nil without other nodes

	mu     sync.Mutex
	groups map[uint32]*Group // nil while a group starts
	closed bool
}

// Open opens the shared log. Damage to it is a *wal.CorruptError.
func Open(cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure raft: %w", err)
	}
	cfg = cfg.withDefaults()
	h := &Host{cfg: cfg, groups: map[uint32]*Group{}}
	logging := cfg.wal()
	logging.OnStall = h.stepAside
	var err error
	if h.log, err = wal.Open(logging); err != nil {
		return nil, err
	}
	if err := h.startPulse(); err != nil {
		return nil, errors.Join(fmt.Errorf("start heartbeats: %w", err), h.log.Close())
	}
	return h, nil
}

// Groups returns the ids of the groups that are stored here, ascending.
func (h *Host) Groups() []uint32 { return h.log.Groups() }

// Lost returns the groups of which damage to the log took something, or may
// have, with an error that is a wal.ErrLost and says where. They are among Groups
// and cannot be started: a member that has forgotten how it voted or what it
// acknowledged must be removed by the others and destroyed here before it may
// come back as a new one.
func (h *Host) Lost() map[uint32]error { return h.log.Lost() }

// Expect says which groups are to be here, before new ones are started: of some of
// them damage may have taken everything. They are among Lost then.
func (h *Host) Expect(groups []uint32) error { return h.log.Expect(groups) }

// Hangs reports whether a write of the log has not come back for long. Members
// here lead nothing then that others can lead.
func (h *Host) Hangs() bool { return h.log.Hangs() }

// Stats says what the shared log holds.
func (h *Host) Stats() wal.Stats { return h.log.Stats() }

// LeaveLog makes the log begin new files.
func (h *Host) LeaveLog() error { return h.log.Leave() }

// Start runs this node's member of a group. A group of which nothing is stored
// and nothing sealed begins with this node as its only member.
func (h *Host) Start(groupID uint32, sm StateMachine) (*Group, error) {
	return h.StartWith(groupID, sm, []string{h.cfg.NodeID})
}

// StartWith is Start for a group that begins with these nodes as its voters;
// with none it waits to be made a member. Every node must name the same.
func (h *Host) StartWith(groupID uint32, sm StateMachine, voters []string) (*Group, error) {
	if err := h.claim(groupID); err != nil {
		return nil, fmt.Errorf("start group %d: %w", groupID, err)
	}
	g, err := h.start(groupID, sm, voters)
	h.mu.Lock()
	if err != nil {
		delete(h.groups, groupID)
	} else {
		h.groups[groupID] = g
	}
	closed := h.closed
	h.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("start group %d: %w", groupID, err)
	}
	if closed { // Close did not see it
		return nil, errors.Join(fmt.Errorf("start group %d: %w", groupID, ErrShutdown), g.Close())
	}
	return g, nil
}

func (h *Host) claim(groupID uint32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrShutdown
	}
	if groupID == pulse.Group {
		return errors.New("its number is that of heartbeats")
	}
	if _, ok := h.groups[groupID]; ok {
		return errors.New("it runs already")
	}
	h.groups[groupID] = nil
	return nil
}

var keyTerm = []byte("CurrentTerm") // the library's name

// bootstrap writes the first entry of a group that has no state. The library's
// own function stores the term first: a crash in between would leave a group
// that has state and no members.
func (h *Host) bootstrap(log *wal.GroupLog, sealed bool, voters []string) error {
	term, err := log.GetUint64(keyTerm)
	if err != nil {
		return err
	}
	last, err := log.LastIndex()
	if err != nil || last > 0 || term > 0 || sealed || len(voters) == 0 {
		return err
	}
	if !slices.Contains(voters, h.cfg.NodeID) {
		return fmt.Errorf("node %s is not among its first voters %v", h.cfg.NodeID, voters)
	}
	var c hraft.Configuration
	for _, id := range voters {
		c.Servers = append(c.Servers, hraft.Server{ID: hraft.ServerID(id), Address: hraft.ServerAddress(id)})
	}
	first := &hraft.Log{Index: 1, Term: 1, Type: hraft.LogConfiguration, Data: hraft.EncodeConfiguration(c)}
	if err := log.StoreLog(first); err != nil {
		return err
	}
	return log.SetUint64(keyTerm, 1)
}

// Destroy stops this node's member of a group and deletes its log and votes,
// durably. Nothing of the group comes back after a crash, and a later start
// begins with nothing. The owner calls it before it deletes what the state
// machine has stored: a manifest without a log is an error (ErrLogLost), a log
// without its manifest is not found out. A node that was a voter must have been
// removed by the others before, and may only come back as a learner.
func (h *Host) Destroy(groupID uint32) error {
	h.mu.Lock()
	g, claimed := h.groups[groupID]
	if claimed && g == nil {
		h.mu.Unlock()
		return fmt.Errorf("destroy group %d: it starts or is destroyed", groupID)
	}
	h.mu.Unlock()
	if g != nil {
		if err := g.Close(); err != nil {
			return fmt.Errorf("destroy group %d: %w", groupID, err)
		}
	}
	if err := h.claim(groupID); err != nil {
		return fmt.Errorf("destroy group %d: %w", groupID, err)
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.groups, groupID)
	}()
	return h.log.Group(groupID).Remove()
}

// Close stops all groups, in parallel, and closes the log. Proposals under way
// are waited for.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	var running []*Group
	for _, g := range h.groups {
		if g != nil {
			running = append(running, g)
		}
	}
	h.mu.Unlock()
	errs := make([]error, len(running))
	var wg sync.WaitGroup
	for i, g := range running {
		wg.Go(func() { errs[i] = g.Close() })
	}
	wg.Wait()
	var err error
	if h.pulse != nil {
		err = h.pulse.Close()
	}
	return errors.Join(errors.Join(errs...), err, h.log.Close())
}

// A disk that hangs. The library stores entries on the goroutine that would
// also step down, and goes on sending heartbeats from others: the group would
// follow a leader that can do nothing, for as long as its disk takes. So while
// a write of the log does not come back (wal.Log.Hangs) this node's members
// lead nothing: they send nothing as leaders, say so to who asks here, and let
// another voter stand for election at once. They do not vote either, which
// they could not store. What was proposed and is not stored may be committed
// once the disk is back and is then as uncertain as after any change of
// leaders.

var errStalled = errors.New("the disk hangs")

// stalled reports whether this member must not lead because of its disk. A
// group of one waits for its disk: nobody else could lead it.
func (g *Group) stalled() bool { return g.host.log.Hangs() && !g.alone() }

// leading reports whether this member leads and can.
func (g *Group) leading() bool { return g.raft.State() == hraft.Leader && !g.stalled() }

// stepAside is called when the disk begins to hang.
func (h *Host) stepAside() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.groups {
		if g != nil {
			g.background(g.stepAside)
		}
	}
}

// stepAside lets another voter lead: the one that has most entries of those
// that can. The library could not, its goroutine waits for the disk.
func (g *Group) stepAside() {
	if g.raft.State() != hraft.Leader || !g.stalled() {
		return
	}
	term := g.raft.CurrentTerm()
	others := slices.DeleteFunc(g.facade.servers(), func(s hraft.Server) bool {
		return s.Suffrage != hraft.Voter || string(s.ID) == g.host.cfg.NodeID || g.near(string(s.ID)) != nil
	})
	slices.SortStableFunc(others, func(a, b hraft.Server) int {
		return -cmp.Compare(g.facade.peers.get(string(a.ID), term).match, g.facade.peers.get(string(b.ID), term).match)
	})
	for _, s := range others {
		request := &hraft.TimeoutNowRequest{RPCHeader: g.facade.header()}
		if g.facade.TimeoutNow(s.ID, s.Address, request, &hraft.TimeoutNowResponse{}) == nil {
			g.host.cfg.Logger.Warn("the disk hangs: another member is to lead", "group", g.id, "member", string(s.ID))
			return
		}
	}
	g.host.cfg.Logger.Warn("the disk hangs: the others have to choose a leader", "group", g.id)
}
