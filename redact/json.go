package redact

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Number is Value for a number as JSON has it. What comes back changed is no
// number any more but a text, so a name has to say that it is a card: of the ids,
// sums and counters that have as many digits, many have the right check digit.
func (s *Scanner) Number(n Name, text string) (string, bool) {
	if n.skip {
		return text, false
	}
	if n.acts() {
		if n.weak && len(text) < secretMin {
			return text, false
		}
		return s.whole(n, text)
	}
	switch {
	case n.label == labelSSN:
		if !isSSN(text) {
			return text, false
		}
		s.found = append(s.found[:0], Finding{SSN, 0, len(text)})
	case n.label == labelPhone && s.on(Phone):
		if len(text) < 7 || len(text) > phoneDigitsMax || strings.Trim(text, "0123456789") != "" {
			return text, false
		}
		s.found = append(s.found[:0], Finding{Phone, 0, len(text)})
	case len(text) >= cardDigitsMin:
		if s.label = n.label; s.label != labelCard {
			s.label = labelNumber
		}
		s.find(text)
	default:
		return text, false
	}
	if len(s.found) == 0 {
		return text, false
	}
	return s.rewrite(text), true
}

// JSON redacts the strings and numbers of an array or an object, which must be
// valid and compact, and says whether anything was found. Name is what is known
// of the field that holds it, path its name.
func (s *Scanner) JSON(n Name, path, text string) (string, bool) {
	if n.skip {
		return text, false
	}
	if n.whole == Remove {
		s.counts[n.detector]++
		s.total++
		return "", true
	}
	if !n.acts() && strings.IndexByte(text, '\\') < 0 && strings.IndexByte(text, '{') < 0 {
		// No keys and nothing escaped: what is in the whole is in a part.
		s.label = n.label
		if s.find(text); len(s.found) == 0 && len(s.rules) == 0 {
			return text, false
		}
	}
	w := walker{s: s, text: text, path: path}
	w.value(n)
	if !w.changed {
		return text, false
	}
	return string(append(w.out, text[w.copied:]...)), true
}

// walker walks over JSON and copies it with what is redacted.
type walker struct {
	s       *Scanner
	text    string
	at      int
	path    string // of the field and the keys below it
	out     []byte
	copied  int // how much of the text is in out
	changed bool
}

// value walks over the value at w.at, under a name that says n.
func (w *walker) value(n Name) {
	if w.at >= len(w.text) {
		return
	}
	switch c := w.text[w.at]; {
	case c == '"':
		start := w.at
		plain := w.str()
		if out, changed := w.s.Value(n, plain); changed {
			w.replace(start, out)
		}
	case c == '{':
		w.members(n)
	case c == '[':
		w.at++
		for w.at < len(w.text) && w.text[w.at] != ']' {
			before := w.at
			w.value(n)
			if w.at == before {
				w.at++ // a comma
			}
		}
		w.at++
	case c == '-' || is(c, classDigit):
		start := w.at
		for w.at < len(w.text) && strings.IndexByte("+-.eE0123456789", w.text[w.at]) >= 0 {
			w.at++
		}
		if out, changed := w.s.Number(n, w.text[start:w.at]); changed {
			w.replace(start, out)
		}
	case is(c, classLower): // true, false, null
		for w.at < len(w.text) && is(w.text[w.at], classLower) {
			w.at++
		}
	}
}

// members walks over the members of the object at w.at. Its keys are names as
// those of fields are, and may hold secrets too.
func (w *walker) members(n Name) {
	path := w.path
	w.at++
	for w.at < len(w.text) && w.text[w.at] != '}' {
		if w.text[w.at] != '"' {
			w.at++ // a comma
			continue
		}
		start := w.at
		key := w.str()
		if out, changed := w.s.Key(key); changed {
			w.replace(start, out)
		}
		w.at++ // the colon
		if w.path = path + "." + key; len(w.path) > FieldBytesMax {
			w.path = path
		}
		m := w.s.nameOfKey(key)
		if len(w.s.fields) > 0 {
			m = w.s.nameOfKey(w.path)
		}
		if n.acts() || n.skip {
			m = n
		}
		w.value(m)
	}
	w.at++
	w.path = path
}

// keysMax is how many keys of JSON a Scanner remembers.
const keysMax = 1024

// nameOfKey is NameOf for a key of JSON, remembered: objects in arrays have the
// same keys again and again.
func (s *Scanner) nameOfKey(key string) Name {
	if n, ok := s.keys[key]; ok {
		return n
	}
	n := s.NameOf(key)
	if s.keys == nil || len(s.keys) >= keysMax {
		s.keys = make(map[string]Name)
	}
	s.keys[strings.Clone(key)] = n
	return n
}

// str reads the string at w.at.
func (w *walker) str() string {
	start := w.at
	escaped := false
	for w.at++; w.at < len(w.text) && w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	w.at = min(w.at+1, len(w.text))
	raw := w.text[start:w.at]
	if !escaped {
		return strings.Trim(raw, `"`)
	}
	var plain string
	if json.Unmarshal([]byte(raw), &plain) != nil {
		return raw // cannot be: the text was checked
	}
	return plain
}

// replace puts a string instead of the value from start to w.at.
func (w *walker) replace(start int, value string) {
	w.out = append(append(w.out, w.text[w.copied:start]...), '"')
	for _, c := range value {
		switch {
		case c == '"' || c == '\\':
			w.out = append(w.out, '\\', byte(c))
		case c < ' ':
			const hex = "0123456789abcdef"
			w.out = append(w.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			w.out = utf8.AppendRune(w.out, c)
		}
	}
	w.out = append(w.out, '"')
	w.copied, w.changed = w.at, true
}
