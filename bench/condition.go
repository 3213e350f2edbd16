package bench

import (
	"regexp"
	"strings"

	"github.com/stere-log/stere/index"
)

// Condition is a condition on one record. Targets render it in their language;
// Matches is what it means.
type Condition interface {
	// Matches reports whether the record satisfies the condition.
	Matches(r *Record) bool
}

// Everything holds for all records.
type Everything struct{}

// Equals holds where level or component has exactly this value, or, by another
// name, the metadata key.
type Equals struct{ Field, Value string }

// Word holds where the message contains the word: a maximal run of letters,
// digits and '_'. Text is lower case and never occurs otherwise in the corpus.
type Word struct{ Text string }

// Phrase holds where the message contains the text literally, not inside a
// longer word at either end.
type Phrase struct{ Text string }

// Prefix holds where the message has a word that begins with the text.
type Prefix struct{ Text string }

// Pattern holds where the message matches the regular expression. Literal is a
// text that every match contains.
type Pattern struct {
	Literal string
	Regexp  *regexp.Regexp
}

// All holds where every condition does.
type All struct{ Of []Condition }

// Any holds where at least one condition does.
type Any struct{ Of []Condition }

// None holds where the condition does not.
type None struct{ Of Condition }

// Matches implements Condition.
func (Everything) Matches(*Record) bool { return true }

// Matches implements Condition.
func (c Equals) Matches(r *Record) bool { return r.Text(c.Field) == c.Value }

// Matches implements Condition.
func (c Word) Matches(r *Record) bool {
	return containsBounded(r.Message, c.Text, true)
}

// Matches implements Condition.
func (c Phrase) Matches(r *Record) bool {
	return containsBounded(r.Message, c.Text, true)
}

// Matches implements Condition.
func (c Prefix) Matches(r *Record) bool {
	return containsBounded(r.Message, c.Text, false)
}

// Matches implements Condition.
func (c Pattern) Matches(r *Record) bool {
	return strings.Contains(r.Message, c.Literal) && c.Regexp.MatchString(r.Message)
}

// Matches implements Condition.
func (c All) Matches(r *Record) bool {
	for _, of := range c.Of {
		if !of.Matches(r) {
			return false
		}
	}
	return true
}

// Matches implements Condition.
func (c Any) Matches(r *Record) bool {
	for _, of := range c.Of {
		if of.Matches(r) {
			return true
		}
	}
	return false
}

// Matches implements Condition.
func (c None) Matches(r *Record) bool { return !c.Of.Matches(r) }

// containsBounded finds text in s where no word goes on before it and, if
// whole, none after it.
func containsBounded(s, text string, whole bool) bool {
	for from := 0; ; {
		i := strings.Index(s[from:], text)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(text)
		if !wordEndsAt(s, start) && !(whole && wordStartsAt(s, end)) {
			return true
		}
		from = start + 1
	}
}

func wordEndsAt(s string, i int) bool {
	r, size := lastRune(s[:i])
	return size > 0 && index.IsWordRune(r)
}

func wordStartsAt(s string, i int) bool {
	r, size := firstRune(s[i:])
	return size > 0 && index.IsWordRune(r)
}
