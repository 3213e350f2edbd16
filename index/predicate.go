package index

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
)

// Predicate is a condition on one value. Match is the definition; Hints only
// narrow where it has to be tried.
type Predicate interface {
	// Match reports whether a value satisfies the predicate.
	Match(kind model.Kind, text string) bool
	// Hints returns necessary conditions on the text of a matching value.
	Hints() Hints
}

// Hints are necessary conditions: a value that violates one cannot match.
type Hints struct {
	Words      []string // folded words that the text contains
	WordPrefix string   // folded; some word of the text starts with it
	Exact      bool     // the text equals ExactText
	ExactText  string
	Any        bool // every value matches, whatever it is
}

// Word matches texts that contain the word. Folded is a single folded word.
type Word struct{ Folded string }

// Match implements Predicate.
func (p Word) Match(_ model.Kind, text string) bool { return HasWord(text, p.Folded) }

// Hints implements Predicate.
func (p Word) Hints() Hints { return Hints{Words: []string{p.Folded}} }

// Prefix matches texts with a word that starts with Folded.
type Prefix struct{ Folded string }

// Match implements Predicate.
func (p Prefix) Match(_ model.Kind, text string) bool {
	for start, end := NextWord(text, 0); start < len(text); start, end = NextWord(text, end) {
		if hasFoldedPrefix(text[start:end], p.Folded) {
			return true
		}
	}
	return false
}

// Hints implements Predicate.
func (p Prefix) Hints() Hints { return Hints{WordPrefix: p.Folded} }

// Phrase matches texts that contain the phrase literally, whatever the case,
// and not inside a longer word at either end. Build it with NewPhrase.
type Phrase struct {
	folded string
	words  []string
}

// NewPhrase returns the predicate for a phrase as typed.
func NewPhrase(text string) Phrase {
	return Phrase{folded: Fold(text), words: Words(text)}
}

// Folded returns the phrase in the lower case in which it is looked for.
func (p Phrase) Folded() string { return p.folded }

// Match implements Predicate.
func (p Phrase) Match(_ model.Kind, text string) bool {
	if p.folded == "" {
		return true
	}
	return HasPhrase(Fold(text), p.folded, true)
}

// HasPhrase reports whether a phrase occurs in a text, does not start inside
// a longer word and, if whole, does not end inside one.
func HasPhrase(text, phrase string, whole bool) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], phrase)
		if i < 0 {
			return false
		}
		start := from + i
		if !Joined(text, phrase, start) && !(whole && Joined(phrase, text[start+len(phrase):], len(phrase))) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		from = start + size
	}
}

// Joined reports whether a word goes over the border where, after the first
// bytes of a text, another begins.
func Joined(text, next string, first int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:first])
	after, _ := utf8.DecodeRuneInString(next)
	return first > 0 && next != "" && IsWordRune(before) && IsWordRune(after)
}

// Hints implements Predicate.
func (p Phrase) Hints() Hints { return Hints{Words: p.words} }

// Equal matches the value whose text is exactly Text, case included.
type Equal struct{ Text string }

// Match implements Predicate.
func (p Equal) Match(_ model.Kind, text string) bool { return text == p.Text }

// Hints implements Predicate.
func (p Equal) Hints() Hints { return Hints{Words: Words(p.Text), Exact: true, ExactText: p.Text} }

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Less Op = iota + 1
	LessEqual
	Greater
	GreaterEqual
	Same
)

// Holds reports whether an order (negative, zero, positive) satisfies it.
func (op Op) Holds(order int) bool {
	switch op {
	case Less:
		return order < 0
	case LessEqual:
		return order <= 0
	case Greater:
		return order > 0
	case GreaterEqual:
		return order >= 0
	}
	return order == 0
}

// Range matches values between bounds. With Numeric bounds only values that
// read as numbers match; else texts compare byte by byte.
type Range struct {
	Numeric           bool
	Low, High         float64 // ±Inf for no bound
	LowText, HighText string  // for texts
	HasLow, HasHigh   bool    // for texts
	LowOpen, HighOpen bool    // the bound itself does not match
}

// Compare returns the range of values v with "v op bound". A bound that reads
// as a number compares numbers.
func Compare(op Op, bound string) Range {
	number, numeric := ParseNumber(bound)
	r := Range{Numeric: numeric, Low: math.Inf(-1), High: math.Inf(1)}
	switch op {
	case Less, LessEqual:
		r.High, r.HighText, r.HasHigh, r.HighOpen = number, bound, true, op == Less
	default:
		r.Low, r.LowText, r.HasLow, r.LowOpen = number, bound, true, op == Greater
	}
	if !numeric {
		r.Low, r.High = math.Inf(-1), math.Inf(1)
	}
	return r
}

// Match implements Predicate.
func (p Range) Match(_ model.Kind, text string) bool {
	if p.Numeric {
		v, ok := ParseNumber(text)
		return ok && p.MatchNumber(v)
	}
	if p.HasLow && (text < p.LowText || p.LowOpen && text == p.LowText) {
		return false
	}
	return !p.HasHigh || text < p.HighText || !p.HighOpen && text == p.HighText
}

// MatchNumber is Match for a number that is already parsed.
func (p Range) MatchNumber(v float64) bool {
	return (v > p.Low || !p.LowOpen && v == p.Low) && (v < p.High || !p.HighOpen && v == p.High)
}

// Hints implements Predicate.
func (p Range) Hints() Hints { return Hints{} }

// Regex matches texts in which the expression matches somewhere.
type Regex struct{ Re *regexp.Regexp }

// Match implements Predicate.
func (p Regex) Match(_ model.Kind, text string) bool { return p.Re.MatchString(text) }

// Hints implements Predicate.
func (p Regex) Hints() Hints { return Hints{} }

// Exists matches every value but null.
type Exists struct{}

// Match implements Predicate.
func (p Exists) Match(kind model.Kind, _ string) bool { return kind != model.Null }

// Hints implements Predicate.
func (p Exists) Hints() Hints { return Hints{Any: true} }

// ParseNumber reads a decimal number; surrounding space, hexadecimal, NaN and
// infinities are not numbers.
func ParseNumber(s string) (float64, bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
