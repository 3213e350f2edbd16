package block

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"

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
const Version = 1

// ErrLimit says that records exceed a limit of blocks: send fewer at once.
var ErrLimit = errors.New("batch exceeds a limit of blocks")

// ErrCorrupt says that bytes do not follow the format.
var ErrCorrupt = errors.New("corrupt block")

// How a body is compressed.
const (
	bodyRaw = 0
	bodyS2  = 1
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
	e := encoders.Get().(*encoder)
	defer func() {
		e.reset()
		encoders.Put(e)
	}()
	if err := e.add(records); err != nil {
		return nil, fmt.Errorf("encode block: %w", err)
	}
	if err := e.write(records); err != nil {
		return nil, fmt.Errorf("encode block: %w", err)
	}
	return e.seal(dst, len(records)), nil
}

// encoder turns the fields of records into columns.
type encoder struct {
	seed    maphash.Seed
	columns []*builder
	ids     map[columnKey]int32
	spare   []*builder // kept for their memory
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
	next   int32 // the column that came after this one last time, or -1
	rows   []uint32
	codes  []uint32
	values []string
	hashes []uint32 // of values, to compare before comparing text
	slots  []uint32 // open addressing: code+1, or 0; a power of two of them
	bytes  int
}

// Capacities kept between blocks; what grew beyond is given back.
const (
	spareCells  = 1 << 16
	spareBody   = 16 << 20
	spareBlocks = 1 << 10
	slotsMin    = 16
)

func newEncoder() *encoder {
	return &encoder{seed: maphash.MakeSeed(), ids: map[columnKey]int32{}}
}

// reset drops the strings of the last block, which belong to the caller.
func (e *encoder) reset() {
	for _, c := range e.columns {
		if len(e.spare) == spareBlocks {
			break
		}
		if cap(c.codes) > spareCells || cap(c.values) > spareCells {
			continue
		}
		clear(c.values)
		clear(c.slots)
		*c = builder{rows: c.rows[:0], codes: c.codes[:0], values: c.values[:0], hashes: c.hashes[:0], slots: c.slots}
		e.spare = append(e.spare, c)
	}
	clear(e.columns)
	e.columns = e.columns[:0]
	clear(e.ids)
	if e.body = e.body[:0]; cap(e.body) > spareBody {
		e.body, e.packed = nil, nil
	}
}

func (e *encoder) add(records []model.Record) error {
	if len(records) > RowsMax {
		return fmt.Errorf("%d records, at most %d: %w", len(records), RowsMax, ErrLimit)
	}
	cells, first := 0, int32(-1)
	for row := range records {
		fields := records[row].Fields
		if cells += len(fields); cells > CellsMax {
			return fmt.Errorf("more than %d fields: %w", CellsMax, ErrLimit)
		}
		guess := &first
		for i := range fields {
			field := &fields[i]
			column, err := e.column(field, *guess)
			if err != nil {
				return err
			}
			*guess = column
			c := e.columns[column]
			guess = &c.next
			if n := len(c.rows); n > 0 && c.rows[n-1] == uint32(row) {
				return fmt.Errorf("record %d has the field %q twice", row, field.Name)
			}
			c.rows = append(c.rows, uint32(row))
			c.codes = append(c.codes, c.code(e.seed, field.Text))
		}
	}
	return nil
}

// column returns the number of a field's column. Records of one source have
// the same fields in the same order, so the guess, what followed last time, is
// mostly right and saves the map.
func (e *encoder) column(field *model.Field, guess int32) (int32, error) {
	if guess >= 0 {
		if c := e.columns[guess]; c.kind == field.Kind && c.name == field.Name {
			return guess, nil
		}
	}
	key := columnKey{field.Name, field.Kind}
	if id, ok := e.ids[key]; ok {
		return id, nil
	}
	if !field.Kind.Valid() {
		return 0, fmt.Errorf("field %q has the unknown kind %d", field.Name, field.Kind)
	}
	if len(e.columns) == ColumnsMax {
		return 0, fmt.Errorf("more than %d columns: %w", ColumnsMax, ErrLimit)
	}
	var c *builder
	if n := len(e.spare); n > 0 {
		c, e.spare = e.spare[n-1], e.spare[:n-1]
	} else {
		c = &builder{slots: make([]uint32, slotsMin)}
	}
	c.columnKey, c.next = key, -1
	id := int32(len(e.columns))
	e.columns = append(e.columns, c)
	e.ids[key] = id
	return id, nil
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
		if c.hashes[code] == uint32(hash>>32) && c.values[code] == value {
			return code
		}
	}
	code := uint32(len(c.values))
	c.values = append(c.values, value)
	c.hashes = append(c.hashes, uint32(hash>>32))
	c.bytes += len(value)
	c.slots[at] = code + 1
	if len(c.values) > len(c.slots)/2 {
		c.rehash(seed)
	}
	return code
}

func (c *builder) rehash(seed maphash.Seed) {
	c.slots = make([]uint32, 4*len(c.slots))
	mask := uint64(len(c.slots) - 1)
	for code, value := range c.values {
		at := maphash.String(seed, value) & mask
		for c.slots[at] != 0 {
			at = (at + 1) & mask
		}
		c.slots[at] = uint32(code) + 1
	}
}

// write fills the body.
func (e *encoder) write(records []model.Record) error {
	size := 20*len(records) + 64
	for _, c := range e.columns {
		size += len(c.name) + c.bytes + 5*len(c.values) + 9*len(c.codes) + 16
	}
	if size > BodyMax {
		return fmt.Errorf("about %d bytes, at most %d: %w", size, BodyMax, ErrLimit)
	}
	body := slices.Grow(e.body[:0], size)
	body = appendTimes(body, records)
	slices.SortFunc(e.columns, func(a, b *builder) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	body = binary.AppendUvarint(body, uint64(len(e.columns)))
	for _, c := range e.columns {
		body = c.append(body, len(records))
	}
	e.body = body
	return nil
}

func appendTimes(dst []byte, records []model.Record) []byte {
	last := int64(0)
	for i := range records {
		dst = binary.AppendVarint(dst, records[i].Time-last) // wraps; decoding wraps back
		last = records[i].Time
	}
	for i := range records {
		dst = append(dst, records[i].TimeDigits)
	}
	return dst
}

func (c *builder) append(dst []byte, rows int) []byte {
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
	switch codeWidth(len(c.values), len(c.codes)) {
	case widthByte:
		for _, code := range c.codes {
			dst = append(dst, byte(code))
		}
	case widthShort:
		for _, code := range c.codes {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(code))
		}
	case widthLong:
		for _, code := range c.codes {
			dst = binary.LittleEndian.AppendUint32(dst, code)
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
func (e *encoder) seal(dst []byte, rows int) []byte {
	kind, packed := byte(bodyRaw), e.body
	e.packed = slices.Grow(e.packed[:0], s2.MaxEncodedLen(len(e.body)))
	if p := s2.Encode(e.packed[:cap(e.packed)], e.body); len(p) < len(e.body) {
		kind, packed = bodyS2, p
	}
	start := len(dst)
	dst = slices.Grow(dst, 2+2*binary.MaxVarintLen32+len(packed)+4)
	dst = append(dst, Version, kind)
	dst = binary.AppendUvarint(dst, uint64(rows))
	dst = binary.AppendUvarint(dst, uint64(len(e.body)))
	dst = append(dst, packed...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}
