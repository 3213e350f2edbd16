package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/engine"
)

// pair is two replicas of a shard: the leader makes a history, the follower
// applies it, is given snapshots, fetches, is interrupted, damaged and scrubbed.
type pair struct {
	t        *testing.T
	rng      *rand.Rand
	leader   *history
	fs       *vfs.MemFS
	engine   *engine.Engine
	shard    *Shard
	applied  uint64 // by the follower
	restores int
	fetches  int
	flips    int
	// manifests of the leader, by index
	manifests map[uint64][]Entry
}

func newPair(t *testing.T, seed uint64) *pair {
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 91)), leader: newHistory(t, seed), fs: vfs.NewCrashableMem(), manifests: map[uint64][]Entry{}}
	p.open()
	t.Cleanup(func() { p.shard.Close(); p.engine.Close() })
	return p
}

// open opens the follower and applies what its manifest lacks of the log.
func (p *pair) open() {
	p.t.Helper()
	var err error
	p.engine, err = engine.Open(engine.Config{FS: p.fs, Dir: "data", OnFatal: func(err error) { p.t.Errorf("fatal: %v", err) }})
	if err != nil {
		p.t.Fatal(err)
	}
	// What the replicas need not agree on differs.
	cfg := p.leader.cfg
	cfg.Level, cfg.DayCutRows, cfg.MergeRowsMax = 1+p.rng.IntN(3), cfg.DayCutRows+p.rng.IntN(30), cfg.MergeRowsMax+p.rng.IntN(100)
	if p.shard, err = Open(p.t.Context(), Env{Engine: p.engine, Query: readCondition, Bodies: &block.BodyPool{Wipe: true}}, cfg); err != nil {
		p.t.Fatal(err)
	}
	state, _ := p.shard.Durable()
	p.applyTo(state.Index, p.applied)
}

// applyTo applies the entries of the leader's log in (from, to].
func (p *pair) applyTo(from, to uint64) {
	p.t.Helper()
	for i := from; i < to; i++ {
		e := p.leader.log[i]
		if e.seal != nil {
			p.shard.Seal(i+1, 1, *e.seal)
			continue
		}
		if e.delete != nil {
			p.shard.Delete(i+1, *e.delete)
			continue
		}
		if got := p.shard.Append(i+1, *e.append); !slices.Equal(got, e.results) {
			p.t.Fatalf("the follower applies entry %d to %v, the leader to %v", i+1, got, e.results)
		}
	}
	p.applied = max(p.applied, to)
}

// lead does one thing on the leader. What it merges it has built before it
// proposes.
func (p *pair) lead() {
	h := p.leader
	switch n := p.rng.IntN(20); {
	case n < 12:
		h.append()
	case n < 14:
		h.sealWith(h.shard.PreparedMerges())
	case n < 17:
		h.runSeal()
	case n < 19:
		for _, plan := range h.shard.PlanMerges(upTo(p.rng.IntN(3) == 0)) {
			if err := h.shard.BuildMerge(h.t.Context(), plan); err != nil {
				h.t.Fatal(err)
			}
		}
		h.sealWith(h.shard.PreparedMerges())
	case n < 20 && p.rng.IntN(2) == 0:
		if p.rng.IntN(3) == 0 {
			h.delete()
		} else {
			h.plan(1 + p.rng.IntN(5))
			h.sealWith(h.shard.PreparedMerges())
		}
	default:
		h.reopen()
	}
	if state, ok := h.shard.Durable(); ok {
		p.manifests[state.Index] = byID(h.shard.Entries())
	}
}

// sealWith seals as a replica does.
func (h *history) sealWith(merges []Merge) {
	command := h.shard.SealCommand(h.clock)
	command.Merges = merges
	h.shard.Seal(uint64(len(h.log)+1), 1, command)
	h.log = append(h.log, entry{seal: &command})
}

func byID(entries []Entry) []Entry {
	slices.SortFunc(entries, func(a, b Entry) int { return a.ID.compare(b.ID) })
	return entries
}

