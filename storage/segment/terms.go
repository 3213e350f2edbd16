package segment

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
)

// termChunkBytes is the raw size at which a chunk of the term index ends.
const termChunkBytes = 32 << 10

// addTerms notes the words of a dictionary entry. Numbers ascend.
func (b *builder) addTerms(text string, number uint32) {
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		word := index.Fold(text[start:end])
		list := b.terms[word]
		if len(list) == 0 || list[len(list)-1] != number {
			b.terms[word] = append(list, number)
		}
	}
}

// emitTerms writes the term index: chunks of sorted words, each with the
// numbers of the dictionary entries that hold it, and the chunks' first words.
func (b *builder) emitTerms() error {
	var raw, heads []byte
	var last string
	flush := func() error {
		err := b.emit(pageKey(sectionTerms, b.meta.terms), b.compress(raw))
		b.meta.terms++
		raw, last = raw[:0], ""
		return err
	}
	for _, word := range slices.Sorted(maps.Keys(b.terms)) {
		if len(raw) == 0 {
			heads = appendString(heads, word)
		}
		shared := 0
		for shared < len(last) && shared < len(word) && last[shared] == word[shared] {
			shared++
		}
		raw = binary.AppendUvarint(raw, uint64(shared))
		raw = appendString(raw, word[shared:])
		raw = binary.AppendUvarint(raw, uint64(len(b.terms[word])))
		var previous uint32
		for _, number := range b.terms[word] {
			raw = binary.AppendUvarint(raw, uint64(number-previous))
			previous = number
		}
		last = word
		if len(raw) >= termChunkBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(raw) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	b.terms = nil
	return b.emit(pageKey(sectionTerms, termHeads), b.compress(heads))
}

// termChunk is a decoded chunk of the term index.
type termChunk struct {
	words    []string
	postings [][]uint32
}

func parseTermChunk(raw []byte, numbers uint32) (*termChunk, error) {
	t := &termChunk{}
	r := wire.NewReader(raw)
	var last string
	for r.Len() > 0 {
		shared := r.Uint32()
		if uint64(shared) > uint64(len(last)) {
			r.Fail()
			break
		}
		word := last[:shared] + r.String()
		count := r.Bounded(numbers)
		if r.Failed() || uint64(count) > uint64(r.Len()) {
			r.Fail()
			break
		}
		list := make([]uint32, count)
		var number uint64
		for i := range list {
			number += r.Uvarint()
			if number >= uint64(numbers) {
				r.Fail()
				break
			}
			list[i] = uint32(number)
		}
		t.words = append(t.words, word)
		t.postings = append(t.postings, list)
		last = word
	}
	if r.Failed() {
		return nil, fmt.Errorf("term index: %w", ErrCorrupt)
	}
	return t, nil
}

// termHeads returns the first words of the chunks.
func (s *Segment) termHeads() ([]string, error) {
	return cached(s.cache, s.cacheKey(cachedTermHeads, 0, 0), func() ([]string, int64, error) {
		raw, err := s.frame(pageKey(sectionTerms, termHeads))
		if err != nil {
			return nil, 0, err
		}
		r := wire.NewReader(raw)
		var heads []string
		for r.Len() > 0 {
			heads = append(heads, r.String())
		}
		if r.Failed() || len(heads) != int(s.meta.terms) {
			return nil, 0, fmt.Errorf("term index: %w", ErrCorrupt)
		}
		return heads, int64(len(raw)) + 16*int64(len(heads)), nil
	})
}

func (s *Segment) termChunk(number uint32) (*termChunk, error) {
	return cached(s.cache, s.cacheKey(cachedTerms, 0, number), func() (*termChunk, int64, error) {
		raw, err := s.frame(pageKey(sectionTerms, number))
		if err != nil {
			return nil, 0, err
		}
		chunk, err := parseTermChunk(raw, s.words)
		return chunk, 6 * int64(len(raw)), err
	})
}

// lookup returns the numbers of the dictionary entries that hold the word,
// ascending: of singles and of all columns in the term index.
func (s *Segment) lookup(word string, singles []*columnReader) ([]uint32, error) {
	numbers, err := s.lookupTerm(word)
	if err != nil {
		return nil, err
	}
	shared := true // with the cache
	for _, c := range singles {
		number, found, err := c.find(word)
		if err != nil {
			return nil, err
		}
		if found {
			if shared {
				numbers, shared = slices.Clone(numbers), false
			}
			numbers = append(numbers, c.meta.words+number)
		}
	}
	if !shared {
		slices.Sort(numbers)
	}
	return numbers, nil
}

// lookupTerm asks the term index; the answer is shared.
func (s *Segment) lookupTerm(word string) ([]uint32, error) {
	heads, err := s.termHeads()
	if err != nil {
		return nil, err
	}
	at := sort.Search(len(heads), func(i int) bool { return heads[i] > word }) - 1
	if at < 0 {
		return nil, nil
	}
	chunk, err := s.termChunk(uint32(at))
	if err != nil {
		return nil, err
	}
	if i, found := slices.BinarySearch(chunk.words, word); found {
		return chunk.postings[i], nil
	}
	return nil, nil
}

// lookupPrefix returns the numbers of the dictionary entries with a word that
// starts with prefix, ascending, without repeats.
func (s *Segment) lookupPrefix(prefix string, singles []*columnReader) ([]uint32, error) {
	heads, err := s.termHeads()
	if err != nil {
		return nil, err
	}
	var numbers []uint32
	at := max(0, sort.Search(len(heads), func(i int) bool { return heads[i] > prefix })-1)
	for ; at < len(heads); at++ {
		chunk, err := s.termChunk(uint32(at))
		if err != nil {
			return nil, err
		}
		i := sort.SearchStrings(chunk.words, prefix)
		for ; i < len(chunk.words) && strings.HasPrefix(chunk.words[i], prefix); i++ {
			numbers = append(numbers, chunk.postings[i]...)
		}
		if i < len(chunk.words) {
			break
		}
	}
	for _, c := range singles {
		if numbers, err = c.appendPrefix(numbers, prefix); err != nil {
			return nil, err
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// appendPrefix appends the numbers of the entries that start with prefix.
func (c *columnReader) appendPrefix(dst []uint32, prefix string) ([]uint32, error) {
	chunk := max(0, sort.Search(len(c.meta.heads), func(i int) bool { return c.meta.heads[i] > prefix })-1)
	for ; chunk < len(c.meta.heads); chunk++ {
		values, err := c.dictChunk(uint32(chunk))
		if err != nil {
			return nil, err
		}
		i := sort.SearchStrings(values, prefix)
		for ; i < len(values) && strings.HasPrefix(values[i], prefix); i++ {
			dst = append(dst, c.meta.words+uint32(chunk)*dictChunk+uint32(i))
		}
		if i < len(values) {
			break
		}
	}
	return dst, nil
}
