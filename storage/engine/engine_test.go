package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func open(t *testing.T, cfg Config) *Engine {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = "data/store"
	}
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func get(t *testing.T, e *Engine, key string) (string, error) {
	t.Helper()
	var value string
	err := e.Get([]byte(key), func(v []byte) error { value = string(v); return nil })
	return value, err
}

func ingest(t *testing.T, e *Engine, prefix string, n int, value []byte) {
	t.Helper()
	table, err := e.NewTable("")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := table.Set(fmt.Appendf(nil, "%s%06d", prefix, i), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := e.Ingest(t.Context(), table); err != nil {
		t.Fatal(err)
	}
}

func TestBatchesAndTablesSurviveReopen(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, Config{FS: fs})
	var b Batch
	b.Set([]byte("m1"), []byte("one"))
	b.Set([]byte("m2"), []byte("two"))
	b.Set([]byte("n1"), []byte("gone"))
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	var c Batch
	c.Delete([]byte("m2"))
	c.DeleteRange([]byte("n"), []byte("o"))
	if err := e.Commit(&c); err != nil {
		t.Fatal(err)
	}
	ingest(t, e, "s/", 100, bytes.Repeat([]byte("x"), 4096))
	ingest(t, e, "t/", 100, []byte("y"))
	if err := e.DeleteSpan(t.Context(), []byte("t/"), []byte("t0")); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, e, "m1"); !errors.Is(err, ErrClosed) {
		t.Errorf("Get on a closed store: %v, want ErrClosed", err)
	}
	e = open(t, Config{FS: fs})
	if v, err := get(t, e, "m1"); v != "one" || err != nil {
		t.Errorf("m1 = %q, %v", v, err)
	}
	for _, key := range []string{"m2", "n1", "t/000000", "t/000099", "nothing"} {
		if _, err := get(t, e, key); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", key, err)
		}
	}
	count := 0
	if err := e.Scan([]byte("s/"), []byte("s0"), func(_, value []byte) error {
		count += len(value)
		return nil
	}); err != nil || count != 100*4096 {
		t.Errorf("scan found %d bytes, %v", count, err)
	}
	if key, err := e.First([]byte("n"), []byte("z")); string(key) != "s/000000" || err != nil {
		t.Errorf("First = %q, %v", key, err)
	}
	if key, err := e.First([]byte("t"), []byte("z")); key != nil || err != nil {
		t.Errorf("First of nothing = %q, %v", key, err)
	}
}

