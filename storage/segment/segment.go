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
	number  uint64          // in the cache
	words   uint32          // dictionary entries in all
	columns []part.Column   // by number
	ordered []part.Column   // by path and kind
	singles []*columnReader // whose dictionary is its own index of words
	named   map[string][]part.Column
}

var _ part.Part = (*Segment)(nil)

// frameMax is the largest decoded value that Open accepts.
const frameMax = 1 << 30

// Open reads a segment's directory; everything else is read when asked for.
func Open(get Getter, cache *Cache) (*Segment, error) {
	var meta *Meta
	err := get([]byte{sectionMeta}, func(value []byte) (err error) {
		meta, err = ParseMeta(value)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	return newSegment(meta, get, cache), nil
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
func (s *Segment) WithCache(cache *Cache) *Segment { return newSegment(s.meta, s.get, cache) }

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

// Times implements part.Part.
func (s *Segment) Times(rows *index.DocSet) ([]int64, error) {
	out := make([]int64, 0, rows.GetCardinality())
	err := eachPage(rows, func(page uint32, places []uint32) error {
		p, done, err := s.timePage(page)
		if err != nil {
			return err
		}
		defer done()
		for _, place := range places {
			out = append(out, p.times[place])
		}
		return nil
	})
	return out, err
}

// TimeDigits implements part.Part.
func (s *Segment) TimeDigits(rows *index.DocSet) ([]uint8, error) {
	out := make([]uint8, 0, rows.GetCardinality())
	err := eachPage(rows, func(page uint32, places []uint32) error {
		p, done, err := s.timePage(page)
		if err != nil {
			return err
		}
		defer done()
		for _, place := range places {
			out = append(out, uint8(p.digits[place]))
		}
		return nil
	})
	return out, err
}

// idPage holds the ids of a page.
type idPage struct {
	entries  []uint32
	ordinals []int64
}

// idsPage returns the ids of a page; see borrowed.
func (s *Segment) idsPage(page uint32) (*idPage, func(), error) {
	return borrowed(s, s.cacheKey(cachedIDs, 0, page), pageKey(sectionIDs, page), func(raw []byte, room *pageRoom) (*idPage, int64, error) {
		n := pageLen(s.meta.Rows, page)
		p := &room.ids
		var err error
		p.entries, raw, err = column.Codes(p.entries[:0], raw, n)
		if err == nil {
			p.ordinals, raw, err = column.Ints(p.ordinals[:0], raw, n)
		}
		if err != nil || len(raw) != 0 {
			return nil, 0, errors.Join(fmt.Errorf("ids of page %d: %w", page, ErrCorrupt), err)
		}
		if slices.Max(p.entries) >= s.meta.entries {
			return nil, 0, fmt.Errorf("ids of page %d: %w", page, ErrCorrupt)
		}
		p.addExpected()
		return p, 12 * int64(n), nil
	})
}

// expectedMax is up to which number of an entry its ordinals are expected in an
// array.
const expectedMax = 1 << 16

// addExpected makes ordinals of the differences to those expected.
func (p *idPage) addExpected() {
	most := slices.Max(p.entries)
	if most > expectedMax {
		expect := map[uint32]int64{}
		for i, entry := range p.entries {
			p.ordinals[i] += expect[entry]
			expect[entry] = p.ordinals[i] + 1
		}
		return
	}
	expect := make([]int64, most+1)
	for i, entry := range p.entries {
		p.ordinals[i] += expect[entry]
		expect[entry] = p.ordinals[i] + 1
	}
}

// entryList is the log entries that the records came with.
type entryList struct {
	indexes     []int64
	first, span []int64 // page of the first record, pages to the last
}

func (s *Segment) entryList() (*entryList, error) {
	return cached(s.cache, s.cacheKey(cachedEntries, 0, 0), func() (*entryList, int64, error) {
		raw, err := s.frame(pageKey(sectionEntries, 0))
		if err != nil {
			return nil, 0, err
		}
		l := &entryList{}
		n := int(s.meta.entries)
		for _, dst := range []*[]int64{&l.indexes, &l.first, &l.span} {
			if *dst, raw, err = column.Ints(nil, raw, n); err != nil {
				return nil, 0, errors.Join(fmt.Errorf("entries: %w", ErrCorrupt), err)
			}
		}
		last := int64(pages(s.meta.Rows)) - 1
		for i := range n {
			if l.first[i] < 0 || l.span[i] < 0 || l.first[i] > last || l.span[i] > last-l.first[i] {
				return nil, 0, fmt.Errorf("entries: %w", ErrCorrupt)
			}
		}
		return l, 24 * int64(n), nil
	})
}

// IDs implements part.Part.
func (s *Segment) IDs(rows *index.DocSet) ([]model.RecordID, error) {
	list, err := s.entryList()
	if err != nil {
		return nil, err
	}
	out := make([]model.RecordID, 0, rows.GetCardinality())
	err = eachPage(rows, func(page uint32, places []uint32) error {
		ids, done, err := s.idsPage(page)
		if err != nil {
			return err
		}
		defer done()
		for _, place := range places {
			out = append(out, model.RecordID{Shard: s.meta.Shard, Index: uint64(list.indexes[ids.entries[place]]), Ordinal: uint32(ids.ordinals[place])})
		}
		return nil
	})
	return out, err
}

// RowsOf implements part.Leaves.
func (s *Segment) RowsOf(_ context.Context, ids []model.RecordID) (*index.DocSet, error) {
	found := index.NewDocSet()
	for _, id := range ids {
		if id.Shard != s.meta.Shard || id.Index < s.meta.MinIndex || id.Index > s.meta.MaxIndex {
			continue
		}
		list, err := s.entryList()
		if err != nil {
			return nil, err
		}
		entry := slices.Index(list.indexes, int64(id.Index))
		if entry < 0 {
			continue
		}
		for page := list.first[entry]; page <= list.first[entry]+list.span[entry]; page++ {
			p, done, err := s.idsPage(uint32(page))
			if err != nil {
				return nil, err
			}
			for place, e := range p.entries {
				if e == uint32(entry) && p.ordinals[place] == int64(id.Ordinal) {
					found.Add(uint32(page)*PageRows + uint32(place))
				}
			}
			done()
		}
	}
	return found, nil
}

// readRecords returns the rows as records, in row order.
func (s *Segment) readRecords(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	asked := rows.ToArray()
	records := make([]model.Record, 0, len(asked))
	err := eachPage(rows, func(page uint32, places []uint32) error {
		p, done, err := s.timePage(page)
		if err != nil {
			return err
		}
		defer done()
		for _, place := range places {
			records = append(records, model.Record{Time: p.times[place], TimeDigits: uint8(p.digits[place])})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	place := make(map[uint32]int, len(asked))
	for i, row := range asked {
		place[row] = i
	}
	has, err := s.columnsOf(rows)
	if err != nil {
		return nil, err
	}
	for _, column := range s.ordered {
		c := column.(*columnReader)
		if !has[c.number] {
			continue
		}
		values, err := c.Gather(ctx, rows)
		if err != nil {
			return nil, err
		}
		for i, row := range values.Rows {
			r := &records[place[row]]
			text := values.Dict[values.Codes[i]]
			r.Fields = append(r.Fields, model.Field{Name: c.meta.path, Kind: c.meta.kind, Text: text})
		}
	}
	return records, nil
}
