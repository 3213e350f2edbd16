package tail

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// Half of the bytes that may wait on a node go to those who come first, the other
// half is shared by all tails alike, so that one slow client cannot take the room of
// the others. A record that waits for several tails counts once for the node, and
// for each of them.

// share returns how many bytes of a node's room each tail is sure of.
func (h *Hub) share() int {
	return h.cfg.NodeBytes / 2 / max(1, int(h.open.Load()))
}

// backlogBytes returns how much of a backlog a tail may hold.
func (h *Hub) backlogBytes() int { return min(h.cfg.BufferBytes, h.share()+h.cfg.NodeBytes/8) }

// hold counts what a tail is offered, if there is room; t.mu is held.
func (t *Tail) hold(b batch) bool {
	h := t.hub
	if t.mu.records > 0 && (t.mu.records+len(b.entries) > h.cfg.Buffer || t.mu.bytes+b.bytes > h.cfg.BufferBytes) {
		return false
	}
	if h.waiting.Load()+int64(b.bytes) > int64(h.cfg.NodeBytes/2) && t.mu.bytes+b.bytes > h.share() {
		return false
	}
	t.mu.bytes += b.bytes
	for _, e := range b.entries {
		if e.holds.Add(1) == 1 {
			h.waiting.Add(int64(e.bytes))
		}
	}
	t.mu.held = append(t.mu.held, b.entries)
	return true
}

// letGo lets go of what was offered first, as many times as hold took something.
func (t *Tail) letGo(times int) {
	if times == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	times = min(times, len(t.mu.held)) // Close has let go of everything
	for _, entries := range t.mu.held[:times] {
		for _, e := range entries {
			t.mu.bytes -= e.bytes
			if e.holds.Add(-1) == 0 {
				t.hub.waiting.Add(-int64(e.bytes))
			}
		}
	}
	t.mu.held = slices.Delete(t.mu.held, 0, times)
}

// aheadPause is between two looks at a shard that does not know a cursor yet.
const aheadPause = 100 * time.Millisecond

// known checks that no shard is behind a client's marks: who came last to lead one
// may be for a moment, but not for long. Shards that do not answer are passed over.
func (h *Hub) known(ctx context.Context, tenant model.TenantID, marks query.Marks) error {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.OpenTime)
	defer cancel()
	var asking sync.WaitGroup
	shards := h.cfg.Shards.ShardsOf(tenant)
	behind := make([]bool, len(shards))
	for i, shard := range shards {
		asking.Go(func() {
			for {
				answer, err := h.cfg.Shards.Follow(ctx, &query.FollowQuery{Tenant: tenant, Shard: shard})
				if err != nil {
					return
				}
				// A mark at the end of an entry is as far as the entry.
				if behind[i] = answer.Upto.Compare(marks[shard]) < 0; !behind[i] || !sleep(ctx, aheadPause) {
					return
				}
			}
		})
	}
	asking.Wait()
	for i, shard := range shards {
		if behind[i] {
			return fmt.Errorf("%w (shard %d)", ErrAhead, shard)
		}
	}
	return nil
}
