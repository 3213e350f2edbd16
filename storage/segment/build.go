package segment

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

// Input is what a segment is built from: some rows (nil: all) of a part.
type Input struct {
	Part part.Part
	Rows *index.DocSet
}

// Options of Build; the zero value is usable.
type Options struct {
	Shard model.ShardID
	// Level is the zstd level of pages and dictionaries, 1 (fast) to 22
	// (small); 0 means 6.
	Level int
	// Version is that of the format: from VersionPlain on; 0 means Version.
	Version byte
}

// ErrEmpty says that the inputs have no rows.
var ErrEmpty = errors.New("no rows to build a segment from")

// ErrTooLarge says that the columns, or the texts of a page or of a chunk of a
// dictionary, are more than readers take: build several segments. A block never
// has too many columns.
var ErrTooLarge = errors.New("columns or texts are too large for a segment")

// Build merges the rows of the inputs in order of (time, record id) into one
// segment and emits its keys and values, keys ascending. It holds one column
// at a time, and up to referenceKept bytes of others for what messages repeat
// and followKept of codes that may follow from theirs: its memory is that, some
// 20 bytes a row and the largest column's distinct values.
func Build(ctx context.Context, inputs []Input, opts Options, emit func(key, value []byte) error) (Meta, error) {
	b := builder{ctx: ctx, opts: opts, out: emit, terms: map[string][]uint32{}}
	if b.opts.Level == 0 {
		b.opts.Level = 6
	}
	b.meta.Shard, b.meta.version = opts.Shard, cmp.Or(opts.Version, Version)
	if v := b.meta.version; v < VersionPlain || v > Version {
		return Meta{}, fmt.Errorf("build segment: version %d, want %d to %d", v, VersionPlain, Version)
	}
	steps := []func() error{
		func() error { return b.open(inputs) },
		b.mergeRows,
		b.buildColumns,
		b.emitFilters,
		b.emitSchemas,
		b.emitTerms,
		b.emitEntries,
		b.emitFollowers,
		b.emitMeta,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Meta{}, fmt.Errorf("build segment: %w", err)
		}
	}
	return b.meta, nil
}

// builder is the state of one Build.
type builder struct {
	ctx     context.Context
	opts    Options
	out     func(key, value []byte) error
	meta    Meta
	sources []source
	rows    uint32
	times   []int64 // of the rows

	entryOf   map[uint64]uint32 // log index -> entry number
	entries   []int64           // log indexes in order of first appearance
	entrySpan [][2]int64        // first and last page of each entry

	schemas schemas

	filterValues []keyValue // of all columns

	followers  []follower
	followKept int // bytes of them
	guide      guideCodes

	terms map[string][]uint32 // word -> dictionary numbers, ascending
	words uint32              // dictionary entries numbered so far
	codes []uint32            // scratch: row -> code + 1 of the column at hand
	few   []uint32            // scratch: rows of a column that few have
	room  part.Room           // scratch: what a source has of the column at hand
	outs  []uint32            // scratch: the places of its rows
	every []uint32            // all rows, once a column has them

	textRoom   textRoom // scratch
	encoder    column.Encoder
	raw        []byte          // scratch: what is encoded and not compressed yet
	packed     []byte          // scratch: what is compressed
	distinct   column.Distinct // scratch: values of the column at hand
	renumbered []uint32        // scratch: their numbers by those of a source

	oversize bool // something could not be read back
}

// source is an input with the rows' places in the output.
type source struct {
	part part.Part
	rows *index.DocSet
	list []uint32 // rows in part numbering, nil: all
	n    uint32
	out  []uint32 // place in the output of the k-th row
}

// outs appends to dst the place in the output of each of the rows, which ascend and
// are among those that the source gives.
func (s *source) outs(dst, rows []uint32) []uint32 {
	if s.list == nil {
		for _, row := range rows {
			dst = append(dst, s.out[row])
		}
		return dst
	}
	k := 0
	for _, row := range rows {
		for s.list[k] != row {
			k++
		}
		dst = append(dst, s.out[k])
	}
	return dst
}

// gather returns what the source has of a column, until the room is used again.
func (s *source) gather(ctx context.Context, c part.Column, room *part.Room) (part.Values, error) {
	if g, ok := c.(part.Gatherer); ok && s.rows == nil {
		return g.GatherInto(ctx, room)
	}
	return c.Gather(ctx, s.rows)
}

