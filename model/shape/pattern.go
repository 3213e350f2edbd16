package shape

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of patterns.
const (
	PatternMax    = 256 // bytes
	patternCuts   = 32  // stretches that repeat values
	patternRepeat = 4   // bytes of a value that is looked for
)

// RarePattern is that of messages of a kind that hardly any other shares, where
// such messages are too many to look at one by one.
const RarePattern = "…"

// Star stands in a pattern for what varies.
const Star = '*'

// Pattern returns the pattern of a shape for readers: a star for each variable
// and reference, and for several that only '.', ':' or '-' stand between. A long
// pattern is cut.
func Pattern(shape string) string {
	out := make([]byte, 0, min(len(shape), PatternMax))
	for i := 0; i < len(shape) && len(out) <= PatternMax; i++ {
		switch c := shape[i]; c {
		case Placeholder:
			out = star(out)
		case Escape:
			if i++; i < len(shape) {
				out = append(out, shape[i])
			}
		case Reference:
			if _, end, err := referenceAt(shape, i); err == nil {
				i = end - 1
			}
			out = star(out)
		default:
			out = append(out, c)
		}
	}
	return string(cutPattern(out))
}

// MessagePattern returns the pattern of a message: that of its shape, where the
// values of other fields that it repeats are variables too. Of values that
// overlap the first is taken.
func MessagePattern(message string, values []string) string {
	var room [patternCuts]stretch
	cuts := room[:0]
	for _, value := range values {
		cuts = cutOut(cuts, message, value)
	}
	out := make([]byte, 0, min(len(message), PatternMax))
	for from := 0; from <= len(message) && len(out) <= PatternMax; {
		next := stretch{len(message), len(message)}
		for _, cut := range cuts {
			if cut.start >= from && cut.start < next.start {
				next = cut
			}
		}
		out = appendStars(out, message[:next.start], from)
		if next.start == len(message) {
			break
		}
		out = star(out)
		from = next.end
	}
	return string(cutPattern(out))
}

// Outline returns a shape with a Placeholder for each variable and reference and
// nothing escaped: what patterns are learned from.
func Outline(shape string) string { return Literal(shape, Placeholder) }

// Value is what is known of a value to which a shape refers.
type Value struct {
	Outline string
	// Tail is what stands between the words of the variable at its end: 0 if there is none,
	// if it is a single word, or if that is not known.
	Tail byte
}

// TailOf returns the Tail of a value.
func TailOf(value string) byte {
	for i := 0; i < len(value); {
		if classes[value[i]]&inWord == 0 {
			i++
			continue
		}
		end, variable := variableEnd(value, i)
		if first, _ := word(value, i); variable && end == len(value) && first < end {
			return value[first]
		}
		i = end
	}
	return 0
}

// WholeOutline returns the outline of the whole message of a shape, from what is known of the
// values that it refers to. It is not sure where what stands beside a value may belong to
// the same variable, which are several in the outline: there the message decides.
func WholeOutline(shape string, refs []Value) (outline string, sure bool) {
	var out []byte
	sure = true
	last, value, tail := -1, false, byte(0) // where what varies before ended, whether that was a value, and its tail
	vary := func(text Value, isValue bool) {
		if last >= 0 && (value || isValue) {
			between := out[last:]
			// Words of one variable have the same between them: behind 10.0.0.7 a ':'
			// ends it.
			ends := tail != 0 && len(between) == 1 && between[0] != tail
			sure = sure && (ends || len(between) > 1 || len(between) == 1 && classes[between[0]] != joiner)
		}
		out = append(out, text.Outline...)
		last, value, tail = len(out), isValue, text.Tail
	}
	for i := 0; i < len(shape); i++ {
		switch c := shape[i]; c {
		case Placeholder:
			vary(Value{Outline: placeholder}, false)
		case Escape:
			if i++; i < len(shape) {
				out = append(out, shape[i])
			}
		case Reference:
			_, end, err := referenceAt(shape, i)
			if err != nil || len(refs) == 0 {
				return string(out), false
			}
			// A UUID is more than words that are joined.
			sure = sure && !dashed(shape[:i], refs[0].Outline) && !dashed(refs[0].Outline, shape[end:])
			vary(refs[0], true)
			refs = refs[1:]
			i = end - 1
		default:
			out = append(out, c)
		}
	}
	return string(out), sure
}

// dashed reports whether two texts meet at a dash that a UUID may have: one with a digit of
// it, or with what may end or begin with one, at both sides.
func dashed(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	before, after := a[len(a)-1], b[0]
	return before == '-' && mayUUID(after) && (len(a) == 1 || mayUUID(a[len(a)-2])) ||
		after == '-' && mayUUID(before) && (len(b) == 1 || mayUUID(b[1]))
}

// mayUUID reports whether a byte of an outline or a shape may stand for one of a UUID.
func mayUUID(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c == Placeholder || c == Escape || c == Reference
}

