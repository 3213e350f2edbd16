package segment

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/storage/column"
)

// schemaIndex is the list of schemas: which columns each has, and on which
// pages it is how often. With it the places of a few rows in a column are
// found from the schema pages of those rows alone.
type schemaIndex struct {
	schemas [][]uint32 // schema -> columns, descending
	start   []uint32   // column -> its first place in of
	of      []uint32   // schemas that have the column, ascending
	pages   [][]schemaCount
}

// schemaCount says how many rows of a page have a schema.
type schemaCount struct{ schema, rows uint32 }

// having returns the schemas with a column, ascending.
func (x *schemaIndex) having(column uint32) []uint32 {
	return x.of[x.start[column]:x.start[column+1]]
}

// schemaList returns the list of schemas.
func (s *Segment) schemaList() (*schemaIndex, error) {
	return cached(s, s.cacheKey(cachedSchemas, 0, schemaList), func() (*schemaIndex, int64, error) {
		raw, err := s.frame(pageKey(sectionSchemas, schemaList))
		if err != nil {
			return nil, 0, err
		}
		x, err := s.parseSchemas(raw)
		if err != nil {
			return nil, 0, err
		}
		bytes := int64(len(raw)) + 24*int64(len(x.schemas)) + 8*int64(len(x.of)) + 4*int64(len(x.start))
		for _, page := range x.pages {
			bytes += 24 + 8*int64(len(page))
		}
		return x, bytes, nil
	})
}

// parseSchemas reads the list of schemas.
func (s *Segment) parseSchemas(raw []byte) (*schemaIndex, error) {
	x := &schemaIndex{schemas: make([][]uint32, 0, s.meta.schemas), start: make([]uint32, len(s.columns)+1)}
	r := wire.NewReader(raw)
	for range s.meta.schemas {
		var columns []uint32
		last := uint32(len(s.columns))
		for range r.Bounded(uint32(len(s.columns))) {
			step := r.Bounded(last)
			last -= step
			columns = append(columns, last)
			if step == 0 || r.Failed() {
				r.Fail()
				break
			}
			x.start[last+1]++
		}
		x.schemas = append(x.schemas, columns)
	}
	for page := range pages(s.meta.Rows) {
		left, last := uint32(pageLen(s.meta.Rows, page)), uint32(0)
		counts := make([]schemaCount, 0, min(r.Bounded(left), uint32(r.Len())))
		for i := range cap(counts) {
			step, rows := r.Bounded(s.meta.schemas), r.Bounded(left)
			if last += step; r.Failed() || rows == 0 || i > 0 && step == 0 || last >= s.meta.schemas {
				r.Fail()
				break
			}
			counts = append(counts, schemaCount{last, rows})
			left -= rows
		}
		if left != 0 {
			r.Fail()
		}
		if r.Failed() {
			break
		}
		x.pages = append(x.pages, counts)
	}
	if !r.Done() {
		return nil, fmt.Errorf("schemas: %w", ErrCorrupt)
	}
	for column := range s.columns {
		x.start[column+1] += x.start[column]
	}
	x.of = make([]uint32, x.start[len(s.columns)])
	next := slices.Clone(x.start)
	for schema, columns := range x.schemas {
		for _, column := range columns {
			x.of[next[column]] = uint32(schema)
			next[column]++
		}
	}
	return x, nil
}

// pagePresence tells how the rows that have a field are spread over pages.
type pagePresence struct {
	bases  []uint32 // of each page of rows: how many rows before it have the field
	having bitSet   // schemas with the field
}

