package redact

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"
)

// markerPrefix begins every marker.
const markerPrefix = "[redacted:"

// Text returns a text without what was found in it and whether anything was.
func (s *Scanner) Text(text string) (string, bool) { return s.Value(Name{}, text) }

// Value is Text for the value of a field: its name may say what is in it.
func (s *Scanner) Value(n Name, text string) (string, bool) {
	switch {
	case n.skip:
		return text, false
	case n.acts():
		return s.whole(n, text)
	}
	s.label = n.label
	s.find(text)
	if len(s.found) == 0 {
		return text, false
	}
	return s.rewrite(text), true
}

// Find appends what is found in a text to dst, in order and without overlaps.
func (s *Scanner) Find(dst []Finding, text string) []Finding {
	s.label = 0
	s.find(text)
	s.settle()
	return append(dst, s.found...)
}

// Key is Text for the name of a field, which never goes without a trace: two
// names without one would be the same.
func (s *Scanner) Key(key string) (string, bool) {
	s.isKey = true
	defer func() { s.isKey = false }()
	return s.Value(Name{}, key)
}

// settle sorts what was found and makes one finding of those that overlap: all
// of the text, under the name that comes first.
func (s *Scanner) settle() {
	if len(s.found) < 2 {
		return
	}
	slices.SortFunc(s.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(a.Detector, b.Detector))
	})
	kept := s.found[:1]
	for _, f := range s.found[1:] {
		last := &kept[len(kept)-1]
		if f.Start >= last.End {
			kept = append(kept, f)
			continue
		}
		last.Detector = s.nameOf(*last, f)
		last.End = max(last.End, f.End)
	}
	s.found = kept
}

// nameOf returns the detector that names two findings which overlap. One that is
// shown in part names only what is wholly its own, lest a card in a password
// show the end of the password.
func (s *Scanner) nameOf(a, b Finding) Detector {
	if b.Detector < a.Detector {
		a, b = b, a
	}
	if s.actions[a.Detector] == Partial && (a.Start > b.Start || a.End < b.End) {
		return b.Detector
	}
	return a.Detector
}

// rewrite returns the text with markers for what was found.
func (s *Scanner) rewrite(text string) string {
	s.settle()
	out := s.out[:0]
	at := 0
	for _, f := range s.found {
		out = append(out, text[at:f.Start]...)
		out = s.appendMarker(out, f.Detector, s.actions[f.Detector], text[f.Start:f.End])
		at = f.End
	}
	out = append(out, text[at:]...)
	s.out = out
	return string(out)
}

// partialMin is how long a value must be for its last four characters to tell
// little of it.
const partialMin = 12

// appendMarker appends what stands for a value, and counts it.
func (s *Scanner) appendMarker(dst []byte, d Detector, action Action, value string) []byte {
	s.counts[d]++
	s.total++
	if action == Remove && !s.isKey {
		return dst
	}
	dst = append(append(dst, markerPrefix...), s.names[d]...)
	switch action {
	case Partial:
		if rest := canonical(d, value); len(rest) >= partialMin {
			dst = append(append(dst, ":*"...), strings.ToValidUTF8(rest[len(rest)-4:], "")...)
		}
	case Hash:
		if token := s.Token(s.tenant, d, value); token != "" {
			dst = append(append(dst, ":#"...), token...)
		}
	}
	return append(dst, ']')
}

// whole redacts all of a value because of its field's name.
func (s *Scanner) whole(n Name, text string) (string, bool) {
	if n.detector == FieldName && text != "" && markerEnd(text) != len(text) {
		s.out = s.appendMarker(s.out[:0], n.detector, n.whole, text)
		return string(s.out), true
	}
	if isIgnored(text) || n.weak && !worthHiding(text) || n.detector == Password && isPath(text) {
		return text, false
	}
	s.out = s.out[:0]
	start := 0
	if n.detector == Authorization {
		start = schemeEnd(text)
	}
	s.out = s.appendMarker(append(s.out, text[:start]...), n.detector, n.whole, text[start:])
	return string(s.out), true
}

// markerEnd returns the end of the marker that a text begins with, 0 if it
// begins with none. What only looks like the beginning of one hides nothing.
func markerEnd(text string) int {
	if !strings.HasPrefix(text, markerPrefix) {
		return 0
	}
	i := len(markerPrefix)
	name := i
	for i < len(text) && (is(text[i], classLower|classDigit) || text[i] == '-') {
		i++
	}
	if i == name || i-name > RuleNameMax || i == len(text) {
		return 0
	}
	switch rest := text[i:]; {
	case rest[0] == ']':
		return i + 1
	case strings.HasPrefix(rest, ":#") && len(rest) > 2+2*tokenBytes && rest[2+2*tokenBytes] == ']' && strings.Trim(rest[2:2+2*tokenBytes], "0123456789abcdef") == "":
		return i + 2 + 2*tokenBytes + 1
	case strings.HasPrefix(rest, ":*"):
		if end := strings.IndexByte(rest[:min(len(rest), len(":*")+4*utf8.UTFMax+1)], ']'); end >= 0 && utf8.RuneCountInString(rest[2:end]) <= 4 {
			return i + end + 1
		}
	}
	return 0
}

// nextMarker returns the bounds of the first marker from at on, the end of the text
// twice if there is none.
func nextMarker(text string, at int) (start, end int) {
	for {
		i := strings.Index(text[at:], markerPrefix)
		if i < 0 {
			return len(text), len(text)
		}
		start = at + i
		if n := markerEnd(text[start:]); n > 0 {
			return start, start + n
		}
		at = start + len(markerPrefix)
	}
}

// leaveMarkers drops what was found inside of markers.
func (s *Scanner) leaveMarkers(text string) {
	slices.SortFunc(s.found, func(a, b Finding) int { return cmp.Compare(a.Start, b.Start) })
	start, end := nextMarker(text, 0)
	kept := s.found[:0]
	for _, f := range s.found {
		for end <= f.Start && start < len(text) {
			start, end = nextMarker(text, end)
		}
		if f.Start < start || f.End > end {
			kept = append(kept, f)
		}
	}
	s.found = kept
}

// tokenBytes is how many bytes of the code make a token. With 64 bits, a million
// different values have two alike with a chance of one in 37 million.
const tokenBytes = 8

// Token returns the token that stands for a value of a tenant, "" without a
// key. It is the same for the same value in another form: with other
// separators in a number, or in another case in an address.
func (r *Redactor) Token(tenant string, d Detector, value string) string {
	if len(r.key) == 0 {
		return ""
	}
	// A key for each tenant, so that tokens do not tell that two tenants have
	// the same value.
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte("stere redaction 1\x00" + tenant))
	mac = hmac.New(sha256.New, mac.Sum(nil))
	mac.Write([]byte(canonical(d, value)))
	return hex.EncodeToString(mac.Sum(nil)[:tokenBytes])
}

// canonical returns the form of a value of which tokens are made.
func canonical(d Detector, value string) string {
	keep := func(keep func(c rune) bool) string {
		return strings.Map(func(c rune) rune {
			if keep(c) {
				return c
			}
			return -1
		}, value)
	}
	digit := func(c rune) bool { return c >= '0' && c <= '9' }
	switch d {
	case Card, SSN:
		return keep(digit)
	case Phone:
		return keep(func(c rune) bool { return digit(c) || c == '+' })
	case IBAN:
		return strings.ToUpper(keep(func(c rune) bool { return c != ' ' && c != '-' }))
	case Email:
		return strings.ToLower(value)
	}
	return value
}
