package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
)

// Limits of cleaning.
const (
	// DefaultCleanBytesPerSecond is up to how many bytes of segments a node looks
	// through and rewrites for deletions.
	DefaultCleanBytesPerSecond = 64 << 20

	cleanLook  = 15 * time.Second // between looks, without being told
	cleanBatch = 8                // segments that are rewritten before a seal adopts them
)

// Delete proposes a deletion and returns where in the log it is: every replica hides
// what it removes when it has applied that, and removes it by and by. One that was
// proposed before is not applied again.
func (r *Replica) Delete(ctx context.Context, d storage.Deletion) (index uint64, err error) {
	if _, leads := r.log.Leader(); !leads {
		return 0, fmt.Errorf("delete from shard %d: %w", r.cfg.Storage.Shard, raft.ErrNotLeader)
	}
	if err := d.Validate(); err != nil {
		return 0, fmt.Errorf("delete from shard %d: %w", r.cfg.Storage.Shard, err)
	}
	if st := r.shard.Status(); st.Deletions >= storage.DeletionsPendingMax {
		return 0, fmt.Errorf("delete from shard %d: %w: %d deletions are under way", r.cfg.Storage.Shard, ErrBusy, st.Deletions)
	}
	if d.Time == 0 {
		d.Time = r.cfg.Now()
	}
	_, result, err := r.log.ProposeReserved(ctx, encodeDelete(d))
	if err != nil {
		return 0, fmt.Errorf("delete from shard %d: %w", r.cfg.Storage.Shard, err)
	}
	switch result := result.(type) {
	case uint64:
		return result, nil
	case error:
		return 0, fmt.Errorf("delete from shard %d: %w", r.cfg.Storage.Shard, result)
	}
	return 0, fmt.Errorf("delete from shard %d: applied to %T", r.cfg.Storage.Shard, result)
}

// Erased says how far a deletion has come on a replica.
type Erased struct {
	storage.DeletionStatus
	Known   bool // it has been applied here
	Missing int  // segments that have yet to come from other replicas
	// Logged: the log of this replica still has entries of before it.
	Logged bool
	// Aside: damaged files of the log are kept aside, which may have such entries.
	Aside bool
	// Shared: its segments may have left bytes in tables that they shared.
	Shared bool
}

// Gone reports whether nothing of what the deletion removes is left here, but in
// files that are deleted as a whole.
func (e Erased) Gone() bool {
	return e.Known && !e.Pending && e.Left == 0 && e.Leaving == 0 && !e.Logged && !e.Aside && !e.Shared
}

// Waits says what is waited for, "" if nothing of it is left.
func (e Erased) Waits() string {
	switch {
	case !e.Known:
		return "the deletion has not been applied"
	case e.Pending:
		return fmt.Sprintf("%d segments are to be rewritten", e.Left)
	case e.Leaving > 0:
		return fmt.Sprintf("%d segments are being read and cannot be deleted yet", e.Leaving)
	case e.Shared:
		return "tables that were shared are to be written anew"
	case e.Logged:
		return "a file of the log has entries of before"
	case e.Aside:
		return "damaged files of the log are kept until the replicas that they concern are removed"
	}
	return ""
}

// Erased says how far a deletion has come that is at a log index; 0: wherever it is. It
// may be called from any goroutine.
func (r *Replica) Erased(number, at uint64) Erased {
	status, known := r.shard.Deletion(number, at)
	r.mu.Lock()
	shared := r.mu.reclaimed < status.Index
	r.mu.Unlock()
	if known && (shared || status.Leaving > 0) {
		kick(r.clean)
	}
	return Erased{DeletionStatus: status, Known: known, Missing: len(r.shard.Missing()), Logged: known && r.log.Holds(status.Index), Aside: r.log.KeepsDamaged(), Shared: shared}
}

