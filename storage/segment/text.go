package segment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/FastFilter/xorfilter"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

// textPage is a page of texts, decompressed: of each shape on it the values,
// encoded. What is asked for is decoded.
type textPage struct {
	groups []textGroup // codes ascend
}

// textGroup is the values of one shape on a page.
type textGroup struct {
	code, count uint32
	body        []byte // of each variable the length and the encoded values
}

// group returns the values of a code.
func (p *textPage) group(code uint32) (*textGroup, error) {
	i, found := slices.BinarySearchFunc(p.groups, code, func(g textGroup, code uint32) int { return cmp.Compare(g.code, code) })
	if !found {
		return nil, fmt.Errorf("%w: no values of code %d", ErrCorrupt, code)
	}
	return &p.groups[i], nil
}

// eachSlot calls visit with the encoded values of each variable.
func (g *textGroup) eachSlot(visit func(slot []byte) error) error {
	r := wire.NewReader(g.body)
	for r.Len() > 0 {
		slot := r.Bytes()
		if r.Failed() {
			break
		}
		if err := visit(slot); err != nil {
			return err
		}
	}
	if !r.Done() {
		return fmt.Errorf("%w: variables of code %d", ErrCorrupt, g.code)
	}
	return nil
}

// textShape is a shape. Only who builds texts needs it: the dictionary of
// shapes is not read to look for a word in variables.
type textShape struct {
	name string
	refs []uint32 // columns that it refers to, in order
}

// shapesOf returns the shapes of codes.
func (c *columnReader) shapesOf(codes []uint32) ([]string, error) {
	numbers := make([]uint32, len(codes))
	for i, code := range codes {
		numbers[i] = code - 1
	}
	return c.entriesOf(numbers)
}

func (c *columnReader) textShape(name string) (textShape, error) {
	if !c.meta.refers {
		return textShape{name: name}, nil
	}
	refs, err := shape.References(name)
	if err != nil {
		return textShape{}, errors.Join(ErrCorrupt, err)
	}
	return textShape{name, refs}, nil
}

// textPage returns the values of the shapes on a page; see borrowed.
func (c *columnReader) textPage(page uint32) (*textPage, func(), error) {
	if shapes, err := c.hasShapes(page); err != nil || !shapes {
		return &textPage{}, nothing, err // where there is no shape, nothing is stored
	}
	return c.shapedPage(page)
}

// shapedPage is textPage of a page on which some text has a shape.
func (c *columnReader) shapedPage(page uint32) (*textPage, func(), error) {
	s := c.segment
	return borrowed(s, s.cacheKey(itemText, c.number, page), columnKey(c.number, itemText, page), func(raw []byte, room *pageRoom) (*textPage, int64, error) {
		p, err := parseTextPage(room.groups, raw, c.meta.dict)
		if err != nil {
			return nil, 0, fmt.Errorf("text page %d of %q: %w", page, c.meta.path, err)
		}
		room.groups = p.groups
		return p, int64(len(raw)) + 32*int64(len(p.groups)), nil
	})
}

// hasShapes reports whether some text of a page has a shape.
func (c *columnReader) hasShapes(page uint32) (bool, error) {
	codes, done, err := c.codePage(page)
	if err != nil {
		return false, err
	}
	defer done()
	for i := range codes.Runs() {
		if code, _ := codes.Run(i); code != 0 {
			return true, nil
		}
	}
	return false, nil
}

// placesOf returns the places on a page of codes at which there is a wanted
// one.
func (c *columnReader) placesOf(p *column.CodePage, wanted bitSet) []uint32 {
	scans := &c.segment.cache.scans
	room := scans.take()
	defer scans.pool.Put(room)
	clear(room.marks[:])
	if !p.Mark(room.marks[:], wanted) {
		return nil
	}
	return room.marks.appendTo(make([]uint32, 0, room.marks.count()), 0)
}

// numbersOf returns the numbers in the column of the values of a code on a
// page.
func (c *columnReader) numbersOf(page, code uint32) ([]uint32, error) {
	p, done, err := c.codePage(page)
	if err != nil {
		return nil, err
	}
	defer done()
	wanted := newBitSet(c.meta.dict + 1)
	wanted.add(code)
	numbers := c.placesOf(p, wanted)
	for i := range numbers {
		numbers[i] += page * PageRows
	}
	return numbers, nil
}

