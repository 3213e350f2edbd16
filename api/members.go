package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/query/syntax"
)

// Limits on the bodies of admin requests.
const (
	adminBodyBytesMax = 64 << 10
	adminTextBytesMax = 512 // of one text
	adminFaultsMax    = 20  // named of one body
	adminMembersMax   = 64  // of one body
	adminExcerptBytes = 50  // of a wrong value in a message
)

// members are the members of a small JSON object that are taken from it one by
// one. What is wrong with it is collected, with its place, and end returns it.
type members struct {
	text    []byte
	example string // of a right body
	values  map[string]member
	taken   []string // known names, in the order in which they were asked for
	faults  []v1.Detail
	broken  bool // not an object: nothing else is worth saying
}

type member struct {
	raw json.RawMessage
	at  int // offset of the value in the text
}

// readMembers reads an object. Its members are checked when they are taken.
func readMembers(text []byte, example string) *members {
	m := &members{text: text, example: example, values: map[string]member{}}
	if err := m.read(); err != nil {
		m.broken = true
		at := len(text)
		var place *json.SyntaxError
		if errors.As(err, &place) {
			at = max(int(place.Offset)-1, 0)
		}
		m.fault("body", at, "%v, want for example %s", err, example)
	}
	return m
}

func (m *members) read() error {
	if len(bytes.TrimSpace(m.text)) == 0 {
		return errors.New("is empty")
	}
	// The whole is checked first: places of errors are then those of the body.
	var whole json.RawMessage
	if err := json.Unmarshal(m.text, &whole); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(m.text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errors.New("is not an object")
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return err
		}
		at := int(decoder.InputOffset()) - len(raw)
		if _, twice := m.values[name]; twice {
			m.fault(name, at, "is there twice")
		}
		if m.values[name] = (member{raw, at}); len(m.values) > adminMembersMax {
			return fmt.Errorf("has more than %d members", adminMembersMax)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("goes on after its end")
	}
	return nil
}

// fault notes what is wrong at an offset of the text; a negative one is no
// place.
func (m *members) fault(field string, at int, format string, args ...any) *v1.Detail {
	detail := v1.Detail{Field: shortened(field), Message: fmt.Sprintf(format, args...)}
	if at >= 0 {
		before := m.text[:min(at, len(m.text))]
		detail.Line = bytes.Count(before, []byte("\n")) + 1
		detail.Column = utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	}
	m.faults = append(m.faults, detail)
	return &m.faults[len(m.faults)-1]
}

// take returns a member and reports whether it is there and not null.
func (m *members) take(name string) (member, bool) {
	m.taken = append(m.taken, name)
	return m.values[name], m.has(name)
}

// has reports whether a member is there and not null.
func (m *members) has(name string) bool {
	value, ok := m.values[name]
	return ok && string(value.raw) != "null"
}

// want notes that a member must be there.
func (m *members) want(name string) {
	if !m.has(name) && !m.broken {
		m.fault(name, -1, "is missing, want for example %s", m.example)
	}
}

// string takes a text, "" if it is not there.
func (m *members) string(name string) string {
	value, ok := m.take(name)
	if !ok {
		return ""
	}
	var text string
	switch {
	case json.Unmarshal(value.raw, &text) != nil:
		m.fault(name, value.at, "is %s, want a string", shortened(string(value.raw)))
	case len(text) > adminTextBytesMax:
		m.fault(name, value.at, "has %d bytes, want at most %d", len(text), adminTextBytesMax)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		m.fault(name, value.at, "is %q, want no control characters", shortened(text))
	default:
		return text
	}
	return ""
}

// bool takes a boolean, nil if it is not there.
func (m *members) bool(name string) *bool {
	value, ok := m.take(name)
	if !ok {
		return nil
	}
	var b bool
	if json.Unmarshal(value.raw, &b) != nil {
		m.fault(name, value.at, "is %s, want true or false", shortened(string(value.raw)))
		return nil
	}
	return &b
}

// whole takes a whole number from 0 to most, nil if it is not there.
func (m *members) whole(name string, most int64) *int64 {
	value, ok := m.take(name)
	if !ok {
		return nil
	}
	var n int64
	if json.Unmarshal(value.raw, &n) != nil || n < 0 || n > most {
		m.fault(name, value.at, "is %s, want a whole number from 0 to %d", shortened(string(value.raw)), most)
		return nil
	}
	return &n
}

// number takes a number from 0 to most, nil if it is not there.
func (m *members) number(name string, most float64) *float64 {
	value, ok := m.take(name)
	if !ok {
		return nil
	}
	var n float64
	if json.Unmarshal(value.raw, &n) != nil || math.IsNaN(n) || n < 0 || n > most {
		m.fault(name, value.at, "is %s, want a number from 0 to %.0f", shortened(string(value.raw)), most)
		return nil
	}
	return &n
}

// at returns where a member's value is, for faults; negative if it is absent.
func (m *members) at(name string) int {
	if value, ok := m.values[name]; ok {
		return value.at
	}
	return -1
}

// end refuses members that nobody took, and returns everything that is wrong.
func (m *members) end() error {
	var unknown []string
	for name := range m.values {
		if !slices.Contains(m.taken, name) && !m.broken {
			unknown = append(unknown, name)
		}
	}
	slices.SortFunc(unknown, func(a, b string) int { return m.values[a].at - m.values[b].at })
	for _, name := range unknown {
		known := slices.Clone(m.taken)
		slices.Sort(known)
		if near := syntax.Nearest(shortened(name), known); near != "" {
			m.fault(name, m.values[name].at, "is unknown, did you mean %q?", near).Suggestion = near
		} else {
			m.fault(name, m.values[name].at, "is unknown, want %s", strings.Join(known, ", "))
		}
	}
	if len(m.faults) == 0 {
		return nil
	}
	faults := m.faults[:min(len(m.faults), adminFaultsMax)]
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Field + " " + f.Message
		if f.Line > 0 {
			texts[i] = fmt.Sprintf("%s (line %d, column %d) %s", f.Field, f.Line, f.Column, f.Message)
		}
	}
	return &problem{kind: kindValidation, message: strings.Join(texts, "; "), details: faults}
}

// shortened cuts what a client sent to what a message repeats of it.
func shortened(text string) string {
	if len(text) <= adminExcerptBytes {
		return strings.ToValidUTF8(text, "?")
	}
	return strings.ToValidUTF8(text[:adminExcerptBytes], "") + "…"
}
