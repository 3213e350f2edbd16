package segment

import (
	"context"
	"errors"
	"fmt"

	"github.com/FastFilter/xorfilter"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/part"
)

// textPage is a page of texts, decompressed; groups are decoded when asked
// for.
type textPage struct {
	codes  []uint32
	ranks  []uint16 // number of each value among those of its code
	groups map[uint32]*textGroup
	plain  uint32 // values of code 0, kept apart
}

// textGroup is the values of one shape on a page.
type textGroup struct {
	count uint32
	slots [][]byte // the encoded values of each variable
}

// textShape is a shape by its code. Only who builds texts needs it: the
// dictionary of shapes is not read to look for a word in variables.
type textShape struct {
	name string
	refs []uint32 // columns that it refers to, in order
}

func (c *columnReader) textShape(code uint32) (textShape, error) {
	name, err := c.entry(code - 1)
	if err != nil || !c.meta.refers {
		return textShape{name: name}, err
	}
	refs, err := shape.References(name)
	if err != nil {
		return textShape{}, errors.Join(ErrCorrupt, err)
	}
	return textShape{name, refs}, nil
}

func (c *columnReader) textPage(page uint32) (*textPage, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(itemText, c.number, page), func() (*textPage, int64, error) {
		codes, err := c.codes(page)
		if err != nil {
			return nil, 0, err
		}
		p := &textPage{codes: codes, ranks: make([]uint16, len(codes)), groups: map[uint32]*textGroup{}}
		counts := make([]uint16, c.meta.dict+1)
		distinct := 0
		for i, code := range codes {
			if counts[code] == 0 && code != 0 {
				distinct++
			}
			p.ranks[i] = counts[code]
			counts[code]++
		}
		p.plain = uint32(counts[0])
		if distinct == 0 {
			return p, 2 * int64(len(codes)), nil
		}
		raw, err := s.frame(columnKey(c.number, itemText, page))
		if err != nil {
			return nil, 0, err
		}
		if err := p.parseGroups(raw, counts, distinct); err != nil {
			return nil, 0, fmt.Errorf("text page %d of %q: %w", page, c.meta.path, err)
		}
		return p, int64(len(raw)) + 2*int64(len(codes)) + 256*int64(len(p.groups)), nil
	})
}

// parseGroups reads a text page and checks its directory against the codes.
func (p *textPage) parseGroups(raw []byte, counts []uint16, distinct int) error {
	r := wire.NewReader(raw)
	n := r.Bounded(PageRows)
	if int(n) != distinct {
		return ErrCorrupt
	}
	codes, sizes := make([]uint32, n), make([]uint32, n)
	var last uint32
	for i := range codes {
		last += r.Bounded(uint32(len(counts)))
		codes[i] = last
		if r.Failed() || last == 0 || int(last) >= len(counts) || counts[last] == 0 || r.Uint32() != uint32(counts[last]) {
			return ErrCorrupt
		}
		sizes[i] = r.Uint32()
	}
	for i, code := range codes {
		g := &textGroup{count: uint32(counts[code])}
		body := wire.NewReader(r.Take(uint64(sizes[i])))
		for body.Len() > 0 {
			g.slots = append(g.slots, body.Bytes())
		}
		if !body.Done() {
			return ErrCorrupt
		}
		p.groups[code] = g
	}
	if !r.Done() || len(p.groups) != int(n) {
		return ErrCorrupt
	}
	return nil
}

// gatherTexts is Gather of a text column.
func (c *columnReader) gatherTexts(ctx context.Context, present, places []uint32) (part.Values, error) {
	g := textGatherer{column: c, numbers: make(map[string]uint32, len(places)), shapes: map[uint32]textShape{}}
	g.out = part.Values{Rows: present, Codes: make([]uint32, 0, len(places))}
	err := eachPlacesPage(places, func(page uint32, from, to int) error {
		if err := g.page(ctx, page, places[from:to]); err != nil {
			return fmt.Errorf("text page %d of %q: %w", page, c.meta.path, err)
		}
		return ctx.Err()
	})
	return g.out, err
}

// textGatherer collects texts into a dictionary.
type textGatherer struct {
	column  *columnReader
	out     part.Values
	numbers map[string]uint32
	shapes  map[uint32]textShape // by code, of those met
	vars    []string
	refs    []string
	text    []byte
}

