package oracle

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Entry is a record and its id.
type Entry struct {
	ID     model.RecordID
	Record model.Record
}

// Holds reports whether a condition holds for a record. It panics on what the
// language does not have: that is a fault of the test.
func Holds(node syntax.Node, e *Entry) bool {
	switch n := node.(type) {
	case syntax.All:
		return true
	case syntax.And:
		return !slices.ContainsFunc(n.Of, func(of syntax.Node) bool { return !Holds(of, e) })
	case syntax.Or:
		return slices.ContainsFunc(n.Of, func(of syntax.Node) bool { return Holds(of, e) })
	case syntax.Not:
		return !Holds(n.Of, e)
	case syntax.Match:
		return match(n, e)
	case syntax.In:
		return slices.ContainsFunc(n.Values, func(value string) bool {
			return match(syntax.Match{Field: n.Field, Op: syntax.Equal, Value: syntax.Value{Text: value}}, e)
		})
	case syntax.Net:
		return slices.ContainsFunc(e.Record.Fields, func(f model.Field) bool {
			return (n.Field == "" || named(f.Name, n.Field)) && slices.ContainsFunc(n.Of, func(of string) bool { return hasAddress(f.Text, of) })
		})
	case syntax.Versus:
		return versus(n, e)
	}
	panic(fmt.Sprintf("oracle: unknown condition %T", node))
}

func match(m syntax.Match, e *Entry) bool {
	switch m.Field {
	case "_time", "timestamp":
		return matchTime(m, e.Record.Time)
	case "_id":
		return m.Op == syntax.Exists || e.ID.String() == m.Value.Text
	case "severity":
		m.Field = "level"
	}
	if m.Op == syntax.Contains && m.Value.Text == "" && m.Field == "" {
		return true
	}
	if m.Op == syntax.Regex && m.Field == "" {
		m.Field = "message"
	}
	for _, f := range e.Record.Fields {
		if m.Field != "" && !named(f.Name, m.Field) {
			continue
		}
		if m.Field == "level" {
			if holds, known := matchLevel(m, f.Text); known {
				if holds {
					return true
				}
				continue
			}
		}
		if matchValue(m, f) {
			return true
		}
	}
	return false
}

// named reports whether a stored path is asked for by a name: its keys joined
// by dots, unescaped.
func named(path, name string) bool {
	var b strings.Builder
	escaped := false
	for _, r := range path {
		if r == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		b.WriteRune(r)
	}
	return b.String() == name
}

// versus compares two fields in every way in which a record has them.
func versus(n syntax.Versus, e *Entry) bool {
	for _, a := range e.Record.Fields {
		for _, b := range e.Record.Fields {
			if !named(a.Name, canonical(n.Field)) || !named(b.Name, canonical(n.Other)) {
				continue
			}
			if n.Op == syntax.Equal {
				if a.Text == b.Text {
					return true
				}
				continue
			}
			bound := syntax.Value{Text: b.Text}
			if _, ok := number(a.Text); !ok {
				bound.Quoted = true
			}
			if compare(n.Op, a.Text, bound) {
				return true
			}
		}
	}
	return false
}

// canonical returns the field for a synonym.
func canonical(name string) string {
	if name == "severity" {
		return "level"
	}
	return name
}

// addressForm finds what may be an IPv4 address, with what stands around it.
var addressForm = regexp.MustCompile(`[\pL\p{Nd}_.:]+`)

// hasAddress reports whether a text contains an IPv4 address of a network
// a.b.c.d/n, or that address.
func hasAddress(text, network string) bool {
	address, bits, ok := strings.Cut(network, "/")
	size := 32
	if ok {
		size, _ = strconv.Atoi(bits)
	}
	want, _ := ipv4(address)
	for _, run := range addressForm.FindAllString(text, -1) {
		run = strings.Trim(run, ".")
		if host, _, found := strings.Cut(run, ":"); found {
			run = host
		}
		if have, ok := ipv4(run); ok && have>>(32-size) == want>>(32-size) {
			return true
		}
	}
	return false
}

