package segment

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/index"
)

// wordSource tells where on a text page a word is.
type wordSource uint8

const (
	variableWords wordSource = iota // in a variable
	plainWords                      // in a text without a shape
	longWords                       // in a long one
	wordSources
)

// filterBuilder gathers the words of a column's text pages.
type filterBuilder struct {
	words  bool // whether the column has filters at all
	page   wordSet
	pages  [][]uint64 // sorted word hashes of each page
	chunks [][]uint64 // the same of each chunk of pieces of long texts
	edges  [wordSources]edges
	recent string   // the last text added, of the same source: repeats are common
	folded []byte   // scratch
	known  []string // words of the page that were added, each at the place of its hash
	from   wordSource
}

// knownWords is how many words are remembered, a power of two.
const knownWords = 1 << 10

func (f *filterBuilder) add(text string, source wordSource) {
	if !f.words || text == f.recent && source == f.from {
		return
	}
	if f.known == nil {
		f.known = make([]string, knownWords)
	}
	if source != f.from {
		clear(f.known)
	}
	f.recent, f.from = text, source
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		word := text[start:end]
		hash := xxhash.Sum64String(word)
		known := &f.known[hash%knownWords]
		if *known == word {
			continue
		}
		*known = word
		f.folded = index.AppendFold(f.folded[:0], word)
		if string(f.folded) != word {
			hash = xxhash.Sum64(f.folded)
		}
		f.addWord(string(f.folded), hash, source)
	}
}

// addWord adds a folded word, whose hash it is given, and its pieces.
func (f *filterBuilder) addWord(word string, hash uint64, source wordSource) {
	f.page.add(saltedHash(hash, 0, source))
	f.edges[source].add(word)
	if piece, ok := headPiece(word); ok {
		f.page.add(pieceHash(piece, headSalt, source))
	}
	if piece, ok := tailPiece(word); ok {
		f.page.add(pieceHash(piece, tailSalt, source))
	}
}

func (f *filterBuilder) endPage() { f.pages = append(f.pages, f.take()) }

func (f *filterBuilder) endChunk() { f.chunks = append(f.chunks, f.take()) }

// take returns the sorted hashes of what was added since.
func (f *filterBuilder) take() []uint64 {
	f.recent = ""
	clear(f.known)
	return f.page.take()
}

// wordSet is a set of hashes of words: a hash table whose places are the hashes.
type wordSet struct {
	slots   []uint64 // 0 for none; a power of two of them
	members []uint64 // those but 0, in order of their coming
	zero    bool     // whether 0 is a member
}

const wordSlotsMin = 1 << 10

func (s *wordSet) add(hash uint64) {
	if hash == 0 {
		s.zero = true
		return
	}
	if 2*len(s.members) >= len(s.slots) {
		s.grow()
	}
	mask := uint64(len(s.slots) - 1)
	at := hash & mask
	for ; s.slots[at] != 0; at = (at + 1) & mask {
		if s.slots[at] == hash {
			return
		}
	}
	s.slots[at] = hash
	s.members = append(s.members, hash)
}

func (s *wordSet) grow() {
	s.slots = make([]uint64, max(wordSlotsMin, 4*len(s.slots)))
	mask := uint64(len(s.slots) - 1)
	for _, hash := range s.members {
		at := hash & mask
		for s.slots[at] != 0 {
			at = (at + 1) & mask
		}
		s.slots[at] = hash
	}
}

// take empties the set and returns what it held, sorted.
func (s *wordSet) take() []uint64 {
	sorted := make([]uint64, 0, len(s.members)+1)
	if s.zero {
		sorted = append(sorted, 0)
	}
	sorted = append(sorted, s.members...)
	slices.Sort(sorted)
	clear(s.slots)
	s.members, s.zero = s.members[:0], false
	return sorted
}

// Salts set apart what shares a filter.
const (
	plainSalt = 0x9e3779b97f4a7c15 // words of texts without a shape
	longSalt  = 0xd6e8feb86659fd93 // words of long ones
	headSalt  = 0xc2b2ae3d27d4eb4f // first bytes of words
	tailSalt  = 0x165667b19e3779f9 // last bytes of words
)

// wordHash is the hash of a folded word in filters.
func wordHash(word string, source wordSource) uint64 { return pieceHash(word, 0, source) }

func pieceHash(piece string, salt uint64, source wordSource) uint64 {
	return saltedHash(xxhash.Sum64String(piece), salt, source)
}

func saltedHash(hash, salt uint64, source wordSource) uint64 {
	hash ^= salt
	switch source {
	case plainWords:
		hash ^= plainSalt
	case longWords:
		hash ^= longSalt
	}
	return hash
}

// pieceBytes is the length of the first and last pieces of words in filters.
// Pieces with digits are too many to be worth it.
const pieceBytes = 4

// headPiece returns the piece that every word that starts so has in filters.
func headPiece(prefix string) (string, bool) {
	if len(prefix) < pieceBytes || hasDigit(prefix[:pieceBytes]) {
		return "", false
	}
	return prefix[:pieceBytes], true
}

// tailPiece returns the piece that every word that ends so has in filters.
func tailPiece(suffix string) (string, bool) {
	at := len(suffix) - pieceBytes
	if at < 0 || hasDigit(suffix[at:]) {
		return "", false
	}
	return suffix[at:], true
}

func hasDigit(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' {
			return true
		}
	}
	return false
}