func (c *columnReader) pagePresence() (*pagePresence, error) {
	s := c.segment
	return cached(s, s.cacheKey(cachedBases, c.number, 0), func() (*pagePresence, int64, error) {
		x, err := s.schemaList()
		if err != nil {
			return nil, 0, err
		}
		has := x.having(c.number)
		p := &pagePresence{bases: make([]uint32, 0, len(x.pages)+1), having: newBitSet(s.meta.schemas)}
		for _, schema := range has {
			p.having.add(schema)
		}
		sum := uint32(0)
		for _, page := range x.pages {
			p.bases = append(p.bases, sum)
			sum += countBoth(page, has)
		}
		if sum != c.meta.count {
			return nil, 0, fmt.Errorf("column %q: %w: %d rows, directory says %d", c.meta.path, ErrCorrupt, sum, c.meta.count)
		}
		p.bases = append(p.bases, sum)
		return p, 4*int64(len(p.bases)) + 8*int64(len(p.having)), nil
	})
}

// countBoth returns how many rows of a page have one of the schemas.
func countBoth(page []schemaCount, schemas []uint32) (sum uint32) {
	if len(schemas)*bits.Len(uint(len(page))) < len(page) {
		for _, schema := range schemas {
			i := sort.Search(len(page), func(i int) bool { return page[i].schema >= schema })
			if i < len(page) && page[i].schema == schema {
				sum += page[i].rows
			}
		}
		return sum
	}
	at := 0
	for _, count := range page {
		for at < len(schemas) && schemas[at] < count.schema {
			at++
		}
		if at < len(schemas) && schemas[at] == count.schema {
			sum += count.rows
		}
	}
	return sum
}

// schemaPage tells for a page of rows which has which schema.
type schemaPage struct {
	codes *column.CodePage
	once  sync.Once
	stops *schemaStops // made when asked for
	err   error
}

// schemaPage reads a page of schema codes; see borrowed.
func (s *Segment) schemaPage(page uint32) (*schemaPage, func(), error) {
	key := pageKey(sectionSchemas, page)
	return borrowed(s, s.cacheKey(cachedSchemas, 0, page), key, func(raw []byte, room *pageRoom) (*schemaPage, int64, error) {
		if err := room.codes.Parse(raw, pageLen(s.meta.Rows, page), s.meta.schemas); err != nil {
			return nil, 0, errors.Join(fmt.Errorf("segment codes %x: %w", key, ErrCorrupt), err)
		}
		return &schemaPage{codes: &room.codes}, room.codes.Bytes() + schemaStopsBytes, nil
	})
}

// schemaStops counts the rows of each schema up to every so many rows of a
// page, so that a row's place in a column is found from the stop before it.
type schemaStops struct {
	shift   uint          // there is a stop every 1 << shift rows
	schemas []schemaCount // of the page
	before  []uint16      // stop, schema of the page -> rows before the stop
	runs    []uint16      // stop -> the run of codes that it is in
}

// schemaStopsBytes is about what the stops of a page take.
const schemaStopsBytes = PageRows / 2

// Stops are so far apart that they count far less than a page has rows, and a few
// runs at least.
const stopShiftMin = 3

// Places on a page, and runs of one, are kept in 16 bits.
const _ = uint(1<<16 - 1 - PageRows)

// stopsOf returns the stops of a page.
func (p *schemaPage) stopsOf(x *schemaIndex, page uint32) (*schemaStops, error) {
	p.once.Do(func() { p.stops, p.err = newSchemaStops(p.codes, x, page) })
	return p.stops, p.err
}

func newSchemaStops(codes *column.CodePage, x *schemaIndex, page uint32) (*schemaStops, error) {
	schemas := x.pages[page]
	s := &schemaStops{schemas: schemas, shift: stopShiftMin + uint(bits.Len(uint(len(schemas))))}
	numbers := make([]uint16, len(x.schemas))
	for number, count := range schemas {
		numbers[count.schema] = uint16(number) // as many as rows at most
	}
	counts := make([]uint16, len(schemas))
	stops := PageRows>>s.shift + 1
	s.runs, s.before = make([]uint16, 0, stops), make([]uint16, 0, stops*len(schemas))
	at, stop := uint32(0), uint32(0)
	for run := range codes.Runs() {
		schema, end := codes.Run(run)
		number := numbers[schema]
		if schemas[number].schema != schema {
			return nil, fmt.Errorf("schemas of page %d: %w: not what the list has", page, ErrCorrupt)
		}
		for ; stop < end; stop += 1 << s.shift {
			s.runs = append(s.runs, uint16(run))
			s.before = append(s.before, counts...)
			s.before[len(s.before)-len(counts)+int(number)] += uint16(stop - at)
		}
		counts[number] += uint16(end - at)
		at = end
	}
	for number, count := range schemas {
		if uint32(counts[number]) != count.rows {
			return nil, fmt.Errorf("schemas of page %d: %w: not what the list counts", page, ErrCorrupt)
		}
	}
	return s, nil
}

