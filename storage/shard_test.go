package storage

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/engine"
)

var seeds = flag.Int("seeds", 12, "how many random histories to run")

// history is a shard with the log that a replica would have, and what a
// reader has to find.
type history struct {
	t       *testing.T
	rng     *rand.Rand
	fs      *vfs.MemFS
	engine  *engine.Engine
	shard   *Shard
	cfg     Config
	log     []entry // entry i has the log index i+1
	cut     uint64  // entries up to here are gone from the log
	want    map[model.TenantID]map[model.RecordID]model.Record
	keys    []Batch // with keys that were used
	clock   int64
	minutes int64 // per step
	gone    map[model.TenantID]map[model.RecordID]goneRecord
}

type entry struct {
	append  *Append
	seal    *SealCommand
	delete  *Deletion
	results []BatchResult
}

func newHistory(t *testing.T, seed uint64) *history {
	rng := rand.New(rand.NewPCG(seed, 7))
	h := &history{
		t: t, rng: rng, fs: vfs.NewCrashableMem(), clock: 1_700_000_000_000_000_000, minutes: 1 + rng.Int64N(90),
		want: map[model.TenantID]map[model.RecordID]model.Record{}, gone: map[model.TenantID]map[model.RecordID]goneRecord{},
		cfg: Config{Shard: 3, DayCutRows: 1 + rng.IntN(60), MergeFan: 2 + rng.IntN(4), MergeRowsMax: 50 + rng.IntN(2000), MergeBytesMax: 1000 + rng.Int64N(100_000),
			DedupMax: 5 + rng.IntN(100), DedupKeep: time.Duration(1+rng.IntN(48)) * time.Hour,
			CarriedMax: 5 + rng.IntN(20), CarriedKeep: time.Duration(1+rng.IntN(4)) * time.Hour},
	}
	h.open()
	t.Cleanup(func() {
		if h.shard != nil {
			h.shard.Close()
		}
		if h.engine != nil {
			h.engine.Close()
		}
	})
	return h
}

