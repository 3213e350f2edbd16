package sim

import (
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
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
	sync  func(path string) time.Duration // nil: syncs take no time
	armed atomic.Pointer[trap]
}

// trap is what happens right before a change of the disk.
type trap struct {
	left atomic.Int64 // changes until then
	then func()
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return diskOf(vfs.NewCrashableMem()) }

func diskOf(memory *vfs.MemFS) *Disk { return &Disk{FS: memory, memory: memory} }

// Before calls then right before one of the next changes of the disk, once. In
// virtual time nothing happens between two changes that take none, so who wants
// to crash there must be called there. Then may clone the disk.
func (d *Disk) Before(changes int, then func()) {
	t := &trap{then: then}
	t.left.Store(int64(changes))
	d.armed.Store(t)
}

// Disarm takes back what Before asked for.
func (d *Disk) Disarm() { d.armed.Store(nil) }

// change is called before every change.
func (d *Disk) change() {
	if t := d.armed.Load(); t != nil && t.left.Add(-1) == -1 {
		t.then()
	}
}

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
	d.change()
	d.clone.RLock()
	defer d.clone.RUnlock()
	return d.FS.Link(from, to)
}

// Unwrap implements vfs.FS.
func (d *Disk) Unwrap() vfs.FS { return d.FS }

// Remove implements vfs.FS.
func (d *Disk) Remove(name string) error { d.change(); return d.FS.Remove(name) }

// RemoveAll implements vfs.FS.
func (d *Disk) RemoveAll(name string) error { d.change(); return d.FS.RemoveAll(name) }

// Rename implements vfs.FS.
func (d *Disk) Rename(from, to string) error { d.change(); return d.FS.Rename(from, to) }

// MkdirAll implements vfs.FS.
func (d *Disk) MkdirAll(dir string, mode os.FileMode) error {
	d.change()
	return d.FS.MkdirAll(dir, mode)
}

// OpenDir implements vfs.FS.
func (d *Disk) OpenDir(name string) (vfs.File, error) { return d.file(name)(d.FS.OpenDir(name)) }

// Create implements vfs.FS.
func (d *Disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	d.change()
	return d.file(name)(d.FS.Create(name, category))
}

// ReuseForWrite implements vfs.FS.
func (d *Disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	d.change()
	return d.file(to)(d.FS.ReuseForWrite(from, to, category))
}

// OpenReadWrite implements vfs.FS.
func (d *Disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return d.file(name)(d.FS.OpenReadWrite(name, category, options...))
}

func (d *Disk) file(name string) func(vfs.File, error) (vfs.File, error) {
	return func(inner vfs.File, err error) (vfs.File, error) {
		if err != nil {
			return nil, err
		}
		return &file{File: inner, disk: d, name: name}, nil
	}
}

// file is an open file of a Disk.
type file struct {
	vfs.File
	disk *Disk
	name string
}

// Write implements vfs.File.
func (f *file) Write(b []byte) (int, error) { f.disk.change(); return f.File.Write(b) }

// WriteAt implements vfs.File.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	f.disk.change()
	return f.File.WriteAt(b, at)
}

// Sync implements vfs.File.
func (f *file) Sync() error { f.wait(); return f.File.Sync() }

// SyncData implements vfs.File.
func (f *file) SyncData() error { f.wait(); return f.File.SyncData() }

// SyncTo implements vfs.File.
func (f *file) SyncTo(length int64) (bool, error) { f.wait(); return f.File.SyncTo(length) }

func (f *file) wait() {
	if f.disk.sync != nil {
		if t := f.disk.sync(f.name); t > 0 {
			time.Sleep(t)
		}
	}
	f.disk.change()
}
