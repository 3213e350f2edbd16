package placement

import "github.com/stere-log/stere/model"

// admit says which moves may start now, in their order, and what the others
// wait for.
func (c *cluster) admit(state State) {
	d := &desk{c: c, sends: make([]int, len(c.nodes)), receives: make([]int, len(c.nodes)), coming: make([]int64, len(c.nodes)),
		taken: map[model.ShardID]bool{}, promised: make([]bool, len(c.nodes))}
	for _, m := range state.Moves {
		d.occupy(m)
	}
	for i := range c.shards {
		if c.shards[i].busy {
			d.taken[c.shards[i].ID] = true
		}
	}
	for i := range c.result.Moves {
		m := &c.result.Moves[i]
		if m.Wait = d.wait(m); m.Wait == Ready {
			d.occupy(*m)
		} else if m.Kind.Copies() {
			d.later(m)
		}
		d.taken[m.Shard] = true
	}
}

// desk keeps count of what is going on.
type desk struct {
	c                 *cluster
	sends, receives   []int   // these and the next two in units of Move.Weight
	coming            []int64 // bytes
	copies, transfers int
	taken             map[model.ShardID]bool // shards that have a move
	// urgent says that copies wait that are not for balance. Balance waits for
	// them: it is planned for the cluster that they leave behind, and where
	// they go may change until they begin.
	urgent bool
	// promised are the nodes that balancing moves which wait are about. Another
	// move of such a node was found good for what they leave behind; without
	// them it might be undone again.
	promised []bool
}

func (d *desk) later(m *Move) {
	if m.Priority < Balance {
		d.urgent = true
		return
	}
	d.promised[d.c.byID[m.From]], d.promised[d.c.byID[m.To]] = true, true
}

// hasty reports whether a balancing move depends on one that waits.
func (d *desk) hasty(m *Move) bool {
	return m.Priority == Balance && (d.urgent || d.promised[d.c.byID[m.From]] || d.promised[d.c.byID[m.To]])
}

func (d *desk) occupy(m Move) {
	if m.Kind == TransferLeadership {
		d.transfers += m.Weight()
	}
	if !m.Kind.Copies() {
		return
	}
	d.copies += m.Weight()
	if at, ok := d.c.byID[m.Source]; ok {
		d.sends[at] += m.Weight()
	}
	if at, ok := d.c.byID[m.To]; ok {
		d.receives[at] += m.Weight()
		d.coming[at] += m.Bytes
	}
}

// wait says what a move waits for, and sets the source of one that is ready.
func (d *desk) wait(m *Move) Wait {
	limits := d.c.limits
	full := func(taken, limit int) bool { return taken+m.Weight() > limit*SmallShare }
	switch {
	case d.taken[m.Shard]:
		return ForShard
	case m.Kind == TransferLeadership && full(d.transfers, limits.Transfers):
		return ForCluster
	case !m.Kind.Copies():
		return Ready
	case full(d.copies, limits.Copies), d.hasty(m):
		return ForCluster
	}
	to := d.c.byID[m.To]
	n := &d.c.nodes[to]
	if full(d.receives[to], limits.PerTarget) {
		return ForTarget
	}
	// What is to leave the disk is still there.
	if n.Capacity > 0 && float64(n.Used+d.coming[to]+m.Bytes) > DiskRefuse*float64(n.Capacity) {
		return ForDisk
	}
	source := d.source(m)
	if source == none || full(d.sends[source], limits.PerSource) {
		return ForSource
	}
	m.Source = d.c.nodes[source].ID
	return Ready
}

// source is the node with a complete replica that sends least. No move of the
// shard has begun, so what the shard has is what was given.
func (d *desk) source(m *Move) int32 {
	s := &d.c.shards[d.c.shardOf(m.Shard)]
	best := none
	for _, r := range s.Replicas {
		at := d.c.byID[r.Node]
		if !r.Complete || !d.c.nodes[at].up || r.Node == m.To {
			continue
		}
		if best == none || d.sendsLess(s, at, best) {
			best = at
		}
	}
	return best
}

// sendsLess reports whether one node rather than another should send a shard's
// bytes: it sends less, or as much and does not lead the shard.
func (d *desk) sendsLess(s *shard, a, b int32) bool {
	if d.sends[a] != d.sends[b] {
		return d.sends[a] < d.sends[b]
	}
	x, y := d.c.nodes[a].ID == s.Leader, d.c.nodes[b].ID == s.Leader
	if x != y {
		return y
	}
	return a < b
}
