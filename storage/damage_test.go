package storage

import (
	"math"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
)

// A damaged table is an error for the parts in it; everything else goes on,
// and merging leaves it alone.
func TestDamagedSegmentIsAnErrorForItsPart(t *testing.T) {
	h := newHistory(t, 21)
	h.cfg.DayCutRows, h.cfg.MergeRowsMax = 1<<20, 1<<20
	h.reopen()
	for range 4 {
		for range 40 {
			h.append()
		}
		h.seal(nil)
		h.runSeal()
	}
	h.check()
	h.shard.Close()
	if err := h.engine.Close(); err != nil {
		t.Fatal(err)
	}
	flipBitOfLargestTable(t, h.fs, "data/keys")
	h.open()

	damaged, whole, missing := 0, 0, 0
	for tenant := range h.want {
		view, err := h.shard.View(tenant)
		if err != nil {
			t.Fatal(err)
		}
		before := len(view.Parts) + len(view.Missing)
		damaged += len(view.Missing) // the directory is hit
		for _, p := range view.Parts {
			if _, err := p.Records(t.Context(), index.DocSetRange(0, p.Rows())); err != nil {
				if !IsDamage(err) {
					t.Errorf("reading damage: %v", err)
				}
				damaged++
			} else {
				whole++
			}
		}
		view.Release()
		if view, err = h.shard.View(tenant); err != nil {
			t.Fatal(err)
		}
		if parts := len(view.Parts) + len(view.Missing); parts != before {
			t.Errorf("%d parts and missing segments after damage was met, %d before", parts, before)
		}
		missing += len(view.Missing)
		view.Release()
		last, _, err := h.shard.ViewAfter(tenant, model.MarkEnd(h.shard.Status().Applied))
		if err != nil {
			t.Fatal(err)
		}
		if len(last.Parts)+len(last.Missing) > 0 {
			t.Errorf("after everything there are %d parts and %d missing segments", len(last.Parts), len(last.Missing))
		}
		last.Release()
	}
	if missing != damaged {
		t.Errorf("%d segments are missing in views, want the %d damaged ones", missing, damaged)
	}
	// Segments of one seal share a table.
	if damaged == 0 || whole < 3 {
		t.Fatalf("%d damaged parts and %d whole ones, want some damaged and some whole", damaged, whole)
	}
	before := h.shard.Status()
	for round := 0; ; round++ {
		plans := h.shard.PlanMerges(math.MaxUint64)
		if len(plans) == 0 {
			break
		}
		if round == 10 {
			t.Fatal("the damaged segment is planned again and again")
		}
		for _, plan := range plans {
			if err := h.shard.BuildMerge(t.Context(), plan); err != nil && !IsDamage(err) {
				t.Fatal(err)
			}
		}
		h.seal(h.shard.PreparedMerges())
		h.runSeal()
	}
	after := h.shard.Status()
	if after.FailedParts != damaged || after.SegmentRows != before.SegmentRows || after.Segments >= before.Segments {
		t.Errorf("after merging %+v, before %+v; want the damaged segment kept and the others merged", after, before)
	}
	h.append() // the shard lives
}

// flipBitOfLargestTable damages one bit in the middle of the biggest table.
func flipBitOfLargestTable(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	largest, size := "", int64(0)
	for _, name := range names {
		if info, err := fs.Stat(fs.PathJoin(dir, name)); err == nil && strings.HasSuffix(name, ".sst") && info.Size() > size {
			largest, size = fs.PathJoin(dir, name), info.Size()
		}
	}
	content, err := engine.ReadFile(fs, largest, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 4
	if err := engine.WriteFile(fs, largest, content); err != nil {
		t.Fatal(err)
	}
}
