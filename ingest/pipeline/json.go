package pipeline

import (
	"fmt"
	"unicode/utf8"
)

// check reads the JSON value at p.s[i] that is kept as it is. It returns the
// offset after it and whether the text is compact, valid UTF-8 JSON as sent.
func (p *Parser) check(i, depth int, n *name) (end int, asSent bool) {
	s := p.s
	if i >= len(s) {
		return p.syntax(i, "want a value"), false
	}
	switch c := s[i]; {
	case c == '"':
		return p.checkString(i + 1)
	case c == '-' || c >= '0' && c <= '9':
		return p.number(i), true
	case c == '{' || c == '[':
		if depth > p.cfg.MaxDepth {
			return p.over(i, n.path, fmt.Sprintf("nested deeper than %d levels", p.cfg.MaxDepth)), false
		}
		return p.checkNested(i, depth, n)
	case c == 't' && hasAt(s, i, "true"), c == 'n' && hasAt(s, i, "null"):
		return i + 4, true
	case c == 'f' && hasAt(s, i, "false"):
		return i + 5, true
	}
	return p.syntax(i, "want a value"), false
}

// checkNested reads the object or array at p.s[i].
func (p *Parser) checkNested(i, depth int, n *name) (end int, asSent bool) {
	s := p.s
	isObject := s[i] == '{'
	closing := s[i] + 2 // '{' and '}', '[' and ']' are two apart
	asSent = true
	// skip moves over white space and remembers that there was some.
	skip := func(i int) int {
		next := space(s, i)
		asSent = asSent && next == i
		return next
	}
	i = skip(i + 1)
	if i < len(s) && s[i] == closing {
		return i + 1, asSent
	}
	for {
		var ok bool
		if isObject {
			if i >= len(s) || s[i] != '"' {
				return p.syntax(i, "want a key"), false
			}
			if i, ok = p.checkString(i + 1); i < 0 {
				return -1, false
			}
			asSent = asSent && ok
			if i = skip(i); i >= len(s) || s[i] != ':' {
				return p.syntax(i, "want ':' after a key"), false
			}
			i = skip(i + 1)
		}
		if i, ok = p.check(i, depth+1, n); i < 0 {
			return -1, false
		}
		asSent = asSent && ok
		i = skip(i)
		switch {
		case i < len(s) && s[i] == ',':
			i = skip(i + 1)
		case i < len(s) && s[i] == closing:
			return i + 1, asSent
		default:
			return p.syntax(i, "want ',' or '"+string(rune(closing))+"'"), false
		}
	}
}

// checkString reads the rest of a string after its quote.
func (p *Parser) checkString(i int) (end int, asSent bool) {
	s := p.s
	start, asSent, wide := i, true, false
	for {
		at, w := special(s, i)
		wide = wide || w
		if at >= len(s) || s[at] == '\n' {
			return p.syntax(at, "want the end of a string"), false
		}
		switch s[at] {
		case '"':
			return at + 1, asSent && (!wide || utf8.ValidString(s[start:at]))
		case '\\':
			var scratch [utf8.UTFMax]byte
			_, next, ok := escape(scratch[:0], s, at)
			if !ok {
				return p.syntax(at, "want an escape"), false
			}
			i = next
		default: // a raw control character
			asSent = false
			i = at + 1
		}
	}
}

// compact rewrites checked JSON without white space, with control characters
// escaped and bytes that are not UTF-8 replaced. Escapes stay as sent.
func (p *Parser) compact(s string) string {
	buf := p.arena.open()
	inString := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case !inString && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			continue
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			buf = append(buf, c, s[i+1])
			i++
			continue
		case inString && c < ' ':
			buf = fmt.Appendf(buf, `\u%04x`, c)
			continue
		}
		buf = append(buf, c)
	}
	if !utf8.Valid(buf) {
		return p.valid(unsafeString(buf))
	}
	return p.arena.close(buf)
}

// Skip returns the offset after the object or array that starts at s[at],
// found by matching brackets outside strings, or -1 if it does not end. It is
// for values that are refused anyway: it needs no memory, whatever the depth,
// and does not check.
func Skip(s string, at int) int {
	depth := 0
	for i := at; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + 1
			}
		case '"':
			if i = skipString(s, i+1); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// skipString returns the offset of the quote that ends the string, or -1 if
// the line or the text ends before it.
func skipString(s string, i int) int {
	for {
		at, _ := special(s, i)
		if at >= len(s) || s[at] == '\n' {
			return -1
		}
		switch s[at] {
		case '"':
			return at
		case '\\':
			i = at + 2
		default:
			i = at + 1
		}
		if i >= len(s) {
			return -1
		}
	}
}