func (h *history) open() {
	h.t.Helper()
	var err error
	h.engine, err = engine.Open(engine.Config{FS: h.fs, Dir: "data", OnFatal: func(err error) { h.t.Errorf("fatal: %v", err) }})
	if err != nil {
		h.t.Fatal(err)
	}
	h.shard, err = Open(h.t.Context(), Env{Engine: h.engine, Query: readCondition, Bodies: &block.BodyPool{Wipe: true}}, h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	state, _ := h.shard.Durable()
	if state.Index < h.cut {
		h.t.Fatalf("manifest is at %d, the log begins after %d", state.Index, h.cut)
	}
	for i := state.Index; i < uint64(len(h.log)); i++ {
		e := h.log[i]
		if e.seal != nil {
			h.shard.Seal(i+1, 1, *e.seal)
			continue
		}
		if e.delete != nil {
			h.shard.Delete(i+1, *e.delete)
			continue
		}
		if got := h.shard.Append(i+1, *e.append); !slices.Equal(got, e.results) {
			h.t.Fatalf("entry %d applied again gives %v, first %v", i+1, got, e.results)
		}
	}
}

func (h *history) records(n int) []model.Record {
	records := make([]model.Record, n)
	for i := range records {
		at := h.clock - h.rng.Int64N(int64(1+h.rng.IntN(5))*dayNanos)
		records[i] = model.Record{Time: at, TimeDigits: uint8(h.rng.IntN(10)), Fields: []model.Field{
			{Name: "component", Kind: model.String, Text: fmt.Sprintf("c%d", h.rng.IntN(4))},
			{Name: "count", Kind: model.Number, Text: fmt.Sprint(h.rng.IntN(1000))},
			{Name: "message", Kind: model.String, Text: fmt.Sprintf("request %x took %d ms", h.rng.Uint32(), h.rng.IntN(500))},
		}}
		if h.rng.IntN(3) == 0 {
			records[i].Fields = records[i].Fields[1:]
		}
	}
	return records
}

// append applies a block of one to three batches.
func (h *history) append() {
	h.t.Helper()
	h.clock += h.rng.Int64N(2 * h.minutes * int64(time.Minute))
	a := Append{Tenant: model.TenantID([]string{"a", "b", "default"}[h.rng.IntN(3)]), Time: h.clock}
	var records []model.Record
	for range 1 + h.rng.IntN(3) {
		batch := Batch{Rows: uint32(1 + h.rng.IntN(20))}
		switch h.rng.IntN(6) {
		case 0, 1: // a new key
			binary.BigEndian.PutUint64(batch.Key[:], h.rng.Uint64()|1)
			if batch.Carried = h.rng.IntN(2) == 0; !batch.Carried {
				batch.Body[0] = byte(h.rng.IntN(2))
			}
			h.keys = append(h.keys, batch)
		case 2, 3: // one used before
			if len(h.keys) > 0 {
				used := h.keys[h.rng.IntN(len(h.keys))]
				if batch.Key, batch.Carried = used.Key, used.Carried; !batch.Carried {
					batch.Body[0] = byte(h.rng.IntN(2))
				}
			}
		}
		a.Batches = append(a.Batches, batch)
		records = append(records, h.records(int(batch.Rows))...)
	}
	var err error
	if a.Block, err = block.Encode(nil, records); err != nil {
		h.t.Fatal(err)
	}
	at := uint64(len(h.log) + 1)
	results := h.shard.Append(at, a)
	h.log = append(h.log, entry{append: &a, results: results})
	h.expect(a.Tenant, a.Batches, results, records, at)
}

// expect notes the records of the batches that were stored.
func (h *history) expect(tenant model.TenantID, batches []Batch, results []BatchResult, records []model.Record, at uint64) {
	h.t.Helper()
	if h.want[tenant] == nil {
		h.want[tenant] = map[model.RecordID]model.Record{}
	}
	first := uint32(0)
	for i, batch := range batches {
		if results[i].Outcome == Stored {
			if results[i].Index != at || results[i].First != first {
				h.t.Fatalf("stored batch is at %v, want %d-%d", results[i], at, first)
			}
			for j := first; j < first+batch.Rows; j++ {
				h.want[tenant][model.RecordID{Shard: h.cfg.Shard, Index: at, Ordinal: j}] = records[j]
			}
		} else if _, ok := h.want[tenant][model.RecordID{Shard: h.cfg.Shard, Index: results[i].Index, Ordinal: results[i].First}]; !ok && len(h.want) == 1 {
			h.t.Fatalf("repeated batch points to %v, where nothing is", results[i])
		}
		first += batch.Rows
	}
}

func (h *history) seal(merges []Merge) {
	command := h.shard.SealCommand(h.clock)
	command.Merges, command.DayCutRows = merges, 0
	h.shard.Seal(uint64(len(h.log)+1), 1, command)
	h.log = append(h.log, entry{seal: &command})
}

func (h *history) runSeal() {
	h.t.Helper()
	state, done, err := h.shard.RunSeal(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if done {
		h.cut = state.Index
	}
	if err := h.shard.Sweep(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// upTo is the argument of PlanMerges for settling everything, or nothing.
func upTo(settle bool) uint64 {
	if settle {
		return math.MaxUint64
	}
	return 0
}

func (h *history) merge(settle bool) bool {
	h.t.Helper()
	plans := h.shard.PlanMerges(upTo(settle))
	for _, plan := range plans {
		if err := h.shard.BuildMerge(h.t.Context(), plan); err != nil {
			h.t.Fatal(err)
		}
	}
	if len(plans) > 0 {
		h.seal(h.shard.PreparedMerges())
	}
	return len(plans) > 0
}

// step does one random thing.
func (h *history) step() {
	switch n := h.rng.IntN(20); {
	case n < 11:
		h.append()
	case n < 13:
		h.seal(nil)
	case n < 16:
		h.runSeal()
	case n < 18:
		h.merge(h.rng.IntN(3) == 0)
	case n < 18+h.rng.IntN(2): // either, as often
		if h.rng.IntN(3) == 0 {
			h.delete()
		} else {
			h.clean(1 + h.rng.IntN(5))
		}
	case n < 19: // a merge that this replica has not prepared
		if plans := h.shard.PlanMerges(math.MaxUint64); len(plans) > 0 {
			h.seal(plans[:1])
		}
	default:
		h.reopen()
	}
}

// reopen cuts the power, or closes cleanly, and starts again.
func (h *history) reopen() {
	h.t.Helper()
	if h.rng.IntN(2) == 0 {
		h.shard.Close()
		if err := h.engine.Close(); err != nil {
			h.t.Fatal(err)
		}
	} else {
		after := h.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: h.rng.IntN(101), RNG: h.rng})
		h.shard.Close()
		h.engine.Close()
		h.fs = after
	}
	h.open()
}

// check compares what a reader finds with what was stored.
func (h *history) check() {
	h.t.Helper()
	if got, want := h.shard.Missing(), h.shard.findMissing(); !slices.Equal(got, want) {
		h.t.Fatalf("%d segments are said to be missing, %d are", len(got), len(want))
	}
	for tenant, want := range h.want {
		view, err := h.shard.View(tenant)
		if err != nil {
			h.t.Fatal(err)
		}
		got := readAll(h.t, view)
		view.Release()
		if len(got) != len(want) {
			h.t.Fatalf("tenant %s has %d records, want %d", tenant, len(got), len(want))
		}
		for id, record := range want {
			if !sameRecord(got[id], record) {
				h.t.Fatalf("tenant %s: record %s is %v, want %v", tenant, id, got[id], record)
			}
		}
	}
}

func sameRecord(a, b model.Record) bool {
	order := func(x, y model.Field) int { return cmp.Compare(x.Name, y.Name) }
	fields := slices.Clone(b.Fields)
	slices.SortFunc(fields, order)
	have := slices.Clone(a.Fields)
	slices.SortFunc(have, order)
	return a.Time == b.Time && a.TimeDigits == b.TimeDigits && slices.Equal(have, fields)
}

func readAll(t *testing.T, view *View) map[model.RecordID]model.Record {
	t.Helper()
	found := map[model.RecordID]model.Record{}
	for _, p := range view.Parts {
		all := index.DocSetRange(0, p.Rows())
		ids, err1 := p.IDs(all)
		records, err2 := p.Records(t.Context(), all)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if _, twice := found[id]; twice {
				t.Fatalf("record %s is there twice", id)
			}
			found[id] = records[i]
		}
	}
	return found
}

// TestRandomHistories runs random appends, seals, merges, power cuts and
// restarts, and reads everything after each.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newHistory(t, seed)
			for range 120 {
				h.step()
				if h.rng.IntN(4) == 0 {
					h.check()
				}
			}
			h.check()
			h.settle()
			h.reopen()
			h.check()
			h.settle()
		})
	}
}

