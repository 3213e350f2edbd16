package pipeline

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// space returns the offset of the first byte at or after i that is not JSON
// white space.
func space(s string, i int) int {
	for i < len(s) {
		switch s[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

func hasAt(s string, i int, word string) bool {
	return len(s)-i >= len(word) && s[i:i+len(word)] == word
}

const (
	every  = 0x0101010101010101 // one in every byte of a word
	high   = 0x8080808080808080
	slants = every * '\\'
	// Of two bytes that differ in this, a quote and a space, the quote is made the
	// one that comes right after the control characters.
	swap = every * ('"' ^ ' ')
)

// wordAt reads the eight bytes at s[i], all of which must be inside.
func wordAt(s string, i int) uint64 {
	return binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(s[i:]), 8))
}

// special returns the offset of the first '"', '\' or control character at or
// after i, or len(s), and whether a byte before it may not be ASCII.
//
// It looks at eight bytes at a time.
func special(s string, i int) (at int, wide bool) {
	var seen uint64
	for ; len(s)-i >= 8; i += 8 {
		w := wordAt(s, i)
		if hit := specials(w); hit != 0 {
			n := bits.TrailingZeros64(hit) &^ 7
			seen |= w & (1<<n - 1)
			return i + n/8, seen&high != 0
		}
		seen |= w
	}
	wide = seen&high != 0
	for ; i < len(s); i++ {
		c := s[i]
		if c == '"' || c == '\\' || c < ' ' {
			return i, wide
		}
		wide = wide || c >= utf8.RuneSelf
	}
	return i, wide
}

// specials has the high bit of the first byte of a word that special looks for, and
// nothing if there is none. A byte is below n exactly where the lowest bit of
// (w - every*n) &^ w & high is; the bits above that one may lie.
func specials(w uint64) uint64 {
	q, b := w^swap, w^slants
	return ((q-every*(' '+1))&^q | (b-every)&^b) & high
}

// appendPlain appends what is before the next byte that special looks for, and
// returns where that is. What it writes behind the text is within its capacity.
func appendPlain(buf []byte, s string, i int) ([]byte, int) {
	for len(s)-i >= 8 && cap(buf)-len(buf) >= 8 {
		w, n := wordAt(s, i), len(buf)
		binary.LittleEndian.PutUint64(buf[n:n+8], w)
		if hit := specials(w); hit != 0 {
			k := bits.TrailingZeros64(hit) / 8
			return buf[:n+k], i + k
		}
		buf = buf[:n+8]
		i += 8
	}
	at, _ := special(s, i)
	return append(buf, s[i:at]...), at
}

// str reads the rest of a string that starts at p.s[i], after its quote. Plain
// says that the text is exactly what is between the quotes.
func (p *Parser) str(i int) (text string, end int, plain bool) {
	s := p.s
	start := i
	wide := false
	for {
		at, w := special(s, i)
		wide = wide || w
		if at >= len(s) {
			return "", p.syntax(at, "want the end of a string"), false
		}
		switch c := s[at]; {
		case c == '"':
			text = s[start:at]
			if wide && !utf8.ValidString(text) {
				return p.valid(text), at + 1, false
			}
			return text, at + 1, true
		case c == '\\':
			return p.unescape(start, at)
		case c == '\n':
			return "", p.syntax(at, "want the end of a string"), false
		}
		i = at + 1
	}
}

// unescape reads a string that has its first escape at p.s[at].
func (p *Parser) unescape(start, at int) (text string, end int, plain bool) {
	s := p.s
	buf := append(p.arena.open(), s[start:at]...)
	for at < len(s) {
		switch c := s[at]; {
		case c == '"':
			if !utf8.Valid(buf) {
				return p.valid(unsafeString(buf)), at + 1, false
			}
			return p.arena.close(buf), at + 1, false
		case c == '\n':
			return "", p.syntax(at, "want the end of a string"), false
		case c == '\\' && at+1 < len(s) && (s[at+1] == '"' || s[at+1] == '\\' || s[at+1] == '/'):
			// The escaped byte stands for itself: it is copied with what follows.
			buf, at = appendPlain(append(buf, s[at+1]), s, at+2)
		case c == '\\':
			var ok bool
			if buf, at, ok = escape(buf, s, at); !ok {
				return "", p.syntax(at, "want an escape"), false
			}
		default:
			buf, at = appendPlain(append(buf, c), s, at+1)
		}
	}
	return "", p.syntax(at, "want the end of a string"), false
}

// escape appends what the escape at s[at] means and returns the offset after
// it. Surrogates without their other half become U+FFFD.
func escape(buf []byte, s string, at int) ([]byte, int, bool) {
	if at+1 >= len(s) {
		return buf, at, false
	}
	switch c := s[at+1]; c {
	case '"', '\\', '/':
		return append(buf, c), at + 2, true
	case 'b':
		return append(buf, '\b'), at + 2, true
	case 'f':
		return append(buf, '\f'), at + 2, true
	case 'n':
		return append(buf, '\n'), at + 2, true
	case 'r':
		return append(buf, '\r'), at + 2, true
	case 't':
		return append(buf, '\t'), at + 2, true
	case 'u':
		r, ok := hex4(s, at+2)
		if !ok {
			return buf, at, false
		}
		at += 6
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if hasAt(s, at, `\u`) {
				if low, ok := hex4(s, at+2); ok {
					pair = utf16.DecodeRune(r, low)
				}
			}
			if pair != utf8.RuneError {
				at += 6
			}
			r = pair
		}
		return utf8.AppendRune(buf, r), at, true
	}
	return buf, at, false
}

// hex4 reads four hexadecimal digits at s[at:].
func hex4(s string, at int) (rune, bool) {
	if len(s)-at < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[at : at+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number returns the offset after the JSON number at p.s[i].
func (p *Parser) number(i int) int {
	s := p.s
	if i < len(s) && s[i] == '-' {
		i++
	}
	switch {
	case i < len(s) && s[i] == '0':
		i++
	case i < len(s) && s[i] >= '1' && s[i] <= '9':
		i = digits(s, i)
	default:
		return p.syntax(i, "want a digit")
	}
	if i < len(s) && s[i] == '.' {
		start := i + 1
		if i = digits(s, start); i == start {
			return p.syntax(i, "want a digit")
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start := i
		if i = digits(s, start); i == start {
			return p.syntax(i, "want a digit")
		}
	}
	return i
}

func digits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

// unsafeString views bytes as a string for a call that copies them.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
