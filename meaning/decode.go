package meaning

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Limits of decoding.
const (
	decodeRounds = 3       // how often what is decoded is decoded again: twice, and comments that this shows
	base64Least  = 12      // characters of base64 that are looked at
	hiddenMax    = 4 << 10 // bytes of what was hidden in base64
	hiddenTries  = 256     // places that say so
)

// decode appends a text as an attacked program would see it: without encodings of URLs,
// HTML and strings, SQL comments and what was hidden in base64 where that is said, in
// lower case, with one space for any white space.
func decode(dst []byte, text string) []byte {
	dst = append(dst, text...)
	escapes, hides := encoded(text)
	if escapes {
		for range decodeRounds {
			n := unescape(dst)
			same := n == len(dst)
			if dst = dst[:n]; same {
				break
			}
		}
		if !hides {
			_, hides = encoded(dst)
		}
	}
	if hides {
		if hidden := hiddenIn(dst); len(hidden) > 0 {
			dst = append(append(dst, ' '), hidden...)
		}
	}
	return fold(dst)
}

// encoded reports whether a text may have escapes, and whether it says that it hides
// something in base64.
func encoded[T string | []byte](text T) (escapes, hides bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '%', '\\', '&', '+':
			escapes = true
		case '/':
			escapes = escapes || i+1 < len(text) && text[i+1] == '*'
		case '6': // base64
			hides = hides || i >= 4 && i+1 < len(text) && text[i+1] == '4' && text[i-1]|0x20 == 'e' && text[i-2]|0x20 == 's'
		case '-':
			hides = hides || i > 0 && text[i-1] == ' ' && i+2 < len(text) && text[i+1]|0x20 == 'e' && (text[i+2] == ' ' || text[i+2]|0x20 == 'n')
		}
	}
	return escapes, hides
}

// special are the bytes with which something encoded begins.
var special = [256]bool{'%': true, '\\': true, '&': true, '+': true, '/': true}

// unescape decodes in place, once, and returns the new length.
func unescape(text []byte) int {
	n := 0
	open := false // a comment has no end, so that none behind it has
	for i := 0; i < len(text); {
		c := text[i]
		if !special[c] {
			text[n] = c
			n++
			i++
			continue
		}
		if comment, size := comment(text[i:], open); size < 0 {
			open = true
		} else if size > 0 {
			text[n] = ' '
			n += 1 + copy(text[n+1:], comment)
			if len(comment) > 0 {
				text[n] = ' '
				n++
			}
			i += size
			continue
		}
		c, size := escape(text[i:])
		text[n] = c
		n++
		i += size
	}
	return n
}

// comment returns the size of a comment of SQL at the start of a text, -1 of one without
// an end, and what of it MySQL runs.
func comment(text []byte, open bool) (runs []byte, size int) {
	if open || len(text) < 4 || text[0] != '/' || text[1] != '*' {
		return nil, 0
	}
	end := bytes.Index(text[2:], []byte("*/"))
	if end < 0 {
		return nil, -1
	}
	if inside := text[2 : 2+end]; len(inside) > 0 && inside[0] == '!' {
		runs = bytes.TrimLeft(inside[1:], "0123456789")
	}
	return runs, end + 4
}

// escape returns what the start of a text stands for, and its size.
func escape(text []byte) (c byte, size int) {
	switch c := text[0]; {
	case c == '+':
		return ' ', 1
	case c == '&':
		if v, size := entity(text); size > 0 {
			return v, size
		}
	case len(text) < 2:
	case c == '%':
		if over, ok := overlong(text); ok {
			return over, 6
		}
		if len(text) > 2 {
			if v, ok := hex(text[1:3]); ok {
				return v, 3
			}
		}
		if len(text) > 5 && text[1]|0x20 == 'u' {
			if v, ok := hex(text[2:6]); ok {
				return v, 6
			}
		}
	case c == '\\' && (text[1] == '"' || text[1] == '\'' || text[1] == '/'):
		return text[1], 2
	case c == '\\' && text[1]|0x20 == 'u' && len(text) > 5:
		if v, ok := hex(text[2:6]); ok {
			return v, 6
		}
	case c == '\\' && text[1] == 'x' && len(text) > 3:
		if v, ok := hex(text[2:4]); ok {
			return v, 4
		}
	}
	return text[0], 1
}

