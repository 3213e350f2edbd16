package segment

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/storage/column"
)

// cutLong is which texts of a column are long, where these are cut into pieces.
type cutLong struct {
	ends   []uint32   // pieces up to the end of each chunk
	places [][]uint32 // by page, of each among the texts of code 0, ascending
	before []uint32   // texts before each page
	texts  uint32
}

// cutPieces are the pieces of the long texts of a column: those of runs of pieces, and the
// runs of each text.
type cutPieces struct {
	runEnds  []uint32 // pieces up to the end of each run
	pieces   []uint32
	textEnds []uint32 // runs up to the end of each text
	runs     []uint32
}

// listsMax is how many long texts, runs and chunks of pieces a column has at most: of
// lists that are as small as nothing when they are stored.
const listsMax = 1 << 24

// pieceCountMax is how many pieces a text has at most: all but the last are as long as a
// piece must be.
const pieceCountMax = column.DecodedMax/pieceMin + 1

// appendOf appends the pieces of a text; false if these are too many for one.
func (p *cutPieces) appendOf(dst []uint32, text uint32) ([]uint32, bool) {
	for _, run := range between(p.runs, p.textEnds, text) {
		of := between(p.pieces, p.runEnds, run)
		if len(of) > pieceCountMax-len(dst) {
			return dst, false
		}
		dst = append(dst, of...)
	}
	return dst, true
}

// between returns what one of several has, by where that of each ends.
func between(all, ends []uint32, one uint32) []uint32 {
	from := uint32(0)
	if one > 0 {
		from = ends[one-1]
	}
	return all[from:ends[one]]
}

// with returns the texts that have one of some pieces.
func (p *cutPieces) with(pieces bitSet) bitSet {
	runs, texts := newBitSet(uint32(len(p.runEnds))), newBitSet(uint32(len(p.textEnds)))
	for run := range uint32(len(p.runEnds)) {
		if slices.ContainsFunc(between(p.pieces, p.runEnds, run), pieces.has) {
			runs.add(run)
		}
	}
	for text := range uint32(len(p.textEnds)) {
		if slices.ContainsFunc(between(p.runs, p.textEnds, text), runs.has) {
			texts.add(text)
		}
	}
	return texts
}

// cutsLong reports whether long texts are stored as pieces.
func (m *Meta) cutsLong() bool { return m.version > VersionRare }

// cutLong returns what is known of the column's long texts, if they are cut; else nil. It is
// small by what it spares, and kept at once.
func (c *columnReader) cutLong() (*cutLong, error) {
	s := c.segment
	if !s.meta.cutsLong() || !c.hasFilters() {
		return nil, nil
	}
	summary, err := c.summary()
	if err != nil || summary.chunks == 0 {
		return nil, err
	}
	return cached(s, c.cutLongKey(), func() (*cutLong, int64, error) {
		raw, err := s.frame(columnKey(c.number, itemLong, longPlaces))
		if err != nil {
			return nil, 0, err
		}
		l, bytes, err := parseCutLong(raw, summary.chunks, c.pages())
		if err != nil {
			return nil, 0, errors.Join(fmt.Errorf("long texts of %q: %w", c.meta.path, ErrCorrupt), err)
		}
		return l, bytes, nil
	})
}

func (c *columnReader) cutLongKey() cacheKey {
	return c.segment.cacheKey(cachedLong, c.number, longPlaces)
}

func parseCutLong(raw []byte, chunks, pages uint32) (*cutLong, int64, error) {
	l := &cutLong{}
	var err error
	if l.ends, raw, err = endsOf(raw, chunks); err != nil {
		return nil, 0, err
	}
	for range pages {
		r := wire.NewReader(raw)
		texts := r.Bounded(PageRows)
		if r.Failed() {
			return nil, 0, ErrCorrupt
		}
		raw = r.Rest()
		var places []int64
		if texts > 0 {
			if places, raw, err = column.Ints(nil, raw, int(texts)); err != nil {
				return nil, 0, err
			}
		}
		var of []uint32
		last := int64(-1)
		for _, place := range places {
			if place <= last || place >= PageRows {
				return nil, 0, ErrCorrupt
			}
			of, last = append(of, uint32(place)), place
		}
		l.places, l.before = append(l.places, of), append(l.before, l.texts)
		l.texts += texts
	}
	if len(raw) > 0 {
		return nil, 0, ErrCorrupt
	}
	return l, 4*int64(l.texts+chunks) + 32*int64(pages), nil
}

// cutPieces returns the pieces of the column's long texts.
func (c *columnReader) cutPieces(l *cutLong) (*cutPieces, error) {
	s := c.segment
	return cached(s, s.cacheKey(cachedLong, c.number, longPieces), func() (*cutPieces, int64, error) {
		raw, err := s.frame(columnKey(c.number, itemLong, longPieces))
		if err != nil {
			return nil, 0, err
		}
		p, err := parseCutPieces(raw, l.texts, l.ends[len(l.ends)-1])
		if err != nil {
			return nil, 0, errors.Join(fmt.Errorf("pieces of %q: %w", c.meta.path, ErrCorrupt), err)
		}
		return p, 4 * int64(len(p.runEnds)+len(p.pieces)+len(p.textEnds)+len(p.runs)), nil
	})
}

