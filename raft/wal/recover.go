package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// Recovery reads the chain of a lane's files. The newest file that is whole up
// to its ready record is the end of the chain; each file names the one before
// it and how much of that is valid. Only the end may be torn.

// head is what the first record of a file says.
type head struct {
	lane  int
	lanes int
	prev  parent
}

func (r *record) head() (head, error) {
	if r.kind != kindHead {
		return head{}, errBody
	}
	n, err := r.numbers(4)
	if err != nil {
		return head{}, err
	}
	if n[0] != formatVersion {
		return head{}, fmt.Errorf("format version %d, want %d", n[0], formatVersion)
	}
	h := head{lane: int(n[1] >> 32), lanes: int(uint32(n[1])), prev: parent{number: n[2], valid: uint32(n[3])}}
	if h.lanes < 1 || h.lanes > lanesMax || h.lane >= h.lanes || n[3] > 1<<32-1 {
		return head{}, errBody
	}
	return h, nil
}

// scan hands the records of a file's bytes to visit and returns where they
// end. With limit < 0 the file is the end of the chain and may be torn; else
// it must be whole up to limit. A record that is bad although a later one says
// that it was durable is damage.
func scan(b []byte, f *file, limit int64, visit func(record, uint32) error) (uint32, error) {
	end := int64(len(b))
	if limit >= 0 {
		if limit > end {
			return 0, &CorruptError{File: f.path, Offset: end, Reason: fmt.Sprintf("file ends early, want %d bytes", limit)}
		}
		end = limit
	}
	offset := int64(0)
	for offset < end {
		r, err := decodeRecord(b[offset:end], f.number, uint32(offset))
		if err != nil {
			if limit >= 0 || provenDurable(b, f, offset) {
				return 0, &CorruptError{File: f.path, Offset: offset, Reason: err.Error()}
			}
			break
		}
		if err := visit(r, uint32(offset)); err != nil {
			return 0, &CorruptError{File: f.path, Offset: offset, Reason: err.Error()}
		}
		offset += int64(r.size)
	}
	return uint32(offset), nil
}

// provenDurable reports whether a whole record after offset says that offset
// was synced.
func provenDurable(b []byte, f *file, offset int64) bool {
	for at := offset + 1; at < int64(len(b)); at++ {
		i := bytes.Index(b[at:], []byte{magic0, magic1, magic2})
		if i < 0 {
			return false
		}
		at += int64(i)
		if r, err := decodeRecord(b[at:], f.number, uint32(at)); err == nil && int64(r.synced) > offset {
			return true
		}
	}
	return false
}

