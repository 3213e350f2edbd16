package wal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Recovery reads the chain of a lane's files. The newest file that is whole up
// to its ready record is the end of the chain; each file names the one before
// it and how much of that is valid. Only the end may be torn. What damage in
// between took from whom is found out by replay.go.

// headBody is the size of the body of a head.
const headBody = 4 * 8

// head is what the first record of a file says.
type head struct {
	version uint64
	lane    int
	lanes   int
	prev    parent
}

// head decodes the first record of a file, or what its ready record repeats.
func (r *record) head() (head, error) {
	repeats := r.kind == kindReady && len(r.body) >= headBody
	if r.kind != kindHead && !repeats || r.kind == kindHead && len(r.body) != headBody {
		return head{}, errBody
	}
	first := record{body: r.body[:headBody]}
	n, err := first.numbers(4)
	if err != nil {
		return head{}, err
	}
	if n[0] < oldestVersion || n[0] > formatVersion {
		return head{}, fmt.Errorf("format version %d, want %d to %d", n[0], oldestVersion, formatVersion)
	}
	h := head{version: n[0], lane: int(n[1] >> 32), lanes: int(uint32(n[1])), prev: parent{number: n[2], valid: uint32(n[3])}}
	if h.lanes < 1 || h.lanes > lanesMax || h.lane >= h.lanes || n[3] > 1<<32-1 {
		return head{}, errBody
	}
	return h, nil
}

// gap is a stretch of a file that cannot be read and had been durable.
type gap struct {
	from, to uint32 // to is where a whole record starts, or the end
	why      *CorruptError
}

// proof is what a file system that proves what it reads says of damage: DamagedTo
// returns up to where a file had been synced. In its place it reads zeros.
type proof interface {
	error
	DamagedTo() int64
}

// scan hands the records of a file's bytes to visit and returns where they
// end. With limit < 0 the file is the end of the chain and may be torn; else
// it must be whole up to limit. What is bad although a later record says that
// it was durable is damage: it is handed to damaged, which says whether to go
// on behind it.
func scan(b []byte, f *file, limit int64, visit func(record, uint32) error, damaged func(gap) error) (uint32, error) {
	end := int64(len(b))
	if limit >= 0 {
		end = min(end, limit)
	}
	offset := int64(0)
	for offset < end {
		r, err := decodeRecord(b[offset:end], f.number, uint32(offset))
		if err == nil {
			if err := visit(r, uint32(offset)); err != nil {
				return 0, &CorruptError{File: f.path, Offset: offset, Reason: err.Error()}
			}
			offset += int64(r.size)
			continue
		}
		if limit < 0 && !provenDurable(b, f, offset) {
			return uint32(offset), nil
		}
		g := gap{from: uint32(offset), to: uint32(resume(b[:end], f, offset)), why: &CorruptError{File: f.path, Offset: offset, Reason: err.Error()}}
		if err := damaged(g); err != nil {
			return 0, err
		}
		offset = int64(g.to)
	}
	if limit > end {
		g := gap{from: uint32(end), to: uint32(limit), why: &CorruptError{File: f.path, Offset: end, Reason: fmt.Sprintf("file ends early, want %d bytes", limit)}}
		return uint32(limit), damaged(g)
	}
	return uint32(offset), nil
}

// resume returns where a whole record starts behind a bad one, or the end:
// where the bad one says that it ends, if that is so, since what is in it may
// look like a record.
func resume(b []byte, f *file, offset int64) int64 {
	if int64(len(b)) >= offset+headerSize {
		next := offset + headerSize + int64(binary.LittleEndian.Uint32(b[offset+8:]))
		if next < int64(len(b)) {
			if _, err := decodeRecord(b[next:], f.number, uint32(next)); err == nil {
				return next
			}
		}
	}
	at, _ := findRecord(b, f, offset+1)
	return at
}

// findRecord returns the first whole record from an offset on, or the end.
func findRecord(b []byte, f *file, at int64) (int64, record) {
	for ; at < int64(len(b)); at++ {
		i := bytes.Index(b[at:], []byte{magic0, magic1, magic2})
		if i < 0 {
			break
		}
		at += int64(i)
		if r, err := decodeRecord(b[at:], f.number, uint32(at)); err == nil {
			return at, r
		}
	}
	return int64(len(b)), record{}
}

// provenDurable reports whether a whole record after offset says that offset
// was synced, or the file system does.
func provenDurable(b []byte, f *file, offset int64) bool {
	if offset < f.proven {
		return true
	}
	for at := offset + 1; at < int64(len(b)); {
		found, r := findRecord(b, f, at)
		if int64(r.synced) > offset {
			return true
		}
		at = found + 1
	}
	return false
}

