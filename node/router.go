package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/segment"
)

const (
	routeRetryMin = 20 * time.Millisecond
	routeRetryMax = 300 * time.Millisecond
	// leadingInterval is how often it is looked whether the node that is to
	// append still leads.
	leadingInterval = 200 * time.Millisecond
)

var _ ingest.Shards = (*Node)(nil)

// ShardsOf implements ingest.Shards.
func (n *Node) ShardsOf(tenant model.TenantID) []model.ShardID {
	return shardIDs(n.members.State().WriteShards(tenant))
}

// readShardsOf returns the shards that may have a tenant's records.
func (n *Node) readShardsOf(tenant model.TenantID) []model.ShardID {
	return shardIDs(n.members.State().TenantShards(tenant))
}

// KeyShardsOf implements ingest.Shards.
func (n *Node) KeyShardsOf(tenant model.TenantID) []model.ShardID {
	return shardIDs(n.members.State().KeyShards(tenant))
}

func shardIDs(numbers []uint32) []model.ShardID {
	ids := make([]model.ShardID, len(numbers))
	for i, number := range numbers {
		ids[i] = shardID(number)
	}
	return ids
}

// Filled implements ingest.Shards: it is known of shards that this node leads.
func (n *Node) Filled(id model.ShardID) (share float64, known bool) {
	one := n.replicas.Get(id)
	if one == nil {
		return 0, false
	}
	if _, leads := one.Group.Leader(); !leads {
		return 0, false
	}
	return one.Filled(), true
}

// Append implements ingest.Shards: it carries the block to whoever leads the
// shard, and again when the leader has changed meanwhile. It returns when the
// block is durable and every later query finds it.
func (n *Node) Append(ctx context.Context, id model.ShardID, a ingest.Append) (ingest.Ack, error) {
	if err := n.serving(); err != nil {
		return ingest.Ack{}, err
	}
	batches := make([]storage.Batch, len(a.Batches))
	for i, b := range a.Batches {
		batches[i] = storage.Batch{Key: b.Key, Body: b.Body, Rows: b.Rows}
		if n.members.Clustered() && b.Key == ([16]byte{}) {
			// What is sent again after an answer was lost must not be stored twice.
			_, _ = rand.Read(batches[i].Key[:])
			batches[i].Carried = n.format() >= carriedFormat
		}
	}
	results, err := n.route(ctx, id, storage.Append{Tenant: a.Tenant, Time: a.Time, Block: a.Block, Batches: batches})
	if err != nil {
		return ingest.Ack{}, ingestError(err)
	}
	ack := ingest.Ack{Batches: make([]ingest.BatchAck, len(results))}
	for i, r := range results {
		ack.Batches[i] = ingest.BatchAck{Index: r.Index, First: r.First, Outcome: ingest.Outcome(r.Outcome)}
		if a.Batches[i].Key == ([16]byte{}) && r.Outcome == storage.Duplicate {
			ack.Batches[i].Outcome = ingest.Stored // by an attempt whose answer was lost
		}
	}
	return ack, nil
}

// format is the catalogue's Format, which is looked up once for each state.
func (n *Node) format() uint16 {
	state := n.members.State()
	known := n.formatOf.Load()
	if known == nil || known.state != state {
		known = &formatOf{state, state.Format()}
		n.formatOf.Store(known)
	}
	return known.format
}

// blockVersion is the newest version of blocks that all nodes read.
func (n *Node) blockVersion() byte {
	if n.format() < catalogue.FormatBlocks {
		return block.VersionPlain
	}
	return block.Version
}

// segmentVersion is the newest version of segments that all nodes read: a replica may be
// given segments that another node built.
func (n *Node) segmentVersion() byte {
	switch format := n.format(); {
	case format < catalogue.FormatBlocks:
		return segment.VersionPlain
	case format < catalogue.FormatRareLevels:
		return segment.VersionMinutes
	case format < catalogue.FormatPieces:
		return segment.VersionRare
	}
	return segment.Version
}

type formatOf struct {
	state  *catalogue.State
	format uint16
}

