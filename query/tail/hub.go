package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// Shards follows shards, wherever they are. The node implements it.
type Shards interface {
	// ShardsOf returns the shards that have, or will have, a tenant's records.
	ShardsOf(tenant model.TenantID) []model.ShardID
	// Follow answers a question about one shard. It may wait as long as the
	// question says, and returns soon after the end of the context.
	Follow(ctx context.Context, q *query.FollowQuery) (*query.Followed, error)
}

// Config says how tails work. Shards and Engine must be given; for everything
// else zero means the default.
type Config struct {
	Shards Shards
	Engine *query.Engine
	Now    func() time.Time // default: time.Now

	Tails         int           // at once on this node; default 1024
	TenantTails   int           // of one tenant; default 256
	Buffer        int           // records that wait for one client; default 8192
	BufferBytes   int           // of these records; default 8 MiB
	NodeBytes     int           // of what waits for all clients of this node; default 64 MiB
	BacklogMax    int           // records that a client can ask for; default 10,000
	Heartbeat     time.Duration // default 10 s
	Wait          time.Duration // of one question to a shard; default 2 s
	Pace          time.Duration // at least, between two questions to a shard, so that what comes together is looked at together; default 10 ms
	OpenTime      time.Duration // to find out where the shards are; default 5 s
	ShardInterval time.Duration // between looks for new shards of the tenant; default 1 s
}

func (c Config) withDefaults() Config {
	c.Tails, c.TenantTails = cmp.Or(c.Tails, 1024), cmp.Or(c.TenantTails, 256)
	c.Buffer, c.BufferBytes = cmp.Or(c.Buffer, 8192), cmp.Or(c.BufferBytes, 8<<20)
	c.NodeBytes = cmp.Or(c.NodeBytes, 64<<20)
	c.BacklogMax = cmp.Or(c.BacklogMax, 10_000)
	c.Heartbeat, c.Wait = cmp.Or(c.Heartbeat, 10*time.Second), cmp.Or(c.Wait, 2*time.Second)
	c.Pace, c.OpenTime = cmp.Or(c.Pace, 10*time.Millisecond), cmp.Or(c.OpenTime, 5*time.Second)
	c.ShardInterval = cmp.Or(c.ShardInterval, time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

var (
	// ErrTooMany says that the tenant, or the node, has as many tails as it may.
	ErrTooMany = errors.New("too many tails are open")
	// ErrClosed says that the node stops.
	ErrClosed = errors.New("the node stops")
	// ErrAhead says that a cursor is from a time that its shard does not know.
	ErrAhead = errors.New("the cursor is ahead of the records: it is of another cluster, or what is here was restored from before it; begin again without one")
	// ErrUnavailable says that a shard cannot be followed now.
	ErrUnavailable = errors.New("a shard cannot be followed now")
)

// Hub follows shards for all tails of a node.
type Hub struct {
	cfg    Config
	ctx    context.Context // of followers: ends with Close
	cancel context.CancelFunc
	active sync.WaitGroup // followers

	shown, dropped, opened, refused atomic.Uint64
	open                            atomic.Int64 // tails
	waiting                         atomic.Int64 // bytes of records that wait for clients, each once

	mu struct {
		sync.Mutex
		tails     map[model.TenantID]int
		all       int
		followers map[followed]*follower
	}
}

// followed is what a follower follows.
type followed struct {
	tenant model.TenantID
	shard  model.ShardID
}

// NewHub returns a hub without tails.
func NewHub(cfg Config) *Hub {
	h := &Hub{cfg: cfg.withDefaults()}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.mu.tails, h.mu.followers = map[model.TenantID]int{}, map[followed]*follower{}
	return h
}

// Close ends all tails and waits for the followers.
func (h *Hub) Close() {
	h.mu.Lock()
	h.cancel()
	h.mu.Unlock()
	h.active.Wait()
}

// Stats are figures of a hub.
type Stats struct {
	Tails, Followers                int
	Waiting                         int64 // bytes of records that wait for clients
	Opened, Refused, Shown, Dropped uint64
}

// Stats returns the hub's figures.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{
		Tails: h.mu.all, Followers: len(h.mu.followers),
		Opened: h.opened.Load(), Refused: h.refused.Load(), Shown: h.shown.Load(), Dropped: h.dropped.Load(), Waiting: h.waiting.Load(),
	}
}

// enter counts a tail, if there may be one more.
func (h *Hub) enter(tenant model.TenantID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ctx.Err() != nil:
		return ErrClosed
	case h.mu.all >= h.cfg.Tails:
		h.refused.Add(1)
		return fmt.Errorf("%w: the node has %d", ErrTooMany, h.mu.all)
	case h.mu.tails[tenant] >= h.cfg.TenantTails:
		h.refused.Add(1)
		return fmt.Errorf("%w: the tenant has %d", ErrTooMany, h.mu.tails[tenant])
	}
	h.mu.all++
	h.open.Add(1)
	h.mu.tails[tenant]++
	h.opened.Add(1)
	return nil
}

func (h *Hub) leave(tenant model.TenantID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.all--
	h.open.Add(-1)
	if h.mu.tails[tenant]--; h.mu.tails[tenant] == 0 {
		delete(h.mu.tails, tenant)
	}
}

// Marks returns how far the tenant's shards are now.
func (h *Hub) Marks(ctx context.Context, tenant model.TenantID) (query.Marks, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.OpenTime)
	defer cancel()
	shards := h.cfg.Shards.ShardsOf(tenant)
	marks := make([]model.Mark, len(shards))
	errs := make([]error, len(shards))
	var asking sync.WaitGroup
	for i, shard := range shards {
		asking.Go(func() { marks[i], errs[i] = h.mark(ctx, tenant, shard) })
	}
	asking.Wait()
	all := query.Marks{}
	for i, shard := range shards {
		if errs[i] != nil {
			return nil, fmt.Errorf("%w: shard %d: %w", ErrUnavailable, shard, errs[i])
		}
		all[shard] = marks[i]
	}
	return all, nil
}

// mark returns how far one shard is, as often as it takes to find out.
func (h *Hub) mark(ctx context.Context, tenant model.TenantID, shard model.ShardID) (model.Mark, error) {
	for delay := retryMin; ; delay = min(2*delay, retryMax) {
		answer, err := h.cfg.Shards.Follow(ctx, &query.FollowQuery{Tenant: tenant, Shard: shard})
		if err == nil {
			return answer.Upto, nil
		}
		if !sleep(ctx, delay) {
			return model.Mark{}, err
		}
	}
}

// The pause after an answer that did not come.
const (
	retryMin = 20 * time.Millisecond
	retryMax = 500 * time.Millisecond
)

// sleep waits; false means that the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
