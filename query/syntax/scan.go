package syntax

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// scanner reads tokens off a text. What a character means depends on where it
// stands ("/" begins a regular expression or a path), so the parser asks for
// what it wants instead of being handed a list of tokens.
type scanner struct {
	text string
	pos  int
}

// rest returns the text that is not read yet.
func (s *scanner) rest() string { return s.text[s.pos:] }

// end reports whether everything is read.
func (s *scanner) end() bool { return s.pos >= len(s.text) }

// has reports whether the unread text starts so.
func (s *scanner) has(prefix string) bool { return strings.HasPrefix(s.rest(), prefix) }

// take reads prefix if the unread text starts so.
func (s *scanner) take(prefix string) bool {
	if s.has(prefix) {
		s.pos += len(prefix)
		return true
	}
	return false
}

// space reads white space and comments: from a '#' that stands alone to the
// end of the line.
func (s *scanner) space() {
	for {
		s.pos = len(s.text) - len(strings.TrimLeftFunc(s.rest(), unicode.IsSpace))
		if !s.has("#") || s.pos > 0 && !spaceBefore(s.text[:s.pos]) || !spaceAfter(s.text[s.pos+1:]) {
			return
		}
		line, _, _ := strings.Cut(s.rest(), "\n")
		s.pos += len(line)
	}
}

// spaceBefore reports whether a text ends with white space.
func spaceBefore(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(text)
	return unicode.IsSpace(r)
}

// spaceAfter reports whether a text begins with white space, or is empty.
func spaceAfter(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return text == "" || unicode.IsSpace(r)
}

// boundary reports whether the rest of a text can follow a complete term.
func boundary(rest string) bool {
	if rest == "" {
		return true
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsSpace(r) || r == ')' || r == '|' || r == '('
}

// token reads a run of characters up to white space, a parenthesis, a quote, a
// bar or one of stop.
func (s *scanner) token(stop string) string {
	rest := s.rest()
	n := strings.IndexFunc(rest, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`()"|`, r) || strings.ContainsRune(stop, r)
	})
	if n < 0 {
		n = len(rest)
	}
	s.pos += n
	return rest[:n]
}

// quoted reads a text in double quotes, in which only \" and \\ are escapes.
// The caller has seen the quote. It reports whether the quote is closed.
func (s *scanner) quoted() (string, bool) {
	var b strings.Builder
	rest := s.rest()
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			s.pos += i + 1
			return b.String(), true
		case c == '\\' && i+1 < len(rest) && (rest[i+1] == '"' || rest[i+1] == '\\'):
			i++
			b.WriteByte(rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// regex reads /expression/ if that is what stands here: the first '/' without
// a '\' before it ends the expression, and nothing but the end of a term may
// follow. Anything else that starts with '/' is a path.
func (s *scanner) regex() (string, bool) {
	rest := s.rest()
	var b strings.Builder
	for i := 1; i < len(rest) && rest[i] != '\n'; i++ {
		switch c := rest[i]; {
		case c == '/':
			if b.Len() == 0 || !boundary(rest[i+1:]) {
				return "", false
			}
			s.pos += i + 1
			return b.String(), true
		case c == '\\' && i+1 < len(rest):
			i++
			if rest[i] != '/' {
				b.WriteByte('\\')
			}
			b.WriteByte(rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// fieldName returns the bare field name at the start of text, "" if none.
func fieldName(text string) string {
	n := 0
	for i, r := range text {
		switch {
		case unicode.IsLetter(r), r == '_', r == '@':
		case i > 0 && (unicode.IsDigit(r) || strings.ContainsRune(".-/$#", r)):
		default:
			n = i
			return trimName(text[:n])
		}
	}
	return trimName(text)
}

// trimName returns the name unless its last character cannot end one ("a->b"
// is no comparison).
func trimName(name string) string {
	r, _ := utf8.DecodeLastRuneInString(name)
	if unicode.IsLetter(r) && r != utf8.RuneError || unicode.IsDigit(r) || r == '_' {
		return name
	}
	return ""
}

// keyword returns the boolean operator that stands here as a word of its own,
// "" if none: AND, OR, NOT in capitals or small letters, &&, ||.
func (s *scanner) keyword() (name string, size int) {
	rest := s.rest()
	if strings.HasPrefix(rest, "||") {
		return "OR", 2
	}
	for _, k := range [...]struct{ text, name string }{
		{"AND", "AND"}, {"and", "AND"}, {"&&", "AND"}, {"OR", "OR"}, {"or", "OR"}, {"NOT", "NOT"}, {"not", "NOT"},
	} {
		if strings.HasPrefix(rest, k.text) && (boundary(rest[len(k.text):]) || rest[len(k.text)] == '"') {
			return k.name, len(k.text)
		}
	}
	return "", 0
}

// isNumber reports whether text reads as a decimal number.
func isNumber(text string) bool {
	if text == "" || strings.Trim(text, "0123456789.-+eE") != "" {
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}
