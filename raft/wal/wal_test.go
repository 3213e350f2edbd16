package wal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

func testConfig(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "/data/wal", FileSize: 4 << 10, Memory: 2 << 10, Reserve: 8 << 10, SlowDisk: -1, page: 64}
}

func mustOpen(t testing.TB, cfg Config) *Log {
	t.Helper()
	w, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func mustClose(t testing.TB, w *Log) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// model is the naive twin of a Log.
type model struct{ groups map[uint32]*modelGroup }

type modelGroup struct {
	first   uint64
	entries []hraft.Log
	stable  map[string][]byte
}

func newModel() *model { return &model{groups: map[uint32]*modelGroup{}} }

func (m *model) group(id uint32) *modelGroup {
	if m.groups[id] == nil {
		m.groups[id] = &modelGroup{stable: map[string][]byte{}}
	}
	return m.groups[id]
}

func (g *modelGroup) last() uint64 {
	if len(g.entries) == 0 {
		return 0
	}
	return g.first + uint64(len(g.entries)) - 1
}

func (g *modelGroup) store(logs []*hraft.Log) {
	i := logs[0].Index
	switch {
	case len(g.entries) == 0 || i > g.last()+1 || i <= g.first:
		g.first, g.entries = i, nil
	default:
		g.entries = g.entries[:i-g.first]
	}
	for _, l := range logs {
		g.entries = append(g.entries, *l)
	}
}

func (g *modelGroup) deleteRange(lo, hi uint64) {
	if len(g.entries) == 0 || hi < g.first || lo > g.last() {
		return
	}
	switch {
	case lo <= g.first && hi >= g.last():
		g.first, g.entries = 0, nil
	case lo <= g.first:
		g.entries = g.entries[hi+1-g.first:]
		g.first = hi + 1
	default:
		g.entries = g.entries[:lo-g.first]
	}
}

func sameEntry(a, b hraft.Log) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Type == b.Type && bytes.Equal(a.Data, b.Data) &&
		bytes.Equal(a.Extensions, b.Extensions) && a.AppendedAt.Equal(b.AppendedAt)
}

func (m *model) check(t testing.TB, w *Log) {
	t.Helper()
	for id, g := range m.groups {
		l := w.Group(id)
		first, _ := l.FirstIndex()
		last, _ := l.LastIndex()
		want := g.first
		if len(g.entries) == 0 {
			want = 0
		}
		if first != want || last != g.last() {
			t.Fatalf("group %d is %d to %d, want %d to %d", id, first, last, want, g.last())
		}
		for _, e := range g.entries {
			var got hraft.Log
			if err := l.GetLog(e.Index, &got); err != nil {
				t.Fatalf("group %d entry %d: %v", id, e.Index, err)
			}
			if !sameEntry(got, e) {
				t.Fatalf("group %d entry %d is %+v, want %+v", id, e.Index, got, e)
			}
		}
		for _, i := range []uint64{0, g.first - 1, g.last() + 1} {
			if len(g.entries) > 0 && i >= g.first && i <= g.last() {
				continue
			}
			if err := l.GetLog(i, new(hraft.Log)); !errors.Is(err, hraft.ErrLogNotFound) {
				t.Fatalf("group %d entry %d: %v, want not found", id, i, err)
			}
		}
		for key, value := range g.stable {
			if got, err := l.Get([]byte(key)); err != nil || !bytes.Equal(got, value) {
				t.Fatalf("group %d key %s is %q (%v), want %q", id, key, got, err, value)
			}
		}
	}
}

// script makes random requests.
type script struct {
	rng   *rand.Rand
	model *model
	count uint64
}

func newScript(seed uint64) *script {
	return &script{rng: rand.New(rand.NewPCG(seed, 1)), model: newModel()}
}

func (s *script) entries(from uint64) []*hraft.Log {
	logs := make([]*hraft.Log, 1+s.rng.IntN(3))
	for i := range logs {
		s.count++
		size := s.rng.IntN(120)
		if s.rng.IntN(40) == 0 {
			size = 5000
		}
		l := &hraft.Log{Index: from + uint64(i), Term: s.count, Type: hraft.LogType(s.rng.IntN(3)), Data: make([]byte, size)}
		for j := range l.Data {
			l.Data[j] = byte(s.rng.Uint32())
		}
		if s.rng.IntN(4) == 0 {
			l.Extensions = []byte("extension")
		}
		logs[i] = l
	}
	return logs
}

