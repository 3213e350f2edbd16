package placement

import (
	"time"

	"github.com/stere-log/stere/model"
)

// NodeState is what the cluster thinks of a node.
type NodeState uint8

// The states of a node.
const (
	// Alive: it answers and takes replicas.
	Alive NodeState = iota
	// Draining: it answers, and everything is to leave it.
	Draining
	// Dead: it does not answer. What it holds counts as lost after
	// Limits.ReplaceAfter, because most nodes come back.
	Dead
	// Gone: it will never come back. What it held is lost.
	Gone
)

// String returns the state in words.
func (s NodeState) String() string {
	switch s {
	case Alive:
		return "alive"
	case Draining:
		return "draining"
	case Dead:
		return "dead"
	}
	return "gone"
}

// Node is one node as the catalogue and the gossip describe it.
type Node struct {
	ID    string
	Zone  string // what fails together; nodes without one share the zone ""
	State NodeState
	// For is how long the node has been in its state.
	For time.Duration
	// Capacity and Used are the bytes of its disk. Used must be at least as new
	// as the end of the last move from the node. A capacity of 0 is unknown:
	// the marks of the disk do not hold then.
	Capacity, Used int64
	// Voter says that the node votes in the catalogue; only Voters reads it.
	Voter bool
}

// Replica is one node's copy of a shard.
type Replica struct {
	Node    string
	Learner bool // does not vote yet
	// Complete says that it has all segments and is up to date: it can answer
	// and others can fetch from it.
	Complete bool
}

// Shard is one shard with its replicas.
type Shard struct {
	ID    model.ShardID
	Bytes int64
	// WriteRate is bytes a second that come in. It decides between moves that
	// are equal otherwise.
	WriteRate float64
	// Wanted is the number of replicas: 1, 3 or 5; another number counts as the
	// next lower one of these.
	Wanted   int
	Replicas []Replica
	Leader   string // the node that leads, "" if nobody does
}

// Tenant is what a tenant's spread depends on.
type Tenant struct {
	ID          model.TenantID
	Shards      int // over how many it spreads now
	BytesPerDay int64
}

// State is what a plan is made from.
type State struct {
	Nodes  []Node
	Shards []Shard
	// Moves are in progress: started, neither finished nor given up.
	Moves []Move
	// Tenants may be only those that have grown.
	Tenants []Tenant
}

// Limits bound what happens at the same time. Zero means the default.
type Limits struct {
	// PerSource and PerTarget are how many copies a node sends and receives at
	// the same time; SmallShare of SmallBytes count as one. Default 2.
	PerSource, PerTarget int
	// Copies is how many copies run in the cluster at the same time. Default a
	// quarter of the nodes, at least 4.
	Copies int
	// Transfers is how many shards change their leader at the same time; a
	// shard takes no writes for a moment, so that SmallShare to which nobody
	// writes count as one. Default a tenth of the nodes, at least 4.
	Transfers int
	// ReplaceAfter is how long a node may be dead before its replicas are made
	// anew elsewhere. Default 5 minutes: longer than a restart.
	ReplaceAfter time.Duration
}

// What is small. Limits are there for the bytes that copies move and for the
// writes that changes of leaders hold up: where there are none, only the work of
// the change itself is left.
const (
	// SmallBytes is up to how many bytes a copy is a small one.
	SmallBytes = 4 << 20
	// SmallShare is how many small ones count as one.
	SmallShare = 16
	// quietRate is the bytes a second below which nobody writes to a shard.
	quietRate = 1 << 10
)

// Weight is what a move counts against Limits, in units of which SmallShare are
// one copy, or one transfer.
func (m Move) Weight() int {
	if m.Kind.Copies() && m.Bytes <= SmallBytes || m.Kind == TransferLeadership && m.Quiet {
		return 1
	}
	return SmallShare
}

// Defaults of Limits.
const (
	perNodeDefault = 2
	copiesShare    = 4  // one copy for so many nodes
	transfersShare = 10 // one transfer for so many nodes
	clusterLeast   = 4
)

// ReplaceAfter is the default of Limits.ReplaceAfter.
const ReplaceAfter = 5 * time.Minute

// WithDefaults returns the limits of a cluster with so many nodes.
func (l Limits) WithDefaults(nodes int) Limits {
	set := func(value *int, otherwise int) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	set(&l.PerSource, perNodeDefault)
	set(&l.PerTarget, perNodeDefault)
	set(&l.Copies, max(clusterLeast, nodes/copiesShare))
	set(&l.Transfers, max(clusterLeast, nodes/transfersShare))
	if l.ReplaceAfter <= 0 {
		l.ReplaceAfter = ReplaceAfter
	}
	return l
}

// Marks of a disk, as shares of its capacity. The distance between them is
// what keeps replicas from going to and fro.
const (
	// DiskShedLeaders is where a node gives its leaders away, and the most to
	// which a move fills a disk as long as nothing is lost.
	DiskShedLeaders = 0.80
	// DiskShedReplicas is where a node gives replicas away, until it is below
	// DiskShedLeaders.
	DiskShedReplicas = 0.85
	// DiskRefuse is the most to which anything fills a disk, even the repair of
	// a shard.
	DiskRefuse = 0.95

	// diskTakeLeaders is the most at which a node gets leaders.
	diskTakeLeaders = 0.77
)

// Bands of balance, as shares of a node's goal.
const (
	// BalanceBand is how far from its goal a node may be.
	BalanceBand = 0.10
	// balanceSettle is how near to its goal a node is brought once it is
	// outside of the band.
	balanceSettle = 0.05
)

// ReplicasMax is the highest number of replicas.
const ReplicasMax = 5

// odd is the highest of 1, 3 and 5 that is not above n.
func odd(n int) int {
	switch {
	case n >= 5:
		return 5
	case n >= 3:
		return 3
	}
	return 1
}
