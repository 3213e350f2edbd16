package bench

import (
	"regexp"
	"strings"
	"time"

	"github.com/stere-log/stere/index"
)

// Kind says what a question's answer looks like.
type Kind int

// The kinds of answers.
const (
	Newest   Kind = iota // the newest records, up to Limit
	Count                // the number of records
	CountBy              // the number of records by GroupBy
	PerStep              // the number of records in each Step of time
	Top                  // the Limit most frequent values of GroupBy
	Distinct             // how many different values Field has
	P99By                // the 99th percentile of the number Field by GroupBy
)

// String returns the kind's name.
func (k Kind) String() string {
	return [...]string{"newest", "count", "count by", "per step", "top", "distinct", "p99 by"}[k]
}

// Question is one question with its meaning.
type Question struct {
	Number  int
	Name    string
	Kind    Kind
	Where   Condition
	GroupBy string
	Field   string
	Limit   int
	// Step is a minute, an hour or a day.
	Step time.Duration
	// Tenant is whose records are asked for; 0 is the default one.
	Tenant int
	// From and To bound the times, half open; both 0 mean all.
	From, To int64
	// Detail is the concrete words, for people.
	Detail string
	// Missing says why the corpus has no such question; then nothing is asked.
	Missing string
}

// newestLimit is how many records the questions for records ask for.
const newestLimit = 100

// topLimit is how many values a Top question asks for.
const topLimit = 10

// Questions are the thirteen questions, with the words that the survey chose.
func Questions(s *Survey) []Question {
	level := Equals{Field: FieldLevel, Value: s.ErrorLevel}
	questions := []Question{
		{Name: "unique id", Kind: Newest, Limit: newestLimit, Where: Equals{Field: traceField, Value: s.TraceID}, Detail: s.TraceID, Missing: missing(s.TraceID, "no metadata.trace_id")},
		{Name: "rare phrase", Kind: Newest, Limit: newestLimit, Where: Phrase{Text: s.Phrase}, Detail: s.Phrase, Missing: missing(s.Phrase, "no rare phrase")},
		{Name: "frequent word, newest 100", Kind: Newest, Limit: newestLimit, Where: Word{Text: s.Frequent}, Detail: s.Frequent, Missing: missing(s.Frequent, "no frequent word")},
		{Name: "level and component, newest 100", Kind: Newest, Limit: newestLimit, Where: All{Of: []Condition{level, Equals{Field: FieldComponent, Value: s.ErrorComponent}}}, Detail: s.ErrorLevel + ", " + s.ErrorComponent, Missing: missing(s.ErrorComponent, "no level with a component")},
		{Name: "boolean with NOT, count", Kind: Count, Where: All{Of: []Condition{level, Any{Of: []Condition{Word{Text: s.Either}, Word{Text: s.Or}}}, None{Of: Word{Text: s.Not}}}}, Detail: s.ErrorLevel + " and (" + s.Either + " or " + s.Or + ") and not " + s.Not, Missing: missing(s.Not, "too few words")},
		{Name: "count by level", Kind: CountBy, Where: Everything{}, GroupBy: FieldLevel, Missing: missing(s.ErrorLevel, "no level")},
		{Name: "errors per " + stepName(s.Step), Kind: PerStep, Where: level, Step: s.Step, Detail: s.ErrorLevel, Missing: missing(s.ErrorLevel, "no level")},
		{Name: "top 10 components", Kind: Top, Where: Everything{}, GroupBy: FieldComponent, Limit: topLimit, Missing: missing(s.Component, "no component")},
		{Name: "regex on message, count", Kind: Count, Missing: "no word with a number"},
		{Name: "prefix, count", Kind: Count, Where: Prefix{Text: s.Prefix}, Detail: s.Prefix + "*", Missing: missing(s.Prefix, "no prefix")},
		{Name: "word in 1 % of the time, newest 100", Kind: Newest, Limit: newestLimit, Where: Word{Text: s.WindowWord}, From: s.WindowFrom, To: s.WindowTo, Detail: s.WindowWord + " from " + formatTime(s.WindowFrom), Missing: missing(s.WindowWord, "no second word")},
		{Name: "distinct of a field", Kind: Distinct, Where: Everything{}, Field: s.TextField, Detail: s.TextField, Missing: missing(s.TextField, "no text field in metadata")},
		{Name: "p99 of a number by component", Kind: P99By, Where: Everything{}, Field: s.NumberField, GroupBy: FieldComponent, Detail: s.NumberField, Missing: missing(s.NumberField, "no number in metadata")},
	}
	if s.Pattern.Regexp != nil {
		q := &questions[8]
		q.Where, q.Detail, q.Missing = s.Pattern, s.Pattern.Regexp.String(), ""
	}
	for i := range questions {
		questions[i].Number = i + 1
	}
	return questions
}

func stepName(step time.Duration) string {
	switch step {
	case time.Hour:
		return "hour"
	case day:
		return "day"
	}
	return "minute"
}

// stepText is the step as the languages of targets have it.
func stepText(step time.Duration) string { return "1" + stepName(step)[:1] }

const day = 24 * time.Hour

// stepsMax is how many steps the time of a corpus may have.
const stepsMax = 5_000

// stepFor is the shortest step of which a time has not too many.
func stepFor(span time.Duration) time.Duration {
	for _, step := range []time.Duration{time.Minute, time.Hour} {
		if span/step < stepsMax {
			return step
		}
	}
	return day
}

func missing(value, reason string) string {
	if value == "" {
		return reason
	}
	return ""
}

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
