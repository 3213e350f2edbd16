package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/internal/sim"
)

// TestLeaderThatGossipMisses: while gossip takes a leader for dead that the others hear
// through the log, records are taken and answers are complete through any node.
func TestLeaderThatGossipMisses(t *testing.T) {
	warm(t)
	synctest.Test(t, func(t *testing.T) {
		c := newThree(t)
		defer c.stop()
		if _, err := write(c.nodes[0].node, "default", "", "line 0"); err != nil {
			t.Fatal(err)
		}
		leader := c.leader()
		ip := func(i int) string { return fmt.Sprint("10.0.0.", i+1) }
		for i := range c.nodes {
			if i != leader {
				c.net.Change(ip(leader), ip(i), func(l *sim.Link) { l.Mute = true })
				c.net.Change(ip(i), ip(leader), func(l *sim.Link) { l.Mute = true })
			}
		}
		id := c.nodes[leader].node.ID()
		for i, n := range c.nodes {
			if i == leader {
				continue
			}
			c.until("gossip takes the leader for dead", func() bool {
				for _, m := range n.node.Cluster().Members() {
					if m.ID == id {
						return m.State != gossip.Alive && m.State != gossip.Suspect
					}
				}
				return true
			})
		}
		if c.leader() != leader {
			t.Fatalf("node %d leads, %d did", c.leader(), leader)
		}
		for i, n := range c.nodes {
			if _, err := write(n.node, "default", "", fmt.Sprint("line ", i+1)); err != nil {
				t.Errorf("node %d takes nothing: %v", i, err)
			}
			if got := len(search(t, n.node, "default", "line")); got != i+2 {
				t.Errorf("node %d finds %d records, want %d", i, got, i+2)
			}
		}
		c.net.Heal()
	})
}
