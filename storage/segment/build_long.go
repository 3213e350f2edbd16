package segment

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/column"
)

// Long texts are few and most of the bytes of texts without a shape, and they repeat
// each other. So they are cut where their content says, and each piece is stored once.
const (
	pieceMin   = 64      // bytes of a piece
	pieceMax   = 2 << 10 // from so many on a piece ends as soon as it may
	pieceEnd   = 61      // one end of a word in 8 ends a piece
	pieceChunk = 1 << 20 // bytes of pieces that are packed together
)

// pieceTail is how many bytes before a cut decide that it is there.
const pieceTail = 8

// inPieceWord tells of bytes that no cut is behind: those of words, what joins words to a
// variable of a shape, and all beyond ASCII. So every word, every variable and every
// character lies wholly in one piece.
var inPieceWord = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= utf8.RuneSelf || index.IsWordRune(rune(c)) || strings.IndexByte(".:-", byte(c)) >= 0
	}
	return table
}()

// pieceOf returns where the piece of a text ends that begins at from.
func pieceOf(text string, from int) int {
	for i := from + pieceMin - 1; i < len(text); i++ {
		if inPieceWord[text[i]] {
			continue
		}
		if i-from >= pieceMax {
			return i + 1
		}
		if inPieceWord[text[i-1]] && tailHash(text[i-pieceTail:i])>>pieceEnd == 0 {
			return i + 1
		}
	}
	return len(text)
}

func tailHash(tail string) (hash uint64) {
	for i := range pieceTail {
		hash |= uint64(tail[i]) << (8 * i)
	}
	hash ^= hash >> 29
	return hash * 0xbf58476d1ce4e5b9
}

// longBuilder gathers the long texts of a column, page after page.
type longBuilder struct {
	texts  []string
	places []int64 // of each among the texts of code 0 on its page
	counts []int64 // of pieces, of each
	pages  []int   // texts up to the end of each page
	bytes  int     // of the texts of the page at hand
	most   int     // the most bytes of a page
	codes  []uint32
	known  column.Distinct
}

func (l *longBuilder) add(text string, place int64) {
	if len(l.texts) == 0 {
		l.known.Reset(0)
	}
	before := len(l.codes)
	for at := 0; at < len(text); {
		end := pieceOf(text, at)
		code, _ := l.known.Number(text[at:end])
		l.codes = append(l.codes, code)
		at = end
	}
	l.texts, l.places = append(l.texts, text), append(l.places, place)
	l.counts = append(l.counts, int64(len(l.codes)-before))
	l.bytes += len(text)
}

func (l *longBuilder) endPage() {
	l.pages = append(l.pages, len(l.texts))
	l.most, l.bytes = max(l.most, l.bytes), 0
}

// What stands beside a piece, if it is not always the same piece.
const (
	besideNone = iota // not known yet
	besideMany        // several, or an end of a text
	besideOne         // and its number
)

// note notes what stands beside a piece.
func note(beside []uint32, code, other uint32) {
	switch beside[code] {
	case besideNone:
		beside[code] = other
	case other:
	default:
		beside[code] = besideMany
	}
}

// join makes one piece of those that only occur one behind the other. It returns the
// pieces in order of their first appearance.
func (l *longBuilder) join() []string {
	known := l.known.Values()
	after, before := make([]uint32, len(known)), make([]uint32, len(known))
	codes := l.codes
	for _, count := range l.counts {
		of := codes[:count]
		codes = codes[count:]
		for i, code := range of {
			left, right := uint32(besideMany), uint32(besideMany)
			if i > 0 {
				left = of[i-1] + besideOne
			}
			if i+1 < len(of) {
				right = of[i+1] + besideOne
			}
			note(before, code, left)
			note(after, code, right)
		}
	}
	continues := func(code uint32) bool { // the piece before it
		left := before[code]
		return left >= besideOne && after[left-besideOne] == code+besideOne
	}
	var pieces []string
	numbers := make([]uint32, len(known)) // of the first pieces of those that are joined, plus 1
	codes = l.codes
	l.codes = l.codes[:0]
	for i, text := range l.texts {
		of := codes[:l.counts[i]]
		codes = codes[l.counts[i]:]
		l.counts[i] = 0
		for begin, k := 0, 0; k < len(of); {
			first, end := of[k], begin+len(known[of[k]])
			for k++; k < len(of) && continues(of[k]); k++ {
				end += len(known[of[k]])
			}
			if numbers[first] == 0 {
				pieces = append(pieces, text[begin:end])
				numbers[first] = uint32(len(pieces))
			}
			l.codes = append(l.codes, numbers[first]-1)
			l.counts[i]++
			begin = end
		}
	}
	return pieces
}

