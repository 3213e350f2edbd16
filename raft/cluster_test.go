package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// cluster is a few nodes in one process, with simulated time and one group.
type cluster struct {
	t     *testing.T
	names []string
	net   *network
	fs    map[string]*vfs.MemFS
	disk  func(name string, fs vfs.FS) vfs.FS // what nodes see of fs; nil: all of it
	cut   map[string]bool
	rng   *rand.Rand
	loads int

	mu    sync.Mutex // for readers beside the test
	nodes map[string]*node
}

func (c *cluster) node(name string) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[name]
}

func (c *cluster) set(name string, n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[name] = n
}

func newCluster(t *testing.T, size int) *cluster { return newClusterOn(t, size, nil) }

func newClusterOn(t *testing.T, size int, disk func(name string, fs vfs.FS) vfs.FS) *cluster {
	c := &cluster{
		t: t, disk: disk, net: newNetwork(), cut: map[string]bool{}, rng: rand.New(rand.NewPCG(1, uint64(size))),
		fs: map[string]*vfs.MemFS{}, nodes: map[string]*node{},
	}
	for i := range size {
		c.names = append(c.names, fmt.Sprint("n", i+1))
	}
	for _, name := range c.names {
		c.start(name, c.names...)
	}
	t.Cleanup(c.close)
	return c
}

// start starts a node; its voters matter if it has nothing stored.
func (c *cluster) start(name string, voters ...string) {
	c.t.Helper()
	if c.fs[name] == nil {
		c.fs[name] = vfs.NewCrashableMem()
		if err := makeRoot(c.fs[name]); err != nil {
			c.t.Fatal(err)
		}
	}
	cfg := testConfig(c.fs[name])
	cfg.NodeID, cfg.Streams = name, c.net.streams(name)
	if c.disk != nil {
		cfg.FS = c.disk(name, c.fs[name])
	}
	n, err := startMember(cfg, voters)
	if err != nil {
		c.t.Fatal(err)
	}
	c.set(name, n)
}

// add starts a node that waits to be made a member.
func (c *cluster) add(name string) {
	c.t.Helper()
	c.names = append(c.names, name)
	c.start(name)
}

// kill ends a process, without a last word, and keeps what its disk has: all
// of it, or after a power cut what was synced and some of the rest.
func (c *cluster) kill(power bool, names ...string) {
	c.t.Helper()
	for _, name := range names {
		for _, other := range c.names {
			c.net.block(name, other)
			c.net.block(other, name)
		}
	}
	// Only now nothing of what one disk loses can have been seen by another.
	for _, name := range names {
		kept := 100
		if power {
			kept = c.rng.IntN(101)
		}
		c.fs[name] = c.fs[name].CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: c.rng})
	}
	for _, name := range names {
		c.net.crash(name)
		_ = c.nodes[name].host.Close()
		c.set(name, nil)
	}
	c.connect()
}

// connect makes the network what cut says.
func (c *cluster) connect() {
	c.net.heal()
	for _, a := range c.names {
		for _, b := range c.names {
			if a != b && (c.cut[a] || c.cut[b]) {
				c.net.block(a, b)
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
			if c.nodes[name] == nil || c.cut[name] {
				continue
			}
			if _, self := c.nodes[name].group.Leader(); self && c.nodes[name].group.Barrier(c.t.Context()) == nil {
				return name
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
		for _, name := range c.running() {
			same = same && slices.Equal(c.nodes[name].ledger.data(), want)
		}
		if same {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, name := range c.running() {
		got := c.nodes[name].ledger.data()
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		c.t.Errorf("%s has %d commands, want %d, the first %d are the same, then %.80q", name, len(got), len(want), at, got[at:])
	}
	c.t.FailNow()
}

func (c *cluster) close() {
	c.t.Helper()
	for _, name := range c.running() {
		c.nodes[name].close(c.t)
	}
}

func (c *cluster) running() (out []string) {
	for _, name := range c.names {
		if c.nodes[name] != nil {
			out = append(out, name)
		}
	}
	return out
}

// until waits for what must become true.
func (c *cluster) until(what string, is func() bool) {
	c.t.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("in vain: %s", what)
}

func (c *cluster) other(not string) string {
	return c.names[(slices.Index(c.names, not)+1)%len(c.names)]
}

// A follower that was away longer than the log reaches back catches up with
// the manifest and the tail, also after it is restarted in between.
func TestCatchUpBySnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
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
		time.Sleep(time.Minute) // so long that the others keep nothing for it
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
	})
}

// A leader that is cut off collects entries that never commit. Its log then
// reaches beyond the snapshot that it is given, with another history.
func TestSnapshotBelowDivergedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
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
		time.Sleep(time.Minute)
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
	})
}

func TestLeaderFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
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
	})
}
