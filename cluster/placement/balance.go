package placement

import (
	"cmp"
	"slices"
)

// balance brings nodes that are further than BalanceBand from their goal nearer
// to it: first those that have too much, then those that have too little.
//
// A move is only made if its source stays at least as full as its target
// becomes, measured by their goals. The sum of the squares then falls with each
// move, so that no sequence of them comes back to where it began.
func (c *cluster) balance() {
	for range sweepsMax {
		before := len(c.result.Moves)
		if c.sweep(); len(c.result.Moves) == before {
			return
		}
	}
}

// sweepsMax is how often a plan looks at all nodes. What one sweep moves can
// put another node out of its band if shards are big; few plans need three.
const sweepsMax = 8

func (c *cluster) sweep() {
	var over, under []int32
	for i := range c.nodes {
		n := &c.nodes[i]
		switch {
		case !n.usable:
		case n.filled(0) > 1+BalanceBand:
			over = append(over, int32(i))
		case n.filled(0) < 1-BalanceBand:
			under = append(under, int32(i))
		}
	}
	slices.SortStableFunc(over, func(a, b int32) int { return cmp.Compare(c.nodes[b].filled(0), c.nodes[a].filled(0)) })
	slices.SortStableFunc(under, func(a, b int32) int { return cmp.Compare(c.nodes[a].filled(0), c.nodes[b].filled(0)) })
	for _, from := range over {
		c.push(from)
	}
	for _, to := range under {
		c.pull(to)
	}
}

// push moves replicas off a node, biggest first, but none that takes it below
// its goal as long as others do.
func (c *cluster) push(from int32) {
	n := &c.nodes[from]
	shards := c.byBytes(from)
	goal := int64(n.goal)
	for _, fits := range []bool{true, false} {
		for i := range shards {
			at := shards[i]
			if !fits {
				at = shards[len(shards)-1-i] // the smallest of what is too big
			}
			s := &c.shards[at]
			if n.filled(0) <= 1+balanceSettle {
				return
			}
			if s.bytes == 0 || fits && s.bytes > n.load-goal || !c.movable(s, from) {
				continue
			}
			// Rather none that has too much afterwards; with few big shards
			// there may be no such node.
			below := n.filled(-s.bytes)
			to := c.aside(s, from, min(below, 1+balanceSettle))
			if to == none && !fits {
				to = c.aside(s, from, below)
			}
			if to != none {
				c.move(MoveReplica, Balance, int(at), from, to, "node %s has %.0f %% more than its share", n.ID, 100*(n.filled(0)-1))
			}
		}
	}
}

// sourcesMax is how many of the fullest nodes of a zone are searched for a
// replica that another node could take.
const sourcesMax = 32

// pull moves replicas to a node from those that have most of their goal.
func (c *cluster) pull(to int32) {
	n := &c.nodes[to]
	for n.filled(0) < 1-balanceSettle {
		at, from := c.gift(to)
		if at < 0 {
			return
		}
		c.move(MoveReplica, Balance, at, from, to, "node %s has %.0f %% less than its share", n.ID, 100*(1-n.filled(0)))
	}
}

// gift finds a replica for a node that has too little, -1 if there is none. Of
// its own zone any will do. One of another zone has to leave a zone that has
// more of the shard, and comes into question only if that zone has too much as
// a whole.
func (c *cluster) gift(to int32) (at int, from int32) {
	here := int(c.nodes[to].zone)
	bestAt, best := -1, none
	for zone := range c.zones {
		if zone != here && !c.zoneGives(zone, here) {
			continue
		}
		searched := 0
		for source := range c.fullest[zone].walk() {
			if searched++; source == to || searched > sourcesMax || best != none && c.nodes[source].filled(0) <= c.nodes[best].filled(0) {
				break
			}
			if found := c.fitting(source, to); found >= 0 {
				bestAt, best = found, source
				break
			}
		}
	}
	return bestAt, best
}

// zoneGives reports whether one zone has more than its share and another less.
func (c *cluster) zoneGives(from, to int) bool {
	return float64(c.zoneLoad[from]) > c.zoneGoal[from] && float64(c.zoneLoad[to]) < c.zoneGoal[to]
}

// fitting is the biggest shard of one node that another could take, -1 if there
// is none.
func (c *cluster) fitting(from, to int32) int {
	a, b := &c.nodes[from], &c.nodes[to]
	best := -1
	for _, at := range a.shards {
		s := &c.shards[at]
		if s.bytes == 0 || a.filled(-s.bytes) < b.filled(s.bytes) || b.filled(s.bytes) > 1 || b.share(s.bytes) > DiskShedLeaders {
			continue
		}
		if best >= 0 && !c.ratherGives(s, &c.shards[best], from) || !s.takes(to) || !c.movable(s, from) {
			continue
		}
		if zones := c.inZones(s, none); a.zone == b.zone || zones[b.zone] < zones[a.zone] {
			best = int(at)
		}
	}
	return best
}

// ratherGives reports whether a node would rather give away one shard than
// another: one that it does not lead, a bigger one, one that is written less.
func (c *cluster) ratherGives(x, y *shard, from int32) bool {
	return cmp.Or(compareBool(x.leader == from, y.leader == from), cmp.Compare(y.bytes, x.bytes), cmp.Compare(x.WriteRate, y.WriteRate), cmp.Compare(x.ID, y.ID)) < 0
}
