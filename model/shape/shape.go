// Package shape splits a message into its shape, the static text that many
// messages share, and its variables, the words with digits in them.
//
// Split and Join are exact inverses. A variable is a word with a digit in it,
// several such words joined by one and the same of '.', ':' and '-' (addresses,
// versions, dates, times of day), or a UUID. It starts and ends at word
// borders, so that every word of the message lies wholly in the static text or
// wholly in one variable: what searches words may look at the two apart. A
// shape may also refer to other fields whose values the message repeats; what
// these are is the caller's affair.
// docs/format/shape.md says how this was chosen.
//
// A word is a maximal run of letters, digits and '_', as in package index;
// bytes from 0x80 on count as parts of words here, which can only join words,
// never cut them. The package imports nothing of ours, keeps no state and is
// safe for concurrent use. Segment and index writers and readers call it.
package shape

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Limits of messages that are split. Others stay text.
const (
	MessageMax   = 32 << 10
	VariablesMax = 255
)

// The bytes with a meaning in a shape.
const (
	Placeholder = 0x11 // stands for the next variable
	Escape      = 0x12 // the next byte stands for itself
	Reference   = 0x13 // a decimal number up to the next Reference: that field's value
)

// ErrVariables says that the variables or references do not fit the shape.
var ErrVariables = errors.New("variables do not fit the shape")

// Span is where in a message a variable is.
type Span struct{ Start, End uint16 }

// Classes of bytes.
const (
	letter   = 1  // part of words
	digit    = 2  // part of words that makes them variable
	joiner   = 4  // joins variable words on both sides
	reserved = 8  // Placeholder, Escape and Reference
	wide     = 16 // a letter, too, and perhaps of a dense script

	inWord = letter | digit
)

var classes = func() (table [256]uint8) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9':
			table[c] = digit
		case c >= denseByte:
			table[c] = letter | wide
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
			table[c] = letter
		case c == '.', c == ':', c == '-':
			table[c] = joiner
		case c == Placeholder, c == Escape, c == Reference:
			table[c] = reserved
		}
	}
	return table
}()

// Split returns the shape of a message and appends its variables, which share
// the message's memory, to dst. It reports false for a message beyond the
// limits, and for one in whose variables there is text (see dense); dst comes
// back unchanged then.
func Split(dst []string, message string) (shape string, vars []string, ok bool) {
	var room [512]byte // most shapes are shorter, and then the text is the one allocation
	out, vars, ok := Append(room[:0], dst, message)
	if len(out) == len(message) && len(vars) == len(dst) {
		return message, vars, ok // static, and nothing escaped
	}
	return string(out), vars, ok
}

// Append is Split for callers that need the shape only to look it up: it
// appends the shape's text to out and the variables to dst.
func Append(out []byte, dst []string, message string) (shape []byte, vars []string, ok bool) {
	var room [64]Span
	out, spans, ok := AppendSpans(out, room[:0], message, 0, len(message))
	for _, span := range spans {
		dst = append(dst, message[span.Start:span.End])
	}
	return out, dst, ok
}

// AppendSpans appends the shape of message[from:to] to out and where its
// variables are to dst. A caller that cuts a message into pieces must cut at
// word borders (see Border). It reports false beyond the limits; what it
// returns is as it was then. VariablesMax is for the whole of dst.
func AppendSpans(out []byte, dst []Span, message string, from, to int) (shape []byte, spans []Span, ok bool) {
	if len(message) > MessageMax {
		return out, dst, false
	}
	start, before := len(out), len(dst)
	text := message[:to]
	copied := from
	for i := from; ; {
		at := marked(text, i)
		if at == len(text) {
			break
		}
		if classes[text[at]] == reserved {
			out = append(append(out, text[copied:at]...), Escape, text[at])
			i = at + 1
			copied = i
			continue
		}
		first := wordStart(text, i, at)
		end, seen := word(text, at)
		if end < len(text) && classes[text[end]] == joiner && (seen&digit != 0 || end-first == uuidFirst) {
			end, seen = joined(text, first, end, seen)
		}
		if i = max(end, at+1); seen&digit == 0 {
			continue
		}
		if seen |= classesOf(text[first:at]); len(dst) == VariablesMax || seen&wide != 0 && denseIn(text[first:end]) {
			return out[:start], dst[:before], false
		}
		out = append(append(out, text[copied:first]...), Placeholder)
		dst = append(dst, Span{uint16(first), uint16(end)})
		copied = end
	}
	return append(out, text[copied:]...), dst, true
}

