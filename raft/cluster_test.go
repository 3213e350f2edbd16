package raft

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// cluster is three nodes in one process, with simulated time.
type cluster struct {
	t     *testing.T
	names []string
	fs    map[string]vfs.FS
	wires map[string]*hraft.InmemTransport
	nodes map[string]*node
	cut   map[string]bool
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{
		t: t, names: []string{"n1", "n2", "n3"}, fs: map[string]vfs.FS{}, cut: map[string]bool{},
		wires: map[string]*hraft.InmemTransport{}, nodes: map[string]*node{},
	}
	for _, name := range c.names {
		c.fs[name] = vfs.NewMem()
		c.start(name)
	}
	return c
}

func (c *cluster) start(name string) {
	c.t.Helper()
	_, c.wires[name] = hraft.NewInmemTransport(hraft.ServerAddress(name))
	cfg := testConfig(c.fs[name])
	cfg.NodeID = name
	wire := c.wires[name]
	cfg.Transport = func(uint32) hraft.Transport { return wire }
	n, err := startNode(cfg, c.names...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[name] = n
	c.connect()
}

// connect makes the network what cut says.
func (c *cluster) connect() {
	for _, a := range c.names {
		for _, b := range c.names {
			if a == b || c.wires[a] == nil || c.wires[b] == nil {
				continue
			}
			c.wires[a].Disconnect(hraft.ServerAddress(b))
			if !c.cut[a] && !c.cut[b] {
				c.wires[a].Connect(hraft.ServerAddress(b), c.wires[b])
			}
		}
	}
}

func (c *cluster) isolate(name string) {
	c.cut[name] = true
	c.connect()
}

func (c *cluster) heal() {
	c.cut = map[string]bool{}
	c.connect()
}

// leader waits for a leader that others can reach.
func (c *cluster) leader() string {
	c.t.Helper()
	for range 1000 {
		for _, name := range c.names {
			if _, self := c.nodes[name].group.Leader(); self && !c.cut[name] {
				if c.nodes[name].group.Barrier(c.t.Context()) == nil {
					return name
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("no leader")
	return ""
}

// propose proposes at the leader until it is acknowledged.
func (c *cluster) propose(data string) {
	c.t.Helper()
	for range 1000 {
		if _, _, err := c.nodes[c.leader()].group.Propose(c.t.Context(), []byte(data)); err == nil {
			return
		} else if errors.Is(err, ErrUncertain) {
			c.t.Fatal(err)
		}
	}
	c.t.Fatal("no leader takes the command")
}

// agree waits until all state machines hold exactly want.
func (c *cluster) agree(want []string) {
	c.t.Helper()
	for range 3000 {
		same := true
		for _, name := range c.names {
			same = same && slices.Equal(c.nodes[name].ledger.data(), want)
		}
		if same {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, name := range c.names {
		c.t.Errorf("%s has %d commands, want %d: %.200q", name, len(c.nodes[name].ledger.data()), len(want), c.nodes[name].ledger.data())
	}
	c.t.FailNow()
}

func (c *cluster) close() {
	c.t.Helper()
	for _, name := range c.names {
		c.nodes[name].close(c.t)
	}
}

func (c *cluster) other(not string) string {
	return c.names[(slices.Index(c.names, not)+1)%len(c.names)]
}

// A follower that was away longer than the log reaches back catches up with
// the manifest and the tail, also after it is restarted in between.
func TestCatchUpBySnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var want []string
		add := func(n int) {
			for range n {
				want = append(want, fmt.Sprint("command ", len(want)))
				c.propose(want[len(want)-1])
			}
		}
		add(10)
		c.agree(want)
		away := c.other(c.leader())
		c.isolate(away)
		add(2 * trailingMax)
		for _, name := range c.names {
			if name != away {
				c.nodes[name].seal(t)
			}
		}
		add(5)
		c.heal()
		c.agree(want)
		l := c.nodes[away].ledger
		if l.restores == 0 {
			t.Fatal("caught up without a snapshot: the test is too mild")
		}
		add(5)
		c.agree(want)

		c.nodes[away].close(t)
		c.start(away)
		add(5)
		c.agree(want)
		if c.nodes[away].ledger.restores != 0 {
			t.Fatal("needed another snapshot after a restart")
		}
		c.close()
	})
}

// A leader that is cut off collects entries that never commit. Its log then
// reaches beyond the snapshot that it is given, with another history.
func TestSnapshotBelowDivergedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var want []string
		add := func(n int) {
			for range n {
				want = append(want, fmt.Sprint("command ", len(want)))
				c.propose(want[len(want)-1])
			}
		}
		add(5)
		c.agree(want)
		old := c.leader()
		c.isolate(old)
		var wg sync.WaitGroup
		for i := range 10 * trailingMax {
			wg.Go(func() {
				_, _, err := c.nodes[old].group.Propose(t.Context(), fmt.Append(nil, "lost ", i))
				if !errors.Is(err, ErrUncertain) && !errors.Is(err, ErrNotLeader) {
					t.Errorf("acknowledged without a quorum: %v", err)
				}
			})
		}
		wg.Wait()
		last, _ := c.nodes[old].group.log.LastIndex()
		add(2 * trailingMax)
		for _, name := range c.names {
			if name != old {
				c.nodes[name].seal(t)
			}
		}
		if at, ok := c.nodes[c.leader()].ledger.Snapshot(); !ok || at.Index >= last {
			t.Fatalf("manifest at %d, log of the old leader at %d: the test is too mild", at.Index, last)
		}
		c.heal()
		add(3)
		c.agree(want)
		if c.nodes[old].ledger.restores == 0 {
			t.Fatal("caught up without a snapshot: the test is too mild")
		}
		c.close()
	})
}

func TestLeaderFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var want []string
		for i := range 6 {
			for range 5 {
				want = append(want, fmt.Sprint("command ", len(want)))
				c.propose(want[len(want)-1])
			}
			c.agree(want)
			old := c.leader()
			if i%2 == 0 {
				c.isolate(old)
			} else {
				c.nodes[old].close(t)
				c.start(old)
			}
			want = append(want, fmt.Sprint("command ", len(want)))
			c.propose(want[len(want)-1])
			c.heal()
		}
		c.agree(want)
		c.close()
	})
}