// settle merges until nothing is left to merge, which must come to an end.
func (h *history) settle() {
	h.t.Helper()
	h.seal(nil)
	for h.shard.Status().Pending > 0 {
		h.runSeal()
	}
	for round := 0; h.clean(100) || h.merge(true); round++ {
		if round == 100 {
			h.t.Fatalf("merging does not come to an end: %v", h.shard.Entries())
		}
		h.runSeal()
	}
	h.check()
	h.verify()
	h.checkDeletions()
}

// verify checks the manifest against the store.
func (h *history) verify() {
	h.t.Helper()
	stored := map[SegmentID]bool{}
	for _, place := range []byte{prefixSegment, prefixReceived} {
		lower, upper := shardSpan(place, h.cfg.Shard)
		err := h.engine.Scan(lower, upper, func(key, _ []byte) error {
			id, err := parseSegmentID(key)
			stored[id] = true
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	entries := h.shard.Entries()
	for _, e := range entries {
		if !stored[e.ID] {
			h.t.Errorf("segment %s of the manifest is not stored", e.ID)
		}
	}
	if len(stored) != len(entries) {
		h.t.Errorf("%d segments are stored, the manifest has %d", len(stored), len(entries))
	}
}

// A segment with enough rows is never built again; of smaller ones a tenant
// has one in the end.
func TestLargeSegmentsStay(t *testing.T) {
	h := newHistory(t, 9)
	const enough = 60
	h.cfg.DayCutRows, h.cfg.MergeRowsMax, h.cfg.MergeBytesMax, h.cfg.MergeFan = enough, 1<<20, 0, 3
	h.reopen()
	large := map[SegmentID]bool{}
	for round := range 30 {
		for range 1 + h.rng.IntN(20) {
			h.append()
		}
		h.seal(h.shard.PreparedMerges())
		h.runSeal()
		for _, plan := range h.shard.PlanMerges(upTo(round%5 == 4)) {
			for _, id := range plan.Inputs {
				if large[id] {
					t.Fatalf("round %d: merge of segment %s, which is large", round, id)
				}
			}
			if err := h.shard.BuildMerge(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
		}
		now := map[SegmentID]bool{}
		for _, e := range h.shard.Entries() {
			now[e.ID] = e.Rows >= enough
		}
		for id := range large {
			if !now[id] {
				t.Fatalf("round %d: segment %s is gone", round, id)
			}
		}
		large = now
		maps.DeleteFunc(large, func(_ SegmentID, is bool) bool { return !is })
	}
	h.seal(h.shard.PreparedMerges())
	h.runSeal()
	h.settle()
	small := map[model.TenantID]int{}
	for _, e := range h.shard.Entries() {
		if e.Rows < enough {
			small[e.Tenant]++
		}
	}
	for tenant, count := range small {
		if count > 1 {
			t.Errorf("tenant %s has %d small segments after settling", tenant, count)
		}
	}
	if len(large) == 0 {
		t.Error("no segment became large")
	}
}

func TestViewKeepsItsSegments(t *testing.T) {
	h := newHistory(t, 1)
	h.cfg.DayCutRows, h.cfg.MergeRowsMax = 1<<20, 1<<20
	h.reopen()
	for range 4 {
		for range 5 {
			h.append()
		}
		h.seal(nil)
		h.runSeal()
	}
	tenant := model.TenantID("a")
	view, err := h.shard.View(tenant)
	if err != nil {
		t.Fatal(err)
	}
	before := len(h.shard.Entries())
	h.settle2()
	if after := len(h.shard.Entries()); after >= before {
		t.Fatalf("%d segments after settling, %d before", after, before)
	}
	if got := readAll(t, view); len(got) != len(h.want[tenant]) {
		t.Errorf("the old view has %d records, want %d", len(got), len(h.want[tenant]))
	}
	view.Release()
	view.Release() // twice is once
	if err := h.shard.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.verify()
	h.check()
}

// Who destroys a shard can wait for those who read it.
func TestAwaitViews(t *testing.T) {
	h := newHistory(t, 1)
	for range 3 {
		h.append()
	}
	var views []*View
	for range 2 {
		view, err := h.shard.View("a")
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, view)
	}
	h.shard.Close()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, view := range views {
		if err := h.shard.AwaitViews(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("with a view held: %v", err)
		}
		view.Release()
		view.Release()
	}
	if err := h.shard.AwaitViews(gone); err != nil {
		t.Errorf("with no view held: %v", err)
	}
}

// settle2 is settle without looking into the store, for tests that hold views.
func (h *history) settle2() {
	for h.merge(true) {
		h.runSeal()
	}
}

func TestRepeatedBatchesAreStoredOnce(t *testing.T) {
	h := newHistory(t, 2)
	key, other := [16]byte{1}, [16]byte{2}
	put := func(batches ...Batch) []BatchResult {
		n := 0
		for _, b := range batches {
			n += int(b.Rows)
		}
		records := h.records(n)
		encoded, err := block.Encode(nil, records)
		if err != nil {
			t.Fatal(err)
		}
		a := Append{Tenant: "a", Time: h.clock, Block: encoded, Batches: batches}
		at := uint64(len(h.log) + 1)
		results := h.shard.Append(at, a)
		h.log = append(h.log, entry{append: &a, results: results})
		h.expect("a", batches, results, records, at)
		return results
	}
	put(Batch{Rows: 3}, Batch{Key: key, Body: [16]byte{9}, Rows: 4})
	again := put(Batch{Key: key, Body: [16]byte{9}, Rows: 4}, Batch{Key: other, Rows: 2}, Batch{Key: other, Rows: 2}, Batch{Key: key, Body: [16]byte{8}, Rows: 4})
	want := []BatchResult{{1, 3, Duplicate}, {2, 4, Stored}, {2, 4, Duplicate}, {1, 3, Conflict}}
	if !slices.Equal(again, want) {
		t.Errorf("outcomes %v, want %v", again, want)
	}
	h.check()
	h.seal(nil)
	h.runSeal()
	h.reopen()
	if got := put(Batch{Key: key, Body: [16]byte{9}, Rows: 4}); got[0] != want[0] {
		t.Errorf("after a restart: %v, want %v", got[0], want[0])
	}
	h.clock += int64(h.cfg.DedupKeep) + 1
	if got := put(Batch{Key: key, Body: [16]byte{9}, Rows: 4}); got[0].Outcome != Stored {
		t.Errorf("after the time of the key: %v, want it stored", got[0])
	}
	h.check()
}

// TestKeysOfNodesAreApart: however many keys nodes give, those of clients stay;
// the newest keys of nodes stay also when a clock jumps, and both survive a
// restart and a snapshot.
func TestKeysOfNodesAreApart(t *testing.T) {
	h := newHistory(t, 4)
	h.cfg.DedupMax, h.cfg.CarriedMax = 2, 8
	h.shard.Close()
	h.engine.Close()
	h.open()
	key := func(n int, carried bool) Batch {
		return Batch{Key: [16]byte{1, byte(n), byte(n >> 8)}, Rows: 1, Carried: carried}
	}
	put := func(b Batch) Outcome {
		t.Helper()
		encoded, err := block.Encode(nil, h.records(1))
		if err != nil {
			t.Fatal(err)
		}
		a := Append{Tenant: "a", Time: h.clock, Block: encoded, Batches: []Batch{b}}
		results := h.shard.Append(uint64(len(h.log)+1), a)
		h.log = append(h.log, entry{append: &a, results: results})
		return results[0].Outcome
	}
	want := func(when string, b Batch, outcome Outcome) {
		t.Helper()
		if got := put(b); got != outcome {
			t.Errorf("%s: outcome %d of %x (by a node: %v), want %d", when, got, b.Key[:3], b.Carried, outcome)
		}
	}
	put(key(0, false))
	for n := range 100 {
		put(key(n, true))
		if n%30 == 29 {
			h.seal(nil)
			h.runSeal()
		}
	}
	if st := h.shard.Status(); st.DedupKeys != 1 || st.CarriedKeys != 9 { // the oldest goes with the next command
		t.Errorf("%d keys of clients and %d of nodes are remembered, want 1 and 9", st.DedupKeys, st.CarriedKeys)
	}
	want("after 100 others", key(0, false), Duplicate)
	want("the newest", key(99, true), Duplicate)
	want("beyond the number", key(91, true), Stored)
	h.seal(nil)
	h.runSeal()
	h.reopen()
	want("after a restart", key(0, false), Duplicate)
	want("after a restart", key(91, true), Duplicate)
	want("after a restart", key(92, true), Stored)
	h.clock += 20 * int64(h.cfg.CarriedKeep)
	want("after a jump of the clock", key(92, true), Duplicate)
	snapshot, _, err := h.shard.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.shard.Restore(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
	want("after a restored snapshot", key(99, true), Duplicate)
}

// TestForgetting compares what a memory of keys forgets with what it should.
func TestForgetting(t *testing.T) {
	for _, test := range []struct {
		max, least int
		now, want  int64 // the oldest entry that stays; entries have the times 0 to 9
	}{
		{10, 0, 5, 0}, {10, 0, 12, 2}, {4, 0, 5, 6}, {10, 3, 100, 7}, {10, 0, 100, 10}, {2, 3, 100, 8}, {10, 20, 100, 0},
	} {
		d := newDedup(5, nil, test.max, test.least, 10)
		for i := range int64(10) {
			d.add(dedupEntry{key: [16]byte{byte(i)}, time: i})
		}
		d.expire(test.now)
		for i := range int64(10) {
			if _, ok := d.find([16]byte{byte(i)}); ok != (i >= test.want) {
				t.Errorf("%+v: entry %d is remembered: %v", test, i, ok)
			}
		}
		if d.first != uint64(5+test.want) || d.next() != 15 {
			t.Errorf("%+v: numbers %d to %d", test, d.first, d.next())
		}
	}
}

// TestStatesOfBefore: a state without keys of nodes is written as it was before
// there were any, and read.
func TestStatesOfBefore(t *testing.T) {
	old := State{Index: 7, Term: 1, DedupFirst: 2, DedupNext: 5, Configuration: []byte("c"), Clock: -1}
	newer := old
	newer.Carried = KeySpan{3, 9}
	for version, s := range map[byte]State{2: old, 3: newer} {
		encoded := s.append(nil)
		if encoded[0] != version {
			t.Errorf("state %+v has version %d, want %d", s, encoded[0], version)
		}
		if got, err := parseState(encoded); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("state %+v comes back as %+v, %v", s, got, err)
		}
	}
}

func TestBlockThatCannotBeReadIsPutAside(t *testing.T) {
	h := newHistory(t, 3)
	h.append()
	h.check()
	garbage := Append{Tenant: "broken", Time: h.clock, Block: []byte("not a block"), Batches: []Batch{{Rows: 1}}}
	h.log = append(h.log, entry{append: &garbage, results: h.shard.Append(uint64(len(h.log)+1), garbage)})
	view, err := h.shard.View("broken")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := view.Parts[0].Eval(t.Context(), index.All{}, nil); err == nil {
		t.Error("reading the block gives no error")
	}
	view.Release()
	h.seal(nil)
	h.runSeal()
	if st := h.shard.Status(); st.Quarantined != 1 || st.Pending != 0 {
		t.Errorf("status %+v, want one block put aside", st)
	}
	var kept string
	putAside := func(when string) {
		t.Helper()
		for tenant, want := range map[model.TenantID]int{"broken": 1, "a": 0} {
			view, err := h.shard.View(tenant)
			if err != nil || view.Quarantined != want {
				t.Fatalf("%s: %+v, %v, want %d blocks of tenant %s put aside", when, view, err, want, tenant)
			}
			view.Release()
		}
		for after, want := range map[uint64]int{1: 1, 2: 0} {
			view, _, err := h.shard.ViewAfter("broken", model.MarkEnd(after))
			if err != nil || view.Quarantined != want {
				t.Fatalf("%s: %+v, %v, want %d blocks put aside after entry %d", when, view, err, want, after)
			}
			view.Release()
		}
	}
	putAside("after the seal")
	if err := h.engine.Get(numberKey(prefixQuarantine, h.cfg.Shard, 2), func(v []byte) error { kept = string(v); return nil }); err != nil || !strings.HasSuffix(kept, "not a block") {
		t.Errorf("put aside: %q, %v", kept, err)
	}
	h.check()
	h.reopen()
	putAside("after a restart")
}

func TestDayCuts(t *testing.T) {
	for _, test := range []struct {
		rows map[int64]int
		min  int
		want []int64
	}{
		{map[int64]int{1: 10, 2: 10}, 10, []int64{2}},
		{map[int64]int{1: 10, 2: 9}, 10, nil},
		{map[int64]int{1: 9, 2: 10}, 10, nil},
		{map[int64]int{1: 4, 2: 6, 3: 4, 9: 7}, 10, []int64{3}},
		{map[int64]int{-3: 25, 2: 1, 7: 25}, 10, []int64{2}},
		{map[int64]int{1: 1, 2: 1, 3: 1, 4: 1}, 1, []int64{2, 3, 4}},
	} {
		total := 0
		for _, n := range test.rows {
			total += n
		}
		if got := dayBorders(test.rows, total, test.min); !slices.Equal(got, test.want) {
			t.Errorf("borders of %v with %d: %v, want %v", test.rows, test.min, got, test.want)
		}
	}
	for at, want := range map[int64]int64{0: 0, -1: -1, dayNanos - 1: 0, dayNanos: 1, -dayNanos: -1, -dayNanos - 1: -2} {
		if got := dayOf(at); got != want {
			t.Errorf("day of %d is %d, want %d", at, got, want)
		}
	}
}

func TestCancelledSealIsDoneLater(t *testing.T) {
	h := newHistory(t, 4)
	for range 10 {
		h.append()
	}
	h.seal(nil)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, done, err := h.shard.RunSeal(cancelled); done || err == nil {
		t.Fatalf("a cancelled seal: done %v, %v", done, err)
	}
	h.check()
	h.runSeal()
	if st := h.shard.Status(); st.Pending != 0 || st.Segments == 0 {
		t.Errorf("status %+v, want the seal done", st)
	}
	h.check()
}