// serving reports why the node takes and finds nothing.
func (n *Node) serving() error {
	switch err := n.Failed(); {
	case err != nil:
		return fmt.Errorf("%w: %w", ingest.ErrUnavailable, err)
	case !n.isReady():
		return fmt.Errorf("%w: the log is being replayed", ingest.ErrUnavailable)
	}
	return nil
}

// route appends a block to a shard, on whatever node leads it.
func (n *Node) route(ctx context.Context, id model.ShardID, a storage.Append) ([]storage.BatchResult, error) {
	tried := ""
	for delay := routeRetryMin; ; delay = min(2*delay, routeRetryMax) {
		node := n.leaderOf(id, tried)
		results, err := n.appendWhileLeading(ctx, node, id, a)
		if err == nil {
			n.leaders.note(id, node)
			return results, nil
		}
		if !n.again(id, node, err) {
			return nil, err
		}
		tried = node
		if ended := pause.For(ctx, delay); ended != nil {
			return nil, fmt.Errorf("append to shard %d: %w: %w", id, ended, err)
		}
		if fatal := n.Failed(); fatal != nil { // at most a delay after
			return nil, errors.Join(err, fatal)
		}
	}
}

// appendWhileLeading is appendTo that gives up when the node has died or
// another one leads by now: its answer may never come.
func (n *Node) appendWhileLeading(ctx context.Context, node string, id model.ShardID, a storage.Append) ([]storage.BatchResult, error) {
	if node == "" || node == n.identity.Node {
		return n.appendTo(ctx, node, id, a)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	done := make(chan struct{})
	defer close(done)
	watch.Go(func() {
		ticker := time.NewTicker(leadingInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			moved, heard := false, false
			if one := n.replicas.Get(id); one != nil {
				leader, _ := one.Group.Leader()
				moved, heard = leader != "" && leader != node, leader == node && !n.members.Left(node)
			}
			if moved || !heard && !n.members.Alive(node) {
				cancel()
				return
			}
		}
	})
	results, err := n.appendTo(ctx, node, id, a)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", peer.ErrUncertain, err)
	}
	return results, err
}

// again reports whether an append that failed on a node may succeed when it is
// tried once more, and learns from the error where.
func (n *Node) again(id model.ShardID, node string, err error) bool {
	var elsewhere peer.NotLeaderError
	switch {
	case errors.As(err, &elsewhere):
		n.leaders.note(id, elsewhere.Leader)
		return n.members.Clustered()
	case errors.Is(err, peer.ErrUnavailable), errors.Is(err, peer.ErrUncertain), errors.Is(err, peer.ErrNotHere),
		errors.Is(err, raft.ErrUncertain), errors.Is(err, raft.ErrShutdown):
		n.leaders.forget(id, node)
		return n.members.Clustered() && n.Failed() == nil
	}
	return false
}

// appendTo appends a block on a node.
func (n *Node) appendTo(ctx context.Context, node string, id model.ShardID, a storage.Append) ([]storage.BatchResult, error) {
	switch node {
	case "":
		if why := n.lost(id); why != nil && n.alone(uint32(id)) {
			return nil, why // nobody else will ever lead it
		}
		return nil, peer.NotLeaderError{}
	case n.identity.Node:
		return n.appendHere(ctx, id, a)
	}
	return n.members.Peers().Append(ctx, node, id, a)
}

// appendHere appends a block to a shard that this node leads.
func (n *Node) appendHere(ctx context.Context, id model.ShardID, a storage.Append) ([]storage.BatchResult, error) {
	if err := n.serving(); err != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	if n.disk.full.Load() {
		return nil, n.noSpace(id)
	}
	one := n.replicas.Get(id)
	if one == nil {
		return nil, n.notHere(id)
	}
	results, err := one.Append(ctx, a)
	if errors.Is(err, raft.ErrNoSpace) && !errors.Is(err, raft.ErrUncertain) {
		n.disk.refused()
		return nil, n.noSpace(id)
	}
	if err != nil {
		return nil, peerError(err, one.Group)
	}
	if fatal := n.Failed(); fatal != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrUncertain, fatal)
	}
	return results, nil
}

