package index

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// asciiWord[c] is the lower-case form of c if c is a word byte, else 0.
var asciiWord = func() (table [utf8.RuneSelf]byte) {
	for c := byte(0); c < utf8.RuneSelf; c++ {
		switch {
		case c >= 'A' && c <= 'Z':
			table[c] = c + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			table[c] = c
		}
	}
	return table
}()

// IsWordRune reports whether r is part of words.
func IsWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 0 && asciiWord[r] != 0
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// IsWordByte reports whether a byte of a text is one of ASCII that is part of words.
func IsWordByte(b byte) bool { return b < utf8.RuneSelf && asciiWord[b] != 0 }

// FoldByte returns a byte that IsWordByte as it is in words.
func FoldByte(b byte) byte { return asciiWord[b] }

// Fold returns s in the lower case in which words compare.
func Fold(s string) string {
	return strings.ToLower(s) // rune by rune, and fast where all is ASCII
}

// AppendFold appends Fold(s) to dst.
func AppendFold(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i, c := range dst[start:] {
		if c >= utf8.RuneSelf {
			return append(dst[:start], Fold(s)...)
		}
		if c-'A' <= 'Z'-'A' {
			dst[start+i] = c + ('a' - 'A')
		}
	}
	return dst
}

// NextWord returns the bounds of the first word of s at or after from; start
// is len(s) if there is none.
func NextWord(s string, from int) (start, end int) {
	i := from
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			if asciiWord[c] != 0 {
				break
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if IsWordRune(r) {
			break
		}
		i += size
	}
	start = i
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			if asciiWord[c] == 0 {
				break
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !IsWordRune(r) {
			break
		}
		i += size
	}
	return start, i
}

// Words returns the folded words of s, in order, with repeats.
func Words(s string) []string {
	var words []string
	for start, end := NextWord(s, 0); start < len(s); start, end = NextWord(s, end) {
		words = append(words, Fold(s[start:end]))
	}
	return words
}

// HasWord reports whether the folded word occurs in s.
func HasWord(s, word string) bool {
	if nothingToFold(s) {
		return hasLiteralWord(s, word)
	}
	for start, end := NextWord(s, 0); start < len(s); start, end = NextWord(s, end) {
		if equalFolded(s[start:end], word) {
			return true
		}
	}
	return false
}

// hasLiteralWord is HasWord of a text that is its own fold, and of ASCII alone.
func hasLiteralWord(s, word string) bool {
	for from := 0; word != "" && from+len(word) <= len(s); {
		at := strings.Index(s[from:], word)
		if at < 0 {
			return false
		}
		start, end := from+at, from+at+len(word)
		if (start == 0 || asciiWord[s[start-1]] == 0) && (end == len(s) || asciiWord[s[end]] == 0) {
			return true
		}
		from = start + 1
	}
	return false
}

// nothingToFold reports whether a text is of ASCII without capitals.
func nothingToFold(s string) bool {
	const (
		each     = 0x0101010101010101
		high     = 0x80 * each
		fromA    = (0x80 - 'A') * each     // with it the high bit of 'A' and what follows is set
		beyondZ  = (0x80 - 'Z' - 1) * each // of what follows 'Z'
		wordSize = 8
	)
	for ; len(s) >= wordSize; s = s[wordSize:] {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		if (x|(x+fromA)&^(x+beyondZ))&high != 0 {
			return false
		}
	}
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// equalFolded reports whether Fold(s) == folded, without allocating for ASCII.
func equalFolded(s, folded string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			return Fold(s) == folded
		}
		if i >= len(folded) {
			return false
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != folded[i] {
			return false
		}
	}
	return len(s) == len(folded)
}

// hasFoldedPrefix reports whether Fold(s) starts with folded, without
// allocating for ASCII.
func hasFoldedPrefix(s, folded string) bool {
	for i := 0; i < len(folded); i++ {
		if i >= len(s) {
			return false
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			return strings.HasPrefix(Fold(s), folded)
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != folded[i] {
			return false
		}
	}
	return true
}