// marked returns the offset of the first byte of text from i on where more than static text
// may be: a digit, a reserved byte, or the '-' that a UUID has behind its first word, which
// may be without digits. It returns len(text) if there is none.
func marked(text string, i int) int {
	for ; len(text)-i >= 8; i += 8 {
		if hit := marks(eight(text[i:])); hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(text) && classes[text[i]]&(digit|reserved) == 0 && text[i] != '-' {
		i++
	}
	return i
}

// eight returns the first eight bytes of a text, the first one lowest: the compiler makes one
// load of it.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// marks has the high bit of every byte of a word of eight that marked looks for.
func marks(w uint64) uint64 {
	const (
		every = 0x0101010101010101
		high  = every * 0x80
	)
	low := w &^ high // so that sums stay within their bytes
	digits := (low + every*(0x80-'0')) &^ (low + every*(0x80-'9'-1))
	signs := (low + every*(0x80-Placeholder)) &^ (low + every*(0x80-Reference-1))
	dashes := ^((low ^ every*'-') + every*0x7f)
	return (digits | signs | dashes) &^ w & high
}

// wordStart returns where the word begins that has text[at], or ends before it, not before
// from, where a word may begin.
func wordStart(text string, from, at int) int {
	for at > from && classes[text[at-1]]&inWord != 0 {
		at--
	}
	return at
}

// classesOf returns the classes that bytes have, together.
func classesOf(text string) (seen uint8) {
	for i := range len(text) {
		seen |= classes[text[i]]
	}
	return seen
}

// Border reports whether a word may end before message[at] or start there, so
// that a cut there divides no word.
func Border(message string, at int) bool {
	return at == 0 || at == len(message) || classes[message[at-1]]&inWord == 0 || classes[message[at]]&inWord == 0
}

// VariableEnd returns the end of the variable that begins at message[at], where a word may
// begin, or at if none does, or one for which Split reports false.
func VariableEnd(message string, at int) int {
	if at == len(message) || classes[message[at]]&inWord == 0 {
		return at
	}
	if end, variable := variableEnd(message, at); variable && !denseIn(message[at:end]) {
		return end
	}
	return at
}

// AppendReference appends a reference to the field with the given number.
func AppendReference(out []byte, number uint32) []byte {
	return append(strconv.AppendUint(append(out, Reference), uint64(number), 10), Reference)
}

// referenceAt reads the reference whose first byte is shape[at].
func referenceAt(shape string, at int) (number uint32, end int, err error) {
	for end = at + 1; end < len(shape) && shape[end] != Reference; end++ {
	}
	if end < len(shape) {
		if v, err := strconv.ParseUint(shape[at+1:end], 10, 32); err == nil {
			return uint32(v), end + 1, nil
		}
	}
	return 0, 0, fmt.Errorf("reference at %d of the shape: %w", at, ErrVariables)
}

// References returns the numbers of the fields that a shape refers to, in
// order, with repeats.
func References(shape string) ([]uint32, error) {
	var numbers []uint32
	for i := 0; i < len(shape); i++ {
		switch shape[i] {
		case Escape:
			i++
		case Reference:
			number, end, err := referenceAt(shape, i)
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, number)
			i = end - 1
		}
	}
	return numbers, nil
}

