package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// spreadLeaders first takes leaders off nodes that should lead nothing, then
// evens out the rest until no node leads two shards more than one to which
// leadership could pass, directly or over others.
func (c *cluster) spreadLeaders() {
	c.takeLeaders = c.leadersMark()
	c.shedLeaders()
	p := &passing{c: c, led: make([][]int32, len(c.nodes)), by: make([]int32, len(c.nodes)), with: make([]int32, len(c.nodes)), closed: make([]bool, len(c.nodes))}
	for at := range c.shards {
		if s := &c.shards[at]; s.leader != none && c.mayTransfer(s) {
			p.led[s.leader] = append(p.led[s.leader], int32(at))
		}
	}
	least, most := -1, 0
	for i := range c.nodes {
		if c.leads(int32(i)) && (least < 0 || c.nodes[i].leaders < least) {
			least = c.nodes[i].leaders
		}
		most = max(most, c.nodes[i].leaders)
	}
	// Nodes by how many shards they lead; whoever leads most gives first, so
	// that a node from which no way leads will have none later either.
	levels := make([][]int32, most+1)
	for i := range c.nodes {
		if n := &c.nodes[i]; n.up {
			levels[n.leaders] = append(levels[n.leaders], int32(i))
		}
	}
	for level := most; level > least+1 && level > 0; level-- {
		for len(levels[level]) > 0 {
			from := levels[level][0]
			levels[level] = levels[level][1:]
			if c.nodes[from].leaders != level || p.closed[from] {
				continue // it has another place by now
			}
			if to := p.pass(from); to != none {
				levels[level-1] = append(levels[level-1], from)
				levels[c.nodes[to].leaders] = append(levels[c.nodes[to].leaders], to)
			}
		}
	}
}

// mayTransfer reports whether a shard's leadership may be planned for.
func (c *cluster) mayTransfer(s *shard) bool { return !s.busy && len(s.replicas) > 1 }

// leads reports whether a node may get leaders.
func (c *cluster) leads(at int32) bool {
	n := &c.nodes[at]
	return n.usable && n.share(0) <= c.takeLeaders
}

// leadersMark is the most at which a node gets leaders: where all disks are fuller, those
// that are least so lead, level. Else the nodes that led when the disks filled would keep
// all leaders.
func (c *cluster) leadersMark() float64 {
	for _, mark := range []float64{diskTakeLeaders, DiskShedLeaders, DiskShedReplicas, DiskRefuse} {
		for i := range c.nodes {
			if n := &c.nodes[i]; n.usable && n.share(0) <= mark {
				return mark
			}
		}
	}
	return 1
}

// heirs gives the nodes to which a shard's leadership could pass.
func (c *cluster) heirs(s *shard, yield func(at int32)) {
	for _, r := range s.replicas {
		if r.node != s.leader && c.healthy(r) && c.leads(r.node) {
			yield(r.node)
		}
	}
}

// shedLeaders takes leaders off draining nodes and full disks.
func (c *cluster) shedLeaders() {
	for at := range c.shards {
		s := &c.shards[at]
		if s.leader == none || !c.mayTransfer(s) {
			continue
		}
		n := &c.nodes[s.leader]
		if n.usable && n.share(0) <= max(DiskShedLeaders, c.takeLeaders) {
			continue
		}
		best := none
		c.heirs(s, func(at int32) {
			if best == none || c.leadsLess(at, best) {
				best = at
			}
		})
		switch {
		case best == none:
		case !n.usable:
			c.handOver(at, best, Drain, fmt.Sprintf("node %s is draining", n.ID))
		default:
			c.handOver(at, best, Disk, fmt.Sprintf("disk of node %s is %.0f %% full", n.ID, 100*n.share(0)))
		}
	}
}

func (c *cluster) leadsLess(a, b int32) bool {
	x, y := &c.nodes[a], &c.nodes[b]
	return cmp.Or(cmp.Compare(x.leaders, y.leaders), cmp.Compare(x.rate, y.rate), cmp.Compare(a, b)) < 0
}

func (c *cluster) handOver(at int, to int32, priority Priority, reason string) {
	s := &c.shards[at]
	c.result.Moves = append(c.result.Moves, Move{Kind: TransferLeadership, Shard: s.ID, From: c.nodes[s.leader].ID, To: c.nodes[to].ID, Quiet: s.WriteRate < quietRate, Priority: priority, Reason: reason})
	c.transfer(s, to)
}

// passing finds ways for leadership. The nodes are a graph: an edge goes from
// the leader of a shard to each of the shard's other replicas. If a way leads
// from a node to one that leads at least two less, passing one leader along each
// edge of it makes the two more equal and changes nothing in between. When there
// is no such way, no arrangement is more even.
type passing struct {
	c      *cluster
	led    [][]int32 // shards by leader
	by     []int32   // of the search: the node from which one was reached
	with   []int32   // and the shard
	queue  []int32
	closed []bool // nodes from which no way leads to one that leads less
}

// pass takes one leader from a node and returns who got one more; none if there
// is no way.
func (p *passing) pass(from int32) int32 {
	c := p.c
	for i := range p.by {
		p.by[i] = none
	}
	p.by[from], p.queue = from, append(p.queue[:0], from)
	most := c.nodes[from].leaders - 2
	for next := 0; next < len(p.queue); next++ {
		at, best := p.queue[next], none
		for _, i := range p.led[at] {
			c.heirs(&c.shards[i], func(heir int32) {
				if p.by[heir] != none || p.closed[heir] {
					return
				}
				p.by[heir], p.with[heir] = at, i
				p.queue = append(p.queue, heir)
				if c.nodes[heir].leaders <= most && (best == none || c.leadsLess(heir, best)) {
					best = heir
				}
			})
		}
		if best != none {
			p.along(from, best)
			return best
		}
	}
	// Whoever was reached and leads no more has no way either.
	for _, at := range p.queue {
		if c.nodes[at].leaders <= c.nodes[from].leaders {
			p.closed[at] = true
		}
	}
	return none
}

// along passes leadership along the way that a search has found.
func (p *passing) along(from, to int32) {
	reason := fmt.Sprintf("node %s leads %d shards, node %s %d", p.c.nodes[from].ID, p.c.nodes[from].leaders, p.c.nodes[to].ID, p.c.nodes[to].leaders)
	for to != from {
		giver, i := p.by[to], p.with[to]
		p.c.handOver(int(i), to, Leaders, reason)
		p.led[giver] = slices.DeleteFunc(p.led[giver], func(other int32) bool { return other == i })
		p.led[to] = append(p.led[to], i)
		to = giver
	}
}
