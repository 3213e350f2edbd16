package node

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
)

// calls is what a node does for others.
type calls struct{ n *Node }

var _ peer.Node = calls{}

// Append implements peer.Node.
func (c calls) Append(ctx context.Context, shard model.ShardID, a storage.Append) ([]storage.BatchResult, error) {
	return c.n.appendHere(ctx, shard, a)
}

// ReadIndexes implements peer.Node.
func (c calls) ReadIndexes(ctx context.Context, groups []uint32) ([]uint64, error) {
	return c.n.readIndexesHere(ctx, groups)
}

// readIndexHere answers for one group, a shard's or the catalogue's.
func (n *Node) readIndexHere(ctx context.Context, number uint32) (uint64, error) {
	if number == catalogue.Group {
		return n.members.ReadIndex(ctx)
	}
	one := n.replicas.Get(shardID(number))
	if one == nil {
		return 0, fmt.Errorf("%w: shard %d", peer.ErrNotHere, number)
	}
	index, err := one.Group.ReadIndex(ctx)
	if err != nil && !errors.Is(err, raft.ErrNotLeader) {
		return 0, fmt.Errorf("%w: %w", peer.ErrUnavailable, err) // nothing is done by asking
	}
	if err != nil {
		return 0, peerError(err, one.Group)
	}
	return index, nil
}

// Leaf implements peer.Node.
func (c calls) Leaf(ctx context.Context, request []byte) ([]byte, error) {
	if err := c.n.serving(); err != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return c.n.engine.Leaf(ctx, c.n.localViews, request)
}

// Follow implements peer.Node.
func (c calls) Follow(ctx context.Context, request []byte) ([]byte, error) {
	return c.n.follow.Answer(ctx, request)
}

// Report implements peer.Node.
func (c calls) Report(context.Context) (heal.Report, error) { return c.n.report(), nil }

// ProposeCatalogue implements peer.Node.
func (c calls) ProposeCatalogue(ctx context.Context, command []byte) ([]byte, error) {
	return c.n.members.ProposeHere(ctx, command), nil
}

// Transfer implements peer.Node.
func (c calls) Transfer(ctx context.Context, shard model.ShardID, to string) error {
	one := c.n.replicas.Get(shard)
	if one == nil {
		return fmt.Errorf("%w: shard %d", peer.ErrNotHere, shard)
	}
	if _, leads := one.Group.Leader(); !leads {
		return peerError(raft.ErrNotLeader, one.Group)
	}
	if err := one.Group.Transfer(ctx, to); err != nil {
		return fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return nil
}

// Join implements peer.Node.
func (c calls) Join(ctx context.Context, node catalogue.Node) (peer.Joined, error) {
	return c.n.members.Admit(ctx, node)
}

// Promise implements peer.Node.
func (c calls) Promise(_ context.Context, candidate string) error {
	return c.n.members.Promise(candidate)
}

// Flush implements peer.Node.
func (c calls) Flush(ctx context.Context) error {
	if err := c.n.Flush(ctx); err != nil {
		return fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return nil
}

// Segment implements peer.Node.
func (c calls) Segment(_ context.Context, shard model.ShardID, id storage.SegmentID, offset int64) (io.ReadCloser, error) {
	one := c.n.replicas.Get(shard)
	if one == nil {
		return nil, fmt.Errorf("%w: shard %d", peer.ErrNotHere, shard)
	}
	stream, err := one.Segment(id, offset)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return stream, nil
}
