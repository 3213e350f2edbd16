package peer

import (
	"context"
	"io"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// Node is what a node does for others. Errors have the meanings of this
// package; methods are called from any goroutine.
type Node interface {
	// Append stores a block in a shard that this node leads.
	Append(ctx context.Context, shard model.ShardID, a storage.Append) ([]storage.BatchResult, error)
	// ReadIndexes returns, for shards that this node leads, indexes at or above
	// everything that was acknowledged before.
	ReadIndexes(ctx context.Context, groups []uint32) ([]uint64, error)
	// Leaf answers a share of a query (query.Engine.Leaf).
	Leaf(ctx context.Context, request []byte) ([]byte, error)
	// Follow answers a question about what comes to a shard (query.FollowQuery).
	Follow(ctx context.Context, request []byte) ([]byte, error)
	// Report says how the node and its replicas are: all, or that of one shard.
	Report(ctx context.Context, shards ...model.ShardID) (heal.Report, error)
	// ProposeCatalogue changes the catalogue if this node leads it; the result
	// is that of catalogue.ProposeEncoded, which has the error in it.
	ProposeCatalogue(ctx context.Context, command []byte) (result []byte, err error)
	// Transfer lets another voter lead a shard that this node leads; "" lets it
	// choose.
	Transfer(ctx context.Context, shard model.ShardID, to string) error
	// Join makes a node a member of the cluster.
	Join(ctx context.Context, node catalogue.Node) (Joined, error)
	// Release takes a node that has forgotten the catalogue's log out of its group, so
	// that it can come back as one that follows.
	Release(ctx context.Context, node string) error
	// Promise promises a node that wants to begin a cluster to join it, and
	// nobody else's.
	Promise(ctx context.Context, candidate string) error
	// Flush seals what this node leads and merges what can be merged.
	Flush(ctx context.Context) error
	// Maintain does maintenance and says what came of it.
	Maintain(ctx context.Context, maintenance heal.Maintenance) (done string, err error)
	// Limit answers a question about what is counted (node/limits).
	Limit(ctx context.Context, question []byte) ([]byte, error)
	// Delete proposes a deletion to a shard that this node leads, and returns where in
	// its log it is.
	Delete(ctx context.Context, shard model.ShardID, d storage.Deletion) (index uint64, err error)
	// Erased says how far a deletion has come on the replica of a shard that this node
	// has.
	Erased(ctx context.Context, shard model.ShardID, of Erasure) (Erased, error)
	// Seal seals what is in the logs of the shards that this node leads, so that they
	// can be cut.
	Seal(ctx context.Context) error
	// Segment gives the bytes of a segment of a replica, from an offset on.
	Segment(ctx context.Context, shard model.ShardID, id storage.SegmentID, offset int64) (io.ReadCloser, error)
}

// Erasure names a deletion, and what is to be looked at.
type Erasure struct {
	Number uint64         `json:"number"`
	Tenant model.TenantID `json:"tenant"`
	// Count: how many records the tenant has is counted.
	Count bool `json:"count,omitempty"`
	// Index is where in the log the deletion is, 0 if that is not known.
	Index uint64 `json:"index,omitempty"`
	// Check: what the deletion removes is looked for; Deletion says what that is.
	Check    bool   `json:"check,omitempty"`
	Deletion []byte `json:"deletion,omitempty"` // storage.AppendDeletion
	// Days: how many bytes the tenant has of each day is told.
	Days bool `json:"days,omitempty"`
}

// Erased says how far a deletion has come on a replica.
type Erased struct {
	Gone    bool                    `json:"gone"`
	Leads   bool                    `json:"leads"` // the replica is the one that takes writes
	Waits   string                  `json:"waits,omitempty"`
	Figures storage.DeletionFigures `json:"figures"`
	Records uint64                  `json:"records,omitempty"` // of the tenant
	Left    uint64                  `json:"left,omitempty"`    // that should have gone
	Logged  bool                    `json:"logged,omitempty"`  // entries of before it are in a file of the log
	Days    map[int64]int64         `json:"days,omitempty"`    // bytes by UTC day since 1970
}

// Joined is what a new member learns.
type Joined struct {
	Cluster  string `json:"cluster"`
	AdminKey string `json:"admin_key,omitempty"`
}

// The paths of the calls.
const (
	pathAppend    = "/v1/append"
	pathRead      = "/v1/read-index"
	pathLeaf      = "/v1/leaf"
	pathFollow    = "/v1/follow"
	pathReport    = "/v1/report"
	pathCatalogue = "/v1/catalogue"
	pathTransfer  = "/v1/transfer"
	pathJoin      = "/v1/join"
	pathRelease   = "/v1/release"
	pathPromise   = "/v1/promise"
	pathFlush     = "/v1/flush"
	pathMaintain  = "/v1/maintain"
	pathSegment   = "/v1/segment"
	pathLimit     = "/v1/limit"
	pathDelete    = "/v1/delete"
	pathErased    = "/v1/erased"
	pathSeal      = "/v1/seal"
)
