package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/internal/background"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/storage"
)

// Run seals, merges, fetches, verifies and cleans until the context ends. Work under way is given up
// then; it is done again after the next start.
func (r *Replica) Run(ctx context.Context) error {
	if r.log == nil {
		return fmt.Errorf("run replica of shard %d: no log is attached", r.cfg.Storage.Shard)
	}
	var loops sync.WaitGroup
	loops.Go(func() { r.runSealer(ctx) })
	loops.Go(func() { r.runWorker(ctx) })
	loops.Go(func() { r.runMerger(ctx) })
	loops.Go(func() { r.runFetcher(ctx) })
	loops.Go(func() { r.runScrubber(ctx) })
	loops.Go(func() { r.runCleaner(ctx) })
	loops.Go(func() { r.runTeller(ctx) })
	loops.Wait()
	return nil
}

// runSealer proposes seals while this replica leads.
func (r *Replica) runSealer(ctx context.Context) {
	ticker := time.NewTicker(sealerInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.seal:
		case <-ticker.C:
		}
		if _, self := r.log.Leader(); !self || !r.sealDue() {
			continue
		}
		if _, err := r.proposeSeal(ctx); err != nil && ctx.Err() == nil {
			r.logger.Warn("a seal was not proposed", "error", err)
		}
	}
}

// sealDue reports whether a seal is worth proposing now.
func (r *Replica) sealDue() bool {
	st := r.shard.Status()
	if st.Pending > 0 {
		return false
	}
	if st.PreparedMerge+st.Cleanups+st.Unsealed > 0 || r.headFull() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if st.HeadRows > 0 {
		return !r.mu.firstAt.IsZero() && r.oldEnough(time.Since(r.mu.firstAt))
	}
	return st.Applied > st.Sealed && time.Since(r.mu.sealedAt) >= r.cfg.IdleAge && r.cfg.Logged.Load()-r.mu.loggedAt >= r.cfg.IdleBytes
}

// oldEnough reports whether a head is sealed whose first record has waited for so long. Who
// looks at whole minutes does so soon after they end: a head that would be sealed in the
// course of the next minute is sealed when that begins, so that there are segments then,
// which are asked for a fraction of what blocks are. Under steady writes that is one seal a
// minute, as without it.
func (r *Replica) oldEnough(age time.Duration) bool {
	return age >= r.cfg.SealAge || age >= r.cfg.SealAge/2 && r.cfg.Now()%int64(time.Minute) < int64(minuteBegins)
}

// headFull reports whether the head is big enough to be sealed.
func (r *Replica) headFull() bool {
	st := r.shard.Active()
	return st.Rows >= r.cfg.SealRows || st.Bytes >= r.cfg.SealBytes || st.Blocks >= r.cfg.SealBlocks
}

// proposeSeal seals the head and adopts what has been merged. It returns the
// index of the seal, 0 if one is pending already.
func (r *Replica) proposeSeal(ctx context.Context) (uint64, error) {
	if err := r.proposing.take(ctx); err != nil {
		return 0, err
	}
	defer r.proposing.leave()
	if r.shard.Status().Pending > 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, proposeTimeoutSeal)
	defer cancel()
	clock, err := r.believed(ctx, r.cfg.Now())
	if err != nil {
		return 0, err
	}
	command := encodeSeal(r.shard.SealCommand(clock))
	logged := r.cfg.Logged.Load() // what others log from here on is after this seal
	index, result, err := r.log.ProposeReserved(ctx, command)
	if err == nil {
		err, _ = result.(error)
	}
	if err != nil {
		return 0, fmt.Errorf("seal shard %d: %w", r.cfg.Storage.Shard, err)
	}
	r.mu.Lock()
	r.mu.sealedAt, r.mu.loggedAt = time.Now(), logged
	r.mu.Unlock()
	return index, nil
}

// runWorker makes applied seals durable. An error is tried again, ever more
// slowly: what is not sealed is safe in the log.
func (r *Replica) runWorker(ctx context.Context) {
	delay := time.Duration(0)
	for {
		if delay > 0 {
			if pause.For(ctx, delay) != nil {
				return
			}
		} else {
			select {
			case <-ctx.Done():
				return
			case <-r.work:
			}
		}
		err := r.runSeals(ctx)
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		changed := (err == nil) != (r.mu.sealError == nil)
		r.mu.sealError = err
		r.mu.Unlock()
		switch {
		case err == nil:
			delay = 0
		case delay == 0 || changed:
			delay = retryDelayMin
			r.logger.Error("sealing is tried again", "error", err)
		default:
			delay = min(2*delay, retryDelayMax)
		}
	}
}

var errNoRoom = errors.New("too little space on disk to build segments")

