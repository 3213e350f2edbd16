package sim

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is a disk in memory whose power can be cut.
type Disk struct {
	vfs.FS
	memory *vfs.MemFS
	// clone is held for reading during Link, and for writing while the disk is
	// cloned: vfs.MemFS takes its own lock twice in Link, so a clone must not
	// begin meanwhile.
	clone sync.RWMutex
	// sync is how long a sync of a file takes; nil: no time.
	sync func(path string) time.Duration
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return diskOf(vfs.NewCrashableMem()) }

func diskOf(memory *vfs.MemFS) *Disk { return &Disk{FS: memory, memory: memory} }

// SyncTime makes syncs of files take time, before the disk is used. Who holds a
// mutex while it syncs must be given none: others would wait for the mutex, and
// the time of a bubble stands still meanwhile.
func (d *Disk) SyncTime(of func(path string) time.Duration) { d.sync = of }

// Cut returns what is on the disk after the power is cut now: what was synced,
// and any part of what was not.
func (d *Disk) Cut(rng *rand.Rand) *Disk { return d.after(rng.IntN(101), rng) }

// Kill returns what is on the disk after the process is killed now: everything
// that was written.
func (d *Disk) Kill() *Disk { return d.after(100, rand.New(rand.NewPCG(0, 0))) }

func (d *Disk) after(kept int, rng *rand.Rand) *Disk {
	d.clone.Lock()
	defer d.clone.Unlock()
	return diskOf(d.memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng}))
}

// Link implements vfs.FS.
func (d *Disk) Link(from, to string) error {
	d.clone.RLock()
	defer d.clone.RUnlock()
	return d.FS.Link(from, to)
}

// Unwrap implements vfs.FS.
func (d *Disk) Unwrap() vfs.FS { return d.FS }

// Create implements vfs.FS.
func (d *Disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(name)(d.FS.Create(name, category))
}

// ReuseForWrite implements vfs.FS.
func (d *Disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(to)(d.FS.ReuseForWrite(from, to, category))
}

// OpenReadWrite implements vfs.FS.
func (d *Disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return d.file(name)(d.FS.OpenReadWrite(name, category, options...))
}

func (d *Disk) file(name string) func(vfs.File, error) (vfs.File, error) {
	return func(file vfs.File, err error) (vfs.File, error) {
		if err != nil || d.sync == nil {
			return file, err
		}
		return &slowFile{File: file, time: func() time.Duration { return d.sync(name) }}, nil
	}
}

// slowFile takes time to sync.
type slowFile struct {
	vfs.File
	time func() time.Duration
}

func (f *slowFile) wait() {
	if t := f.time(); t > 0 {
		time.Sleep(t)
	}
}

func (f *slowFile) Sync() error { f.wait(); return f.File.Sync() }

func (f *slowFile) SyncData() error { f.wait(); return f.File.SyncData() }

func (f *slowFile) SyncTo(length int64) (bool, error) { f.wait(); return f.File.SyncTo(length) }
