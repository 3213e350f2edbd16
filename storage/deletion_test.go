package storage

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// goneRecord is a record that a deletion at a log index has removed.
type goneRecord struct {
	record model.Record
	at     uint64
}

// readCondition is the query language of these tests: component=c1, count<500.
func readCondition(text string, _ int64) (index.Expr, error) {
	if field, value, ok := strings.Cut(text, "="); ok {
		return index.Leaf{Field: field, Pred: index.Equal{Text: value}}, nil
	}
	field, value, _ := strings.Cut(text, "<")
	_, err := strconv.ParseFloat(value, 64)
	return index.Leaf{Field: field, Pred: index.Compare(index.Less, value)}, err
}

// satisfies is what a condition means, with no code in common.
func satisfies(r *model.Record, text string) bool {
	if text == "" {
		return true
	}
	for _, f := range r.Fields {
		if field, value, ok := strings.Cut(text, "="); ok && f.Name == field && f.Text == value {
			return true
		}
		if field, value, ok := strings.Cut(text, "<"); ok && f.Name == field {
			have, _ := strconv.Atoi(f.Text)
			limit, _ := strconv.Atoi(value)
			return have < limit
		}
	}
	return false
}

// removes is what a deletion means.
func (d *Deletion) removes(r *model.Record) bool {
	if r.Time < d.From || r.Time >= d.To || !satisfies(r, d.Query) {
		return false
	}
	return !slices.ContainsFunc(d.Except, func(e Exception) bool {
		return r.Time >= e.From && r.Time < e.To && satisfies(r, e.Query)
	})
}

func (h *history) condition() string {
	switch h.rng.IntN(4) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("count<%d", h.rng.IntN(900))
	}
	return fmt.Sprintf("component=c%d", h.rng.IntN(4))
}

func (h *history) span() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if h.rng.IntN(2) == 0 {
		from = h.clock - h.rng.Int64N(6)*dayNanos
	}
	if h.rng.IntN(2) == 0 {
		to = max(from, h.clock-5*dayNanos) + 1 + h.rng.Int64N(5)*dayNanos
	}
	return from, to
}

// delete applies a random deletion, sometimes one that was applied before.
func (h *history) delete() {
	h.t.Helper()
	at := uint64(len(h.log) + 1)
	d := Deletion{Number: at, Tenant: model.TenantID([]string{"a", "b", "default"}[h.rng.IntN(3)]), Query: h.condition(), Time: h.clock}
	d.From, d.To = h.span()
	for range h.rng.IntN(3) {
		e := Exception{Query: h.condition()}
		e.From, e.To = h.span()
		d.Except = append(d.Except, e)
	}
	want := at
	for i, e := range h.log {
		if e.delete != nil && e.delete.Number == uint64(i)+1 && h.rng.IntN(8) == 0 {
			d, want = *e.delete, uint64(i)+1
			break
		}
	}
	if got := h.shard.Delete(at, d); got != want {
		h.t.Fatalf("deletion %d applied at %d is at %d, want %d", d.Number, at, got, want)
	}
	h.log = append(h.log, entry{delete: &d})
	if want != at {
		return
	}
	for id, record := range h.want[d.Tenant] {
		if d.removes(&record) {
			if h.gone[d.Tenant] == nil {
				h.gone[d.Tenant] = map[model.RecordID]goneRecord{}
			}
			h.gone[d.Tenant][id] = goneRecord{record, at}
			delete(h.want[d.Tenant], id)
		}
	}
}

// plan looks what deletions remove of some segments, and builds what stays.
func (h *history) plan(limit int) (more bool) {
	h.t.Helper()
	rewrites, more, err := h.shard.PlanCleaning(h.t.Context(), limit)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, rewrite := range rewrites {
		if err := h.shard.BuildMerge(h.t.Context(), rewrite); err != nil && !IsDamage(err) {
			h.t.Fatal(err)
		}
	}
	return more
}

// clean does so and seals.
func (h *history) clean(limit int) (more bool) {
	h.t.Helper()
	if more = h.plan(limit); more {
		h.seal(h.shard.PreparedMerges())
	}
	return more
}

