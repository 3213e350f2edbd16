package wal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// Sectors that read as zeros or as something else, up to three of them anywhere in
// the log, are found wherever a whole record behind them says that they were
// durable: what no group that counts as lost says is what was acknowledged. The
// log is closed before, so that its newest file ends with such a record.
func TestDamagedStretches(t *testing.T) {
	opened, refused, lost := 0, 0, 0
	for seed := range uint64(60) {
		fs := vfs.NewMem()
		cfg := testConfig(fs)
		cfg.Lanes = 1
		rng := rand.New(rand.NewPCG(seed, 8))
		w := mustOpen(t, cfg)
		s := newScript(seed)
		for range 3 + rng.IntN(60) {
			if err := s.step(w); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(25) == 0 {
				mustClose(t, w)
				w = mustOpen(t, cfg)
			}
		}
		mustClose(t, w)
		names := walFiles(t, fs, "/data/wal/lane-00")
		for try := range 60 {
			damaged := copyFS(t, fs)
			where := ""
			for range 1 + rng.IntN(3) {
				name := names[rng.IntN(len(names))]
				b := readFile(t, damaged, name)
				at, size := rng.IntN(len(b)), 1<<(4+rng.IntN(8))
				// The mark at the end stays: without it the newest is a torn tail.
				end := min(at+size, len(b)-headerSize-8*min(len(s.model.groups), marksMax))
				for i := at; i < end; i++ {
					b[i] = 0
				}
				writeFile(t, damaged, name, b)
				where += fmt.Sprintf(" %s %d to %d", name, at, end)
			}
			cfg := cfg
			cfg.FS = damaged
			for start := range 3 {
				w, err := Open(cfg)
				if err != nil {
					if corrupt := (*CorruptError)(nil); !errors.As(err, &corrupt) || start > 0 {
						t.Fatalf("seed %d try %d start %d%s: %v", seed, try, start, where, err)
					}
					refused++
					break
				}
				opened++
				lost += len(w.Lost())
				if rng.IntN(3) > 0 {
					if err := w.Expect(s.ids()); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.copy().but(lostOf(w, s.ids())).diff(w); err != nil {
					t.Fatalf("seed %d try %d start %d%s: silent difference: %v, lost are %v", seed, try, start, where, err, lostOf(w, s.ids()))
				}
				mustClose(t, w)
			}
		}
	}
	t.Logf("%d refused, %d opened with %d lost groups", refused, opened, lost)
	if lost == 0 || opened == 0 {
		t.Fatal("the damage is too mild")
	}
}

// ids are the groups of the script.
func (s *script) ids() []uint32 { return slices.Sorted(maps.Keys(s.model.groups)) }

// lostOf asks each group whether it is lost: also those that nothing names.
func lostOf(w *Log, ids []uint32) map[uint32]error {
	lost := map[uint32]error{}
	for _, id := range ids {
		if err := w.Group(id).Lost(); err != nil {
			lost[id] = err
		}
	}
	return lost
}

// copy is the script as it is: diff follows what it finds.
func (s *script) copy() *script {
	same := &script{model: newModel()}
	for id, g := range s.model.groups {
		one := *g
		same.model.groups[id] = &one
	}
	return same
}

// withoutATrace returns a log of one lane of which damage took group 1, of three, with all
// that named it.
func withoutATrace(t *testing.T) Config {
	t.Helper()
	fs := vfs.NewMem()
	cfg := testConfig(fs)
	cfg.Lanes = 1
	w := mustOpen(t, cfg)
	var begin, end int
	for id := range uint32(3) {
		if id == 1 {
			begin = int(w.lanes[0].files[0].size)
		}
		if err := w.Group(id).Set([]byte("LastVoteTerm"), []byte("7")); err != nil {
			t.Fatal(err)
		}
		if err := w.Group(id).StoreLog(&hraft.Log{Index: 1, Data: []byte("one")}); err != nil {
			t.Fatal(err)
		}
		if id == 1 {
			end = int(w.lanes[0].files[0].size)
		}
	}
	mustClose(t, w)
	name := walFiles(t, fs, "/data/wal/lane-00")[0]
	b := readFile(t, fs, name)
	clear(b[begin:end])
	// The marks name it, too.
	for at := end; at < len(b); {
		r, err := decodeRecord(b[at:], 1, uint32(at))
		if err != nil {
			t.Fatal(err)
		}
		if r.kind == kindMark {
			clear(b[at : at+r.size])
		}
		at += r.size
	}
	writeFile(t, fs, name, b)
	return cfg
}

// A group of which damage took everything is lost until it is removed, once it is
// known that it is to be there. Until that is known none begins.
func TestNothingIsLeftOfAGroup(t *testing.T) {
	cfg := withoutATrace(t)
	var w *Log
	for range 2 {
		w = mustOpen(t, cfg)
		if err := w.Group(1).Set([]byte("LastVoteTerm"), []byte("8")); !errors.Is(err, ErrLost) {
			t.Fatalf("the group votes again: %v", err)
		}
		mustClose(t, w)
	}
	w = mustOpen(t, cfg)
	if err := w.Expect([]uint32{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if err := w.Group(9).Set([]byte("LastVoteTerm"), []byte("1")); err != nil {
		t.Fatalf("a new group: %v", err)
	}
	mustClose(t, w)
	w = mustOpen(t, cfg)
	if err := w.Lost()[1]; !errors.Is(err, ErrLost) || w.Group(9).Lost() != nil {
		t.Fatalf("lost are %v", w.Lost())
	}
	if !w.Group(0).KeepsDamaged() {
		t.Fatal("the damaged file is not kept")
	}
	for id := range w.Lost() {
		if err := w.Group(id).Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if w.Group(0).KeepsDamaged() {
		t.Fatal("the damaged file is kept although nothing is lost any more")
	}
	if err := w.Group(1).Set([]byte("LastVoteTerm"), []byte("9")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, w)
}

// A group that damage may have taken is removed before it is known which groups are to
// be there: it begins anew, also after more starts, and of others nothing is known yet.
func TestRemovedWhileInDoubt(t *testing.T) {
	cfg := withoutATrace(t)
	w := mustOpen(t, cfg)
	if err := w.Group(1).Remove(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		mustClose(t, w)
		w = mustOpen(t, cfg)
		if err := w.Group(1).Lost(); err != nil {
			t.Fatalf("a group that was removed: %v", err)
		}
		if err := w.Group(5).Set([]byte("LastVoteTerm"), []byte("1")); !errors.Is(err, ErrLost) {
			t.Fatalf("a group of which nothing is known: %v", err)
		}
	}
	if err := w.Group(1).Set([]byte("LastVoteTerm"), []byte("9")); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		mustClose(t, w)
		w = mustOpen(t, cfg)
		if vote, err := w.Group(1).Get([]byte("LastVoteTerm")); err != nil || string(vote) != "9" {
			t.Fatalf("the vote of a group that began anew is %q, %v", vote, err)
		}
	}
	mustClose(t, w)
}