// parseTextPage reads the directory of a text page; codes are up to dict. It
// uses the room for groups that is there.
func parseTextPage(room []textGroup, raw []byte, dict uint32) (*textPage, error) {
	r := wire.NewReader(raw)
	n := int(min(r.Bounded(PageRows), dict, uint32(len(raw))))
	p := &textPage{groups: slices.Grow(room[:0], n)[:n]}
	sizes := make([]uint32, len(p.groups))
	var last uint32
	for i := range p.groups {
		step := r.Bounded(dict - last)
		last += step
		p.groups[i] = textGroup{code: last, count: r.Bounded(PageRows)}
		sizes[i] = r.Uint32()
		if r.Failed() || step == 0 || p.groups[i].count == 0 {
			return nil, ErrCorrupt
		}
	}
	for i, size := range sizes {
		p.groups[i].body = r.Take(uint64(size))
	}
	if !r.Done() {
		return nil, ErrCorrupt
	}
	return p, nil
}

// gatherTexts is Gather of a text column, with known values gatherOnce. Shapes that it needs
// and that are not among those met before are added to these.
func (c *columnReader) gatherTexts(ctx context.Context, present, places []uint32, known []*part.Values, shapes map[uint32]textShape) (part.Values, error) {
	room := c.segment.cache.rooms.take(scratchRoom)
	defer c.segment.cache.rooms.give(room)
	g := textGatherer{column: c, decoder: &room.decoder, known: known, shapes: shapes}
	if known == nil {
		g.numbers = make(map[string]uint32, len(places))
	}
	g.out = part.Values{Rows: present, Codes: make([]uint32, 0, len(places))}
	g.seen = make([]uint16, c.meta.dict+1)
	err := c.eachCodePage(ctx, places, func(page uint32, from, to int, codes *column.CodePage) error {
		if err := g.page(ctx, page, codes, present[from:to], places[from:to]); err != nil {
			return fmt.Errorf("text page %d of %q: %w", page, c.meta.path, err)
		}
		return ctx.Err()
	})
	return g.out, err
}

// textGatherer collects texts into a dictionary.
type textGatherer struct {
	column  *columnReader
	decoder *column.Decoder
	out     part.Values
	known   []*part.Values       // of other columns
	numbers map[string]uint32    // of texts in the dictionary; nil: equal ones may be there
	shapes  map[uint32]textShape // by code, of those met
	seen    []uint16             // by code: values up to a place of the page
	vars    []string
	refs    []string
	text    []byte
	bytes   int // of texts that are not counted yet
}

// takeBytes is how many bytes of texts are counted at once.
const takeBytes = 64 << 10

// askedGroup is those values of a code on a page that are asked for.
type askedGroup struct {
	form  textShape
	ranks []uint32 // among the code's values on the page
	rows  []uint32
	slots [][]string // of each variable
	taken int
}

