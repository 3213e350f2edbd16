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
)

// plainPage is the texts of code 0 on a page as they were written. Those with
// bytes beyond ASCII are there folded too: what folding makes of such bytes
// no search can tell, and it may be ASCII (U+212A gives k).
type plainPage struct {
	joinedTexts
	codes  []uint32 // which text each value is; nil: each its own
	odd    []uint32 // texts beyond ASCII, ascending
	folded joinedTexts
}

// plainPage returns the n texts of code 0 on a page; see borrowed.
func (c *columnReader) plainPage(page, n uint32) (*plainPage, func(), error) {
	s := c.segment
	return borrowed(s, s.cacheKey(itemPlain, c.number, page), columnKey(c.number, itemPlain, page), func(raw []byte, room *pageRoom) (*plainPage, int64, error) {
		joined, rest, err := room.decoder.JoinedStrings(raw, int(n))
		if err != nil || len(rest) != 0 {
			return nil, 0, errors.Join(fmt.Errorf("texts of page %d of %q: %w", page, c.meta.path, ErrCorrupt), err)
		}
		p := &plainPage{joinedTexts: joinTexts(joined.Text, joined.Ends), codes: joined.Codes}
		p.foldOdd()
		return p, int64(cap(raw)+len(p.folded.text)) + 4*int64(len(p.ends)+len(p.codes)+2*len(p.odd)), nil
	})
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
func (c *columnReader) keepFound(page uint32, p *plainPage, hits []uint32) {
	if len(hits) > foundKept {
		return
	}
	for _, value := range hits {
		if text := p.value(value); len(text) <= foundKeptBytes {
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
	p, done, err := c.plainPage(page, n)
	if err != nil {
		return nil, done, err
	}
	texts = make([][]byte, len(values))
	for i, value := range values {
		texts[i] = p.value(value)
	}
	return texts, done, nil
}
