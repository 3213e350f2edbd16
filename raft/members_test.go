package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// fill proposes n commands and returns all that were proposed.
func (c *cluster) fill(have []string, n int) []string {
	c.t.Helper()
	for range n {
		have = append(have, fmt.Sprint("command ", len(have)))
		c.propose(have[len(have)-1])
	}
	return have
}

// on calls f with the leader's group until there is a leader that can.
func (c *cluster) on(f func(*Group) error) {
	c.t.Helper()
	var err error
	for range 100 {
		if err = f(c.nodes[c.leader()].group); !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrBehind) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestChangesOneAfterAnother: who has the outcome of a change may begin the next one.
func TestChangesOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.agree(c.fill(nil, 1))
		g := c.nodes[c.leader()].group
		for range 2000 {
			if err := g.AddLearner(t.Context(), c.leader()); err != nil { // is a member already
				t.Fatal(err)
			}
		}
	})
}

func TestLearnerBecomesVoter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 10)
		c.add("n4")
		time.Sleep(time.Minute)
		if s := c.nodes["n4"].group.Stats(); s.Term != 0 || s.Leader != "" {
			t.Fatalf("nobody's member does something: %+v", s)
		}
		c.on(func(g *Group) error { return g.AddLearner(t.Context(), "n4") })
		c.agree(want)
		c.on(func(g *Group) error { return g.AddLearner(t.Context(), "n4") }) // again
		// It has applied the entries before its answer has reached the leader.
		c.until("the leader knows how far the learner is", func() bool {
			members := c.nodes[c.leader()].group.Members()
			i := slices.IndexFunc(members, func(m Member) bool { return m.ID == "n4" })
			return i >= 0 && !members[i].Voter && members[i].Match > 0 && time.Since(members[i].Contact) <= time.Second
		})

		// A learner is no part of a quorum, and never leads.
		others := slices.DeleteFunc(slices.Clone(c.names), func(n string) bool { return n == c.leader() || n == "n4" })
		for _, name := range others {
			c.isolate(name)
		}
		time.Sleep(10 * time.Second)
		for _, name := range c.names {
			if _, self := c.nodes[name].group.Leader(); self {
				t.Fatalf("%s leads with one voter and one learner", name)
			}
		}
		c.heal()
		want = c.fill(want, 3)

		c.on(func(g *Group) error { return g.AddVoter(t.Context(), "n4") })
		c.on(func(g *Group) error { return g.AddVoter(t.Context(), "n4") })
		c.isolate(others[0])
		want = c.fill(want, 3)
		c.on(func(g *Group) error { return g.Transfer(t.Context(), "n4") })
		c.until("n4 leads", func() bool { _, self := c.nodes["n4"].group.Leader(); return self })
		want = c.fill(want, 3)
		c.heal()
		c.agree(want)
	})
}

func TestChangesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 3)
		old := c.leader()
		g, ctx := c.nodes[old].group, t.Context()
		follower := c.nodes[c.other(old)].group
		for name, err := range map[string]error{
			"AddLearner": follower.AddLearner(ctx, "n9"), "AddVoter": follower.AddVoter(ctx, "n9"),
			"Remove": follower.Remove(ctx, "n2"), "Transfer": follower.Transfer(ctx, ""),
		} {
			if !errors.Is(err, ErrNotLeader) {
				t.Errorf("%s on a follower: %v", name, err)
			}
		}
		if _, err := follower.ReadIndex(ctx); !errors.Is(err, ErrNotLeader) {
			t.Errorf("read index of a follower: %v", err)
		}
		if err := g.AddVoter(ctx, "n9"); !errors.Is(err, ErrNotMember) {
			t.Errorf("a stranger becomes a voter: %v", err)
		}
		if err := g.Transfer(ctx, "n9"); !errors.Is(err, ErrNotMember) {
			t.Errorf("a stranger is to lead: %v", err)
		}
		if err := g.Remove(ctx, "n9"); err != nil {
			t.Errorf("a stranger is removed: %v", err)
		}
		// n9 does not run.
		if err := g.AddLearner(ctx, "n9"); err != nil {
			t.Fatal(err)
		}
		if err := g.AddVoter(ctx, "n9"); !errors.Is(err, ErrBehind) {
			t.Errorf("a node that is away becomes a voter: %v", err)
		}
		if err := g.Transfer(ctx, "n9"); !errors.Is(err, ErrNotMember) {
			t.Errorf("a learner is to lead: %v", err)
		}
		if err := g.Remove(ctx, "n9"); err != nil {
			t.Fatal(err)
		}

		// Without a quorum a change is not committed, and there is no second.
		away := c.other(old)
		c.isolate(away)
		time.Sleep(10 * time.Second)
		if err := g.Transfer(ctx, away); !errors.Is(err, ErrBehind) {
			t.Errorf("a node that is away is to lead: %v", err)
		}
		if err := g.Transfer(ctx, ""); err != nil {
			t.Errorf("anybody is to lead: %v", err)
		}
		c.heal()
		want = c.fill(want, 1)
		g = c.nodes[c.leader()].group
		c.isolate(c.leader())
		first := make(chan error)
		go func() { first <- g.AddLearner(ctx, "n8") }()
		time.Sleep(time.Millisecond)
		if err := g.AddLearner(ctx, "n9"); !errors.Is(err, ErrChanging) {
			t.Errorf("two changes at a time: %v", err)
		}
		if err := <-first; !errors.Is(err, ErrUncertain) {
			t.Errorf("a change without a quorum: %v", err)
		}
		want = c.fill(want, 1) // else the old leader may lead again, and it becomes true
		c.heal()
		c.agree(want)
		for _, m := range c.nodes[c.leader()].group.Members() {
			if m.ID == "n8" || m.ID == "n9" {
				t.Errorf("members are %+v", m)
			}
		}
	})
}

