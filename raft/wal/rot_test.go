package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	hraft "github.com/hashicorp/raft"
)

// byHand opens a log whose lanes take one request at a time. After some of them, as
// rng says, a lane is idle. The function that it returns closes the log or, as
// a kill does, leaves its files as they are.
func byHand(t *testing.T, cfg Config, rng *rand.Rand) (w *Log, end func(kill bool)) {
	t.Helper()
	w = &Log{cfg: cfg.withDefaults(), failed: make(chan struct{})}
	w.stall.mu.began = make(chan struct{})
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for _, l := range w.lanes {
		go func() {
			defer close(l.done)
			for {
				select {
				case r := <-l.queue:
					l.process([]*request{r})
					if rng.IntN(3) == 0 {
						l.mark()
					}
				case <-l.stop:
					if !killed {
						l.finish()
					}
					if err := l.closeFiles(); err != nil {
						t.Error(err)
					}
					return
				}
			}
		}()
	}
	return w, func(kill bool) {
		killed = kill
		mustClose(t, w)
	}
}

// rotten is a log of one lane and several files, at one of the moments at which a
// process may end, and what was acknowledged.
type rotten struct {
	script *script
	fs     *vfs.MemFS
	files  []string
	newest []byte // of the newest file
	number uint64
	sure   int  // up to where it shows what was durable; if it has only a head, all of that
	named  bool // the file before names the newest
}

func newRotten(t *testing.T, seed uint64) *rotten {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 11))
	fs := vfs.NewCrashableMem()
	cfg := testConfig(fs)
	cfg.Lanes, cfg.Reserve = 1, -1
	s := newScript(seed)
	w, end := byHand(t, cfg, rand.New(rand.NewPCG(seed, 12)))
	restart := func() {
		end(rng.IntN(2) == 0)
		w, end = byHand(t, cfg, rand.New(rand.NewPCG(seed, 13)))
	}
	for range 20 + rng.IntN(60) {
		if err := s.step(w); err != nil {
			t.Fatal(err)
		}
		switch rng.IntN(20) {
		case 0:
			restart()
		case 1, 2:
			if err := w.Leave(); err != nil {
				t.Fatal(err)
			}
		}
	}
	switch rng.IntN(4) {
	case 0, 1:
		if err := w.Leave(); err != nil {
			t.Fatal(err)
		}
	case 2:
		restart()
	}
	end(rng.IntN(4) > 0)
	if rng.IntN(2) == 0 { // the power fails
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
	}
	r := &rotten{script: s, fs: fs, files: walFiles(t, fs, "/data/wal/lane-00")}
	r.look(t)
	return r
}

// look finds out what the newest files say.
func (r *rotten) look(t *testing.T) {
	t.Helper()
	n := len(r.files)
	if n < 2 {
		return
	}
	r.newest = readFile(t, r.fs, r.files[n-1])
	follower := uint64(0)
	each := func(name string, visit func(record)) {
		number, ok := parseFileName(r.fs.PathBase(name))
		if !ok {
			t.Fatal(name)
		}
		r.number = number
		b := readFile(t, r.fs, name)
		for at := 0; at < len(b); {
			one, err := decodeRecord(b[at:], number, uint32(at))
			if err != nil {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			visit(one)
			at += one.size
		}
	}
	each(r.files[n-2], func(one record) {
		if one.kind == kindEnd {
			n, _ := one.numbers(1)
			follower = n[0]
		}
	})
	each(r.files[n-1], func(one record) { r.sure = max(r.sure, int(one.synced)) })
	if r.sure == 0 {
		r.sure = len(r.newest)
	}
	r.named = follower == r.number
}

// flip is the log with one flipped bit in each of these files.
func (r *rotten) flip(t *testing.T, rng *rand.Rand, places map[string]int) *vfs.MemFS {
	t.Helper()
	fs := r.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
	for name, at := range places {
		b := readFile(t, fs, name)
		b[at] ^= 1 << rng.IntN(8)
		writeFile(t, fs, name, b)
	}
	return fs
}

// starts opens the log a few times, sometimes after a power cut: what no group that
// counts as lost says is what was acknowledged.
func (r *rotten) starts(t *testing.T, rng *rand.Rand, fs *vfs.MemFS) (lost int, err error) {
	t.Helper()
	for start := range 3 {
		cfg := testConfig(fs)
		cfg.Lanes, cfg.Reserve = 1, -1
		w, err := Open(cfg)
		if err != nil {
			return 0, fmt.Errorf("start %d: %w", start, err)
		}
		if rng.IntN(3) > 0 {
			if err := w.Expect(r.script.ids()); err != nil {
				t.Fatal(err)
			}
		}
		gone := lostOf(w, r.script.ids())
		if err := r.script.copy().but(gone).diff(w); err != nil {
			t.Fatalf("start %d: silent difference: %v, lost are %v", start, err, gone)
		}
		if start == 0 {
			lost = len(gone)
		}
		mustClose(t, w)
		if rng.IntN(2) == 0 {
			fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
		}
	}
	return lost, nil
}

// One bit flips in each of some files, in the newest at every byte of what it begins
// with and at some of what else had been durable: the log opens, and no group has forgotten anything unless it is
// lost. That holds at every moment at which a process ends: while it writes, after
// it has begun a file and after it was closed, also if the power fails.
func TestOneFlipInEachOfSomeFiles(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 5 // the last has only a head in its newest file
	}
	bare, whole, damaged := 0, 0, 0
	for seed := range seeds {
		r := newRotten(t, seed)
		if len(r.files) < 2 {
			continue
		}
		if r.named && r.sure == len(r.newest) {
			bare++
		}
		rng := rand.New(rand.NewPCG(seed, 14))
		head := int(begun(r.newest, &file{number: r.number}))
		step := func(at int) int {
			if at < head {
				return 1
			}
			return 1 + rng.IntN(40)
		}
		for at := -1; at < r.sure; at += step(at) {
			places := map[string]int{}
			for _, name := range r.files[:len(r.files)-1] {
				if rng.IntN(2) == 0 {
					places[name] = rng.IntN(len(readFile(t, r.fs, name)))
				}
			}
			if rng.IntN(2) == 0 {
				clear(places)
			}
			if at >= 0 {
				places[r.files[len(r.files)-1]] = at
			}
			lost, err := r.starts(t, rng, r.flip(t, rng, places))
			if err != nil {
				t.Fatalf("seed %d, flipped are %v: %v", seed, places, err)
			}
			if lost == 0 {
				whole++
			} else {
				damaged++
			}
		}
	}
	t.Logf("%d logs end with a file that is named and has only a head; opened %d times with all groups, %d times with lost ones", bare, whole, damaged)
	if bare == 0 || whole == 0 || damaged == 0 {
		t.Errorf("%d logs end with a file that is named and has only a head; opened %d times with all groups, %d times with lost ones; want some of each", bare, whole, damaged)
	}
}