// step makes one request to w and, if it is accepted, to the model.
func (s *script) step(w *Log) error {
	id := uint32(s.rng.IntN(5))
	g, l := s.model.group(id), w.Group(id)
	switch s.rng.IntN(12) {
	case 0:
		key := fmt.Sprintf("key%d", s.rng.IntN(3))
		s.count++
		value := []byte(fmt.Sprint(s.count))
		if err := l.Set([]byte(key), value); err != nil {
			return err
		}
		g.stable[key] = value
	case 1, 2:
		if len(g.entries) == 0 {
			return nil
		}
		hi := g.first + uint64(s.rng.IntN(len(g.entries)))
		if err := l.DeleteRange(g.first, hi); err != nil {
			return err
		}
		g.deleteRange(g.first, hi)
	case 3:
		if len(g.entries) == 0 {
			return nil
		}
		lo := g.last() - uint64(s.rng.IntN(min(3, len(g.entries))))
		hi := g.last()
		if err := l.DeleteRange(lo, hi); err != nil {
			return err
		}
		g.deleteRange(lo, hi)
	default:
		from := g.last() + 1
		switch {
		case len(g.entries) == 0:
			from = 1 + uint64(s.rng.IntN(5))
		case s.rng.IntN(20) == 0:
			from += 1 + uint64(s.rng.IntN(10))
		case s.rng.IntN(20) == 0:
			from = g.first + uint64(s.rng.IntN(len(g.entries)))
		}
		logs := s.entries(from)
		if err := l.StoreLogs(logs); err != nil {
			return err
		}
		g.store(logs)
	}
	return nil
}

func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		fs := vfs.NewMem()
		w := mustOpen(t, testConfig(fs))
		s := newScript(seed)
		for i := range 400 {
			if err := s.step(w); err != nil {
				t.Fatalf("seed %d step %d: %v", seed, i, err)
			}
			if i%20 == 0 {
				s.model.check(t, w)
			}
			if s.rng.IntN(60) == 0 {
				mustClose(t, w)
				cfg := testConfig(fs)
				cfg.Lanes = 1 + s.rng.IntN(4) // must not matter any more
				if s.rng.IntN(2) == 0 {
					cfg.Memory = -1
				}
				w = mustOpen(t, cfg)
				s.model.check(t, w)
			}
		}
		s.model.check(t, w)
		mustClose(t, w)
	}
}

// noSync is a file system that keeps quiet about not syncing file data.
type noSync struct{ vfs.FS }

type noSyncFile struct{ vfs.File }

func (f noSyncFile) SyncData() error { return nil }

func (f noSync) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return noSyncFile{file}, err
}

// crashRounds runs random requests with power cuts and returns the first
// difference between what was acknowledged and what is there.
func crashRounds(t *testing.T, seed uint64, wrap func(vfs.FS) vfs.FS) (lost error) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	fs := vfs.NewCrashableMem()
	s := newScript(seed)
	for round := range 6 {
		w, err := Open(testConfig(wrap(fs)))
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if err := s.diff(w); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		for range 5 + rng.IntN(40) {
			if err := s.step(w); err != nil {
				t.Fatal(err)
			}
		}
		percent := []int{0, 30, 70, 100}[rng.IntN(4)]
		next := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
		mustClose(t, w)
		fs = next
	}
	return nil
}

// diff compares like check, but allows what a crash may do: a truncated prefix
// may be back. The model follows.
func (s *script) diff(w *Log) error {
	for id, g := range s.model.groups {
		l := w.Group(id)
		first, _ := l.FirstIndex()
		last, _ := l.LastIndex()
		if len(g.entries) == 0 {
			// The deletion of everything by a prefix may not have been durable.
			if first != 0 {
				g.first = first
				for i := first; i <= last; i++ {
					var e hraft.Log
					if err := l.GetLog(i, &e); err != nil {
						return err
					}
					g.entries = append(g.entries, e)
				}
			}
		}
		if last != g.last() {
			return fmt.Errorf("group %d ends at %d, want %d", id, last, g.last())
		}
		if first > g.first {
			return fmt.Errorf("group %d starts at %d, want %d", id, first, g.first)
		}
		var back []hraft.Log
		for i := first; i < g.first; i++ {
			var e hraft.Log
			if err := l.GetLog(i, &e); err != nil {
				return err
			}
			back = append(back, e)
		}
		for _, e := range g.entries {
			var got hraft.Log
			if err := l.GetLog(e.Index, &got); err != nil {
				return err
			}
			if !sameEntry(got, e) {
				return fmt.Errorf("group %d entry %d is altered", id, e.Index)
			}
		}
		g.entries, g.first = append(back, g.entries...), first
		for key, value := range g.stable {
			if got, _ := l.Get([]byte(key)); !bytes.Equal(got, value) {
				return fmt.Errorf("group %d key %s is %q, want %q", id, key, got, value)
			}
		}
	}
	return nil
}

