package segment

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
)

// textLeaf is leaf of a text column.
func (c *columnReader) textLeaf(ctx context.Context, p *probe, within *index.DocSet) (*index.DocSet, error) {
	switch pred := p.pred.(type) {
	case index.Word:
		return c.rowsWithWord(ctx, p, 0, within)
	case index.Prefix:
		return c.rowsWithPrefix(ctx, p, pred, within)
	case index.Phrase:
		if len(p.hints.Words) > 0 && !strings.ContainsFunc(pred.Folded(), besideWords) {
			return c.rowsWithPhrase(ctx, p, within)
		}
	}
	var err error
	for i := range p.hints.Words {
		if within, err = c.rowsWithWord(ctx, p, i, within); err != nil || within.IsEmpty() {
			return within, err
		}
	}
	if p.regex != nil {
		if within, err = c.narrowRegex(ctx, p.regex, within); err != nil {
			return nil, err
		}
	}
	return c.verify(ctx, p.pred, within)
}

// besideWords reports whether a phrase with the rune may reach into a variable
// without a word of the variable: such runes are no parts of words, but bytes
// of variables. Bytes with a meaning in shapes count too.
func besideWords(r rune) bool {
	return r >= utf8.RuneSelf && !index.IsWordRune(r) || r == shape.Placeholder || r == shape.Escape || r == shape.Reference
}

// entriesWith returns the codes of the shapes with a word of the probe's hint.
func (c *columnReader) entriesWith(p *probe, word string) []uint32 {
	return c.ownEntries(p.perWord[slices.Index(p.hints.Words, word)])
}

// rowsWithWord returns the rows of within with the i-th word of the hint in
// the shape or elsewhere in the text.
func (c *columnReader) rowsWithWord(ctx context.Context, p *probe, i int, within *index.DocSet) (*index.DocSet, error) {
	return c.rowsWithWordIn(ctx, p, i, within, variableWords, plainWords, longWords)
}

// rowsWithWordIn is rowsWithWord for some sources of what is elsewhere.
func (c *columnReader) rowsWithWordIn(ctx context.Context, p *probe, i int, within *index.DocSet, sources ...wordSource) (*index.DocSet, error) {
	word := p.hints.Words[i]
	codes := c.entriesWith(p, word)
	found, err := c.rowsOfCodes(ctx, codes, within)
	if err != nil {
		return nil, err
	}
	referring, err := c.rowsByReference(ctx, p.wordProbe(i), index.AndNot(within, found))
	if err != nil {
		return nil, err
	}
	found = index.Or(found, referring)
	rows, err := c.rowsWithLooseWord(ctx, p, word, codes, index.AndNot(within, found), sources...)
	if err != nil {
		return nil, err
	}
	return index.Or(found, rows), nil
}

// rowsWithLooseWord returns the rows of within with the word in a variable or
// in a text without a shape, as sources say. Shapes in skip are not looked at.
func (c *columnReader) rowsWithLooseWord(ctx context.Context, p *probe, word string, skip []uint32, within *index.DocSet, sources ...wordSource) (*index.DocSet, error) {
	test := func(text string) bool { return index.HasWord(text, word) }
	scan := textScan{column: c, within: within, skip: skip, test: test, bytes: column.NewNeedle(word), needle: wordNeedle(word), word: word}
	var err error
	for _, source := range sources {
		if scan.pages[source], err = c.pagesWithWord(word, p.along, source); err != nil {
			return nil, err
		}
	}
	return scan.run(ctx)
}

// rowsWithPrefix returns the rows of within with a word that starts so in the
// shape (codes) or elsewhere in the text.
func (c *columnReader) rowsWithPrefix(ctx context.Context, p *probe, pred index.Prefix, within *index.DocSet) (*index.DocSet, error) {
	codes := c.ownEntries(p.entries)
	found, err := c.rowsOfCodes(ctx, codes, within)
	if err != nil {
		return nil, err
	}
	referring, err := c.rowsByReference(ctx, p, index.AndNot(within, found))
	if err != nil {
		return nil, err
	}
	found = index.Or(found, referring)
	test := func(text string) bool { return pred.Match(c.meta.kind, text) }
	scan := textScan{column: c, within: index.AndNot(within, found), skip: codes, test: test, bytes: column.NewNeedle(pred.Folded), needle: needle{text: pred.Folded, left: true}}
	if scan.pages, err = c.pagesWithPrefix(pred.Folded, variableWords, plainWords, longWords); err != nil {
		return nil, err
	}
	rows, err := scan.run(ctx)
	if err != nil {
		return nil, err
	}
	return index.Or(found, rows), nil
}

