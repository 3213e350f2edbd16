// Package shape splits a message into its shape, the static text that many
// messages share, and its variables, the words with digits in them.
//
// Split and Join are exact inverses. A variable is a word with a digit in it,
// several such words joined by one and the same of '.', ':' and '-' (addresses,
// versions, dates, times of day), or a UUID. It starts and ends at word
// borders, so that every word of the message lies wholly in the static text or
// wholly in one variable: what searches words may look at the two apart.
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
)

// ErrVariables says that the variables do not fit the shape.
var ErrVariables = errors.New("variables do not fit the shape")

// Classes of bytes.
const (
	letter   = 1 // part of words
	digit    = 2 // part of words that makes them variable
	joiner   = 4 // joins variable words on both sides
	reserved = 8 // Placeholder and Escape
)

var classes = func() (table [256]uint8) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9':
			table[c] = digit
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
			table[c] = letter
		case c == '.', c == ':', c == '-':
			table[c] = joiner
		case c == Placeholder, c == Escape:
			table[c] = reserved
		}
	}
	return table
}()

// Split returns the shape of a message and appends its variables, which share
// the message's memory, to dst. It reports false for a message beyond the
// limits; dst comes back unchanged then.
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
	if len(message) > MessageMax {
		return out, dst, false
	}
	start, before := len(out), len(dst)
	copied := 0
	for i := 0; i < len(message); {
		switch classes[message[i]] {
		case letter, digit:
			end, variable := variableEnd(message, i)
			if variable {
				if len(dst)-before == VariablesMax {
					return out[:start], dst[:before], false
				}
				out = append(append(out, message[copied:i]...), Placeholder)
				dst = append(dst, message[i:end])
				copied = end
			}
			i = end
		case reserved:
			out = append(append(out, message[copied:i]...), Escape, message[i])
			i++
			copied = i
		default:
			i++
		}
	}
	return append(out, message[copied:]...), dst, true
}

// variableEnd returns the end of the variable that starts with the word at i,
// or of the word if it is static.
func variableEnd(message string, i int) (end int, variable bool) {
	end, variable = word(message, i)
	if end == len(message) || classes[message[end]] != joiner {
		return end, variable
	}
	if end-i == 8 && isUUID(message[i:]) {
		return i + uuidLen, true
	}
	if !variable {
		return end, false
	}
	for by := message[end]; end+1 < len(message) && message[end] == by; {
		next, variable := word(message, end+1)
		if !variable {
			break
		}
		end = next
	}
	return end, true
}

// word returns the end of the word at i and whether a digit is in it.
func word(message string, i int) (end int, variable bool) {
	var seen uint8
	for ; i < len(message); i++ {
		class := classes[message[i]]
		if class&(letter|digit) == 0 {
			break
		}
		seen |= class
	}
	return i, seen&digit != 0
}

const uuidLen = 36

// isUUID reports whether text starts with a lower-case UUID that is not part
// of a longer word.
func isUUID(text string) bool {
	if len(text) < uuidLen || len(text) > uuidLen && classes[text[uuidLen]]&(letter|digit) != 0 {
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

// Join appends the message of a shape and its variables to dst.
func Join(dst []byte, shape string, vars []string) ([]byte, error) {
	used := 0
	for i := 0; i < len(shape); i++ {
		switch c := shape[i]; c {
		case Placeholder:
			if used == len(vars) {
				return nil, fmt.Errorf("join shape with %d variables: %w", len(vars), ErrVariables)
			}
			dst = append(dst, vars[used]...)
			used++
		case Escape:
			if i++; i == len(shape) {
				return nil, fmt.Errorf("join shape that ends in an escape: %w", ErrVariables)
			}
			dst = append(dst, shape[i])
		default:
			dst = append(dst, c)
		}
	}
	if used != len(vars) {
		return nil, fmt.Errorf("join shape with %d of %d variables: %w", used, len(vars), ErrVariables)
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

// Static returns the static text of a shape, with a space for every variable.
func Static(shape string) string {
	if strings.IndexByte(shape, Placeholder) < 0 && strings.IndexByte(shape, Escape) < 0 {
		return shape
	}
	out := make([]byte, 0, len(shape))
	for i := 0; i < len(shape); i++ {
		switch c := shape[i]; c {
		case Placeholder:
			out = append(out, ' ')
		case Escape:
			if i++; i < len(shape) {
				out = append(out, shape[i])
			}
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