// readAll returns the first max bytes of a file.
func (f *file) readAll(fs vfs.FS, max int64) ([]byte, error) {
	r, err := fs.Open(f.path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, unreadable(f.path, err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size >= 1<<32 {
		return nil, &CorruptError{File: f.path, Offset: 1<<32 - 1, Reason: "file is larger than any log file"}
	}
	b := make([]byte, min(size, max))
	if len(b) == 0 {
		return b, nil
	}
	n, err := r.ReadAt(b, 0)
	var damage proof
	switch {
	case n == len(b) && errors.As(err, &damage):
		f.proven = damage.DamagedTo()
	case n < len(b) || err != nil && err != io.EOF:
		return nil, fmt.Errorf("read %s: %w", f.path, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return b, nil
}

// unreadable says that a file is damaged as a whole, if it is.
func unreadable(path string, err error) error {
	if damage := proof(nil); errors.As(err, &damage) {
		return &CorruptError{File: path, Reason: err.Error()}
	}
	return err
}

// recover reads the lane's files into memory and returns the number of lanes
// that they name, 0 when there is no file.
func (l *lane) recover() (lanes int, err error) {
	fs := l.log.cfg.FS
	names, err := fs.List(l.dir)
	if err != nil {
		return 0, err
	}
	var files []*file
	for _, name := range names {
		if n, ok := parseFileName(name); ok {
			files = append(files, l.newFile(n))
			l.next = max(l.next, n+1)
		}
		l.reserved = l.reserved || name == reserveName
		if strings.HasSuffix(name, damagedSuffix) {
			l.damaged.Store(true)
		}
	}
	slices.SortFunc(files, func(a, b *file) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	chain, last, err := l.chain(files)
	if err != nil || len(chain) == 0 {
		return 0, l.forget(files, nil, err)
	}
	p := &replayer{lane: l}
	for i, f := range chain {
		limit := int64(-1)
		b := last
		if i+1 < len(chain) {
			limit = int64(f.size)
			if b, err = f.readAll(fs, 1<<32); err != nil {
				return 0, err
			}
		}
		if p, err = l.replay(f, b, limit, p); err != nil {
			return 0, err
		}
	}
	for _, g := range l.groups {
		if g.first < g.base {
			l.lose(g, &CorruptError{File: chain[0].path, Reason: fmt.Sprintf("entries %d to %d of group %d are in a file that is missing", g.first, g.base-1, g.id)})
		}
	}
	end := chain[len(chain)-1]
	l.files, l.prev = chain, &parent{number: end.number, valid: end.size, newest: p.newest}
	return p.head.lanes, l.forget(files, chain, nil)
}

// chain returns the files from the oldest to the end, with size set to their
// valid length except for the end, and the bytes of the end.
func (l *lane) chain(files []*file) (chain []*file, last []byte, err error) {
	fs := l.log.cfg.FS
	byNumber := map[uint64]*file{}
	for _, f := range files {
		byNumber[f.number] = f
	}
	for i := len(files) - 1; i >= 0; i-- {
		f := files[i]
		b, err := f.readAll(fs, 1<<32)
		if err != nil {
			return nil, nil, err
		}
		h, ready, err := look(b, f)
		if err != nil {
			return nil, nil, err
		}
		if !ready {
			continue // a crash while it was started
		}
		chain = []*file{f}
		for h.prev.number != 0 {
			p := byNumber[h.prev.number]
			if p == nil {
				break // dead and deleted, or the groups will show a gap
			}
			if p.number >= chain[0].number {
				return nil, nil, &CorruptError{File: chain[0].path, Reason: "follows a newer file"}
			}
			p.size = h.prev.valid
			chain = append([]*file{p}, chain...)
			if h, err = readHead(fs, p); err != nil {
				return nil, nil, err
			}
		}
		return chain, b, nil
	}
	return nil, nil, nil
}

// look returns the head of a file that may be the end of the chain, and whether
// the file was ever used.
func look(b []byte, f *file) (h head, ready bool, err error) {
	known := false
	var damage *CorruptError
	_, err = scan(b, f, -1, func(r record, offset uint32) error {
		switch {
		case offset == 0, r.kind == kindReady && !known:
			if r.kind == kindReady && len(r.body) == 0 {
				break // of version 1
			}
			if h, err = r.head(); err != nil {
				return err
			}
			known = true
		}
		ready = ready || r.kind == kindReady
		return nil
	}, func(g gap) error {
		if damage == nil {
			damage = g.why
		}
		ready = true // what is behind it was durable, so it was used
		return nil
	})
	if err == nil && !known && damage != nil {
		err = damage
	}
	return h, ready, err
}

// readHead returns the head of a file: its first record, or the copy in its
// ready record.
func readHead(fs vfs.FS, f *file) (head, error) {
	b, err := f.readAll(fs, headerSize+headBody)
	if err != nil {
		return head{}, err
	}
	r, bad := decodeRecord(b, f.number, 0)
	if bad == nil {
		h, err := r.head()
		if err != nil {
			return head{}, &CorruptError{File: f.path, Reason: err.Error()}
		}
		return h, nil
	}
	if b, err = f.readAll(fs, 1<<32); err != nil {
		return head{}, err
	}
	for at := int64(0); at < int64(len(b)); {
		found, r := findRecord(b, f, at)
		if r.kind == kindReady {
			if h, err := r.head(); err == nil {
				return h, nil
			}
			break
		}
		at = found + max(int64(r.size), 1)
	}
	return head{}, &CorruptError{File: f.path, Reason: bad.Error()}
}

// forget deletes the files that are not part of the chain, unless recovery
// failed: then everything is left as evidence.
func (l *lane) forget(files, chain []*file, err error) error {
	if err != nil {
		return err
	}
	for _, f := range files {
		if !slices.Contains(chain, f) {
			if err := l.log.cfg.FS.Remove(f.path); err != nil {
				return err
			}
		}
	}
	return nil
}

// start makes the lane writable after all lanes were recovered: what was read
// becomes durable, and a new file is begun. A file that may be torn is never
// appended to.
func (l *lane) start() error {
	fs := l.log.cfg.FS
	if l.prev != nil {
		// A killed process leaves bytes that can be read and are not durable.
		f, err := fs.Open(l.files[len(l.files)-1].path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := syncDir(fs, l.dir); err != nil {
			return err
		}
	}
	l.keepDamaged()
	err := l.rotate()
	if err != nil && isNoSpace(err) && l.reserved {
		l.reserved = false
		l.low.Store(true)
		if err := fs.Remove(l.path(reserveName)); err != nil {
			return err
		}
		err = l.rotate()
	}
	if err != nil {
		return err
	}
	if !l.reserved && !l.low.Load() {
		if err := l.makeReserve(); err != nil {
			l.low.Store(true)
		}
	}
	return nil
}