func (g *textGatherer) page(ctx context.Context, page uint32, p *column.CodePage, rows, places []uint32) error {
	codes := p.AppendAt(nil, places, page*PageRows)
	asked, err := g.askedGroups(p, codes, rows, places)
	if err != nil {
		return err
	}
	texts, err := g.referenceTexts(ctx, asked, codes, rows)
	if err != nil {
		return err
	}
	var plain [][]byte
	if of := asked[0]; of != nil {
		var done func()
		if plain, done, err = g.column.plainTexts(page, uint32(g.seen[0]), of.ranks); err != nil {
			return err
		}
		defer done()
	}
	var variables *textPage
	for _, code := range codes {
		of := asked[code]
		at := of.taken
		of.taken++
		if code == 0 {
			if err := g.add(ctx, plain[at]); err != nil {
				return err
			}
			continue
		}
		if variables == nil {
			var done func()
			if variables, done, err = g.column.shapedPage(page); err != nil {
				return err
			}
			defer done()
		}
		if of.slots == nil {
			if err := g.decodeAsked(variables, code, of); err != nil {
				return err
			}
		}
		g.vars = g.vars[:0]
		for _, slot := range of.slots {
			g.vars = append(g.vars, slot[at])
		}
		g.refs = texts.take(g.refs[:0], of.form.refs)
		if g.text, err = shape.Join(g.text[:0], of.form.name, g.vars, g.refs); err != nil {
			return errors.Join(ErrCorrupt, err)
		}
		if err := g.add(ctx, g.text); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// askedGroups collects by code what is asked for: the codes, rows and places
// of some values, which ascend. It leaves in g.seen how often each of the codes
// is on the page.
func (g *textGatherer) askedGroups(p *column.CodePage, codes, rows, places []uint32) (map[uint32]*askedGroup, error) {
	asked := map[uint32]*askedGroup{}
	wanted := newBitSet(uint32(len(g.seen)))
	var unknown []uint32
	for _, code := range codes {
		if wanted.has(code) {
			continue
		}
		wanted.add(code)
		g.seen[code] = 0
		form, known := g.shapes[code]
		if !known && code != 0 {
			unknown = append(unknown, code)
		}
		asked[code] = &askedGroup{form: form}
	}
	if err := g.column.addShapes(g.shapes, unknown); err != nil {
		return nil, err
	}
	for _, code := range unknown {
		asked[code].form = g.shapes[code]
	}
	if len(asked) <= ranksMax {
		g.rankEach(p, asked, wanted, codes, rows, places)
		return asked, nil
	}
	next := 0
	alike := g.column.placesOf(p, wanted)
	alikeCodes := p.AppendAt(nil, alike, 0)
	for i, place := range alike {
		code := alikeCodes[i]
		if next < len(places) && places[next]%PageRows == place {
			of := asked[code]
			of.ranks, of.rows = append(of.ranks, uint32(g.seen[code])), append(of.rows, rows[next])
			next++
		}
		g.seen[code]++
	}
	return asked, nil
}

// ranksMax is up to how many codes of a page are looked for one by one.
const ranksMax = 4

// rankEach notes in asked the ranks and rows of the values that are asked for,
// one code after the other. Wanted has the codes, and has none afterwards.
func (g *textGatherer) rankEach(p *column.CodePage, asked map[uint32]*askedGroup, wanted bitSet, codes, rows, places []uint32) {
	scans := &g.column.segment.cache.scans
	room := scans.take()
	defer scans.pool.Put(room)
	for code := range asked {
		wanted.remove(code)
	}
	for code, of := range asked {
		wanted.add(code)
		clear(room.marks[:])
		p.Mark(room.marks[:], wanted)
		wanted.remove(code)
		rank, word := 0, 0
		for i, place := range places {
			if codes[i] != code {
				continue
			}
			place %= PageRows
			for ; word < int(place/64); word++ {
				rank += bits.OnesCount64(room.marks[word])
			}
			before := bits.OnesCount64(room.marks[word] & (1<<(place%64) - 1))
			of.ranks, of.rows = append(of.ranks, uint32(rank+before)), append(of.rows, rows[i])
		}
		g.seen[code] = uint16(room.marks.count())
	}
}

// decodeAsked decodes the variables of the values that are asked for.
func (g *textGatherer) decodeAsked(p *textPage, code uint32, of *askedGroup) error {
	group, err := p.group(code)
	if err != nil {
		return err
	}
	of.slots = [][]string{}
	var times []int64
	return group.eachSlot(func(slot []byte) error {
		var values []string
		if isClock(slot) {
			if times == nil {
				if times, err = g.column.segment.clockTimes(of.rows); err != nil {
					return err
				}
			}
			values, err = clockValues(slot, int(group.count), of.ranks, times)
		} else {
			values, err = stringsOf(g.decoder, slot, int(group.count), of.ranks)
		}
		of.slots = append(of.slots, values)
		return err
	})
}

// stringsOf decodes the values of a variable at the ranks.
func stringsOf(d *column.Decoder, slot []byte, count int, ranks []uint32) ([]string, error) {
	values, rest, err := d.StringsAt(nil, slot, count, ranks)
	if err != nil || len(rest) != 0 {
		return nil, errors.Join(ErrCorrupt, err)
	}
	return values, nil
}

// referenceTexts reads the values that the texts in rows, which have the
// codes, refer to.
func (g *textGatherer) referenceTexts(ctx context.Context, asked map[uint32]*askedGroup, codes, rows []uint32) (*referenceTexts, error) {
	c, texts := g.column, &referenceTexts{}
	if !c.meta.refers {
		return texts, nil
	}
	for i, code := range codes {
		if refs := asked[code].form.refs; len(refs) > 0 {
			texts.need(refs, rows[i])
		}
	}
	return texts, texts.read(ctx, c, g.known)
}

func (g *textGatherer) add(ctx context.Context, text []byte) error {
	if number, ok := g.numbers[string(text)]; ok {
		g.out.Codes = append(g.out.Codes, number)
		return nil
	}
	if g.bytes += len(text); g.bytes >= takeBytes {
		if err := part.Take(ctx, g.bytes); err != nil {
			return err
		}
		g.bytes = 0
	}
	number, kept := uint32(len(g.out.Dict)), string(text)
	g.out.Dict, g.out.Codes = append(g.out.Dict, kept), append(g.out.Codes, number)
	if g.numbers != nil {
		g.numbers[kept] = number
	}
	return nil
}

// hasFilters reports whether the words of text pages are in filters.
func (c *columnReader) hasFilters() bool { return c.meta.text && hasWordFilters(c.meta.kind) }

// hasWordFilters says which kinds of text columns have filters: the words of
// numbers are few in form and seldom asked for.
func hasWordFilters(kind model.Kind) bool { return kind != model.Number }

// summary returns what is known of the column's words. It is small, and every
// word is looked for in it: it is kept at once.
func (c *columnReader) summary() (*summary, error) {
	s := c.segment
	return cached(s, s.cacheKey(cachedFilters, c.number, summaryNumber), func() (*summary, int64, error) {
		raw, err := s.frame(filterKey(c.number, summaryNumber))
		if err != nil {
			return nil, 0, err
		}
		summary, err := parseSummary(raw, s.wordSources(), s.meta.cutsLong())
		return summary, int64(len(raw)), err
	})
}

// askGroup looks for hashes in a group of filters.
func (c *columnReader) askGroup(ask []hashPages, group uint32) error {
	s := c.segment
	key := s.cacheKey(cachedFilters, c.number, group)
	if s.cache.holds(key) || s.cache.readings.again(key) {
		filters, err := c.filters(group)
		addHolding(ask, filters, group)
		return err
	}
	// Of a filter three bytes are looked at: it is not worth a copy.
	err := s.get(filterKey(c.number, group), func(value []byte) error {
		raw, err := checked(value)
		if err != nil {
			return err
		}
		filters, err := c.parseFilters(raw, group)
		addHolding(ask, filters, group)
		return err
	})
	if err != nil {
		return fmt.Errorf("filters of %q: %w", c.meta.path, err)
	}
	return nil
}

// addHolding adds the pages of a group whose filter has the hash.
func addHolding(ask []hashPages, filters []*xorfilter.BinaryFuse[uint8], group uint32) {
	first := group * filterGroup
	if group == pieceGroup {
		first = 0
	}
	for i, filter := range filters {
		for _, of := range ask {
			if filter != nil && filter.Contains(of.hash) {
				*of.pages = append(*of.pages, first+uint32(i))
			}
		}
	}
}

func (c *columnReader) filters(group uint32) ([]*xorfilter.BinaryFuse[uint8], error) {
	s := c.segment
	return cached(s, s.cacheKey(cachedFilters, c.number, group), func() ([]*xorfilter.BinaryFuse[uint8], int64, error) {
		raw, err := s.value(filterKey(c.number, group))
		if err != nil {
			return nil, 0, err
		}
		filters, err := c.parseFilters(raw, group)
		return filters, int64(len(raw)), err
	})
}

func (c *columnReader) parseFilters(raw []byte, group uint32) ([]*xorfilter.BinaryFuse[uint8], error) {
	filters, err := parseFilters(raw)
	if err != nil {
		return nil, err
	}
	want := min(filterGroup, c.pages()-group*filterGroup)
	if group == pieceGroup {
		summary, err := c.summary()
		if err != nil {
			return nil, err
		}
		want = summary.chunks
	}
	if len(filters) != int(want) {
		err = fmt.Errorf("filters of %q: %w", c.meta.path, ErrCorrupt)
	}
	return filters, err
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