func TestOnlyVoterStays(t *testing.T) {
	n := mustStart(t, testConfig(vfs.NewMem()))
	defer n.close(t)
	if err := n.group.Remove(t.Context(), "n1"); !errors.Is(err, ErrNotMember) {
		t.Fatal(err)
	}
	if err := n.group.Transfer(t.Context(), ""); !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	if index, err := n.group.ReadIndex(t.Context()); err != nil || n.group.WaitApplied(t.Context(), index) != nil {
		t.Fatal(index, err)
	}
}

// A member hears that it was removed, is destroyed, and can come back: the log
// that it then gets tells of its removal, which is not true any more.
func TestRemoved(t *testing.T) {
	for _, what := range []string{"follower", "leader", "far behind"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3)
				want := c.fill(nil, 5)
				gone := c.leader()
				if what != "leader" {
					gone = c.other(gone)
				}
				if what == "far behind" {
					c.net.block(c.leader(), gone)
					want = c.fill(want, 50)
				}
				c.on(func(g *Group) error { return g.Remove(t.Context(), gone) })
				c.heal()
				c.until("the removed one knows", func() bool { return closed(c.nodes[gone].group.Removed()) })
				want = c.fill(want, 5)
				for _, name := range c.names {
					if name != gone && closed(c.nodes[name].group.Removed()) {
						t.Fatalf("%s says that it is removed", name)
					}
				}
				c.nodes[gone].close(t)
				c.start(gone, c.names...)
				if !closed(c.nodes[gone].group.Removed()) {
					t.Fatal("forgotten after a restart")
				}
				term := c.nodes[c.leader()].group.Stats().Term
				time.Sleep(time.Minute)
				if now := c.nodes[c.leader()].group.Stats().Term; now != term {
					t.Fatalf("the removed one disturbs: term %d, was %d", now, term)
				}

				c.recreate(gone)
				c.on(func(g *Group) error { return g.AddLearner(t.Context(), gone) })
				c.agree(want)
				c.on(func(g *Group) error { return g.AddVoter(t.Context(), gone) })
				want = c.fill(want, 1)
				c.agree(want)
				time.Sleep(time.Minute)
				g := c.nodes[gone].group
				g.parted(g.namedAt.Load() - 1) // old news
				c.isolate(gone)
				time.Sleep(time.Minute)
				if closed(g.Removed()) {
					t.Fatal("a member again, and says that it is removed")
				}
			})
		})
	}
}

// A member that comes back with nothing, while the same one leads, is not taken for
// what it was: it gets no vote before it has the entries.
func TestReturnsWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 50)
		c.agree(want)
		leader := c.leader()
		gone := c.other(leader)
		g := c.nodes[leader].group
		term := g.Stats().Term
		if err := g.Remove(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		c.recreate(gone)
		c.isolate(gone)
		if err := g.AddLearner(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		for _, m := range g.Members() {
			if m.ID == gone && (m.Match > 0 || !m.Contact.IsZero()) {
				t.Errorf("of the new member is known what was of the old one: %+v", m)
			}
		}
		if err := g.AddVoter(t.Context(), gone); !errors.Is(err, ErrBehind) {
			t.Errorf("a member without an entry gets a vote: %v", err)
		}
		if now := g.Stats().Term; now != term {
			t.Fatalf("term %d, was %d: the test is too mild", now, term)
		}
		c.heal()
		c.agree(want)
		c.on(func(g *Group) error { return g.AddVoter(t.Context(), gone) })
		c.agree(c.fill(want, 1))
	})
}

// recreate destroys a node's member and starts it with nothing.
func (c *cluster) recreate(name string) {
	c.t.Helper()
	n := c.nodes[name]
	if err := n.host.Destroy(n.group.ID()); err != nil {
		c.t.Fatal(err)
	}
	if got := n.host.Groups(); len(got) > 0 {
		c.t.Fatalf("groups after it was destroyed: %v", got)
	}
	n.close(c.t)
	_ = c.fs[name].Remove("/data/manifest")
	c.start(name)
}

