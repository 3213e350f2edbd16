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
	WantWord   // one of Place.Words alone
)

// Place is a place of a text where something can be completed.
type Place struct {
	Want  Want
	From  int    // where the word begins that is being typed
	Word  string // what of it is there
	Field string // whose value is wanted
	Words []string
	Made  []string // columns and fields that pipes before it make
	Table bool     // they make a table: there are no other columns than those
}

// Complete says what could stand where the first at bytes of a text end. Words
// are those words of the language that begin as what is there.
func Complete(text string, at int) Place {
	text = text[:min(max(at, 0), len(text))]
	for !utf8.ValidString(text) && text != "" {
		text = text[:len(text)-1]
	}
	segment, pipes, set := lastSegment(text)
	start := len(segment) - len(lastName(segment))
	place := Place{Want: WantField, From: len(text) - len(segment) + start, Word: segment[start:]}
	before := strings.TrimRight(segment[:start], " \t\n")
	if field := fieldBefore(segment[:start]); field != "" && !pipes {
		place.Want, place.Field = WantValue, field
		return place
	}
	if set != "" && (before == "" || strings.HasSuffix(before, ",")) {
		place.Want, place.Field = WantValue, set
		return place
	}
	if pipes {
		place.Made, place.Table = madeBefore(text[:len(text)-len(segment)])
	}
	var words []string
	switch first := strings.ToLower(firstWord(before)); {
	case !pipes:
		words = append([]string{"AND", "OR", "NOT"}, called(functions[:])...)
	case before == "":
		place.Want, words = WantPipe, pipeNames
	case first == "stats" && wantsAggregate(before):
		place.Want, words = WantAggregate, funcNames
	case strings.EqualFold(before, "lookup"):
		place.Want = WantLookup
	case strings.EqualFold(before, "parse"):
		place.Want, words = WantWord, formats
	case first == "where", first == "eval", first == "fill":
		words = append(called(ExprFuncs()), "and", "or", "not")
	default:
		words = goingOn[first]
	}
	for _, word := range words {
		if len(word) >= len(place.Word) && strings.EqualFold(word[:len(place.Word)], place.Word) {
			place.Words = append(place.Words, word)
		}
	}
	return place
}

// goingOn are the words that can follow the beginning of a pipe.
var goingOn = map[string][]string{
	"stats": {"by", "as"}, "lookup": {"on", "as"}, "sort": {"by", "desc", "asc"}, "extract": {"from"}, "parse": {"from"}, "rename": {"as"},
	"histogram": {"by", "buckets", "tz"}, "facets": {"of"}, "join": {"by", "inner"}, "dedup": {"by"}, "timeline": {"by"},
}

// called returns how calls of functions begin.
func called(names []string) []string {
	names = slices.Clone(names)
	for i := range names {
		names[i] += "("
	}
	return names
}

// madeBefore returns the fields, or the columns of a table, that the pipes of a text
// before a bar make; none of a query inside another one, which cannot be read apart.
func madeBefore(text string) (made []string, table bool) {
	parsed, err := Parse(strings.TrimRight(text, " \t\n|"))
	if err != nil {
		return nil, false
	}
	tabled := func(names ...string) { made, table = names, true }
	of := func(names []Name) (texts []string) {
		for _, name := range names {
			texts = append(texts, name.Text)
		}
		return texts
	}
	for _, pipe := range parsed.Pipes {
		switch pipe := pipe.(type) {
		case *Stats:
			tabled()
			for _, key := range pipe.By {
				made = append(made, key.Field)
			}
			for _, agg := range pipe.Aggs {
				made = append(made, agg.Name())
			}
		case *Top:
			tabled(append(of(pipe.Fields), "count", "percent")...)
		case *Histogram:
			tabled(pipe.Key.Field, "count")
		case *Facets:
			tabled("field", "value", "count")
		case *Patterns:
			tabled("pattern", "count", "percent", "levels", "first", "last", "example", "id")
		case *Timeline:
			tabled(pipe.By.Text, "first", "last", "duration", "count", "errors", "components")
		case *Eval:
			for _, set := range pipe.Set {
				made = append(made, set.Name.Text)
			}
		case *Rename:
			for _, pair := range pipe.Pairs {
				made = append(slices.DeleteFunc(made, func(name string) bool { return name == pair.From.Text }), pair.To.Text)
			}
		case *Extract:
			made = append(made, pipe.Names()...)
		case *Fields:
			if table {
				made = of(pipe.Names)
			}
		}
	}
	slices.Sort(made)
	return slices.Compact(made), table
}

// lastSegment returns what follows the last bar outside quotes, or the last
// parenthesis that opens a query or a set; pipes says that a bar came before, set is
// the field whose values may stand there.
func lastSegment(text string) (segment string, pipes bool, set string) {
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
			from, pipes, set = i+1, true, ""
		case c == '(':
			open = append(open, pipes)
			if field := inBefore(text[:i]); field != "" {
				from, pipes, set = i+1, false, field
			}
		case c == ')' && len(open) > 0:
			pipes, open, set = open[len(open)-1], open[:len(open)-1], ""
		}
	}
	return strings.TrimLeft(text[from:], " \t\n"), pipes, set
}

// inBefore returns the field after whose "in", "not in" or ":in" a text ends.
func inBefore(text string) string {
	text = strings.TrimRight(text, " ")
	cut := len(text) - len(functionIn)
	if cut < 1 || !strings.EqualFold(text[cut:], functionIn) || text[cut-1] != ' ' && text[cut-1] != ':' {
		return ""
	}
	text = strings.TrimRight(text[:cut], " :")
	if n := len(text) - len(" not"); n > 0 && strings.EqualFold(text[n:], " not") {
		text = strings.TrimRight(text[:n], " ")
	}
	return fieldName(lastName(text))
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
