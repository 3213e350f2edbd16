package storage

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/engine"
)

// scrub verifies every segment and returns how many were found damaged.
func scrub(t *testing.T, s *Shard) int {
	t.Helper()
	damaged := 0
	for _, e := range s.Entries() {
		if err := s.Verify(t.Context(), e.ID, unpaced); err != nil {
			if !IsDamage(err) {
				t.Fatalf("verify %s: %v", e.ID, err)
			}
			damaged++
		}
	}
	return damaged
}

// checkIncomplete reads everything: what is there must be right, and what is
// not there must be said to be missing, row for row.
func checkIncomplete(t *testing.T, s *Shard, want map[model.TenantID]map[model.RecordID]model.Record) (missing int) {
	t.Helper()
	for tenant, records := range want {
		view, err := s.View(tenant)
		if err != nil {
			t.Fatal(err)
		}
		found, failed := 0, 0
		for _, p := range view.Parts {
			all := index.DocSetRange(0, p.Rows())
			ids, err := p.IDs(all)
			if err == nil {
				var got []model.Record
				if got, err = p.Records(t.Context(), all); err == nil {
					found += len(got)
					for i, id := range ids {
						if !sameRecord(got[i], records[id]) {
							t.Fatalf("record %s is %v, want %v", id, got[i], records[id])
						}
					}
				}
			}
			if err != nil {
				if !IsDamage(err) {
					t.Fatal(err)
				}
				failed += int(p.Rows())
			}
		}
		for _, e := range view.Missing {
			missing += int(e.Rows)
			failed += int(e.Rows)
		}
		view.Release()
		hides := slices.ContainsFunc(s.allDeletions(), func(d *deletion) bool { return !d.done && d.Tenant == tenant })
		if hides && failed > 0 && found <= len(records) && found+failed >= len(records) {
			continue // what is hidden of what cannot be read is not known
		}
		if found+failed != len(records) {
			t.Fatalf("tenant %s: %d records found and %d missing, want %d in all", tenant, found, failed, len(records))
		}
	}
	return missing
}

// tables returns the table files of a store, ascending: the file system lists them in
// another order each time.
func tables(t *testing.T, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List("data/keys")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			found = append(found, "data/keys/"+name)
		}
	}
	slices.Sort(found)
	return found
}

// flip damages one bit of a file.
func flip(t *testing.T, fs vfs.FS, rng *rand.Rand, path string) string {
	t.Helper()
	info, err := fs.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := span{path: path, to: int(info.Size())}
	if rng.IntN(3) == 0 { // where tables keep their own bookkeeping
		whole.from = max(0, whole.to-1200)
	}
	return flipIn(t, fs, rng, whole)
}

// span is a stretch of a file.
type span struct {
	path     string
	from, to int
}

