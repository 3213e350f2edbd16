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
	// Report says how the node and its replicas are.
	Report(ctx context.Context) (heal.Report, error)
	// ProposeCatalogue changes the catalogue if this node leads it; the result
	// is that of catalogue.ProposeEncoded, which has the error in it.
	ProposeCatalogue(ctx context.Context, command []byte) (result []byte, err error)
	// Transfer lets another voter lead a shard that this node leads; "" lets it
	// choose.
	Transfer(ctx context.Context, shard model.ShardID, to string) error
	// Join makes a node a member of the cluster.
	Join(ctx context.Context, node catalogue.Node) (Joined, error)
	// Promise promises a node that wants to begin a cluster to join it, and
	// nobody else's.
	Promise(ctx context.Context, candidate string) error
	// Flush seals what this node leads and merges what can be merged.
	Flush(ctx context.Context) error
	// Segment gives the bytes of a segment of a replica, from an offset on.
	Segment(ctx context.Context, shard model.ShardID, id storage.SegmentID, offset int64) (io.ReadCloser, error)
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
	pathPromise   = "/v1/promise"
	pathFlush     = "/v1/flush"
	pathSegment   = "/v1/segment"
)
