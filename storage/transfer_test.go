package storage

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/transfer"
)

// sealedHistory is a shard with some segments.
func sealedHistory(t *testing.T, seed uint64, seals int) *history {
	h := newHistory(t, seed)
	for range seals {
		for range 6 {
			h.append()
		}
		h.seal(nil)
		h.runSeal()
	}
	return h
}

// restored is a second replica that has the first one's manifest.
func restored(t *testing.T, from *history, seed uint64) *history {
	t.Helper()
	snapshot, ok, err := from.shard.Snapshot()
	if !ok || err != nil {
		t.Fatalf("snapshot: %v, %v", ok, err)
	}
	to := newHistory(t, seed)
	to.cfg, to.want, to.log, to.clock = from.cfg, from.want, from.log, from.clock
	to.reopenAt(from.cut)
	if err := to.shard.Restore(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
	return to
}

// reopenAt closes and opens the shard without a log up to an entry.
func (h *history) reopenAt(cut uint64) {
	h.t.Helper()
	h.shard.Close()
	var err error
	if h.shard, err = Open(h.t.Context(), Env{Engine: h.engine}, h.cfg); err != nil {
		h.t.Fatal(err)
	}
	h.cut = cut
}

// receive takes one segment from another replica in one go.
func receive(t *testing.T, to, from *Shard, id SegmentID) error {
	t.Helper()
	receipt, err := to.Receive(id)
	if err != nil {
		return err
	}
	defer receipt.Abort()
	stream, err := from.OpenSegment(id, 0)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := receipt.Take(stream); err != nil {
		return err
	}
	return receipt.Commit(t.Context())
}

func TestMissingSegmentsAreReceived(t *testing.T) {
	from := sealedHistory(t, 31, 3)
	to := restored(t, from, 32)
	missing := to.shard.Missing()
	if len(missing) != len(from.shard.Entries()) || len(missing) < 3 {
		t.Fatalf("%d segments are missing, want all %d", len(missing), len(from.shard.Entries()))
	}
	for i := 1; i < len(missing); i++ {
		if missing[i].LastTime > missing[i-1].LastTime {
			t.Errorf("missing segments are not newest first")
		}
	}
	for i, e := range missing {
		st := to.shard.Status()
		if st.Missing != len(missing)-i || st.MissingBytes <= 0 {
			t.Errorf("status %+v, want %d missing", st, len(missing)-i)
		}
		view, err := to.shard.View(e.Tenant)
		if err != nil || len(view.Missing) == 0 {
			t.Fatalf("a view says that %d segments are missing, %v", len(view.Missing), err)
		}
		view.Release()
		if _, err := to.shard.OpenSegment(e.ID, 0); !errors.Is(err, ErrMissing) {
			t.Errorf("a missing segment is sent: %v", err)
		}
		if err := receive(t, to.shard, from.shard, e.ID); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, to.shard, from.shard, e.ID); !errors.Is(err, ErrUnwanted) {
			t.Errorf("received again: %v, want ErrUnwanted", err)
		}
	}
	to.check()
	to.verify()
	to.cut = 0
	to.reopen()
	to.check()
	if st := to.shard.Status(); st.Missing != 0 || st.FailedParts != 0 {
		t.Errorf("status %+v, want nothing missing", st)
	}
	if _, err := to.shard.OpenSegment(SegmentID{Sequence: 1 << 40}, 0); !errors.Is(err, ErrNoSegment) {
		t.Errorf("a segment that nobody knows: %v, want ErrNoSegment", err)
	}
	// The bytes are the same again on the way out.
	for _, e := range missing {
		if a, b := streamOf(t, from.shard, e.ID), streamOf(t, to.shard, e.ID); !bytes.Equal(a, b) {
			t.Errorf("segment %s has other bytes after a transfer", e.ID)
		}
	}
}

