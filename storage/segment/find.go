package segment

import (
	"bytes"
	"sort"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
)

// needle is a folded text to look for in folded texts.
type needle struct {
	text        string
	left, right bool // the occurrence must not go on in a word on this side
}

// wordNeedle finds a folded word or phrase.
func wordNeedle(folded string) needle { return needle{folded, true, true} }

// joinedTexts are texts one after the other, so that all are searched in one
// go. They are folded, or ASCII, which the search folds.
type joinedTexts struct {
	text  []byte
	ends  []uint32
	often [256]uint16 // how often each byte occurs, in a sample
}

// oftenSample is how many bytes of a page are counted: which is rare shows in
// a sample.
const oftenSample = 1 << 12

func joinTexts(text []byte, ends []uint32) joinedTexts {
	t := joinedTexts{text: text, ends: ends}
	step := len(text)/oftenSample | 1 // odd, for what repeats in steps of 2, 4 ...
	for i := 0; i < len(text); i += step {
		t.often[text[i]]++
	}
	return t
}

// A step that is rounded down to an odd number takes less than twice as many.
const _ = uint16(2 * oftenSample)

// bounds returns where a text begins and ends.
func (t *joinedTexts) bounds(i int) (begin, end int) {
	if i > 0 {
		begin = int(t.ends[i-1])
	}
	return begin, int(t.ends[i])
}

// find calls hit with the number of each of the texts from <= text < to that
// holds the needle, in order.
func (t *joinedTexts) find(n needle, from, to int, hit func(text int)) {
	if n.text == "" || from >= to {
		return
	}
	first, _ := utf8.DecodeRuneInString(n.text)
	last, _ := utf8.DecodeLastRuneInString(n.text)
	left, right := n.left && index.IsWordRune(first), n.right && index.IsWordRune(last)
	at, _ := t.bounds(from)
	search := t.search(n.text, int(t.ends[to-1]))
	for {
		start, ok := search.next(at)
		if !ok {
			return
		}
		from += sort.Search(to-from, func(k int) bool { return int(t.ends[from+k]) > start })
		begin, end := t.bounds(from)
		after := start + len(n.text)
		switch {
		case after > end: // it goes on in the next text
			at = end
		case left && wordBefore(t.text[begin:start]), right && wordAfter(t.text[after:end]):
			at = start + 1
		default:
			hit(from)
			at = end // once a text is enough
		}
	}
}

func wordBefore(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return len(text) > 0 && index.IsWordRune(r)
}

func wordAfter(text []byte) bool {
	r, _ := utf8.DecodeRune(text)
	return len(text) > 0 && index.IsWordRune(r)
}

// search looks for the byte of the folded needle that is rarest in the texts,
// in both cases: on a page of logs that is several times faster than to look
// for the first one, or to fold the page.
type search struct {
	text   []byte // up to where it is searched
	needle string
	rare   int     // place of the byte in the needle
	cases  [2]byte // lower and upper; the same if there is but one
	seen   [2]int  // where each is next, len(text) if nowhere
}

func (t *joinedTexts) search(folded string, limit int) search {
	s := search{text: t.text[:limit], needle: folded, seen: [2]int{-1, -1}}
	best := 0
	for i := range len(folded) {
		lower, upper := folded[i], upperCase(folded[i])
		often := int(t.often[lower])
		if upper != lower {
			often += int(t.often[upper])
		}
		if i == 0 || often < best {
			s.rare, s.cases, best = i, [2]byte{lower, upper}, often
		}
	}
	return s
}

func upperCase(b byte) byte {
	if b-'a' <= 'z'-'a' {
		return b - ('a' - 'A')
	}
	return b
}

// next returns where the needle begins next at or after at, which ascends.
func (s *search) next(at int) (start int, ok bool) {
	for {
		i := s.seek(0, at+s.rare)
		if s.cases[1] != s.cases[0] {
			i = min(i, s.seek(1, at+s.rare))
		}
		at = i - s.rare
		if at+len(s.needle) > len(s.text) {
			return 0, false
		}
		if foldsTo(s.text[at:at+len(s.needle)], s.needle) {
			return at, true
		}
		at++
	}
}

// seek returns where a case of the rare byte is at or after at.
func (s *search) seek(which, at int) int {
	if s.seen[which] >= at {
		return s.seen[which]
	}
	s.seen[which] = len(s.text)
	if at < len(s.text) {
		if i := bytes.IndexByte(s.text[at:], s.cases[which]); i >= 0 {
			s.seen[which] = at + i
		}
	}
	return s.seen[which]
}

// foldsTo reports whether text, of the needle's length and folded or ASCII, is
// the needle.
func foldsTo(text []byte, needle string) bool {
	for i, b := range text {
		if b-'A' <= 'Z'-'A' {
			b += 'a' - 'A'
		}
		if b != needle[i] {
			return false
		}
	}
	return true
}
