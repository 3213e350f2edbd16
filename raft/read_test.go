package raft

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	hraft "github.com/hashicorp/raft"
)

// What was acknowledged before a read is seen by it, on every member.
func TestReadsSeeWhatWasAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.net.delay = time.Millisecond
		want := c.fill(nil, 3)
		for i := range 20 {
			if i%5 == 4 {
				c.on(func(g *Group) error { return g.Transfer(t.Context(), "") })
			}
			want = c.fill(want, 1)
			var index uint64
			c.on(func(g *Group) (err error) { index, err = g.ReadIndex(t.Context()); return err })
			for _, name := range c.names {
				if err := c.nodes[name].group.WaitApplied(t.Context(), index); err != nil {
					t.Fatal(err)
				}
				if got := len(c.nodes[name].ledger.data()); got < len(want) {
					t.Fatalf("%s shows %d of %d commands", name, got, len(want))
				}
			}
		}
		s := c.nodes[c.leader()].group.Stats()
		if !s.Leads || s.Leader != c.leader() || s.Commit < uint64(len(want)) || s.Last < s.Commit || s.Applied == 0 || !s.Contact.IsZero() {
			t.Errorf("%+v", s)
		}
		s = c.nodes[c.other(c.leader())].group.Stats()
		if s.Leads || s.Leader != c.leader() || time.Since(s.Contact) > time.Second {
			t.Errorf("%+v", s)
		}
	})
}

// A leader that others have left behind answers no read.
func TestStaleLeaderAnswersNoRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 3)
		old := c.nodes[c.leader()].group
		if _, err := old.ReadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.isolate(c.leader())
		if index, err := old.ReadIndex(t.Context()); !errors.Is(err, ErrNotLeader) {
			t.Fatalf("%d %v", index, err)
		}
		c.heal()
		c.agree(want)
	})
}

// Answers to older messages do not confirm a leader.
func TestOnlyNewAnswersConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.fill(nil, 3)
		g := c.nodes[c.leader()].group
		time.Sleep(time.Second)
		term := g.raft.CurrentTerm()
		if !g.agreed(term, 0) {
			t.Fatal("nobody has followed")
		}
		if now := g.facade.peers.ticket(); g.agreed(term, now) {
			t.Fatal("confirmed before anybody could have answered")
		}
		if g.agreed(term+1, 0) || g.agreed(term-1, 0) {
			t.Fatal("confirmed in another term")
		}
	})
}

// Entries that mean nothing to the state machine do not hold up who waits.
func TestWaitAppliedPassesEmptyEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.fill(nil, 3)
		for _, name := range c.names {
			g := c.nodes[c.leader()].group
			for range 3 {
				if err := g.Barrier(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.nodes[name].group.WaitApplied(t.Context(), g.Stats().Commit); err != nil {
				t.Fatal(err)
			}
		}
		// A wait also ends with the group.
		g := c.nodes["n1"].group
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := g.WaitApplied(t.Context(), 1e6); !errors.Is(err, ErrShutdown) {
				t.Error(err)
			}
		})
		time.Sleep(time.Second)
		c.nodes["n1"].close(t)
		wg.Wait()
	})
}

