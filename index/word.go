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
	for start, end := NextWord(s, 0); start < len(s); start, end = NextWord(s, end) {
		if equalFolded(s[start:end], word) {
			return true
		}
	}
	return false
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
