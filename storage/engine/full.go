package engine

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fullness is whether the store has met a full disk. Pebble tries again every few
// milliseconds: when that begins and when it has ended is logged, once each.
type fullness struct {
	is     atomic.Bool
	logger *slog.Logger
	free   func() (bytes uint64, known bool)
	// take takes the space of the ballast, release gives it back.
	take, release func() error

	mu struct {
		sync.Mutex
		since time.Time
		met   int // writes that found no space
	}
}

// meet notes that a write has found no space.
func (f *fullness) meet(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.met++
	if f.is.Swap(true) {
		return
	}
	f.mu.since, f.mu.met = time.Now(), 1
	f.logger.Error("the disk is full: the store gives back its ballast and tries again; this is said once, and when it has ended", "error", err)
	if err := f.release(); err != nil {
		f.logger.Warn("the ballast was not given back", "error", err)
	}
}

// look looks whether a disk that was full has room again: with room for the ballast it has.
func (f *fullness) look() {
	if !f.is.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if free, known := f.free(); !f.is.Load() || known && free < 2*ballastBytes || f.take() != nil {
		return
	}
	f.is.Store(false)
	f.logger.Info("the disk has room for the store again", "writes_without", f.mu.met, "after", time.Since(f.mu.since).Round(time.Millisecond))
}

// LookForRoom takes the ballast again, and says so, once a disk that was full has room for it.
// Each write does that too: this is for a store to which nothing is written.
func (e *Engine) LookForRoom() { e.full.look() }

// withBallast keeps some bytes in reserve that are given back when the disk
// is full, so that a manifest that is being written can still be written.
func (e *Engine) withBallast(fs FS) FS {
	name := fs.PathJoin(e.cfg.Dir, BallastName)
	if _, _, known := Free(fs, e.cfg.Dir); !known {
		return fs // in memory
	}
	e.full.release = func() error {
		if _, err := fs.Stat(name); err != nil {
			return nil // it is given back already
		}
		return fs.Remove(name)
	}
	e.full.take = func() error {
		if _, err := fs.Stat(name); err == nil {
			return nil
		}
		// Written, not preallocated: file systems trim what is beyond the end.
		return WriteFile(fs, name, make([]byte, ballastBytes))
	}
	if err := e.full.take(); err != nil {
		e.logger.Warn("no ballast for a full disk", "file", name, "error", err)
	}
	return vfs.OnDiskFull(fs, func() { e.full.meet(syscall.ENOSPC) })
}
