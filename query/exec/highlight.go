package exec

import (
	"cmp"
	"slices"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// Highlight says where in a field a query matched.
type Highlight struct {
	Field string // path, as in the record
	Spans []Span // ascending, apart
}

// Span is a stretch of bytes of a field's text.
type Span struct{ Start, End int }

// spansMax is how many spans of a field are returned.
const spansMax = 64

// Highlights returns where the conditions match in a record.
func Highlights(record *model.Record, lights []index.Leaf) []Highlight {
	var all []Highlight
	for _, field := range record.Fields {
		if field.Kind != model.String {
			continue
		}
		var spans []Span
		for _, light := range lights {
			if light.Field == "" || light.Field == model.QueryName(field.Name) {
				spans = append(spans, spansOf(light.Pred, field.Text)...)
			}
		}
		if len(spans) > 0 {
			all = append(all, Highlight{Field: field.Name, Spans: joined(spans)})
		}
	}
	return all
}

// spansOf returns where a predicate matches in a text.
func spansOf(pred index.Predicate, text string) (spans []Span) {
	switch pred := pred.(type) {
	case index.Regex:
		for _, at := range pred.Re.FindAllStringIndex(text, spansMax) {
			if at[0] < at[1] {
				spans = append(spans, Span{at[0], at[1]})
			}
		}
	case index.Word, index.Prefix:
		for start, end := index.NextWord(text, 0); start < len(text) && len(spans) < spansMax; start, end = index.NextWord(text, end) {
			if pred.Match(model.String, text[start:end]) {
				spans = append(spans, Span{start, end})
			}
		}
	case index.Phrase:
		spans = phraseSpans(pred, text)
	case spanner:
		for _, at := range pred.Spans(text, spansMax) {
			spans = append(spans, Span{at[0], at[1]})
		}
	}
	return spans
}

// spanner is a predicate that knows where in a text it matches.
type spanner interface {
	// Spans returns the bounds of at most n places.
	Spans(text string, n int) [][2]int
}

// phraseSpans finds the words of a phrase where they follow each other.
func phraseSpans(pred index.Phrase, text string) (spans []Span) {
	words := pred.Hints().Words
	if len(words) == 0 || !pred.Match(model.String, text) {
		return nil
	}
	var places []Span
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		places = append(places, Span{start, end})
	}
	for i := 0; i+len(words) <= len(places) && len(spans) < spansMax; i++ {
		found := Span{places[i].Start, places[i+len(words)-1].End}
		follows := true
		for n, word := range words {
			follows = follows && strings.EqualFold(text[places[i+n].Start:places[i+n].End], word)
		}
		if follows && pred.Match(model.String, text[found.Start:]) {
			spans = append(spans, found)
		}
	}
	return spans
}

// joined sorts spans and joins those that overlap.
func joined(spans []Span) []Span {
	slices.SortFunc(spans, comparePlaces)
	kept := spans[:1]
	for _, span := range spans[1:] {
		last := &kept[len(kept)-1]
		if span.Start <= last.End {
			last.End = max(last.End, span.End)
			continue
		}
		kept = append(kept, span)
	}
	return kept[:min(len(kept), spansMax)]
}

// comparePlaces orders spans of a text.
func comparePlaces(a, b Span) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
}