// follow does one thing on the follower.
func (p *pair) follow() {
	p.t.Helper()
	switch n := p.rng.IntN(20); {
	case n < 4:
		p.applyTo(p.applied, min(p.applied+1+p.rng.Uint64N(6), uint64(len(p.leader.log))))
	case n < 8:
		_, _, err := p.shard.RunSeal(p.t.Context())
		if err = errors.Join(err, p.shard.Sweep(p.t.Context())); err != nil {
			p.t.Fatal(err)
		}
	case n < 10:
		p.restore()
	case n < 15:
		if missing := p.shard.Missing(); len(missing) > 0 {
			p.fetch(missing[p.rng.IntN(len(missing))].ID)
		}
	case n < 17:
		p.reopen(true)
	case n < 18:
		if entries := p.shard.Entries(); len(entries) > 0 {
			err := p.shard.Verify(p.t.Context(), entries[p.rng.IntN(len(entries))].ID, unpaced)
			if err != nil && !IsDamage(err) {
				p.t.Fatal(err)
			}
		}
		if err := p.shard.NoteDamage(); err != nil {
			p.t.Fatal(err)
		}
	default:
		p.reopen(p.rng.IntN(4) > 0)
	}
}

// restore gives the follower the leader's manifest, as the log does for one
// that is too far behind.
func (p *pair) restore() {
	p.t.Helper()
	snapshot, ok, err := p.leader.shard.Snapshot()
	state, _ := p.leader.shard.Durable()
	mine, _ := p.shard.Durable()
	if err != nil || !ok || state.Index <= max(mine.Index, p.applied) {
		return
	}
	if err := p.shard.Restore(p.t.Context(), snapshot); err != nil {
		p.t.Fatal(err)
	}
	p.applied = state.Index
	p.restores++
}

// fetch takes a segment from the leader, over connections that break off. What
// the leader does not have any more comes with a later seal.
func (p *pair) fetch(id SegmentID) {
	p.t.Helper()
	receipt, err := p.shard.Receive(id)
	if err != nil {
		p.t.Fatal(err)
	}
	defer receipt.Abort()
	for {
		stream, err := p.leader.shard.OpenSegment(id, receipt.Offset())
		if errors.Is(err, ErrNoSegment) {
			return
		}
		if err != nil {
			p.t.Fatal(err)
		}
		var src io.Reader = stream
		if p.rng.IntN(3) == 0 {
			src = io.MultiReader(io.LimitReader(stream, p.rng.Int64N(20_000)), iotest.ErrReader(context.DeadlineExceeded))
		}
		err = receipt.Take(src)
		stream.Close()
		if err == nil {
			break
		}
		if p.rng.IntN(3) == 0 {
			return // given up; another time from the start
		}
	}
	if err := receipt.Commit(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.fetches++
}

// reopen cuts the power or closes cleanly, may damage a bit of a table, and
// starts again.
func (p *pair) reopen(whole bool) {
	p.t.Helper()
	if p.rng.IntN(2) == 0 {
		after := p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.rng.IntN(101), RNG: p.rng})
		p.shard.Close()
		p.engine.Close()
		p.fs = after
	} else {
		p.shard.Close()
		if err := p.engine.Close(); err != nil {
			p.t.Fatal(err)
		}
	}
	if !whole {
		p.damage()
	}
	p.open()
}

// damage flips a bit in the keys of a segment: tables of the manifest are
// another matter.
func (p *pair) damage() {
	store, err := engine.Open(engine.Config{FS: p.fs, Dir: "data"})
	if err != nil {
		p.t.Fatal(err)
	}
	lower, _ := shardSpan(prefixSegment, p.leader.cfg.Shard)
	_, upper := shardSpan(prefixReceived, p.leader.cfg.Shard)
	segments := store.Files(lower, upper)
	store.Close()
	if len(segments) > 0 {
		flip(p.t, p.fs, p.rng, segments[p.rng.IntN(len(segments))])
		p.flips++
	}
}