// noSpace is why a leader whose disk is full takes no records: another replica is to lead that
// has room, and only if there is none they are refused.
func (n *Node) noSpace(id model.ShardID) error {
	if n.members.Clustered() && !n.shedding.hopeless(id) && len(n.others(id)) > 0 {
		return fmt.Errorf("%w: its disk is full, another replica of shard %d is to lead", peer.ErrUnavailable, id)
	}
	return fmt.Errorf("%w: %d bytes are free, %d are kept in reserve", peer.ErrNoSpace, n.disk.free.Load(), n.disk.floor.Load())
}

// peerError says an error of a replica or its log in the words of package peer.
func peerError(err error, group *raft.Group) error {
	if errors.Is(err, raft.ErrNotLeader) {
		leader, self := group.Leader()
		if self {
			leader = "" // it is handing over
		}
		return fmt.Errorf("%w: %w", peer.NotLeaderError{Leader: leader}, err)
	}
	for _, row := range []struct{ from, to error }{
		{raft.ErrNoSpace, peer.ErrNoSpace}, {replica.ErrBusy, peer.ErrBusy}, {raft.ErrShutdown, peer.ErrUnavailable},
		{raft.ErrTooLarge, peer.ErrRefused},
	} {
		if errors.Is(err, row.from) && !errors.Is(err, raft.ErrUncertain) {
			return fmt.Errorf("%w: %w", row.to, err)
		}
	}
	return fmt.Errorf("%w: %w", peer.ErrUncertain, err)
}

// ingestError says an error of route in the words of ingest.
func ingestError(err error) error {
	for _, row := range []struct{ from, to error }{{peer.ErrNoSpace, ingest.ErrNoSpace}, {peer.ErrBusy, ingest.ErrBusy}} {
		if errors.Is(err, row.from) {
			return fmt.Errorf("%w: %w", row.to, err)
		}
	}
	return fmt.Errorf("%w: %w", ingest.ErrUnavailable, err)
}

// leaders remembers who led shards of which this node has no replica, or whose
// replica here does not know.
type leaders struct {
	mu sync.Mutex
	by map[model.ShardID]string
}

func (l *leaders) note(id model.ShardID, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[model.ShardID]string{}
	}
	if node == "" {
		delete(l.by, id)
		return
	}
	l.by[id] = node
}

// forget drops what is remembered if it is this node.
func (l *leaders) forget(id model.ShardID, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[id] == node {
		delete(l.by, id)
	}
}

func (l *leaders) get(id model.ShardID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[id]
}

// leaderOf returns the node to ask for a shard: who leads it as far as is known,
// else one of its replicas, another than was tried last. Whom a replica here hears as
// its leader is there, also while gossip, whose packets a busy machine may drop, takes
// that node for dead; not if it has said that it goes, or was tried last.
func (n *Node) leaderOf(id model.ShardID, tried string) string {
	if one := n.replicas.Get(id); one != nil {
		leader, self := one.Group.Leader()
		if leader != "" && (self || n.members.Alive(leader) || leader != tried && !n.members.Left(leader)) {
			return leader
		}
	}
	if known := n.leaders.get(id); known != "" && known != tried && n.members.Alive(known) {
		return known
	}
	candidates := n.holders(id)
	for i, node := range candidates {
		if node == tried {
			candidates = append(candidates[i+1:], candidates[:i]...)
			break
		}
	}
	for _, node := range candidates {
		if node != n.identity.Node {
			return node
		}
	}
	return ""
}

// holders returns the nodes that seem alive and have a replica of a shard that
// is no newcomer.
func (n *Node) holders(id model.ShardID) (nodes []string) {
	for _, r := range n.members.State().Shards[uint32(id)].Replicas {
		if r.Role != catalogue.Joining && n.members.Alive(r.Node) {
			nodes = append(nodes, r.Node)
		}
	}
	return nodes
}
