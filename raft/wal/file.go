package wal

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

const fileSuffix = ".wal"

// file is one file of a lane. The lane's mu guards live, lowest and size.
type file struct {
	number uint64
	path   string
	size   uint32
	live   int   // entries in it that are part of a log
	proven int64 // up to where it was synced, as other files show or the file system says of damage
	// lowest is the lowest index of the entries of each group that were written to it,
	// also if they are part of no log any more.
	lowest map[uint32]uint64

	mu     sync.Mutex
	reader vfs.File // opened by the first read
	users  int
	gone   bool
}

func (l *lane) path(name string) string { return l.log.cfg.FS.PathJoin(l.dir, name) }

func (l *lane) newFile(number uint64) *file {
	return &file{number: number, path: l.path(fmt.Sprintf("%016d%s", number, fileSuffix)), lowest: map[uint32]uint64{}}
}

func parseFileName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, fileSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && n < 1<<32
}

// rotate starts a new file that carries over what older files may not outlive.
// When it fails the lane is as before.
func (l *lane) rotate() error {
	fs := l.log.cfg.FS
	f := l.newFile(l.next)
	l.next++ // also if this fails: a number never names two files
	enc := encoder{file: f.number}
	l.encodeHead(&enc)

	out, err := fs.Create(f.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", f.path, err)
	}
	if _, err = out.Write(enc.buf); err == nil {
		err = out.Sync()
	}
	if err == nil {
		err = syncDir(fs, l.dir)
	}
	if err != nil {
		return l.discard(f, errors.Join(fmt.Errorf("start %s: %w", f.path, err), out.Close()))
	}
	l.leave(f.number)
	enc.synced, enc.buf = enc.offset, l.enc.buf[:0]
	l.out, l.page, l.enc, l.prev = out, cmp.Or(l.log.cfg.page, pageOf(out)), enc, nil
	l.tainted, l.marked, l.unsynced = false, false, false
	f.size = enc.offset
	l.mu.Lock()
	l.files = append(l.files, f)
	l.mu.Unlock()
	return nil
}

// pageOf returns how many bytes of a file are written to the disk together.
func pageOf(out vfs.File) int {
	if p, ok := out.(interface{ PageBytes() int }); ok {
		return p.PageBytes()
	}
	return pageBytes
}

// discard takes back a file that could not be started. Unless it is gone for
// good, a power cut may bring it back whole: recovery would take it for the end
// of the chain, so nothing may be appended to the file before it.
func (l *lane) discard(f *file, err error) error {
	fs := l.log.cfg.FS
	gone := fs.Remove(f.path)
	if gone == nil {
		gone = syncDir(fs, l.dir)
	}
	if gone != nil {
		l.tainted = true
	}
	return errors.Join(err, gone)
}

// encodeHead writes the records that every file begins with.
func (l *lane) encodeHead(enc *encoder) {
	var prev parent
	switch {
	case l.prev != nil:
		prev = *l.prev
	case l.out != nil:
		// What follows there was refused, or deletes what the spans below
		// leave out anyway.
		prev = parent{number: l.enc.file, valid: l.enc.synced}
	}
	head := []uint64{formatVersion, uint64(l.number)<<32 | uint64(l.lanes), prev.number, uint64(prev.valid)}
	enc.numbers(kindHead, 0, head...)
	ids := slices.Sorted(maps.Keys(l.groups))
	enc.ids(kindGroups, ids)
	for _, id := range ids {
		g := l.groups[id]
		if g.lost != nil {
			enc.lost(id, g.lost)
			continue
		}
		keys := make([]string, 0, len(g.stable))
		for key := range g.stable {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			enc.stable(id, key, g.stable[key])
		}
		if g.first != 0 {
			enc.numbers(kindSpan, id, g.first, g.last(), uint64(l.newest(id)))
		}
	}
	enc.ids(kindReady, ids, head...)
}

// newest returns where the last record of a group is in the file before the one
// that is started, 0 if there is none.
func (l *lane) newest(id uint32) uint32 {
	if l.prev != nil {
		return l.prev.newest[id]
	}
	return l.enc.durable(id)
}

// leave closes the file written so far, telling it by what file it is
// followed. That file is durable already, so nothing depends on this.
func (l *lane) leave(follower uint64) {
	if l.out == nil {
		return
	}
	if !l.tainted {
		l.enc.buf = l.enc.buf[:0]
		l.enc.numbers(kindEnd, 0, follower)
		_, _ = l.out.Write(l.enc.buf)
	}
	_ = l.out.Close()
}

// A file without a needed entry is left for a new one, so that its space comes
// back, from this size or share of FileSize on.
const (
	deadFileSize  = 1 << 20
	deadFileShare = 4
)

// leaveDead starts a new file if nothing in the one written so far is needed.
func (l *lane) leaveDead() {
	l.mu.RLock()
	dead := l.files[len(l.files)-1].live == 0
	l.mu.RUnlock()
	if !dead || l.tainted || int64(l.enc.offset) < min(deadFileSize, l.log.cfg.FileSize/deadFileShare) {
		return
	}
	if err := l.rotate(); err != nil {
		// The lane is as before; the next truncation tries again.
		l.log.cfg.Logger.Warn("cannot leave a log file that is not needed", "lane", l.number, "error", err)
	}
}

