package placement

import (
	"cmp"
	"slices"
)

// repair makes anew what is lost, where fewest healthy replicas are left first.
func (c *cluster) repair() {
	type entry struct {
		at int
		k  counts
	}
	var short []entry
	for at := range c.shards {
		s := &c.shards[at]
		if s.busy {
			continue
		}
		k := c.count(s)
		if k.lost > 0 || k.stray > 0 || k.present < s.wanted || k.voting <= k.voters/2 {
			short = append(short, entry{at, k})
		}
	}
	slices.SortStableFunc(short, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.k.healthy, b.k.healthy), cmp.Compare(b.k.lost, a.k.lost))
	})
	for _, e := range short {
		c.repairShard(e.at, e.k)
	}
}

func (c *cluster) repairShard(at int, k counts) {
	s := &c.shards[at]
	if c.stuck(s, k) {
		return
	}
	aim := c.aim(s, k)
	if aim < s.wanted && k.present < s.wanted {
		c.problem(FewNodes, s, "shard %d wants %d replicas, %d nodes can hold one", s.ID, s.wanted, c.usable+k.away)
	}
	need := aim - k.present
	for _, r := range slices.Clone(s.replicas) {
		if !c.nodes[r.node].lost {
			continue
		}
		why := c.state(r.node)
		if need > 0 {
			if to := c.adopt(s, r.node); to != none {
				c.move(ReplaceReplica, Repair, at, r.node, to, "node %s is %s, shard %d has %d of %d replicas", c.nodes[r.node].ID, why, s.ID, k.healthy, s.wanted)
				need--
				continue
			}
			c.problem(NoTarget, s, "no node can take a replica of shard %d in place of node %s, which is %s", s.ID, c.nodes[r.node].ID, why)
			need = 0
		}
		// What is only dead may come back and is better than nothing.
		if c.nodes[r.node].State == Gone || k.present >= s.wanted {
			c.move(RemoveReplica, Surplus, at, r.node, none, "node %s is %s, shard %d has %d of %d replicas elsewhere", c.nodes[r.node].ID, why, s.ID, k.present, s.wanted)
		}
	}
	// Two copies are a repair; from three to five is less urgent than to make
	// room, and is done later.
	for ; need > 0 && k.present < odd(3) && c.add(at, Repair, k.present); need-- {
		k.present++
	}
	c.dropStrays(at, need > 0)
}

// stuck reports whether nothing can be planned for a shard before a node comes
// back.
func (c *cluster) stuck(s *shard, k counts) bool {
	switch {
	case k.healthy == 0:
		c.problem(NoReplica, s, "shard %d has no healthy replica: %s", s.ID, c.missing(s))
	case k.voting <= k.voters/2:
		c.problem(NoQuorum, s, "shard %d has %d of %d voters, which is no majority: %s", s.ID, k.voting, k.voters, c.missing(s))
	default:
		return false
	}
	return true
}

// adopt finds the node for a replica of a shard that is short of one: a node
// that has begun to learn it already, else the best.
func (c *cluster) adopt(s *shard, from int32) int32 {
	best := none
	for _, r := range s.replicas {
		if n := &c.nodes[r.node]; !r.voter && n.usable && (best == none || r.complete) {
			best = r.node
		}
	}
	if best != none {
		return best
	}
	return c.target(s, from, DiskShedLeaders, DiskRefuse)
}

// add plans one replica more.
func (c *cluster) add(at int, priority Priority, have int) bool {
	s := &c.shards[at]
	to := c.adopt(s, none)
	if to == none {
		c.problem(NoTarget, s, "no node can take a replica of shard %d, which has %d of %d", s.ID, have, s.wanted)
		return false
	}
	c.move(AddReplica, priority, at, none, to, "shard %d has %d of %d replicas", s.ID, have, s.wanted)
	return true
}

// dropStrays removes learners that no move is about, unless they will be of use.
func (c *cluster) dropStrays(at int, keep bool) {
	if keep {
		return
	}
	s := &c.shards[at]
	for _, r := range slices.Clone(s.replicas) {
		if !r.voter && !c.nodes[r.node].lost {
			c.move(RemoveReplica, Surplus, at, r.node, none, "node %s has a replica of shard %d that nobody waits for", c.nodes[r.node].ID, s.ID)
		}
	}
}

// missing says which nodes of a shard do not answer, or what else is wrong.
func (c *cluster) missing(s *shard) string {
	text := ""
	for _, r := range s.replicas {
		if n := &c.nodes[r.node]; !n.up {
			if text != "" {
				text += ", "
			}
			text += "node " + n.ID + " is " + c.state(r.node)
		}
	}
	if text == "" {
		return "none is complete"
	}
	return text
}

// raise makes five replicas of three where five are wanted and nodes suffice.
func (c *cluster) raise() {
	for at := range c.shards {
		c.raiseShard(at)
	}
}

func (c *cluster) raiseShard(at int) {
	s := &c.shards[at]
	if !c.settled(s) {
		return
	}
	k := c.count(s)
	for need := c.aim(s, k) - k.present; need > 0 && k.present >= odd(3) && c.add(at, Raise, k.present); need-- {
		k.present++
	}
}

// surplus removes replicas beyond the number that is wanted, the one of least
// use first.
func (c *cluster) surplus() {
	for at := range c.shards {
		s := &c.shards[at]
		for len(s.replicas) > s.wanted && c.settled(s) {
			k := c.count(s)
			worst := c.worst(s)
			if k.present <= s.wanted || worst == none || c.healthy(s.replicas[s.at(worst)]) && k.healthy <= s.wanted {
				break
			}
			c.move(RemoveReplica, Surplus, at, worst, none, "shard %d has %d replicas, %d are wanted", s.ID, k.present, s.wanted)
		}
	}
}

// worst is the replica that a shard needs least.
func (c *cluster) worst(s *shard) int32 {
	worst := none
	zones := c.inZones(s, none)
	bad := func(r replica) [5]float64 {
		n := &c.nodes[r.node]
		is := func(what bool) float64 {
			if what {
				return 1
			}
			return 0
		}
		fill := 0.0
		if n.usable {
			fill = n.filled(0)
		}
		return [5]float64{is(!c.healthy(r)), is(n.State == Draining), float64(zones[n.zone]), is(s.leader != r.node), fill}
	}
	for _, r := range s.replicas {
		if r.fresh || !r.voter {
			continue
		}
		if worst == none {
			worst = r.node
			continue
		}
		a, b := bad(r), bad(s.replicas[s.at(worst)])
		if order := slices.Compare(a[:], b[:]); order > 0 || order == 0 && r.node < worst {
			worst = r.node
		}
	}
	return worst
}