// overlong decodes '.' '/' and '\' in the two bytes that no encoder writes.
func overlong(text []byte) (byte, bool) {
	if len(text) < 6 || text[3] != '%' || text[1]|0x20 != 'c' || text[2] != '0' && text[2] != '1' {
		return 0, false
	}
	v, ok := hex(text[4:6])
	if !ok {
		return 0, false
	}
	if text[2] == '1' {
		v = 0x40 | v&0x3f
	} else {
		v &= 0x3f
	}
	return v, v == '.' || v == '/' || v == '\\'
}

// hex reads a number; of a character beyond bytes it gives the one that it looks like.
func hex(digits []byte) (byte, bool) {
	v := 0
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | int(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	switch {
	case v >= 0xff01 && v <= 0xff5e: // full width
		v -= 0xfee0
	case v > 0xff:
		return '?', true
	}
	return byte(v), true
}

// entity decodes one of HTML.
func entity(text []byte) (c byte, size int) {
	if len(text) > 3 && text[1] == '#' {
		end := 2
		v, base := 0, 10
		if text[2]|0x20 == 'x' {
			base, end = 16, 3
		}
		for ; end < len(text) && end < 10; end++ {
			d, ok := hex(text[end : end+1])
			if !ok || int(d) >= base {
				break
			}
			v = v*base + int(d)
		}
		if v == 0 || v >= utf8.RuneSelf {
			return 0, 0
		}
		if end < len(text) && text[end] == ';' {
			end++
		}
		return byte(v), end
	}
	for _, e := range [...]struct {
		name string
		c    byte
	}{{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}, {"&colon;", ':'}, {"&lpar;", '('}, {"&tab;", '\t'}, {"&newline;", '\n'}} {
		if len(text) >= len(e.name) && strings.EqualFold(string(text[:len(e.name)]), e.name) {
			return e.c, len(e.name)
		}
	}
	return 0, 0
}

// hiddenIn returns what is written in base64 after something that says so.
func hiddenIn(text []byte) (hidden []byte) {
	lower := bytes.ToLower(text)
	for _, mark := range [...]string{"base64", "-enc ", "-encodedcommand ", "-e "} {
		for from, tries := 0, 0; len(hidden) < hiddenMax && tries < hiddenTries; tries++ {
			i := bytes.Index(lower[from:], []byte(mark))
			if i < 0 {
				break
			}
			i += from
			from = i + len(mark)
			after := bytes.TrimLeft(text[from:], "_decodestring('\", =:")
			hidden = appendBase64(hidden, after)
			if pipe := bytes.TrimRight(text[:i], "| \"'"); len(pipe) < i { // echo TEXT | base64 -d
				pipe = pipe[max(0, len(pipe)-hiddenMax):]
				hidden = appendBase64(hidden, pipe[bytes.LastIndexAny(pipe, " '\"")+1:])
			}
		}
	}
	return hidden
}

// appendBase64 appends what a text that begins in base64 says, if it is one.
func appendBase64(dst, text []byte) []byte {
	end := 0
	for end < len(text) && end < hiddenMax && (classes[text[end]] == classLower && text[end] < utf8.RuneSelf || classes[text[end]] == classUpper ||
		classes[text[end]] == classDigit || text[end] == ' ' || text[end] == '/') {
		end++
	}
	end -= len(text[:end]) - len(bytes.TrimRight(text[:end], " "))
	if end < base64Least {
		return dst
	}
	packed := bytes.ReplaceAll(text[:end], []byte(" "), []byte("+")) // a plus was decoded
	packed = packed[:len(packed)-len(packed)%4]
	out := make([]byte, base64.StdEncoding.DecodedLen(len(packed)))
	n, err := base64.StdEncoding.Decode(out, packed)
	if err != nil {
		return dst
	}
	out = bytes.ReplaceAll(out[:n], []byte{0}, nil) // PowerShell has two bytes for each
	return append(append(dst, ' '), out...)
}

// fold makes letters small, one space of white space, and nothing of control characters.
func fold(text []byte) []byte {
	n := 0
	for _, c := range text {
		switch {
		case c-'A' <= 'Z'-'A':
			c += 'a' - 'A'
		case c == ' ', c >= '\t' && c <= '\r':
			if n > 0 && text[n-1] == ' ' {
				continue
			}
			c = ' '
		case c == 0:
			continue
		}
		text[n] = c
		n++
	}
	return text[:n]
}
