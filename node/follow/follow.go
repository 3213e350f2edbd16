package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/query"
)

const (
	// patience is how much longer than a question says its answer may take.
	patience = 2 * time.Second
	// slice is how long a node looks for records before it answers with what it
	// has found and how far it has come, so that the answer comes in time.
	slice = patience / 2
)

// Config says what a node knows of shards. All must be given.
type Config struct {
	Self   string
	Engine *query.Engine
	// Serving returns why the node reads nothing now, nil if it does.
	Serving func() error
	// ShardsOf returns the shards that may have a tenant's records.
	ShardsOf func(model.TenantID) []model.ShardID
	// Replica returns the replica here of a shard, nil if there is none.
	Replica func(model.ShardID) *replica.Replica
	// Leader returns the node that leads a shard, "" if that is not known.
	Leader func(model.ShardID) string
	// Holders returns the nodes that seem alive and have a replica of a shard.
	Holders func(model.ShardID) []string
	Peers   func() peer.Client
}

// Shards follows the shards of a cluster for one node.
type Shards struct{ cfg Config }

// New returns the shards of a node.
func New(cfg Config) *Shards { return &Shards{cfg} }

// ShardsOf implements tail.Shards.
func (s *Shards) ShardsOf(tenant model.TenantID) []model.ShardID { return s.cfg.ShardsOf(tenant) }

// Follow implements tail.Shards: it asks the leader, then this node, then the
// others that have the shard. If all that answer lack records, one answers that
// says so.
func (s *Shards) Follow(ctx context.Context, q *query.FollowQuery) (*query.Followed, error) {
	if err := s.cfg.Serving(); err != nil {
		return nil, err
	}
	others := s.cfg.Holders(q.Shard)
	var nodes []string
	for _, node := range append([]string{s.cfg.Leader(q.Shard), s.cfg.Self}, others...) {
		if node != "" && !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	alone := !slices.ContainsFunc(others, func(node string) bool { return node != s.cfg.Self })
	var errs []error
	for _, partial := range [...]bool{false, true} {
		asked := *q
		asked.Partial = q.Partial || alone || partial
		for _, node := range nodes {
			answer, err := s.ask(ctx, node, &asked)
			if err == nil || ctx.Err() != nil {
				return answer, err
			}
			errs = append(errs, err)
		}
		if asked.Partial || !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, peer.ErrNotHere) }) {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// ask asks one node.
func (s *Shards) ask(ctx context.Context, node string, q *query.FollowQuery) (*query.Followed, error) {
	if node == s.cfg.Self {
		return s.here(ctx, q)
	}
	ctx, cancel := context.WithTimeout(ctx, q.Wait+patience)
	defer cancel()
	data, err := s.cfg.Peers().Follow(ctx, node, q.Encode())
	if err != nil {
		return nil, err
	}
	answer, err := query.DecodeFollowed(q, data)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", node, err)
	}
	return answer, nil
}

// Answer answers another node's question.
func (s *Shards) Answer(ctx context.Context, request []byte) ([]byte, error) {
	if err := s.cfg.Serving(); err != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	q, err := query.DecodeFollowQuery(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrRefused, err)
	}
	answer, err := s.here(ctx, q)
	if errors.Is(err, peer.ErrNotHere) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return answer.Encode(), nil
}

// here answers a question from the replica of this node. One that lacks segments or
// blocks in which there may be an answer does so only if the question allows it,
// and says so.
func (s *Shards) here(ctx context.Context, q *query.FollowQuery) (*query.Followed, error) {
	one := s.cfg.Replica(q.Shard)
	if one == nil {
		return nil, fmt.Errorf("%w: shard %d", peer.ErrNotHere, q.Shard)
	}
	waiting, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	for after := q.After; ; {
		answer, applied, err := s.read(ctx, one, q, after)
		if err != nil || len(answer.Records) > 0 || answer.More || answer.Missing > 0 || len(q.Filters) == 0 {
			return answer, err
		}
		after = answer.Upto
		if err := one.AwaitApplied(waiting, max(applied, after.Index)); err != nil {
			if ctx.Err() == nil && waiting.Err() != nil {
				return answer, nil // nothing came
			}
			return nil, fmt.Errorf("follow shard %d: %w", q.Shard, err)
		}
	}
}

// read reads what is there now after a mark.
func (s *Shards) read(ctx context.Context, one *replica.Replica, q *query.FollowQuery, after model.Mark) (*query.Followed, uint64, error) {
	view, applied, err := one.ViewAfter(q.Tenant, after)
	if err != nil {
		return nil, 0, fmt.Errorf("follow shard %d: %w", q.Shard, err)
	}
	defer view.Release()
	if len(q.Filters) == 0 {
		return &query.Followed{Upto: model.MarkEnd(applied)}, applied, nil
	}
	lacks := len(view.Missing) + view.Quarantined
	if lacks > 0 && !q.Partial {
		return nil, 0, fmt.Errorf("%w: %d segments and blocks of shard %d are missing", peer.ErrNotHere, lacks, q.Shard)
	}
	answer, err := s.cfg.Engine.Follow(ctx, q, view.Parts, after, model.MarkEnd(applied), slice)
	if err != nil {
		return nil, 0, err
	}
	answer.Missing = lacks
	return answer, applied, nil
}