func (g *textGatherer) page(ctx context.Context, page uint32, places []uint32) error {
	p, err := g.column.textPage(page)
	if err != nil {
		return err
	}
	var plain *plainPage // read when one of its texts is asked for
	if err := g.meet(p, places); err != nil {
		return err
	}
	texts, err := g.referenceTexts(ctx, p, places)
	if err != nil {
		return err
	}
	decoded := map[uint32][][]string{}
	for _, place := range places {
		code, rank := p.codes[place%PageRows], p.ranks[place%PageRows]
		if code == 0 {
			if plain == nil {
				if plain, err = g.column.plainPage(page, p.plain); err != nil {
					return err
				}
			}
			g.add(plain.value(uint32(rank)))
			continue
		}
		slots, ok := decoded[code]
		if !ok {
			if slots, err = g.column.groupValues(ctx, page, p, code); err != nil {
				return err
			}
			decoded[code] = slots
		}
		g.vars = g.vars[:0]
		for _, slot := range slots {
			g.vars = append(g.vars, slot[rank])
		}
		form := g.shapes[code]
		g.refs = texts.take(g.refs[:0], form.refs)
		if g.text, err = shape.Join(g.text[:0], form.name, g.vars, g.refs); err != nil {
			return errors.Join(ErrCorrupt, err)
		}
		g.add(g.text)
	}
	return nil
}

// meet reads the shapes of the texts at places, as far as they are not known.
func (g *textGatherer) meet(p *textPage, places []uint32) error {
	for _, place := range places {
		code := p.codes[place%PageRows]
		if _, known := g.shapes[code]; known || code == 0 {
			continue
		}
		form, err := g.column.textShape(code)
		if err != nil {
			return err
		}
		g.shapes[code] = form
	}
	return nil
}

// referenceTexts reads the values that the texts at places refer to.
func (g *textGatherer) referenceTexts(ctx context.Context, p *textPage, places []uint32) (*referenceTexts, error) {
	c, texts := g.column, &referenceTexts{}
	if !c.meta.refers {
		return texts, nil
	}
	rows, err := c.rowsOf(make([]uint32, 0, len(places)), places)
	if err != nil {
		return nil, err
	}
	for i, place := range places {
		if refs := g.shapes[p.codes[place%PageRows]].refs; len(refs) > 0 {
			texts.need(refs, rows[i])
		}
	}
	return texts, texts.read(ctx, c)
}

func (g *textGatherer) add(text []byte) {
	number, ok := g.numbers[string(text)]
	if !ok {
		number = uint32(len(g.out.Dict))
		g.out.Dict = append(g.out.Dict, string(text))
		g.numbers[g.out.Dict[number]] = number
	}
	g.out.Codes = append(g.out.Codes, number)
}

// hasFilters reports whether the words of text pages are in filters.
func (c *columnReader) hasFilters() bool { return c.meta.text && hasWordFilters(c.meta.kind) }

// hasWordFilters says which kinds of text columns have filters: the words of
// numbers are few in form and seldom asked for.
func hasWordFilters(kind model.Kind) bool { return kind != model.Number }

func (c *columnReader) summary() (*summary, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(cachedFilters, c.number, summaryNumber), func() (*summary, int64, error) {
		raw, err := s.frame(filterKey(c.number, summaryNumber))
		if err != nil {
			return nil, 0, err
		}
		summary, err := parseSummary(raw)
		return summary, int64(len(raw)), err
	})
}

func (c *columnReader) filters(group uint32) ([]*xorfilter.BinaryFuse[uint8], error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(cachedFilters, c.number, group), func() ([]*xorfilter.BinaryFuse[uint8], int64, error) {
		raw, err := s.value(filterKey(c.number, group))
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

// touches reports whether some row of a page may be in within.
func (c *columnReader) touches(within *index.DocSet, page uint32) (bool, error) {
	first, end, err := c.rowSpan(page)
	if err != nil {
		return false, err
	}
	it := within.Iterator()
	it.AdvanceIfNeeded(first)
	return it.HasNext() && it.PeekNext() < end, nil
}

func textBytes(texts []string) int64 {
	bytes := 16 * int64(len(texts))
	for _, text := range texts {
		bytes += int64(len(text))
	}
	return bytes
}
