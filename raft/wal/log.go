package wal

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Limits that are not for tuning.
const (
	lanesMax = 64
	// lanesDefault are two for shards and one for groups that are seldom
	// written.
	lanesDefault = 3
	// lanesApart is from how many lanes on groups with high numbers, from
	// GroupsApart on, have the last one to themselves: what is seldom written
	// would keep files in which nothing else is needed any more.
	lanesApart = 3
	queueMax   = 256      // requests waiting for a lane
	batchMax   = 8 << 20  // bytes after which a batch takes no further request
	requestMax = 1 << 30  // bytes of one request
	chunkMax   = 4 << 20  // bytes of one write
	stableMax  = 1 << 20  // bytes of one stable key and value
	smallMax   = 16 << 10 // bytes of a request that may use the reserve
	fileMax    = 1 << 30  // largest FileSize
	pageBytes  = 4 << 10  // what a disk writes at once
	padPages   = 4        // pages of a batch after which the rest of the last one is filled
)

// Config says where and how a Log works. The zero value of a field means its
// default; FS and Dir must be given.
type Config struct {
	// FS and Dir are where the files are. Dir is created.
	FS  vfs.FS
	Dir string
	// Lanes is the number of independent chains of files; more lanes sync in
	// parallel, fewer share syncs. It is fixed when the log is created: later
	// values are ignored. Default 2, at most 64.
	Lanes int
	// FileSize is the size in bytes at which a new file is started. Default
	// 64 MiB, at most 1 GiB.
	FileSize int64
	// Memory is how many bytes of the newest entries each lane keeps for
	// readers; older ones are read from their file. Default 64 MiB; negative
	// keeps none.
	Memory int64
	// Reserve is how many bytes each lane keeps allocated for small requests
	// on a full disk. Default 64 KiB; negative keeps none.
	Reserve int64
	// SlowDisk is how long a write with its sync may take before the disk
	// counts as failed. Default 10 s; negative means for ever.
	SlowDisk time.Duration
	// Stall is how long a write with its sync may take before the disk counts as
	// hung, which it may get over (Log.Stalled). Default 1 s; negative means
	// for ever.
	Stall time.Duration
	// OnStall is called when a disk begins to hang. It must not wait for the log.
	OnStall func()
	// OnFatal is called once, from any goroutine, when the log can no longer
	// be trusted to keep anything. The process must end. It must not call back.
	OnFatal func(error)
	// Logger receives what an operator should know. Default: none.
	Logger *slog.Logger

	page int // tests have smaller ones
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.FS == nil {
		faults = append(faults, errors.New("FS is missing"))
	}
	if c.Dir == "" {
		faults = append(faults, errors.New("Dir is missing"))
	}
	if c.Lanes < 0 || c.Lanes > lanesMax {
		faults = append(faults, fmt.Errorf("Lanes is %d, want 0 to %d", c.Lanes, lanesMax))
	}
	if c.FileSize < 0 || c.FileSize > fileMax {
		faults = append(faults, fmt.Errorf("FileSize is %d, want 0 to %d", c.FileSize, fileMax))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.Lanes == 0 {
		c.Lanes = lanesDefault
	}
	if c.FileSize == 0 {
		c.FileSize = 64 << 20
	}
	if c.Memory == 0 {
		c.Memory = 64 << 20
	}
	if c.Reserve == 0 {
		c.Reserve = 64 << 10
	}
	if c.SlowDisk == 0 {
		c.SlowDisk = 10 * time.Second
	}
	if c.Stall == 0 {
		c.Stall = time.Second
	}
	if c.OnStall == nil {
		c.OnStall = func() {}
	}
	if c.OnFatal == nil {
		c.OnFatal = func(error) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Log is the shared log of a node.
type Log struct {
	cfg       Config
	lanes     []*lane
	stall     stall
	failOnce  sync.Once
	failure   atomic.Pointer[error]
	failed    chan struct{} // closed after failure is set
	closeOnce sync.Once
	closeErr  error
}

// Open reads the log in Dir, creating it if there is none, and starts one
// goroutine per lane. Damage to what was durable is a *CorruptError.
func Open(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure log: %w", err)
	}
	w := &Log{cfg: cfg.withDefaults(), failed: make(chan struct{})}
	w.stall.mu.began = make(chan struct{})
	if err := w.open(); err != nil {
		for _, l := range w.lanes {
			_ = l.closeFiles()
		}
		return nil, fmt.Errorf("open log %s: %w", cfg.Dir, err)
	}
	for _, l := range w.lanes {
		go l.run()
	}
	return w, nil
}

func (w *Log) open() error {
	fs := w.cfg.FS
	unsynced, err := makeDir(fs, w.cfg.Dir)
	if err != nil {
		return err
	}
	lanes := w.cfg.Lanes
	for i := 0; i < lanes; i++ {
		l := newLane(w, i, lanes)
		w.lanes = append(w.lanes, l)
		if err := fs.MkdirAll(l.dir, 0o755); err != nil {
			return err
		}
		known, err := l.recover()
		if err != nil {
			return err
		}
		if i == 0 && known > 0 {
			lanes = known
		}
	}
	for _, dir := range append(unsynced, w.cfg.Dir) {
		if err := syncDir(fs, dir); err != nil {
			return err
		}
	}
	for _, l := range w.lanes {
		l.lanes = lanes
		if err := l.start(); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes a directory with its parents and returns the directories that
// must be synced: without that what was made is gone after a power cut. The
// parent of dir is always one of them, since an earlier start may have died
// before it synced it.
func makeDir(fs vfs.FS, dir string) (unsynced []string, err error) {
	unsynced = []string{fs.PathDir(dir)}
	for at := fs.PathDir(dir); at != fs.PathDir(at); at = fs.PathDir(at) {
		if _, err := fs.Stat(at); err == nil {
			break
		}
		unsynced = append(unsynced, fs.PathDir(at))
	}
	return unsynced, fs.MkdirAll(dir, 0o755)
}

func syncDir(fs vfs.FS, name string) error {
	d, err := fs.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// GroupsApart is the lowest number of groups that are kept apart from others.
const GroupsApart = 0xFFFFFF00

// laneOf returns the lane of a group (docs/format/wal.md).
func (w *Log) laneOf(id uint32) *lane {
	n := uint32(len(w.lanes))
	switch {
	case n < lanesApart:
		return w.lanes[id%n]
	case id >= GroupsApart:
		return w.lanes[n-1]
	}
	return w.lanes[id%(n-1)]
}

// Group returns the log of a group, which is empty if it was never written.
func (w *Log) Group(id uint32) *GroupLog {
	return &GroupLog{lane: w.laneOf(id), group: id}
}

// Groups returns the ids of the groups of which something is stored, ascending.
func (w *Log) Groups() []uint32 {
	var ids []uint32
	for _, l := range w.lanes {
		l.mu.RLock()
		for id := range l.groups {
			if id != nameless {
				ids = append(ids, id)
			}
		}
		l.mu.RUnlock()
	}
	slices.Sort(ids)
	return ids
}

// Leave begins a new file in every lane.
func (w *Log) Leave() error {
	var errs []error
	for _, l := range w.lanes {
		errs = append(errs, l.submit(&request{op: opLeave}))
	}
	return errors.Join(errs...)
}

// Stats says what a Log holds.
type Stats struct {
	Files  int   // on disk
	Bytes  int64 // of these files
	Cached int64 // bytes of entries in memory
	Low    bool  // a disk is too full for large entries
	// Pinning are the groups of which an entry is in the oldest file of a
	// lane with more than one file: truncating them frees space.
	Pinning []uint32
}

// Stats returns what the log holds now.
func (w *Log) Stats() Stats {
	var s Stats
	for _, l := range w.lanes {
		l.stats(&s)
	}
	slices.Sort(s.Pinning)
	return s
}

// Failed is closed when the log has failed.
func (w *Log) Failed() <-chan struct{} { return w.failed }

// Err returns why the log has failed, nil while it has not.
func (w *Log) Err() error {
	if err := w.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Fail declares the log failed, as a disk error does. It is for users who find
// that it cannot be trusted.
func (w *Log) Fail(err error) { _ = w.fail(err) }

func (w *Log) fail(err error) error {
	w.failOnce.Do(func() {
		err = fmt.Errorf("%w: %w", ErrFailed, err)
		w.failure.Store(&err)
		close(w.failed)
		w.cfg.Logger.Error("log has failed", "error", err)
		w.cfg.OnFatal(err)
	})
	return w.Err()
}

// Close finishes what was asked for, syncs and releases the files. Calls after
// it return ErrClosed.
func (w *Log) Close() error {
	w.closeOnce.Do(func() {
		for _, l := range w.lanes {
			close(l.stop)
		}
		for _, l := range w.lanes {
			select {
			case <-l.done:
			case <-w.failed:
				// The goroutine may hang in the disk for ever.
			}
		}
		w.closeErr = w.Err()
	})
	return w.closeErr
}