func streamOf(t *testing.T, s *Shard, id SegmentID) []byte {
	t.Helper()
	stream, err := s.OpenSegment(id, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	content, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A segment that the manifest has no more when it has come is dropped; a
// stream that is open keeps its segment.
func TestUnwantedSegmentIsDropped(t *testing.T) {
	from := sealedHistory(t, 33, 3)
	to := restored(t, from, 34)
	id := to.shard.Missing()[0].ID
	want := streamOf(t, from.shard, id)
	stream, err := from.shard.OpenSegment(id, 0)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := to.shard.Receive(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*history{from, to} {
		h.log = h.log[:len(h.log):len(h.log)]
		command := SealCommand{Time: h.clock, Drops: []SegmentID{id}}
		h.shard.Seal(uint64(len(h.log)+1), 1, command)
		h.log = append(h.log, entry{seal: &command})
		h.runSeal()
	}
	got, err := io.ReadAll(stream)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("an open stream gave %d of %d bytes, %v", len(got), len(want), err)
	}
	stream.Close()
	if err := receipt.Take(bytes.NewReader(got)); err != nil {
		t.Fatal(err)
	}
	if err := receipt.Commit(t.Context()); !errors.Is(err, ErrUnwanted) {
		t.Errorf("commit of a dropped segment: %v, want ErrUnwanted", err)
	}
	if err := from.shard.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	from.verify()
	for _, place := range []byte{prefixSegment, prefixReceived} {
		if key, err := to.engine.First(shardSpan(place, to.cfg.Shard)); key != nil || err != nil {
			t.Errorf("key %x is left over, %v", key, err)
		}
	}
	if names, err := to.fs.List("data/building"); err != nil || len(names) != 0 {
		t.Errorf("tables are left over: %q, %v", names, err)
	}
}

// A transfer whose bytes were damaged on the way is refused whole.
func TestDamagedTransferIsRefused(t *testing.T) {
	from := sealedHistory(t, 35, 1)
	to := restored(t, from, 36)
	rng := rand.New(rand.NewPCG(35, 35))
	id := to.shard.Missing()[0].ID
	whole := streamOf(t, from.shard, id)
	for range 300 {
		damaged := bytes.Clone(whole)
		damaged[rng.IntN(len(damaged))] ^= 1 << rng.IntN(8)
		receipt, err := to.shard.Receive(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := receipt.Take(bytes.NewReader(damaged)); err == nil {
			t.Fatal("a damaged stream was taken")
		}
		if err := receipt.Commit(t.Context()); !errors.Is(err, transfer.ErrDamaged) {
			t.Fatalf("commit of a damaged stream: %v", err)
		}
	}
	if st := to.shard.Status(); st.Missing != len(from.shard.Entries()) {
		t.Errorf("status %+v, want everything missing", st)
	}
	if err := receive(t, to.shard, from.shard, id); err != nil {
		t.Error(err)
	}
}

// powerCut is a disk whose power is cut at one of the writes to come.
type powerCut struct {
	base *vfs.MemFS
	rng  *rand.Rand

	mu    sync.Mutex
	armed bool
	left  int
	clone *vfs.MemFS
}

func (c *powerCut) fs() vfs.FS {
	return errorfs.Wrap(c.base, errorfs.InjectorFunc(func(op errorfs.Op) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && c.armed {
			if c.left == 0 {
				c.clone = c.base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.rng.IntN(101), RNG: c.rng})
			}
			c.left--
		}
		return nil
	}))
}

// in lets so many writes through from now on.
func (c *powerCut) in(writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.left = true, writes
}

// after is the disk after the cut; ended says that the cut came after all
// writes, now.
func (c *powerCut) after() (disk *vfs.MemFS, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = false
	if c.clone != nil {
		return c.clone, false
	}
	return c.base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.rng.IntN(101), RNG: c.rng}), true
}

