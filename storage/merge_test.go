package storage

import (
	"testing"

	"github.com/stere-log/stere/model"
)

// A merge makes no more bytes of values than MergeBytesMax, a segment of a
// quarter of that is never built again, and of smaller ones two neighbours
// remain only if they are too heavy together.
func TestMergesAreLimitedByBytes(t *testing.T) {
	h := newHistory(t, 11)
	const most, enough = 20_000, 5_000
	h.cfg.MergeRowsMax, h.cfg.DayCutRows, h.cfg.MergeBytesMax, h.cfg.MergeFan = 1<<20, 1<<18, most, 3
	h.reopen()
	full := map[SegmentID]bool{}
	for round := range 40 {
		for range 1 + h.rng.IntN(5) {
			h.append()
		}
		h.seal(h.shard.PreparedMerges())
		h.runSeal()
		weights := map[SegmentID]int64{}
		for _, e := range h.shard.Entries() {
			weights[e.ID] = e.TextBytes
			full[e.ID] = e.TextBytes >= enough
		}
		for _, plan := range h.shard.PlanMerges(upTo(round%5 == 4)) {
			var weight int64
			for _, id := range plan.Inputs {
				if full[id] {
					t.Fatalf("round %d: merge of segment %s, which is heavy", round, id)
				}
				weight += weights[id]
			}
			if weight > most {
				t.Fatalf("round %d: a merge of %d bytes, want at most %d", round, weight, most)
			}
			if err := h.shard.BuildMerge(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.seal(h.shard.PreparedMerges())
	h.runSeal()
	h.settle()
	h.checkTextBytes()
	entries, heavy := h.shard.Entries(), 0
	for i, e := range entries {
		if e.TextBytes >= enough {
			heavy++
			continue
		}
		for _, other := range entries[i+1:] {
			if other.Tenant == e.Tenant && other.TextBytes < enough && e.TextBytes+other.TextBytes <= most {
				t.Errorf("segments of %d and %d bytes are not one", e.TextBytes, other.TextBytes)
			}
		}
	}
	if heavy < 2 {
		t.Errorf("%d heavy segments, the test needs more", heavy)
	}
}

// checkTextBytes compares what the manifest says with the records.
func (h *history) checkTextBytes() {
	h.t.Helper()
	want, got := map[model.TenantID]int64{}, map[model.TenantID]int64{}
	for tenant, records := range h.want {
		for _, r := range records {
			for _, f := range r.Fields {
				want[tenant] += int64(len(f.Text))
			}
		}
	}
	for _, e := range h.shard.Entries() {
		got[e.Tenant] += e.TextBytes
	}
	for tenant, bytes := range want {
		if got[tenant] != bytes {
			h.t.Errorf("segments of tenant %s have %d bytes of values, want %d", tenant, got[tenant], bytes)
		}
	}
}
