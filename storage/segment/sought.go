package segment

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/column"
)

// sought is where words are that many questions look for in any field: found in one go, in
// which each text is read once for all of them. It does not change.
type sought struct {
	words map[string]int        // numbers, by word
	rows  []*index.DocSet       // which have each word
	in    []map[uint32]struct{} // columns with values that have each
}

// Limits of what is sought.
const (
	soughtMin   = 2   // words: of one nothing is shared
	soughtMax   = 256 // words
	soughtBytes = 64  // of a word
)

// Share implements part.Shared.
func (s *Segment) Share(ctx context.Context, words []string) (done func(), err error) {
	r := &s.cache.readings
	r.share(s.number, 1)
	done = func() { r.share(s.number, -1) }
	words = slices.DeleteFunc(slices.Clone(words), func(word string) bool {
		return word == "" || len(word) > soughtBytes || strings.ContainsFunc(word, func(c rune) bool { return c >= 0x80 || !index.IsWordRune(c) })
	})
	slices.Sort(words)
	if words = slices.Compact(words); len(words) < soughtMin || len(words) > soughtMax {
		return done, nil
	}
	found, err := s.seek(ctx, words)
	if err != nil {
		done()
		return nil, err
	}
	r.know(s.number, found)
	return done, nil
}

// soughtRows returns the rows of within that have those words of a predicate on any field
// that were sought, and for each of them the columns with values that have it; exact says that
// the predicate holds for these rows.
func (s *Segment) soughtRows(pred index.Predicate, within *index.DocSet) (rows *index.DocSet, in []map[uint32]struct{}, exact bool) {
	known := s.cache.readings.known(s.number)
	if len(known) == 0 {
		return within, nil, false
	}
	var words []string
	switch pred := pred.(type) {
	case index.Word:
		words, exact = []string{pred.Folded}, true
	case index.Phrase:
		words = pred.Hints().Words
	}
	rows = within
	for _, word := range words {
		for _, of := range known {
			if number, ok := of.words[word]; ok {
				rows, in = index.And(rows, of.rows[number]), append(in, of.in[number])
				break
			}
		}
	}
	return rows, in, exact && len(in) > 0
}

// inEach reports whether a column is in all sets.
func inEach(sets []map[uint32]struct{}, number uint32) bool {
	return !slices.ContainsFunc(sets, func(set map[uint32]struct{}) bool {
		_, has := set[number]
		return !has
	})
}

// seeker finds the rows that have each of some words.
type seeker struct {
	segment *Segment
	words   []string
	probes  []*probe
	starts  [1 << 16 / 64]uint64 // the first two bytes of the words
	longest int
	found   *sought
	sets    [][]int              // of several words, as they were met
	numbers map[string]someWords // of these, by their words
	rows    []uint32             // scratch
	some    []int                // scratch
}

// seek finds the rows that have each of some words of ASCII, in any column.
func (s *Segment) seek(ctx context.Context, words []string) (*sought, error) {
	k := &seeker{segment: s, words: words, numbers: map[string]someWords{}, found: &sought{
		words: make(map[string]int, len(words)), rows: make([]*index.DocSet, len(words)), in: make([]map[uint32]struct{}, len(words)),
	}}
	leaves := make([]index.Leaf, len(words))
	for i, word := range words {
		k.found.words[word], k.found.rows[i], k.found.in[i] = i, index.NewDocSet(), map[uint32]struct{}{}
		k.longest = max(k.longest, len(word))
		start := wordStart(word)
		k.starts[start/64] |= 1 << (start % 64)
		leaves[i] = index.Leaf{Pred: index.Word{Folded: word}}
	}
	var err error
	if k.probes, err = s.wordProbes(leaves); err != nil {
		return nil, err
	}
	for _, c := range s.columns {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := k.column(ctx, c.(*columnReader)); err != nil {
			return nil, err
		}
	}
	return k.found, nil
}

// wordStart returns the first two bytes of a folded word, as a number.
func wordStart(word string) uint16 {
	if len(word) == 1 {
		return uint16(word[0])
	}
	return uint16(word[0]) | uint16(word[1])<<8
}

