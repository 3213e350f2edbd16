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
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
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

// termChunk is a chunk of the term index: its words, and where in the chunk the
// numbers of each are, which are read when they are asked for.
type termChunk struct {
	raw     []byte
	words   []byte // one after the other
	ends    []uint32
	numbers []uint32 // of each word: where in raw
}

// termBytes is about how many bytes of a chunk a term takes.
const termBytes = 12

func parseTermChunk(raw []byte) (*termChunk, error) {
	guess := len(raw) / termBytes
	t := &termChunk{raw: raw, words: make([]byte, 0, len(raw)), ends: make([]uint32, 0, guess), numbers: make([]uint32, 0, guess)}
	r := wire.NewReader(raw)
	last := 0 // where the last word begins
	for r.Len() > 0 {
		begin := len(t.words)
		shared := r.Uint32()
		if uint64(shared) > uint64(begin-last) {
			r.Fail()
			break
		}
		t.words = append(append(t.words, t.words[last:][:shared]...), r.Bytes()...)
		if len(t.words) > column.DecodedMax {
			r.Fail() // few bytes may stand for a lot of words
		}
		t.ends, t.numbers = append(t.ends, uint32(len(t.words))), append(t.numbers, uint32(len(raw)-r.Len()))
		r.Take(varintsLen(r.Rest()))
		last = begin
	}
	if r.Failed() {
		return nil, fmt.Errorf("term index: %w", ErrCorrupt)
	}
	return t, nil
}

// varintsLen returns how many bytes at the start of src are a count and so many
// varints; more than there are if they are not all there.
func varintsLen(src []byte) uint64 {
	left, at := binary.Uvarint(src)
	if at <= 0 {
		return uint64(len(src)) + 1
	}
	for ; left > 0; left-- {
		for at < len(src) && src[at] >= 0x80 {
			at++
		}
		if at++; at > len(src) {
			break
		}
	}
	return uint64(at)
}

// word returns a word; it shares the chunk's memory.
func (t *termChunk) word(i int) []byte {
	begin := uint32(0)
	if i > 0 {
		begin = t.ends[i-1]
	}
	return t.words[begin:t.ends[i]]
}

// search returns where the first word is that is not before the given one.
func (t *termChunk) search(word string) int {
	return sort.Search(len(t.ends), func(i int) bool { return string(t.word(i)) >= word })
}

// appendNumbers appends the numbers of a word's entries, each below limit.
func (t *termChunk) appendNumbers(dst []uint32, i int, limit uint32) ([]uint32, error) {
	return termNumbers(dst, t.raw[t.numbers[i]:], string(t.word(i)), limit)
}

// termNumbers appends the numbers at the start of src, each below limit.
func termNumbers(dst []uint32, src []byte, word string, limit uint32) ([]uint32, error) {
	r := wire.NewReader(src)
	var number uint64
	for range r.Uvarint() {
		number += r.Uvarint()
		if number >= uint64(limit) || r.Failed() {
			return nil, fmt.Errorf("term index: %w: numbers of %q", ErrCorrupt, word)
		}
		dst = append(dst, uint32(number))
	}
	return dst, nil
}

