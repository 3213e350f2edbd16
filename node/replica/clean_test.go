package replica

import (
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// TestDeletionIsCarriedOut deletes everything of a tenant, by day, and waits until
// nothing is left but what was not to go; a restart in between changes nothing.
func TestDeletionIsCarriedOut(t *testing.T) {
	fs, log := vfs.NewMem(), &memoryLog{}
	r, stop := start(t, fs, log, Config{SealAge: time.Hour})
	put(t, r, "a", 100)
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, r, "a", 50)
	put(t, r, "b", 10)
	index, err := r.Delete(t.Context(), storage.Deletion{Number: 1, Tenant: "a", From: math.MinInt64, To: math.MaxInt64})
	if err != nil {
		t.Fatal(err)
	}
	if n := rowsOf(t, r, "a"); n != 0 {
		t.Errorf("%d records are shown after they were deleted", n)
	}
	stop()
	r, stop = start(t, fs, log, Config{SealAge: time.Hour})
	defer stop()
	put(t, r, "a", 7)
	for !r.Erased(1, 0).Gone() {
		if err := pause.For(t.Context(), 5*time.Millisecond); err != nil {
			t.Fatalf("the deletion does not come to an end: %+v", r.Erased(1, 0))
		}
	}
	if again, err := r.Delete(t.Context(), storage.Deletion{Number: 1, Tenant: "a", From: math.MinInt64, To: math.MaxInt64}); err != nil || again != index {
		t.Errorf("proposed again it is at %d, %v, want %d", again, err, index)
	}
	if a, b := rowsOf(t, r, "a"), rowsOf(t, r, "b"); a != 7 || b != 10 {
		t.Errorf("a has %d records, b %d; want 7 and 10", a, b)
	}
	// What was damaged is kept aside until the replicas that it concerns are gone.
	log.aside.Store(true)
	if e := r.Erased(1, 0); e.Gone() || e.Waits() == "" {
		t.Errorf("its bytes are in files that are kept aside, and it is at its end: %+v", e)
	}
	log.aside.Store(false)
	if e := r.Erased(1, 0); e.Rows != 150 || e.Dropped != 1 || e.Rewritten != 0 {
		t.Errorf("the figures are %+v", e.DeletionFigures)
	}
}

func put(t *testing.T, r *Replica, tenant model.TenantID, n int) {
	t.Helper()
	a := appendOf(t, n, 1_000_000)
	a.Tenant = tenant
	if _, err := r.Append(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

func rowsOf(t *testing.T, r *Replica, tenant model.TenantID) (rows int) {
	t.Helper()
	view, err := r.View(tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Release()
	for _, p := range view.Parts {
		rows += int(p.Rows())
	}
	return rows
}
