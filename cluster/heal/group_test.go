package heal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/raft"
)

// simGroup is the Raft group of a shard as far as its members matter: who is
// one, who votes, who leads, who has what. It checks that no change costs what
// it must not.
type simGroup struct {
	t       testing.TB
	random  *rand.Rand
	shard   uint32
	up      func(node string) bool
	want    func(without string) int // healthy replicas that must stay when a node goes
	members []heal.Member            // committed: Node and Voter
	pending []heal.Member            // as the leader sees them with a change that may be undone; nil: none
	leader  string
	term    uint64
	bytes   int64
	have    map[string]int64 // bytes of the copies, by node; complete when all of them
	// lossy is the share of the changes whose answer is lost.
	lossy float64
	// succeeds names the replicas that take another's place.
	succeeds func(node string) []string
	changes  int
	damaged  string // a node whose log is damaged
}

func (g *simGroup) voters() (nodes []string) {
	for _, m := range g.members {
		if m.Voter {
			nodes = append(nodes, m.Node)
		}
	}
	return nodes
}

func (g *simGroup) complete(node string) bool {
	have, ok := g.have[node]
	return ok && have >= g.bytes && node != g.damaged
}

func (g *simGroup) healthy() (nodes []string) {
	for _, node := range g.voters() {
		if g.up(node) && g.complete(node) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func majority(members []heal.Member, up func(string) bool) bool {
	voters, answer := 0, 0
	for _, m := range members {
		if m.Voter {
			voters++
			if up(m.Node) {
				answer++
			}
		}
	}
	return answer > voters/2
}

// elect lets somebody lead who can, if whoever does cannot.
func (g *simGroup) elect() {
	if g.leader != "" && g.up(g.leader) && slices.Contains(g.voters(), g.leader) && majority(g.members, g.up) {
		return
	}
	g.depose()
}

// depose lets another one lead if that is possible.
func (g *simGroup) depose() {
	if g.pending != nil && majority(g.members, g.up) && majority(g.pending, g.up) && g.random.IntN(2) == 0 {
		g.commit() // the next leader had the entry
	}
	g.pending = nil
	g.leader = ""
	if !majority(g.members, g.up) {
		return
	}
	if able := g.healthy(); len(able) > 0 {
		g.leader = able[g.random.IntN(len(able))]
		g.term++
	}
}

// commit makes a pending change true. Who is out destroys its copy when it is
// there to do so.
func (g *simGroup) commit() {
	before := g.members
	g.members, g.pending = g.pending, nil
	for _, m := range before {
		if !slices.ContainsFunc(g.members, func(other heal.Member) bool { return other.Node == m.Node }) {
			delete(g.have, m.Node)
		}
	}
	for _, m := range g.members {
		if _, ok := g.have[m.Node]; !ok {
			g.have[m.Node] = 0
		}
		if m.Voter && !slices.ContainsFunc(before, func(other heal.Member) bool { return other.Node == m.Node && other.Voter }) && !g.complete(m.Node) {
			g.t.Fatalf("shard %d: node %s votes and is not complete", g.shard, m.Node)
		}
	}
	g.changes++
}

// checkRemoved: without what the move itself has brought, no healthy replica
// less than before, unless so many stay as are wanted.
func (g *simGroup) checkRemoved(node string) {
	g.t.Helper()
	healthy := g.healthy()
	if !slices.Contains(healthy, node) {
		return
	}
	left := slices.DeleteFunc(slices.Clone(healthy), func(other string) bool { return other == node })
	if len(left) >= g.want(node) {
		return
	}
	if !slices.ContainsFunc(g.succeeds(node), func(successor string) bool { return slices.Contains(left, successor) }) {
		g.t.Fatalf("shard %d: removing node %s leaves %v of the healthy %v, %d are wanted", g.shard, node, left, healthy, g.want(node))
	}
}

func (g *simGroup) seen() []heal.Member {
	if g.pending != nil {
		return g.pending
	}
	return g.members
}

// change changes the members as the leader.
func (g *simGroup) change(change heal.Change, node string) error {
	if g.pending != nil {
		return raft.ErrChanging
	}
	next := slices.Clone(g.members)
	at := slices.IndexFunc(next, func(m heal.Member) bool { return m.Node == node })
	switch {
	case change == heal.AddLearner && at >= 0, change == heal.Remove && at < 0:
		return nil
	case change == heal.AddLearner:
		next = append(next, heal.Member{Node: node})
	case change == heal.AddVoter && at < 0:
		return raft.ErrNotMember
	case change == heal.AddVoter:
		if !g.up(node) {
			return raft.ErrBehind
		}
		next[at].Voter = true
	case change == heal.Remove:
		next = slices.Delete(next, at, at+1)
	}
	if !majority(g.members, g.up) {
		return raft.ErrUncertain // it does not know yet that it leads nobody
	}
	if !majority(next, g.up) {
		g.t.Fatalf("shard %d: %s %s takes the majority away: %+v", g.shard, change, node, next)
	}
	if change == heal.Remove {
		g.checkRemoved(node)
	}
	if g.random.Float64() < g.lossy {
		switch g.random.IntN(3) {
		case 0: // it never came
			return raft.ErrUncertain
		case 1: // not committed yet
			g.pending = next
			return raft.ErrUncertain
		}
		g.pending = next
		g.commit()
		return raft.ErrUncertain
	}
	g.pending = next
	g.commit()
	return nil
}

// copyOn brings some bytes to those that lack them.
func (g *simGroup) copyOn(bytes int64) {
	if g.leader == "" {
		return
	}
	if g.pending != nil && majority(g.pending, g.up) && (g.lossy == 0 || g.random.IntN(2) == 0) {
		g.commit()
	}
	for node, have := range g.have {
		if g.up(node) && have < g.bytes {
			g.have[node] = min(have+bytes, g.bytes)
		}
	}
	for node := range g.have { // copies that nobody told of their end
		if g.up(node) && !slices.ContainsFunc(g.seen(), func(m heal.Member) bool { return m.Node == node }) {
			delete(g.have, node)
		}
	}
}

// believer is the group as one node sees it that believes to lead; it may be
// wrong.
type believer struct {
	g    *simGroup
	node string
	old  []heal.Member // what it saw last, if it leads no more
}

func (b *believer) leads() bool { return b.g.leader == b.node && b.g.up(b.node) }

func (b *believer) Leads() bool { return b.leads() || b.old != nil }

func (b *believer) Members() []heal.Member {
	members := b.g.seen()
	if !b.leads() {
		members = b.old
	}
	members = slices.Clone(members)
	for i := range members {
		if members[i].Contact = -1; b.g.up(members[i].Node) {
			members[i].Contact = time.Millisecond
		}
	}
	return members
}

func (b *believer) Confirm(context.Context) error {
	if !b.leads() {
		return raft.ErrNotLeader
	}
	if b.g.pending != nil {
		if !majority(b.g.pending, b.g.up) {
			return raft.ErrUncertain
		}
		b.g.commit()
	}
	return nil
}

func (b *believer) Change(_ context.Context, change heal.Change, node string) error {
	if !b.leads() {
		return raft.ErrUncertain
	}
	return b.g.change(change, node)
}

func (b *believer) Transfer(_ context.Context, to string) error {
	if !b.leads() {
		return raft.ErrNotLeader
	}
	return b.g.transfer(to)
}

func (g *simGroup) transfer(to string) error {
	for _, node := range g.healthy() {
		if node != g.leader && (to == "" || node == to) {
			if g.random.Float64() < g.lossy && g.random.IntN(2) == 0 {
				return raft.ErrUncertain
			}
			g.leader, g.pending = node, nil
			g.term++
			if g.random.Float64() < g.lossy {
				return raft.ErrUncertain
			}
			return nil
		}
	}
	return fmt.Errorf("%w: %q", raft.ErrBehind, to)
}
