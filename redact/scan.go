package redact

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"
)

// Classes of bytes.
const (
	classDigit = 1 << iota
	classUpper
	classLower
	classWord  // part of tokens: letters, digits, '_', '-' and '~'
	classGap   // separates digits: ' ' and '-'
	classBase  // part of base64 in either alphabet
	classKey   // part of keys: letters, digits, '_', '-' and '.'
	classLocal // part of the name in an e-mail address

	classLetter = classUpper | classLower
	classAlnum  = classLetter | classDigit
)

var classes = func() (table [256]uint8) {
	add := func(class uint8, bytes string) {
		for _, c := range []byte(bytes) {
			table[c] |= class
		}
	}
	for c := range table {
		switch {
		case c >= '0' && c <= '9':
			table[c] = classDigit | classWord | classBase | classKey | classLocal
		case c >= 'a' && c <= 'z':
			table[c] = classLower | classWord | classBase | classKey | classLocal
		case c >= 'A' && c <= 'Z':
			table[c] = classUpper | classWord | classBase | classKey | classLocal
		}
	}
	add(classWord, "_-~")
	add(classGap, " -")
	add(classBase, "+/=_-")
	add(classKey, "_-.")
	add(classLocal, "._%+-")
	return table
}()

func is(c byte, class uint8) bool { return classes[c]&class != 0 }

// The pass looks at blocks of eight bytes. Of words of at least wordMin bytes a
// block is wholly inside; of numbers of at least twelve bytes, gaps included, a
// block or a window that is half a block further.
const (
	blockBytes = 8
	halfBytes  = blockBytes / 2
)

const (
	every = 0x0101010101010101
	high  = every * 0x80
	low   = every * 0x7f
	upper = every * 0xc0 // set in no byte of a number
)

// blockAt reads the block at text[i], all of which must be inside.
func blockAt(text string, i int) uint64 {
	return binary.LittleEndian.Uint64((*[blockBytes]byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(text)), i))[:])
}

// marks has the high bit of every byte from ':' to '@' in a block, exactly.
func marks(w uint64) uint64 {
	w7 := w & low
	return (every*(127+'A') - w7) & ^w & (w7 + every*(127-'9')) & high
}

// joints has the high bit of every '.' and '/' in a block, exactly.
func joints(w uint64) uint64 {
	x := (w | every) ^ every*'/'
	return (x - every) & ^x & high
}

// small has the high bit of the first byte before '-' in a block, and nothing
// if there is none: words are made of the others.
func small(w uint64) uint64 { return (w - every*'-') & ^w & high }

// digits has the high bit of every digit in a block, exactly.
func digits(w uint64) uint64 {
	x := w & low
	return (x + every*(128-'0')) &^ (x + every*(127-'9')) &^ w & high
}

// others has the high bit of every byte in a block that is no part of words, exactly.
func others(w uint64) uint64 {
	x := w & low
	y := x | every*0x20
	letters := (y + every*(128-'a')) &^ (y + every*(127-'z'))
	return (w | ^(letters | joiners(w))) &^ digits(w) & high
}

// joiners has the high bit of every '_', '-' and '~' in a block without regard to
// their own high bits.
func joiners(w uint64) uint64 {
	x := w & low
	return ((high - (x ^ every*'_')) | (high - (x ^ every*'-')) | (high - (x ^ every*'~'))) & high
}

// dashes has the high bit of every '-' in a block. It may also have that of a
// comma behind one.
func dashes(w uint64) uint64 {
	x := w ^ every*'-'
	return (x - every) & ^x & high
}

// find fills s.found with what is in a text.
func (s *Scanner) find(text string) {
	s.found = s.found[:0]
	if len(text) < shortestMin {
		return
	}
	s.text = text
	s.wordEnd, s.digitEnd, s.markEnd, s.valueEnd, s.mailEnd, s.ibanEnd, s.elementEnd = 0, 0, 0, 0, 0, 0, 0
	s.plainFrom, s.plainTo, s.joseEnd = 0, -1, 0
	pairs := false
	if len(text) >= blockBytes {
		pairs = s.pass(text)
	} else {
		for i := range len(text) {
			if text[i] >= ':' && text[i] <= '@' {
				s.mark(i)
			}
		}
	}
	if pairs {
		s.flags(text)
		s.pem(text)
	}
	s.rest(text)
	if len(s.found) > 0 && strings.Contains(text, markerPrefix) {
		s.leaveMarkers(text)
	}
}