// termHeads returns the first words of the chunks.
func (s *Segment) termHeads() ([]string, error) {
	return cached(s, s.cacheKey(cachedTermHeads, 0, 0), func() ([]string, int64, error) {
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
	return cached(s, s.cacheKey(cachedTerms, 0, number), func() (*termChunk, int64, error) {
		raw, err := s.frame(pageKey(sectionTerms, number))
		if err != nil {
			return nil, 0, err
		}
		chunk, err := parseTermChunk(raw)
		if err != nil {
			return nil, 0, err
		}
		return chunk, int64(cap(raw)+cap(chunk.words)) + 4*int64(cap(chunk.ends)+cap(chunk.numbers)), nil
	})
}

// knownLookup is lookup for the singles that a leaf on a field can meet. What it
// returns is kept, as a word is looked up to guess how often it occurs and to
// find it, and is not to be changed.
func (s *Segment) knownLookup(field, word string, singles []*columnReader) ([]uint32, error) {
	at := s.cacheKey(cachedLookup, 0, uint32(len(field)))
	at.text = field + word
	return cached(s, at, func() ([]uint32, int64, error) {
		few, err := s.fewEntries(field)
		if err != nil {
			return nil, 0, err
		}
		var numbers []uint32
		if few != nil {
			numbers, err = lookupEach(word, few)
		} else {
			numbers, err = s.lookup(word, singles)
		}
		return slices.Clip(numbers), 4 * int64(len(numbers)), err
	})
}

// entriesFew is up to how many dictionary entries are looked at one by one for a word: to
// read a chunk of the term index takes longer.
const entriesFew = 64

// fewEntries returns the columns that a leaf on a field can meet if they have few entries
// in all, else nil.
func (s *Segment) fewEntries(field string) ([]*columnReader, error) {
	entries := uint32(0)
	for _, c := range s.named[field] {
		if entries += c.(*columnReader).meta.dict; entries > entriesFew {
			return nil, nil
		}
	}
	if field == "" {
		return nil, nil
	}
	meets, err := s.meeting(field)
	if err != nil {
		return nil, err
	}
	few := []*columnReader{}
	entries = 0
	for number, met := range meets {
		if c := s.columns[number].(*columnReader); met {
			if few, entries = append(few, c), entries+c.meta.dict; entries > entriesFew {
				return nil, nil
			}
		}
	}
	return few, nil
}

// lookupEach returns the numbers of the entries of columns, which ascend, that hold the
// word.
func lookupEach(word string, columns []*columnReader) (numbers []uint32, err error) {
	for _, c := range columns {
		if c.meta.dict == 0 {
			continue
		}
		values, err := c.dict()
		if err != nil {
			return nil, err
		}
		for i, value := range values {
			if c.meta.text {
				value = shape.Static(value)
			}
			if index.HasWord(value, word) {
				numbers = append(numbers, c.meta.words+uint32(i))
			}
		}
	}
	return numbers, nil
}

// lookup returns the numbers of the dictionary entries that hold the word,
// ascending: of singles and of all columns in the term index.
func (s *Segment) lookup(word string, singles []*columnReader) ([]uint32, error) {
	numbers, err := s.lookupTerm(word)
	if err != nil {
		return nil, err
	}
	sorted := true
	for _, c := range singles {
		if c.meta.kind == model.Number && !numberWord(word) {
			continue // what is no part of a number is in none
		}
		number, found, err := c.find(word)
		if err != nil {
			return nil, err
		}
		if found {
			numbers, sorted = append(numbers, c.meta.words+number), false
		}
	}
	if !sorted {
		slices.Sort(numbers)
	}
	return numbers, nil
}

// lookupTerm asks the term index.
func (s *Segment) lookupTerm(word string) ([]uint32, error) {
	heads, err := s.termHeads()
	if err != nil {
		return nil, err
	}
	at := sort.Search(len(heads), func(i int) bool { return heads[i] > word }) - 1
	if at < 0 {
		return nil, nil
	}
	room, err := s.frameRoom(s.cacheKey(cachedTerms, 0, uint32(at)), pageKey(sectionTerms, uint32(at)))
	if err != nil {
		return nil, err
	}
	if room != nil {
		defer s.cache.rooms.give(room)
		return findTerm(room.frame, word, s.words)
	}
	chunk, err := s.termChunk(uint32(at))
	if err != nil {
		return nil, err
	}
	if i := chunk.search(word); i < len(chunk.ends) && string(chunk.word(i)) == word {
		return chunk.appendNumbers(nil, i, s.words)
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
		i := chunk.search(prefix)
		for ; i < len(chunk.ends) && strings.HasPrefix(string(chunk.word(i)), prefix); i++ {
			if numbers, err = chunk.appendNumbers(numbers, i, s.words); err != nil {
				return nil, err
			}
		}
		if i < len(chunk.ends) {
			break
		}
	}
	for _, c := range singles {
		if c.meta.kind == model.Number && !numberWord(prefix) {
			continue
		}
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
		first, last, err := c.chunkPrefix(uint32(chunk), prefix)
		if err != nil {
			return nil, err
		}
		for i := first; i < last; i++ {
			dst = append(dst, c.meta.words+uint32(chunk)*dictChunk+uint32(i))
		}
		if last < c.chunkLen(uint32(chunk)) {
			break
		}
	}
	return dst, nil
}

// chunkPrefix returns which entries first <= i < last of a chunk start with
// prefix.
func (c *columnReader) chunkPrefix(chunk uint32, prefix string) (first, last int, err error) {
	values, room, err := c.chunkFrame(chunk)
	if err != nil {
		return 0, 0, err
	}
	n := len(values)
	at := func(i int) string { return values[i] }
	if room != nil {
		defer c.segment.cache.rooms.give(room)
		all, err := c.chunkJoined(chunk, room, column.NewNeedle(prefix))
		if err != nil || all == nil {
			n = c.chunkLen(chunk)
			return n, n, err
		}
		n = len(all.Ends)
		at = func(i int) string { return string(joinedAt(all, i)) }
	}
	first = sort.Search(n, func(i int) bool { return at(i) >= prefix })
	for last = first; last < n && strings.HasPrefix(at(last), prefix); last++ {
	}
	return first, last, nil
}

// findTerm returns the numbers of a word in a chunk of the term index that is
// not parsed: terms up to the word are passed over.
func findTerm(raw []byte, word string, limit uint32) ([]uint32, error) {
	r := wire.NewReader(raw)
	var term []byte
	for r.Len() > 0 {
		shared := r.Uint32()
		if uint64(shared) > uint64(len(term)) {
			r.Fail()
			break
		}
		term = append(term[:shared], r.Bytes()...)
		if string(term) < word {
			r.Take(varintsLen(r.Rest()))
			continue
		}
		if r.Failed() || string(term) > word {
			break
		}
		return termNumbers(nil, r.Rest(), word, limit)
	}
	if r.Failed() {
		return nil, fmt.Errorf("term index: %w", ErrCorrupt)
	}
	return nil, nil
}
