package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/storage/column"
)

// plainPage is the texts of code 0 on a page as they were written. Those with
// bytes beyond ASCII are there folded too: what folding makes of such bytes
// no search can tell, and it may be ASCII (U+212A gives k).
type plainPage struct {
	joinedTexts
	codes  []uint32 // which text each value is; nil: each its own
	long   []uint32 // which texts of code 0 are long, ascending: they are elsewhere
	odd    []uint32 // texts beyond ASCII, ascending
	folded joinedTexts
}

// plainPage returns those of the n texts of code 0 on a page that are not long; see
// borrowed.
func (c *columnReader) plainPage(page, n uint32) (*plainPage, func(), error) {
	return c.plainItem(itemPlain, page, func(raw []byte) (long []uint32, rest []byte, texts uint32, err error) {
		if !c.longApart() {
			return nil, raw, n, nil
		}
		r := wire.NewReader(raw)
		count := r.Bounded(n)
		if r.Failed() {
			return nil, nil, 0, ErrCorrupt
		}
		if rest = r.Rest(); count == 0 {
			return nil, rest, n, nil
		}
		places, rest, err := column.Ints(nil, rest, int(count))
		if err != nil {
			return nil, nil, 0, err
		}
		last := int64(-1)
		for _, place := range places {
			if place <= last || place >= int64(n) {
				return nil, nil, 0, ErrCorrupt
			}
			long, last = append(long, uint32(place)), place
		}
		return long, rest, n - count, nil
	})
}

// longPage returns the n long texts of code 0 on a page; see borrowed.
func (c *columnReader) longPage(page, n uint32) (*plainPage, func(), error) {
	return c.plainItem(itemLong, page, func(raw []byte) ([]uint32, []byte, uint32, error) { return nil, raw, n, nil })
}

// plainItem returns texts of code 0 on a page; front reads what stands before them.
func (c *columnReader) plainItem(item byte, page uint32, front func(raw []byte) (long []uint32, rest []byte, texts uint32, err error)) (*plainPage, func(), error) {
	s := c.segment
	return borrowed(s, s.cacheKey(item, c.number, page), columnKey(c.number, item, page), func(raw []byte, room *pageRoom) (*plainPage, int64, error) {
		corrupt := c.corruptTexts(page)
		long, rest, n, err := front(raw)
		if err != nil {
			return nil, 0, errors.Join(corrupt, err)
		}
		joined, rest, err := room.decoder.JoinedStrings(rest, int(n))
		if err != nil || len(rest) != 0 {
			return nil, 0, errors.Join(corrupt, err)
		}
		p := &plainPage{joinedTexts: joinTexts(joined.Text, joined.Ends), codes: joined.Codes, long: long}
		p.foldOdd()
		return p, int64(cap(raw)+len(p.folded.text)) + 4*int64(len(p.ends)+len(p.codes)+len(p.long)+2*len(p.odd)), nil
	})
}

func (c *columnReader) corruptTexts(page uint32) error {
	return fmt.Errorf("texts of page %d of %q: %w", page, c.meta.path, ErrCorrupt)
}

// longApart reports whether the long texts of the column are apart from the others.
func (c *columnReader) longApart() bool { return c.segment.meta.version > 3 }

// longPages returns the pages that may have long texts.
func (c *columnReader) longPages() []uint32 {
	if !c.longApart() || !c.hasFilters() {
		return nil
	}
	return c.allPages()
}

// wordSources returns how many sources of words filters know.
func (s *Segment) wordSources() wordSource {
	if s.meta.version > 3 {
		return wordSources
	}
	return longWords
}

// foldOdd folds the texts with bytes beyond ASCII.
func (p *plainPage) foldOdd() {
	var text []byte
	var ends []uint32
	for i, at := 0, 0; ; i++ {
		odd := indexOdd(p.text[at:])
		if odd < 0 {
			break
		}
		at += odd
		i += sort.Search(len(p.ends)-i, func(k int) bool { return int(p.ends[i+k]) > at })
		text = append(text, index.Fold(p.string(i))...)
		ends = append(ends, uint32(len(text)))
		p.odd = append(p.odd, uint32(i))
		at = int(p.ends[i])
	}
	p.folded = joinTexts(text, ends)
}

// indexOdd returns the place of the first byte beyond ASCII, -1 if there is
// none.
func indexOdd(text []byte) int {
	const highBits = 0x8080808080808080
	at := 0
	for ; len(text)-at >= 32; at += 32 { // most texts have none
		four := text[at:][:32]
		if (binary.LittleEndian.Uint64(four)|binary.LittleEndian.Uint64(four[8:])|
			binary.LittleEndian.Uint64(four[16:])|binary.LittleEndian.Uint64(four[24:]))&highBits != 0 {
			break
		}
	}
	for ; len(text)-at >= 8; at += 8 {
		if binary.LittleEndian.Uint64(text[at:])&highBits != 0 {
			break
		}
	}
	for ; at < len(text); at++ {
		if text[at] >= utf8.RuneSelf {
			return at
		}
	}
	return -1
}

// string returns a copy of a text.
func (p *plainPage) string(text int) string {
	begin, end := p.bounds(text)
	return string(p.text[begin:end])
}

