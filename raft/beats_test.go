package raft

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/raft/pulse"
)

// A group at rest sends nothing of its own, still has the same leader, and is
// awake at once. Where another node does not know of messages with the heartbeats
// of all groups, those of each group go by themselves.
func TestGroupsAtRest(t *testing.T) {
	for name, known := range map[string]bool{"pulses": true, "older nodes": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3)
				c.net.mu.Lock()
				c.net.refused[pulse.Group] = !known
				c.net.mu.Unlock()
				for _, n := range c.names { // what was dialled before goes
					c.nodes[n].close(t)
					c.start(n)
				}
				c.propose("one")
				c.agree([]string{"one"})
				leader := c.leader()
				time.Sleep(5 * time.Second)
				term := c.nodes[leader].group.Stats().Term
				c.net.written(7)
				time.Sleep(time.Minute)
				own, pulses := c.net.written(7)
				t.Logf("in a minute %d messages of the group, %d with heartbeats", own, pulses)
				switch {
				case known && (own > 20 || pulses < 600):
					t.Errorf("in a minute %d messages of a group at rest, %d with heartbeats", own, pulses)
				case !known && (own < 600 || pulses > 0):
					t.Errorf("in a minute %d messages of a group, %d with heartbeats that are not known", own, pulses)
				}
				if s := c.nodes[leader].group.Stats(); !s.Leads || s.Term != term {
					t.Errorf("%s led in term %d, and at rest it became %+v", leader, term, s)
				}
				for _, m := range c.nodes[leader].group.Members() {
					if m.ID != leader && time.Since(m.Contact) > time.Second {
						t.Errorf("%s was heard of %v ago", m.ID, time.Since(m.Contact))
					}
				}
				if _, err := c.nodes[leader].group.ReadIndex(t.Context()); err != nil {
					t.Error(err)
				}
				c.propose("two")
				c.agree([]string{"one", "two"})
			})
		})
	}
}

// A member that is restarted in a group at rest does not know what is committed,
// and is told, though its leader has told it before.
func TestRestartedAtRestIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.propose("one")
		c.propose("two")
		c.agree([]string{"one", "two"})
		leader := c.leader()
		for _, name := range c.names {
			if name == leader {
				continue
			}
			time.Sleep(10 * time.Second)
			c.kill(false, name)
			c.start(name)
			c.agree([]string{"one", "two"})
			if _, self := c.nodes[leader].group.Leader(); !self {
				t.Fatal("another leads: the test is too mild")
			}
		}
	})
}

// A leader that is cut off at rest stops to lead before another one could have
// been chosen for long, and one that is chosen is known.
func TestCutOffAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.propose("one")
		c.agree([]string{"one"})
		for range 5 {
			time.Sleep(10 * time.Second)
			old := c.leader()
			c.isolate(old)
			cut := time.Now()
			c.until("it leads no more", func() bool { _, self := c.nodes[old].group.Leader(); return !self })
			if d := time.Since(cut); d > time.Second {
				t.Errorf("it led for %v after it was cut off", d)
			}
			if next := c.leader(); next == old {
				t.Errorf("%s leads while it is cut off", next)
			}
			if d := time.Since(cut); d > 2*time.Second {
				t.Errorf("nobody led for %v", d)
			}
			c.heal()
		}
	})
}
