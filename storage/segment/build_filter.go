package segment

import (
	"maps"
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
	page   map[uint64]struct{}
	pages  [][]uint64 // sorted word hashes of each page
	edges  [wordSources]edges
	recent string // the last text added: repeats are common
}

func (f *filterBuilder) add(text string, source wordSource) {
	if !f.words || text == f.recent {
		return
	}
	f.recent = text
	if f.page == nil {
		f.page = map[uint64]struct{}{}
	}
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		word := index.Fold(text[start:end])
		f.page[wordHash(word, source)] = struct{}{}
		f.edges[source].add(word)
		if piece, ok := headPiece(word); ok {
			f.page[pieceHash(piece, headSalt, source)] = struct{}{}
		}
		if piece, ok := tailPiece(word); ok {
			f.page[pieceHash(piece, tailSalt, source)] = struct{}{}
		}
	}
}

func (f *filterBuilder) endPage() {
	f.pages = append(f.pages, slices.Sorted(maps.Keys(f.page)))
	clear(f.page)
	f.recent = ""
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
	hash := xxhash.Sum64String(piece) ^ salt
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
