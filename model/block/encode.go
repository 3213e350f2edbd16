package block

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"github.com/stere-log/stere/model"
)

// Limits of one block. Encode and Decode keep them both.
const (
	RowsMax    = 1 << 20   // records
	ColumnsMax = 1 << 16   // pairs of a field name and a kind
	CellsMax   = 1 << 24   // fields of all records together
	BodyMax    = 128 << 20 // bytes before compression
)

// Version is the format that Encode writes.
const Version = 3

// VersionPlain is the format before, which is read too, and written while others do not
// read Version: its times are differences in nanoseconds, its codes stand as they are.
const VersionPlain = 2

// ErrLimit says that records exceed a limit of blocks: send fewer at once.
var ErrLimit = errors.New("batch exceeds a limit of blocks")

// ErrCorrupt says that bytes do not follow the format.
var ErrCorrupt = errors.New("corrupt block")

// How a body is compressed.
const (
	bodyRaw  = 0
	bodyZstd = 1 // a frame without checksum
)

// How codes are written; with as many values as rows they are 0, 1, 2 …, and
// with one value all 0, and nothing is written at all.
const (
	widthByte  = 1
	widthShort = 2
	widthLong  = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encoders keeps encoders and their tables between calls of Encode.
var encoders = sync.Pool{New: func() any { return newEncoder() }}

// Encode appends the block of records to dst. Records keep their order, and
// no field may occur twice in one record.
func Encode(dst []byte, records []model.Record) ([]byte, error) {
	return EncodeAs(Version, dst, records)
}

// EncodeAs is Encode for a version: Version or VersionPlain.
func EncodeAs(version byte, dst []byte, records []model.Record) ([]byte, error) {
	if !isVersion(version) {
		return nil, fmt.Errorf("encode block: version %d, want %d or %d", version, VersionPlain, Version)
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.version = version
	out, err := e.encode(dst, records)
	if err != nil {
		return nil, fmt.Errorf("encode block: %w", err)
	}
	return out, nil
}

// encoder turns the fields of records into columns. It keeps the columns from
// block to block: the next one mostly has the same, of like size and in the same
// order of fields.
type encoder struct {
	seed   maphash.Seed
	ids    map[columnKey]*builder
	sorted []*builder // all columns, by name and kind if inOrder
	used   []*builder // those with cells in this block, in order of appearance
	first  guess      // of a record

	inOrder bool
	version byte
	body    []byte
	packed  []byte
}

type columnKey struct {
	name string
	kind model.Kind
}

// builder is a column that grows.
type builder struct {
	columnKey
	next   guess
	rows   []uint32
	codes  []uint32
	values []string
	hashes []uint64 // of values
	slots  []uint32 // open addressing: code+1, or 0; a power of two of them
	bytes  int
}

// guess is which two columns came at a place, the last one first. Two, because
// sources that take turns make one wrong every other time.
type guess struct{ last, before *builder }

// What is kept between blocks; what grew beyond is given back.
const (
	keptBody    = 8 << 20 // bytes of the body
	keptBytes   = 8 << 20 // of all columns
	keptColumns = 1 << 12
	keptCells   = 1 << 16 // of one column
	slotsMin    = 16
)

func newEncoder() *encoder {
	return &encoder{version: Version, seed: maphash.MakeSeed(), ids: map[columnKey]*builder{}}
}

// encode appends the block of records to dst and empties the encoder.
func (e *encoder) encode(dst []byte, records []model.Record) ([]byte, error) {
	defer e.reset()
	if err := e.add(records); err != nil {
		return nil, err
	}
	if err := e.write(records); err != nil {
		return nil, err
	}
	return e.seal(dst, len(records)), nil
}

// reset drops the strings of the last block, which belong to the caller.
func (e *encoder) reset() {
	for _, c := range e.used {
		c.reset()
	}
	clear(e.used)
	e.used = e.used[:0]
	total := 0
	for _, c := range e.sorted {
		total += 4*cap(c.rows) + 4*cap(c.codes) + 16*cap(c.values) + 8*cap(c.hashes) + 4*cap(c.slots)
	}
	if len(e.sorted) > keptColumns || total > keptBytes {
		e.ids, e.sorted, e.used, e.first = map[columnKey]*builder{}, nil, nil, guess{}
	}
	if e.body = e.body[:0]; cap(e.body) > keptBody {
		e.body, e.packed = nil, nil
	}
}

// reset empties a column.
func (c *builder) reset() {
	if cap(c.codes) > keptCells || len(c.slots) > slotsMin && len(c.values) < len(c.slots)/32 {
		*c = builder{columnKey: c.columnKey, next: c.next, slots: make([]uint32, slotsMin)}
		return
	}
	clear(c.values)
	clear(c.slots)
	c.rows, c.codes, c.values, c.hashes, c.bytes = c.rows[:0], c.codes[:0], c.values[:0], c.hashes[:0], 0
}

func (e *encoder) add(records []model.Record) error {
	if len(records) > RowsMax {
		return fmt.Errorf("%d records, at most %d: %w", len(records), RowsMax, ErrLimit)
	}
	cells := 0
	for row := range records {
		fields := records[row].Fields
		if cells += len(fields); cells > CellsMax {
			return fmt.Errorf("more than %d fields: %w", CellsMax, ErrLimit)
		}
		guess := &e.first
		for i := range fields {
			field := &fields[i]
			c := guess.last
			if c == nil || c.kind != field.Kind || c.name != field.Name {
				var err error
				if c, err = e.column(field, guess); err != nil {
					return err
				}
			}
			guess = &c.next
			if n := len(c.rows); n == 0 {
				if len(e.used) == ColumnsMax {
					return fmt.Errorf("more than %d columns: %w", ColumnsMax, ErrLimit)
				}
				e.used = append(e.used, c)
			} else if c.rows[n-1] == uint32(row) {
				return fmt.Errorf("record %d has the field %q twice", row, field.Name)
			}
			c.rows = append(c.rows, uint32(row))
			c.codes = append(c.codes, c.code(e.seed, field.Text))
		}
	}
	return nil
}

// column returns a field's column, which is not the one that came last time at
// this place. Records of one source have the same fields in the same order, so
// this is rare.
func (e *encoder) column(field *model.Field, place *guess) (*builder, error) {
	if c := place.before; c != nil && c.kind == field.Kind && c.name == field.Name {
		place.last, place.before = c, place.last
		return c, nil
	}
	c := e.ids[columnKey{field.Name, field.Kind}]
	if c == nil {
		if !field.Kind.Valid() {
			return nil, fmt.Errorf("field %q has the unknown kind %d", field.Name, field.Kind)
		}
		// The name outlives the records.
		c = &builder{columnKey: columnKey{strings.Clone(field.Name), field.Kind}, slots: make([]uint32, slotsMin)}
		e.ids[c.columnKey] = c
		e.sorted = append(e.sorted, c)
		e.inOrder = false
	}
	place.last, place.before = c, place.last
	return c, nil
}

// code returns the code of a value and makes one if it is new.
func (c *builder) code(seed maphash.Seed, value string) uint32 {
	if n := len(c.codes); n > 0 {
		if last := c.codes[n-1]; c.values[last] == value {
			return last
		}
	}
	hash := maphash.String(seed, value)
	mask := uint64(len(c.slots) - 1)
	at := hash & mask
	for ; c.slots[at] != 0; at = (at + 1) & mask {
		code := c.slots[at] - 1
		if c.hashes[code] == hash && c.values[code] == value {
			return code
		}
	}
	code := uint32(len(c.values))
	c.values = append(c.values, value)
	c.hashes = append(c.hashes, hash)
	c.bytes += len(value)
	c.slots[at] = code + 1
	if len(c.values) > len(c.slots)/2 {
		c.rehash()
	}
	return code
}

func (c *builder) rehash() {
	c.slots = make([]uint32, 4*len(c.slots))
	mask := uint64(len(c.slots) - 1)
	for code, hash := range c.hashes {
		at := hash & mask
		for c.slots[at] != 0 {
			at = (at + 1) & mask
		}
		c.slots[at] = uint32(code) + 1
	}
}

// write fills the body.
func (e *encoder) write(records []model.Record) error {
	size := 24*len(records) + 64
	for _, c := range e.used {
		size += len(c.name) + c.bytes + 5*len(c.values) + 9*len(c.codes) + 16
	}
	if size > BodyMax {
		return fmt.Errorf("about %d bytes, at most %d: %w", size, BodyMax, ErrLimit)
	}
	body := e.body[:0]
	if cap(body) < size { // growing would copy what is there
		body = make([]byte, 0, size)
	}
	body = e.appendTimes(body, records)
	if !e.inOrder {
		slices.SortFunc(e.sorted, func(a, b *builder) int {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
		})
		e.inOrder = true
	}
	body = binary.AppendUvarint(body, uint64(len(e.used)))
	for _, c := range e.sorted {
		if len(c.rows) > 0 {
			body = c.append(body, len(records), e.version)
		}
	}
	e.body = body
	return nil
}

// appendTimes appends times as milliseconds and what is below, which sources that have no
// finer times leave at 0.
func (e *encoder) appendTimes(dst []byte, records []model.Record) []byte {
	last := int64(0)
	for i := range records {
		now := records[i].Time
		if e.version != VersionPlain {
			now, _ = splitTime(now)
		}
		dst = binary.AppendVarint(dst, now-last) // may wrap; decoding wraps back
		last = now
	}
	for i := range records {
		if e.version == VersionPlain {
			break
		}
		_, rest := splitTime(records[i].Time)
		dst = binary.AppendUvarint(dst, rest)
	}
	for i := range records {
		dst = append(dst, records[i].TimeDigits)
	}
	return dst
}

// millisecond is one in nanoseconds.
const millisecond = 1_000_000

// splitTime returns the milliseconds of a time, rounded down, and the nanoseconds below.
func splitTime(t int64) (milliseconds int64, rest uint64) {
	milliseconds, below := t/millisecond, t%millisecond
	if below < 0 {
		milliseconds--
		below += millisecond
	}
	return milliseconds, uint64(below)
}

func (c *builder) append(dst []byte, rows int, version byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c.name)))
	dst = append(dst, c.name...)
	dst = append(dst, byte(c.kind))
	dst = binary.AppendUvarint(dst, uint64(len(c.rows)))
	if len(c.rows) < rows {
		next := uint32(0)
		for _, row := range c.rows {
			dst = binary.AppendUvarint(dst, uint64(row-next))
			next = row + 1
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.values)))
	for _, value := range c.values {
		dst = binary.AppendUvarint(dst, uint64(len(value)))
	}
	for _, value := range c.values {
		dst = append(dst, value...)
	}
	return appendCodes(dst, c.codes, codeWidth(len(c.values), len(c.codes)), version)
}

