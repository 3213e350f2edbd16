package replica

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stere-log/stere/storage"
)

// Limits of scrubbing.
const (
	DefaultScrubEvery          = 7 * 24 * time.Hour
	DefaultScrubBytesPerSecond = 4 << 20
	scrubDelayMin              = time.Second // between two segments
	scrubLook                  = time.Minute // how often it looks whether the next one is due
)

// Scrubbed is how far the scrubber has come.
type Scrubbed struct {
	Rounds   int       // ended since the start
	Since    time.Time // when the round under way began
	Segments int       // verified in it
	Bytes    int64
	Damaged  int // found since the start
}

// runScrubber verifies every segment once a round, spread evenly over the time
// of a round. What it finds damaged is fetched again if there are peers. How far
// a round came is not kept: after a start it begins anew, with another segment,
// so that those at the end have their turn too.
func (r *Replica) runScrubber(ctx context.Context) {
	var last storage.SegmentID // of the round, by id
	begun := false
	done := time.Now()
	timer := time.NewTimer(min(r.scrubDelay(), scrubLook))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if left := r.scrubDelay() - time.Since(done); left > 0 { // segments come and go
			timer.Reset(min(left, scrubLook))
			continue
		}
		if !begun {
			last, begun = r.scrubStart(), true
		}
		id, ok := r.nextToScrub(last)
		if ok {
			last = id
			r.scrub(ctx, id)
		} else {
			last = storage.SegmentID{}
			r.endRound()
		}
		done = time.Now()
		timer.Reset(min(r.scrubDelay(), scrubLook))
	}
}

// scrubStart returns after which segment the first round begins.
func (r *Replica) scrubStart() storage.SegmentID {
	entries := r.shard.Entries()
	if len(entries) == 0 {
		return storage.SegmentID{}
	}
	return entries[int(uint64(r.cfg.Now())%uint64(len(entries)))].ID
}

// scrubDelay is how long to wait before the next segment.
func (r *Replica) scrubDelay() time.Duration {
	segments := r.shard.Status().Segments
	return max(r.cfg.ScrubEvery/time.Duration(segments+1), min(scrubDelayMin, r.cfg.ScrubEvery))
}

// nextToScrub returns the segment with the next id.
func (r *Replica) nextToScrub(last storage.SegmentID) (storage.SegmentID, bool) {
	var next storage.SegmentID
	found := false
	for _, e := range r.shard.Entries() {
		if compareIDs(e.ID, last) > 0 && (!found || compareIDs(e.ID, next) < 0) {
			next, found = e.ID, true
		}
	}
	return next, found
}

func compareIDs(a, b storage.SegmentID) int {
	return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Ordinal, b.Ordinal))
}

// scrub verifies one segment.
func (r *Replica) scrub(ctx context.Context, id storage.SegmentID) {
	var bytes int64
	err := r.shard.Verify(ctx, id, func(ctx context.Context, n int) error {
		bytes += int64(n)
		return wait(ctx, r.cfg.Scrubbing, n)
	})
	if ctx.Err() != nil || errors.Is(err, storage.ErrNoSegment) || errors.Is(err, storage.ErrMissing) {
		return
	}
	damaged := err != nil && storage.IsDamage(err)
	if err != nil && !damaged {
		r.logger.Warn("a segment was not verified", "segment", id.String(), "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.scrubbed.Bytes += bytes
	r.mu.scrubbed.Segments++
	if damaged {
		r.mu.scrubbed.Damaged++
	}
}

func (r *Replica) endRound() {
	defer r.advance()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.mu.scrubbed
	*s = Scrubbed{Rounds: s.Rounds + 1, Since: time.Now(), Damaged: s.Damaged}
}

// Scrub verifies every segment now, at the scrubber's speed, and returns those
// that were found damaged; for an operator who does not want to wait for the
// scrubber. It may be called from any goroutine.
func (r *Replica) Scrub(ctx context.Context) ([]storage.SegmentID, error) {
	var damaged []storage.SegmentID
	entries := r.shard.Entries()
	slices.SortFunc(entries, func(a, b storage.Entry) int { return compareIDs(a.ID, b.ID) })
	for _, e := range entries {
		err := r.shard.Verify(ctx, e.ID, func(ctx context.Context, n int) error { return wait(ctx, r.cfg.Scrubbing, n) })
		switch {
		case errors.Is(err, storage.ErrNoSegment):
		case err != nil && storage.IsDamage(err):
			damaged = append(damaged, e.ID)
		case err != nil:
			return damaged, err
		}
	}
	return damaged, nil
}