func readAll(fs vfs.FS, name string, max int64) ([]byte, error) {
	r, err := fs.Open(name, vfs.SequentialReadsOption)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size >= 1<<32 {
		return nil, &CorruptError{File: name, Offset: 1<<32 - 1, Reason: "file is larger than any log file"}
	}
	b := make([]byte, min(size, max))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
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
	var h head
	for i, f := range chain {
		limit := int64(-1)
		b := last
		if i+1 < len(chain) {
			limit = int64(f.size)
			if b, err = readAll(fs, f.path, 1<<32); err != nil {
				return 0, err
			}
		}
		if h, err = l.replay(f, b, limit); err != nil {
			return 0, err
		}
	}
	for _, g := range l.groups {
		if g.first < g.base {
			return 0, &CorruptError{File: chain[0].path, Reason: fmt.Sprintf("entries %d to %d of group %d are in a file that is missing", g.first, g.base-1, g.id)}
		}
	}
	end := chain[len(chain)-1]
	l.files, l.prev = chain, &parent{number: end.number, valid: end.size}
	return h.lanes, l.forget(files, chain, nil)
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
		b, err := readAll(fs, f.path, 1<<32)
		if err != nil {
			return nil, nil, err
		}
		var h head
		ready := false
		_, err = scan(b, f, -1, func(r record, offset uint32) error {
			var err error
			switch {
			case offset == 0:
				h, err = r.head()
			case r.kind == kindReady:
				ready = true
			}
			return err
		})
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

func readHead(fs vfs.FS, f *file) (head, error) {
	b, err := readAll(fs, f.path, headerSize+32)
	if err != nil {
		return head{}, err
	}
	r, err := decodeRecord(b, f.number, 0)
	if err != nil {
		return head{}, &CorruptError{File: f.path, Reason: err.Error()}
	}
	h, err := r.head()
	if err != nil {
		return head{}, &CorruptError{File: f.path, Reason: err.Error()}
	}
	return h, nil
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

// replay applies the records of one file to the lane's memory.
func (l *lane) replay(f *file, b []byte, limit int64) (head, error) {
	p := replayer{lane: l, file: f, carried: map[uint32]bool{}}
	end, err := scan(b, f, limit, p.visit)
	f.size = end
	if err == nil && limit < 0 && p.follower != 0 {
		err = &CorruptError{File: l.newFile(p.follower).path, Reason: "file is missing, " + f.path + " names it as its follower"}
	}
	return p.head, err
}

type replayer struct {
	lane     *lane
	file     *file
	head     head
	ready    bool
	carried  map[uint32]bool // groups that the head of the file knows
	follower uint64
}

var (
	errHeadKind = errors.New("record does not belong there in a file")
	errSpan     = errors.New("carried over entries are not those of the older files")
	errGap      = errors.New("entry does not adjoin the one before")
)

func (p *replayer) visit(r record, offset uint32) error {
	if offset == 0 {
		h, err := r.head()
		if err == nil && h.lane != p.lane.number {
			err = fmt.Errorf("file is of lane %d", h.lane)
		}
		p.head = h
		return err
	}
	carrying := r.kind == kindSpan || r.kind == kindReady
	if r.kind == kindHead || p.ready && carrying || !p.ready && !carrying && r.kind != kindStable {
		return errHeadKind
	}
	l := p.lane
	switch r.kind {
	case kindSpan:
		return p.span(r)
	case kindReady:
		return p.begin()
	case kindStable:
		key, value, err := r.stable()
		if err == nil {
			l.group(r.group).stable[key] = bytes.Clone(value)
			if !p.ready {
				p.carried[r.group] = p.carried[r.group] || false
			}
		}
		return err
	case kindEntry:
		return p.entry(r, offset)
	case kindPrefix, kindSuffix, kindEnd:
		n, err := r.numbers(1)
		if err != nil {
			return err
		}
		switch r.kind {
		case kindPrefix:
			l.group(r.group).trimPrefix(n[0], l.drop)
		case kindSuffix:
			l.group(r.group).trimSuffix(n[0], l.drop)
		case kindEnd:
			p.follower = n[0]
		}
	case kindDrop:
		l.dropGroup(r.group)
	case kindMark:
	default:
		return fmt.Errorf("unknown kind %d", r.kind)
	}
	return nil
}

// span checks and completes a group by what was known when the file was
// started.
func (p *replayer) span(r record) error {
	n, err := r.numbers(2)
	if err != nil {
		return err
	}
	first, last := n[0], n[1]
	if first == 0 || last < first || last == 1<<64-1 {
		return errSpan
	}
	p.carried[r.group] = true
	g := p.lane.group(r.group)
	if g.first == 0 {
		// In older files that are gone; later records must delete it.
		g.first, g.base = first, last+1
		return nil
	}
	if g.last() != last || first < g.first {
		return errSpan
	}
	g.trimPrefix(first, p.lane.drop)
	return nil
}

// begin is called at the ready record: a group that was not carried over was
// gone, and one without a span was empty.
func (p *replayer) begin() error {
	p.ready = true
	for id, g := range p.lane.groups {
		spanned, known := p.carried[id]
		switch {
		case !known:
			p.lane.dropGroup(id)
		case !spanned:
			g.trimSuffix(0, p.lane.drop)
		}
	}
	return nil
}

func (p *replayer) entry(r record, offset uint32) error {
	var e hraft.Log
	if err := r.entry(&e); err != nil {
		return err
	}
	g := p.lane.group(r.group)
	if e.Index == 0 || g.first != 0 && e.Index != g.last()+1 {
		return errGap
	}
	if p.lane.cache.limit > 0 {
		// The file's bytes must not be held by one entry.
		e.Data, e.Extensions = bytes.Clone(e.Data), bytes.Clone(e.Extensions)
	}
	p.lane.add(g, &e, p.file, offset, r.size)
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