// leaveAny starts a new file if there are entries in the one written so far.
func (l *lane) leaveAny() {
	l.mu.RLock()
	bare := len(l.files[len(l.files)-1].lowest) == 0
	l.mu.RUnlock()
	if bare || l.tainted {
		return
	}
	if err := l.rotate(); err != nil {
		l.log.cfg.Logger.Warn("cannot leave a log file", "lane", l.number, "error", err)
	}
}

// removeDead deletes files, oldest first, in which no entry is needed.
func (l *lane) removeDead() {
	for l.oldestIsDead() {
		if l.unsynced && l.enc.synced != l.enc.offset {
			// The deletion of the entries must be durable before their file goes.
			if err := l.out.SyncData(); err != nil {
				l.tainted = true
				if !isNoSpace(err) {
					_ = l.log.fail(fmt.Errorf("sync lane %d: %w", l.number, err))
				}
				return
			}
			l.enc.synced, l.unsynced, l.marked = l.enc.offset, false, false
		}
		l.mu.Lock()
		f := l.files[0]
		l.files = l.files[1:]
		l.mu.Unlock()
		f.release(true)
		if err := l.log.cfg.FS.Remove(f.path); err != nil {
			l.log.cfg.Logger.Warn("cannot remove log file", "file", f.path, "error", err)
		}
	}
}

func (l *lane) oldestIsDead() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.files) > 1 && l.files[0].live == 0
}

// acquire returns the file opened for reading; release must follow.
func (f *file) acquire(fs vfs.FS) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return nil, ErrClosed
	}
	if f.reader == nil {
		r, err := fs.Open(f.path, vfs.RandomReadsOption)
		if err != nil {
			return nil, err
		}
		f.reader = r
	}
	f.users++
	return f.reader, nil
}

// release ends a use; with gone, the reader is closed after the last use.
func (f *file) release(gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if gone {
		f.gone = true
	} else {
		f.users--
	}
	if f.gone && f.users == 0 && f.reader != nil {
		_ = f.reader.Close()
		f.reader = nil
	}
}

// read fills out with an entry, from memory or from its file.
func (l *lane) read(id uint32, index uint64, out *hraft.Log) error {
	l.mu.RLock()
	e, lost := l.lookup(id, index), l.lost(id)
	if lost != nil || e == nil {
		l.mu.RUnlock()
		return cmp.Or(lost, hraft.ErrLogNotFound)
	}
	if e.cached {
		*out = hraft.Log{Index: index, Term: e.term, Type: e.kind, Data: e.data, Extensions: e.ext, AppendedAt: e.appended}
		l.mu.RUnlock()
		return nil
	}
	f, offset, size := e.file, e.offset, e.size
	l.mu.RUnlock()
	err := f.readEntry(l.log.cfg.FS, id, index, offset, size, out)
	if err == nil {
		return nil
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.lookup(id, index) != e { // deleted meanwhile, with its file
		return hraft.ErrLogNotFound
	}
	return fmt.Errorf("read entry %d of group %d: %w", index, id, err)
}

func (l *lane) lookup(id uint32, index uint64) *entry {
	if g := l.groups[id]; g != nil {
		return g.at(index)
	}
	return nil
}

func (f *file) readEntry(fs vfs.FS, group uint32, index uint64, offset, size uint32, out *hraft.Log) error {
	r, err := f.acquire(fs)
	if err != nil {
		return err
	}
	defer f.release(false)
	buf := make([]byte, size)
	if _, err := r.ReadAt(buf, int64(offset)); errors.As(err, new(proof)) {
		return &CorruptError{File: f.path, Offset: int64(offset), Reason: err.Error()}
	} else if err != nil {
		return fmt.Errorf("read %s at %d: %w", f.path, offset, err)
	}
	rec, err := decodeRecord(buf, f.number, offset)
	if err == nil {
		err = rec.entry(out)
	}
	if err == nil && (rec.kind != kindEntry || rec.group != group || out.Index != index) {
		err = errPlace
	}
	if err != nil {
		return &CorruptError{File: f.path, Offset: int64(offset), Reason: err.Error()}
	}
	return nil
}

func (l *lane) stats(s *Stats) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s.Files += len(l.files)
	for _, f := range l.files {
		s.Bytes += int64(f.size)
	}
	s.Cached += l.cache.bytes
	s.Low = s.Low || l.low.Load()
	if len(l.files) < 2 {
		return
	}
	for id, g := range l.groups {
		if len(g.entries) > 0 && g.entries[0].file == l.files[0] {
			s.Pinning = append(s.Pinning, id)
		}
	}
}

// closeFiles releases what is open, after the goroutine has ended.
func (l *lane) closeFiles() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		f.release(true)
	}
	if l.out == nil {
		return nil
	}
	err := l.out.Close()
	l.out = nil
	return err
}
