package placement

// setGoals gives every usable node its goal, the bytes it should hold when all
// is done, and ranks the nodes by how much of it they have.
//
// A goal goes by capacity, but not beyond what the rules allow: with three
// zones and three replicas a small zone holds a copy of everything, however
// full its disks, and a huge node holds each shard but once. Goals that could
// not be reached would set moves off for ever.
func (c *cluster) setGoals() {
	least, most, total := c.zoneBounds()
	capacity := make([]float64, len(c.zones))
	members := make([][]int32, len(c.zones))
	typical := c.typicalCapacity()
	weight := func(n *node) float64 {
		if n.Capacity <= 0 {
			return typical
		}
		return float64(n.Capacity)
	}
	for i := range c.nodes {
		if n := &c.nodes[i]; n.usable {
			capacity[n.zone] += weight(n)
			members[n.zone] = append(members[n.zone], int32(i))
		}
	}
	c.zoneGoal = level(total, capacity, least, most)
	var all float64
	for i := range c.shards {
		all += float64(c.shards[i].bytes)
	}
	for zone, nodes := range members {
		weights, once := make([]float64, len(nodes)), make([]float64, len(nodes))
		for i, at := range nodes {
			weights[i], once[i] = weight(&c.nodes[at]), all
		}
		for i, goal := range level(c.zoneGoal[zone], weights, make([]float64, len(nodes)), once) {
			c.nodes[nodes[i]].goal = max(goal, 1)
		}
	}
	c.rankNodes(members)
}

func (c *cluster) rankNodes(members [][]int32) {
	fill := make([]float64, len(c.nodes))
	low, high := make([]int32, len(c.nodes)), make([]int32, len(c.nodes))
	c.emptiest, c.fullest = make([]ranks, len(c.zones)), make([]ranks, len(c.zones))
	c.zoneLoad = make([]int64, len(c.zones))
	for zone, nodes := range members {
		c.emptiest[zone] = ranks{place: low, fill: fill}
		c.fullest[zone] = ranks{place: high, fill: fill, most: true}
		for _, at := range nodes {
			fill[at] = c.nodes[at].filled(0)
			c.zoneLoad[zone] += c.nodes[at].load
			c.emptiest[zone].add(at)
			c.fullest[zone].add(at)
		}
	}
}

// typicalCapacity stands for capacities that are not known.
func (c *cluster) typicalCapacity() float64 {
	var sum float64
	known := 0
	for i := range c.nodes {
		if n := &c.nodes[i]; n.usable && n.Capacity > 0 {
			sum += float64(n.Capacity)
			known++
		}
	}
	if known == 0 {
		return 1
	}
	return sum / float64(known)
}

// zoneBounds are the least and the most bytes that a zone holds when replicas
// are spread evenly over the zones, and the bytes of all zones.
func (c *cluster) zoneBounds() (least, most []float64, total float64) {
	sizes := make([]int, len(c.zones)) // usable nodes
	for i := range c.nodes {
		if c.nodes[i].usable {
			sizes[c.nodes[i].zone]++
		}
	}
	var bytes [ReplicasMax + 1]float64 // of the shards with so many replicas
	for i := range c.shards {
		s := &c.shards[i]
		k := c.count(s)
		n := min(k.present, ReplicasMax) // more are surplus
		if k.healthy > 0 && !s.busy {
			n = max(n, c.aim(s, k))
			if k.lost == 0 && k.present > s.wanted {
				n = s.wanted
			}
		}
		bytes[min(max(n-k.away, 0), c.usable)] += float64(s.bytes)
	}
	least, most = make([]float64, len(sizes)), make([]float64, len(sizes))
	for n := 1; n <= ReplicasMax; n++ {
		total += float64(n) * bytes[n]
		low, high := evenly(n, sizes)
		for zone := range sizes {
			least[zone] += float64(low[zone]) * bytes[n]
			most[zone] += float64(high[zone]) * bytes[n]
		}
	}
	return least, most, total
}

// evenly says how many of n replicas each zone has at least and at most, if
// they are spread as evenly as the numbers of nodes allow.
func evenly(n int, sizes []int) (low, high []int) {
	low, high = make([]int, len(sizes)), make([]int, len(sizes))
	for round := 0; n > 0; round++ {
		room := 0
		for _, size := range sizes {
			if size > round {
				room++
			}
		}
		if room == 0 {
			return low, high
		}
		for zone, size := range sizes {
			if size > round {
				high[zone]++
				if room <= n {
					low[zone]++
				}
			}
		}
		n -= room
	}
	return low, high
}

// levelSteps halve the range in which the level lies often enough that what is
// left is below a byte.
const levelSteps = 100

// level shares a total out in proportion to the weights, between the bounds of
// each: water of one level in vessels with a floor and a lid.
func level(total float64, weights, least, most []float64) []float64 {
	shares := make([]float64, len(weights))
	pour := func(height float64) (sum float64) {
		for i, w := range weights {
			if w > 0 {
				shares[i] = min(max(height*w, least[i]), most[i])
				sum += shares[i]
			}
		}
		return sum
	}
	high := 0.0
	for i, w := range weights {
		if w > 0 {
			high = max(high, most[i]/w)
		}
	}
	low := 0.0
	for range levelSteps {
		middle := (low + high) / 2
		if pour(middle) < total {
			low = middle
		} else {
			high = middle
		}
	}
	pour(high)
	return shares
}