// What is destroyed stays so over a power cut, and what others still send to
// it does no harm.
func TestDestroy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 20)
		c.agree(want) // or a follower may have nothing to seal yet
		for _, name := range c.names {
			c.nodes[name].seal(t)
		}
		want = c.fill(want, 5)
		c.agree(want)
		gone := c.other(c.leader())
		n := c.nodes[gone]
		if err := n.host.Destroy(7); err != nil {
			t.Fatal(err)
		}
		if _, _, err := n.group.Propose(t.Context(), nil); err == nil {
			t.Fatal("takes commands")
		}
		if err := n.host.Destroy(7); err != nil {
			t.Fatalf("a second time: %v", err)
		}
		_ = c.fs[gone].Remove("/data/manifest")
		c.kill(true, gone)
		_ = c.fs[gone].Remove("/data/manifest") // its removal may have been lost

		// It still is a voter to the others, who talk to it. Without members of
		// its own it must not vote: it could have done so before.
		c.start(gone)
		answer := make(chan hraft.RPCResponse, 1)
		rpc := hraft.RPC{Command: &hraft.RequestVoteRequest{Term: 99}, RespChan: answer}
		empty := c.nodes[gone].host
		g, err := empty.StartWith(8, c.nodes[gone].ledger, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !g.facade.intercept(rpc) {
			t.Fatal("a node without members votes")
		}
		if r := <-answer; r.Error == nil {
			t.Fatal("a node without members votes")
		}
		if err := empty.Destroy(8); err != nil {
			t.Fatal(err)
		}
		want = c.fill(want, 5)
		c.agree(want)
		if got := empty.Groups(); !slices.Equal(got, []uint32{7}) {
			t.Fatalf("groups are %v", got)
		}
	})
}

// Commands go on being acknowledged while leadership is passed around.
func TestTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5)
		want := c.fill(nil, 3)
		for i := range 10 {
			to := c.names[i%len(c.names)]
			if i%3 == 0 {
				to = ""
			}
			old := c.leader()
			c.on(func(g *Group) error { return g.Transfer(t.Context(), to) })
			want = c.fill(want, 2)
			if now := c.leader(); to != "" && now != to || to == "" && now == old {
				t.Fatalf("%s leads, want %q", now, to)
			}
		}
		c.agree(want)
	})
}

func TestChangeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.fill(nil, 1)
		g := c.nodes[c.leader()].group
		c.isolate(c.leader())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := g.AddLearner(ctx, "n4"); !errors.Is(err, ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if _, err := g.ReadIndex(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if err := g.WaitApplied(ctx, 1000); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	})
}

// What the manifest covers is not taken back by a snapshot that comes late, and
// a leader that begins before it is met where it ends.
func TestSealedIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 20)
		c.agree(want)
		n := c.nodes[c.other(c.leader())]
		n.seal(t)
		f := n.group.facade
		base := f.base.Load()
		late := &hraft.InstallSnapshotRequest{
			RPCHeader: f.header(), Term: n.group.Stats().Term, LastLogIndex: base.Index - 1, LastLogTerm: base.Term,
			Configuration: base.Configuration, ConfigurationIndex: base.ConfigurationIndex, Size: 3,
		}
		answer := make(chan hraft.RPCResponse, 1)
		if !f.intercept(hraft.RPC{Command: late, Reader: strings.NewReader("old"), RespChan: answer}) {
			t.Fatal("a snapshot that the manifest covers goes to the library")
		}
		if r := <-answer; r.Error != nil || !r.Response.(*hraft.InstallSnapshotResponse).Success {
			t.Fatalf("it is answered with %+v", r)
		}
		late.LastLogIndex = base.Index + 1
		if f.hasSealed(late) {
			t.Fatal("a newer snapshot is not taken")
		}
		for begin := base.Index - 5; begin <= base.Index+1; begin++ {
			m := &hraft.AppendEntriesRequest{PrevLogEntry: begin, PrevLogTerm: base.Term}
			for i := range uint64(10) {
				m.Entries = append(m.Entries, &hraft.Log{Index: begin + 1 + i, Term: base.Term})
			}
			f.skipSealed(m)
			if first := m.Entries[0].Index; first != max(begin, base.Index)+1 || m.PrevLogEntry != first-1 {
				t.Errorf("entries from %d on become those from %d on after %d, the manifest is at %d", begin+1, first, m.PrevLogEntry, base.Index)
			}
		}
		m := &hraft.AppendEntriesRequest{PrevLogEntry: base.Index - 4, Entries: []*hraft.Log{{Index: base.Index - 3}}}
		if f.skipSealed(m); len(m.Entries) != 0 || m.PrevLogEntry != base.Index || m.PrevLogTerm != base.Term {
			t.Errorf("entries that are all covered become %d after %d", len(m.Entries), m.PrevLogEntry)
		}
		want = c.fill(want, 5)
		c.agree(want)
	})
}
