package placement

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
)

// node is a node in the cluster as the plan will leave it.
type node struct {
	Node
	zone     int32
	usable   bool // it may be given replicas
	up       bool // what it holds is healthy
	lost     bool // what it holds is lost
	load     int64
	used     int64 // of the disk
	goal     float64
	leaders  int
	incoming int     // copies that are planned to it
	rate     float64 // bytes a second of the shards it leads
	shards   []int32 // those it has had a replica of; holds says whether it has one now
}

// share is how full the disk is with so many bytes more.
func (n *node) share(more int64) float64 {
	if n.Capacity <= 0 {
		return 0
	}
	return float64(n.used+more) / float64(n.Capacity)
}

// filled is how much of its goal a node has with so many bytes more.
func (n *node) filled(more int64) float64 { return float64(n.load+more) / n.goal }

// replica is one of a shard as the plan will leave it.
type replica struct {
	node     int32
	voter    bool
	complete bool
	fresh    bool // the plan or a move in progress makes it
}

// shard is a shard as the plan will leave it.
type shard struct {
	*Shard
	bytes    int64
	wanted   int
	replicas []replica
	leader   int32   // none: -1
	busy     bool    // it has a move in progress
	left     []int32 // nodes that the plan takes a replica away from
}

// takes reports whether a node may be given a replica: it has none, and the plan
// takes none away from it.
func (s *shard) takes(node int32) bool {
	return s.at(node) < 0 && !slices.Contains(s.left, node)
}

func (s *shard) at(node int32) int {
	return slices.IndexFunc(s.replicas, func(r replica) bool { return r.node == node })
}

const none int32 = -1

// cluster is the state that the passes work on.
type cluster struct {
	limits Limits
	nodes  []node
	byID   map[string]int32
	shards []shard
	zones  []string
	usable int
	// emptiest and fullest have the usable nodes of each zone.
	emptiest, fullest []ranks
	zoneLoad          []int64
	zoneGoal          []float64
	spread            []int   // scratch: replicas of one shard in each zone
	takeLeaders       float64 // the most to which a disk is full at which a node gets leaders
	result            Result
}

// newCluster takes the state apart. What is wrong in it is taken for the least:
// a replica on a node that nobody knows is lost.
func newCluster(state *State, limits Limits) *cluster {
	c := &cluster{limits: limits, byID: make(map[string]int32, len(state.Nodes))}
	c.result.Counts = map[ProblemKind]int{}
	nodes := slices.Clone(state.Nodes)
	slices.SortStableFunc(nodes, func(a, b Node) int { return strings.Compare(a.ID, b.ID) })
	nodes = slices.CompactFunc(nodes, func(a, b Node) bool { return a.ID == b.ID })
	for _, n := range nodes {
		c.zones = append(c.zones, n.Zone)
	}
	slices.Sort(c.zones)
	c.zones = slices.Compact(c.zones)
	for _, n := range nodes {
		c.addNode(n)
	}
	c.spread = make([]int, len(c.zones))
	c.addShards(state.Shards)
	return c
}

func (c *cluster) addNode(n Node) int32 {
	at := int32(len(c.nodes))
	zone, known := slices.BinarySearch(c.zones, n.Zone)
	if !known {
		zone = 0
	}
	one := node{Node: n, zone: int32(zone), used: max(n.Used, 0)}
	switch n.State {
	case Alive:
		one.usable, one.up = true, true
		c.usable++
	case Draining:
		one.up = true
	case Dead:
		one.lost = n.For >= c.limits.ReplaceAfter
	default:
		one.lost = true
	}
	c.nodes = append(c.nodes, one)
	c.byID[n.ID] = at
	return at
}

// nodeOf is the number of a node; one that nobody knows is gone.
func (c *cluster) nodeOf(id string) int32 {
	if at, ok := c.byID[id]; ok {
		return at
	}
	zone := ""
	if len(c.zones) > 0 {
		zone = c.zones[0]
	} else {
		c.zones, c.spread = []string{""}, make([]int, 1)
	}
	return c.addNode(Node{ID: id, Zone: zone, State: Gone})
}

