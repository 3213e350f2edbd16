package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// Plan returns what to do for the cluster to be as it should. Executing the
// moves in order leaves nothing to plan, or next to nothing; executing only
// those that are ready and planning again comes to the same.
func Plan(state State, limits Limits) Result {
	limits = limits.WithDefaults(len(state.Nodes))
	c := newCluster(&state, limits)
	c.began(state.Moves)
	c.setGoals()
	c.repair()
	c.surplus()
	c.mendZones()
	c.drain()
	c.relieveDisks()
	c.raise()
	c.balance()
	c.spreadLeaders()
	// What was planned with something else takes its place; a shard's moves
	// are about different replicas, so that their order does not matter.
	slices.SortStableFunc(c.result.Moves, func(a, b Move) int { return cmp.Compare(a.Priority, b.Priority) })
	c.admit(state)
	c.result.Growths = growths(state.Tenants, len(state.Shards))
	return c.result
}

// move plans a move of bytes, or the removal of a replica, and changes the
// cluster as it will.
func (c *cluster) move(kind Kind, priority Priority, at int, from, to int32, format string, args ...any) {
	s := &c.shards[at]
	m := Move{Kind: kind, Shard: s.ID, Priority: priority, Reason: fmt.Sprintf(format, args...)}
	if from != none {
		m.From = c.nodes[from].ID
	}
	if to != none {
		m.To, m.Bytes = c.nodes[to].ID, s.bytes
		if i := s.at(to); i >= 0 && s.replicas[i].complete {
			m.Bytes = 0 // a complete learner only has to get its vote
		}
	}
	c.result.Moves = append(c.result.Moves, m)
	c.place(at, from, to)
}

func (c *cluster) cancel(m Move, format string, args ...any) {
	m.Reason = fmt.Sprintf(format, args...)
	c.result.Cancel = append(c.result.Cancel, m)
}

func (c *cluster) problem(kind ProblemKind, s *shard, format string, args ...any) {
	if c.result.Counts[kind]++; c.result.Counts[kind] <= ProblemsMax {
		c.result.Problems = append(c.result.Problems, Problem{kind, s.ID, fmt.Sprintf(format, args...)})
	}
}

// candidatesMax is how many nodes that could take a replica are weighed against
// each other: the emptiest of a zone. More would find hardly a better one.
const candidatesMax = 16

// search is what a node must be like to take a replica.
type search struct {
	shard *shard
	from  int32   // the replica that it takes the place of, or none
	mark  float64 // of the disk, not to be exceeded
	// below is how much of its goal the node may have afterwards.
	below float64
}

// target finds the node for a replica: in the zone that has the fewest of the
// shard's replicas, however full its disks as long as they may be used at all;
// there below the first mark, else below the next. -1 if there is none.
func (c *cluster) target(s *shard, from int32, marks ...float64) int32 {
	zones := c.inZones(s, from)
	for level := 0; level <= len(s.replicas); level++ {
		for _, mark := range marks {
			best := none
			for zone, has := range zones {
				if has == level {
					best = c.better(s, best, c.inZone(zone, search{s, from, mark, noBound}))
				}
			}
			if best != none {
				return best
			}
		}
	}
	return none
}

// noBound: a search that does not ask how full a node becomes.
const noBound = 1e300

// inZone finds the node of a zone for a replica.
func (c *cluster) inZone(zone int, want search) int32 {
	best, weighed := none, 0
	for at := range c.emptiest[zone].walk() {
		n := &c.nodes[at]
		if n.filled(0) > want.below {
			break
		}
		if !want.shard.takes(at) || n.share(want.shard.bytes) > want.mark || n.filled(want.shard.bytes) > want.below {
			continue
		}
		best = c.better(want.shard, best, at)
		if weighed++; weighed == candidatesMax {
			break
		}
	}
	return best
}

// better is the one of two nodes, each of which may be none, that should take a
// replica: the one that has less afterwards. Among those that stay below their
// goal the one that fewer copies go to is better, so that the work is shared.
func (c *cluster) better(s *shard, a, b int32) int32 {
	if a == none || b == none {
		return max(a, b)
	}
	x, y := &c.nodes[a], &c.nodes[b]
	fx, fy := x.filled(s.bytes), y.filled(s.bytes)
	order := 0
	if fx <= 1 && fy <= 1 {
		order = cmp.Compare(x.incoming, y.incoming)
	}
	if cmp.Or(order, cmp.Compare(fx, fy), cmp.Compare(x.rate, y.rate), cmp.Compare(a, b)) <= 0 {
		return a
	}
	return b
}

// byBytes are the shards of a node that have a replica there that may be moved,
// biggest first; of equal ones those that the node does not lead, then those
// that are written least.
func (c *cluster) byBytes(at int32) []int32 {
	var shards []int32
	for _, i := range c.nodes[at].shards {
		if c.movable(&c.shards[i], at) {
			shards = append(shards, i)
		}
	}
	slices.SortFunc(shards, func(a, b int32) int {
		x, y := &c.shards[a], &c.shards[b]
		return cmp.Or(cmp.Compare(y.bytes, x.bytes), compareBool(x.leader == at, y.leader == at), cmp.Compare(x.WriteRate, y.WriteRate), cmp.Compare(a, b))
	})
	return shards
}