// runSeals does what there is to do.
func (r *Replica) runSeals(ctx context.Context) error {
	if err := r.sealing.take(ctx); err != nil {
		return err
	}
	defer r.sealing.leave()
	for {
		st := r.shard.Status()
		if st.Pending == 0 {
			return nil // without waiting for what others build
		}
		if !r.cfg.Room(st.FrozenBytes) {
			return errNoRoom
		}
		var state storage.State
		var done bool
		err := r.building(ctx, &r.busySealing, func() (err error) {
			began := time.Now()
			if state, done, err = r.shard.RunSeal(ctx); err == nil && done {
				r.cfg.Pace.built(r.frozen(st), time.Since(began))
			}
			return err
		})
		if errors.Is(err, storage.ErrOvertaken) {
			continue
		}
		if err != nil {
			return err
		}
		if !done {
			return nil
		}
		if err := r.cut(state); err != nil {
			r.logger.Warn("the log was not cut", "index", state.Index, "error", err)
		}
		if err := r.shard.Sweep(ctx); err != nil && ctx.Err() == nil {
			r.logger.Warn("old segments were not deleted", "error", err)
		}
		r.advance()
		kick(r.merge)
		kick(r.fetch) // a merge may have left something missing
		kick(r.clean)
		kick(r.tell)
		if r.headFull() {
			kick(r.seal)
		}
	}
}

// cut cuts the log behind a seal that is durable: closely, if what a deletion removed
// is in it yet.
func (r *Replica) cut(state storage.State) error {
	if n := len(state.Deletions); n > 0 && r.log.Holds(state.Deletions[n-1].Index) {
		return r.log.Cut(state.Index)
	}
	return r.log.Truncate(state.Index)
}

// runMerger prepares merges, one at a time on the node.
func (r *Replica) runMerger(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.merge:
		}
		if _, self := r.log.Leader(); !self || r.flushing.Load() > 0 {
			continue
		}
		built, err := r.buildMerges(ctx, 0)
		if err != nil && ctx.Err() == nil {
			r.logger.Warn("a merge was not built", "error", err)
		}
		if built > 0 {
			kick(r.seal)
		}
	}
}

// building runs work that builds segments while nothing else of the node does;
// busy holds while it runs. Who writes comes first, unless the head is nearly
// full: then writers are about to wait for this very work.
func (r *Replica) building(ctx context.Context, busy *atomic.Bool, work func() error) error {
	select {
	case r.cfg.Building <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	busy.Store(true)
	defer func() {
		busy.Store(false)
		<-r.cfg.Building
	}()
	if r.pressed() {
		return work()
	}
	return background.Run(work)
}

// pressed reports whether the head is at three quarters of what it may hold.
func (r *Replica) pressed() bool { return r.Filled() >= 0.75 }

// buildMerges plans merges and builds them; it returns how many it built.
func (r *Replica) buildMerges(ctx context.Context, settle uint64) (int, error) {
	if err := r.merging.take(ctx); err != nil {
		return 0, err
	}
	defer r.merging.leave()
	built := 0
	for _, plan := range r.shard.PlanMerges(settle) {
		if !r.cfg.Room(r.shard.MergeBytes(plan)) {
			return built, errNoRoom
		}
		err := r.building(ctx, &r.busyMerging, func() error { return r.shard.BuildMerge(ctx, plan) })
		if err != nil {
			return built, err
		}
		built++
	}
	return built, nil
}

// Flush seals the head, merges what can be merged and returns when that is
// durable. Records that come meanwhile may be left unsealed, and segments of them
// unmerged.
func (r *Replica) Flush(ctx context.Context) error {
	r.flushing.Add(1)
	defer r.flushing.Add(-1)
	upto := r.shard.Status().Applied
	for range flushRoundsMax {
		if err := r.sealNow(ctx); err != nil {
			return fmt.Errorf("flush shard %d: %w", r.cfg.Storage.Shard, err)
		}
		built, err := r.buildMerges(ctx, upto)
		if errors.Is(err, storage.ErrInput) {
			continue // a seal came between; plan again
		}
		if err != nil {
			return fmt.Errorf("flush shard %d: %w", r.cfg.Storage.Shard, err)
		}
		if built == 0 && r.shard.Status().PreparedMerge == 0 {
			return r.sweepNow(ctx)
		}
	}
	return fmt.Errorf("flush shard %d: %w", r.cfg.Storage.Shard, ErrUnsettled)
}

// restShare is the share of a full head, one part in so many, up to which FlushRest
// seals it.
const restShare = 16

// FlushRest seals what came while this shard and others were flushed, if that is
// little: a few records that nobody seals would keep the file of the log that all
// wrote until they are old enough. Much is left to be sealed when it is due.
func (r *Replica) FlushRest(ctx context.Context) error {
	st := r.shard.Active()
	if st.Rows == 0 || st.Rows > r.cfg.SealRows/restShare || st.Bytes > r.cfg.SealBytes/restShare {
		return nil
	}
	return r.Flush(ctx)
}

// sweepNow returns when what is durable in segments is gone from the log and
// old segments are gone from the store.
func (r *Replica) sweepNow(ctx context.Context) error {
	// A seal that has just become durable cuts the log yet.
	if err := r.sealing.take(ctx); err != nil {
		return fmt.Errorf("flush shard %d: %w", r.cfg.Storage.Shard, err)
	}
	defer r.sealing.leave()
	if err := r.shard.Sweep(ctx); err != nil {
		return fmt.Errorf("flush shard %d: %w", r.cfg.Storage.Shard, err)
	}
	return nil
}

// sealNow returns when everything applied before it is sealed durably.
func (r *Replica) sealNow(ctx context.Context) error {
	for {
		st := r.shard.Status()
		if st.Pending == 0 && st.HeadRows == 0 && st.PreparedMerge == 0 {
			return nil
		}
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