// flipIn damages one bit in a stretch of a file.
func flipIn(t *testing.T, fs vfs.FS, rng *rand.Rand, s span) string {
	t.Helper()
	content, err := engine.ReadFile(fs, s.path, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	at := s.from + rng.IntN(s.to-s.from)
	content[at] ^= 1 << rng.IntN(8)
	if err := engine.WriteFile(fs, s.path, content); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("bit of byte %d of %d of %s", at, len(content), s.path)
}

// readsFS notes what is read of files.
type readsFS struct {
	vfs.FS
	mu    sync.Mutex
	reads []span
}

type readsFile struct {
	vfs.File
	fs   *readsFS
	path string
}

func (f *readsFS) Open(path string, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.Open(path, opts...)
	if err != nil {
		return nil, err
	}
	return &readsFile{file, f, path}, nil
}

func (f *readsFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	f.fs.reads = append(f.fs.reads, span{f.path, int(at), int(at) + len(b)})
	f.fs.mu.Unlock()
	return f.File.ReadAt(b, at)
}

// unread returns where those values of segments are of which nothing is read when
// the shard is opened.
func unread(t *testing.T, fs *vfs.MemFS, cfg Config) (values []span) {
	t.Helper()
	watched := &readsFS{FS: fs.CrashClone(vfs.CrashCloneCfg{})}
	store, shard := openOn(t, watched, cfg)
	defer store.Close()
	defer shard.Close()
	watched.mu.Lock()
	reads := slices.Clone(watched.reads)
	watched.mu.Unlock()
	contents := map[string][]byte{}
	for _, path := range tables(t, fs) {
		content, err := engine.ReadFile(fs, path, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		contents[path] = content
	}
	for id, one := range shard.mu.set.all {
		here := one.here.Load()
		if here.broken() != nil {
			continue
		}
		prefix := segmentKey(here.place, cfg.Shard, id)
		err := store.Verify(t.Context(), prefix, after(prefix), func(_, value []byte) error {
			if len(value) < 32 {
				return nil // what is found may be something else
			}
			for path, content := range contents {
				at := bytes.Index(content, value)
				s := span{path, at, at + len(value)}
				if at >= 0 && !slices.ContainsFunc(reads, func(r span) bool { return r.path == path && r.from < s.to && s.from < r.to }) {
					values = append(values, s)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(values, func(a, b span) int {
		return cmp.Or(strings.Compare(a.path, b.path), a.from-b.from)
	})
	return slices.Compact(values)
}

var flipCount = flag.Int("flips", 0, "how many bits of table files to flip; 0: a few")

// Random bits of table files flip. A scrub finds each, or it does no harm: no
// read ever gives a wrong record or lacks one without saying so. What was found
// is repaired from another replica, and then everything is there again. Half of
// the flips are in values that opening the shard does not read: each of them is
// found, and not before.
func TestBitFlipsAreFoundAndRepaired(t *testing.T) {
	flips := *flipCount
	if flips == 0 {
		if flips = 100; testing.Short() {
			flips = 12
		}
	}
	from := sealedHistory(t, 41, 1)
	// Larger than a block, and not much: whenever Pebble reads a damaged block, it tries
	// whether one bit of its first 40 KB would mend it, with a checksum of all of it each time.
	from.appendLarge(24, 800)
	from.append()
	from.seal(nil)
	from.runSeal()
	base := restored(t, from, 42)
	for i, e := range base.shard.Missing() {
		if i%2 == 1 { // some came from another replica, the large one too; some were built here
			if err := receive(t, base.shard, from.shard, e.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	lacks := len(base.shard.Missing())
	base.shard.Close()
	if err := base.engine.Close(); err != nil {
		t.Fatal(err)
	}
	from.shard.Close()
	if err := from.engine.Close(); err != nil {
		t.Fatal(err)
	}
	disks := []*vfs.MemFS{from.fs, base.fs}
	source, whole := openOn(t, from.fs.CrashClone(vfs.CrashCloneCfg{}), from.cfg)
	t.Cleanup(func() { whole.Close(); source.Close() })
	wanted := from.want
	lacking := []int{0, lacks}
	values := [][]span{unread(t, disks[0], from.cfg), unread(t, disks[1], from.cfg)}
	if len(values[0]) == 0 || len(values[1]) == 0 {
		t.Fatalf("opening reads all but %d values of one replica and %d of the other", len(values[0]), len(values[1]))
	}
	anywhere, found, aimed := 0, 0, 0
	for seed := range uint64(flips) {
		rng := rand.New(rand.NewPCG(43, seed))
		fs := disks[seed%2].CrashClone(vfs.CrashCloneCfg{})
		files, unseen := tables(t, fs), seed/2%2 == 0
		var what string
		if unseen {
			candidates := values[seed%2]
			what = flipIn(t, fs, rng, candidates[rng.IntN(len(candidates))])
		} else {
			what = flip(t, fs, rng, files[rng.IntN(len(files))])
			anywhere++
		}
		store, err := engine.Open(engine.Config{FS: fs, Dir: "data", OnFatal: func(err error) { t.Errorf("seed %d: fatal: %v", seed, err) }})
		if err != nil {
			t.Fatalf("seed %d: %s: open: %v", seed, what, err)
		}
		shard, err := Open(t.Context(), Env{Engine: store}, from.cfg)
		if err != nil {
			if unseen || !strings.Contains(err.Error(), "manifest") && !IsDamage(err) {
				t.Fatalf("seed %d: %s: %v", seed, what, err)
			}
			store.Close() // the manifest's own table: an error, not a wrong answer
			continue
		}
		atOpen := len(shard.Missing())
		if rng.IntN(2) == 0 {
			checkIncomplete(t, shard, wanted) // queries meet it first
		}
		scrub(t, shard)
		checkIncomplete(t, shard, wanted)
		if scrub(t, shard) != len(shard.Missing()) {
			t.Errorf("seed %d: %s: a second scrub finds more", seed, what)
		}
		n := len(shard.Missing())
		switch {
		case unseen && (atOpen != lacking[seed%2] || n <= atOpen):
			t.Fatalf("seed %d: %s: %d segments are missing, %d were when the shard was opened, %d before the flip", seed, what, n, atOpen, lacking[seed%2])
		case unseen:
			aimed++
		case n > lacking[seed%2]:
			found++
		}
		if err := shard.NoteDamage(); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(3) == 0 { // what was found is known after a restart
			known := len(shard.Missing())
			shard.Close()
			if shard, err = Open(t.Context(), Env{Engine: store}, from.cfg); err != nil {
				t.Fatalf("seed %d: %s: open again: %v", seed, what, err)
			}
			if got := len(shard.Missing()); got < known {
				t.Errorf("seed %d: %s: %d missing after a restart, %d before", seed, what, got, known)
			}
		}
		for _, e := range shard.Missing() {
			if err := receive(t, shard, whole, e.ID); err != nil {
				t.Fatalf("seed %d: %s: %v", seed, what, err)
			}
		}
		if missing := checkIncomplete(t, shard, wanted); missing > 0 || scrub(t, shard) > 0 {
			t.Fatalf("seed %d: %s: %d records missing after the repair", seed, what, missing)
		}
		a, err1 := whole.Hashes(t.Context())
		b, err2 := shard.Hashes(t.Context())
		if d, err := Compare(a, b); err1 != nil || err2 != nil || err != nil || len(d.Segments)+len(d.Unknown) > 0 {
			t.Fatalf("seed %d: %s: replicas differ after the repair: %+v, %v, %v, %v", seed, what, d, err1, err2, err)
		}
		shard.Close()
		store.Close()
	}
	t.Logf("of %d flips anywhere %d were found, and all %d in %d and %d values that opening does not read", anywhere, found, aimed, len(values[0]), len(values[1]))
	if found < anywhere/2 {
		t.Errorf("%d of %d flips were found, want more", found, anywhere)
	}
}

// appendLarge applies a block of records with long texts that do not pack.
func (h *history) appendLarge(rows, length int) {
	h.t.Helper()
	records := h.records(rows)
	for i := range records {
		text := make([]byte, 0, length)
		for len(text) < length {
			text = strconv.AppendUint(text, h.rng.Uint64(), 36)
		}
		records[i].Fields = append(records[i].Fields, model.Field{Name: "text", Kind: model.String, Text: string(text)})
	}
	encoded, err := block.Encode(nil, records)
	if err != nil {
		h.t.Fatal(err)
	}
	a := Append{Tenant: "a", Time: h.clock, Block: encoded, Batches: []Batch{{Rows: uint32(rows)}}}
	at := uint64(len(h.log) + 1)
	results := h.shard.Append(at, a)
	h.log = append(h.log, entry{append: &a, results: results})
	h.expect(a.Tenant, a.Batches, results, records, at)
}

// unpaced lets a scrub run as fast as it can.
func unpaced(ctx context.Context, _ int) error { return ctx.Err() }
