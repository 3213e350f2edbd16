package segment

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

// Getter reads the value under a key of one segment and passes it to use. The
// value is valid only inside use. A missing key is an error.
type Getter func(key []byte, use func(value []byte) error) error

// Segment reads one sealed segment. It implements part.Part and is safe for
// concurrent use.
type Segment struct {
	meta    *Meta
	get     Getter
	cache   *Cache
	meter   *part.Meter     // what reading costs is counted there; nil: nowhere
	print   uint32          // checksum of the directory
	beside  Beside          // nil: nothing is kept there
	number  uint64          // in the cache
	words   uint32          // dictionary entries in all
	columns []part.Column   // by number
	ordered []part.Column   // by path and kind
	singles []*columnReader // whose dictionary is its own index of words
	named   map[string][]part.Column
	known   atomic.Pointer[knownTimes]
}

var (
	_ part.Part    = (*Segment)(nil)
	_ part.Metered = (*Segment)(nil)
	_ part.Shared  = (*Segment)(nil)
)

// frameMax is the largest decoded value that Open accepts.
const frameMax = 1 << 30

// Open reads a segment's directory; everything else is read when asked for.
func Open(get Getter, cache *Cache) (*Segment, error) {
	var meta *Meta
	var print uint32
	err := get([]byte{sectionMeta}, func(value []byte) (err error) {
		if meta, err = ParseMeta(value); err == nil {
			print = binary.LittleEndian.Uint32(value[len(value)-4:])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	s := newSegment(meta, get, cache)
	s.print = print
	return s, nil
}

func newSegment(meta *Meta, get Getter, cache *Cache) *Segment {
	s := &Segment{meta: meta, get: get, cache: cache, number: cache.segments.Add(1), named: map[string][]part.Column{}}
	for i := range meta.columns {
		column := &meta.columns[i]
		c := &columnReader{segment: s, number: uint32(i), meta: column}
		s.words += column.dict
		s.columns = append(s.columns, c)
		if column.single {
			s.singles = append(s.singles, c)
		}
		name := model.QueryName(column.path)
		s.named[name] = append(s.named[name], c)
	}
	s.ordered = slices.Clone(s.columns)
	slices.SortFunc(s.ordered, func(a, b part.Column) int {
		return cmp.Or(cmp.Compare(a.Path(), b.Path()), cmp.Compare(a.Kind(), b.Kind()))
	})
	return s
}

// WithCache returns the segment with another cache: for one who reads it once
// from end to end and should not push out what others need.
func (s *Segment) WithCache(cache *Cache) *Segment {
	other := newSegment(s.meta, s.get, cache)
	other.print, other.beside = s.print, s.beside
	return other
}

// Metered implements part.Metered: the same segment, with the same cache.
func (s *Segment) Metered(meter *part.Meter) part.Part {
	metered := newSegment(s.meta, func(key []byte, use func(value []byte) error) error {
		return s.get(key, func(value []byte) error {
			meter.Reads.Add(1)
			meter.Bytes.Add(uint64(len(value)))
			return use(value)
		})
	}, s.cache)
	metered.number, metered.meter, metered.print, metered.beside = s.number, meter, s.print, s.beside
	return metered
}

// kept returns what the cache has under a key.
func (s *Segment) kept(key cacheKey) (any, bool) {
	value, ok := s.cache.get(key)
	if s.meter != nil {
		s.meter.Looked(ok)
	}
	return value, ok
}

// The weights of a value and of an entry of a dictionary in Size: a message takes
// more than a code.
const (
	weightText  = 12
	weightValue = 1
	weightEntry = 4
)

// Size implements part.Metered: the share that columns of such kinds and numbers of
// values have of the segment's bytes.
func (s *Segment) Size(fields []string) int64 {
	weight := func(c *columnReader) int64 {
		each := int64(weightValue)
		if c.meta.text {
			each = weightText
		}
		return each*int64(c.meta.count) + weightEntry*int64(c.meta.dict)
	}
	times := int64(weightEntry) * int64(s.meta.Rows) // and ids
	all, some := times, times
	for _, c := range s.columns {
		all += weight(c.(*columnReader))
	}
	if fields == nil {
		return s.meta.Bytes
	}
	for _, field := range fields {
		for _, c := range s.named[field] {
			some += weight(c.(*columnReader))
		}
	}
	return int64(float64(s.meta.Bytes) * float64(min(some, all)) / float64(max(1, all)))
}

// Close forgets what the cache holds of the segment.
func (s *Segment) Close() { s.cache.drop(s.number) }

// Meta returns the segment's description.
func (s *Segment) Meta() *Meta { return s.meta }

// Rows implements part.Part.
func (s *Segment) Rows() uint32 { return s.meta.Rows }

// TimeRange implements part.Part.
func (s *Segment) TimeRange() (first, last int64) { return s.meta.FirstTime, s.meta.LastTime }

// Columns implements part.Part.
func (s *Segment) Columns(queryName string) []part.Column { return s.named[queryName] }

// AllColumns implements part.Part.
func (s *Segment) AllColumns() []part.Column { return s.ordered }

func (s *Segment) cacheKey(item byte, column, number uint32) cacheKey {
	return cacheKey{segment: s.number, column: column, item: item, number: number}
}

// checked returns the content of a value.
func checked(value []byte) ([]byte, error) {
	if len(value) < 4 || crc32.Checksum(value[:len(value)-4], castagnoli) != binary.LittleEndian.Uint32(value[len(value)-4:]) {
		return nil, fmt.Errorf("%w: checksum does not match", ErrCorrupt)
	}
	return value[:len(value)-4], nil
}

// value returns a copy of a value after checking it.
func (s *Segment) value(key []byte) ([]byte, error) {
	var out []byte
	err := s.get(key, func(value []byte) error {
		content, err := checked(value)
		out = slices.Clone(content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("segment value %x: %w", key, err)
	}
	return out, nil
}

// frame returns the decompressed content of a value.
func (s *Segment) frame(key []byte) ([]byte, error) { return s.frameIn(nil, key) }

// frameIn is frame in memory that is there, as far as it goes.
func (s *Segment) frameIn(out, key []byte) ([]byte, error) {
	err := s.get(key, func(value []byte) error {
		content, err := checked(value)
		if err != nil {
			return err
		}
		out, err = decompress(out, content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("segment value %x: %w", key, err)
	}
	return out, nil
}

// decompress appends the content of a frame to dst.
func decompress(dst, frame []byte) ([]byte, error) {
	out, err := column.Decompress(dst, frame, frameMax)
	if err != nil {
		return nil, errors.Join(ErrCorrupt, err)
	}
	return out, nil
}

// pageLen returns how many of n values are on a page.
func pageLen(n, page uint32) int { return int(min(PageRows, n-page*PageRows)) }

// timePage holds the times of a page.
type timePage struct {
	times  []int64
	digits []uint32
}

// timePage returns the times of a page; see borrowed.
func (s *Segment) timePage(page uint32) (*timePage, func(), error) {
	return borrowed(s, s.cacheKey(cachedTimes, 0, page), pageKey(sectionTimes, page), func(raw []byte, room *pageRoom) (*timePage, int64, error) {
		n := pageLen(s.meta.Rows, page)
		p := &room.times
		var err error
		p.times, p.digits, raw, err = room.decoder.Times(p.times[:0], p.digits[:0], raw, n)
		if err != nil || len(raw) != 0 || !slices.IsSorted(p.times) {
			return nil, 0, errors.Join(fmt.Errorf("times of page %d: %w", page, ErrCorrupt), err)
		}
		return p, 12 * int64(n), nil
	})
}

// RowsBetween implements part.Part.
func (s *Segment) RowsBetween(from, to int64) (lo, hi uint32, err error) {
	if lo, err = s.firstAt(from); err != nil {
		return 0, 0, err
	}
	if hi, err = s.firstAt(to); err != nil {
		return 0, 0, err
	}
	return lo, max(lo, hi), nil
}

// firstAt returns the first row with a time >= t.
func (s *Segment) firstAt(t int64) (uint32, error) {
	if t <= s.meta.FirstTime {
		return 0, nil
	}
	if t > s.meta.LastTime {
		return s.meta.Rows, nil
	}
	if row, ok, err := s.marked(t); ok || err != nil {
		return row, err
	}
	// the row is on the last page that starts before t, or the first of the next
	page := sort.Search(len(s.meta.pageTimes), func(i int) bool { return s.meta.pageTimes[i] >= t }) - 1
	page = max(page, 0)
	p, done, err := s.timePage(uint32(page))
	if err != nil {
		return 0, err
	}
	defer done()
	times := p.times
	return uint32(page)*PageRows + uint32(sort.Search(len(times), func(i int) bool { return times[i] >= t })), nil
}

// eachPage calls visit with the rows on each page, as places on the page.
func eachPage(rows *index.DocSet, visit func(page uint32, places []uint32) error) error {
	places := make([]uint32, 0, min(PageRows, rows.GetCardinality()))
	page := uint32(0)
	it := rows.Iterator()
	for it.HasNext() {
		row := it.Next()
		if row/PageRows != page {
			if len(places) > 0 {
				if err := visit(page, places); err != nil {
					return err
				}
			}
			page, places = row/PageRows, places[:0]
		}
		places = append(places, row%PageRows)
	}
	if len(places) > 0 {
		return visit(page, places)
	}
	return nil
}

// readRecords returns the rows as records, in row order.
func (s *Segment) readRecords(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	asked := rows.ToArray()
	records := make([]model.Record, len(asked))
	times, digits, err := s.timesOf(rows)
	if err != nil {
		return nil, err
	}
	for i, t := range times {
		records[i].Time, records[i].TimeDigits = t, digits[i]
	}
	has, err := s.columnsOf(rows)
	if err != nil {
		return nil, err
	}
	ctx, done := s.withGuide(ctx)
	defer done()
	// In the order of their numbers: a text refers to columns before its own.
	values := make([]*part.Values, len(s.columns))
	counts, total := make([]int, len(asked)), 0
	for number, column := range s.columns {
		if !has[number] {
			continue
		}
		c := column.(*columnReader)
		of, err := c.gatherOnce(ctx, rows, values)
		if err != nil {
			return nil, err
		}
		if err := part.Take(ctx, c.taken(&of)); err != nil {
			return nil, err
		}
		eachPlace(asked, of.Rows, func(at, _ int) { counts[at]++ })
		values[number], total = &of, total+len(of.Rows)
	}
	fields := make([]model.Field, total)
	for i, count := range counts {
		records[i].Fields, fields = fields[:0:count], fields[count:]
	}
	for _, column := range s.ordered {
		c := column.(*columnReader)
		of := values[c.number]
		if of == nil {
			continue
		}
		eachPlace(asked, of.Rows, func(at, i int) {
			r := &records[at]
			r.Fields = append(r.Fields, model.Field{Name: c.meta.path, Kind: c.meta.kind, Text: of.Dict[of.Codes[i]]})
		})
	}
	return records, nil
}

// eachPlace calls visit with the place of each of some rows among all, and its
// place among themselves; both ascend.
func eachPlace(all, some []uint32, visit func(at, i int)) {
	at := 0
	for i, row := range some {
		for all[at] != row {
			at++
		}
		visit(at, i)
		at++
	}
}

// taken returns how many bytes values take in records beyond what Gather took.
func (c *columnReader) taken(values *part.Values) int {
	bytes := fieldBytes * len(values.Rows)
	if !c.meta.text {
		for _, code := range values.Codes {
			bytes += len(values.Dict[code])
		}
	}
	return bytes
}