// rank returns how many rows before a place have one of the schemas, and
// whether the row there has.
func (s *schemaStops) rank(codes *column.CodePage, having bitSet, place uint32) (rank uint32, has bool) {
	stop := int(place >> s.shift)
	for number, before := range s.before[stop*len(s.schemas):][:len(s.schemas)] {
		if having.has(s.schemas[number].schema) {
			rank += uint32(before)
		}
	}
	at := uint32(stop) << s.shift
	for run := int(s.runs[stop]); ; run++ {
		schema, end := codes.Run(run)
		has = having.has(schema)
		if has {
			rank += min(end, place) - at
		}
		if end > place {
			return rank, has
		}
		at = end
	}
}

// presentPage tells which rows of a page have a field.
type presentPage struct {
	bits  pageBits
	ranks [pageWords]uint16 // bits before each word
}

// presentPage returns the presence of the field on a page of rows. Callers
// have made sure that some rows have it and some do not.
func (c *columnReader) presentPage(page uint32) (*presentPage, error) {
	s := c.segment
	return cached(s, c.presentKey(page), func() (*presentPage, int64, error) {
		presence, err := c.pagePresence()
		if err != nil {
			return nil, 0, err
		}
		schemas, done, err := s.schemaPage(page)
		if err != nil {
			return nil, 0, err
		}
		defer done()
		p, sum := &presentPage{}, uint32(0)
		schemas.codes.Mark(p.bits[:], presence.having)
		for word, set := range p.bits {
			p.ranks[word] = uint16(sum)
			sum += uint32(bits.OnesCount64(set))
		}
		if sum != presence.bases[page+1]-presence.bases[page] {
			return nil, 0, fmt.Errorf("schemas of page %d: %w: not what the list counts", page, ErrCorrupt)
		}
		return p, 10 * pageWords, nil
	})
}

func (c *columnReader) presentKey(page uint32) cacheKey {
	return c.segment.cacheKey(cachedPresentPage, c.number, page)
}

// rank returns how many rows before a place have the field, and whether the
// row there has.
func (p *presentPage) rank(place uint32) (rank uint32, has bool) {
	word, bit := place/64, place%64
	set := p.bits[word]
	return uint32(p.ranks[word]) + uint32(bits.OnesCount64(set&(1<<bit-1))), set>>bit&1 != 0
}

// presence returns the rows that have the field.
func (c *columnReader) presence() (*index.DocSet, error) {
	s := c.segment
	if c.full() {
		return index.DocSetRange(0, s.meta.Rows), nil
	}
	return cached(s, s.cacheKey(cachedPresence, c.number, 0), func() (*index.DocSet, int64, error) {
		presence, err := c.pagePresence()
		if err != nil {
			return nil, 0, err
		}
		found := s.newRowSet()
		defer found.done(s)
		for page := range pages(s.meta.Rows) {
			n := presence.bases[page+1] - presence.bases[page]
			if n == uint32(pageLen(s.meta.Rows, page)) {
				found.found.AddRange(uint64(page)*PageRows, uint64(page)*PageRows+uint64(n))
				continue
			}
			if n == 0 {
				continue
			}
			p, err := c.presentPage(page)
			if err != nil {
				return nil, 0, err
			}
			found.add(page, &p.bits)
		}
		rows := found.rows()
		rows.RunOptimize()
		return rows, int64(rows.GetSizeInBytes()), nil
	})
}

