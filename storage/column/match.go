package column

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Needle is a text to look for, as the set of its bytes: a string without one
// of them cannot hold it.
type Needle struct {
	bytes   asciiSet // letters in lower case
	any     bool     // nothing is known
	letters []byte   // those of bytes that only plain text stands for, lower case
}

// asciiSet is a set of bytes below 0x80.
type asciiSet [2]uint64

func (s *asciiSet) add(b byte) { s[b>>6&1] |= 1 << (b & 63) }

func (s asciiSet) has(b byte) bool { return s[b>>6&1]>>(b&63)&1 != 0 }

func (s asciiSet) empty() bool { return s[0]|s[1] == 0 }

func (s asciiSet) without(other asciiSet) asciiSet {
	return asciiSet{s[0] &^ other[0], s[1] &^ other[1]}
}

// asciiOf returns the set of the bytes of a text, letters in lower case. It
// reports false if there are others.
func asciiOf[T string | []byte](text T) (set asciiSet, ok bool) {
	for i := range len(text) {
		b := text[i]
		if b >= utf8.RuneSelf {
			return asciiSet{}, false
		}
		if b-'A' <= 'Z'-'A' {
			b += 'a' - 'A'
		}
		set.add(b)
	}
	return set, true
}

// NewNeedle returns the needle of a text in lower case. Bytes beyond ASCII
// tell nothing, because folding may lead to or from them.
func NewNeedle(folded string) Needle {
	set, ok := asciiOf(folded)
	n := Needle{bytes: set, any: !ok}
	for letter := byte('g'); ok && letter <= 'z'; letter++ {
		if letter != 'i' && letter != 'k' && set.has(letter) {
			n.letters = append(n.letters, letter)
		}
	}
	return n
}

// AmongEncoded reports whether some of the strings encoded in src, one array or
// several, may hold the needle: every letter of it must be there as it is, but
// for hexadecimal digits and those to which folding leads from beyond ASCII.
func (n Needle) AmongEncoded(src []byte) bool {
	for _, letter := range n.letters {
		if bytes.IndexByte(src, letter) < 0 && bytes.IndexByte(src, letter-('a'-'A')) < 0 {
			return false
		}
	}
	return true
}

// Within reports whether all that is known of the needle is among bytes.
func (n Needle) Within(bytes string) bool {
	set, ok := asciiOf(bytes)
	return n.any || !ok || n.bytes.without(set).empty()
}

// decimalBytes are what numbers and IPv4 addresses are made of, '+' to ':';
// hexBytes are hexadecimal digits in lower case and the dash of UUIDs. Read only.
var (
	decimalBytes = asciiSet{1<<(':'+1) - 1<<'+', 0}
	hexBytes     = asciiSet{1<<('9'+1) - 1<<'0' | 1<<'-', (1<<6 - 1) << ('a' & 63)}
)

// MayHold reports whether some string at the start of src may hold the
// needle, whatever its case, as far as the encoding alone can tell.
func MayHold(src []byte, n Needle) bool {
	missing := n.bytes
	for depth := 0; depth <= nestingMax && len(src) > 0 && !n.any; depth++ {
		if missing.empty() {
			return true
		}
		encoding, body := src[0], src[1:]
		var err error
		switch encoding {
		case stringsIntegers, stringsPadded, stringsDecimals, stringsIPv4:
			return missing.without(decimalBytes).empty()
		case stringsHexLower, stringsHexUpper, stringsHexInts, stringsUUID:
			return missing.without(hexBytes).empty()
		case stringsConstant:
			text, _, err := readText(body, "constant")
			return err != nil || missing.withoutText(text).empty()
		case stringsAffix:
			var prefix, suffix []byte
			if prefix, body, err = readText(body, "prefix"); err != nil {
				return true
			}
			if suffix, body, err = readText(body, "suffix"); err != nil {
				return true
			}
			missing = missing.withoutText(prefix).withoutText(suffix)
			src = body
		case stringsSorted:
			src = body
		case stringsDict:
			if _, src, err = readUvarint(body, "distinct count"); err != nil {
				return true
			}
		default:
			return true
		}
	}
	return true
}