func TestPowerCuts(t *testing.T) {
	for seed := range uint64(250) {
		if err := crashRounds(t, seed, func(fs vfs.FS) vfs.FS { return fs }); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// A log that does not sync must be caught by the same test.
func TestPowerCutsCatchMissingSync(t *testing.T) {
	for seed := range uint64(10) {
		if err := crashRounds(t, seed, func(fs vfs.FS) vfs.FS { return noSync{fs} }); err != nil {
			t.Logf("seed %d: %v", seed, err)
			return
		}
	}
	t.Fatal("no loss was found without syncs")
}

func readFile(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	b, err := (&file{path: name}).readAll(fs, 1<<32)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Clone(b)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func walFiles(t testing.TB, fs vfs.FS, dir string) []string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, fileSuffix) })
	slices.Sort(names)
	for i := range names {
		names[i] = fs.PathJoin(dir, names[i])
	}
	return names
}

func copyFS(t testing.TB, from vfs.FS) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	if ok, err := vfs.Clone(from, to, "/data", "/data"); err != nil || !ok {
		t.Fatalf("clone: %v %v", ok, err)
	}
	return to
}

// Every flipped bit of every file changes nothing, or is found: then the groups
// that it may concern are lost, and no other. Hardly any flip is such that nobody
// can tell whom it concerns.
func TestBitFlips(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs)
	cfg.Lanes = 1
	s := newScript(3)
	w := mustOpen(t, cfg)
	for range 60 {
		if err := s.step(w); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, w)
	rng := rand.New(rand.NewPCG(7, 7))
	found, opened, lost := 0, 0, 0
	for _, name := range walFiles(t, fs, "/data/wal/lane-00") {
		good := readFile(t, fs, name)
		for at := 0; at < len(good); at += 1 + rng.IntN(5) {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << rng.IntN(8)
			damaged := copyFS(t, fs)
			writeFile(t, damaged, name, bad)
			cfg.FS = damaged
			w, err := Open(cfg)
			if err != nil {
				var c *CorruptError
				if !errors.As(err, &c) || c.File == "" {
					t.Fatalf("%s byte %d: %v, want a CorruptError", name, at, err)
				}
				found++
				continue
			}
			lost += len(w.Lost())
			if err := s.but(w.Lost()).diff(w); err != nil {
				t.Fatalf("%s byte %d: silent difference: %v, lost are %v", name, at, err, w.Lost())
			}
			mustClose(t, w)
			w = mustOpen(t, cfg)
			if err := s.but(w.Lost()).diff(w); err != nil {
				t.Fatalf("%s byte %d: silent difference after another start: %v, lost are %v", name, at, err, w.Lost())
			}
			mustClose(t, w)
			opened++
		}
	}
	t.Logf("%d flips refused, %d opened with %d lost groups", found, opened, lost)
	if found*20 > opened || lost == 0 {
		t.Fatalf("%d flips refused of %d, %d groups lost", found, found+opened, lost)
	}
}

// but is the script as groups that are lost leave it.
func (s *script) but(lost map[uint32]error) *script {
	rest := &script{model: &model{groups: maps.Clone(s.model.groups)}}
	for id := range lost {
		delete(rest.model.groups, id)
	}
	return rest
}

