package placement

// mendZones moves replicas out of zones that have two or more than another that
// has a node for them.
func (c *cluster) mendZones() {
	if len(c.zones) < 2 {
		return
	}
	for at := range c.shards {
		s := &c.shards[at]
		if len(s.replicas) < 2 || !c.settled(s) {
			continue
		}
		for range s.replicas {
			if !c.mendZone(at) {
				break
			}
		}
	}
}

func (c *cluster) mendZone(at int) bool {
	c.raiseShard(at) // a replica more may be all that the zones need
	s := &c.shards[at]
	from := c.crowded(s)
	if from == none {
		return false
	}
	zones := c.inZones(s, none)
	here := c.nodes[from].zone
	best := none
	for level := 0; level+2 <= zones[here] && best == none; level++ {
		for zone, has := range zones {
			if has == level {
				best = c.better(s, best, c.inZone(zone, search{s, from, DiskShedLeaders, noBound}))
			}
		}
	}
	if best == none {
		return false
	}
	there := c.nodes[best].zone
	c.move(MoveReplica, Zone, at, from, best, "shard %d has %d of its %d replicas in zone %q and %d in zone %q",
		s.ID, zones[here], len(s.replicas), c.zones[here], zones[there], c.zones[there])
	return true
}

// crowded is the replica that should leave the zone that has most of a shard:
// one on a draining node, else that on the fullest.
func (c *cluster) crowded(s *shard) int32 {
	zones := c.inZones(s, none)
	best := none
	for _, r := range s.replicas {
		if zones[c.nodes[r.node].zone] < 2 || !c.movable(s, r.node) {
			continue
		}
		if best == none || c.leavesBefore(zones, r.node, best) {
			best = r.node
		}
	}
	return best
}

func (c *cluster) leavesBefore(zones []int, a, b int32) bool {
	x, y := &c.nodes[a], &c.nodes[b]
	switch {
	case zones[x.zone] != zones[y.zone]:
		return zones[x.zone] > zones[y.zone]
	case x.usable != y.usable:
		return !x.usable
	case x.usable && x.filled(0) != y.filled(0):
		return x.filled(0) > y.filled(0)
	}
	return a < b
}

// drain moves what draining nodes hold.
func (c *cluster) drain() {
	for i := range c.nodes {
		if c.nodes[i].State == Draining {
			c.empty(int32(i))
		}
	}
}

func (c *cluster) empty(from int32) {
	n := &c.nodes[from]
	for _, at := range n.shards {
		s := &c.shards[at]
		if !c.movable(s, from) {
			continue
		}
		to := c.target(s, from, DiskShedLeaders, DiskShedReplicas)
		if to == none {
			c.problem(NoTarget, s, "node %s is draining, but no node can take its replica of shard %d", n.ID, s.ID)
			continue
		}
		c.move(MoveReplica, Drain, int(at), from, to, "node %s is draining", n.ID)
	}
}

// relieveDisks moves replicas off disks that are too full.
func (c *cluster) relieveDisks() {
	for i := range c.nodes {
		if n := &c.nodes[i]; n.usable && n.share(0) > DiskShedReplicas {
			c.relieve(int32(i))
		}
	}
}

// relieve first moves what does not take the disk further below its mark than it
// must, then, if that was not enough, the smallest of the rest.
func (c *cluster) relieve(from int32) {
	n := &c.nodes[from]
	shards := c.byBytes(from)
	excess := func() int64 { return n.used - int64(DiskShedLeaders*float64(n.Capacity)) }
	for _, at := range shards {
		if bytes := c.shards[at].bytes; bytes > 0 && bytes <= excess() {
			c.unload(int(at), from)
		}
	}
	for i := len(shards) - 1; i >= 0 && excess() > 0; i-- {
		if c.shards[shards[i]].bytes > 0 && c.movable(&c.shards[shards[i]], from) {
			c.unload(int(shards[i]), from)
		}
	}
}

func (c *cluster) unload(at int, from int32) {
	if to := c.aside(&c.shards[at], from, noBound); to != none {
		n := &c.nodes[from]
		c.move(MoveReplica, Disk, at, from, to, "disk of node %s is %.0f %% full", n.ID, 100*n.share(0))
	}
}

// aside finds another node for a replica without making the zones worse: in its
// own zone, or in one that has fewer of the shard's replicas.
func (c *cluster) aside(s *shard, from int32, below float64) int32 {
	zones := c.inZones(s, none)
	here := c.nodes[from].zone
	best := none
	for zone, has := range zones {
		if zone == int(here) || has < zones[here] {
			best = c.better(s, best, c.inZone(zone, search{s, from, DiskShedLeaders, below}))
		}
	}
	return best
}