// rowsOf appends the rows of the values with the given numbers, which ascend.
// Only schema pages of these rows are read.
func (c *columnReader) rowsOf(dst, numbers []uint32) ([]uint32, error) {
	if c.full() {
		return append(dst, numbers...), nil
	}
	presence, err := c.pagePresence()
	if err != nil {
		return nil, err
	}
	bases := presence.bases
	for len(numbers) > 0 {
		page := c.rowPage(bases, numbers[0])
		end := sort.Search(len(numbers), func(i int) bool { return numbers[i] >= bases[page+1] })
		on := numbers[:end]
		numbers = numbers[end:]
		first, base := page*PageRows, bases[page]
		if bases[page+1]-base == uint32(pageLen(c.segment.meta.Rows, page)) {
			for _, number := range on {
				dst = append(dst, first+number-base)
			}
			continue
		}
		p, err := c.presentPage(page)
		if err != nil {
			return nil, err
		}
		dst = p.appendSelected(dst, first, base, on)
	}
	return dst, nil
}

// appendSelected appends the rows of the numbers, of which base is the first
// on the page.
func (p *presentPage) appendSelected(dst []uint32, first, base uint32, numbers []uint32) []uint32 {
	word, known := 0, -1
	var set uint64 // what is left of the word
	var rank uint32
	for _, number := range numbers {
		wanted := number - base
		for word+1 < pageWords && uint32(p.ranks[word+1]) <= wanted {
			word++
		}
		if word != known {
			known, set, rank = word, p.bits[word], uint32(p.ranks[word])
		}
		for ; rank < wanted; rank++ {
			set &= set - 1
		}
		dst = append(dst, first+uint32(word)*64+uint32(bits.TrailingZeros64(set)))
	}
	return dst
}

// rowPage returns the page of rows on which the value with a number is.
func (c *columnReader) rowPage(bases []uint32, number uint32) uint32 {
	return uint32(sort.Search(len(bases)-1, func(i int) bool { return bases[i+1] > number }))
}

// rowSpan returns rows first <= row < end among which those of a page of
// values are; it reads no schema page.
func (c *columnReader) rowSpan(page uint32) (first, end uint32, err error) {
	n := uint32(pageLen(c.meta.count, page))
	if c.full() {
		return page * PageRows, page*PageRows + n, nil
	}
	presence, err := c.pagePresence()
	if err != nil {
		return 0, 0, err
	}
	bases := presence.bases
	last := c.rowPage(bases, page*PageRows+n-1)
	return c.rowPage(bases, page*PageRows) * PageRows, min(c.segment.meta.Rows, (last+1)*PageRows), nil
}

// columnsOf reports which columns some of the rows have.
func (s *Segment) columnsOf(rows *index.DocSet) ([]bool, error) {
	has := make([]bool, len(s.columns))
	x, err := s.schemaList()
	if err != nil {
		return nil, err
	}
	seen := newBitSet(s.meta.schemas)
	var schemas []uint32
	err = eachPage(rows, func(page uint32, places []uint32) error {
		s.cache.readings.note(s.cacheKey(cachedSchemas, 0, page)) // it is asked for each column next: it is kept at once
		p, done, err := s.schemaPage(page)
		if err != nil {
			return err
		}
		defer done()
		schemas = p.codes.AppendAt(schemas[:0], places, 0)
		for _, schema := range schemas {
			if !seen.has(schema) {
				seen.add(schema)
				for _, column := range x.schemas[schema] {
					has[column] = true
				}
			}
		}
		return nil
	})
	return has, err
}

// walkMax is up to how many rows of a page are looked up without the page's
// presence, unless that is known.
const walkMax = 32