func (c *cluster) addShards(shards []Shard) {
	c.shards = make([]shard, 0, len(shards))
	replicas := make([]replica, 0, len(shards)*3) // one array for most of them
	for i := range shards {
		given := &shards[i]
		begin := len(replicas)
		s := shard{Shard: given, bytes: max(given.Bytes, 0), wanted: odd(given.Wanted), leader: none}
		for _, r := range given.Replicas {
			at := c.nodeOf(r.Node)
			if slices.ContainsFunc(replicas[begin:], func(r replica) bool { return r.node == at }) {
				continue
			}
			replicas = append(replicas, replica{node: at, voter: !r.Learner, complete: r.Complete})
		}
		s.replicas = replicas[begin:len(replicas):len(replicas)]
		c.shards = append(c.shards, s)
	}
	slices.SortStableFunc(c.shards, func(a, b shard) int { return cmp.Compare(a.ID, b.ID) })
	c.shards = slices.CompactFunc(c.shards, func(a, b shard) bool { return a.ID == b.ID })
	for i := range c.shards {
		s := &c.shards[i]
		for _, r := range s.replicas {
			n := &c.nodes[r.node]
			n.load += s.bytes
			n.shards = append(n.shards, int32(i))
		}
		if s.Leader == "" {
			continue
		}
		if at, ok := c.byID[s.Leader]; ok && c.nodes[at].up && s.at(at) >= 0 {
			s.leader = at
			c.lead(s, at, 1)
		}
	}
}

// lead counts a leader more or less.
func (c *cluster) lead(s *shard, at int32, by int) {
	c.nodes[at].leaders += by
	c.nodes[at].rate += float64(by) * s.WriteRate
}

func (c *cluster) shardOf(id model.ShardID) int {
	at, ok := slices.BinarySearchFunc(c.shards, id, func(s shard, id model.ShardID) int { return cmp.Compare(s.ID, id) })
	if !ok {
		return -1
	}
	return at
}

// began takes the moves in progress as done.
func (c *cluster) began(moves []Move) {
	for _, m := range moves {
		at := c.shardOf(m.Shard)
		if at < 0 {
			c.cancel(m, "shard %d is not there", m.Shard)
			continue
		}
		s := &c.shards[at]
		s.busy = true
		k := c.count(s)
		c.stuck(s, k)
		to, known := c.byID[m.To]
		switch {
		case m.Kind == RemoveReplica:
			to, known = none, true
		case known && c.nodes[to].lost:
			c.cancel(m, "node %s is %s", m.To, c.state(to))
			continue
		case !known:
			c.cancel(m, "node %s is not there", m.To)
			continue
		}
		from, known := c.byID[m.From]
		if !known {
			from = none
		}
		if m.Kind == TransferLeadership {
			c.transfer(s, to)
			continue
		}
		if i := s.at(from); m.Kind == RemoveReplica && i >= 0 && c.healthy(s.replicas[i]) && k.healthy <= s.wanted {
			c.cancel(m, "shard %d has %d healthy replicas, %d are wanted", s.ID, k.healthy, s.wanted)
			continue
		} else if m.Kind == RemoveReplica && i >= 0 && c.healthy(s.replicas[i]) && k.voting-1 <= (k.voters-1)/2 {
			c.cancel(m, "without node %s shard %d would have %d of %d voters, which is no majority", m.From, s.ID, k.voting-1, k.voters-1)
			continue
		}
		c.place(at, from, to)
	}
}