// placeholder is Placeholder as a text.
const placeholder = "\x11"

// MessageOutline returns the outline of a message of any length: it follows from the
// message alone. Of a very long one only the start is looked at.
func MessageOutline(message string) string {
	return string(AppendMessageOutline(make([]byte, 0, min(len(message), MessageMax)), message))
}

// AppendMessageOutline appends the outline of a message.
func AppendMessageOutline(dst []byte, message string) []byte {
	return appendPlaceholders(dst, message[:min(len(message), MessageMax)])
}

// appendPlaceholders appends a text with a Placeholder for each variable.
func appendPlaceholders(out []byte, text string) []byte {
	copied := 0
	for i := 0; i < len(text); {
		if classes[text[i]]&inWord == 0 {
			i++
			continue
		}
		end, variable := variableEnd(text, i)
		if variable {
			out = appendVariable(append(out, text[copied:i]...), text[i:end])
			copied = end
		}
		i = end
	}
	return append(out, text[copied:]...)
}

// appendVariable appends a Placeholder for a variable, or for each part of it that has a
// digit and stands between letters of a dense script.
func appendVariable(out []byte, variable string) []byte {
	if !denseIn(variable) {
		return append(out, Placeholder)
	}
	for variable != "" {
		n := strings.IndexFunc(variable, dense)
		if n < 0 {
			n = len(variable)
		}
		if part := variable[:n]; strings.ContainsAny(part, "0123456789") {
			core := strings.TrimLeft(part, joiners)
			out = append(out, part[:len(part)-len(core)]...)
			out = append(out, Placeholder)
			out = append(out, core[len(strings.TrimRight(core, joiners)):]...)
		} else {
			out = append(out, part...)
		}
		end := n
		for end < len(variable) {
			r, size := utf8.DecodeRuneInString(variable[end:])
			if !dense(r) {
				break
			}
			end += size
		}
		out = append(out, variable[n:end]...)
		variable = variable[end:]
	}
	return out
}

// joiners are the bytes of the class joiner.
const joiners = ".:-"

// dense reports whether a rune is of a script in which words have no spaces between
// them, or numbers none to the words beside them: Thai and its neighbours, Chinese,
// Japanese, Korean, with their punctuation. A word with a digit may be a whole sentence
// there.
func dense(r rune) bool {
	return r >= denseFirst && (r < 0x1200 || r >= 0x1780 && r < 0x1800 || r >= 0x3000 && r < 0xA4D0 || r >= 0xAC00 && r < 0xD7B0 || r >= 0xF900 && r < 0xFB00 || r >= 0xFF00 && r < 0xFFF0 || r >= 0x20000 && r < 0x32000)
}

const (
	denseFirst = 0x0E00
	denseByte  = 0xE0 // the first byte of such runes is at least that
)

// denseIn reports whether there is a letter of a dense script in a text.
func denseIn(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= denseByte {
			return strings.ContainsFunc(text[i:], func(r rune) bool { return dense(r) && unicode.IsLetter(r) })
		}
	}
	return false
}

// stretch is a part of a message of any length.
type stretch struct{ start, end int }

// cutOut adds where a message repeats a value, between words.
func cutOut(cuts []stretch, message, value string) []stretch {
	if len(value) < patternRepeat || len(value) > len(message) {
		return cuts
	}
	for from := 0; len(cuts) < patternCuts; {
		i := strings.Index(message[from:], value)
		if i < 0 {
			break
		}
		cut := stretch{from + i, from + i + len(value)}
		from = cut.end
		free := Border(message, cut.start) && Border(message, cut.end)
		for _, other := range cuts {
			free = free && (cut.start >= other.end || other.start >= cut.end)
		}
		if !free {
			from = cut.start + 1
			continue
		}
		cuts = append(cuts, cut)
	}
	return cuts
}

// appendStars appends text[from:] with stars for its variables.
func appendStars(out []byte, text string, from int) []byte {
	copied := from
	for i := from; i < len(text) && len(out) <= PatternMax; {
		if classes[text[i]]&inWord == 0 {
			i++
			continue
		}
		end, variable := variableEnd(text, i)
		if variable {
			out = star(append(out, text[copied:i]...))
			copied = end
		}
		i = end
	}
	return append(out, text[copied:]...)
}

// star appends a star, unless one stands there already.
func star(out []byte) []byte {
	n := len(out)
	switch {
	case n > 0 && out[n-1] == Star:
		return out
	case n > 1 && out[n-2] == Star && classes[out[n-1]] == joiner:
		return out[:n-1]
	}
	return append(out, Star)
}

// cutPattern cuts a pattern to its greatest length.
func cutPattern(out []byte) []byte {
	if len(out) <= PatternMax {
		return out
	}
	end := PatternMax
	for end > 0 && !utf8.RuneStart(out[end]) {
		end--
	}
	return append(out[:end:end], "…"...)
}