// withoutText returns the bytes that are not in text, in any case. Folding may
// lead from beyond ASCII to any of them (U+212A to k), so a text with such
// bytes may have them all.
func (s asciiSet) withoutText(text []byte) asciiSet {
	set, ok := asciiOf(text)
	if !ok {
		return asciiSet{}
	}
	return s.without(set)
}

// Number returns a word as a number, if it is one that can be in a text that is stored as
// numbers.
func Number(word string) (number uint64, ok bool) {
	number, err := strconv.ParseUint(word, 10, 64)
	return number, err == nil
}

// matchNumbers is Match of texts that are stored as numbers, for a test that only says
// something of texts with one of some words: only those with one of the words that are
// numbers are written out and tried.
func matchNumbers[T comparable](d *Decoder, encoding byte, src []byte, n int, words []uint64, test func(string) T) (hits []T, err error) {
	form, src, err := readForm(encoding, src)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	numbers, _, err := d.ints(src, n)
	if err != nil {
		return nil, err
	}
	var none T
	text := d.text[:0]
	for i, number := range numbers {
		if !form.mayHave(number, words) {
			continue
		}
		if text, err = form.append(text[:0], number); err != nil {
			return nil, err
		}
		if hit := test(string(text)); hit != none {
			if hits == nil {
				hits = make([]T, n)
			}
			hits[i] = hit
		}
	}
	d.text = text
	return hits, nil
}

// Match returns what test says of each of the n strings at the start of src, nil if it says
// nothing of any: it returns the zero value then. A string that is stored once is tried once.
func Match[T comparable](d *Decoder, src []byte, n int, test func(string) T) ([]T, error) {
	d.lends = true
	return match(d, src, n, test)
}

// MatchWords is Match for a test that only says something of texts with one of some words, of
// which those that are numbers are known (Number).
func MatchWords[T comparable](d *Decoder, src []byte, n int, numbers []uint64, test func(string) T) ([]T, error) {
	if err := checkCount(n); err != nil {
		return nil, err
	}
	if len(src) > 0 && isNumeric(src[0]) {
		return matchNumbers(d, src[0], src[1:], n, numbers, test)
	}
	return Match(d, src, n, test)
}

func match[T comparable](d *Decoder, src []byte, n int, test func(string) T) ([]T, error) {
	if err := checkCount(n); err != nil {
		return nil, err
	}
	encoding, body, err := readByte(src, "encoding of strings")
	if err != nil {
		return nil, err
	}
	switch encoding {
	case stringsConstant:
		text, _, err := readText(body, "constant")
		if err != nil {
			return nil, err
		}
		var none T
		hit := test(string(text))
		if hit == none {
			return nil, nil
		}
		return slices.Repeat([]T{hit}, n), nil
	case stringsDict:
		return matchDict(d, body, n, test)
	}
	values, _, err := d.decodeStrings(nil, src, n, nestingMax, nil)
	if err != nil {
		return nil, err
	}
	return MatchEach(values, test), nil
}

// MatchEach returns what test says of each of the values, nil if it says nothing of any: it
// returns the zero value then.
func MatchEach[T comparable](values []string, test func(string) T) []T {
	var hits []T
	var none T
	for i, value := range values {
		if hit := test(value); hit != none {
			if hits == nil {
				hits = make([]T, len(values))
			}
			hits[i] = hit
		}
	}
	return hits
}

func matchDict[T comparable](d *Decoder, src []byte, n int, test func(string) T) ([]T, error) {
	distinct, src, err := d.readDict(src, n, nestingMax, nil)
	if err != nil {
		return nil, err
	}
	matching := MatchEach(distinct, test)
	if matching == nil {
		return nil, nil
	}
	codes, _, err := d.dictCodes(src, n, len(distinct))
	if err != nil {
		return nil, err
	}
	hits := make([]T, n)
	for i, code := range codes {
		hits[i] = matching[code]
	}
	return hits, nil
}
