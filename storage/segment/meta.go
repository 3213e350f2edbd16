package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
)

// ErrCorrupt says that stored bytes are not what Build wrote.
var ErrCorrupt = errors.New("segment is corrupt")

// Limits of what a directory may claim.
const (
	RowsMax    = 1 << 26 // rows of one segment
	columnsMax = 1 << 18 // columns of one segment
)

// Meta describes a segment.
type Meta struct {
	Shard               model.ShardID
	Rows                uint32
	FirstTime, LastTime int64  // Unix ns of the first and the last record
	MinIndex, MaxIndex  uint64 // log indexes of the entries that brought the records
	Bytes               int64  // of all values emitted before the directory
	TextBytes           int64  // of all values of its rows; known to Build, not in the directory
	version             byte
	entries             uint32
	terms               uint32 // chunks of the term index
	schemas             uint32
	columns             []columnMeta
	pageTimes           []int64 // time of the first row of each page
}

// columnMeta describes a column.
type columnMeta struct {
	path    string
	kind    model.Kind
	text    bool   // codes are shapes, text pages follow
	refers  bool   // shapes refer to other columns
	apart   bool   // codes are in a section of their own, after all columns
	follows bool   // codes follow from those of the messages
	single  bool   // every value is one folded word: not in the term index
	count   uint32 // rows that have the field
	dict    uint32 // dictionary entries
	chunks  uint32 // dictionary chunks
	heads   []string
	words   uint32 // first number of its dictionary in the term index
}

// Flags of a column in the directory, beside its kind.
const (
	flagText    = 0x80
	flagSingle  = 0x40
	flagRefers  = 0x20
	flagApart   = 0x10 // from version 3 on
	flagFollows = 0x08 // the same
)

// pages returns how many pages n values take.
func pages(n uint32) uint32 { return (n + PageRows - 1) / PageRows }

// codeBase is the code of the first dictionary entry.
func (c *columnMeta) codeBase() uint32 {
	if c.text {
		return 1
	}
	return 0
}

// AppendBinary appends the directory's bytes; ParseMeta reads them.
func (m *Meta) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = column.Compress(append(dst, m.version), m.appendBody(nil), column.DefaultLevel)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli)), nil
}

func (m *Meta) appendBody(dst []byte) []byte {
	for _, v := range []uint64{uint64(m.Shard), uint64(m.Rows), m.MinIndex, m.MaxIndex, uint64(m.Bytes),
		uint64(m.entries), uint64(m.terms), uint64(m.schemas), uint64(len(m.columns))} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = binary.AppendVarint(dst, m.FirstTime)
	dst = binary.AppendVarint(dst, m.LastTime)
	last := m.FirstTime
	for _, t := range m.pageTimes {
		dst = binary.AppendVarint(dst, t-last)
		last = t
	}
	for i := range m.columns {
		c := &m.columns[i]
		dst = appendString(dst, c.path)
		flags := byte(c.kind)
		if c.text {
			flags |= flagText
		}
		if c.single {
			flags |= flagSingle
		}
		if c.refers {
			flags |= flagRefers
		}
		if c.apart {
			flags |= flagApart
		}
		if c.follows {
			flags |= flagFollows
		}
		dst = append(dst, flags)
		dst = binary.AppendUvarint(dst, uint64(c.count))
		dst = binary.AppendUvarint(dst, uint64(c.dict))
		dst = binary.AppendUvarint(dst, uint64(c.chunks))
		for _, head := range c.heads {
			dst = appendString(dst, head)
		}
	}
	return dst
}

// ParseMeta reads a directory.
func ParseMeta(src []byte) (*Meta, error) {
	if len(src) < 5 || crc32.Checksum(src[:len(src)-4], castagnoli) != binary.LittleEndian.Uint32(src[len(src)-4:]) {
		return nil, fmt.Errorf("directory: %w: checksum does not match", ErrCorrupt)
	}
	if v := src[0]; v < versionRead || v > Version {
		return nil, fmt.Errorf("directory: format version %d, this program reads %d to %d: run the version of Stere that wrote it, or start with a new data folder and send the records again", v, versionRead, Version)
	}
	body, err := column.Decompress(nil, src[1:len(src)-4], frameMax)
	if err != nil {
		return nil, fmt.Errorf("directory: %w: %w", ErrCorrupt, err)
	}
	r := wire.NewReader(body)
	m := &Meta{version: src[0], Shard: model.ShardID(r.Uint32()), Rows: r.Bounded(RowsMax)}
	m.MinIndex, m.MaxIndex, m.Bytes = r.Uvarint(), r.Uvarint(), int64(r.Uvarint())
	m.entries, m.terms, m.schemas = r.Bounded(RowsMax), r.Uint32(), r.Bounded(RowsMax)
	columns := r.Bounded(columnsMax)
	m.FirstTime, m.LastTime = r.Varint(), r.Varint()
	last := m.FirstTime
	for range pages(m.Rows) {
		last += r.Varint()
		m.pageTimes = append(m.pageTimes, last)
		if r.Failed() {
			break
		}
	}
	var words uint32
	for range columns {
		c := columnMeta{path: r.String(), words: words}
		flags := r.Byte()
		known := byte(flagText | flagSingle | flagRefers)
		if m.version > 2 {
			known |= flagApart | flagFollows
		}
		c.kind = model.Kind(flags &^ known)
		flags &= known
		c.text, c.single, c.refers = flags&flagText != 0, flags&flagSingle != 0, flags&flagRefers != 0
		c.apart, c.follows = flags&flagApart != 0, flags&flagFollows != 0
		c.count, c.dict, c.chunks = r.Bounded(m.Rows), r.Bounded(RowsMax), r.Uint32()
		for range c.chunks {
			c.heads = append(c.heads, r.String())
			if r.Failed() {
				break
			}
		}
		if r.Failed() || !c.kind.Valid() || c.chunks != dictChunks(c.dict) || c.follows && (!c.apart || c.text) {
			return nil, fmt.Errorf("directory: %w: column %d", ErrCorrupt, len(m.columns))
		}
		words += c.dict
		m.columns = append(m.columns, c)
	}
	if !r.Done() || m.Rows == 0 {
		return nil, fmt.Errorf("directory: %w", ErrCorrupt)
	}
	return m, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