// pass goes over a text, leads to all detectors that work by what stands in it,
// and reports whether two dashes stand side by side, as before flags and around
// keys.
func (s *Scanner) pass(text string) (pairs bool) {
	i := 0
	before, dash := ^uint64(0), uint64(0) // of the block before: its second half, its last byte
	for ; i+blockBytes <= len(text); i += blockBytes {
		w := blockAt(text, i)
		m := marks(w)
		if m != 0 {
			s.marksOf(m, w, i)
		}
		// Neither words nor numbers have marks or joints.
		m |= joints(w)
		if m|small(w) == 0 {
			s.wordsAt(w, i)
		}
		unlike := m | w&upper
		if before|unlike<<32 == 0 {
			s.digitsAt(i - halfBytes)
		}
		if unlike == 0 {
			s.digitsAt(i)
		}
		d := dashes(w)
		pairs = pairs || d&(d<<8|dash) != 0
		before, dash = unlike>>32, d>>56
	}
	if i == len(text) {
		return pairs
	}
	if before == 0 {
		s.digitsAt(i - halfBytes)
	}
	// The rest, with what is before it so that it is a block.
	i = len(text) - blockBytes
	w := blockAt(text, i)
	m := marks(w)
	if m != 0 {
		s.marksOf(m, w, i)
	}
	if m|joints(w)|w&upper == 0 {
		s.digitsAt(i)
	}
	d := dashes(w)
	return pairs || d&(d<<8) != 0
}

// shortestMin is the least that anything takes: "pwd=x".
const shortestMin = 5

// rest does what the pass does not: what is on by wish.
func (s *Scanner) rest(text string) {
	if s.on(Phone) {
		s.phones(text)
	}
	if s.on(IP) {
		s.addresses(text)
	}
	for i := range s.rules {
		s.custom(i, text)
	}
}

// marksOf looks at the marks of the block w at i that were not looked at yet.
func (s *Scanner) marksOf(m, w uint64, i int) {
	// Of marks behind a digit, as in times, only those of URLs and addresses lead to
	// anything: no key ends in a digit.
	x := w ^ every*'/'
	solidus := (x - every) & ^x & high // and maybe a '.' behind one
	y := w & low
	pairs := (high - (y ^ every*':')) | (high - (y ^ every*'='))
	m &^= pairs & (digits(w) << 8) &^ (solidus >> 8) & (high >> 8)
	for ; m != 0; m &= m - 1 {
		if at := i + bits.TrailingZeros64(m)/8; at >= s.markEnd {
			s.markEnd = at + 1
			s.mark(at)
		}
	}
}

// mark looks at the mark at text[at].
func (s *Scanner) mark(at int) {
	switch s.text[at] {
	case ':':
		if at+2 < len(s.text) && s.text[at+1] == '/' && s.text[at+2] == '/' {
			s.url(at + 3)
			return
		}
		s.pair(at)
	case '=':
		s.pair(at)
	case '@':
		if s.on(Email) {
			s.mail(at)
		}
	case '<':
		s.element(at)
	}
}

// digitsAt looks at the number around text[i:i+blockBytes], if it is one.
func (s *Scanner) digitsAt(i int) {
	text := s.text
	if i < s.digitEnd || i+blockBytes > len(text) {
		return
	}
	to := i
	for to < len(text) && is(text[to], classDigit|classGap) {
		to++
	}
	if to < i+blockBytes {
		return
	}
	from := i
	for from > s.digitEnd && is(text[from-1], classDigit|classGap) {
		from--
	}
	s.digitEnd = to
	s.digits(from, to)
}

// wordsAt looks at the word that the block w at text[i] is a part of, if it is one
// and long. A word of at least wordMin bytes has such a block.
func (s *Scanner) wordsAt(w uint64, i int) {
	if i < s.wordEnd || others(w) != 0 {
		return
	}
	text := s.text
	start := i
	if i > 0 { // no further back than one block: that would have led here before
		start -= bits.LeadingZeros64(others(blockAt(text, i-blockBytes))) / 8
	}
	end := wordEnd(text, i+blockBytes)
	s.wordEnd = end
	if end-start >= wordMin {
		s.word(start, end)
	}
}

// add notes a finding of a detector that is on.
func (s *Scanner) add(d Detector, start, end int) {
	if start < end && s.on(d) {
		s.found = append(s.found, Finding{d, start, end})
	}
}
