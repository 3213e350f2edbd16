package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
)

var (
	_ ingest.Shards = (*Node)(nil)
	_ query.Shards  = (*Node)(nil)
)

// ShardsOf implements ingest.Shards: every tenant writes to every shard.
func (n *Node) ShardsOf(model.TenantID) []model.ShardID {
	ids := make([]model.ShardID, len(n.shards))
	for i := range n.shards {
		ids[i] = shardID(uint32(i))
	}
	return ids
}

// Append implements ingest.Shards. It returns when the block is durable and
// every later View has it.
func (n *Node) Append(ctx context.Context, id model.ShardID, a ingest.Append) (ingest.Ack, error) {
	switch {
	case n.Failed() != nil:
		return ingest.Ack{}, fmt.Errorf("%w: %w", ingest.ErrUnavailable, n.Failed())
	case !n.isReady():
		return ingest.Ack{}, fmt.Errorf("%w: the log is being replayed", ingest.ErrUnavailable)
	case n.disk.full.Load():
		return ingest.Ack{}, fmt.Errorf("%w: %d bytes are free, %d are kept in reserve", ingest.ErrNoSpace, n.disk.free.Load(), n.disk.floor.Load())
	case int(id) >= len(n.shards):
		return ingest.Ack{}, fmt.Errorf("%w: there is no shard %d", ingest.ErrUnavailable, id)
	}
	batches := make([]storage.Batch, len(a.Batches))
	for i, b := range a.Batches {
		batches[i] = storage.Batch(b)
	}
	results, err := n.shards[id].replica.Append(ctx, storage.Append{Tenant: a.Tenant, Time: a.Time, Block: a.Block, Batches: batches})
	if err != nil {
		return ingest.Ack{}, ingestError(err)
	}
	if fatal := n.Failed(); fatal != nil {
		return ingest.Ack{}, fmt.Errorf("%w: %w", ingest.ErrUnavailable, fatal)
	}
	ack := ingest.Ack{Batches: make([]ingest.BatchAck, len(results))}
	for i, r := range results {
		ack.Batches[i] = ingest.BatchAck{Index: r.Index, First: r.First, Outcome: ingest.Outcome(r.Outcome)}
	}
	return ack, nil
}

// ingestError says an error of a replica or its log in the words of ingest.
func ingestError(err error) error {
	for _, row := range []struct{ from, to error }{
		{raft.ErrNoSpace, ingest.ErrNoSpace},
		{replica.ErrBusy, ingest.ErrBusy},
	} {
		if errors.Is(err, row.from) {
			return fmt.Errorf("%w: %w", row.to, err)
		}
	}
	return fmt.Errorf("%w: %w", ingest.ErrUnavailable, err)
}

// Views implements query.Shards: what the tenant has in every shard, with
// everything that was acknowledged before the call.
func (n *Node) Views(ctx context.Context, tenant model.TenantID) ([]query.View, error) {
	if !n.isReady() {
		return nil, fmt.Errorf("%w: the log is being replayed", ingest.ErrUnavailable)
	}
	views := make([]query.View, 0, len(n.shards))
	for _, one := range n.shards {
		err := ctx.Err()
		if err == nil {
			var view *storage.View
			if view, err = one.replica.View(tenant); err == nil {
				views = append(views, query.View{Parts: view.Parts, Release: view.Release, Missing: missing(one.replica.Shard(), view)})
				continue
			}
		}
		for _, view := range views {
			view.Release()
		}
		return nil, fmt.Errorf("view shard %d: %w", one.replica.Shard(), err)
	}
	return views, nil
}

// missing says what of a shard a view cannot give; "" if it gives everything.
func missing(id model.ShardID, view *storage.View) string {
	var parts []string
	if len(view.Missing) > 0 {
		rows := uint64(0)
		for i := range view.Missing {
			rows += uint64(view.Missing[i].Rows)
		}
		parts = append(parts, fmt.Sprintf("%d segments of shard %d with %d records are missing or damaged", len(view.Missing), id, rows))
	}
	if view.Quarantined > 0 {
		parts = append(parts, fmt.Sprintf("%d blocks of shard %d could not be read and were put aside", view.Quarantined, id))
	}
	return strings.Join(parts, "; ")
}