// A power cut at any moment of a transfer leaves nothing of the segment or all
// of it.
func TestPowerCutsDuringTransfers(t *testing.T) {
	from := sealedHistory(t, 37, 2)
	first := restored(t, from, 38)
	id := first.shard.Missing()[0].ID
	content := streamOf(t, from.shard, id)
	whole, nothing := 0, 0
	for at := 0; ; at++ {
		rng := rand.New(rand.NewPCG(37, uint64(at)))
		base := first.fs.CrashClone(vfs.CrashCloneCfg{})
		cut := &powerCut{base: base, rng: rng}
		store, shard := openOn(t, cut.fs(), first.cfg)
		cut.in(at)
		receipt, err := shard.Receive(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(receipt.Take(iotest.HalfReader(bytes.NewReader(content))), receipt.Commit(t.Context())); err != nil {
			t.Fatal(err)
		}
		after, acknowledged := cut.after()
		shard.Close()
		store.Close()
		store, shard = openOn(t, after, first.cfg)
		missing := map[SegmentID]bool{}
		for _, e := range shard.Missing() {
			missing[e.ID] = true
		}
		if missing[id] {
			nothing++
			if acknowledged {
				t.Fatalf("cut at %d: a received segment is missing", at)
			}
			if key, err := store.First(shardSpan(prefixReceived, first.cfg.Shard)); key != nil || err != nil {
				t.Fatalf("cut at %d: key %x is left over, %v", at, key, err)
			}
		} else {
			whole++
			if got := streamOf(t, shard, id); !bytes.Equal(got, content) {
				t.Fatalf("cut at %d: the segment is not whole", at)
			}
		}
		shard.Close()
		store.Close()
		if acknowledged {
			break
		}
	}
	if whole == 0 || nothing == 0 {
		t.Errorf("%d times whole and %d times nothing, want both", whole, nothing)
	}
}

func openOn(t *testing.T, fs vfs.FS, cfg Config) (*engine.Engine, *Shard) {
	t.Helper()
	store, err := engine.Open(engine.Config{FS: fs, Dir: "data"})
	if err != nil {
		t.Fatal(err)
	}
	shard, err := Open(t.Context(), Env{Engine: store}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store, shard
}

// Destroy leaves nothing of the shard and all of its neighbour, also after a
// power cut in the middle.
func TestDestroy(t *testing.T) {
	h := sealedHistory(t, 39, 2)
	neighbour := h.cfg
	neighbour.Shard++
	other, err := Open(t.Context(), Env{Engine: h.engine}, neighbour)
	if err != nil {
		t.Fatal(err)
	}
	other.Append(1, *h.log[0].append)
	other.Seal(2, 1, SealCommand{})
	if _, done, err := other.RunSeal(t.Context()); !done || err != nil {
		t.Fatal(done, err)
	}
	other.Close()
	h.shard.Close()
	for at := 0; ; at++ {
		rng := rand.New(rand.NewPCG(39, uint64(at)))
		base := h.fs.CrashClone(vfs.CrashCloneCfg{})
		cut := &powerCut{base: base, rng: rng}
		store, err := engine.Open(engine.Config{FS: cut.fs(), Dir: "data"})
		if err != nil {
			t.Fatal(err)
		}
		cut.in(at)
		env := Env{Engine: store}
		if err := Destroy(t.Context(), env, h.cfg.Shard); err != nil {
			t.Fatal(err)
		}
		after, ended := cut.after()
		store.Close()
		if store, err = engine.Open(engine.Config{FS: after, Dir: "data"}); err != nil {
			t.Fatal(err)
		}
		env.Engine = store
		if !ended {
			if err := Destroy(t.Context(), env, h.cfg.Shard); err != nil {
				t.Fatal(err)
			}
		}
		if left, err := Shards(env); err != nil || len(left) != 1 || left[0] != neighbour.Shard {
			t.Fatalf("cut at %d: shards %v, %v, want the neighbour", at, left, err)
		}
		for _, cfg := range []Config{h.cfg, neighbour} {
			shard, err := Open(t.Context(), env, cfg)
			if err != nil {
				t.Fatal(err)
			}
			rows := 0
			for _, tenant := range []model.TenantID{"a", "b", "default"} {
				view, err := shard.View(tenant)
				if err != nil {
					t.Fatal(err)
				}
				rows += len(readAll(t, view))
				view.Release()
			}
			if (rows > 0) != (cfg.Shard == neighbour.Shard) {
				t.Fatalf("cut at %d: shard %d has %d records", at, cfg.Shard, rows)
			}
			shard.Close()
		}
		store.Close()
		if ended {
			return
		}
	}
}