func (b *builder) open(inputs []Input) error {
	var total uint64
	for _, in := range inputs {
		s := source{part: in.Part, rows: in.Rows, n: in.Part.Rows()}
		if in.Rows != nil {
			s.list = in.Rows.ToArray()
			s.n = uint32(len(s.list))
		}
		if s.n == 0 {
			continue
		}
		total += uint64(s.n)
		s.out = make([]uint32, 0, s.n)
		b.sources = append(b.sources, s)
	}
	if total == 0 {
		return ErrEmpty
	}
	if total > RowsMax {
		return fmt.Errorf("%d rows are more than a segment holds (%d)", total, RowsMax)
	}
	b.rows = uint32(total)
	b.meta.Rows = b.rows
	return nil
}

// compressCodes is compress for codes.
func (b *builder) compressCodes(codes []uint32) []byte {
	b.raw = b.encoder.AppendCodes(b.raw[:0], codes)
	return b.compress(b.raw)
}

// checksumBytes is the length of the checksum of a value.
const checksumBytes = 4

// emit hands on a key and value with its checksum.
func (b *builder) emit(key, value []byte) error {
	if b.oversize {
		return ErrTooLarge
	}
	value = binary.LittleEndian.AppendUint32(value, crc32.Checksum(value, castagnoli))
	b.meta.Bytes += int64(len(value))
	return b.out(key, value)
}

// cursor walks the rows of a source in windows of PageRows.
type cursor struct {
	source *source
	number uint32
	next   uint32 // k of the first row after the window
	times  []int64
	digits []uint8
	ids    []model.RecordID
	at     int

	index uint64 // of the log, of the last row that was taken: a block is one entry
	entry uint32 // number of that, plus 1
}

func (c *cursor) fill() error {
	hi := min(c.next+PageRows, c.source.n)
	var window *index.DocSet
	if c.source.list == nil {
		window = index.DocSetRange(c.next, hi)
	} else {
		window = index.DocSetOf(c.source.list[c.next:hi]...)
	}
	var err error
	if c.times, err = c.source.part.Times(window); err != nil {
		return err
	}
	if c.digits, err = c.source.part.TimeDigits(window); err != nil {
		return err
	}
	if c.ids, err = c.source.part.IDs(window); err != nil {
		return err
	}
	if len(c.times) != int(hi-c.next) || len(c.ids) != len(c.times) || len(c.digits) != len(c.times) {
		return fmt.Errorf("part gave %d times and %d ids for %d rows", len(c.times), len(c.ids), hi-c.next)
	}
	c.next, c.at = hi, 0
	return nil
}

func (c *cursor) less(other *cursor) bool {
	if t, o := c.times[c.at], other.times[other.at]; t != o {
		return t < o
	}
	return cmp.Or(c.ids[c.at].Compare(other.ids[other.at]), cmp.Compare(c.number, other.number)) < 0
}

