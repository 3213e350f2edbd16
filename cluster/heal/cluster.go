package heal

import (
	"context"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
)

// Cluster is what a controller sees of the cluster and does to it. A node
// implements it; every method may be called on every node, from any goroutine.
type Cluster interface {
	// Self is the id of this node.
	Self() string
	// Leads reports whether this node leads the catalogue: only then does a
	// controller act.
	Leads() bool
	// State is what the cluster agrees on, as far as this node knows.
	State() *catalogue.State
	// Members are the nodes as gossip knows them. A cluster of one node that
	// does not gossip has this node alone, alive.
	Members() []gossip.Member
	// Reports asks all nodes that seem alive for a report, at once, and returns
	// by node id what has come within a second or two.
	Reports(ctx context.Context) map[string]Report
	// Propose changes the catalogue, wherever it is led, and returns the state
	// right after. Its errors are those of catalogue.Propose, and
	// raft.ErrUncertain when the leader did not answer.
	Propose(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
	// Transfer asks the leader of a shard to let another voter lead; "" lets it
	// choose.
	Transfer(ctx context.Context, shard uint32, to string) error
	// Maintain does maintenance on a node and says what came of it.
	Maintain(ctx context.Context, node string, maintenance Maintenance) (done string, err error)
	// CatalogueMembers are the members of the catalogue's group.
	CatalogueMembers() []Member
	// ChangeCatalogue adds a node to the catalogue's group, gives or takes its
	// vote, or removes it; only the leader of the catalogue can.
	ChangeCatalogue(ctx context.Context, change Change, node string) error
}

// Maintenance is what a node is asked to do by hand.
type Maintenance struct {
	Name  string `json:"name"`  // FlushNode, DropCache, RestartComponent
	Shard uint32 `json:"shard"` // of the replica, of RestartComponent
}

// Change is a change of the members of a group.
type Change string

// The changes of a group's members.
const (
	AddLearner Change = "add learner"
	AddVoter   Change = "add voter"
	Remove     Change = "remove"
)

// Report is what a node says of itself and its replicas when it is asked.
type Report struct {
	Node     string          `json:"node"`
	Time     int64           `json:"time"` // the node's clock, Unix ns
	Uptime   time.Duration   `json:"uptime"`
	Disk     Disk            `json:"disk"`
	Memory   int64           `json:"memory,omitempty"` // resident bytes
	Replicas []ReplicaReport `json:"replicas"`
	// Catalogue is the Index of the newest state of the catalogue that the node
	// knows. Versions before catalogue.FormatTenants do not tell.
	Catalogue uint64 `json:"catalogue,omitempty"`
	// Problems are what is wrong with the node, in words.
	Problems []string `json:"problems,omitempty"`
}

// Disk is the file system of a data folder, in bytes.
type Disk struct {
	Total   int64 `json:"total"`
	Free    int64 `json:"free"`
	Reserve int64 `json:"reserve"` // below it records are refused
	Full    bool  `json:"full"`    // records are refused
}

// ReplicaReport is how a replica is.
type ReplicaReport struct {
	Shard   uint32 `json:"shard"`
	Leader  string `json:"leader,omitempty"` // node that leads, as far as is known here
	Leads   bool   `json:"leads,omitempty"`
	Term    uint64 `json:"term"`
	Applied uint64 `json:"applied"` // log index
	Sealed  uint64 `json:"sealed"`  // log index of the manifest
	// Complete: it has all its segments and is close behind the leader.
	Complete     bool  `json:"complete"`
	Missing      int   `json:"missing,omitempty"`       // segments that are to be fetched
	MissingBytes int64 `json:"missing_bytes,omitempty"` // of those
	Rotten       int   `json:"rotten,omitempty"`        // segments that were found damaged since the start
	Bytes        int64 `json:"bytes"`                   // on disk: segments and log
	Records      int64 `json:"records"`                 // in segments and head
	Written      int64 `json:"written"`                 // bytes of records applied since the start, before compression: two reports give a rate
	// Members are those of the group; only the leader knows how far they are.
	Members []Member `json:"members,omitempty"`
	// Tenants are what the largest few tenants have sent within the last day, or
	// since the start, in bytes before compression; only the leader tells.
	Tenants map[string]int64 `json:"tenants,omitempty"`
	Problem string           `json:"problem,omitempty"`
	// LogLost: its log is damaged. It does not take part, and goes when the
	// catalogue does not name it any more.
	LogLost bool `json:"log_lost,omitempty"`
}

// Member is one node in a group.
type Member struct {
	Node    string        `json:"node"`
	Voter   bool          `json:"voter"`
	Match   uint64        `json:"match"`   // index up to which it has the leader's entries
	Contact time.Duration `json:"contact"` // since it last answered; negative: never
}