// checkDeletions wants all deletions to be done, with the right figures.
func (h *history) checkDeletions() {
	h.t.Helper()
	rows := map[model.TenantID]uint64{}
	for _, e := range h.log {
		if e.delete == nil {
			continue
		}
		status, ok := h.shard.Deletion(e.delete.Number, 0)
		if !ok || status.Pending || status.Left+status.Leaving > 0 {
			h.t.Errorf("deletion %d is %+v, %v", e.delete.Number, status, ok)
		}
	}
	for _, d := range h.shard.mu.deletions {
		rows[d.Tenant] += d.Rows
	}
	for tenant, gone := range h.gone {
		if rows[tenant] != uint64(len(gone)) {
			h.t.Errorf("%d records of %s are counted as removed, %d are", rows[tenant], tenant, len(gone))
		}
	}
	for _, e := range h.shard.Entries() {
		if e.Cleaned != 0 && e.Cleaned <= e.MinIndex {
			h.t.Errorf("segment %s of entries from %d on is clean up to %d", e.ID, e.MinIndex, e.Cleaned)
		}
	}
}

// sameDeletions wants leader and follower to remember the same of deletions.
func (p *pair) sameDeletions() {
	p.t.Helper()
	a, b := p.leader.shard, p.shard
	if !slices.Equal(a.mu.state.Deletions, b.mu.state.Deletions) || len(a.mu.deletions) != len(b.mu.deletions) {
		p.t.Errorf("the follower knows deletions %v, the leader %v", b.mu.state.Deletions, a.mu.state.Deletions)
	}
	for i := range min(len(a.mu.deletions), len(b.mu.deletions)) {
		x, y := *a.mu.deletions[i], *b.mu.deletions[i]
		x.expr, y.expr, x.Bytes, y.Bytes = nil, nil, 0, 0
		if len(x.Except)+len(y.Except) == 0 {
			x.Except, y.Except = nil, nil
		}
		if !reflect.DeepEqual(x, y) {
			p.t.Errorf("a deletion is %+v on the follower, %+v on the leader", y, x)
		}
	}
}

// What somebody has begun to read stays until it is released, whatever deletions look
// at, rewrite and drop meanwhile, one after the other.
func TestViewsOutlastDeletions(t *testing.T) {
	for seed := range uint64(12) {
		h := newHistory(t, seed)
		type held struct {
			view *View
			want map[model.RecordID]model.Record
		}
		var all []held
		for round := range 12 {
			for range 4 {
				h.append()
			}
			h.seal(nil)
			h.runSeal()
			for tenant, want := range h.want {
				if round%4 > 0 {
					break // who reads is to be the only one who keeps what was then
				}
				view, err := h.shard.View(tenant)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, held{view, maps.Clone(want)})
			}
			h.delete()
			for h.clean(3) {
				h.runSeal()
			}
			if err := h.shard.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, one := range all {
			if got := readAll(t, one.view); !maps.EqualFunc(got, one.want, func(_, _ model.Record) bool { return true }) {
				t.Errorf("seed %d: a view has %d records, it had %d", seed, len(got), len(one.want))
			}
			one.view.Release()
		}
		if err := h.shard.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.verify()
		h.check()
	}
}

// TestDeletionIsKnownLater asks for a deletion after so many others that it is not
// remembered, as somebody does who had to wait for a replica.
func TestDeletionIsKnownLater(t *testing.T) {
	h := newHistory(t, 1)
	for n := range uint64(2 * max(deletionMarksMax, deletionsDone)) {
		at := n + 1
		if status, ok := h.shard.Deletion(1, 2); ok && at < 2 {
			t.Fatalf("it is known before it is applied: %+v", status)
		}
		if n > 0 {
			h.shard.Delete(at, Deletion{Number: n, Tenant: "a", From: math.MinInt64, To: math.MaxInt64, Time: h.clock})
			h.log = append(h.log, entry{delete: &Deletion{Number: n}})
			continue
		}
		h.seal(nil)
	}
	h.seal(nil)
	for range 2 {
		h.runSeal()
	}
	if status, ok := h.shard.Deletion(1, 0); ok {
		t.Fatalf("it is remembered, and this test finds nothing: %+v", status)
	}
	if status, ok := h.shard.Deletion(1, 2); !ok || status.Pending || status.Index != 2 {
		t.Errorf("the first deletion is %+v, %v; want one that is done", status, ok)
	}
}
