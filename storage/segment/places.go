package segment

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"

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
	places  []uint16 // on the page, ascending for each number
}

// of returns the places with a number.
func (p *schemaPage) of(number int) []uint16 { return p.places[p.start[number]:p.start[number+1]] }

// A place on a page is kept in 16 bits.
const _ = uint(1<<16 - PageRows)

// schemaPage reads a page of schema codes.
func (s *Segment) schemaPage(x *schemaIndex, page uint32) (*schemaPage, error) {
	return cached(s.cache, s.cacheKey(cachedSchemas, 0, page), func() (*schemaPage, int64, error) {
		n := pageLen(s.meta.Rows, page)
		codes, err := s.codesPage(pageKey(sectionSchemas, page), n, s.meta.schemas)
		if err != nil {
			return nil, 0, err
		}
		counts := x.pages[page]
		p := &schemaPage{numbers: make([]uint16, n), start: make([]uint32, len(counts)+1), places: make([]uint16, n)}
		next := make([]uint32, len(counts))
		for i, count := range counts {
			next[i] = p.start[i]
			p.start[i+1] = p.start[i] + count.rows
		}
		known, number := ^uint32(0), 0
		for place, code := range codes {
			if code != known {
				known = code
				number = sort.Search(len(counts), func(i int) bool { return counts[i].schema >= code })
			}
			if number == len(counts) || counts[number].schema != code || next[number] == p.start[number+1] {
				return nil, 0, fmt.Errorf("schemas of page %d: %w: not what the list counts", page, ErrCorrupt)
			}
			p.numbers[place] = uint16(number)
			p.places[next[number]] = uint16(place)
			next[number]++
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

// eachPresent calls visit with the rows of each page that have the field.
func (c *columnReader) eachPresent(visit func(rows []uint32)) error {
	s := c.segment
	x, err := s.schemaList()
	if err != nil {
		return err
	}
	bases, err := c.bases()
	if err != nil {
		return err
	}
	rows := make([]uint32, 0, PageRows)
	for page := range pages(s.meta.Rows) {
		first := page * PageRows
		rows = rows[:0]
		switch bases[page+1] - bases[page] {
		case 0:
			continue
		case uint32(pageLen(s.meta.Rows, page)):
			for place := range uint32(pageLen(s.meta.Rows, page)) {
				rows = append(rows, first+place)
			}
		default:
			p, err := s.schemaPage(x, page)
			if err != nil {
				return err
			}
			having, numbers := x.havingOn(page, c.number)
			if len(numbers) == 1 {
				for _, place := range p.of(numbers[0]) {
					rows = append(rows, first+uint32(place))
				}
				break
			}
			for place, number := range p.numbers {
				if having[number] {
					rows = append(rows, first+uint32(place))
				}
			}
		}
		visit(rows)
	}
	return nil
}

// presence returns the rows that have the field.
func (c *columnReader) presence() (*index.DocSet, error) {
	s := c.segment
	if c.full() {
		return index.DocSetRange(0, s.meta.Rows), nil
	}
	return cached(s.cache, s.cacheKey(cachedPresence, c.number, 0), func() (*index.DocSet, int64, error) {
		rows := index.NewDocSet()
		if err := c.eachPresent(rows.AddMany); err != nil {
			return nil, 0, err
		}
		rows.RunOptimize()
		return rows, int64(rows.GetSizeInBytes()), nil
	})
}

// presentRows returns the rows that have the field as a list, nil if all do.
func (c *columnReader) presentRows() ([]uint32, error) {
	if c.full() {
		return nil, nil
	}
	s := c.segment
	return cached(s.cache, s.cacheKey(cachedPresentRows, c.number, 0), func() ([]uint32, int64, error) {
		list := make([]uint32, 0, c.meta.count)
		err := c.eachPresent(func(rows []uint32) { list = append(list, rows...) })
		return list, 4 * int64(len(list)), err
	})
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

// sparseShare is the share of a segment's rows, one in so many, up to which
// the places of rows are found page by page and not from the list of all rows
// that have the field.
const sparseShare = 16

// places returns those of the rows that have the field, and the number of
// each one's value in the column.
func (c *columnReader) places(rows *index.DocSet) (present, places []uint32, err error) {
	asked := rows.ToArray()
	if c.full() {
		return asked, asked, nil
	}
	if len(asked) < int(c.segment.meta.Rows/sparseShare) {
		return c.sparsePlaces(asked)
	}
	list, err := c.presentRows()
	if err != nil {
		return nil, nil, err
	}
	present, places = make([]uint32, 0, len(asked)), make([]uint32, 0, len(asked))
	at := 0
	for _, row := range asked {
		for at < len(list) && list[at] < row {
			at++
		}
		if at == len(list) {
			break
		}
		if list[at] == row {
			present, places = append(present, row), append(places, uint32(at))
		}
	}
	return present, places, nil
}

// sparsePlaces is places for few rows: only their schema pages are read.
func (c *columnReader) sparsePlaces(asked []uint32) (present, places []uint32, err error) {
	x, err := c.segment.schemaList()
	if err != nil {
		return nil, nil, err
	}
	bases, err := c.bases()
	if err != nil {
		return nil, nil, err
	}
	for len(asked) > 0 {
		page := asked[0] / PageRows
		end := sort.Search(len(asked), func(i int) bool { return asked[i]/PageRows > page })
		on := asked[:end]
		asked = asked[end:]
		if bases[page] == bases[page+1] {
			continue // no row of the page has the field
		}
		p, err := c.segment.schemaPage(x, page)
		if err != nil {
			return nil, nil, err
		}
		w := pageWalk{page: p, base: bases[page]}
		w.having, w.numbers = x.havingOn(page, c.number)
		for _, row := range on {
			place := row % PageRows
			if w.having[p.numbers[place]] {
				present, places = append(present, row), append(places, w.rank(uint16(place)))
			}
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
