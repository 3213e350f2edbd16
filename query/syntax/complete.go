package syntax

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Want is what could stand at a place of a text.
type Want uint8

// What can be wanted.
const (
	WantField Want = iota + 1 // a field of records, or the beginning of a condition
	WantValue                 // a value of Place.Field
	WantPipe
	WantAggregate
	WantLookup // the name of a lookup table
)

// Place is a place of a text where something can be completed.
type Place struct {
	Want  Want
	From  int    // where the word begins that is being typed
	Word  string // what of it is there
	Field string // whose value is wanted
	Words []string
}

// Complete says what could stand where the first at bytes of a text end. Words
// are those words of the language that begin as what is there.
func Complete(text string, at int) Place {
	text = text[:min(max(at, 0), len(text))]
	for !utf8.ValidString(text) && text != "" {
		text = text[:len(text)-1]
	}
	segment, pipes := lastSegment(text)
	start := len(segment) - len(lastName(segment))
	place := Place{Want: WantField, From: len(text) - len(segment) + start, Word: segment[start:]}
	before := strings.TrimRight(segment[:start], " \t\n")
	if field := fieldBefore(segment[:start]); field != "" && !pipes {
		place.Want, place.Field = WantValue, field
		return place
	}
	var words []string
	switch {
	case !pipes:
		words = append([]string{"AND", "OR", "NOT"}, calls()...)
	case before == "":
		place.Want, words = WantPipe, pipeNames
	case strings.EqualFold(firstWord(before), "stats") && wantsAggregate(before):
		place.Want, words = WantAggregate, funcNames
	case strings.EqualFold(firstWord(before), "stats"):
		words = []string{"by", "as"}
	case strings.EqualFold(before, "lookup"):
		place.Want = WantLookup
	case strings.EqualFold(firstWord(before), "lookup"):
		words = []string{"on", "as"}
	}
	for _, word := range words {
		if len(word) >= len(place.Word) && strings.EqualFold(word[:len(place.Word)], place.Word) {
			place.Words = append(place.Words, word)
		}
	}
	return place
}

// calls returns how the functions of conditions begin.
func calls() []string {
	names := slices.Clone(functions[:])
	for i := range names {
		names[i] += "("
	}
	return names
}

// lastSegment returns what follows the last bar outside quotes, or the last
// parenthesis that opens a query; pipes says that a bar came before.
func lastSegment(text string) (segment string, pipes bool) {
	from, quoted := 0, false
	var open []bool // for each parenthesis, whether bars came before it
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '|' && i+1 < len(text) && text[i+1] == '|':
			i++
		case c == '|':
			from, pipes = i+1, true
		case c == '(':
			open = append(open, pipes)
			if before := strings.TrimRight(text[:i], " "); strings.HasSuffix(strings.ToLower(before), " "+functionIn) {
				from, pipes = i+1, false
			}
		case c == ')' && len(open) > 0:
			pipes, open = open[len(open)-1], open[:len(open)-1]
		}
	}
	return strings.TrimLeft(text[from:], " \t\n"), pipes
}

// lastName returns the run of characters of a name at the end of a text.
func lastName(text string) string {
	i := strings.LastIndexFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n()|,:=<>!\"/[]{}&", r) })
	return text[i+1:]
}

// firstWord returns the first word of a text.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// fieldBefore returns the field after whose colon or comparison a text ends.
func fieldBefore(text string) string {
	text = strings.TrimSuffix(text, `"`)
	trimmed := strings.TrimRight(text, ":=<>!")
	if trimmed == text {
		return ""
	}
	return fieldName(lastName(trimmed))
}

// wantsAggregate reports whether an aggregate can follow the beginning of stats.
func wantsAggregate(before string) bool {
	open := strings.Count(before, "(") - strings.Count(before, ")")
	if open > 0 {
		return false
	}
	return strings.EqualFold(before, "stats") || strings.HasSuffix(before, ",") && !strings.Contains(strings.ToLower(before), " by ")
}