// add notes that rows have a word in a column.
func (k *seeker) add(c *columnReader, word int, rows *index.DocSet) {
	if !rows.IsEmpty() {
		k.found.rows[word].Or(rows)
		k.found.in[word][c.number] = struct{}{}
	}
}

// column looks through a column. What texts refer to is looked for in its own.
func (k *seeker) column(ctx context.Context, c *columnReader) error {
	all := index.DocSetRange(0, k.segment.meta.Rows)
	var variables, plain map[uint32][]wordOfScan // by page: what may be there
	var pieces map[uint32][]wordOfScan           // by chunk, of long texts that are cut
	for i, p := range k.probes {
		rows, err := c.rowsOfCodes(ctx, c.ownEntries(p.entries), all)
		if err != nil {
			return err
		}
		k.add(c, i, rows)
		if !c.meta.text {
			continue
		}
		if err := k.refers(c, i); err != nil {
			return err
		}
		one, err := c.wordOfScan(p)
		if err != nil {
			return err
		}
		variables = one.onPages(variables, one.pages[variableWords])
		if c.inChunks(longWords) {
			plain, pieces = one.onPages(plain, one.pages[plainWords]), one.onPages(pieces, one.pages[longWords])
			continue
		}
		plain = one.onPages(plain, union(one.pages[plainWords], one.pages[longWords]))
	}
	if err := k.pieces(ctx, c, pieces); err != nil {
		return err
	}
	for page := range c.pages() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if words := variables[page]; len(words) > 0 {
			if err := k.variables(c, page, words); err != nil {
				return err
			}
		}
		if words := plain[page]; len(words) > 0 {
			if err := k.plain(c, page, words); err != nil {
				return err
			}
		}
	}
	return nil
}

// variables looks for words in the variables of a page, each of which is read once for all.
func (k *seeker) variables(c *columnReader, page uint32, words []wordOfScan) error {
	p, done, err := c.textPage(page)
	if err != nil {
		return err
	}
	defer done()
	room := k.segment.cache.rooms.take(scratchRoom)
	defer k.segment.cache.rooms.give(room)
	scan := textScan{column: c, decoder: &room.decoder}
	scan.seeks(words)
	var codes []uint32
	var hits [][]someWords // by code
	for i := range p.groups {
		group := &p.groups[i]
		hit, err := k.groupWords(&scan, page, group)
		if err != nil {
			return err
		}
		if hit != nil {
			codes, hits = append(codes, group.code), append(hits, hit)
		}
	}
	if len(codes) == 0 {
		return nil
	}
	having := map[int][]uint32{} // by word: numbers of values
	err = eachHit(c, page, codes, hits, func(number uint32, words someWords) {
		for _, word := range k.wordsOf(words) {
			having[word] = append(having[word], number)
		}
	})
	if err != nil {
		return err
	}
	for word, numbers := range having {
		if err := k.addNumbers(c, word, numbers); err != nil {
			return err
		}
	}
	return nil
}

// groupWords returns which words each value of a group has in its variables, nil if none has
// any.
func (k *seeker) groupWords(scan *textScan, page uint32, group *textGroup) (hits []someWords, err error) {
	if !scan.mayEncode(group) {
		return nil, nil
	}
	var times []int64
	err = group.eachSlot(func(slot []byte) error {
		hit, err := matchSlot(scan, page, group, slot, &times, k.wordsIn)
		if hits == nil {
			hits = hit
			return err
		}
		for i, words := range hit {
			hits[i] = k.union(hits[i], words)
		}
		return err
	})
	return hits, err
}

// seeks has any of some words looked for.
func (s *textScan) seeks(words []wordOfScan) {
	s.any, s.test = words, s.hasAny
	s.findNumbers()
}

// findNumbers finds those words that are numbers.
func (s *textScan) findNumbers() {
	s.numbers = s.numbers[:0]
	s.may(func(_ column.Needle, word string) bool {
		if number, ok := column.Number(word); ok {
			s.numbers = append(s.numbers, number)
		}
		return false // all of them
	})
}

// refers notes that a text has a word where a column that it refers to has it.
func (k *seeker) refers(c *columnReader, word int) error {
	refs, err := c.references()
	for _, ref := range refs {
		if _, has := k.found.in[word][ref.column.number]; has {
			k.found.in[word][c.number] = struct{}{}
		}
	}
	return err
}

