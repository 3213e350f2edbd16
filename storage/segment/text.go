package segment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/FastFilter/xorfilter"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

// textPage is a page of texts, decompressed; groups are decoded when asked
// for.
type textPage struct {
	codes  []uint32
	ranks  []uint16 // number of each value among those of its code
	groups map[uint32]textGroup
}

// textGroup is the values of one code on a page.
type textGroup struct {
	count  uint32
	shape  string // "" for code 0
	slots  int    // variables of the shape
	bodies []byte
}

func (c *columnReader) textPage(page uint32) (*textPage, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(itemText, c.number, page), func() (*textPage, int64, error) {
		codes, err := c.codes(page)
		if err != nil {
			return nil, 0, err
		}
		raw, err := s.frame(columnKey(c.number, itemText, page))
		if err != nil {
			return nil, 0, err
		}
		p := &textPage{codes: codes, ranks: make([]uint16, len(codes)), groups: map[uint32]textGroup{}}
		counts := map[uint32]uint32{}
		for i, code := range codes {
			p.ranks[i] = uint16(counts[code])
			counts[code]++
		}
		if err := c.parseGroups(p, raw, counts); err != nil {
			return nil, 0, fmt.Errorf("text page %d of %q: %w", page, c.meta.path, err)
		}
		return p, int64(len(raw)) + 2*int64(len(codes)) + 96*int64(len(p.groups)), nil
	})
}

// parseGroups reads the directory of a text page and checks it against the
// codes.
func (c *columnReader) parseGroups(p *textPage, raw []byte, counts map[uint32]uint32) error {
	r := reader{src: raw}
	n := r.bounded(PageRows)
	if int(n) != len(counts) {
		return ErrCorrupt
	}
	codes, sizes := make([]uint32, n), make([]uint32, n)
	var last uint32
	for i := range codes {
		last += r.uint32()
		codes[i] = last
		if counts[last] == 0 || r.uint32() != counts[last] {
			return ErrCorrupt
		}
		sizes[i] = r.uint32()
	}
	for i, code := range codes {
		g := textGroup{count: counts[code], bodies: r.bytes(sizes[i])}
		if code > 0 {
			name, err := c.entry(code - 1)
			if err != nil {
				return err
			}
			g.shape, g.slots = name, shape.Variables(name)
		}
		p.groups[code] = g
	}
	if r.failed || len(r.src) != 0 || len(p.groups) != int(n) {
		return ErrCorrupt
	}
	return nil
}

// slotValues decodes the variables of a group, slot by slot; for code 0 the
// one slot is the texts.
func (g *textGroup) slotValues(code uint32) ([][]string, error) {
	slots := g.slots
	if code == 0 {
		slots = 1
	}
	out := make([][]string, slots)
	src := g.bodies
	for i := range out {
		var err error
		if out[i], src, err = column.Strings(nil, src, int(g.count)); err != nil {
			return nil, errors.Join(ErrCorrupt, err)
		}
	}
	if len(src) != 0 {
		return nil, ErrCorrupt
	}
	return out, nil
}

// gatherTexts is Gather of a text column.
func (c *columnReader) gatherTexts(ctx context.Context, present, places []uint32) (part.Values, error) {
	out := part.Values{Rows: present, Codes: make([]uint32, 0, len(places))}
	numbers := make(map[string]uint32, len(places))
	var vars []string
	var text []byte
	err := c.eachCodePage(places, func(page uint32, from, to int, codes []uint32) error {
		p, err := c.textPage(page)
		if err != nil {
			return err
		}
		decoded := map[uint32][][]string{}
		for _, place := range places[from:to] {
			code := codes[place%PageRows]
			g := p.groups[code]
			slots, ok := decoded[code]
			if !ok {
				if slots, err = g.slotValues(code); err != nil {
					return fmt.Errorf("text page %d of %q: %w", page, c.meta.path, err)
				}
				decoded[code] = slots
			}
			rank := p.ranks[place%PageRows]
			if code == 0 {
				text = append(text[:0], slots[0][rank]...)
			} else {
				vars = vars[:0]
				for _, slot := range slots {
					vars = append(vars, slot[rank])
				}
				if text, err = shape.Join(text[:0], g.shape, vars); err != nil {
					return fmt.Errorf("text page %d of %q: %w", page, c.meta.path, errors.Join(ErrCorrupt, err))
				}
			}
			number, ok := numbers[string(text)]
			if !ok {
				number = uint32(len(out.Dict))
				value := string(text)
				numbers[value] = number
				out.Dict = append(out.Dict, value)
			}
			out.Codes = append(out.Codes, number)
		}
		return ctx.Err()
	})
	return out, err
}