// parseCutPieces reads the pieces of texts, which are numbered up to limit.
func parseCutPieces(raw []byte, texts, limit uint32) (*cutPieces, error) {
	r := wire.NewReader(raw)
	runs := r.Bounded(listsMax)
	if r.Failed() || runs == 0 || texts == 0 {
		return nil, ErrCorrupt
	}
	p := &cutPieces{}
	var err error
	if p.runEnds, p.pieces, raw, err = listsOf(r.Rest(), runs, limit); err != nil {
		return nil, err
	}
	if p.textEnds, p.runs, raw, err = listsOf(raw, texts, runs); err != nil {
		return nil, err
	}
	if len(raw) > 0 {
		return nil, ErrCorrupt
	}
	return p, nil
}

// listsOf reads lists of n: where each ends, and what is in all, numbers below limit.
func listsOf(raw []byte, n, limit uint32) (ends, all []uint32, rest []byte, err error) {
	if ends, raw, err = endsOf(raw, n); err != nil {
		return nil, nil, nil, err
	}
	if all, rest, err = column.Codes(nil, raw, int(ends[n-1])); err == nil && slices.Max(all) >= limit {
		err = ErrCorrupt
	}
	return ends, all, rest, err
}

// endsOf reads how much each of n has, at least 1, and returns it added up.
func endsOf(raw []byte, n uint32) (ends []uint32, rest []byte, err error) {
	if n > listsMax {
		return nil, nil, ErrCorrupt
	}
	sizes, rest, err := column.Ints(nil, raw, int(n))
	if err != nil {
		return nil, nil, err
	}
	end := int64(0)
	ends = make([]uint32, 0, len(sizes))
	for _, size := range sizes {
		if size < 1 || size > column.CountMax-end {
			return nil, nil, ErrCorrupt
		}
		end += size
		ends = append(ends, uint32(end))
	}
	return ends, rest, nil
}

// begin returns the first piece of a chunk.
func (l *cutLong) begin(chunk int) uint32 {
	if chunk == 0 {
		return 0
	}
	return l.ends[chunk-1]
}

// chunkOf returns the chunk of a piece.
func (l *cutLong) chunkOf(piece uint32) int {
	return sort.Search(len(l.ends), func(chunk int) bool { return l.ends[chunk] > piece })
}

// all returns the numbers of all chunks.
func (l *cutLong) all() []uint32 { return upTo(uint32(len(l.ends))) }

// pieceChunk returns the pieces of a chunk; see borrowed.
func (c *columnReader) pieceChunk(l *cutLong, chunk int) (*plainPage, func(), error) {
	n := l.ends[chunk] - l.begin(chunk)
	return c.plainItem(itemPiece, uint32(chunk), func(raw []byte) ([]uint32, []byte, uint32, error) { return nil, raw, n, nil })
}

// longHits are the long texts of each page that hold something, ascending.
type longHits [][]uint32

// longWith returns the long texts that hold a needle. It is kept, as it is asked for page by
// page, and not to be changed.
func (c *columnReader) longWith(l *cutLong, n needle) (longHits, error) {
	at := c.segment.cacheKey(cachedLongHits, c.number, 0)
	at.text = fmt.Sprint(n.left, n.right, n.text)
	return cached(c.segment, at, func() (longHits, int64, error) {
		hits, err := c.findLong(l, n)
		bytes := int64(0)
		for _, of := range hits {
			bytes += 24 + 4*int64(len(of))
		}
		return hits, bytes, err
	})
}

// findLong is longWith without what is kept. A piece ends behind a byte that is part of no
// word: what has no such byte but at its end lies in one piece. Of anything else a longest
// part without one does, and texts that have that are looked at whole.
func (c *columnReader) findLong(l *cutLong, n needle) (longHits, error) {
	chunks, err := c.chunksWith(l, n)
	if err != nil || len(chunks) == 0 {
		return nil, err
	}
	holding, err := c.piecesWith(l, n, chunks)
	if err != nil {
		return nil, err
	}
	p, err := c.cutPieces(l)
	if err != nil {
		return nil, err
	}
	found := p.with(holding)
	within, ok := inOnePiece(n.text)
	if ok {
		return l.byPage(found), nil
	}
	var maybe bitSet
	if within != "" {
		pieces, err := c.piecesWith(l, needle{text: within}, l.all())
		if err != nil {
			return nil, err
		}
		maybe = p.with(pieces)
	}
	room := c.newLongRoom(l, p)
	defer room.done()
	for text := range l.texts {
		if found.has(text) || maybe != nil && !maybe.has(text) {
			continue
		}
		whole, err := room.join(text, column.DecodedMax)
		if err != nil {
			return nil, err
		}
		of := plainPage{joinedTexts: joinTexts(whole, []uint32{uint32(len(whole))})}
		of.foldOdd()
		of.find(n, 0, 1, func(int) { found.add(text) })
	}
	return l.byPage(found), nil
}

