package raft

import (
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/stere-log/stere/raft/pulse"
)

// Heartbeats. The library sends one to every member of every group ten times
// within the time after which it would be missed, and an empty message behind
// it that tells what is committed: for many groups that is all that an idle node
// does. So the host sends those of all groups to a node together (package pulse),
// and the library's own are answered here from what these have brought, as long
// as that is not old: spared and settled. What the library believes of a member
// is then at most beatShare of an election timeout older than it would be. As
// soon as anything is missing, such as an answer, or somebody waits for one, the
// library's own go out as ever (docs/decisions/0009-heartbeats.md).

const (
	// beatShare of an election timeout is how long a heartbeat lasts.
	beatShare = 3
	// pulseShare of an election timeout is between two messages with heartbeats.
	pulseShare = 5
)

// startPulse begins to send and to receive the heartbeats of all groups.
func (h *Host) startPulse() error {
	if h.cfg.Streams == nil {
		return nil
	}
	streams, err := h.cfg.Streams(pulse.Group)
	if err != nil {
		return err
	}
	h.pulse = pulse.Start(pulse.Config{
		NodeID: h.cfg.NodeID, Streams: streams, Logger: h.cfg.Logger,
		Interval: h.cfg.ElectionTimeout / pulseShare, Timeout: h.cfg.ElectionTimeout,
		Led: h.led, Follow: h.follow,
	})
	return nil
}

// sentBeat is what is remembered of a beat until it is answered.
type sentBeat struct {
	group  *Group
	term   uint64
	ticket uint64
}

// led returns the heartbeats that are due, by the node that is to get them.
func (h *Host) led() map[string]pulse.Batch {
	if h.log.Hangs() {
		return nil // without heartbeats the others choose another leader
	}
	made := time.Now()
	sent := map[string][]sentBeat{}
	h.mu.Lock()
	for _, g := range h.groups {
		if g == nil {
			continue
		}
		// The term first: one that is read after this member has seen another leader
		// would be that one's.
		term, ticket := g.raft.CurrentTerm(), g.facade.peers.ticket()
		if !g.facade.leads(term) {
			continue
		}
		for _, s := range g.facade.servers() {
			if id := string(s.ID); id != h.cfg.NodeID {
				sent[id] = append(sent[id], sentBeat{g, term, ticket})
			}
		}
	}
	h.mu.Unlock()
	batches := make(map[string]pulse.Batch, len(sent))
	for id, all := range sent {
		all = all[:min(len(all), pulse.BeatsMax)]
		beats := make([]pulse.Beat, len(all))
		for i, one := range all {
			beats[i] = pulse.Beat{Group: one.group.id, Term: one.term}
		}
		batches[id] = pulse.Batch{Made: made, Beats: beats, Answered: func(answers []pulse.Answer) {
			for i, a := range answers {
				if a.Follows {
					all[i].group.facade.peers.followed(id, all[i], made, a.Commit)
				}
			}
		}}
	}
	return batches
}

// followed takes in that a member follows: the answer to a heartbeat that was
// made at a time.
func (p *peers) followed(id string, sent sentBeat, made time.Time, commit uint64) {
	p.update(id, sent.term, func(one *peer) {
		one.contact = time.Now()
		one.asked = max(one.asked, sent.ticket)
		one.committed = commit
		if made.After(one.beat) {
			one.beat = made
		}
	})
}

// follow takes in the heartbeats of another node, each as if it had come by
// itself. Only those that change nothing are answered: all others are for the
// goroutine of the group, which the leader's own heartbeat reaches.
func (h *Host) follow(from string, beats []pulse.Beat) []pulse.Answer {
	answers := make([]pulse.Answer, len(beats))
	groups := make([]*Group, len(beats))
	h.mu.Lock()
	for i, b := range beats {
		groups[i] = h.groups[b.Group]
	}
	h.mu.Unlock()
	for i, g := range groups {
		if g != nil && g.facade.hears(from, beats[i].Term) {
			answers[i] = pulse.Answer{Follows: true, Commit: g.raft.CommitIndex()}
		}
	}
	return answers
}

// hears gives the library a heartbeat and reports whether it follows.
func (f *facade) hears(from string, term uint64) bool {
	r, fast := f.raft.Load(), f.fast.Load()
	if r == nil || fast == nil || r.State() != hraft.Follower || r.CurrentTerm() != term {
		return false
	}
	answer := make(chan hraft.RPCResponse, 1)
	request := &hraft.AppendEntriesRequest{RPCHeader: f.header(), Term: term}
	request.ID, request.Addr = []byte(from), []byte(from)
	(*fast)(hraft.RPC{Command: request, RespChan: answer})
	select {
	case a := <-answer:
		response, ok := a.Response.(*hraft.AppendEntriesResponse)
		return ok && a.Error == nil && response.Success && response.Term == term
	default: // it is shutting down
		return false
	}
}

// spared reports whether a heartbeat need not be sent: one that a member agreed
// to was sent within the interval, and nobody waits for another.
func (p *peers) spared(id string, term uint64, interval time.Duration) bool {
	one := p.get(id, term)
	return one.asked > p.reading.Load() && time.Since(one.beat) < interval
}

// settled reports whether an empty message behind the newest entry would tell a
// member nothing: it has all entries in front of it, and knows as committed what
// the message could tell. Its own answer says so, not what it was sent: one that
// was restarted has forgotten.
func (p *peers) settled(id string, req *hraft.AppendEntriesRequest, interval time.Duration) bool {
	if len(req.Entries) > 0 || req.PrevLogEntry == 0 {
		return false
	}
	one := p.get(id, req.Term)
	return one.match >= req.PrevLogEntry && one.committed >= min(req.LeaderCommitIndex, req.PrevLogEntry) &&
		one.installing == 0 && p.spared(id, req.Term, interval)
}
