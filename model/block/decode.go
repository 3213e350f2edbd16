package block

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"github.com/stere-log/stere/model"
)

// Decode reads a block. Its strings may share memory with src, which must not
// change as long as they are used.
func Decode(src []byte) (*Block, error) { return decodeAs(src, false, ownRoom) }

// DecodePacked is Decode for one who needs one column at a time: cells are checked,
// and read when a column is unpacked. Cells of a record take more memory than its
// texts do.
func DecodePacked(src []byte) (*Block, error) { return decodeAs(src, true, ownRoom) }

// ownRoom returns empty memory for a body that nobody else has.
func ownRoom(size int) []byte { return make([]byte, 0, size) }

// decodeAs decodes a block, packed or not, whose body is unpacked into what room returns.
func decodeAs(src []byte, packed bool, room func(size int) []byte) (*Block, error) {
	b, err := decode(src, packed, room)
	if err != nil {
		return nil, fmt.Errorf("decode block: %w", err)
	}
	return b, nil
}

// Rows returns how many records a block has, from its header alone.
func Rows(src []byte) (int, error) {
	if len(src) < 2 || !isVersion(src[0]) {
		return 0, fmt.Errorf("read block header: %w", ErrCorrupt)
	}
	rows, size := binary.Uvarint(src[2:])
	if size <= 0 || rows > RowsMax {
		return 0, fmt.Errorf("read block header: %w", ErrCorrupt)
	}
	return int(rows), nil
}

// BodySize returns how many bytes a block takes when it is read, from its
// header alone, 0 if that cannot be read.
func BodySize(src []byte) int {
	if len(src) < 2 || !isVersion(src[0]) {
		return 0
	}
	header := reader{src: src[2:]}
	header.count(RowsMax)
	size := header.count(BodyMax)
	if header.bad {
		return 0
	}
	return size
}

func decode(src []byte, packed bool, room func(size int) []byte) (*Block, error) {
	if len(src) < 6 {
		return nil, fmt.Errorf("%d bytes: %w", len(src), ErrCorrupt)
	}
	if !isVersion(src[0]) {
		return nil, fmt.Errorf("version %d, want %d or %d: %w", src[0], VersionPlain, Version, ErrCorrupt)
	}
	sum := len(src) - 4
	if crc32.Checksum(src[:sum], castagnoli) != binary.LittleEndian.Uint32(src[sum:]) {
		return nil, fmt.Errorf("checksum differs: %w", ErrCorrupt)
	}
	header := reader{src: src[2:sum]}
	rows := header.count(RowsMax)
	size := header.count(BodyMax)
	if header.bad {
		return nil, fmt.Errorf("header: %w", ErrCorrupt)
	}
	body, err := decompress(src[1], header.src[header.at:], size, room)
	if err != nil {
		return nil, err
	}
	r := reader{plain: src[0] == VersionPlain, check: packed}
	if packed {
		r.room = &Room{}
	}
	return decodeBody(body, rows, r)
}

// sizelessMax is the longest content whose frame need not tell its length.
const sizelessMax = 255

func decompress(kind byte, packed []byte, size int, room func(size int) []byte) ([]byte, error) {
	switch kind {
	case bodyRaw:
		if len(packed) == size {
			return packed, nil
		}
	case bodyZstd:
		// The frame must claim what the header claims before there is room for it.
		var frame zstd.Header
		if frame.Decode(packed) != nil || frame.HasFCS && frame.FrameContentSize != uint64(size) || !frame.HasFCS && size > sizelessMax {
			break
		}
		if body, err := decompressor().DecodeAll(packed, room(size)); err == nil && len(body) == size {
			return body, nil
		}
	}
	return nil, fmt.Errorf("body of kind %d with %d bytes: %w", kind, size, ErrCorrupt)
}

// decodeBody reads a body with a reader that has none yet.
func decodeBody(body []byte, rows int, r reader) (*Block, error) {
	r.src = body
	if 2*rows > len(body) {
		return nil, fmt.Errorf("%d rows in %d bytes: %w", rows, len(body), ErrCorrupt)
	}
	b := &Block{Times: make([]int64, rows)}
	r.times(b.Times)
	b.TimeDigits = r.bytes(rows)
	columns := r.count(min(ColumnsMax, r.left()))
	b.Columns = make([]Column, 0, columns)
	cells := 0
	for range columns {
		c := r.column(rows, CellsMax-cells)
		if r.bad {
			break
		}
		if n := len(b.Columns); n > 0 && !before(&b.Columns[n-1], &c) {
			return nil, fmt.Errorf("column %q is out of order: %w", c.Name, ErrCorrupt)
		}
		cells += c.Cells()
		b.Columns = append(b.Columns, c)
	}
	if r.bad || r.left() != 0 {
		return nil, fmt.Errorf("body with %d bytes left: %w", r.left(), ErrCorrupt)
	}
	return b, nil
}

// before reports whether a column comes strictly before another.
func before(a, b *Column) bool {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) < 0
}

// reader consumes a body. After the first fault it is bad and gives zeros. It
// moves an offset rather than the slice: a pointer stored for every number is
// one that the collector may have to hear of.
type reader struct {
	src []byte
	at  int
	bad bool

	plain bool   // the version is VersionPlain
	check bool   // cells are checked and not kept
	texts string // for that: the values of the column at hand
	room  *Room  // where cells go; nil: into memory of their own
}

func (r *reader) fail() {
	r.bad = true
	r.src, r.at = nil, 0
}

// left returns how many bytes there are.
func (r *reader) left() int { return len(r.src) - r.at }

// times fills in the times of all rows.
func (r *reader) times(list []int64) {
	last := int64(0)
	for i := range list {
		last += r.varint()
		list[i] = last
	}
	if r.plain {
		return
	}
	for i, milliseconds := range list {
		list[i] = milliseconds*millisecond + int64(r.count(millisecond-1)) // may wrap, and back
	}
}