// place changes where a shard's replicas are; from or to may be none.
func (c *cluster) place(at int, from, to int32) {
	s := &c.shards[at]
	if from != none {
		if i := s.at(from); i >= 0 {
			s.replicas = slices.Delete(slices.Clone(s.replicas), i, i+1)
			s.left = append(s.left, from)
			c.load(from, -s.bytes)
		}
	}
	if to != none {
		if i := s.at(to); i >= 0 { // a learner that is there already
			s.replicas[i] = replica{node: to, voter: true, complete: true, fresh: true}
		} else {
			s.replicas = append(s.replicas, replica{node: to, voter: true, complete: true, fresh: true})
			c.nodes[to].shards = append(c.nodes[to].shards, int32(at))
			c.load(to, s.bytes)
		}
		c.nodes[to].incoming++
	}
	if from != none && s.leader == from {
		c.transfer(s, to)
	}
}

func (c *cluster) transfer(s *shard, to int32) {
	if s.leader != none {
		c.lead(s, s.leader, -1)
	}
	if s.leader = to; to != none {
		c.lead(s, to, 1)
	}
}

// load adds bytes to a node and puts it where it belongs in its zone.
func (c *cluster) load(at int32, more int64) {
	n := &c.nodes[at]
	n.load += more
	n.used = max(n.used+more, 0)
	if !n.usable || c.emptiest == nil {
		return
	}
	c.zoneLoad[n.zone] += more
	c.emptiest[n.zone].fill[at] = n.filled(0)
	c.emptiest[n.zone].fix(at)
	c.fullest[n.zone].fix(at)
}

// healthy reports whether a replica is one to count on.
func (c *cluster) healthy(r replica) bool {
	return r.voter && r.complete && c.nodes[r.node].up
}

// counts is what a shard has.
type counts struct {
	healthy int // complete voters on nodes that answer
	present int // voters that are not lost
	away    int // of these those on nodes that are dead, but not for long
	stray   int // learners that no move is about
	lost    int // replicas on lost nodes
	voters  int
	voting  int // voters on nodes that answer
}

func (c *cluster) count(s *shard) counts {
	var k counts
	for _, r := range s.replicas {
		n := &c.nodes[r.node]
		if r.voter {
			k.voters++
		}
		switch {
		case n.lost:
			k.lost++
			continue
		case !r.voter:
			k.stray++
			continue
		case n.up:
			k.voting++
		default:
			k.away++
		}
		k.present++
		if c.healthy(r) {
			k.healthy++
		}
	}
	return k
}

// aim is how many replicas a shard should have of the nodes there are: an odd
// number, since a fourth voter or a second makes a shard no safer.
func (c *cluster) aim(s *shard, k counts) int {
	return odd(min(s.wanted, c.usable+k.away))
}

// settled reports whether a shard is one to arrange: nothing is lost or away,
// and there are replicas to copy from and voters to decide.
func (c *cluster) settled(s *shard) bool {
	if s.busy {
		return false
	}
	k := c.count(s)
	return k.lost == 0 && k.away == 0 && k.healthy > 0 && k.voting > k.voters/2
}

// movable reports whether a replica may be moved away: it is there, nothing
// else is planned for it, and its shard is settled.
func (c *cluster) movable(s *shard, from int32) bool {
	i := s.at(from)
	return i >= 0 && !s.replicas[i].fresh && s.replicas[i].voter && c.settled(s)
}

// inZones counts the replicas of a shard in each zone, but for one and for those
// that are lost. The answer is good until the next call.
func (c *cluster) inZones(s *shard, but int32) []int {
	clear(c.spread)
	for _, r := range s.replicas {
		if r.node != but && !c.nodes[r.node].lost {
			c.spread[c.nodes[r.node].zone]++
		}
	}
	return c.spread
}

// state says the state of a node in words: "dead for 5m".
func (c *cluster) state(at int32) string {
	n := &c.nodes[at]
	if n.State == Dead {
		return "dead for " + short(n.For)
	}
	return n.State.String()
}

// short writes a duration without what does not matter.
func short(d time.Duration) string {
	d = d.Truncate(time.Second)
	text := d.String()
	if d >= time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	if d >= time.Hour {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
