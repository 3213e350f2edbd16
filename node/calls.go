package node

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/erase"
	"github.com/stere-log/stere/node/limits"
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

// Maintain implements peer.Node.
func (c calls) Maintain(ctx context.Context, maintenance heal.Maintenance) (string, error) {
	return c.n.maintain(ctx, maintenance)
}

// Report implements peer.Node.
func (c calls) Report(_ context.Context, shards ...model.ShardID) (heal.Report, error) {
	return c.n.report(shards...), nil
}

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

// Release implements peer.Node.
func (c calls) Release(ctx context.Context, node string) error {
	return c.n.members.Release(ctx, node)
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

// Limit implements peer.Node.
func (c calls) Limit(ctx context.Context, question []byte) ([]byte, error) {
	if c.n.limits == nil {
		return nil, fmt.Errorf("%w: it is being opened", peer.ErrUnavailable)
	}
	return limits.Answer(ctx, c.n.limits.Limiter, question)
}

// stored returns how many bytes tenants have in the shards that are led here.
func (n *Node) stored() map[model.ShardID]map[model.TenantID]int64 {
	all := map[model.ShardID]map[model.TenantID]int64{}
	for _, one := range n.replicas.All() {
		if _, leads := one.Group.Leader(); leads {
			all[one.Shard()] = one.Stored()
		}
	}
	return all
}

// openLimits makes what counts and remembers.
func (n *Node) openLimits() {
	cfg := limits.Config{
		Self: n.identity.Node, Limits: n.cfg.Limits, Usage: n.cfg.Usage, Audit: n.cfg.Audit, Settings: n.cfg.Settings, Writer: n.writer, Engine: n.engine,
		Directory: n.Directory(), Stored: n.stored, Disk: n.disk.taken, FS: n.cfg.FS, Dir: n.cfg.DataDir, Logger: n.logger, Now: n.cfg.Now,
	}
	if n.members.Clustered() {
		cfg.Peers = &limits.Peers{Client: n.members.Peers, Members: n.members.Members, Cluster: func() string { return n.members.State().Cluster }}
	}
	n.limits = limits.Open(cfg)
}

// Delete implements peer.Node.
func (c calls) Delete(ctx context.Context, shard model.ShardID, d storage.Deletion) (uint64, error) {
	if err := c.n.serving(); err != nil {
		return 0, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	one := c.n.replicas.Get(shard)
	if one == nil {
		return 0, fmt.Errorf("%w: shard %d", peer.ErrNotHere, shard)
	}
	index, err := one.Delete(ctx, d)
	if err != nil {
		return 0, peerError(err, one.Group)
	}
	return index, nil
}

// Erased implements peer.Node.
func (c calls) Erased(ctx context.Context, shard model.ShardID, of peer.Erasure) (erased peer.Erased, err error) {
	one := c.n.replicas.Get(shard)
	if one == nil {
		return erased, fmt.Errorf("%w: shard %d", peer.ErrNotHere, shard)
	}
	_, erased.Leads = one.Group.Leader()
	if of.Number > 0 {
		status := one.Erased(of.Number, of.Index)
		erased.Gone, erased.Figures, erased.Waits, erased.Logged = status.Gone(), status.DeletionFigures, status.Waits(), status.Logged
	}
	fail := func(err error) (peer.Erased, error) {
		return erased, fmt.Errorf("%w: look through shard %d: %w", peer.ErrUnavailable, shard, err)
	}
	if of.Days {
		erased.Days = one.DayBytes(of.Tenant)
	}
	if of.Check {
		d, err := storage.ParseDeletion(of.Deletion)
		if err == nil {
			erased.Left, err = one.CountDeletion(ctx, d, of.Index)
		}
		if err != nil {
			return fail(err)
		}
	}
	if !of.Count {
		return erased, nil
	}
	view, err := one.View(of.Tenant)
	if err != nil {
		return fail(err)
	}
	defer view.Release()
	for _, p := range view.Parts {
		erased.Records += uint64(p.Rows())
	}
	for i := range view.Missing {
		erased.Records += uint64(view.Missing[i].Rows)
	}
	return erased, nil
}

// Seal implements peer.Node.
func (c calls) Seal(ctx context.Context) error {
	if err := c.n.serving(); err != nil {
		return fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	// New files first, so that the seals are in them and the old ones can go.
	err := c.cutLogs()
	for _, one := range c.n.replicas.All() {
		if _, leads := one.Group.Leader(); leads {
			err = errors.Join(err, one.Seal(ctx))
		}
	}
	if err = errors.Join(err, c.cutLogs()); err != nil {
		return fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return nil
}

// cutLogs cuts the logs of all groups here.
func (c calls) cutLogs() error {
	errs := []error{c.n.members.Cut()}
	for _, one := range c.n.replicas.All() {
		errs = append(errs, one.CutLog())
	}
	return errors.Join(errs...)
}

// erasing is what an eraser asks of the nodes.
type erasing struct{ n *Node }

var _ erase.Shards = erasing{}

// Delete implements erase.Shards.
func (e erasing) Delete(ctx context.Context, shard uint32, d storage.Deletion) (index uint64, err error) {
	id := shardID(shard)
	node := e.n.leaderOf(id, "")
	switch node {
	case "":
		return 0, peer.NotLeaderError{}
	case e.n.identity.Node:
		index, err = calls(e).Delete(ctx, id, d)
	default:
		index, err = e.n.members.Peers().Delete(ctx, node, id, d)
	}
	if err != nil {
		e.n.again(id, node, err) // learns who leads
	}
	return index, err
}

// Erased implements erase.Shards.
func (e erasing) Erased(ctx context.Context, node string, shard uint32, of peer.Erasure) (peer.Erased, error) {
	id := shardID(shard)
	if node != "" {
		return e.erasedOn(ctx, node, id, of)
	}
	if node = e.n.leaderOf(id, ""); node == "" {
		return peer.Erased{}, peer.NotLeaderError{}
	}
	erased, err := e.erasedOn(ctx, node, id, of)
	if err != nil {
		e.n.again(id, node, err) // learns who leads
	}
	return erased, err
}

func (e erasing) erasedOn(ctx context.Context, node string, id model.ShardID, of peer.Erasure) (peer.Erased, error) {
	if node == e.n.identity.Node {
		return calls(e).Erased(ctx, id, of)
	}
	return e.n.members.Peers().Erased(ctx, node, id, of)
}

// Seal implements erase.Shards.
func (e erasing) Seal(ctx context.Context, node string) error {
	if node == e.n.identity.Node {
		return calls(e).Seal(ctx)
	}
	return e.n.members.Peers().Seal(ctx, node)
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