func (r *reader) varint() int64 {
	v, size := binary.Varint(r.src[r.at:])
	if size <= 0 {
		r.fail()
		return 0
	}
	r.at += size
	return v
}

// count reads a number from 0 to limit.
func (r *reader) count(limit int) int {
	if r.at < len(r.src) && r.src[r.at] < 0x80 && int(r.src[r.at]) <= limit {
		v := int(r.src[r.at])
		r.at++
		return v
	}
	return r.longCount(limit)
}

// longCount is count for numbers of any length.
func (r *reader) longCount(limit int) int {
	v, size := binary.Uvarint(r.src[r.at:])
	if size <= 0 || v > uint64(limit) {
		r.fail()
		return 0
	}
	r.at += size
	return int(v)
}

func (r *reader) bytes(length int) []byte {
	if length > r.left() {
		r.fail()
		return nil
	}
	taken := r.src[r.at : r.at+length : r.at+length]
	r.at += length
	return taken
}

// text returns bytes as a string that shares their memory.
func (r *reader) text(length int) string {
	taken := r.bytes(length)
	return unsafe.String(unsafe.SliceData(taken), len(taken))
}

func (r *reader) column(rows, cellsMax int) Column {
	c := Column{Name: r.text(r.count(r.left()))}
	if kind := r.bytes(1); !r.bad {
		c.Kind = model.Kind(kind[0])
	}
	if !c.Kind.Valid() {
		r.fail()
	}
	from, src := r.at, r.src
	r.cells(&c, rows, cellsMax)
	if r.bad {
		return Column{}
	}
	if r.check {
		c.packed, c.texts, c.rows, c.plain = src[from:r.at:r.at], r.texts, rows, r.plain
		c.Rows, c.Codes, c.Values = nil, nil, nil
	}
	return c
}

// cells reads what a column has beside its name and kind.
func (r *reader) cells(c *Column, rows, cellsMax int) {
	count := r.count(min(rows, cellsMax))
	if r.bad || count == 0 {
		r.fail()
		return
	}
	if count < rows {
		c.Rows = r.rows(count, rows)
	}
	values := r.count(min(count, r.left()))
	if r.bad || values == 0 {
		r.fail()
		return
	}
	c.Values = r.values(values)
	c.Codes = r.codes(count, values)
	if r.check {
		c.cells, c.distinct = count, values
	}
}

// Lists of a column.
const (
	listRows = iota
	listCodes
)

// list returns memory for numbers of a column: zeros, but in a room.
func (r *reader) list(which, count int) []uint32 {
	if r.room == nil {
		return make([]uint32, count)
	}
	list := &r.room.lists[which]
	if cap(*list) < count {
		*list = make([]uint32, count)
	}
	return (*list)[:count]
}

// strings returns memory for the values of a column.
func (r *reader) strings(count int) []string {
	if r.room == nil {
		return make([]string, count)
	}
	if cap(r.room.values) < count {
		r.room.values = make([]string, count)
	}
	return r.room.values[:count]
}

func (r *reader) rows(count, rows int) []uint32 {
	if count > r.left() {
		r.fail()
		return nil
	}
	list := r.list(listRows, count)
	next := 0
	for i := range list {
		next += r.count(rows)
		if next >= rows {
			r.fail()
			return nil
		}
		list[i] = uint32(next)
		next++
	}
	return list
}

func (r *reader) values(count int) []string {
	again := *r // once for the sum, once for the texts
	total := 0
	for range count {
		if total += r.count(BodyMax); total > r.left() {
			r.fail()
			return nil
		}
	}
	text := r.text(total)
	if r.check {
		r.texts = text
	}
	if r.bad || r.check {
		return nil
	}
	list := r.strings(count)
	at := 0
	for i := range list {
		end := at + again.count(BodyMax)
		list[i] = text[at:end]
		at = end
	}
	return list
}

func (r *reader) codes(count, values int) []uint32 {
	width := codeWidth(values, count)
	packed := r.bytes(count * width)
	if r.bad {
		return nil
	}
	codes := r.list(listCodes, count)
	if width == 0 && r.check {
		return codes // which are not written
	}
	switch {
	case width == 0:
		if values == count {
			for i := range codes {
				codes[i] = uint32(i)
			}
		} else {
			clear(codes)
		}
	case width == widthByte:
		for i, code := range packed {
			codes[i] = uint32(code)
		}
	case !r.plain:
		agedCodes(codes, packed, width, uint32(values))
	case width == widthShort:
		for i := range codes {
			codes[i] = uint32(binary.LittleEndian.Uint16(packed[2*i:]))
		}
	default:
		for i := range codes {
			codes[i] = binary.LittleEndian.Uint32(packed[4*i:])
		}
	}
	for _, code := range codes {
		if int(code) >= values {
			r.fail()
			return nil
		}
	}
	return codes
}

// agedCodes reads codes that are written as ages, in planes. An age that no code has gives one
// that is too large. Once all values have come no code is new: 0 is then the age that has one
// bit more than there is room for, of the first of 65,536 values behind the last one.
func agedCodes(codes []uint32, packed []byte, width int, values uint32) {
	clear(codes)
	for plane := range width {
		for i, b := range packed[plane*len(codes):][:len(codes)] {
			codes[i] |= uint32(b) << (8 * plane)
		}
	}
	next := uint32(0)
	for i, age := range codes {
		switch {
		case age > 0:
			codes[i] = next - age
		case next < values:
			codes[i] = next
			next++
		default:
			codes[i] = next - 1<<(8*width)
		}
	}
}

func isVersion(version byte) bool { return version == Version || version == VersionPlain }
