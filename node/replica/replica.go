package replica

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
)

// Log is what a replica needs of its replicated log; *raft.Group is one.
type Log interface {
	// Propose returns when the command is applied here, with Apply's result.
	Propose(ctx context.Context, command []byte) (index uint64, result any, err error)
	// ProposeReserved is Propose that uses the space kept for what frees space.
	ProposeReserved(ctx context.Context, command []byte) (index uint64, result any, err error)
	// Barrier returns when everything that was committed before is applied. Only the
	// leader can.
	Barrier(ctx context.Context) error
	// Leader names the leading node and says whether it is this one.
	Leader() (nodeID string, self bool)
	// Truncate allows the log to forget entries up to a sealed index.
	Truncate(sealedIndex uint64) error
	// Cut is Truncate that keeps no entry for members that are behind, and lets the
	// files go in which the entries were.
	Cut(sealedIndex uint64) error
	// Holds reports whether a file has an entry up to an index, also one that was cut.
	Holds(upto uint64) bool
	// KeepsDamaged reports whether damaged files of the log are kept that may have
	// any entry.
	KeepsDamaged() bool
	// LogBytes is what a restart would replay.
	LogBytes() int64
}

// Counter counts bytes of all replicas of a node.
type Counter struct{ atomic.Int64 }

// Replica is one shard's copy on this node.
type Replica struct {
	cfg    Config
	logger *slog.Logger
	shard  *storage.Shard
	log    Log

	traffic *traffic

	// known is what this replica knows of the shard's clock: at seen it was clock. It
	// is that of the first moment when the shard had one.
	known struct {
		sync.Mutex
		seen  time.Time
		clock int64
	}

	seal  chan struct{} // tells the sealer to look
	work  chan struct{} // tells the worker to look
	merge chan struct{} // tells the merger to look
	fetch chan struct{} // tells the fetcher to look
	clean chan struct{} // tells the cleaner to look
	tell  chan struct{} // tells the teller to look

	proposing                turn // taken from the check that no seal is pending until one is applied
	merging                  turn // taken while merges are planned and built
	sealing                  turn // taken while seals are made durable and the log is cut
	flushing                 atomic.Int32
	busySealing, busyMerging atomic.Bool // segments are built now

	mu struct {
		sync.Mutex
		progress  chan struct{} // closed and replaced when a seal is durable
		firstAt   time.Time     // since when the head has records; zero: it has none
		sealedAt  time.Time     // when the last seal was proposed here
		loggedAt  int64         // the node's bytes then
		sealError error         // why the oldest seal is not durable yet
		fetched   fetched       // since segments are missing
		scrubbed  Scrubbed
		reclaimed uint64 // log index of the newest deletion of which the store has no bytes
	}
}

// Open opens the shard. The replica works once the log has been attached and
// Run is running.
func Open(ctx context.Context, cfg Config) (*Replica, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open replica of shard %d: %w", cfg.Storage.Shard, err)
	}
	cfg = cfg.withDefaults()
	fetch, tell := make(chan struct{}, 1), make(chan struct{}, 1)
	if cfg.Storage.Alone == nil && cfg.Peers == nil {
		cfg.Storage.Alone = func() bool { return true }
	}
	cfg.Storage.OnAsked = func() { kick(tell) }
	met := cfg.Storage.OnDamage
	cfg.Storage.OnDamage = func(e storage.Entry, err error) {
		kick(fetch)
		if met != nil {
			met(e, err)
		}
	}
	shard, err := storage.Open(ctx, cfg.Env, cfg.Storage)
	if err != nil {
		return nil, err
	}
	r := &Replica{
		cfg: cfg, logger: cfg.Logger.With("shard", cfg.Storage.Shard), shard: shard,
		traffic: newTraffic(),
		seal:    make(chan struct{}, 1), work: make(chan struct{}, 1), merge: make(chan struct{}, 1), fetch: fetch, clean: make(chan struct{}, 1), tell: tell,
		proposing: make(turn, 1), merging: make(turn, 1), sealing: make(turn, 1),
	}
	r.mu.progress = make(chan struct{})
	r.mu.sealedAt = time.Now()
	r.mu.scrubbed.Since = time.Now()
	return r, nil
}

// Attach gives the replica its log, before Run and before the first Append.
func (r *Replica) Attach(log Log) { r.log = log }

// Close ends the replica after Run has returned and the log has stopped.
func (r *Replica) Close() { r.shard.Close() }

// AwaitViews returns when no view is held any more, after Close.
func (r *Replica) AwaitViews(ctx context.Context) error { return r.shard.AwaitViews(ctx) }

