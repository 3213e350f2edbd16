package raft

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// clients propose until stop is closed, at whoever leads, and try again what
// is uncertain.
type clients struct {
	c       *cluster
	stop    chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex
	acked   []string
	reads   atomic.Int64
}

func (c *cluster) load(n int) *clients {
	c.loads++
	round, l := c.loads, &clients{c: c, stop: make(chan struct{})}
	for i := range n {
		l.running.Go(func() {
			for k := 0; ; k++ {
				command := fmt.Sprintf("id:%d-%d-%d", round, i, k)
				for done := false; !done; {
					done = l.propose(command)
					select {
					case <-time.After(50 * time.Millisecond):
					case <-l.stop:
						if !done {
							return
						}
					}
				}
				l.mu.Lock()
				l.acked = append(l.acked, command)
				l.mu.Unlock()
				if k%4 == 0 {
					l.read(i+k, command)
				}
				select {
				case <-l.stop:
					return
				default:
				}
			}
		})
	}
	return l
}

func (l *clients) propose(command string) bool {
	for _, name := range l.c.names {
		n := l.c.node(name)
		if n == nil {
			continue
		}
		if _, self := n.group.Leader(); !self {
			continue
		}
		ctx, cancel := context.WithTimeout(l.c.t.Context(), 2*time.Second)
		_, _, err := n.group.Propose(ctx, []byte(command))
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

// read looks for a command that was acknowledged, at some member.
func (l *clients) read(at int, command string) {
	ctx, cancel := context.WithTimeout(l.c.t.Context(), time.Second)
	defer cancel()
	for _, name := range l.c.names {
		n := l.c.node(name)
		if n == nil {
			continue
		}
		index, err := n.group.ReadIndex(ctx)
		if err != nil {
			continue
		}
		if other := l.c.node(l.c.names[at%len(l.c.names)]); other != nil {
			n = other
		}
		if n.group.WaitApplied(ctx, index) != nil {
			continue
		}
		if !slices.Contains(n.ledger.data(), command) {
			l.c.t.Errorf("%q was acknowledged, and a read at index %d does not show it", command, index)
		}
		l.reads.Add(1)
	}
}

func (l *clients) end() []string {
	close(l.stop)
	l.running.Wait()
	return l.acked
}

// check compares all members with each other and with what was acknowledged.
func (c *cluster) check(acked []string) {
	c.t.Helper()
	c.propose("last of " + fmt.Sprint(len(acked)))
	want := c.nodes[c.leader()].ledger.data()
	c.agree(want)
	have := map[string]bool{}
	for _, command := range want {
		if have[command] {
			c.t.Errorf("%q was applied twice", command)
		}
		have[command] = true
	}
	for _, command := range acked {
		if !have[command] {
			c.t.Errorf("%q was acknowledged and is lost", command)
		}
	}
}

// Whatever happens to leaders under load, nothing acknowledged is lost, and
// nothing that was tried twice counts twice.
func TestLeaderChangesUnderLoad(t *testing.T) {
	for _, size := range []int{3, 5} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprint(size, " nodes, seed ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, size)
					c.rng = rand.New(rand.NewPCG(seed, 8))
					c.net.delay = time.Millisecond
					l := c.load(8)
					for range 10 {
						time.Sleep(time.Duration(c.rng.IntN(1000)) * time.Millisecond)
						c.trouble()
						time.Sleep(time.Duration(c.rng.IntN(4000)) * time.Millisecond)
						c.heal()
						for _, name := range c.names {
							if c.nodes[name] == nil {
								c.start(name)
							}
						}
					}
					time.Sleep(10 * time.Second)
					acked := l.end()
					if len(acked) < 500 || l.reads.Load() < 100 {
						t.Errorf("%d acknowledged, %d reads: the test is too mild", len(acked), l.reads.Load())
					}
					c.check(acked)
				})
			})
		}
	}
}

// trouble does something to a member, more often than not to the leader.
func (c *cluster) trouble() {
	victim := c.leader()
	if c.rng.IntN(3) == 0 {
		victim = c.other(victim)
	}
	other := c.other(victim)
	switch c.rng.IntN(7) {
	case 0:
		c.isolate(victim)
	case 1:
		c.kill(false, victim)
	case 2:
		c.kill(true, victim)
	case 3:
		_ = c.nodes[victim].group.Transfer(c.t.Context(), "")
	case 4: // it is not heard
		for _, name := range c.names {
			c.net.block(victim, name)
		}
	case 5: // it hears nobody
		for _, name := range c.names {
			c.net.block(name, victim)
		}
	case 6: // one direction between two
		c.net.block(victim, other)
	}
	n := c.nodes[c.other(victim)]
	if index, err := n.ledger.seal(); err == nil {
		_ = n.group.Truncate(index)
	}
}

// When the power goes everywhere at once, what was acknowledged is there when
// it is back: also what only a majority had.
func TestPowerLossOfAll(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			c.rng = rand.New(rand.NewPCG(seed, 9))
			c.net.delay = time.Millisecond
			var acked []string
			for range 4 {
				l := c.load(8)
				time.Sleep(time.Duration(1500+c.rng.IntN(1000)) * time.Millisecond)
				for _, name := range c.names {
					if n := c.nodes[name]; c.rng.IntN(2) == 0 {
						if index, err := n.ledger.seal(); err == nil {
							_ = n.group.Truncate(index)
						}
					}
				}
				if c.rng.IntN(2) == 0 {
					c.isolate(c.other(c.leader()))
				}
				time.Sleep(time.Duration(c.rng.IntN(1000)) * time.Millisecond)
				c.cut = map[string]bool{}
				c.kill(true, c.names...)
				acked = append(acked, l.end()...)
				for _, name := range c.names {
					c.start(name)
				}
				c.check(acked)
			}
		})
	}
}