func TestAbortedTableLeavesNothing(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, Config{FS: fs})
	table, err := e.NewTable("")
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Set([]byte("a"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	table.Abort()
	names, err := fs.List("data/store/building")
	if err != nil || len(names) != 0 {
		t.Errorf("left over: %q, %v", names, err)
	}
}

func TestSecondProcessIsKeptOut(t *testing.T) {
	dir := t.TempDir()
	lock, err := LockDir(DiskFS(), dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = LockDir(DiskFS(), dir)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("second lock: %v, want ErrLocked with folder and process", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := LockDir(DiskFS(), dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestMakeDirSurvivesPowerLoss(t *testing.T) {
	fs := vfs.NewCrashableMem()
	if err := MakeDir(fs, "a/b/c"); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(fs, "a/b/c/file", []byte("content")); err != nil {
		t.Fatal(err)
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	content, err := ReadFile(after, "a/b/c/file", 100)
	if err != nil || string(content) != "content" {
		t.Errorf("after power loss: %q, %v", content, err)
	}
}

// What Commit and Ingest acknowledged must be there after the power is cut.
func TestAcknowledgedSurvivesPowerLoss(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := vfs.NewCrashableMem()
		e := open(t, Config{FS: fs})
		want := map[string]string{}
		for i := range 5 + rng.IntN(20) {
			var b Batch
			key, value := fmt.Sprintf("m%d", i), fmt.Sprint(rng.Uint64())
			b.Set([]byte(key), []byte(value))
			if err := e.Commit(&b); err != nil {
				t.Fatal(err)
			}
			want[key] = value
			if rng.IntN(4) == 0 {
				prefix := fmt.Sprintf("s%d/", i)
				ingest(t, e, prefix, 3, []byte(value))
				want[prefix+"000002"] = value
			}
		}
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		e.Close()
		e = open(t, Config{FS: after})
		for key, value := range want {
			if got, err := get(t, e, key); got != value || err != nil {
				t.Errorf("seed %d: %s = %q, %v; want %q", seed, key, got, err, value)
			}
		}
		e.Close()
	}
}

func TestNothingIsAcknowledgedAfterAFailingSync(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			return syscall.EIO
		}
		return nil
	}))
	var fatal atomic.Int32
	e := open(t, Config{FS: fs, OnFatal: func(error) { fatal.Add(1) }})
	var b Batch
	b.Set([]byte("a"), []byte("1"))
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := e.Commit(&b); !errors.Is(err, ErrFailed) {
		t.Fatalf("commit with a failing sync: %v, want ErrFailed", err)
	}
	broken.Store(false)
	if err := e.Commit(&b); !errors.Is(err, ErrFailed) {
		t.Errorf("commit after a failing sync: %v, want ErrFailed", err)
	}
	if fatal.Load() != 1 {
		t.Errorf("OnFatal ran %d times, want once", fatal.Load())
	}
}

// failing is a file system whose log files, or their folder, fail in one way as long as it is broken.
type failing struct {
	vfs.FS
	broken atomic.Bool
	way    string
}

func (f *failing) fault(way string) error {
	if f.broken.Load() && f.way == way {
		return syscall.EIO
	}
	return nil
}

func (f *failing) Unwrap() vfs.FS { return f.FS }

func (f *failing) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &failingFile{file, f}, f.fault("create")
}

func (f *failing) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") && f.fault("torn") != nil {
		return nil, syscall.ENOSPC
	}
	file, err := f.FS.Create(name, category)
	if !strings.HasSuffix(name, logSuffix) {
		return file, err
	}
	return f.wrap(file, err)
}

func (f *failing) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(f.FS.ReuseForWrite(from, to, category))
}

func (f *failing) OpenDir(name string) (vfs.File, error) {
	folder, err := f.FS.OpenDir(name)
	if f.PathBase(name) != keysName {
		return folder, err
	}
	return &failingFolder{folder, f}, err
}

type failingFolder struct {
	vfs.File
	fs *failing
}

func (f *failingFolder) Sync() error { return errors.Join(f.fs.fault("folder"), f.File.Sync()) }

type failingFile struct {
	vfs.File
	fs *failing
}

func (f *failingFile) Write(p []byte) (int, error) {
	if err := f.fs.fault("write"); err != nil {
		return 0, err
	}
	if err := f.fs.fault("torn"); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *failingFile) SyncData() error { return errors.Join(f.fs.fault("sync"), f.File.SyncData()) }

func (f *failingFile) Close() error { return errors.Join(f.fs.fault("close"), f.File.Close()) }

// A file of the log that cannot be begun, written, named for good or ended fails the
// store, and nothing is acknowledged after it; the process goes on to its own end.
func TestFailingLogFileIsNoPanic(t *testing.T) {
	for _, way := range []string{"create", "write", "sync", "close", "folder"} {
		fs := &failing{FS: vfs.NewMem(), way: way}
		var fatal atomic.Int32
		e := open(t, Config{FS: fs, OnFatal: func(error) { fatal.Add(1) }})
		fill := func(rounds int) error { // two rounds fill a table in memory, and then a new file of the log begins
			for i := range rounds {
				var b Batch
				b.Set(fmt.Appendf(nil, "key %d", i), make([]byte, memTableBytes/3))
				if err := e.Commit(&b); err != nil {
					return err
				}
			}
			return nil
		}
		if err := fill(6); err != nil {
			t.Fatal(err)
		}
		fs.broken.Store(true)
		if err := fill(6); !errors.Is(err, ErrFailed) || fatal.Load() != 1 {
			t.Errorf("%s fails: commits end with %v, OnFatal ran %d times", way, err, fatal.Load())
		}
		fs.broken.Store(false)
		if err := fill(1); !errors.Is(err, ErrFailed) {
			t.Errorf("%s failed, and a later commit ends with %v", way, err)
		}
	}
}

