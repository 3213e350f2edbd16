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

// Recovery reads the chain of a lane's files. The newest file that was used is
// the end of the chain: it is whole up to its ready record, or what is bad there
// was durable and so is damaged; each file names the one before it and how much of
// that is valid. Only the end may be torn. What damage in between took from whom is
// found out by replay.go.

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
// on behind it. So is what a file lacks that ends before what is known to have
// been durable.
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
	if limit < 0 {
		limit = f.proven
	}
	if limit > end {
		g := gap{from: uint32(end), to: uint32(limit), why: &CorruptError{File: f.path, Offset: end, Reason: fmt.Sprintf("file ends early, want %d bytes", limit)}}
		return uint32(limit), damaged(g)
	}
	return uint32(offset), nil
}

// resume returns where a whole record starts behind a bad one, or the end:
// where the bad one says that it ends, if that is so, since what is in it may
// look like a record. It is not if the length is what is bad in it.
func resume(b []byte, f *file, offset int64) int64 {
	at, _ := findRecord(b, f, offset+1)
	if at < offset+headerSize || at == int64(len(b)) {
		return at
	}
	bad := bytes.Clone(b[offset:at])
	next := offset + headerSize + int64(binary.LittleEndian.Uint32(bad[8:]))
	if next <= at || next >= int64(len(b)) {
		return at
	}
	if _, err := decodeRecord(b[next:], f.number, uint32(next)); err != nil {
		return at
	}
	binary.LittleEndian.PutUint32(bad[8:], uint32(len(bad)-headerSize))
	if binary.LittleEndian.Uint32(bad[4:]) == checksum(bad) {
		return at
	}
	return next
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

// readAll returns the first most bytes of a file.
func (f *file) readAll(fs vfs.FS, most int64) ([]byte, error) {
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
	b := make([]byte, min(size, most))
	if len(b) == 0 {
		return b, nil
	}
	n, err := r.ReadAt(b, 0)
	var damage proof
	switch {
	case n == len(b) && errors.As(err, &damage):
		f.proven = max(f.proven, min(damage.DamagedTo(), size))
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
	if err != nil {
		return 0, err
	}
	l.stale = slices.DeleteFunc(files, func(f *file) bool { return slices.Contains(chain, f) })
	if len(chain) == 0 {
		return 0, nil
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
	return p.head.lanes, nil
}

// chain returns the files from the oldest to the end, with size set to their
// valid length except for the end, and the bytes of the end.
func (l *lane) chain(files []*file) (chain []*file, last []byte, err error) {
	byNumber := map[uint64]*file{}
	for _, f := range files {
		byNumber[f.number] = f
	}
	f, seen, err := l.end(files, byNumber)
	if f == nil || err != nil {
		return nil, nil, err
	}
	chain = []*file{f}
	for h := seen.head; h.prev.number != 0; {
		p := byNumber[h.prev.number]
		if p == nil {
			break // dead and deleted, or the groups will show a gap
		}
		if p.number >= chain[0].number {
			return nil, nil, &CorruptError{File: chain[0].path, Reason: "follows a newer file"}
		}
		p.size = h.prev.valid
		chain = append([]*file{p}, chain...)
		if h, err = readHead(l.log.cfg.FS, p); err != nil {
			return nil, nil, err
		}
	}
	return chain, seen.bytes, nil
}

// end returns the newest file that was used, nil if there is none.
func (l *lane) end(files []*file, byNumber map[uint64]*file) (*file, sight, error) {
	for _, f := range slices.Backward(files) {
		s, err := l.look(f)
		if err != nil {
			return nil, s, err
		}
		if !s.ready { // a crash while it was started: what it follows was durable by then
			if prev := byNumber[s.head.prev.number]; prev != nil {
				prev.proven = max(prev.proven, int64(s.head.prev.valid))
			}
			continue
		}
		if s.follower == 0 {
			return f, s, nil
		}
		// That file was durable before it was named: what is bad in it is damage.
		next := byNumber[s.follower]
		if s.follower <= f.number {
			return nil, s, &CorruptError{File: f.path, Reason: fmt.Sprintf("names file %d as its follower, which is not newer", s.follower)}
		}
		if next == nil {
			return nil, s, &CorruptError{File: l.newFile(s.follower).path, Reason: "file is missing, " + f.path + " names it as its follower"}
		}
		if s, err = l.look(next); err == nil {
			next.proven = max(next.proven, begun(s.bytes, next))
			s, err = l.look(next)
		}
		return next, s, err
	}
	return nil, sight{}, nil
}

// sight is what a file that may be the end of the chain shows.
type sight struct {
	bytes    []byte
	head     head
	ready    bool   // it was used
	follower uint64 // the file that it names as the next one, 0: none
}

func (l *lane) look(f *file) (s sight, err error) {
	if s.bytes, err = f.readAll(l.log.cfg.FS, 1<<32); err != nil {
		return s, err
	}
	known := false
	if s.head, known, err = headIn(s.bytes, f); err != nil {
		return s, err
	}
	_, err = scan(s.bytes, f, -1, func(r record, _ uint32) error {
		s.ready = s.ready || r.kind == kindReady
		if r.kind != kindEnd {
			return nil
		}
		n, err := r.numbers(1)
		s.follower = n[0]
		return err
	}, func(gap) error {
		s.ready = true // what is bad was durable, so the file was used
		return nil
	})
	if err == nil && s.ready && !known {
		err = errNoHead(f)
	}
	return s, err
}

// begun returns up to where a file that was used was durable, at least: the end of
// its ready record, which is behind all records that can be read if it cannot be
// read itself, and names the groups that the record of that kind names.
func begun(b []byte, f *file) int64 {
	end, groups := int64(0), 0
	for {
		at, r := findRecord(b, f, end)
		switch {
		case r.size == 0:
			return end + headerSize + headBody + int64(groups)
		case r.kind == kindReady:
			return at + int64(r.size)
		case r.kind == kindGroups:
			groups = len(r.body)
		}
		end = at + int64(r.size)
	}
}

// headIn returns the head of a file: its first record, or the copy in its ready
// record if that is in the bytes.
func headIn(b []byte, f *file) (h head, known bool, err error) {
	if r, err := decodeRecord(b, f.number, 0); err == nil {
		if h, err = r.head(); err != nil {
			return h, false, &CorruptError{File: f.path, Reason: err.Error()}
		}
		return h, true, nil
	}
	for at := int64(0); ; {
		found, r := findRecord(b, f, at)
		if r.size == 0 {
			return head{}, false, nil
		}
		if r.kind == kindReady {
			h, err := r.head()
			return h, err == nil, nil // version 1 has no copy
		}
		at = found + int64(r.size)
	}
}

func errNoHead(f *file) error {
	return &CorruptError{File: f.path, Reason: "neither what it begins with nor the copy of that can be read"}
}

// readHead returns the head of a file that was used.
func readHead(fs vfs.FS, f *file) (head, error) {
	for _, size := range []int64{headerSize + headBody, 1 << 32} { // the first record, all
		b, err := f.readAll(fs, size)
		if err != nil {
			return head{}, err
		}
		if h, known, err := headIn(b, f); known || err != nil {
			return h, err
		}
	}
	return head{}, errNoHead(f)
}

// forget deletes the files that are not part of the chain.
func (l *lane) forget() error {
	for _, f := range l.stale {
		if err := l.log.cfg.FS.Remove(f.path); err != nil {
			return err
		}
	}
	l.stale = nil
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
	// What is not part of the chain takes space that the new file may need, but may
	// be all that shows damage until that file says what is lost.
	if !l.anyLost() {
		if err := l.forget(); err != nil {
			return err
		}
	}
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
	if err := l.forget(); err != nil {
		return err
	}
	if !l.reserved && !l.low.Load() {
		if err := l.makeReserve(); err != nil {
			l.low.Store(true)
		}
	}
	return nil
}
