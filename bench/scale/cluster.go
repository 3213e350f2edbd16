package scale

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

// What a simulated cluster is made of.
const (
	zones           = 5
	wanted          = 3
	replicasPerNode = 100
	diskBytes       = 16 << 40
	shardBytesLeast = 40 << 30
	shardBytesMost  = 80 << 30
	tenantsPerNode  = 1000
	longDead        = time.Hour
)

// cluster is a cluster as a catalogue describes it, which does what plans say.
type cluster struct {
	state placement.State
	node  map[string]int
	shard map[model.ShardID]int
	// worse counts moves that left a shard worse spread over the zones, and
	// fewer those that left it with fewer healthy replicas.
	worse, fewer int
}

// newCluster makes a cluster whose shards lie in different zones, but at random
// there, as if nobody had ever balanced them.
func newCluster(nodes int, random *rand.Rand) *cluster {
	c := &cluster{node: map[string]int{}, shard: map[model.ShardID]int{}}
	for range nodes {
		c.join()
	}
	for i := range nodes * replicasPerNode / wanted {
		s := placement.Shard{ID: model.ShardID(i), Wanted: wanted, Bytes: shardBytesLeast + random.Int64N(shardBytesMost-shardBytesLeast)}
		for _, zone := range random.Perm(zones)[:wanted] {
			at := zone + zones*random.IntN((nodes-zone+zones-1)/zones)
			n := &c.state.Nodes[at]
			n.Used += s.Bytes
			s.Replicas = append(s.Replicas, placement.Replica{Node: n.ID, Complete: true})
		}
		s.Leader = s.Replicas[0].Node
		c.shard[s.ID] = len(c.state.Shards)
		c.state.Shards = append(c.state.Shards, s)
	}
	return c
}

func (c *cluster) join() string {
	at := len(c.state.Nodes)
	n := placement.Node{ID: fmt.Sprintf("%016x", at), Zone: fmt.Sprintf("zone-%d", at%zones), Capacity: diskBytes, For: longDead}
	c.node[n.ID] = at
	c.state.Nodes = append(c.state.Nodes, n)
	return n.ID
}

// addTenants makes tenants of all sizes, most of them small: the tenant of rank
// r sends the r-th part of what the first sends.
func (c *cluster) addTenants() {
	const first = 10 << 40 // bytes a day
	for i := range len(c.state.Nodes) * tenantsPerNode {
		c.state.Tenants = append(c.state.Tenants, placement.Tenant{ID: model.TenantID(fmt.Sprintf("tenant-%d", i)), BytesPerDay: first / int64(i+1)})
	}
}

// die makes nodes dead, and shards that they led be led by others.
func (c *cluster) die(nodes ...string) {
	for _, id := range nodes {
		n := &c.state.Nodes[c.node[id]]
		n.State, n.For = placement.Dead, longDead
	}
	for i := range c.state.Shards {
		s := &c.state.Shards[i]
		if c.up(s.Leader) {
			continue
		}
		s.Leader = ""
		for _, r := range s.Replicas {
			if c.up(r.Node) {
				s.Leader = r.Node
				break
			}
		}
	}
}

func (c *cluster) up(id string) bool {
	return c.state.Nodes[c.node[id]].State == placement.Alive
}

// held are the bytes of the replicas on a set of nodes.
func (c *cluster) held(nodes ...string) (sum int64) {
	on := map[string]bool{}
	for _, id := range nodes {
		on[id] = true
	}
	for _, s := range c.state.Shards {
		for _, r := range s.Replicas {
			if on[r.Node] {
				sum += s.Bytes
			}
		}
	}
	return sum
}

// begin makes a move one in progress.
func (c *cluster) begin(m placement.Move) {
	c.state.Moves = append(c.state.Moves, m)
	c.state.Nodes[c.node[m.To]].Used += m.Bytes
}

// end carries all moves in progress out, and looks what each did to its shard.
func (c *cluster) end() {
	for _, m := range c.state.Moves {
		s := &c.state.Shards[c.shard[m.Shard]]
		healthy, uneven := c.spread(s)
		s.Finish(m)
		healthyAfter, unevenAfter := c.spread(s)
		if healthyAfter < healthy {
			c.fewer++
		}
		if unevenAfter > uneven {
			c.worse++
		}
		if m.Kind != placement.TransferLeadership && m.From != "" {
			c.state.Nodes[c.node[m.From]].Used -= s.Bytes
		}
	}
	c.state.Moves = nil
}

// spread is how many healthy replicas a shard has, and how many of them more
// than they must be are in a zone that has another.
func (c *cluster) spread(s *placement.Shard) (healthy, uneven int) {
	var in []string
	for _, r := range s.Replicas {
		if !c.up(r.Node) {
			continue
		}
		healthy++
		if zone := c.state.Nodes[c.node[r.Node]].Zone; slices.Contains(in, zone) {
			uneven++
		} else {
			in = append(in, zone)
		}
	}
	return healthy, uneven
}

// load is what the fullest and the emptiest node that is alive hold, as shares
// of the mean.
func (c *cluster) load() (least, most float64) {
	bytes := make([]int64, len(c.state.Nodes))
	for _, s := range c.state.Shards {
		for _, r := range s.Replicas {
			bytes[c.node[r.Node]] += s.Bytes
		}
	}
	var alive []int64
	var sum int64
	for i, n := range c.state.Nodes {
		if n.State == placement.Alive {
			alive = append(alive, bytes[i])
			sum += bytes[i]
		}
	}
	mean := float64(sum) / float64(len(alive))
	return float64(slices.Min(alive)) / mean, float64(slices.Max(alive)) / mean
}

// lead is how many shards the nodes that are alive lead, least and most.
func (c *cluster) lead() (least, most int) {
	counts := make([]int, len(c.state.Nodes))
	for _, s := range c.state.Shards {
		if s.Leader != "" {
			counts[c.node[s.Leader]]++
		}
	}
	least = len(c.state.Shards)
	for i, n := range c.state.Nodes {
		if n.State == placement.Alive {
			least, most = min(least, counts[i]), max(most, counts[i])
		}
	}
	return least, most
}
