package head

import (
	"bytes"
	"sync"

	"github.com/stere-log/stere/index"
)

// needle is what the folded text of every value contains that satisfies a predicate.
type needle struct {
	text []byte
	word bool // as a word of its own
}

// needlesOf returns a needle for each predicate, nil if nothing is known of one.
func needlesOf(preds []index.Predicate) []needle {
	needles := make([]needle, len(preds))
	for i, p := range preds {
		hints := p.Hints()
		text, word := hints.WordPrefix, false
		for _, one := range hints.Words {
			if len(one) > len(text) {
				text, word = one, true
			}
		}
		if hints.Exact {
			text, word = string(index.AppendFold(nil, hints.ExactText)), false
		}
		if text == "" {
			return nil
		}
		needles[i] = needle{[]byte(text), word}
	}
	return needles
}

// needleBit is what stands for a needle in a set of them. Of more than 64 some share one:
// who has one of those may have the others.
func needleBit(n int) uint64 { return 1 << (n % 64) }

// scan is room to look through values of a column, a piece at a time. A question does so
// for each column of each block.
type scan struct {
	buffer []byte   // empty
	ends   []int    // empty
	may    []uint64 // empty
}

var scans = sync.Pool{New: func() any {
	return &scan{make([]byte, 0, scanBytes+scanBytes/4), make([]int, 0, scanBytes/16), make([]uint64, 0, scanBytes/16)}
}}

// narrow returns which needles the folded text of each value has, which is many times
// faster than taking each apart into words, once for each needle; nil if none has any.
// Together is wordsOf the needles.
func narrow(values []string, needles []needle, together *words) (may []uint64) {
	room := scans.Get().(*scan)
	defer scans.Put(room)
	buffer, ends := room.buffer, room.ends
	for from := 0; from < len(values); {
		buffer, ends = buffer[:0], ends[:0]
		for code := from; code < len(values) && len(buffer) < scanBytes; code++ {
			buffer = index.AppendFold(buffer, values[code])
			ends = append(ends, len(buffer))
		}
		piece, some := append(room.may, make([]uint64, len(ends))...), false
		if together != nil {
			some = together.mark(piece, buffer, ends)
		} else {
			for n := range needles {
				some = needles[n].mark(piece, buffer, ends, needleBit(n)) || some
			}
		}
		if some && may == nil {
			may = make([]uint64, len(values))
		}
		if some {
			copy(may[from:], piece)
		}
		from += len(ends)
	}
	return may
}

// mark gives a bit to the values that have the needle; they stand folded one after the
// other. What is found across the border of two values is no harm: the first is tried in
// vain and the search goes on at the border.
func (n *needle) mark(may []uint64, folded []byte, ends []int, bit uint64) (some bool) {
	code, at := 0, 0
	for at < len(folded) {
		found := bytes.Index(folded[at:], n.text)
		if found < 0 {
			break
		}
		at += found
		for ends[code] <= at {
			code++
		}
		first := 0
		if code > 0 {
			first = ends[code-1]
		}
		if n.word && inside(folded[first:ends[code]], at-first, at-first+len(n.text)) {
			at++
			continue
		}
		may[code] |= bit
		at = ends[code] // marked, so go on behind it
		code++
		some = true
	}
	return some
}

// inside reports whether what stands from one byte of a folded text to another is surely
// part of a longer word. Other letters than those of ASCII are left to who looks closer:
// one may be folded to several runes, some of which are no letters.
func inside(text []byte, from, to int) bool {
	return from > 0 && index.IsWordByte(text[from-1]) || to < len(text) && index.IsWordByte(text[to])
}

// manyWords is from how many needles on they are looked for together: each has a way
// through the text of its own else.
const manyWords = 8

// words are needles that are words, by their first two bytes.
type words struct {
	starts [1 << 16 / 64]uint64 // a bit for each two bytes
	of     map[uint16][]numbered
}

// numbered is a needle, and the bit that stands for it.
type numbered struct {
	text []byte
	bit  uint64
}

// wordsOf returns needles to be looked for together; nil if they are few, or if some are
// not words of two bytes at least.
func wordsOf(needles []needle) *words {
	if len(needles) < manyWords {
		return nil
	}
	w := &words{of: map[uint16][]numbered{}}
	for n, needle := range needles {
		if !needle.word || len(needle.text) < 2 {
			return nil
		}
		start := uint16(needle.text[0])<<8 | uint16(needle.text[1])
		w.starts[start/64] |= 1 << (start % 64)
		w.of[start] = append(w.of[start], numbered{needle.text, needleBit(n)})
	}
	return w
}

// mark gives the values the bits of the needles that they have: each begins where no word
// goes on.
func (w *words) mark(may []uint64, folded []byte, ends []int) (some bool) {
	first := 0
	for code, end := range ends {
		text := folded[first:end]
		first = end
		within := false // the byte before is part of a word
		for at := 0; at+1 < len(text); at++ {
			follows := within
			if within = index.IsWordByte(text[at]); follows {
				continue
			}
			start := uint16(text[at])<<8 | uint16(text[at+1])
			if w.starts[start/64]&(1<<(start%64)) == 0 {
				continue
			}
			for _, n := range w.of[start] {
				if bytes.HasPrefix(text[at:], n.text) && !inside(text, at, at+len(n.text)) {
					may[code] |= n.bit
					some = true
				}
			}
		}
	}
	return some
}
