package segment

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
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
	return cached(s.cache, s.cacheKey(cachedSchemas, 0, schemaList), func() (*schemaIndex, int64, error) {
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

// bases returns for each page of rows how many rows before it have the field.
func (c *columnReader) bases() ([]uint32, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(cachedBases, c.number, 0), func() ([]uint32, int64, error) {
		x, err := s.schemaList()
		if err != nil {
			return nil, 0, err
		}
		has := x.having(c.number)
		bases := make([]uint32, 0, len(x.pages)+1)
		sum := uint32(0)
		for _, page := range x.pages {
			bases = append(bases, sum)
			sum += countBoth(page, has)
		}
		if sum != c.meta.count {
			return nil, 0, fmt.Errorf("column %q: %w: %d rows, directory says %d", c.meta.path, ErrCorrupt, sum, c.meta.count)
		}
		return append(bases, sum), 4 * int64(len(bases)+1), nil
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

// schemaPage tells for a page of rows which has which schema, both ways.
type schemaPage struct {
	numbers []uint16 // place on the page -> number among the page's schemas
	start   []uint32 // number -> its first place in places
	once    sync.Once
	places  []uint16 // on the page, ascending for each number; made when asked for
}

// of returns the places with a number.
func (p *schemaPage) of(number int) []uint16 {
	p.once.Do(func() {
		p.places = make([]uint16, len(p.numbers))
		next := slices.Clone(p.start)
		for place, number := range p.numbers {
			p.places[next[number]] = uint16(place)
			next[number]++
		}
	})
	return p.places[p.start[number]:p.start[number+1]]
}

// A place on a page is kept in 16 bits.
const _ = uint(1<<16 - PageRows)

// codesScratch lends room for a page of codes that is kept in another form.
type codesScratch struct{ pool sync.Pool }

func (s *codesScratch) take() *[]uint32 {
	if codes, ok := s.pool.Get().(*[]uint32); ok {
		return codes
	}
	codes := make([]uint32, 0, PageRows)
	return &codes
}

// schemaPage reads a page of schema codes.
func (s *Segment) schemaPage(x *schemaIndex, page uint32) (*schemaPage, error) {
	return cached(s.cache, s.cacheKey(cachedSchemas, 0, page), func() (*schemaPage, int64, error) {
		n := pageLen(s.meta.Rows, page)
		scratch := s.cache.codes.take()
		defer s.cache.codes.pool.Put(scratch)
		codes, err := s.codesPage((*scratch)[:0], pageKey(sectionSchemas, page), n, s.meta.schemas)
		if err != nil {
			return nil, 0, err
		}
		counts := x.pages[page]
		numberOf := make([]uint16, s.meta.schemas)
		for i, count := range counts {
			numberOf[count.schema] = uint16(i) // as many as rows at most
		}
		p := &schemaPage{numbers: make([]uint16, n), start: make([]uint32, len(counts)+1)}
		seen := make([]uint32, len(counts))
		for place, code := range codes {
			number := numberOf[code]
			p.numbers[place] = number
			seen[number]++ // schemas that are not of the page count for the first
		}
		for i, count := range counts {
			p.start[i+1] = p.start[i] + count.rows
			if seen[i] != count.rows {
				return nil, 0, fmt.Errorf("schemas of page %d: %w: not what the list counts", page, ErrCorrupt)
			}
		}
		return p, 4*int64(n) + 8*int64(len(counts)), nil
	})
}

// havingOn reports which of the numbers of a page stand for schemas with the
// column, and lists them.
func (x *schemaIndex) havingOn(page, column uint32) (having []bool, numbers []int) {
	counts, has := x.pages[page], x.having(column)
	having = make([]bool, len(counts))
	for number, count := range counts {
		if _, ok := slices.BinarySearch(has, count.schema); ok {
			having[number] = true
			numbers = append(numbers, number)
		}
	}
	return having, numbers
}

// presentPage tells which rows of a page have a field.
type presentPage struct {
	bits  [presentWords]uint64
	ranks [presentWords]uint16 // bits before each word
}

const presentWords = PageRows / 64

// presentPage returns the presence of the field on a page of rows. Callers
// have made sure that some rows have it and some do not.
func (c *columnReader) presentPage(page uint32) (*presentPage, error) {
	s := c.segment
	return cached(s.cache, c.presentKey(page), func() (*presentPage, int64, error) {
		x, err := s.schemaList()
		if err != nil {
			return nil, 0, err
		}
		schemas, err := s.schemaPage(x, page)
		if err != nil {
			return nil, 0, err
		}
		having := make([]uint64, len(x.pages[page]))
		has := x.having(c.number)
		for number, count := range x.pages[page] {
			if _, ok := slices.BinarySearch(has, count.schema); ok {
				having[number] = 1
			}
		}
		p, sum := &presentPage{}, 0
		numbers := schemas.numbers
		for word := range p.bits {
			var set uint64
			for i, number := range numbers[:min(64, len(numbers))] {
				set |= having[number] << (i & 63)
			}
			numbers = numbers[min(64, len(numbers)):]
			p.bits[word], p.ranks[word] = set, uint16(sum)
			sum += bits.OnesCount64(set)
		}
		return p, 10 * presentWords, nil
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
	return cached(s.cache, s.cacheKey(cachedPresence, c.number, 0), func() (*index.DocSet, int64, error) {
		bases, err := c.bases()
		if err != nil {
			return nil, 0, err
		}
		rows := index.NewDocSet()
		list := make([]uint32, 0, PageRows)
		for page := range pages(s.meta.Rows) {
			n := bases[page+1] - bases[page]
			if n == uint32(pageLen(s.meta.Rows, page)) {
				rows.AddRange(uint64(page)*PageRows, uint64(page)*PageRows+uint64(n))
				continue
			}
			if n == 0 {
				continue
			}
			p, err := c.presentPage(page)
			if err != nil {
				return nil, 0, err
			}
			list = p.appendRows(list[:0], page*PageRows)
			rows.AddMany(list)
		}
		rows.RunOptimize()
		return rows, int64(rows.GetSizeInBytes()), nil
	})
}

// appendRows appends the rows of the page, which starts at first.
func (p *presentPage) appendRows(dst []uint32, first uint32) []uint32 {
	for word, set := range p.bits {
		for ; set != 0; set &= set - 1 {
			dst = append(dst, first+uint32(word)*64+uint32(bits.TrailingZeros64(set)))
		}
	}
	return dst
}

// rowsOf appends the rows of the values with the given numbers, which ascend.
// Only schema pages of these rows are read.
func (c *columnReader) rowsOf(dst, numbers []uint32) ([]uint32, error) {
	if c.full() {
		return append(dst, numbers...), nil
	}
	bases, err := c.bases()
	if err != nil {
		return nil, err
	}
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
		for word+1 < presentWords && uint32(p.ranks[word+1]) <= wanted {
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
	bases, err := c.bases()
	if err != nil {
		return 0, 0, err
	}
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
	err = eachPage(rows, func(page uint32, places []uint32) error {
		p, err := s.schemaPage(x, page)
		if err != nil {
			return err
		}
		seen := make([]bool, len(x.pages[page]))
		for _, place := range places {
			if number := p.numbers[place]; !seen[number] {
				seen[number] = true
				for _, column := range x.schemas[x.pages[page][number].schema] {
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
const walkMax = 256

// places returns those of the rows that have the field, and the number of
// each one's value in the column.
func (c *columnReader) places(rows *index.DocSet) (present, places []uint32, err error) {
	asked := rows.ToArray()
	if c.full() {
		return asked, asked, nil
	}
	bases, err := c.bases()
	if err != nil {
		return nil, nil, err
	}
	present, places = make([]uint32, 0, len(asked)), make([]uint32, 0, len(asked))
	for len(asked) > 0 {
		page := asked[0] / PageRows
		end := sort.Search(len(asked), func(i int) bool { return asked[i]/PageRows > page })
		on := asked[:end]
		asked = asked[end:]
		switch bases[page+1] - bases[page] {
		case 0: // no row of the page has the field
			continue
		case uint32(pageLen(c.segment.meta.Rows, page)):
			for _, row := range on {
				present, places = append(present, row), append(places, bases[page]+row%PageRows)
			}
			continue
		}
		if _, known := c.segment.cache.peek(c.presentKey(page)); !known && len(on) <= walkMax {
			present, places, err = c.walkPlaces(present, places, page, bases[page], on)
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
				present, places = append(present, row), append(places, bases[page]+rank)
			}
		}
	}
	return present, places, nil
}

// walkPlaces is places for few rows of a page.
func (c *columnReader) walkPlaces(present, places []uint32, page, base uint32, on []uint32) (_, _ []uint32, err error) {
	x, err := c.segment.schemaList()
	if err != nil {
		return nil, nil, err
	}
	p, err := c.segment.schemaPage(x, page)
	if err != nil {
		return nil, nil, err
	}
	w := pageWalk{page: p, base: base}
	w.having, w.numbers = x.havingOn(page, c.number)
	for _, row := range on {
		place := row % PageRows
		if w.having[p.numbers[place]] {
			present, places = append(present, row), append(places, w.rank(uint16(place)))
		}
	}
	return present, places, nil
}

// pageWalk counts the rows of a page that have a field, place by place.
type pageWalk struct {
	page    *schemaPage
	base    uint32
	having  []bool // by number
	numbers []int  // that have it
	at, sum uint32 // the place up to which sum is counted
}

// rank returns the number in the column of the value at a place; places
// ascend. Near places are counted, far ones looked up in the lists of places.
func (w *pageWalk) rank(place uint16) uint32 {
	if steps := uint32(place) - w.at; int(steps) > len(w.numbers)*16 {
		w.sum = 0
		for _, number := range w.numbers {
			of := w.page.of(number)
			w.sum += uint32(sort.Search(len(of), func(i int) bool { return of[i] >= place }))
		}
	} else {
		for _, number := range w.page.numbers[w.at:place] {
			if w.having[number] {
				w.sum++
			}
		}
	}
	w.at = uint32(place)
	return w.base + w.sum
}
