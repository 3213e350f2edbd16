package replica

import (
	"context"

	"github.com/stere-log/stere/internal/background"
	"github.com/stere-log/stere/storage"
)

// runTeller lets what questions make of all records of a segment be made beforehand, of
// segments that stay as they are. What nobody asks for costs nothing: it begins once a
// question of the tenant has made it for a segment.
func (r *Replica) runTeller(ctx context.Context) {
	if r.cfg.Tell == nil {
		return
	}
	done := map[storage.SegmentID]bool{}
	for {
		for r.tellNext(ctx, done) {
		}
		select {
		case <-ctx.Done():
			return
		case <-r.tell:
		}
	}
}

// tellNext takes the next segment; false says that there is none. One that fails is not
// tried again before the next start: the question makes it then.
func (r *Replica) tellNext(ctx context.Context, done map[storage.SegmentID]bool) bool {
	next, ok, err := r.shard.NextLasting(done)
	if err != nil && ctx.Err() == nil {
		r.logger.Warn("nothing is made beforehand", "error", err)
	}
	if !ok {
		return false
	}
	defer next.Release()
	done[next.ID] = true
	err = background.Run(func() error { return r.cfg.Tell(ctx, next.Tenant, next.Part) })
	if err != nil && ctx.Err() == nil {
		r.logger.Warn("what is asked for was not made beforehand", "segment", next.ID.String(), "error", err)
	}
	return ctx.Err() == nil
}