// plain looks for words in the texts without a shape on a page.
func (k *seeker) plain(c *columnReader, page uint32, words []wordOfScan) error {
	numbers, err := c.numbersOf(page, 0)
	if err != nil || len(numbers) == 0 {
		return err
	}
	p, err := c.openPlain(page, uint32(len(numbers)), false)
	if err != nil {
		return err
	}
	defer p.done()
	var short, long []string
	for _, w := range words {
		if on(w.pages[plainWords], page) {
			short = append(short, w.word)
		}
		if !c.inChunks(longWords) && on(w.pages[longWords], page) {
			long = append(long, w.word)
		}
	}
	if err := p.openShort(); err != nil {
		return err
	}
	shortHits := k.texts(p.short, short)
	var longHits map[int][]uint32
	if len(long) > 0 && len(p.apart) > 0 {
		if err := p.openLong(p.apart); err != nil {
			return err
		}
		longHits = k.texts(p.long, long)
	}
	for word := range k.words {
		if err := k.addValues(c, word, numbers, p.together(shortHits[word], longHits[word])); err != nil {
			return err
		}
	}
	return nil
}

// addValues notes that some of the values of a column have a word, of which numbers are all.
func (k *seeker) addValues(c *columnReader, word int, numbers, values []uint32) error {
	if len(values) == 0 {
		return nil
	}
	for i, value := range values {
		values[i] = numbers[value]
	}
	return k.addNumbers(c, word, values)
}

// addNumbers notes that the values with these numbers, which ascend, have a word.
func (k *seeker) addNumbers(c *columnReader, word int, numbers []uint32) (err error) {
	if k.rows, err = c.rowsOf(k.rows[:0], numbers); err != nil {
		return err
	}
	k.found.rows[word].AddMany(k.rows)
	k.found.in[word][c.number] = struct{}{}
	return nil
}

// pieces looks for words in the pieces of long texts, each once for all of them. Chunks says
// which words may be in each chunk. A word lies in one piece.
func (k *seeker) pieces(ctx context.Context, c *columnReader, chunks map[uint32][]wordOfScan) error {
	if len(chunks) == 0 {
		return nil
	}
	l, err := c.cutLong()
	if err != nil || l == nil {
		return err
	}
	holding := make([]bitSet, len(k.words)) // pieces
	for chunk := range uint32(len(l.ends)) {
		words := chunks[chunk]
		if len(words) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		p, done, err := c.pieceChunk(l, int(chunk))
		if err != nil {
			return err
		}
		begin := l.begin(int(chunk))
		for word, pieces := range k.texts(p, wordsOfScans(words)) {
			if holding[word] == nil {
				holding[word] = newBitSet(l.ends[len(l.ends)-1])
			}
			for _, piece := range pieces {
				holding[word].add(begin + piece)
			}
		}
		done()
	}
	of, err := c.cutPieces(l)
	if err != nil {
		return err
	}
	hits := make([]longHits, len(k.words))
	for word, pieces := range holding {
		if pieces != nil {
			hits[word] = l.byPage(of.with(pieces))
		}
	}
	for page := range c.pages() {
		if len(l.places[page]) == 0 {
			continue
		}
		numbers, err := c.numbersOf(page, 0)
		if err != nil {
			return err
		}
		if places := l.places[page]; int(places[len(places)-1]) >= len(numbers) {
			return c.corruptTexts(page)
		}
		for word := range hits {
			if hits[word] == nil {
				continue
			}
			values := make([]uint32, len(hits[word][page]))
			for i, text := range hits[word][page] {
				values[i] = l.places[page][text]
			}
			if err := k.addValues(c, word, numbers, values); err != nil {
				return err
			}
		}
	}
	return nil
}

func wordsOfScans(words []wordOfScan) []string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.word
	}
	return texts
}

// fewWords is up to how many words are looked for in texts one after the other.
const fewWords = 3