func (c *columnReader) allPages() []uint32 { return upTo(c.pages()) }

// upTo returns the numbers below n.
func upTo(n uint32) []uint32 {
	all := make([]uint32, n)
	for i := range all {
		all[i] = uint32(i)
	}
	return all
}

// wordPages are the text pages that may hold a word, of each source; of long texts that are
// cut the chunks of pieces.
type wordPages [wordSources][]uint32

// pagesWithWord returns the text pages that may hold the word in the given
// source. They are kept, as a word is looked for to guess how often it occurs
// and to find it, and not to be changed. What is read to find them tells of the
// words along, which will be asked for next: of these they are kept too.
func (c *columnReader) pagesWithWord(word string, along []string, source wordSource) ([]uint32, error) {
	cache := c.segment.cache
	if pages, ok := cache.get(c.wordPagesKey(word)); ok {
		return pages.(*wordPages)[source], nil
	}
	words := []string{word}
	for _, other := range along {
		if other != word && !cache.holds(c.wordPagesKey(other)) {
			words = append(words, other)
		}
	}
	found, err := c.findPages(words)
	if err != nil {
		return nil, err
	}
	for i, word := range words {
		cache.put(c.wordPagesKey(word), &found[i], 4*int64(len(found[i][plainWords])+len(found[i][longWords])+len(found[i][variableWords])))
	}
	return found[0][source], nil
}

func (c *columnReader) wordPagesKey(word string) cacheKey {
	at := c.segment.cacheKey(cachedWordPages, c.number, 0)
	at.text = word
	return at
}

// findPages is pagesWithWord of some words without what is kept: of all
// sources, as these are in the same filters.
func (c *columnReader) findPages(words []string) ([]wordPages, error) {
	found := make([]wordPages, len(words))
	if !c.hasFilters() {
		for i, word := range words {
			if numberWord(word) {
				found[i][plainWords] = c.allPages()
			}
		}
		return found, nil
	}
	summary, err := c.summary()
	if err != nil {
		return nil, err
	}
	var ask hashQuestions
	for i, word := range words {
		for source := range wordSources {
			if summary.mayStart(source, word) && summary.mayEnd(source, word) {
				ask.add(c, summary, wordHash(word, source), source, &found[i][source])
			}
		}
	}
	return found, c.askFilters(summary, &ask)
}

// pagesWithPrefix returns the text pages that may hold a word with the prefix, of each of
// the sources: filters, which are large, are read once for all.
func (c *columnReader) pagesWithPrefix(prefix string, sources ...wordSource) (pages wordPages, err error) {
	if !c.hasFilters() {
		if numberWord(prefix) {
			pages[plainWords] = c.allPages()
		}
		return pages, nil
	}
	summary, err := c.summary()
	if err != nil {
		return pages, err
	}
	piece, ok := headPiece(prefix)
	sources = slices.DeleteFunc(sources, func(source wordSource) bool { return !summary.mayStart(source, prefix) })
	return c.pagesWithPiece(summary, piece, ok, headSalt, sources)
}