// On a full disk the log ends in the middle of a record, and the process goes on for a
// while in which another file of the log may be begun and no table can be written: the
// store opens all the same, with all that was acknowledged.
func TestStoreOpensAfterItsLogWasTorn(t *testing.T) {
	memory := vfs.NewCrashableMem()
	fs := &failing{FS: memory, way: "torn"}
	e := open(t, Config{FS: fs})
	set := func(key string) error {
		var b Batch
		b.Set([]byte(key), []byte("value"))
		return e.Commit(&b)
	}
	if err := set("kept"); err != nil {
		t.Fatal(err)
	}
	fs.broken.Store(true)
	if err := set("refused"); !errors.Is(err, ErrFailed) {
		t.Fatalf("a commit whose record is torn ends with %v", err)
	}
	if _, err := e.mu.db.AsyncFlush(); err != nil { // begins another file of the log
		t.Fatal(err)
	}
	killed := memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
	fs.broken.Store(false)
	if value, err := get(t, open(t, Config{FS: killed}), "kept"); err != nil || value != "value" {
		t.Errorf("after the next start: %q, %v", value, err)
	}
}

// A store whose log cannot be begun is not opened, and has everything at the next start.
func TestFailingLogFileAtTheStart(t *testing.T) {
	for _, way := range []string{"create", "folder"} {
		testFailingStart(t, way)
	}
}

func testFailingStart(t *testing.T, way string) {
	fs := &failing{FS: vfs.NewMem(), way: way}
	e := open(t, Config{FS: fs})
	var b Batch
	b.Set([]byte("key"), []byte("value"))
	if err := errors.Join(e.Commit(&b), e.Close()); err != nil {
		t.Fatal(err)
	}
	fs.broken.Store(true)
	if _, err := Open(Config{FS: fs, Dir: "data/store"}); !errors.Is(err, ErrFailed) {
		t.Errorf("a store is opened whose log cannot be begun: %v", err)
	}
	fs.broken.Store(false)
	if value, err := get(t, open(t, Config{FS: fs}), "key"); err != nil || value != "value" {
		t.Errorf("after the next start: %q, %v", value, err)
	}
}

func TestDamagedTableIsAnErrorNotTheEnd(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, Config{FS: fs})
	value := bytes.Repeat([]byte("0123456789abcdef"), 8192)
	ingest(t, e, "s/", 4, value)
	ingest(t, e, "t/", 4, []byte("small"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	flipBitOfLargestTable(t, fs, "data/store/keys")
	var reported atomic.Int32
	e = open(t, Config{FS: fs, OnCorruption: func(string, error) { reported.Add(1) }, OnFatal: func(err error) { t.Errorf("fatal: %v", err) }})
	damaged := 0
	for i := range 4 {
		got, err := get(t, e, fmt.Sprintf("s/%06d", i))
		switch {
		case errors.Is(err, ErrCorrupt):
			damaged++
		case err != nil || got != string(value):
			t.Errorf("value %d: %d bytes, %v", i, len(got), err)
		}
	}
	if damaged != 1 || reported.Load() == 0 {
		t.Errorf("%d damaged values found and %d reported, want one", damaged, reported.Load())
	}
	if got, err := get(t, e, "t/000003"); got != "small" || err != nil {
		t.Errorf("the other table: %q, %v", got, err)
	}
	var b Batch
	b.Set([]byte("a"), []byte("1"))
	if err := e.Commit(&b); err != nil {
		t.Errorf("commit beside a damaged table: %v", err)
	}
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
	content, err := ReadFile(fs, largest, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 4
	file, err := fs.OpenReadWrite(largest, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	file.Close()
}
