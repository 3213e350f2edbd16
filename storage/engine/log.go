package engine

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble panics, with a lock in a state that no recover mends, when it cannot begin or
// end a file of its log, or sync the folder that has it. logFS hides errors of these
// files and of syncs of folders from it: the store has failed from then on, so that
// nothing is acknowledged any more, and the node ends in the order that it chooses.
//
// From then on nothing of the log reaches the disk either. The file that failed may end in
// the middle of a record; that is no damage to Pebble only at the end of the last file, so
// that no other may begin behind it.
type logFS struct {
	FS
	fail   func(error)
	failed func() error
}

const logSuffix = ".log"

// Unwrap implements vfs.FS.
func (fs *logFS) Unwrap() vfs.FS { return fs.FS }

// Create implements vfs.FS.
func (fs *logFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, logSuffix) && fs.failed() != nil {
		return nowhere()
	}
	file, err := fs.FS.Create(name, category)
	return fs.guard(name, file, err)
}

// ReuseForWrite implements vfs.FS.
func (fs *logFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(to, logSuffix) && fs.failed() != nil {
		return nowhere()
	}
	file, err := fs.FS.ReuseForWrite(from, to, category)
	return fs.guard(to, file, err)
}

// OpenDir implements vfs.FS. Tables and log are in one folder, so what cannot be synced
// may be a file of the log.
func (fs *logFS) OpenDir(name string) (vfs.File, error) {
	folder, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return logFile{folder, fs}, nil
}

func (fs *logFS) guard(name string, file vfs.File, err error) (vfs.File, error) {
	if !strings.HasSuffix(name, logSuffix) {
		return file, err
	}
	if err != nil {
		fs.fail(err)
		return nowhere()
	}
	return logFile{file, fs}, nil
}

// nowhere returns a file for what is acknowledged by nobody.
func nowhere() (vfs.File, error) { return vfs.NewMem().Create("log", vfs.WriteCategoryUnspecified) }

// logFile is a file of the log or the folder of these. It fails the store instead of its
// caller.
type logFile struct {
	vfs.File
	fs *logFS
}

func (f logFile) note(err error) error {
	if err != nil {
		f.fs.fail(err)
	}
	return nil
}

// Write implements vfs.File.
func (f logFile) Write(p []byte) (int, error) {
	if f.fs.failed() != nil {
		return len(p), nil
	}
	_, err := f.File.Write(p)
	return len(p), f.note(err)
}

// Sync implements vfs.File.
func (f logFile) Sync() error { return f.note(f.File.Sync()) }

// SyncData implements vfs.File.
func (f logFile) SyncData() error { return f.note(f.File.SyncData()) }

// SyncTo implements vfs.File.
func (f logFile) SyncTo(length int64) (fullSync bool, err error) {
	full, err := f.File.SyncTo(length)
	return full, f.note(err)
}

// Preallocate implements vfs.File and allocates nothing. Pebble would take as much as a
// memtable at once, for manifests that are small; the ballast is the space that they may
// need on a full disk.
func (logFile) Preallocate(offset, length int64) error { return nil }

// Close implements vfs.File.
func (f logFile) Close() error { return f.note(f.File.Close()) }