// pagesWithSuffix returns the text pages that may hold a word with the suffix, of each of
// the sources, in a column with filters.
func (c *columnReader) pagesWithSuffix(suffix string, sources ...wordSource) (pages wordPages, err error) {
	summary, err := c.summary()
	if err != nil {
		return pages, err
	}
	piece, ok := tailPiece(suffix)
	sources = slices.DeleteFunc(sources, func(source wordSource) bool { return !summary.mayEnd(source, suffix) })
	return c.pagesWithPiece(summary, piece, ok, tailSalt, sources)
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

// textScan looks for rows where a variable, or a text without a shape,
// satisfies test.
type textScan struct {
	column *columnReader
	within *index.DocSet
	skip   []uint32          // codes not looked at
	test   func(string) bool // of variables
	bytes  column.Needle     // what test looks for
	needle needle            // in texts without a shape: the same condition
	word   string            // that the needle is, if it is one
	pages  wordPages
	// any are words of which one is looked for, instead of test, bytes, needle and word:
	// those that the page that is looked at may have, as begin, if there is one, says.
	any   []wordOfScan
	begin func(page uint32, source wordSource)
	// numbers are those of the words that are numbers.
	numbers []uint64

	found   *index.DocSet
	decoder *column.Decoder
	values  []uint32 // scratch
}

// may reports whether there can be a hit as far as is known of what is looked for.
func (s *textScan) may(can func(bytes column.Needle, word string) bool) bool {
	if s.any == nil {
		return can(s.bytes, s.word)
	}
	return slices.ContainsFunc(s.any, func(w wordOfScan) bool { return can(w.bytes, w.word) })
}

func (s *textScan) run(ctx context.Context) (*index.DocSet, error) {
	s.found = index.NewDocSet()
	if s.within.IsEmpty() {
		return s.found, nil
	}
	rooms := s.column.segment.cache.rooms
	room := rooms.take(scratchRoom)
	defer rooms.give(room)
	s.decoder = &room.decoder
	if err := s.each(ctx, s.pages[variableWords], s.variables); err != nil {
		return nil, err
	}
	var err error
	if s.pages[longWords], err = s.column.longPagesWith(s.needle, s.pages[longWords], s.within); err != nil {
		return nil, err
	}
	if err := s.each(ctx, union(s.pages[plainWords], s.pages[longWords]), s.plain); err != nil {
		return nil, err
	}
	return index.And(s.found, s.within), nil
}

// each calls scan with those of the pages that rows of within may be on.
func (s *textScan) each(ctx context.Context, pages []uint32, scan func(context.Context, uint32) error) error {
	for _, page := range pages {
		if err := ctx.Err(); err != nil {
			return err
		}
		touches, err := s.column.touches(s.within, page)
		if err != nil {
			return err
		}
		if !touches {
			continue
		}
		if err := scan(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

// union returns what is in one of two ascending lists.
func union(a, b []uint32) []uint32 {
	if len(b) == 0 {
		return a
	}
	both := slices.Concat(a, b)
	slices.Sort(both)
	return slices.Compact(both)
}

// variables looks at the variables of a page.
func (s *textScan) variables(_ context.Context, page uint32) error {
	if s.begin != nil {
		s.begin(page, variableWords)
	}
	s.findNumbers()
	asked, err := s.askedCodes(page)
	if err != nil || asked != nil && asked.empty() {
		return err
	}
	p, done, err := s.column.textPage(page)
	if err != nil {
		return err
	}
	defer done()
	var hits [][]bool // of each group with some
	var hitCodes []uint32
	skip := s.skip
	for i := range p.groups {
		group := &p.groups[i]
		for len(skip) > 0 && skip[0] < group.code {
			skip = skip[1:]
		}
		if len(skip) > 0 && skip[0] == group.code || asked != nil && !asked.has(group.code) {
			continue
		}
		hit, err := s.matchGroup(page, group)
		if err != nil {
			return err
		}
		if hit != nil {
			hits, hitCodes = append(hits, hit), append(hitCodes, group.code)
		}
	}
	if len(hits) == 0 {
		return nil
	}
	return s.addHits(page, hitCodes, hits)
}

// askedCodes returns the codes of the shapes that rows of within have on a page
// of values, but for those in skip: where few are asked for, nothing else is to
// be looked at. Where there are many it returns nil.
func (s *textScan) askedCodes(page uint32) (bitSet, error) {
	c := s.column
	first, end, err := c.rowSpan(page)
	if err != nil {
		return nil, err
	}
	n := pageLen(c.meta.count, page)
	if int(s.within.CardinalityInRange(uint64(first), uint64(end))) > n/fewTexts {
		return nil, nil
	}
	_, places, err := c.places(index.And(s.within, index.DocSetRange(first, end)))
	if err != nil {
		return nil, err
	}
	from := sort.Search(len(places), func(i int) bool { return places[i] >= page*PageRows })
	to := sort.Search(len(places), func(i int) bool { return places[i] >= page*PageRows+uint32(n) })
	codes := newBitSet(c.meta.dict + 1)
	if from == to {
		return codes, nil
	}
	p, done, err := c.codePage(page)
	if err != nil {
		return nil, err
	}
	defer done()
	for _, code := range p.AppendAt(nil, places[from:to], page*PageRows) {
		codes.add(code)
	}
	codes.remove(0)
	for _, code := range s.skip {
		codes.remove(code)
	}
	return codes, nil
}

// addHits notes the values of the codes on a page, by their rank, that are
// hits.
func (s *textScan) addHits(page uint32, hitCodes []uint32, hits [][]bool) error {
	p, done, err := s.column.codePage(page)
	if err != nil {
		return err
	}
	defer done()
	if len(hitCodes) <= ranksMax {
		return s.addEach(page, p, newBitSet(s.column.meta.dict+1), hitCodes, hits)
	}
	var numbers []uint32
	if err := eachHitOn(s.column, page, p, hitCodes, hits, func(number uint32, _ bool) { numbers = append(numbers, number) }); err != nil {
		return err
	}
	return s.add(numbers)
}

// eachHit calls visit with the numbers, in ascending order, of those values of codes on a page
// that are hits, by their rank among the code's, and with what the hits are.
func eachHit[T comparable](c *columnReader, page uint32, hitCodes []uint32, hits [][]T, visit func(number uint32, hit T)) error {
	p, done, err := c.codePage(page)
	if err != nil {
		return err
	}
	defer done()
	return eachHitOn(c, page, p, hitCodes, hits, visit)
}

// eachHitOn is eachHit on a page of codes.
func eachHitOn[T comparable](c *columnReader, page uint32, p *column.CodePage, hitCodes []uint32, hits [][]T, visit func(number uint32, hit T)) error {
	wanted := newBitSet(c.meta.dict + 1)
	at := make(map[uint32]int, len(hits)) // by code, in hits
	for i, code := range hitCodes {
		wanted.add(code)
		at[code] = i
	}
	var none T
	left := slices.Clone(hits)
	places := c.placesOf(p, wanted)
	codes := p.AppendAt(nil, places, 0)
	for i, place := range places {
		n := at[codes[i]]
		hit := left[n]
		if len(hit) == 0 {
			return fmt.Errorf("text page %d of %q: %w: more values of code %d than variables", page, c.meta.path, ErrCorrupt, codes[i])
		}
		if hit[0] != none {
			visit(page*PageRows+place, hit[0])
		}
		left[n] = hit[1:]
	}
	return nil
}

// addEach is addHits for few codes, one after the other; wanted has none.
func (s *textScan) addEach(page uint32, p *column.CodePage, wanted bitSet, hitCodes []uint32, hits [][]bool) error {
	scans := &s.column.segment.cache.scans
	room := scans.take()
	defer scans.pool.Put(room)
	var numbers []uint32
	for i, code := range hitCodes {
		wanted.add(code)
		clear(room.marks[:])
		p.Mark(room.marks[:], wanted)
		wanted.remove(code)
		hit := hits[i]
		if count := room.marks.count(); count != len(hit) {
			return fmt.Errorf("text page %d of %q: %w: %d values of code %d and %d variables", page, s.column.meta.path, ErrCorrupt, count, code, len(hit))
		}
		for word, set := range room.marks {
			n := bits.OnesCount64(set)
			if n > 0 && slices.Contains(hit[:n], true) {
				for at := set; at != 0; at &= at - 1 {
					if hit[bits.OnesCount64(set&^at)] {
						numbers = append(numbers, page*PageRows+uint32(word)*64+uint32(bits.TrailingZeros64(at)))
					}
				}
			}
			hit = hit[n:]
		}
	}
	slices.Sort(numbers)
	return s.add(numbers)
}

// add notes that the values with these numbers, which ascend, are found.
func (s *textScan) add(numbers []uint32) error {
	rows, err := s.column.rowsOf(nil, numbers)
	if err != nil {
		return err
	}
	s.found.AddMany(rows)
	return nil
}

// matchGroup tells which values of a group have a variable that satisfies the
// test, nil if none.
func (s *textScan) matchGroup(page uint32, group *textGroup) (hits []bool, err error) {
	if !s.mayEncode(group) {
		return nil, nil
	}
	var times []int64
	err = group.eachSlot(func(slot []byte) error {
		hit, err := matchSlot(s, page, group, slot, &times, s.test)
		if hits == nil {
			hits = hit
		} else {
			for i, found := range hit {
				hits[i] = hits[i] || found
			}
		}
		return err
	})
	return hits, err
}

// mayEncode reports whether some variable of a group may be a hit, as far as its bytes tell.
// Clocks have no letters.
func (s *textScan) mayEncode(group *textGroup) bool {
	return s.may(func(bytes column.Needle, _ string) bool { return bytes.AmongEncoded(group.body) })
}

// matchSlot returns what test, which is that of the scan or says more than it does, says of
// each value of a variable, nil if it says nothing of any; times are those of the group's
// rows, asked for once.
func matchSlot[T comparable](s *textScan, page uint32, group *textGroup, slot []byte, times *[]int64, test func(string) T) ([]T, error) {
	count := int(group.count)
	if !isClock(slot) {
		if !s.may(func(bytes column.Needle, _ string) bool { return column.MayHold(slot, bytes) }) {
			return nil, nil
		}
		if s.any == nil && s.word == "" {
			return column.Match(s.decoder, slot, count, test)
		}
		return column.MatchWords(s.decoder, slot, count, s.numbers, test)
	}
	k := clock(slot[0] &^ slotClock)
	if !s.may(func(bytes column.Needle, word string) bool {
		return bytes.Within("0123456789:") && (word == "" || k.mayHave(word))
	}) {
		return nil, nil
	}
	if *times == nil {
		var err error
		if *times, err = s.column.groupTimes(page, group); err != nil {
			return nil, err
		}
	}
	values, err := clockValues(slot, count, nil, *times)
	return column.MatchEach(values, test), err
}

// verify tries the predicate on the values of the rows of a text column.
func (c *columnReader) verify(ctx context.Context, pred index.Predicate, rows *index.DocSet) (*index.DocSet, error) {
	found := index.NewDocSet()
	shapes, err := c.shapesIn(ctx, rows)
	if err != nil {
		return nil, err
	}
	err = eachPage(rows, func(page uint32, places []uint32) error {
		batch := make([]uint32, len(places))
		for i, place := range places {
			batch[i] = page*PageRows + place
		}
		present, numbers, err := c.places(index.DocSetOf(batch...))
		if err != nil {
			return err
		}
		values, err := c.gatherTexts(ctx, present, numbers, nil, shapes)
		if err != nil {
			return err
		}
		matches := make([]int8, len(values.Dict)) // 0: not tried
		for i, code := range values.Codes {
			if matches[code] == 0 {
				matches[code] = -1
				if pred.Match(c.meta.kind, values.Dict[code]) {
					matches[code] = 1
				}
			}
			if matches[code] > 0 {
				found.Add(values.Rows[i])
			}
		}
		return nil
	})
	return found, err
}

// shapesIn returns by code the shapes that the texts of rows have. The dictionary, which is
// large, is read once for all pages.
func (c *columnReader) shapesIn(ctx context.Context, rows *index.DocSet) (map[uint32]textShape, error) {
	shapes := map[uint32]textShape{}
	if c.meta.dict == 0 {
		return shapes, nil
	}
	_, places, err := c.places(rows)
	if err != nil {
		return nil, err
	}
	met := newBitSet(c.meta.dict + 1)
	met.add(0) // no shape
	var codes, some []uint32
	err = c.eachCodePage(ctx, places, func(page uint32, from, to int, p *column.CodePage) error {
		some = p.AppendAt(some[:0], places[from:to], page*PageRows)
		for _, code := range some {
			if !met.has(code) {
				met.add(code)
				codes = append(codes, code)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	return shapes, c.addShapes(shapes, codes)
}

// addShapes adds the shapes of codes, by code.
func (c *columnReader) addShapes(shapes map[uint32]textShape, codes []uint32) error {
	names, err := c.shapesOf(codes)
	if err != nil {
		return err
	}
	for i, code := range codes {
		if shapes[code], err = c.textShape(names[i]); err != nil {
			return err
		}
	}
	return nil
}