// Append stores a block and returns one result per batch, in order. It waits
// while sealing does not keep up. An error of the log is returned as it is.
func (r *Replica) Append(ctx context.Context, a storage.Append) (results []storage.BatchResult, err error) {
	if _, leads := r.log.Leader(); !leads {
		return nil, fmt.Errorf("append to shard %d: %w", r.cfg.Storage.Shard, raft.ErrNotLeader)
	}
	if err := r.waitForRoom(ctx); err != nil {
		return nil, err
	}
	if err := r.keepPace(ctx, &a); err != nil {
		return nil, fmt.Errorf("append to shard %d: %w", r.cfg.Storage.Shard, ErrBusy)
	}
	if a.Time, err = r.believed(ctx, a.Time); err != nil {
		return nil, err
	}
	command := encodeAppend(a)
	r.cfg.Logged.Add(int64(len(command)))
	_, result, err := r.log.Propose(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("append to shard %d: %w", r.cfg.Storage.Shard, err)
	}
	switch result := result.(type) {
	case []storage.BatchResult:
		return result, nil
	case error:
		return nil, fmt.Errorf("append to shard %d: %w", r.cfg.Storage.Shard, result)
	}
	return nil, fmt.Errorf("append to shard %d: applied to %T", r.cfg.Storage.Shard, result)
}

// aheadMax is how far ahead of the shard's clock a block may be, beyond the time
// that this replica has seen pass.
const aheadMax = 2 * time.Hour

// believed bounds the clock of whoever proposes. The shard's clock follows the
// furthest one and decides when keys are forgotten: one node whose clock jumps by
// days would make the shard forget all keys at once. A clock that was behind for
// long, because the shard or the node was, stays behind, and keys are kept longer.
// Only the first of all proposals to a shard has nothing to be compared with: there
// is no earlier one when all that was committed is applied and there is no clock.
func (r *Replica) believed(ctx context.Context, now int64) (int64, error) {
	if clock, known := r.bounded(now); known {
		return clock, nil
	}
	// Not with a lock: this may wait for a leader.
	if err := r.log.Barrier(ctx); err != nil {
		return 0, fmt.Errorf("look at the clock of shard %d: %w", r.cfg.Storage.Shard, err)
	}
	clock, _ := r.bounded(now)
	return clock, nil
}

// bounded returns a clock as far as it is believed, and whether the shard has one.
func (r *Replica) bounded(now int64) (clock int64, known bool) {
	r.known.Lock()
	defer r.known.Unlock()
	if r.known.clock == 0 {
		if r.known.seen, r.known.clock = time.Now(), r.shard.Clock(); r.known.clock == 0 {
			return now, false
		}
	}
	return min(now, r.known.clock+int64(time.Since(r.known.seen)+aheadMax)), true
}

// waitForRoom bounds the head: it returns when there is room for a block.
func (r *Replica) waitForRoom(ctx context.Context) error {
	if !r.full() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.HeadWait)
	defer cancel()
	if err := r.await(ctx, func() bool { return !r.full() }); err != nil {
		return fmt.Errorf("append to shard %d: %w", r.cfg.Storage.Shard, ErrBusy)
	}
	return nil
}

func (r *Replica) full() bool { return r.Filled() >= 1 }

// await returns when the condition holds, looking each time a seal has become
// durable.
func (r *Replica) await(ctx context.Context, holds func() bool) error {
	for {
		r.mu.Lock()
		progress := r.mu.progress
		r.mu.Unlock()
		if holds() {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// advance wakes everybody in await.
func (r *Replica) advance() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.mu.progress)
	r.mu.progress = make(chan struct{})
}

// View returns what a tenant has in the shard as of now.
func (r *Replica) View(tenant model.TenantID) (*storage.View, error) { return r.shard.View(tenant) }

// ViewAfter is View without what has nothing after a mark, and the log index up
// to which everything is applied.
func (r *Replica) ViewAfter(tenant model.TenantID, after model.Mark) (*storage.View, uint64, error) {
	return r.shard.ViewAfter(tenant, after)
}

// AwaitApplied returns when records may have come after a log index.
func (r *Replica) AwaitApplied(ctx context.Context, index uint64) error {
	return r.shard.AwaitApplied(ctx, index)
}

// Stored returns how many bytes the segments of each tenant have.
func (r *Replica) Stored() map[model.TenantID]int64 { return r.shard.Stored() }

// Shard returns the id of the replica's shard.
func (r *Replica) Shard() model.ShardID { return r.cfg.Storage.Shard }

// Status are figures of a replica at one moment.
type Status struct {
	storage.Status
	Shard     model.ShardID
	Leader    bool
	LogBytes  int64
	SealError error // why the oldest seal is not durable yet; nil if all is well
	Sealing   bool  // segments of a seal are built now
	Merging   bool  // those of a merge are
	Scrubbed  Scrubbed
}

// Status returns the replica's figures.
func (r *Replica) Status() Status {
	st := Status{Status: r.shard.Status(), Shard: r.cfg.Storage.Shard}
	if r.log != nil {
		_, st.Leader = r.log.Leader()
		st.LogBytes = r.log.LogBytes()
	}
	r.mu.Lock()
	st.SealError = r.mu.sealError
	st.Scrubbed = r.mu.scrubbed
	r.mu.Unlock()
	st.Sealing, st.Merging = r.busySealing.Load(), r.busyMerging.Load()
	return st
}

// turn is taken by one at a time, as a mutex is, for work that itself waits: for
// the log, or for what others build. Who waits for the turn can give up.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil // also with a context that has ended: who waits for nobody is not stopped
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) leave() { <-t }

// kick wakes a loop; a loop that is awake already looks again.
func kick(loop chan struct{}) {
	select {
	case loop <- struct{}{}:
	default:
	}
}
