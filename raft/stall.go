package raft

import (
	"cmp"
	"errors"
	"slices"

	hraft "github.com/hashicorp/raft"
)

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