// hasFilters reports whether the words of text pages are in filters.
func (c *columnReader) hasFilters() bool { return c.meta.text && hasWordFilters(c.meta.kind) }

// hasWordFilters says which kinds of text columns have filters: the words of
// numbers are few in form and seldom asked for.
func hasWordFilters(kind model.Kind) bool { return kind != model.Number }

func (c *columnReader) summary() (*summary, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(itemFilters, c.number, summaryNumber), func() (*summary, int64, error) {
		raw, err := s.frame(columnKey(c.number, itemFilters, summaryNumber))
		if err != nil {
			return nil, 0, err
		}
		summary, err := parseSummary(raw)
		return summary, int64(len(raw)), err
	})
}

func (c *columnReader) filters(group uint32) ([]*xorfilter.BinaryFuse[uint8], error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(itemFilters, c.number, group), func() ([]*xorfilter.BinaryFuse[uint8], int64, error) {
		raw, err := s.value(columnKey(c.number, itemFilters, group))
		if err != nil {
			return nil, 0, err
		}
		filters, err := parseFilters(raw)
		if err == nil && len(filters) != int(min(filterGroup, c.pages()-group*filterGroup)) {
			err = fmt.Errorf("filters of %q: %w", c.meta.path, ErrCorrupt)
		}
		return filters, int64(len(raw)), err
	})
}

// pagesWithWord returns the text pages that may hold the word in a variable
// or in a text without shape.
func (c *columnReader) pagesWithWord(word string) ([]uint32, error) {
	var out []uint32
	if !c.hasFilters() {
		if !numberWord(word) {
			return nil, nil
		}
		for page := range c.pages() {
			out = append(out, page)
		}
		return out, nil
	}
	summary, err := c.summary()
	if err != nil {
		return nil, err
	}
	if !summary.edges.mayStart(word) || !summary.edges.mayEnd(word) {
		return nil, nil
	}
	hash := wordHash(word)
	_, common := slices.BinarySearch(summary.common, hash)
	for group := uint32(0); group*filterGroup < c.pages(); group++ {
		filters, err := c.filters(group)
		if err != nil {
			return nil, err
		}
		for i, filter := range filters {
			if common || filter != nil && filter.Contains(hash) {
				out = append(out, group*filterGroup+uint32(i))
			}
		}
	}
	return out, nil
}

// numberWord reports whether the word can be part of a number's text.
func numberWord(word string) bool {
	for i := 0; i < len(word); i++ {
		if c := word[i]; (c < '0' || c > '9') && c != 'e' {
			return false
		}
	}
	return true
}

// rowsWithText returns the rows of within on the given pages where a variable
// (or the text, where there is no shape) satisfies test. Codes in skip are
// not looked at.
func (c *columnReader) rowsWithText(ctx context.Context, textPages []uint32, skip []uint32, within *index.DocSet, test func(string) bool) (*index.DocSet, error) {
	found := index.NewDocSet()
	list, err := c.presentRows()
	if err != nil {
		return nil, err
	}
	for _, page := range textPages {
		if !c.touches(within, list, page) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := c.textPage(page)
		if err != nil {
			return nil, err
		}
		hits := map[uint32][]bool{}
		for code, g := range p.groups {
			if _, skipped := slices.BinarySearch(skip, code); skipped {
				continue
			}
			slots, err := g.slotValues(code)
			if err != nil {
				return nil, fmt.Errorf("text page %d of %q: %w", page, c.meta.path, err)
			}
			for _, slot := range slots {
				for rank, text := range slot {
					if test(text) {
						if hits[code] == nil {
							hits[code] = make([]bool, g.count)
						}
						hits[code][rank] = true
					}
				}
			}
		}
		if len(hits) == 0 {
			continue
		}
		for place, code := range p.codes {
			if hit := hits[code]; hit != nil && hit[p.ranks[place]] {
				found.Add(rowAt(list, page*PageRows+uint32(place)))
			}
		}
	}
	return index.And(found, within), nil
}

// rowAt returns the row of the n-th value.
func rowAt(list []uint32, n uint32) uint32 {
	if list == nil {
		return n
	}
	return list[n]
}

// touches reports whether some row of a page is in within.
func (c *columnReader) touches(within *index.DocSet, list []uint32, page uint32) bool {
	first := rowAt(list, page*PageRows)
	last := rowAt(list, page*PageRows+uint32(pageLen(c.meta.count, page))-1)
	it := within.Iterator()
	it.AdvanceIfNeeded(first)
	return it.HasNext() && it.PeekNext() <= last
}