// ipv4 reads an address.
func ipv4(text string) (address uint64, ok bool) {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || part != strconv.FormatUint(n, 10) {
			return 0, false
		}
		address = address<<8 | n
	}
	return address, len(parts) == 4
}

func matchValue(m syntax.Match, f model.Field) bool {
	switch m.Op {
	case syntax.Case:
		return occurs(f.Text, m.Value.Text, true, false)
	case syntax.Substring:
		return strings.Contains(lower(f.Text), lower(m.Value.Text))
	case syntax.Contains:
		if m.Value.Text == "" {
			return f.Text == ""
		}
		if m.Field != "" && !m.Value.Quoted {
			a, ok1 := number(m.Value.Text)
			b, ok2 := number(f.Text)
			if ok1 && ok2 && a == b && a < 1<<53 && a > -1<<53 {
				return true
			}
		}
		return occurs(f.Text, m.Value.Text, true, true)
	case syntax.Prefix:
		return occurs(f.Text, m.Value.Text, false, true)
	case syntax.Exists:
		return f.Kind != model.Null
	case syntax.Equal:
		return f.Text == m.Value.Text || slices.Contains(elements(f), m.Value.Text)
	case syntax.Regex:
		return regexp.MustCompile(m.Value.Text).MatchString(f.Text)
	case syntax.Range:
		return inRange(m, f.Text)
	}
	return compare(m.Op, f.Text, m.Value)
}

// elements returns the texts of the values of an array, without nulls, arrays
// and objects.
func elements(f model.Field) (texts []string) {
	var raw []json.RawMessage
	if f.Kind != model.JSON || json.Unmarshal([]byte(f.Text), &raw) != nil {
		return nil
	}
	for _, one := range raw {
		var text string
		switch {
		case json.Unmarshal(one, &text) == nil && string(one) != "null":
			texts = append(texts, text)
		case !strings.ContainsAny(string(one[:1]), "[{n"):
			texts = append(texts, string(one))
		}
	}
	return texts
}

func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// lower returns a text in small letters.
func lower(text string) string { return strings.Map(unicode.ToLower, text) }

// occurs reports whether a phrase occurs in a text, does not start and, if
// whole, does not end inside a word; fold says that case does not count.
func occurs(text, phrase string, whole, fold bool) bool {
	t, p := []rune(text), []rune(phrase)
	if fold {
		t, p = []rune(lower(text)), []rune(lower(phrase))
	}
	for i := 0; i+len(p) <= len(t); i++ {
		if !slices.Equal(t[i:i+len(p)], p) {
			continue
		}
		end := i + len(p)
		insideStart := i > 0 && wordRune(t[i-1]) && wordRune(p[0])
		insideEnd := end < len(t) && wordRune(t[end]) && wordRune(p[len(p)-1])
		if !insideStart && !(whole && insideEnd) {
			return true
		}
	}
	return false
}

