package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	hraft "github.com/hashicorp/raft"
)

// The numbers here are the format; docs/format/wal.md describes every byte.
const (
	formatVersion = 3
	oldestVersion = 1 // that can be read
	headerSize    = 32
	bodyMax       = 256 << 20 // largest body of a record
	logFixed      = 32        // bytes of a log record's body before its extensions
	whyMax        = 1 << 10   // bytes of the name and of the reason in a lost record
)

const (
	magic0 = 'S'
	magic1 = 'w'
	magic2 = 'R'
)

type kind uint8

const (
	kindHead   kind = 1  // first record of a file
	kindStable kind = 2  // a key and its value
	kindSpan   kind = 3  // carried over: the group has entries first..last in older files
	kindReady  kind = 4  // everything that had to be carried over is above
	kindEntry  kind = 5  // a Raft log entry
	kindPrefix kind = 6  // entries below an index are gone
	kindSuffix kind = 7  // entries from an index on are gone
	kindDrop   kind = 8  // the group is gone
	kindMark   kind = 9  // nothing; brings a newer synced offset
	kindEnd    kind = 10 // the lane goes on in another file, which is durable
	kindGroups kind = 11 // the groups of which something is carried over
	kindLost   kind = 12 // carried over: the group was found damaged and is to be dropped
	kindPad    kind = 13 // nothing; fills a page
)

// ofGroup reports whether records of the kind say something of a group.
func (k kind) ofGroup() bool {
	switch k {
	case kindStable, kindSpan, kindEntry, kindPrefix, kindSuffix, kindDrop, kindLost:
		return true
	}
	return false
}

var (
	errTorn   = errors.New("record is cut off")
	errMagic  = errors.New("not a record")
	errLength = errors.New("impossible length")
	errCRC    = errors.New("checksum mismatch")
	errPlace  = errors.New("record does not name this place")
	errBody   = errors.New("body does not fit its kind")
)

// record is one decoded record; body shares the bytes it was decoded from.
type record struct {
	kind   kind
	group  uint32
	before uint32 // offset of the group's record before this one in the file, 0: none
	synced uint32
	size   int // header and body
	body   []byte
}

func checksum(b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // returns a shared table
	return crc32.Update(crc32.Checksum(b[:4], table), table, b[8:])
}

// encoder builds records for one place in one file.
type encoder struct {
	file   uint64
	offset uint32 // of the next record
	synced uint32 // everything below is durable
	buf    []byte
	start  int // of the open record in buf
	newest map[uint32]newest
}

// newest is where a group's last record is in a file: of all that were encoded,
// and of those that were durable when the next one was.
type newest struct{ at, durable uint32 }

// note enters a record of a group and returns where the one before it is.
func (e *encoder) note(group uint32) (before uint32) {
	if e.newest == nil {
		e.newest = map[uint32]newest{}
	}
	n := e.newest[group]
	before = n.at
	if n.at < e.synced {
		n.durable = n.at
	}
	n.at = e.offset
	e.newest[group] = n
	return before
}

// durable returns where the last durable record of a group is, 0: nowhere.
func (e *encoder) durable(group uint32) uint32 {
	n := e.newest[group]
	if n.at < e.synced {
		return n.at
	}
	return n.durable
}

func (e *encoder) begin(k kind, group uint32) {
	e.start = len(e.buf)
	before := uint32(0)
	if k.ofGroup() {
		before = e.note(group)
	}
	e.buf = append(e.buf, magic0, magic1, magic2, byte(k))
	e.buf = append(e.buf, 0, 0, 0, 0, 0, 0, 0, 0) // checksum and length
	e.buf = binary.LittleEndian.AppendUint32(e.buf, group)
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(e.file))
	e.buf = binary.LittleEndian.AppendUint32(e.buf, before)
	e.buf = binary.LittleEndian.AppendUint32(e.buf, e.offset)
	e.buf = binary.LittleEndian.AppendUint32(e.buf, e.synced)
}

func (e *encoder) end() {
	r := e.buf[e.start:]
	binary.LittleEndian.PutUint32(r[8:], uint32(len(r)-headerSize))
	binary.LittleEndian.PutUint32(r[4:], checksum(r))
	e.offset += uint32(len(r))
}

func (e *encoder) numbers(k kind, group uint32, numbers ...uint64) {
	e.begin(k, group)
	for _, n := range numbers {
		e.buf = binary.LittleEndian.AppendUint64(e.buf, n)
	}
	e.end()
}

// ids writes a record of numbers and group numbers.
func (e *encoder) ids(k kind, ids []uint32, numbers ...uint64) {
	e.begin(k, 0)
	for _, n := range numbers {
		e.buf = binary.LittleEndian.AppendUint64(e.buf, n)
	}
	for _, id := range ids {
		e.buf = binary.LittleEndian.AppendUint32(e.buf, id)
	}
	e.end()
}

// mark says that everything before it is durable, and of some groups where
// their last record is.
func (e *encoder) mark(groups []uint32) {
	e.begin(kindMark, 0)
	for _, id := range groups {
		e.buf = binary.LittleEndian.AppendUint32(e.buf, id)
		e.buf = binary.LittleEndian.AppendUint32(e.buf, e.newest[id].at)
	}
	e.end()
}

