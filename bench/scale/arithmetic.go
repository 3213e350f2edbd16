package scale

import "math"

// What the arithmetic begins with. Sizes are those of a compact encoding; in
// memory, with Go's strings and maps, count on memoryFactor times as much.
const (
	nodeBytes       = 200 // id, name, two addresses, zone, versions, state, times
	shardFixedBytes = 24  // number, factor, leader's term and place
	replicaBytes    = 10  // node and state
	tenantBytes     = 48  // id, spread, where its list of shards comes from
	memoryFactor    = 3

	// Of memberlist with the settings for a local network.
	gossipPerSecond   = 5 * 3 // packets: every 200 ms to three nodes
	gossipPacketBytes = 1400
	retransmitFactor  = 4
	probeBytes        = 4 * 80 // a second: one ping and ack sent, one of each received
	nodeMessageBytes  = 300    // a node's state with its hints
	pushPullSeconds   = 30.0
	pushPullUnscaled  = 32.0
	memberBytes       = 300 // a node in a full exchange
	heartbeatSeconds  = 0.1 // at least, for an election timeout of a second
	heartbeatSpread   = 1.5 // the mean of one to two times

	// The idle cost of Raft groups was measured once, with all replicas of 64
	// groups in one process and nothing written.
	idleGroupsMeasured = 64
	idleReplicas       = idleGroupsMeasured * 3
	idleLinks          = idleGroupsMeasured * 2 // from a leader to a follower
	idleLowPercent     = 9.0
	idleHighPercent    = 13.0
)

// Estimate is what follows for a cluster from the numbers alone.
type Estimate struct {
	Nodes    int `json:"nodes"`
	Shards   int `json:"shards"`
	Replicas int `json:"replicas"`
	Tenants  int `json:"tenants"`
	// CatalogueMB is what every node keeps, written compactly; CatalogueMemoryMB
	// what it takes in memory.
	CatalogueMB       float64 `json:"catalogueMb"`
	CatalogueMemoryMB float64 `json:"catalogueMemoryMb"`
	// GossipKBPerSecond is what a node sends and receives when nothing changes.
	GossipKBPerSecond float64 `json:"gossipKbPerSecond"`
	// HintSeconds is how often every node can tell something new to all before
	// the packets of gossip are full.
	HintSeconds float64 `json:"hintSeconds"`
	// GroupsPerNode are Raft groups of which a node has a replica; the idle cost
	// is in percent of one core.
	GroupsPerNode   float64 `json:"groupsPerNode"`
	IdleLowPercent  float64 `json:"idleLowPercent"`
	IdleHighPercent float64 `json:"idleHighPercent"`
	// HeartbeatsPerSecond are those that the leader of the catalogue sends to
	// all who follow it.
	HeartbeatsPerSecond float64 `json:"heartbeatsPerSecond"`
	// LeaderLowPercent and LeaderHighPercent are what that costs it of a core.
	LeaderLowPercent  float64 `json:"leaderLowPercent"`
	LeaderHighPercent float64 `json:"leaderHighPercent"`
	// FanOutMost is how many nodes a query asks that reads all shards, and
	// ShardsPerCall how many shards each of them reads.
	FanOutMost    int     `json:"fanOutMost"`
	ShardsPerCall float64 `json:"shardsPerCall"`
}

// Arithmetic is what follows for clusters of some sizes.
func Arithmetic() []Estimate {
	var all []Estimate
	for _, nodes := range []int{3, 10, 100, 1000, 3000} {
		all = append(all, estimate(nodes))
	}
	return all
}

func estimate(nodes int) Estimate {
	e := Estimate{Nodes: nodes, Shards: nodes * replicasPerNode / wanted, Tenants: nodes * tenantsPerNode}
	e.Replicas = e.Shards * wanted
	n := float64(nodes)
	bytes := n*nodeBytes + float64(e.Shards)*shardFixedBytes + float64(e.Replicas)*replicaBytes + float64(e.Tenants)*tenantBytes
	e.CatalogueMB, e.CatalogueMemoryMB = bytes/1e6, memoryFactor*bytes/1e6
	interval := pushPullSeconds
	if n > pushPullUnscaled {
		interval *= math.Ceil(math.Log2(n)-math.Log2(pushPullUnscaled)) + 1
	}
	// A full exchange goes both ways, and each node begins one and is asked for
	// one in every interval.
	e.GossipKBPerSecond = (probeBytes + 4*n*memberBytes/interval) / 1e3
	// Every node passes on every message so many times.
	sends := retransmitFactor * math.Ceil(math.Log10(n+1))
	e.HintSeconds = n * sends * nodeMessageBytes / (gossipPerSecond * gossipPacketBytes)
	e.GroupsPerNode = float64(e.Replicas) / n
	e.IdleLowPercent, e.IdleHighPercent = e.GroupsPerNode*idleLowPercent/idleReplicas, e.GroupsPerNode*idleHighPercent/idleReplicas
	e.HeartbeatsPerSecond = (n - 1) / (heartbeatSeconds * heartbeatSpread)
	// Half of what a leader and a follower cost together is the leader's.
	e.LeaderLowPercent, e.LeaderHighPercent = (n-1)*idleLowPercent/idleLinks/2, (n-1)*idleHighPercent/idleLinks/2
	e.FanOutMost = min(nodes, e.Shards)
	e.ShardsPerCall = float64(e.Shards) / float64(e.FanOutMost)
	return e
}
