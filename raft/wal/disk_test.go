package wal

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	hraft "github.com/hashicorp/raft"
)

func TestFailingDiskRefusesEverything(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileSyncData, errorfs.OpFileWrite, errorfs.OpFileSync} {
		var broken atomic.Bool
		boom := errors.New("input/output error")
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken.Load() && op.Kind == kind {
				return boom
			}
			return nil
		}))
		fatal := make(chan error, 16)
		cfg := testConfig(fs)
		cfg.OnFatal = func(err error) { fatal <- err }
		w := mustOpen(t, cfg)
		g := w.Group(0)
		store := func(i uint64) error {
			return g.StoreLog(&hraft.Log{Index: i, Data: make([]byte, 3000)})
		}
		if err := store(1); err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		i, err := uint64(2), error(nil)
		for ; err == nil; i++ {
			err = store(i)
		}
		if !errors.Is(err, ErrFailed) || !errors.Is(err, boom) {
			t.Fatalf("%v: %v", kind, err)
		}
		broken.Store(false)
		for range 3 {
			if err := store(i); !errors.Is(err, ErrFailed) {
				t.Fatalf("accepted after a failure: %v", err)
			}
			if err := w.Group(1).Set([]byte("k"), nil); !errors.Is(err, ErrFailed) {
				t.Fatalf("another lane accepted after a failure: %v", err)
			}
		}
		if err := w.Close(); !errors.Is(err, ErrFailed) {
			t.Fatalf("close: %v", err)
		}
		<-fatal // callers may learn of the failure first
		if n := len(fatal); n != 0 {
			t.Fatalf("OnFatal was called %d more times", n)
		}
	}
}

func TestSlowDiskIsFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var hang atomic.Bool
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if hang.Load() && op.Kind == errorfs.OpFileSyncData {
				<-release
			}
			return nil
		}))
		fatal := make(chan error, 1)
		cfg := testConfig(fs)
		cfg.SlowDisk = 0 // the default
		cfg.OnFatal = func(err error) { fatal <- err }
		w := mustOpen(t, cfg)
		hang.Store(true)
		if err := w.Group(0).StoreLog(&hraft.Log{Index: 1}); !errors.Is(err, ErrFailed) {
			t.Fatalf("stored on a disk that hangs: %v", err)
		}
		if err := <-fatal; !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
		_ = w.Close()
		close(release)
	})
}

// limitFS has a fixed number of bytes.
type limitFS struct {
	vfs.FS
	left  *atomic.Int64
	sizes map[string]*atomic.Int64 // one goroutine at a time: tests use one lane
}

func newLimitFS(fs vfs.FS, bytes int64) *limitFS {
	l := &limitFS{FS: fs, left: new(atomic.Int64), sizes: map[string]*atomic.Int64{}}
	l.left.Store(bytes)
	return l
}

type limitFile struct {
	vfs.File
	fs   *limitFS
	used *atomic.Int64
}

func (f *limitFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	f.sizes[name] = new(atomic.Int64)
	return &limitFile{file, f, f.sizes[name]}, nil
}

func (f *limitFS) Remove(name string) error {
	if used := f.sizes[name]; used != nil {
		f.left.Add(used.Swap(0))
	}
	return f.FS.Remove(name)
}

func (f *limitFile) take(n int64) int64 {
	n = max(0, min(n, f.fs.left.Load()))
	f.fs.left.Add(-n)
	f.used.Add(n)
	return n
}

func (f *limitFile) Write(b []byte) (int, error) {
	n := f.take(int64(len(b)))
	if _, err := f.File.Write(b[:n]); err != nil {
		return 0, err
	}
	if n < int64(len(b)) {
		return int(n), syscall.ENOSPC
	}
	return int(n), nil
}

