package segment

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/FastFilter/xorfilter"
)

// A filter says of a text page which words it cannot hold. Words that are on
// many pages would fill every filter and tell nothing, so they are kept apart
// as common: a page is always a candidate for them.
const (
	filterGroup      = 64 // pages whose filters share a key
	commonSample     = 16 // pages looked at to find common words
	commonShare      = 4  // a word on more than 1/4 of these is common
	edgeBytes        = 3  // of a word's start and end
	edgeBits         = 1 << 14
	summaryNumber    = 0xffffffff
	filterHeaderSize = 8 + 4*4 + 4
)

// edges remember with which bytes words start and end, as bit sets over a
// hash. Words shorter than edgeBytes are kept whole.
type edges struct{ heads, tails [edgeBits / 64]uint64 }

func edgeBit(s string) (word, bit uint64) {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= h >> 29
	return h % (edgeBits / 64), h >> 32 % 64
}

func (e *edges) add(word string) {
	w, b := edgeBit(word[:min(edgeBytes, len(word))])
	e.heads[w] |= 1 << b
	w, b = edgeBit(word[max(0, len(word)-edgeBytes):])
	e.tails[w] |= 1 << b
}

// common returns the words that are on many pages, sorted.
func (f *filterBuilder) common() []uint64 {
	if len(f.pages) < commonSample {
		return nil
	}
	counts := map[uint64]int{}
	for i := range commonSample {
		for _, hash := range f.pages[i*len(f.pages)/commonSample] {
			counts[hash]++
		}
	}
	var words []uint64
	for hash, count := range counts {
		if count > commonSample/commonShare {
			words = append(words, hash)
		}
	}
	slices.Sort(words)
	return words
}

// buildFilters makes the filters in groups and the summary of the column.
func (c *columnBuilder) buildFilters() error {
	if !c.filters.words {
		return nil
	}
	common := c.filters.common()
	for lo := 0; lo < len(c.filters.pages); lo += filterGroup {
		if err := c.buildGroup(uint32(lo/filterGroup), c.filters.pages[lo:min(lo+filterGroup, len(c.filters.pages))], common); err != nil {
			return err
		}
	}
	if len(c.filters.chunks) > 0 {
		if err := c.buildGroup(pieceGroup, c.filters.chunks, nil); err != nil {
			return err
		}
	}
	var raw []byte
	if c.builder.meta.cutsLong() {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(len(c.filters.chunks)))
	}
	for _, e := range c.filters.edges {
		for _, set := range [][edgeBits / 64]uint64{e.heads, e.tails} {
			for _, v := range set {
				raw = binary.LittleEndian.AppendUint64(raw, v)
			}
		}
	}
	for _, hash := range common {
		raw = binary.LittleEndian.AppendUint64(raw, hash)
	}
	c.builder.filterValues = append(c.builder.filterValues, keyValue{filterKey(c.number, summaryNumber), c.compress(raw)})
	return nil
}

// buildGroup makes the filters of a group, each of some hashes but for the common ones.
func (c *columnBuilder) buildGroup(group uint32, sets [][]uint64, common []uint64) error {
	var raw []byte
	for _, hashes := range sets {
		rest := hashes[:0:0]
		for _, hash := range hashes {
			if _, found := slices.BinarySearch(common, hash); !found {
				rest = append(rest, hash)
			}
		}
		var err error
		if raw, err = appendFilter(raw, rest); err != nil {
			return err
		}
	}
	c.builder.filterValues = append(c.builder.filterValues, keyValue{filterKey(c.number, group), raw})
	return nil
}

// keyValue is a value that is emitted after the columns.
type keyValue struct{ key, value []byte }

// emitFilters writes the filters of all columns.
func (b *builder) emitFilters() error {
	for _, kv := range b.filterValues {
		if err := b.emit(kv.key, kv.value); err != nil {
			return err
		}
	}
	b.filterValues = nil
	return nil
}

// appendFilter appends a binary fuse filter; no words give length 0.
func appendFilter(dst []byte, hashes []uint64) ([]byte, error) {
	if len(hashes) == 0 {
		return binary.LittleEndian.AppendUint32(dst, 0), nil
	}
	f, err := xorfilter.NewBinaryFuse[uint8](hashes)
	if err != nil {
		return nil, fmt.Errorf("filter of %d words: %w", len(hashes), err)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.Fingerprints)))
	dst = binary.LittleEndian.AppendUint64(dst, f.Seed)
	for _, v := range []uint32{f.SegmentLength, f.SegmentLengthMask, f.SegmentCount, f.SegmentCountLength} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	return append(dst, f.Fingerprints...), nil
}

// summary is what is known of the words of all text pages of a column, as it is
// stored.
type summary struct {
	sources wordSource // of words; those of others there are none
	chunks  uint32     // of pieces of long texts
	edges   []byte     // two sets for each
	common  []byte     // words
}

// edgeSet is the bytes of a set of edges.
const edgeSet = edgeBits / 8

// parseSummary reads a summary, with or without the number of chunks before it.
func parseSummary(raw []byte, sources wordSource, cutsLong bool) (*summary, error) {
	s := &summary{sources: sources}
	edges := int(sources) * 2 * edgeSet
	if cutsLong && len(raw) >= 8 {
		s.chunks, raw = binary.LittleEndian.Uint32(raw), raw[8:]
	}
	if len(raw) < edges || len(raw)%8 != 0 {
		return nil, fmt.Errorf("word summary: %w", ErrCorrupt)
	}
	s.edges, s.common = raw[:edges], raw[edges:]
	return s, nil
}