// A file that the one before it names was whole up to its ready record. If it is not
// any more, the groups of which something was behind that are lost, or the log is
// refused; it is not taken for a file that was being started.
func TestNamedFileIsCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	cfg := testConfig(fs)
	cfg.Lanes, cfg.Reserve = 1, -1
	rng := rand.New(rand.NewPCG(1, 15))
	w, end := byHand(t, cfg, rng)
	s := newScript(5)
	store := func(id uint32) {
		g := s.model.group(id)
		l := &hraft.Log{Index: g.last() + 1, Term: 3, Data: []byte("an entry")}
		if err := w.Group(id).StoreLog(l); err != nil {
			t.Fatal(err)
		}
		g.store([]*hraft.Log{l})
	}
	for id := range uint32(4) {
		store(id)
	}
	if err := w.Leave(); err != nil {
		t.Fatal(err)
	}
	begun := int(w.lanes[0].enc.offset)
	for id := range uint32(4) {
		store(id)
	}
	end(true)
	r := &rotten{script: s, fs: fs, files: walFiles(t, fs, "/data/wal/lane-00")}
	if r.look(t); !r.named {
		t.Fatal("the newest file is not named")
	}
	refused, lost := 0, 0
	for size := range begun {
		damaged := r.flip(t, rng, nil)
		writeFile(t, damaged, r.files[len(r.files)-1], bytes.Clone(r.newest[:size]))
		n, err := r.starts(t, rng, damaged)
		switch corrupt := (*CorruptError)(nil); {
		case errors.As(err, &corrupt) && corrupt.File == r.files[len(r.files)-1]:
			refused++
		case err != nil:
			t.Fatalf("cut at %d: %v", size, err)
		case n != 4:
			t.Fatalf("cut at %d of %d: %d groups are lost, want all 4", size, begun, n)
		default:
			lost++
		}
	}
	t.Logf("%d refused, %d opened with all groups lost", refused, lost)
	if lost == 0 || refused > 2*headerSize+headBody+4*4 {
		t.Errorf("%d refused, %d opened with all groups lost", refused, lost)
	}
}

// A flipped length does not hide the records up to one that stands where the wrong
// length says that the next one does: here the ready record is one of them.
func TestFlippedLengthHidesNoRecord(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs)
	cfg.Lanes = 1
	w := mustOpen(t, cfg)
	if err := w.Group(1).StoreLog(&hraft.Log{Index: 1, Data: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, w)
	name := walFiles(t, fs, "/data/wal/lane-00")[0]
	b := readFile(t, fs, name)
	const groups, ready = headerSize + headBody, headerSize + headBody // a record without a body, and the one behind it
	b[groups+8] ^= ready
	if _, err := decodeRecord(b[groups+headerSize+ready:], 1, groups+headerSize+ready); err != nil {
		t.Fatalf("no record stands where the wrong length says: %v", err)
	}
	writeFile(t, fs, name, b)
	mustClose(t, mustOpen(t, cfg))
}

// What a file that was only being started shows of the one before it is kept until the
// lost groups are noted: also if the process ends before that.
func TestStartEndsBeforeLostGroupsAreNoted(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs)
	cfg.Lanes, cfg.Reserve = 1, -1
	w, end := byHand(t, cfg, rand.New(rand.NewPCG(1, 16)))
	if err := w.Group(1).StoreLog(&hraft.Log{Index: 1, Data: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	end(true)
	size := w.lanes[0].files[0].size // without a mark
	first := walFiles(t, fs, "/data/wal/lane-00")[0]
	writeFile(t, fs, first, readFile(t, fs, first)[:size])
	_, end = byHand(t, cfg, rand.New(rand.NewPCG(1, 17)))
	end(true)
	files := walFiles(t, fs, "/data/wal/lane-00")
	for name, at := range map[string]int{first: int(size) - 1, files[len(files)-1]: 0} {
		b := readFile(t, fs, name)
		b[at] ^= 1
		writeFile(t, fs, name, b)
	}
	dies := cfg
	dies.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate {
			return errors.New("the process ends")
		}
		return nil
	}))
	if _, err := Open(dies); err == nil {
		t.Fatal("opened without a new file")
	}
	w = mustOpen(t, cfg)
	if err := w.Group(1).Lost(); !errors.Is(err, ErrLost) {
		t.Fatalf("the group has forgotten its entry: %v", err)
	}
	mustClose(t, w)
}