// value returns the text of a value, which is not to be changed.
func (p *plainPage) value(number uint32) []byte {
	begin, end := p.bounds(p.textOf(number))
	return p.text[begin:end]
}

func (p *plainPage) textOf(value uint32) int {
	if p.codes != nil {
		return int(p.codes[value])
	}
	return int(value)
}

// find calls hit with the number of each of the texts from <= text < to that
// holds the needle, in no order.
func (p *plainPage) find(n needle, from, to int, hit func(text int)) {
	first, _ := slices.BinarySearch(p.odd, uint32(from))
	end, _ := slices.BinarySearch(p.odd, uint32(to))
	odd := p.odd[first:end]
	p.folded.find(n, first, end, func(i int) { hit(int(p.odd[i])) })
	if len(odd) == to-from || strings.ContainsFunc(n.text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return // ASCII folds to ASCII
	}
	p.joinedTexts.find(n, from, to, func(text int) {
		if _, found := slices.BinarySearch(odd, uint32(text)); !found {
			hit(text)
		}
	})
}

// holding returns those of the values that hold the needle, in order.
func (p *plainPage) holding(n needle, values []uint32) []uint32 {
	var found []uint32
	if len(values) <= len(p.ends)/fewTexts {
		for _, value := range values {
			text := p.textOf(value)
			p.find(n, text, text+1, func(int) { found = append(found, value) })
		}
		return found
	}
	hits := make([]bool, len(p.ends))
	p.find(n, 0, len(p.ends), func(text int) { hits[text] = true })
	for _, value := range values {
		if hits[p.textOf(value)] {
			found = append(found, value)
		}
	}
	return found
}

// fewTexts is the share of a page's texts, one in so many, up to which they
// are searched one by one.
const fewTexts = 8

// plain looks for the scan's needle in those texts without a shape on a page
// that are in within.
func (s *textScan) plain(ctx context.Context, page uint32) error {
	c := s.column
	numbers, err := c.numbersOf(page, 0)
	if err != nil || len(numbers) == 0 {
		return err
	}
	first, end, err := c.rowSpan(page)
	if err != nil {
		return err
	}
	var rows []uint32 // of the numbers, where few are asked for
	if int(s.within.CardinalityInRange(uint64(first), uint64(end))) <= len(numbers)/fewTexts {
		if rows, err = c.rowsOf(make([]uint32, 0, len(numbers)), numbers); err != nil {
			return err
		}
	}
	values := slices.Grow(s.values[:0], len(numbers))
	for value := range uint32(len(numbers)) {
		if rows == nil || s.within.Contains(rows[value]) {
			values = append(values, value)
		}
	}
	s.values = values
	if len(values) == 0 {
		return nil
	}
	if s.begin != nil {
		s.begin(page, plainWords)
	}
	hits, err := s.plainHits(ctx, page, uint32(len(numbers)), values)
	if err != nil {
		return err
	}
	found := make([]uint32, len(hits))
	for i, value := range hits {
		found[i] = numbers[value]
	}
	return s.add(found)
}

// Texts that are found on a page are shown next, as a rule, and to read one is
// to unpack the page again: where they are few they are kept one by one.
const (
	foundKept      = 64      // texts of a page
	foundKeptBytes = 4 << 10 // of a text
)

func (c *columnReader) foundKey(page, value uint32) cacheKey {
	return c.segment.cacheKey(cachedFound, c.number, page*PageRows+value)
}

// keepFound keeps the texts of those values of a page that were found, if they
// are few.
func (c *columnReader) keepFound(page uint32, p *plains, hits []uint32) {
	if len(hits) > foundKept {
		return
	}
	for _, value := range hits {
		if text, ok := p.value(value); ok && len(text) <= foundKeptBytes {
			c.segment.cache.put(c.foundKey(page, value), slices.Clone(text), int64(len(text)))
		}
	}
}

// foundTexts returns the texts of values of a page, if all are kept.
func (c *columnReader) foundTexts(page uint32, values []uint32) (texts [][]byte, ok bool) {
	if len(values) > foundKept {
		return nil, false
	}
	for _, value := range values {
		text, ok := c.segment.cache.peek(c.foundKey(page, value))
		if !ok {
			return nil, false
		}
		texts = append(texts, text.([]byte))
	}
	return texts, true
}

// plainTexts returns the texts of values, which ascend, of the n on a page that
// have no shape; done must be called when they are not needed any more.
func (c *columnReader) plainTexts(page, n uint32, values []uint32) (texts [][]byte, done func(), err error) {
	if texts, ok := c.foundTexts(page, values); ok {
		return texts, nothing, nil
	}
	p, err := c.openPlain(page, n, false)
	if err != nil {
		return nil, nothing, err
	}
	short, long := p.split(values)
	if err = p.openLong(long); err == nil && len(short) > 0 {
		err = p.openShort()
	}
	if err != nil {
		p.done()
		return nil, nothing, err
	}
	texts = make([][]byte, len(values))
	for i, value := range values {
		texts[i], _ = p.value(value)
	}
	return texts, p.done, nil
}