// Runs of pieces repeat too, as the lists that pieces are items of do, and are cut in the
// same way.
const (
	runEnd = 28  // one piece in 16 ends a run
	runMax = 256 // pieces of a run
)

// longRuns are the texts as runs of pieces.
type longRuns struct {
	sizes  []int64  // of each run
	pieces []uint32 // of all runs
	counts []int64  // of runs, of each text
	codes  []uint32 // runs of all texts
}

// runs cuts the pieces of the texts into runs, each of which is there once.
func (l *longBuilder) runs() *longRuns {
	r := &longRuns{counts: make([]int64, len(l.counts))}
	l.known.Reset(0)
	var key []byte
	codes := l.codes
	for i, count := range l.counts {
		of := codes[:count]
		codes = codes[count:]
		for len(of) > 0 {
			n := 1
			for n < len(of) && n < runMax && of[n-1]*0x9e3779b1>>runEnd != 0 {
				n++
			}
			key = key[:0]
			for _, piece := range of[:n] {
				key = binary.LittleEndian.AppendUint32(key, piece)
			}
			run, added := l.known.Number(string(key))
			if added {
				r.sizes, r.pieces = append(r.sizes, int64(n)), append(r.pieces, of[:n]...)
			}
			r.codes = append(r.codes, run)
			r.counts[i]++
			of = of[n:]
		}
	}
	return r
}

// emitLong emits the long texts as runs of pieces, and notes their words.
func (c *columnBuilder) emitLong(l *longBuilder) error {
	if len(l.texts) == 0 {
		return nil
	}
	pieces := l.join()
	// What is stored of texts does not bound what they are once they are joined, which is
	// what readers of a page have in memory.
	if l.most > column.DecodedMax || len(l.texts) > listsMax {
		return ErrTooLarge
	}
	var sizes []int64
	var chunks [][]byte
	for len(pieces) > 0 {
		n, bytes := 0, 0
		for ; n < len(pieces) && (n == 0 || bytes+len(pieces[n]) <= pieceChunk); n++ {
			bytes += len(pieces[n])
			c.filters.add(pieces[n], longWords)
		}
		c.filters.endChunk()
		c.raw = c.encoder.AppendStrings(c.raw[:0], pieces[:n])
		c.check(c.raw, pieces[:n])
		sizes, chunks = append(sizes, int64(n)), append(chunks, c.compress(c.raw))
		pieces = pieces[n:]
	}
	c.raw = c.encoder.AppendInts(c.raw[:0], sizes)
	from := 0
	for _, to := range l.pages {
		if c.raw = binary.AppendUvarint(c.raw, uint64(to-from)); to > from {
			c.raw = c.encoder.AppendInts(c.raw, l.places[from:to])
		}
		from = to
	}
	if err := c.emit(columnKey(c.number, itemLong, longPlaces), c.compress(c.raw)); err != nil {
		return err
	}
	r := l.runs()
	if max(len(r.sizes), len(chunks)) > listsMax || max(len(r.pieces), len(r.codes)) > column.CountMax {
		return ErrTooLarge
	}
	c.raw = c.encoder.AppendInts(binary.AppendUvarint(c.raw[:0], uint64(len(r.sizes))), r.sizes)
	c.raw = c.encoder.AppendCodes(c.raw, r.pieces)
	c.raw = c.encoder.AppendInts(c.raw, r.counts)
	c.raw = c.encoder.AppendCodes(c.raw, r.codes)
	if err := c.emit(columnKey(c.number, itemLong, longPieces), c.compress(c.raw)); err != nil {
		return err
	}
	return c.emitPages(itemPiece, chunks)
}