// appendCodes appends codes of so many bytes each: small ones as they are, larger ones as
// ages, their low bytes first. Most values of a column of many are new ones, whose age is 0,
// which compresses where ascending codes do not.
// Those of VersionPlain are all as they are.
func appendCodes(dst []byte, codes []uint32, width int, version byte) []byte {
	if width == 0 {
		return dst
	}
	if width == widthByte {
		for _, code := range codes {
			dst = append(dst, byte(code))
		}
		return dst
	}
	if version == VersionPlain {
		for _, code := range codes {
			if width == widthShort {
				dst = binary.LittleEndian.AppendUint16(dst, uint16(code))
			} else {
				dst = binary.LittleEndian.AppendUint32(dst, code)
			}
		}
		return dst
	}
	start := len(dst)
	dst = slices.Grow(dst, width*len(codes))[:start+width*len(codes)]
	for plane := range width {
		to := dst[start+plane*len(codes):][:len(codes)]
		next := uint32(0)
		for i, code := range codes {
			to[i] = byte((next - code) >> (8 * plane))
			if code == next {
				next++
			}
		}
	}
	return dst
}

// codeWidth returns the bytes of each code. Codes number values in order of
// appearance, so with a value for every row nothing has to be written.
func codeWidth(values, rows int) int {
	switch {
	case values == 1 || values == rows:
		return 0
	case values <= 1<<8:
		return widthByte
	case values <= 1<<16:
		return widthShort
	}
	return widthLong
}

// seal appends header, compressed body and checksum. The body is packed aside:
// packing wants room for the worst case, several times what a block takes.
// Blocks are written to the log as they are, so what they save is not written.
func (e *encoder) seal(dst []byte, rows int) []byte {
	kind, packed := byte(bodyRaw), e.body
	if e.packed = compressor().EncodeAll(e.body, e.packed[:0]); len(e.packed) < len(e.body) {
		kind, packed = bodyZstd, e.packed
	}
	start := len(dst)
	dst = slices.Grow(dst, 2+2*binary.MaxVarintLen32+len(packed)+4)
	dst = append(dst, e.version, kind)
	dst = binary.AppendUvarint(dst, uint64(rows))
	dst = binary.AppendUvarint(dst, uint64(len(e.body)))
	dst = append(dst, packed...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}