// Messages that would make the library panic are refused.
func TestMessagesAreChecked(t *testing.T) {
	members := hraft.EncodeConfiguration(hraft.Configuration{Servers: []hraft.Server{{ID: "n1", Address: "n1"}}})
	entry := func(index uint64, kind hraft.LogType, data []byte) *hraft.Log {
		return &hraft.Log{Index: index, Type: kind, Data: data}
	}
	for i, one := range []struct {
		good    bool
		command any
	}{
		{true, &hraft.AppendEntriesRequest{}},
		{true, &hraft.AppendEntriesRequest{PrevLogEntry: 6, Entries: []*hraft.Log{entry(7, hraft.LogCommand, nil), entry(8, hraft.LogConfiguration, members)}}},
		{false, &hraft.AppendEntriesRequest{Entries: []*hraft.Log{nil}}},
		{false, &hraft.AppendEntriesRequest{PrevLogEntry: 6, Entries: []*hraft.Log{entry(8, hraft.LogCommand, nil)}}},
		{false, &hraft.AppendEntriesRequest{Entries: []*hraft.Log{entry(1, hraft.LogConfiguration, []byte("x"))}}},
		{false, &hraft.AppendEntriesRequest{Entries: []*hraft.Log{entry(1, 99, nil)}}},
		{true, &hraft.AppendEntriesRequest{Entries: []*hraft.Log{entry(1, fragmentType, nil), entry(1, hraft.LogCommand, nil)}}},
		{false, &hraft.AppendEntriesRequest{Entries: []*hraft.Log{entry(1, fragmentType, nil)}}},
		{false, &hraft.AppendEntriesRequest{Entries: []*hraft.Log{entry(1, fragmentType, nil), entry(2, hraft.LogCommand, nil)}}},
		{false, &hraft.AppendEntriesRequest{Entries: []*hraft.Log{entry(1, fragmentType, nil), nil}}},
		{true, &hraft.InstallSnapshotRequest{Configuration: members}},
		{false, &hraft.InstallSnapshotRequest{}},
		{false, &hraft.InstallSnapshotRequest{Configuration: members, Size: SnapshotMax + 1}},
		{false, &hraft.InstallSnapshotRequest{Configuration: members, Size: -1}},
	} {
		if err := sane(one.command); (err == nil) != one.good {
			t.Error(fmt.Sprint(i), err)
		}
	}
}

// Large entries come out as they went in, whatever the border.
func TestFragments(t *testing.T) {
	var want []*hraft.Log
	for i, size := range []int{0, 1, fragmentMax - 1, fragmentMax, fragmentMax + 1, 2 * fragmentMax, 5*fragmentMax + 7} {
		data := make([]byte, size)
		for k := range data {
			data[k] = byte(k % 251)
		}
		want = append(want, &hraft.Log{Index: uint64(i + 1), Term: 3, Data: data, Extensions: []byte{byte(i)}})
	}
	sent := split(want)
	for _, e := range sent {
		if len(e.Data) > fragmentMax {
			t.Fatalf("%d bytes travel as one", len(e.Data))
		}
	}
	got, err := join(slices.Clone(sent))
	if err != nil || len(got) != len(want) {
		t.Fatal(len(got), err)
	}
	for i := range want {
		if !bytes.Equal(got[i].Data, want[i].Data) || got[i].Index != want[i].Index || got[i].Type != want[i].Type || !bytes.Equal(got[i].Extensions, want[i].Extensions) {
			t.Fatalf("entry %d differs", i)
		}
	}
	if small := want[:2]; &split(small)[0] != &small[0] {
		t.Error("small entries are copied")
	}
}

// A learner's answers do not make a leader that its voters cannot reach ask for
// ever, which in the time of this test would be no time at all.
func TestReadIndexEndsWithoutVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 3)
		c.add("n4")
		c.on(func(g *Group) error { return g.AddLearner(t.Context(), "n4") })
		c.agree(want)
		leader := c.leader()
		if _, err := c.nodes[leader].group.ReadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"n1", "n2", "n3"} {
			if name != leader {
				c.isolate(name)
			}
		}
		if index, err := c.nodes[leader].group.ReadIndex(t.Context()); err == nil {
			t.Errorf("index %d without a quorum", index)
		}
		c.heal()
		c.agree(want)
	})
}

// TestSparedHeartbeats: a heartbeat is left out only while the last one is fresh
// and nobody waits for another.
func TestSparedHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p peers
		spared := func(when string, want bool) {
			t.Helper()
			if got := p.spared("b", 3, time.Second); got != want {
				t.Errorf("%s: spared %v, want %v", when, got, want)
			}
		}
		agree := func() {
			ticket := p.ticket()
			p.update("b", 3, func(one *peer) { one.asked, one.beat = ticket, time.Now() })
		}
		spared("before the first", false)
		agree()
		spared("after one", true)
		time.Sleep(999 * time.Millisecond)
		spared("just before the end", true)
		p.ask()
		spared("while somebody asks", false)
		agree()
		spared("when the question is answered", true)
		time.Sleep(time.Second)
		spared("in the end", false)
		agree()
		p.update("b", 4, func(*peer) {})
		spared("in another term", false)
	})
}