func (f *limitFile) Preallocate(_, n int64) error {
	if f.take(n) < n {
		return syscall.ENOSPC
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	mem := vfs.NewCrashableMem()
	fs := newLimitFS(mem, 256<<10)
	cfg := testConfig(fs)
	cfg.Lanes, cfg.FileSize, cfg.Reserve = 1, 1<<20, 32<<10
	cfg.OnFatal = func(err error) { t.Errorf("fatal: %v", err) }
	var said bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&said, nil))
	w := mustOpen(t, cfg)
	s := newScript(1)
	g, m := w.Group(0), s.model.group(0)
	store := func(size int) error {
		l := &hraft.Log{Index: m.last() + 1, Term: s.rng.Uint64(), Data: make([]byte, size)}
		err := g.StoreLog(l)
		if err == nil {
			m.store([]*hraft.Log{l})
		}
		return err
	}
	var err error
	for err == nil {
		err = store(20 << 10)
	}
	if !errors.Is(err, ErrNoSpace) || !w.Stats().Low {
		t.Fatalf("%v, low %v", err, w.Stats().Low)
	}
	s.model.check(t, w)
	if err := g.Space(); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("space: %v", err)
	}
	for i := range 20 { // small ones live on the reserve
		if err := errors.Join(g.SetUint64([]byte("term"), uint64(i)), store(100)); err != nil {
			t.Fatalf("small request %d: %v", i, err)
		}
		if err := store(20 << 10); !errors.Is(err, ErrNoSpace) {
			t.Fatalf("large request on a full disk: %v", err)
		}
	}
	s.model.check(t, w)

	// What a power cut leaves now is what was accepted.
	after := mustOpen(t, func() Config {
		c := cfg
		c.FS = mem.CrashClone(vfs.CrashCloneCfg{})
		return c
	}())
	s.model.check(t, after)
	mustClose(t, after)

	for err = nil; err == nil; { // until even the reserve is used up
		err = store(1000)
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Fatal(err)
	}
	s.model.check(t, w)
	fs.left.Add(1 << 20)
	for range 5 {
		if err := store(20 << 10); err != nil {
			t.Fatalf("space returned: %v", err)
		}
	}
	if err := g.Space(); err != nil || w.Stats().Low {
		t.Fatalf("still low: %v", err)
	}
	mustClose(t, w)
	if full, again := strings.Count(said.String(), "disk is full"), strings.Count(said.String(), "disk has space again"); full != 1 || again != 1 {
		t.Errorf("said %d times that the disk is full, %d times that it has space:\n%s", full, again, &said)
	}
	w = mustOpen(t, cfg)
	s.model.check(t, w)
	if v, err := w.Group(0).GetUint64([]byte("term")); v != 19 || err != nil {
		t.Fatalf("term %d %v", v, err)
	}
	mustClose(t, w)
}

// lateFS is a disk that, while it is armed, says that it had no space for the
// sync of a directory, but has done every other one.
type lateFS struct {
	vfs.FS
	armed atomic.Bool
	calls atomic.Int32
}

type lateDir struct {
	vfs.File
	fs *lateFS
}

func (f *lateFS) OpenDir(name string) (vfs.File, error) {
	d, err := f.FS.OpenDir(name)
	return &lateDir{d, f}, err
}

func (d *lateDir) Sync() error {
	if !d.fs.armed.Load() {
		return d.File.Sync()
	}
	if d.fs.calls.Add(1)%2 == 0 {
		return syscall.ENOSPC
	}
	return errors.Join(d.File.Sync(), syscall.ENOSPC)
}

// TestFileThatCouldNotBeStartedDoesNotHideLaterEntries: its removal is not
// durable, so a power cut brings it back.
func TestFileThatCouldNotBeStartedDoesNotHideLaterEntries(t *testing.T) {
	mem := vfs.NewCrashableMem()
	fs := &lateFS{FS: mem}
	cfg := testConfig(fs)
	cfg.Lanes, cfg.FileSize, cfg.Reserve = 1, 8<<10, -1
	w := mustOpen(t, cfg)
	g := w.Group(0)
	stored := uint64(0)
	store := func() error {
		err := g.StoreLog(&hraft.Log{Index: stored + 1, Term: 1, Data: make([]byte, 1000)})
		if err == nil {
			stored++
		}
		return err
	}
	fs.armed.Store(true)
	refused := false
	for range 40 {
		if err := store(); err != nil {
			if refused = true; !errors.Is(err, ErrNoSpace) {
				t.Fatal(err)
			}
		}
	}
	if !refused {
		t.Fatal("no file was started")
	}
	check := func(when string) {
		cut := cfg
		cut.FS = mem.CrashClone(vfs.CrashCloneCfg{})
		after := mustOpen(t, cut)
		if last, err := after.Group(0).LastIndex(); err != nil || last != stored {
			t.Errorf("%s: %d entries after a power cut, %v; %d were stored", when, last, err, stored)
		}
		mustClose(t, after)
	}
	check("with a directory that cannot be synced")
	fs.armed.Store(false)
	for range 3 {
		if err := store(); err != nil {
			t.Fatalf("after the directory could be synced again: %v", err)
		}
	}
	check("later")
	mustClose(t, w)
}