// mergeRows fixes the order of rows and emits times and ids.
func (b *builder) mergeRows() error {
	var heap []*cursor
	for i := range b.sources {
		c := &cursor{source: &b.sources[i], number: uint32(i)}
		if err := c.fill(); err != nil {
			return err
		}
		heap = append(heap, c)
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sift(heap, i)
	}
	b.entryOf = map[uint64]uint32{}
	b.times = make([]int64, 0, b.rows)
	var page rowPage
	var idPages [][]byte
	for row := uint32(0); row < b.rows; row++ {
		c := heap[0]
		page.add(b, c, row/PageRows)
		c.source.out = append(c.source.out, row)
		if row == 0 {
			b.meta.FirstTime = c.times[c.at]
		}
		b.meta.LastTime = c.times[c.at]
		b.times = append(b.times, c.times[c.at])
		c.at++
		if c.at == len(c.times) && c.next < c.source.n {
			if err := c.fill(); err != nil {
				return err
			}
		}
		if c.at == len(c.times) {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		sift(heap, 0)
		if len(page.times) == PageRows || row+1 == b.rows {
			if err := b.ctx.Err(); err != nil {
				return err
			}
			b.meta.pageTimes = append(b.meta.pageTimes, page.times[0])
			if err := b.emit(pageKey(sectionTimes, row/PageRows), b.compress(column.AppendTimes(b.raw[:0], page.times, page.digits))); err != nil {
				return err
			}
			b.raw = b.encoder.AppendInts(b.encoder.AppendCodes(b.raw[:0], page.entries), page.ordinals)
			idPages = append(idPages, b.compress(b.raw))
			page.reset()
		}
	}
	if err := b.emitMarks(); err != nil {
		return err
	}
	for number, value := range idPages {
		if err := b.emit(pageKey(sectionIDs, uint32(number)), value); err != nil {
			return err
		}
	}
	return nil
}

// sift moves heap[i] down to its place.
func sift(heap []*cursor, i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if heap[child].less(heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}

// rowPage gathers times and ids of a page.
type rowPage struct {
	times    []int64
	digits   []uint32
	entries  []uint32
	ordinals []int64 // difference to what the entry's last record on the page lets expect
	expect   []int64 // by entry; 0 for those without a record on the page
}

// entryAt returns the number of the entry that the row at hand of a cursor came with.
func (b *builder) entryAt(c *cursor, page uint32) uint32 {
	if index := c.ids[c.at].Index; c.entry == 0 || index != c.index {
		entry, ok := b.entryOf[index]
		if !ok {
			entry = uint32(len(b.entries))
			b.entryOf[index] = entry
			b.entries = append(b.entries, int64(index))
			b.entrySpan = append(b.entrySpan, [2]int64{int64(page), int64(page)})
		}
		c.index, c.entry = index, entry+1
	}
	return c.entry - 1
}

func (p *rowPage) add(b *builder, c *cursor, page uint32) {
	id, entry := c.ids[c.at], b.entryAt(c, page)
	b.entrySpan[entry][1] = int64(page)
	for int(entry) >= len(p.expect) {
		p.expect = append(p.expect, 0)
	}
	p.times = append(p.times, c.times[c.at])
	p.digits = append(p.digits, uint32(c.digits[c.at]))
	p.entries = append(p.entries, entry)
	p.ordinals = append(p.ordinals, int64(id.Ordinal)-p.expect[entry])
	p.expect[entry] = int64(id.Ordinal) + 1
}

func (p *rowPage) reset() {
	for _, entry := range p.entries { // not all that there are: with few records each they are many
		p.expect[entry] = 0
	}
	p.times, p.digits, p.entries, p.ordinals = p.times[:0], p.digits[:0], p.entries[:0], p.ordinals[:0]
}

// compress returns a frame of raw, with room for the checksum: packing wants room
// for the worst case, several times what a frame takes.
func (b *builder) compress(raw []byte) []byte {
	if len(raw) > column.DecodedMax {
		b.oversize = true
		return nil
	}
	b.packed = column.Compress(b.packed[:0], raw, b.opts.Level)
	return append(make([]byte, 0, len(b.packed)+checksumBytes), b.packed...)
}

// check notes when encoded texts are more than can be read back.
func (b *builder) check(coded []byte, texts []string) {
	total := 0
	for _, text := range texts {
		total += len(text)
	}
	if total > column.DecodedMax/2 && !b.oversize { // rare enough to try
		_, _, err := column.Strings(nil, coded, len(texts))
		b.oversize = err != nil
	}
}

func (b *builder) emitEntries() error {
	b.meta.entries = uint32(len(b.entries))
	b.meta.MinIndex, b.meta.MaxIndex = uint64(slices.Min(b.entries)), uint64(slices.Max(b.entries))
	first, last := make([]int64, len(b.entries)), make([]int64, len(b.entries))
	for i, span := range b.entrySpan {
		first[i], last[i] = span[0], span[1]-span[0]
	}
	b.raw = b.encoder.AppendInts(b.raw[:0], b.entries)
	b.raw = b.encoder.AppendInts(b.raw, first)
	b.raw = b.encoder.AppendInts(b.raw, last)
	return b.emit(pageKey(sectionEntries, 0), b.compress(b.raw))
}

func (b *builder) emitMeta() error {
	value, err := b.meta.AppendBinary(nil)
	if err != nil {
		return err
	}
	return b.out([]byte{sectionMeta}, value)
}