// places returns those of the rows that have the field, and the number of
// each one's value in the column.
func (c *columnReader) places(rows *index.DocSet) (present, places []uint32, err error) {
	if lo, hi, whole := c.segment.stretch(rows); whole && hi-lo > walkMax {
		return c.placesBetween(lo, hi)
	}
	asked := rows.ToArray()
	if c.full() {
		return asked, asked, nil
	}
	presence, err := c.pagePresence()
	if err != nil {
		return nil, nil, err
	}
	bases := presence.bases
	most := min(len(asked), int(c.meta.count))
	present, places = make([]uint32, 0, most), make([]uint32, 0, most)
	for len(asked) > 0 {
		page := asked[0] / PageRows
		end := sort.Search(len(asked), func(i int) bool { return asked[i]/PageRows > page })
		on := asked[:end]
		asked = asked[end:]
		base, n := bases[page], bases[page+1]-bases[page]
		switch n {
		case 0: // no row of the page has the field
			continue
		case uint32(pageLen(c.segment.meta.Rows, page)):
			for _, row := range on {
				present, places = append(present, row), append(places, base+row%PageRows)
			}
			continue
		}
		if _, known := c.segment.cache.peek(c.presentKey(page)); !known && len(on) <= walkMax {
			present, places, err = c.walkPlaces(present, places, page, presence, on)
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		p, err := c.presentPage(page)
		if err != nil {
			return nil, nil, err
		}
		for _, row := range on {
			if rank, has := p.rank(row % PageRows); has {
				present, places = append(present, row), append(places, base+rank)
			}
		}
	}
	return present, places, nil
}

// placesBetween is places for the rows lo <= row < hi.
func (c *columnReader) placesBetween(lo, hi uint32) (present, places []uint32, err error) {
	if c.full() {
		present = appendRange(make([]uint32, 0, hi-lo), lo, hi)
		return present, present, nil
	}
	presence, err := c.pagePresence()
	if err != nil {
		return nil, nil, err
	}
	most := min(hi-lo, c.meta.count)
	present, places = make([]uint32, 0, most), make([]uint32, 0, most)
	for page := lo / PageRows; page < pages(hi); page++ {
		base, n := presence.bases[page], presence.bases[page+1]-presence.bases[page]
		first := page * PageRows
		from, to := max(lo, first)-first, min(hi-first, PageRows)
		switch n {
		case 0: // no row of the page has the field
			continue
		case uint32(pageLen(c.segment.meta.Rows, page)):
			present, places = appendRange(present, first+from, first+to), appendRange(places, base+from, base+to)
			continue
		}
		p, err := c.presentPage(page)
		if err != nil {
			return nil, nil, err
		}
		number, _ := p.rank(from)
		before := len(present)
		present = p.bits.between(from, to).appendTo(present, first)
		places = appendRange(places, base+number, base+number+uint32(len(present)-before))
	}
	return present, places, nil
}

// appendRange appends the numbers from lo to hi-1.
func appendRange(dst []uint32, lo, hi uint32) []uint32 {
	for ; lo < hi; lo++ {
		dst = append(dst, lo)
	}
	return dst
}

// walkPlaces is places for few rows of a page.
func (c *columnReader) walkPlaces(present, places []uint32, page uint32, presence *pagePresence, on []uint32) (_, _ []uint32, err error) {
	x, err := c.segment.schemaList()
	if err != nil {
		return nil, nil, err
	}
	p, done, err := c.segment.schemaPage(page)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	stops, err := p.stopsOf(x, page)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range on {
		if rank, has := stops.rank(p.codes, presence.having, row%PageRows); has {
			present, places = append(present, row), append(places, presence.bases[page]+rank)
		}
	}
	return present, places, nil
}

// eachPlacesPage calls visit for each page of places.
func eachPlacesPage(places []uint32, visit func(page uint32, from, to int) error) error {
	for from := 0; from < len(places); {
		page := places[from] / PageRows
		to := from + sort.Search(len(places)-from, func(i int) bool { return places[from+i]/PageRows > page })
		if err := visit(page, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}
