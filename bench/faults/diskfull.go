package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/stere-log/stere/bench/faults/ledger"
)

const (
	// fullPoll is how often the ledger is looked at for an effect.
	fullPoll = 20 * time.Millisecond
	// fullTime is how long the disk stays full after the first refusal.
	fullTime = time.Second
	// fullRetries bounds the attempts to keep the disk full: the node may
	// free space of its own.
	fullRetries = 200
)

// diskFullRound fills the disk until writes are refused, sees that the node
// lives and answers, frees the space and sees that writes resume.
func (r *kindRun) diskFullRound(ctx context.Context) error {
	v := &r.result.Violations
	before := r.ledger.Tally()
	var filler string
	refused := false
	for try := 0; try < fullRetries && !refused; try++ {
		path, err := r.disk.Fill()
		if err != nil {
			return err
		}
		filler = path
		refused = r.await(ctx, r.cfg.ResumeTimeout/fullRetries, func(t ledger.Tally) bool { return t.Refusals > before.Refusals })
	}
	if !refused && r.node.process.Alive() {
		return fmt.Errorf("disk is full and nothing is refused for %v", r.cfg.ResumeTimeout)
	}
	pause(ctx, fullTime)
	if !r.node.process.Alive() {
		v.Note(&v.NotAlive, 1, "process ended on a full disk")
	} else if _, whole, err := r.api.Count(ctx, r.ledger.Run); err != nil || !whole.Complete {
		v.Note(&v.NotAnswered, 1, "query on a full disk: %v", errors.Join(err, whole.Err()))
	}
	if err := os.Remove(filler); err != nil {
		return fmt.Errorf("free the disk: %w", err)
	}
	freed := time.Now()
	full := r.ledger.Tally()
	if !r.await(ctx, r.cfg.ResumeTimeout, func(t ledger.Tally) bool { return t.Acks > full.Acks }) {
		v.Note(&v.NotResumed, 1, "writes did not resume within %v after space was free", r.cfg.ResumeTimeout)
		return fmt.Errorf("writes did not resume")
	}
	r.result.ResumeMS = max(r.result.ResumeMS, milliseconds(time.Since(freed)))
	return nil
}

// await waits until the ledger has something, or the time is up.
func (r *kindRun) await(ctx context.Context, limit time.Duration, has func(t ledger.Tally) bool) bool {
	for began := time.Now(); ; {
		if has(r.ledger.Tally()) {
			return true
		}
		if time.Since(began) > limit || ctx.Err() != nil {
			return false
		}
		pause(ctx, fullPoll)
	}
}