// pad fills so many bytes, at least a header's.
func (e *encoder) pad(bytes int) {
	e.begin(kindPad, 0)
	e.buf = append(e.buf, make([]byte, bytes-headerSize)...)
	e.end()
}

// lost carries over where the damage is for which a group is to be dropped.
func (e *encoder) lost(group uint32, why *CorruptError) {
	e.begin(kindLost, group)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, uint64(why.Offset))
	name := why.File[:min(len(why.File), whyMax)]
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(name)))
	e.buf = append(e.buf, name...)
	e.buf = append(e.buf, why.Reason[:min(len(why.Reason), whyMax)]...)
	e.end()
}

func (e *encoder) stable(group uint32, key string, value []byte) {
	e.begin(kindStable, group)
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(key)))
	e.buf = append(e.buf, key...)
	e.buf = append(e.buf, value...)
	e.end()
}

func (e *encoder) entry(group uint32, l *hraft.Log) {
	e.begin(kindEntry, group)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, l.Index)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, l.Term)
	var at int64
	if !l.AppendedAt.IsZero() {
		at = l.AppendedAt.UnixNano()
	}
	e.buf = binary.LittleEndian.AppendUint64(e.buf, uint64(at))
	e.buf = append(e.buf, byte(l.Type), 0, 0, 0)
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(l.Extensions)))
	e.buf = append(e.buf, l.Extensions...)
	e.buf = append(e.buf, l.Data...)
	e.end()
}

// decodeRecord reads the record that must start at b[0], which is at offset of
// file.
func decodeRecord(b []byte, file uint64, offset uint32) (record, error) {
	if len(b) < headerSize {
		return record{}, errTorn
	}
	if b[0] != magic0 || b[1] != magic1 || b[2] != magic2 {
		return record{}, errMagic
	}
	// The place is compared before the checksum so that a search through bytes
	// that look like records stays linear.
	if binary.LittleEndian.Uint32(b[16:]) != uint32(file) || binary.LittleEndian.Uint32(b[24:]) != offset {
		return record{}, errPlace
	}
	length := binary.LittleEndian.Uint32(b[8:])
	if length > bodyMax {
		return record{}, errLength
	}
	size := headerSize + int(length)
	if size > len(b) {
		return record{}, errTorn
	}
	if binary.LittleEndian.Uint32(b[4:]) != checksum(b[:size]) {
		return record{}, errCRC
	}
	return record{
		kind:   kind(b[3]),
		group:  binary.LittleEndian.Uint32(b[12:]),
		before: binary.LittleEndian.Uint32(b[20:]),
		synced: binary.LittleEndian.Uint32(b[28:]),
		size:   size,
		body:   b[headerSize:size:size],
	}, nil
}

// numbers decodes a body that is exactly n unsigned 64-bit numbers.
func (r *record) numbers(n int) ([4]uint64, error) {
	var out [4]uint64
	if len(r.body) != 8*n || n > len(out) {
		return out, errBody
	}
	for i := range n {
		out[i] = binary.LittleEndian.Uint64(r.body[8*i:])
	}
	return out, nil
}

// ids decodes a body of group numbers after n numbers.
func (r *record) ids(n int) ([]uint32, error) {
	if len(r.body) < 8*n || len(r.body)%4 != 0 {
		return nil, errBody
	}
	ids := make([]uint32, 0, (len(r.body)-8*n)/4)
	for b := r.body[8*n:]; len(b) > 0; b = b[4:] {
		ids = append(ids, binary.LittleEndian.Uint32(b))
	}
	return ids, nil
}

func (r *record) stable() (key string, value []byte, err error) {
	if len(r.body) < 4 {
		return "", nil, errBody
	}
	n := uint64(binary.LittleEndian.Uint32(r.body))
	if 4+n > uint64(len(r.body)) {
		return "", nil, errBody
	}
	return string(r.body[4 : 4+n]), r.body[4+n:], nil
}

// why decodes a lost record.
func (r *record) why() (*CorruptError, error) {
	if len(r.body) < 12 {
		return nil, errBody
	}
	n := uint64(binary.LittleEndian.Uint32(r.body[8:]))
	if 12+n > uint64(len(r.body)) {
		return nil, errBody
	}
	return &CorruptError{
		File: string(r.body[12 : 12+n]), Offset: int64(binary.LittleEndian.Uint64(r.body)), Reason: string(r.body[12+n:]),
	}, nil
}

// entry decodes an entry record into out, which shares the record's bytes.
func (r *record) entry(out *hraft.Log) error {
	if len(r.body) < logFixed {
		return errBody
	}
	extensions := uint64(binary.LittleEndian.Uint32(r.body[28:]))
	if logFixed+extensions > uint64(len(r.body)) {
		return errBody
	}
	rest := r.body[logFixed:]
	*out = hraft.Log{
		Index: binary.LittleEndian.Uint64(r.body),
		Term:  binary.LittleEndian.Uint64(r.body[8:]),
		Type:  hraft.LogType(r.body[24]),
		Data:  rest[extensions:],
	}
	if extensions > 0 {
		out.Extensions = rest[:extensions:extensions]
	}
	if at := int64(binary.LittleEndian.Uint64(r.body[16:])); at != 0 {
		out.AppendedAt = time.Unix(0, at).UTC()
	}
	return nil
}