// mayStart reports whether some word of a source may start with prefix.
func (s *summary) mayStart(source wordSource, prefix string) bool {
	return source < s.sources && (len(prefix) < edgeBytes || s.has(2*int(source), prefix[:edgeBytes]))
}

// mayEnd reports whether some word of a source may end with suffix.
func (s *summary) mayEnd(source wordSource, suffix string) bool {
	return source < s.sources && (len(suffix) < edgeBytes || s.has(2*int(source)+1, suffix[len(suffix)-edgeBytes:]))
}

// has reports whether a set of edges has a piece.
func (s *summary) has(set int, piece string) bool {
	word, bit := edgeBit(piece)
	return binary.LittleEndian.Uint64(s.edges[set*edgeSet+8*int(word):])>>bit&1 != 0
}

// isCommon reports whether a hash is one of a common word.
func (s *summary) isCommon(hash uint64) bool {
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(s.common[8*i:]) }
	n := len(s.common) / 8
	i := sort.Search(n, func(i int) bool { return at(i) >= hash })
	return i < n && at(i) == hash
}

// parseFilters reads a group of filters. A page without words has nil.
func parseFilters(raw []byte) ([]*xorfilter.BinaryFuse[uint8], error) {
	var filters []*xorfilter.BinaryFuse[uint8]
	for len(raw) > 0 {
		if len(raw) < 4 {
			return nil, fmt.Errorf("filters: %w", ErrCorrupt)
		}
		length := binary.LittleEndian.Uint32(raw)
		if length == 0 {
			filters = append(filters, nil)
			raw = raw[4:]
			continue
		}
		if uint64(len(raw)) < filterHeaderSize+uint64(length) {
			return nil, fmt.Errorf("filters: %w", ErrCorrupt)
		}
		f := &xorfilter.BinaryFuse[uint8]{
			Seed:               binary.LittleEndian.Uint64(raw[4:]),
			SegmentLength:      binary.LittleEndian.Uint32(raw[12:]),
			SegmentLengthMask:  binary.LittleEndian.Uint32(raw[16:]),
			SegmentCount:       binary.LittleEndian.Uint32(raw[20:]),
			SegmentCountLength: binary.LittleEndian.Uint32(raw[24:]),
			Fingerprints:       raw[filterHeaderSize : filterHeaderSize+length],
		}
		// The three places of a key lie below SegmentCountLength + 2
		// SegmentLength as long as segments are aligned powers of two.
		if f.SegmentLength == 0 || f.SegmentLength&(f.SegmentLength-1) != 0 || f.SegmentLengthMask != f.SegmentLength-1 ||
			f.SegmentCountLength%f.SegmentLength != 0 || uint64(f.SegmentCountLength)+2*uint64(f.SegmentLength) > uint64(length) {
			return nil, fmt.Errorf("filters: %w", ErrCorrupt)
		}
		filters = append(filters, f)
		raw = raw[filterHeaderSize+length:]
	}
	return filters, nil
}

// pagesWithPiece returns the pages whose filter has a piece of a word, all of them if it is
// not known that it is in filters.
func (c *columnReader) pagesWithPiece(summary *summary, piece string, known bool, salt uint64, sources []wordSource) (pages wordPages, err error) {
	var ask hashQuestions
	for _, source := range sources {
		switch {
		case known:
			ask.add(c, summary, pieceHash(piece, salt, source), source, &pages[source])
		case c.inChunks(source):
			pages[source] = upTo(summary.chunks)
		default:
			pages[source] = c.allPages()
		}
	}
	return pages, c.askFilters(summary, &ask)
}

// inChunks reports whether what is known of a source is known of chunks of pieces, not of
// pages.
func (c *columnReader) inChunks(source wordSource) bool {
	return source == longWords && c.segment.meta.cutsLong()
}

// alsoWith narrows pages of a source that may have something to those that may have something
// else too. Of texts that are cut both may be in different pieces, and so in different chunks.
func (c *columnReader) alsoWith(source wordSource, pages, other []uint32) []uint32 {
	switch {
	case !c.inChunks(source):
		return intersect(pages, other)
	case len(other) == 0:
		return nil
	}
	return pages
}

// hashQuestions are hashes to look for in filters: of pages, and of chunks of pieces.
type hashQuestions struct{ pages, chunks []hashPages }

// hashPages is where the pages, or the chunks, go whose filter has a hash.
type hashPages struct {
	hash  uint64
	pages *[]uint32
}

// add asks for a hash, unless all pages may have it.
func (q *hashQuestions) add(c *columnReader, summary *summary, hash uint64, source wordSource, pages *[]uint32) {
	switch {
	case c.inChunks(source):
		q.chunks = append(q.chunks, hashPages{hash, pages})
	case summary.isCommon(hash):
		*pages = c.allPages()
	default:
		q.pages = append(q.pages, hashPages{hash, pages})
	}
}

// askFilters looks for hashes in the filters of all pages and chunks.
func (c *columnReader) askFilters(summary *summary, ask *hashQuestions) error {
	if len(ask.chunks) > 0 && summary.chunks > 0 {
		if err := c.askGroup(ask.chunks, pieceGroup); err != nil {
			return err
		}
	}
	for group := uint32(0); len(ask.pages) > 0 && group*filterGroup < c.pages(); group++ {
		if err := c.askGroup(ask.pages, group); err != nil {
			return err
		}
	}
	return nil
}