func TestMissingFileIsAnError(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs)
	cfg.Lanes = 1
	w := mustOpen(t, cfg)
	for i := range uint64(40) {
		if err := w.Group(1).StoreLog(&hraft.Log{Index: i + 1, Data: make([]byte, 500)}); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, w)
	names := walFiles(t, fs, "/data/wal/lane-00")
	if len(names) < 4 {
		t.Fatalf("%d files, want more", len(names))
	}
	for _, name := range names {
		damaged := copyFS(t, fs)
		if err := damaged.Remove(name); err != nil {
			t.Fatal(err)
		}
		cfg.FS = damaged
		w, err := Open(cfg)
		if err == nil && !errors.Is(w.Lost()[1], ErrLost) {
			t.Fatalf("opened without %s: %v", name, w.Lost())
		}
		if err == nil {
			mustClose(t, w)
		}
	}
}

func TestTruncationRemovesFiles(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.Lanes = 1
	w := mustOpen(t, cfg)
	defer mustClose(t, w)
	idle, busy := w.Group(1), w.Group(2)
	if err := idle.StoreLog(&hraft.Log{Index: 1, Data: []byte("pin")}); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(60) {
		if err := busy.StoreLog(&hraft.Log{Index: i + 1, Data: make([]byte, 500)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := busy.TruncatePrefix(60); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats(); s.Files < 5 || !slices.Equal(s.Pinning, []uint32{1}) {
		t.Fatalf("%+v, want many files pinned by group 1", s)
	}
	if err := idle.Remove(); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats(); s.Files > 2 || len(w.Groups()) != 1 {
		t.Fatalf("%+v with groups %v, want few files", s, w.Groups())
	}
	if got := busy.Bytes(59); got != headerSize+logFixed+500 {
		t.Fatalf("%d bytes above 59", got)
	}
}

// slowRemove gives the goroutines of others their turn before a file goes.
type slowRemove struct{ vfs.FS }

func (fs slowRemove) Remove(name string) error {
	for range 1000 {
		runtime.Gosched()
	}
	return fs.FS.Remove(name)
}

// What a truncation frees is free when it returns.
func TestTruncationReturnsWithoutFiles(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(slowRemove{fs})
	cfg.Lanes = 1
	w := mustOpen(t, cfg)
	defer mustClose(t, w)
	g := w.Group(1)
	for round := range uint64(20) {
		for i := range uint64(10) {
			if err := g.StoreLog(&hraft.Log{Index: 10*round + i + 1, Data: make([]byte, 500)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.TruncatePrefix(10*round + 10); err != nil {
			t.Fatal(err)
		}
		if files := walFiles(t, fs, "/data/wal/lane-00"); len(files) > 2 {
			t.Fatalf("round %d: the log is %v after a truncation to one entry", round, files)
		}
	}
}

func TestEntriesAreShared(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.Memory = 1000
	w := mustOpen(t, cfg)
	defer mustClose(t, w)
	g := w.Group(0)
	old, young := bytes.Repeat([]byte{1}, 900), bytes.Repeat([]byte{2}, 900)
	for i, data := range [][]byte{old, young} {
		if err := g.StoreLog(&hraft.Log{Index: uint64(i + 1), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	var a, b hraft.Log
	if err := errors.Join(g.GetLog(1, &a), g.GetLog(2, &b)); err != nil {
		t.Fatal(err)
	}
	if &b.Data[0] != &young[0] {
		t.Error("the newest entry was copied")
	}
	if &a.Data[0] == &old[0] || !bytes.Equal(a.Data, old) {
		t.Error("the older entry should come from the file, unaltered")
	}
	if got := w.Stats().Cached; got != 900 {
		t.Errorf("%d bytes cached, want 900", got)
	}
}

func TestConfigValidate(t *testing.T) {
	err := Config{Lanes: -1, FileSize: 1 << 40}.Validate()
	for _, want := range []string{"FS", "Dir", "Lanes", "FileSize"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	w := mustOpen(t, testConfig(vfs.NewMem()))
	g := w.Group(0)
	if err := g.StoreLogs([]*hraft.Log{{Index: 1}, {Index: 3}}); err == nil {
		t.Error("stored entries with a gap")
	}
	if err := g.StoreLogs([]*hraft.Log{{Index: 1}, {Index: 2}, {Index: 3}}); err != nil {
		t.Error(err)
	}
	if err := g.DeleteRange(2, 2); err == nil {
		t.Error("deleted from the middle")
	}
	if err := g.Set(make([]byte, stableMax), nil); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	mustClose(t, w)
	if err := g.StoreLogs([]*hraft.Log{{Index: 4}}); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}
