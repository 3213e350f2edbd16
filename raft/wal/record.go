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
	formatVersion = 1
	headerSize    = 32
	bodyMax       = 256 << 20 // largest body of a record
	logFixed      = 32        // bytes of a log record's body before its extensions
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
)

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
}

func (e *encoder) begin(k kind, group uint32) {
	e.start = len(e.buf)
	e.buf = append(e.buf, magic0, magic1, magic2, byte(k))
	e.buf = append(e.buf, 0, 0, 0, 0, 0, 0, 0, 0) // checksum and length
	e.buf = binary.LittleEndian.AppendUint32(e.buf, group)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, e.file)
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
	if binary.LittleEndian.Uint64(b[16:]) != file || binary.LittleEndian.Uint32(b[24:]) != offset {
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