// CountDeletion returns how many records are here that a deletion should have removed.
func (r *Replica) CountDeletion(ctx context.Context, d storage.Deletion, at uint64) (uint64, error) {
	return r.shard.CountDeletion(ctx, d, at)
}

// DayBytes returns how much of each day a tenant has sealed.
func (r *Replica) DayBytes(tenant model.TenantID) map[int64]int64 { return r.shard.DayBytes(tenant) }

// CutLog cuts the log behind the manifest and lets the files go in which the entries
// were.
func (r *Replica) CutLog() error {
	state, ok := r.shard.Durable()
	if !ok {
		return nil
	}
	return r.log.Cut(state.Index)
}

// Seal seals what is in the log, though it be nothing, and returns when that is
// durable here: so that the log can be cut up to an entry in its newest file.
func (r *Replica) Seal(ctx context.Context) error {
	for {
		index, err := r.proposeSeal(ctx)
		if err != nil {
			return err
		}
		if err := r.await(ctx, func() bool { return r.shard.Status().Pending == 0 }); err != nil {
			return err
		}
		if index > 0 {
			return nil
		}
	}
}

// runCleaner looks, while this replica leads, for segments of which deletions remove
// something, and rewrites them.
func (r *Replica) runCleaner(ctx context.Context) {
	ticker := time.NewTicker(cleanLook)
	defer ticker.Stop()
	delay := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.clean:
		case <-ticker.C:
		}
		if delay > 0 && pause.For(ctx, delay) != nil {
			return
		}
		if err := r.sweepDeleted(ctx); err != nil && ctx.Err() == nil {
			r.logger.Warn("the bytes of deleted records are still on disk", "error", err)
		}
		if _, self := r.log.Leader(); !self || r.shard.Status().Deletions == 0 {
			continue
		}
		err := r.cleanSome(ctx)
		switch {
		case err == nil:
			delay = 0
		case ctx.Err() != nil:
			return
		default:
			delay = min(max(2*delay, retryDelayMin), retryDelayMax)
			r.logger.Warn("deleted records were not removed yet", "again", delay, "error", err)
			kick(r.clean)
		}
	}
}

// sweepDeleted deletes segments that somebody was reading when they went, and gives
// back what they left in tables, once behind each deletion.
func (r *Replica) sweepDeleted(ctx context.Context) error {
	if r.shard.Status().Leaving > 0 {
		if err := r.sealing.take(ctx); err != nil {
			return err
		}
		err := r.shard.Sweep(ctx)
		r.sealing.leave()
		if err != nil {
			return err
		}
	}
	st, last := r.shard.Status(), r.shard.LastDeletion()
	r.mu.Lock()
	reclaimed := r.mu.reclaimed
	r.mu.Unlock()
	if last <= reclaimed || st.Deletions+st.Leaving > 0 {
		return nil
	}
	err := r.shard.Reclaim(ctx, func(ctx context.Context, bytes int) error { return wait(ctx, r.cfg.Cleaning, bytes) })
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.reclaimed = last
	return nil
}

// cleanSome rewrites some segments, and lets a seal adopt that.
func (r *Replica) cleanSome(ctx context.Context) error {
	if err := r.merging.take(ctx); err != nil {
		return err
	}
	defer r.merging.leave()
	rewrites, _, err := r.shard.PlanCleaning(ctx, cleanBatch)
	if err != nil {
		return err
	}
	for _, rewrite := range rewrites {
		bytes := r.shard.MergeBytes(rewrite)
		if !r.cfg.Room(bytes) {
			return errNoRoom
		}
		if err := wait(ctx, r.cfg.Cleaning, int(bytes)); err != nil {
			return err
		}
		err := r.building(ctx, &r.busyMerging, func() error { return r.shard.BuildMerge(ctx, rewrite) })
		if err != nil && !errors.Is(err, storage.ErrInput) {
			return err
		}
	}
	if st := r.shard.Status(); st.PreparedMerge+st.Cleanups > 0 {
		kick(r.seal)
	}
	return nil
}