// texts returns the values of a page that have words, by word.
func (k *seeker) texts(p *plainPage, words []string) map[int][]uint32 {
	if len(words) == 0 || len(p.ends) == 0 {
		return nil
	}
	having := map[int][]bool{} // by word: texts
	note := func(word, text int) {
		texts := having[word]
		if texts == nil {
			texts = make([]bool, len(p.ends))
			having[word] = texts
		}
		texts[text] = true
	}
	if len(words) <= fewWords {
		for _, word := range words {
			p.find(wordNeedle(word), 0, len(p.ends), func(text int) { note(k.found.words[word], text) })
		}
	} else {
		k.eachWord(p, note)
		for _, word := range words {
			p.folded.find(wordNeedle(word), 0, len(p.odd), func(i int) { note(k.found.words[word], int(p.odd[i])) })
		}
	}
	values := len(p.ends)
	if p.codes != nil {
		values = len(p.codes)
	}
	hits := map[int][]uint32{}
	for word, texts := range having {
		for value := range uint32(values) {
			if texts[p.textOf(value)] {
				hits[word] = append(hits[word], value)
			}
		}
	}
	return hits
}

// eachWord calls note with words, and the texts of ASCII alone that have them.
func (k *seeker) eachWord(p *plainPage, note func(word, text int)) {
	odd, begin := p.odd, uint32(0)
	for i, end := range p.ends {
		text := p.text[begin:end]
		begin = end
		if len(odd) > 0 && odd[0] == uint32(i) {
			odd = odd[1:]
			continue
		}
		for word, at := nextOf(k, text, 0); at >= 0; word, at = nextOf(k, text, at) {
			note(word, i)
		}
	}
}

// nextOf returns the next of the words in a text of ASCII from a place on, and the place after
// it; below 0 if there is none.
func nextOf[T string | []byte](k *seeker, text T, at int) (word, after int) {
	var folded [soughtBytes]byte
	for ; at < len(text); at++ {
		if !index.IsWordByte(text[at]) {
			continue
		}
		start := at
		for at++; at < len(text) && index.IsWordByte(text[at]); at++ {
		}
		n := at - start
		if n > k.longest {
			continue
		}
		first := uint16(index.FoldByte(text[start]))
		if n > 1 {
			first |= uint16(index.FoldByte(text[start+1])) << 8
		}
		if k.starts[first/64]>>(first%64)&1 == 0 {
			continue
		}
		for i := range n {
			folded[i] = index.FoldByte(text[start+i])
		}
		if number, ok := k.found.words[string(folded[:n])]; ok {
			return number, at
		}
	}
	return 0, -1
}

// someWords stands for some of the words: for none, for one, whose number it is and 1, or for
// several, as the seeker numbers these beyond.
type someWords uint32

// wordsOf returns the words of a set, in ascending order.
func (k *seeker) wordsOf(set someWords) []int {
	switch n := int(set) - 1; {
	case n < 0:
		return nil
	case n < len(k.words):
		return []int{n}
	default:
		return k.sets[n-len(k.words)]
	}
}

// setOf returns the set of some words.
func (k *seeker) setOf(words []int) someWords {
	slices.Sort(words)
	words = slices.Compact(words)
	switch len(words) {
	case 0:
		return 0
	case 1:
		return someWords(words[0] + 1)
	}
	var key [soughtMax * 2]byte
	name := key[:0]
	for _, word := range words {
		name = binary.LittleEndian.AppendUint16(name, uint16(word))
	}
	set, known := k.numbers[string(name)]
	if !known {
		k.sets = append(k.sets, slices.Clone(words))
		set = someWords(len(k.words) + len(k.sets))
		k.numbers[string(name)] = set
	}
	return set
}

// union returns the words of two sets.
func (k *seeker) union(a, b someWords) someWords {
	if a == 0 || b == 0 || a == b {
		return max(a, b)
	}
	return k.setOf(slices.Concat(k.wordsOf(a), k.wordsOf(b)))
}

// wordsIn returns which of the words a text has.
func (k *seeker) wordsIn(text string) someWords {
	k.some = k.some[:0]
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf { // what folds to ASCII is found by a look for each word
			for number, word := range k.words {
				if index.HasWord(text, word) {
					k.some = append(k.some, number)
				}
			}
			return k.setOf(k.some)
		}
	}
	for word, at := nextOf(k, text, 0); at >= 0; word, at = nextOf(k, text, at) {
		k.some = append(k.some, word)
	}
	return k.setOf(k.some)
}