// A leader that nobody hears, or that hears nobody, is replaced, and commits
// nothing until it is heard again.
func TestOneWayPartition(t *testing.T) {
	for _, direction := range []string{"not heard", "deaf"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 5)
			want := c.fill(nil, 3)
			old := c.leader()
			for _, name := range c.names {
				if direction == "deaf" {
					c.net.block(name, old)
				} else {
					c.net.block(old, name)
				}
			}
			start := time.Now()
			c.until("another leads", func() bool {
				return slices.ContainsFunc(c.names, func(name string) bool {
					_, self := c.nodes[name].group.Leader()
					return self && name != old
				})
			})
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s: another leads after %v", direction, took)
			}
			if _, _, err := c.nodes[old].group.Propose(t.Context(), []byte("lost")); err == nil {
				t.Errorf("%s: the old leader acknowledges", direction)
			}
			want = c.fill(want, 3)
			c.heal()
			want = c.fill(want, 3)
			c.agree(want)
		})
	}
}

// Two of five may fail; with three the others do nothing.
func TestFiveMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5)
		want := c.fill(nil, 5)
		c.kill(false, "n1")
		want = c.fill(want, 5)
		c.kill(true, "n2")
		want = c.fill(want, 5)
		old := c.nodes[c.leader()].group
		c.isolate(c.leader())
		if _, _, err := old.Propose(t.Context(), []byte("lost")); !errors.Is(err, ErrUncertain) {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for _, name := range c.running() {
			if _, self := c.nodes[name].group.Leader(); self {
				t.Fatalf("%s leads without a quorum", name)
			}
		}
		c.start("n1")
		want = c.fill(want, 5)
		c.start("n2")
		c.heal()
		c.agree(want)
	})
}

// A member that was cut off for long is brought up to date at once, not after
// a wait that grew with the outage.
func TestEndOfAnOutageIsSeen(t *testing.T) {
	for _, how := range []string{"silent", "refused"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			want := c.fill(nil, 5)
			away := c.other(c.leader())
			if how == "silent" {
				c.isolate(away)
			} else {
				c.kill(false, away)
			}
			want = c.fill(want, 5)
			time.Sleep(10 * time.Minute)
			if how == "silent" {
				c.heal()
			} else {
				c.start(away)
			}
			start := time.Now()
			c.agree(want)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: up to date %v after the outage", how, took)
			}
		})
	}
}

// All that is proposed at once goes out at once: nothing waits for the timer
// that tells followers the commit index.
func TestNothingWaitsToBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.net.delay = time.Millisecond
		c.fill(nil, 3)
		time.Sleep(time.Minute)
		g := c.nodes[c.leader()].group
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 256 {
			wg.Go(func() {
				if _, _, err := g.Propose(t.Context(), fmt.Append(nil, i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("256 commands over a network of 1 ms took %v", took)
		}
	})
}

// A message has a bounded size, whatever the size of commands.
func TestLargeCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		want := c.fill(nil, 1)
		away := c.other(c.leader())
		c.isolate(away)
		for i := range 12 {
			want = append(want, strings.Repeat(fmt.Sprint(i), 1<<20))
			c.propose(want[len(want)-1])
		}
		want = append(want, strings.Repeat("x", 2*messageMax))
		c.propose(want[len(want)-1])
		c.heal()
		c.agree(want)
	})
}

// While a member catches up the others seal and cut their logs all the time.
// It is given one manifest and then the tail.
func TestCatchUpWhileLeaderTruncates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.net.delay = time.Millisecond
		c.net.slow = map[string]time.Duration{"n4": 300 * time.Millisecond} // longer than from seal to seal
		var want []string
		churn := func(n int) {
			for range n {
				want = c.fill(want, 2*trailingMax)
				for _, name := range c.names[:3] {
					c.nodes[name].seal(t)
				}
			}
		}
		churn(3)
		c.add("n4")
		c.on(func(g *Group) error { return g.AddLearner(t.Context(), "n4") })
		churn(20)
		c.until("the learner has begun", func() bool { return len(c.nodes["n4"].ledger.data()) > 0 })
		churn(20)
		if got := c.nodes["n4"].ledger; got.restores != 1 {
			t.Errorf("given %d manifests", got.restores)
		}
		c.agree(want)
		first, _ := c.nodes[c.leader()].group.log.FirstIndex()
		c.nodes[c.leader()].seal(t)
		if now, _ := c.nodes[c.leader()].group.log.FirstIndex(); now < first {
			t.Errorf("log begins at %d, was %d", now, first)
		}

		// Nothing is kept for one that is away, or is too far behind.
		c.isolate("n4")
		time.Sleep(time.Minute)
		churn(2)
		g := c.nodes[c.leader()].group
		last, _ := g.log.LastIndex()
		if first, _ := g.log.FirstIndex(); last-first > 2*trailingMax {
			t.Errorf("log is %d to %d while a member is away", first, last)
		}
		c.heal()
		c.agree(want)
	})
}