var numberForm = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// number reads a decimal number that a float can hold.
func number(text string) (float64, bool) {
	if !numberForm.MatchString(text) {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// order returns how a compares to b.
func order[T int64 | float64 | string](a, b T) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// satisfies reports whether an order satisfies a comparison.
func satisfies(op syntax.Op, order int) bool {
	switch op {
	case syntax.Less:
		return order < 0
	case syntax.LessEqual:
		return order <= 0
	case syntax.Greater:
		return order > 0
	case syntax.GreaterEqual:
		return order >= 0
	}
	panic(fmt.Sprintf("oracle: %d is no comparison", op))
}

// compare compares numbers if the bound is a bare number, else texts.
func compare(op syntax.Op, text string, bound syntax.Value) bool {
	b, numeric := number(bound.Text)
	if !numeric || bound.Quoted {
		return satisfies(op, order(text, bound.Text))
	}
	v, ok := number(text)
	return ok && satisfies(op, order(v, b))
}

// bounds are the comparisons of a range, the lower one first.
func bounds(m syntax.Match) (low, high syntax.Op) {
	low, high = syntax.GreaterEqual, syntax.LessEqual
	if m.LowOpen {
		low = syntax.Greater
	}
	if m.HighOpen {
		high = syntax.Less
	}
	return low, high
}

// inRange compares numbers if all bounds that there are are bare numbers, else
// texts. Without any bound it compares texts, which always holds.
func inRange(m syntax.Match, text string) bool {
	numeric, given := true, false
	for _, bound := range []syntax.Value{m.Value, m.High} {
		if !bound.Open {
			given = true
			_, ok := number(bound.Text)
			numeric = numeric && ok && !bound.Quoted
		}
	}
	low, high := bounds(m)
	side := func(op syntax.Op, bound syntax.Value) bool {
		if bound.Open {
			_, ok := number(text)
			return ok || !numeric || !given
		}
		if numeric {
			return compare(op, text, bound)
		}
		return satisfies(op, order(text, bound.Text))
	}
	return side(low, m.Value) && side(high, m.High)
}

// matchLevel compares levels by severity; known is false where the condition
// is one on texts after all.
func matchLevel(m syntax.Match, text string) (holds, known bool) {
	names := []string{"", "trace", "debug", "info", "warn", "error", "critical"}
	severity := slices.Index(names, text) // only normalised words are levels
	low, lowOK := model.ParseLevel(m.Value.Text)
	high, highOK := model.ParseLevel(m.High.Text)
	switch m.Op {
	case syntax.Equal:
		return text == m.Value.Text || lowOK && text == names[low], true
	case syntax.Contains:
		return lowOK && (text == names[low] || occurs(text, m.Value.Text, true, true)), lowOK
	case syntax.Less, syntax.LessEqual, syntax.Greater, syntax.GreaterEqual:
		return severity > 0 && satisfies(m.Op, severity-int(low)), lowOK
	case syntax.Range:
		opLow, opHigh := bounds(m)
		known = (lowOK || m.Value.Open) && (highOK || m.High.Open)
		holds = severity > 0 && (m.Value.Open || satisfies(opLow, severity-int(low))) && (m.High.Open || satisfies(opHigh, severity-int(high)))
		return holds, known
	}
	return false, false
}

// Layouts of times that the oracle knows: an instant and a day.
const (
	instantLayout = "2006-01-02T15:04:05.000000000Z"
	dayLayout     = "2006-01-02"
)

// stretch returns the first and the last nanosecond that a text names.
func stretch(text string) (first, last int64) {
	if t, err := time.Parse(dayLayout, text); err == nil {
		return t.UnixNano(), t.AddDate(0, 0, 1).UnixNano() - 1
	}
	if age, ok := strings.CutPrefix(text, "now-"); ok {
		if d, err := time.ParseDuration(age); err == nil {
			return Now().Add(-d).UnixNano(), Now().Add(-d).UnixNano()
		}
	}
	t, err := time.Parse(instantLayout, text)
	if err != nil {
		panic("oracle: " + err.Error())
	}
	return t.UnixNano(), t.UnixNano()
}

func matchTime(m syntax.Match, at int64) bool {
	side := func(op syntax.Op, bound syntax.Value) bool {
		if bound.Open {
			return true
		}
		first, last := stretch(bound.Text)
		if op == syntax.Less || op == syntax.GreaterEqual {
			return satisfies(op, order(at, first))
		}
		return satisfies(op, order(at, last))
	}
	switch m.Op {
	case syntax.Exists:
		return true
	case syntax.Contains, syntax.Equal:
		return side(syntax.GreaterEqual, m.Value) && side(syntax.LessEqual, m.Value)
	case syntax.Range:
		low, high := bounds(m)
		return side(low, m.Value) && side(high, m.High)
	}
	return side(m.Op, m.Value)
}