// inOnePiece returns the longest stretch of a needle's text without a byte that a piece may
// end behind, and whether all of the text lies in one piece wherever it is.
func inOnePiece(text string) (longest string, all bool) {
	all = true
	begin := 0
	for i := range len(text) {
		if inPieceWord[text[i]] {
			continue
		}
		if i-begin > len(longest) {
			longest = text[begin:i]
		}
		begin = i + 1
		all = all && begin == len(text)
	}
	if len(text)-begin > len(longest) {
		longest = text[begin:]
	}
	return longest, all
}

// chunksWith returns the chunks that may have pieces which hold a needle, or a part of it;
// none if no text holds it.
func (c *columnReader) chunksWith(l *cutLong, n needle) ([]uint32, error) {
	if !n.left {
		return l.all(), nil
	}
	if _, all := inOnePiece(n.text); all && !n.right {
		pages, err := c.pagesWithPrefix(n.text, longWords)
		return pages[longWords], err
	}
	if !n.right {
		return l.all(), nil
	}
	var longest string
	for start, end := index.NextWord(n.text, 0); start < len(n.text); start, end = index.NextWord(n.text, end) {
		word := n.text[start:end]
		if chunks, err := c.pagesWithWord(word, nil, longWords); err != nil || len(chunks) == 0 {
			return nil, err
		}
		if len(word) > len(longest) {
			longest = word
		}
	}
	if longest == "" {
		return l.all(), nil
	}
	return c.pagesWithWord(longest, nil, longWords)
}

// piecesWith returns the pieces of chunks that hold a needle.
func (c *columnReader) piecesWith(l *cutLong, n needle, chunks []uint32) (bitSet, error) {
	found := newBitSet(l.ends[len(l.ends)-1])
	for _, chunk := range chunks {
		p, done, err := c.pieceChunk(l, int(chunk))
		if err != nil {
			return nil, err
		}
		begin := l.begin(int(chunk))
		for _, piece := range p.holding(n, upTo(l.ends[chunk]-begin)) {
			found.add(begin + piece)
		}
		done()
	}
	return found, nil
}

// byPage returns some texts by page.
func (l *cutLong) byPage(texts bitSet) longHits {
	hits := make(longHits, len(l.places))
	for page, places := range l.places {
		for i := range uint32(len(places)) {
			if texts.has(l.before[page] + i) {
				hits[page] = append(hits[page], i)
			}
		}
	}
	return hits
}

// longRoom joins pieces.
type longRoom struct {
	column *columnReader
	long   *cutLong
	of     *cutPieces
	chunks []*plainPage // those that were needed
	ends   []func()     // see borrowed
	pieces []uint32
	text   []byte
}

func (c *columnReader) newLongRoom(l *cutLong, p *cutPieces) *longRoom {
	return &longRoom{column: c, long: l, of: p, chunks: make([]*plainPage, len(l.ends))}
}

func (r *longRoom) done() {
	for _, end := range r.ends {
		end()
	}
}

// join returns a text, until it is called again. It fails for one of more than limit bytes.
func (r *longRoom) join(text uint32, limit int) ([]byte, error) {
	var ok bool
	r.text = r.text[:0]
	if r.pieces, ok = r.of.appendOf(r.pieces[:0], text); !ok {
		return nil, r.tooLong()
	}
	for _, piece := range r.pieces {
		chunk := r.long.chunkOf(piece)
		if r.chunks[chunk] == nil {
			p, done, err := r.column.pieceChunk(r.long, chunk)
			if err != nil {
				return nil, err
			}
			r.chunks[chunk], r.ends = p, append(r.ends, done)
		}
		of := r.chunks[chunk].value(piece - r.long.begin(chunk))
		if len(of) > limit-len(r.text) {
			return nil, r.tooLong()
		}
		r.text = append(r.text, of...)
	}
	return r.text, nil
}

func (r *longRoom) tooLong() error {
	return fmt.Errorf("long texts of %q are too long: %w", r.column.meta.path, ErrCorrupt)
}

// longPagesWith returns the pages that may have long texts that hold a needle, of those that
// its words tell of: of texts that are cut chunks of pieces. Where many rows are asked for it
// is looked in the pieces at once, else only once such a text is among the rows.
func (c *columnReader) longPagesWith(n needle, of []uint32, within *index.DocSet) ([]uint32, error) {
	if len(of) == 0 || !c.segment.meta.cutsLong() {
		return of, nil
	}
	if within.GetCardinality() <= uint64(c.segment.Rows())/fewTexts {
		return c.allPages(), nil
	}
	l, err := c.cutLong()
	if err != nil || l == nil {
		return nil, err
	}
	var pages []uint32
	hits, err := c.longWith(l, n)
	for page, texts := range hits {
		if len(texts) > 0 {
			pages = append(pages, uint32(page))
		}
	}
	return pages, err
}

// longOn reports whether a page is among those that a word tells of, as longPagesWith.
func (c *columnReader) longOn(of []uint32, page uint32) bool {
	if c.inChunks(longWords) {
		return len(of) > 0
	}
	return on(of, page)
}