// check compares the follower with what was stored up to what it has applied,
// and its manifest with the leader's at the same index.
func (p *pair) check() {
	p.t.Helper()
	want := map[model.TenantID]map[model.RecordID]model.Record{}
	for tenant, records := range p.leader.want {
		want[tenant] = map[model.RecordID]model.Record{}
		for id, record := range records {
			if id.Index <= p.applied {
				want[tenant][id] = record
			}
		}
		for id, gone := range p.leader.gone[tenant] {
			if id.Index <= p.applied && gone.at > p.applied {
				want[tenant][id] = gone.record
			}
		}
	}
	checkIncomplete(p.t, p.shard, want)
	state, _ := p.shard.Durable()
	if entries, ok := p.manifests[state.Index]; ok {
		if got := byID(p.shard.Entries()); !equalEntries(got, entries) {
			p.t.Fatalf("manifest at %d of the follower:\n%+v\nof the leader:\n%+v", state.Index, got, entries)
		}
	}
}

// settle brings the follower to where the leader is and compares everything.
func (p *pair) settle() {
	p.t.Helper()
	p.leader.sealWith(p.leader.shard.PreparedMerges())
	for p.leader.shard.Status().Pending > 0 {
		p.leader.runSeal()
	}
	p.applyTo(p.applied, uint64(len(p.leader.log)))
	for p.shard.Status().Pending > 0 {
		if _, _, err := p.shard.RunSeal(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
	p.sameDeletions()
	scrub(p.t, p.shard)
	for round := 0; len(p.shard.Missing()) > 0; round++ {
		if round == 1000 {
			p.t.Fatalf("%d segments stay missing", len(p.shard.Missing()))
		}
		p.fetch(p.shard.Missing()[0].ID)
	}
	p.manifests[p.leader.shard.Status().Sealed] = byID(p.leader.shard.Entries())
	p.check()
	if n := scrub(p.t, p.shard); n > 0 {
		p.t.Errorf("%d segments are damaged after all were fetched", n)
	}
	a, err1 := p.leader.shard.Hashes(p.t.Context())
	b, err2 := p.shard.Hashes(p.t.Context())
	if d, err := Compare(a, b); errors.Join(err, err1, err2) != nil || len(d.Segments)+len(d.Unknown)+len(d.Days) > 0 {
		p.t.Errorf("replicas differ: %+v, %v", d, errors.Join(err, err1, err2))
	}
}

// TestRandomReplicas runs random histories of two replicas of which one is
// interrupted, restored, damaged and scrubbed. Whatever it can read is right,
// what it cannot read it names, its manifest is the leader's, and in the end
// both have the same.
func TestRandomReplicas(t *testing.T) {
	for seed := range uint64(*seeds+1) / 2 { // Pebble looks long for a bit that flipped
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newPair(t, seed)
			for range 150 {
				p.lead()
				p.follow()
				if p.rng.IntN(5) == 0 {
					p.check()
				}
			}
			p.settle()
			t.Logf("%d restores, %d segments fetched, %d bits flipped", p.restores, p.fetches, p.flips)
		})
	}
}

// What differs between two replicas at one position is found; replicas at
// different ones are not compared.
func TestCompareFindsWhatDiffers(t *testing.T) {
	a := sealedHistory(t, 51, 2)
	b := restored(t, a, 52)
	missing := b.shard.Missing()
	for _, e := range missing[1:] {
		if err := receive(t, b.shard, a.shard, e.ID); err != nil {
			t.Fatal(err)
		}
	}
	x, err1 := a.shard.Hashes(t.Context())
	y, err2 := b.shard.Hashes(t.Context())
	d, err := Compare(x, y)
	if errors.Join(err, err1, err2) != nil || len(d.Segments) != 0 || !slices.Equal(d.Unknown, []SegmentID{missing[0].ID}) {
		t.Fatalf("one segment is missing: %+v, %v", d, errors.Join(err, err1, err2))
	}
	rows := uint64(0)
	for _, s := range x.Segments {
		for _, day := range s.Days {
			rows += day.Rows
		}
	}
	want := 0
	for _, records := range a.want {
		want += len(records)
	}
	if rows != uint64(want) {
		t.Errorf("hashes of %d records, want %d", rows, want)
	}
	changed := x
	changed.Segments = slices.Clone(x.Segments)
	last := &changed.Segments[len(changed.Segments)-1]
	last.Days = slices.Clone(last.Days)
	last.Days[0].Sum++
	d, err = Compare(x, changed)
	if err != nil || !slices.Equal(d.Segments, []SegmentID{last.ID}) || len(d.Days) != len(last.Days) || d.Days[0] != (TenantDay{last.Tenant, last.Days[0].Day}) {
		t.Errorf("a changed record: %+v, %v", d, err)
	}
	changed.Segments = changed.Segments[:len(changed.Segments)-1]
	if d, err = Compare(changed, x); err != nil || !slices.Equal(d.Segments, []SegmentID{last.ID}) {
		t.Errorf("a segment too few: %+v, %v", d, err)
	}
	changed.Index++
	if _, err := Compare(x, changed); !errors.Is(err, ErrPosition) {
		t.Errorf("other positions: %v, want ErrPosition", err)
	}
	// They are kept, and are those of the records.
	a.reopen()
	for _, one := range a.shard.segments().all {
		if one.hash.Load() == nil {
			t.Errorf("the hash of segment %s is not kept", one.ID)
		}
	}
	if n := scrub(t, a.shard); n > 0 {
		t.Errorf("%d segments have other hashes than before", n)
	}
}