// variableEnd returns the end of the variable that starts with the word at i,
// or of the word if it is static.
func variableEnd(message string, i int) (end int, variable bool) {
	end, seen := word(message, i)
	if end < len(message) && classes[message[end]] == joiner {
		end, seen = joined(message, i, end, seen)
	}
	return end, seen&digit != 0
}

// joined returns the end of what starts with the word from i to end, behind which is a
// joiner, and the classes of the words that belong to it, digit for a UUID.
func joined(message string, i, end int, seen uint8) (int, uint8) {
	if end-i == uuidFirst && isUUID(message[i:]) {
		return i + uuidLen, digit
	}
	if seen&digit == 0 {
		return end, seen
	}
	for by := message[end]; end+1 < len(message) && message[end] == by; {
		next, more := word(message, end+1)
		if more&digit == 0 {
			break
		}
		end, seen = next, seen|more
	}
	return end, seen
}

// word returns the end of the word at i and the classes of its bytes.
func word(message string, i int) (end int, seen uint8) {
	for ; i < len(message); i++ {
		class := classes[message[i]]
		if class&inWord == 0 {
			break
		}
		seen |= class
	}
	return i, seen
}

const (
	uuidLen   = 36
	uuidFirst = 8 // bytes of its first word
)

// isUUID reports whether text starts with a lower-case UUID that is not part
// of a longer word.
func isUUID(text string) bool {
	if len(text) < uuidLen || len(text) > uuidLen && classes[text[uuidLen]]&inWord != 0 {
		return false
	}
	for i := 0; i < uuidLen; i++ {
		c := text[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		default:
			return false
		}
	}
	return true
}

// Join appends the message of a shape, its variables and the values of the
// fields that it refers to, in order, to dst.
func Join(dst []byte, shape string, vars, refs []string) ([]byte, error) {
	for i := 0; i < len(shape); i++ {
		switch c := shape[i]; c {
		case Placeholder:
			if len(vars) == 0 {
				return nil, fmt.Errorf("join shape with too few variables: %w", ErrVariables)
			}
			dst = append(dst, vars[0]...)
			vars = vars[1:]
		case Escape:
			if i++; i == len(shape) {
				return nil, fmt.Errorf("join shape that ends in an escape: %w", ErrVariables)
			}
			dst = append(dst, shape[i])
		case Reference:
			_, end, err := referenceAt(shape, i)
			if err != nil {
				return nil, err
			}
			if len(refs) == 0 {
				return nil, fmt.Errorf("join shape with too few references: %w", ErrVariables)
			}
			dst = append(dst, refs[0]...)
			refs = refs[1:]
			i = end - 1
		default:
			dst = append(dst, c)
		}
	}
	if len(vars) != 0 || len(refs) != 0 {
		return nil, fmt.Errorf("join shape with %d variables and %d references too many: %w", len(vars), len(refs), ErrVariables)
	}
	return dst, nil
}

// Variables returns how many variables a shape has.
func Variables(shape string) int {
	count := 0
	for i := 0; i < len(shape); i++ {
		switch shape[i] {
		case Placeholder:
			count++
		case Escape:
			i++
		}
	}
	return count
}

// Static returns the static text of a shape, with a space for every variable
// and reference.
func Static(shape string) string { return Literal(shape, ' ') }

// Literal returns the static text of a shape, with the given byte for every
// variable and reference.
func Literal(shape string, gap byte) string {
	if strings.IndexByte(shape, Placeholder) < 0 && strings.IndexByte(shape, Escape) < 0 && strings.IndexByte(shape, Reference) < 0 {
		return shape
	}
	out := make([]byte, 0, len(shape))
	for i := 0; i < len(shape); i++ {
		switch c := shape[i]; c {
		case Placeholder:
			out = append(out, gap)
		case Escape:
			if i++; i < len(shape) {
				out = append(out, shape[i])
			}
		case Reference:
			if _, end, err := referenceAt(shape, i); err == nil {
				i = end - 1
			}
			out = append(out, gap)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
