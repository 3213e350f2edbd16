package pattern

import (
	"hash/maphash"
	"strings"
)

// isObject reports whether a text is a JSON object.
func isObject(text string) bool {
	if len(text) < 2 || text[0] != '{' {
		return false
	}
	rest := strings.TrimLeft(text[1:], " \t\r\n")
	return strings.HasPrefix(rest, `"`) || rest == "}"
}

// object takes a JSON object apart, which may be cut off: keys, nested ones as paths,
// are words, their values vary. Values of keys that say what happened stay.
func (o *outliner) object(text string) {
	var path []string // open objects and arrays; "" for an array
	key := ""
	o.names = 0
	for i := 0; i < len(text); {
		// Each value has the names of all that it is in: a deep object would have
		// an outline many times as long as itself.
		if len(o.tokens) >= TokensMax || o.names > namesMax {
			o.tokens = append(o.tokens, tail)
			return
		}
		switch c := text[i]; c {
		case '{', '[':
			if c == '[' {
				key += "[]"
			}
			path, key = append(path, key), ""
			i++
		case '}', ']':
			if len(path) > 0 {
				path = path[:len(path)-1]
			}
			i++
		case '"':
			value, end := quoted(text, i)
			i = end
			rest := strings.TrimLeft(text[i:], " \t\r\n")
			if strings.HasPrefix(rest, ":") && !inArray(path) {
				key = value
				i = len(text) - len(rest) + 1
				continue
			}
			if end == len(text) && key == "" && !inArray(path) {
				o.tokens = append(o.tokens, tail) // cut off in a key
				return
			}
			o.value(path, key, value, true)
			key = ""
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
		default:
			end := i
			for end < len(text) && strings.IndexByte(",}] \t\r\n", text[end]) < 0 {
				end++
			}
			o.value(path, key, text[i:end], false)
			i, key = end, ""
		}
	}
}

func inArray(path []string) bool {
	return len(path) > 0 && strings.HasSuffix(path[len(path)-1], "[]")
}

// value adds a key and its value.
func (o *outliner) value(path []string, key, value string, text bool) {
	o.room = o.room[:0]
	for i, name := range path {
		if i > 0 {
			o.room = append(o.room, '.')
		}
		o.room = append(o.room, name...)
	}
	from := 0
	if len(o.room) > 0 && o.room[0] == '.' {
		from = 1 // what it is in has no name
	}
	if key != "" {
		if len(o.room) > from {
			o.room = append(o.room, '.')
		}
		o.room = append(o.room, key...)
	}
	name := o.room[from:]
	o.names += len(name)
	known := o.named.at(maphash.Bytes(seed, name))
	if known[1] == "" || known[0] != string(name) {
		whole := string(name)
		*known = [2]string{whole, joinGaps(strings.ReplaceAll(whole, " ", "_")) + ":" + hole}
	}
	token := known[1]
	if n := len(o.tokens); n > 0 && o.tokens[n-1] == token {
		return
	}
	if text && speaks(key) {
		o.tokens = append(o.tokens, strings.TrimSuffix(token, hole))
		o.words(value)
		return
	}
	o.tokens = append(o.tokens, token)
}

// quoted returns the string that starts at i, as it is written, and its end.
func quoted(text string, i int) (value string, end int) {
	for end = i + 1; end < len(text); end++ {
		switch text[end] {
		case '\\':
			end++
		case '"':
			return text[i+1 : end], end + 1
		}
	}
	return text[min(i+1, len(text)):], len(text)
}