// A number that two leaders gave to different merges counts for the first.
func TestMergeNumbersAreUsedOnce(t *testing.T) {
	h := newHistory(t, 53)
	h.cfg.DayCutRows, h.cfg.MergeRowsMax, h.cfg.MergeBytesMax = 1<<20, 1<<20, 0
	h.reopen()
	for range 4 {
		h.append()
		h.append()
		h.append()
		h.seal(nil)
		h.runSeal()
	}
	for _, plan := range h.shard.PlanMerges(math.MaxUint64) {
		if err := h.shard.BuildMerge(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
	}
	merges := h.shard.PreparedMerges()
	if len(merges) == 0 {
		t.Fatal("nothing to merge")
	}
	h.sealWith(merges)
	rest := func() (rest []SegmentID) {
		for _, e := range h.shard.Entries() {
			rest = append(rest, e.ID)
		}
		return rest
	}
	h.runSeal()
	before := rest()
	h.sealWith([]Merge{{Number: merges[0].Number, Inputs: before[:1], Outputs: merges[0].Outputs}, // used
		{Number: merges[len(merges)-1].Number + 1, Inputs: merges[0].Inputs, Outputs: merges[0].Outputs}}) // gone
	h.runSeal()
	if after := rest(); !slices.Equal(after, before) {
		t.Errorf("segments %v, want %v as before", after, before)
	}
	h.check()
	h.reopen()
	h.check()
}

// A merge whose input is damaged when it is to be done again after a restart:
// one replica of several has the manifest of the others and lacks the output,
// the only one keeps the inputs.
func TestMergeOfDamagedInput(t *testing.T) {
	for _, alone := range []bool{false, true} {
		h := newHistory(t, 55)
		h.cfg.DayCutRows, h.cfg.MergeRowsMax, h.cfg.MergeBytesMax = 1<<20, 1<<20, 0
		h.cfg.Alone = func() bool { return alone }
		h.reopen()
		for range 3 {
			h.appendLarge(20, 100)
			h.seal(nil)
			h.runSeal()
		}
		inputs := byID(h.shard.Entries())
		plans := h.shard.PlanMerges(math.MaxUint64)
		if len(plans) != 1 {
			t.Fatalf("%d merges are planned, want one", len(plans))
		}
		if err := h.shard.BuildMerge(t.Context(), plans[0]); err != nil {
			t.Fatal(err)
		}
		merges := h.shard.PreparedMerges()
		h.sealWith(merges)
		h.shard.Close()
		if err := h.engine.Close(); err != nil {
			t.Fatal(err)
		}
		flipBitOfLargestTable(t, h.fs, "data/keys")
		h.open()
		h.runSeal()
		got, missing := byID(h.shard.Entries()), checkIncomplete(t, h.shard, h.want)
		if alone && (!equalEntries(got, inputs) || missing != 20) {
			t.Errorf("alone: segments %+v with %d records missing, want the inputs and the 20 of one", got, missing)
		}
		if !alone && (!equalEntries(got, merges[0].entries("a")) || missing != 60) {
			t.Errorf("one of several: segments %+v with %d records missing, want the output and all 60", got, missing)
		}
		if st := h.shard.Status(); st.Pending != 0 {
			t.Errorf("status %+v, want the seal done", st)
		}
	}
}
