package plan

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// Element matches arrays of which an element is a text, number, true or false
// written exactly so: what "the whole value is" means for an array. It comes
// beside index.Equal, which matches everything else.
type Element struct {
	text  string
	words []string // that the JSON text of such an array has
}

// newElement returns the predicate for an element.
func newElement(text string) Element {
	return Element{text: text, words: elementWords(text)}
}

// escaped are the printable ASCII characters that some encoders write as \u
// with digits.
const escaped = "<>&'=+`\x7f"

// elementWords returns those words of an element that its JSON text has as
// words too: not the ones with or after a character that may be an escape,
// whose letters and digits join the word.
func elementWords(text string) []string {
	var words []string
	plain := func(at int) bool {
		return at < 0 || text[at] >= ' ' && text[at] < utf8.RuneSelf && strings.IndexByte(escaped, text[at]) < 0
	}
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		ascii := !strings.ContainsFunc(text[start:end], func(r rune) bool { return r >= utf8.RuneSelf })
		if ascii && plain(start-1) {
			words = append(words, index.Fold(text[start:end]))
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// Match implements index.Predicate.
func (p Element) Match(kind model.Kind, text string) bool {
	if kind != model.JSON {
		return false
	}
	for _, word := range p.words { // most arrays end here
		if !index.HasWord(text, word) {
			return false
		}
	}
	return slices.ContainsFunc(elements(kind, text), func(element any) bool {
		text, ok := elementText(element)
		return ok && text == p.text
	})
}

// elements returns the elements of an array; none if the text is none.
func elements(kind model.Kind, text string) []any {
	if kind != model.JSON || !strings.HasPrefix(text, "[") {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var all []any
	if decoder.Decode(&all) != nil {
		return nil
	}
	return all
}

// elementText returns how a text, number, true or false is written.
func elementText(element any) (text string, ok bool) {
	switch element := element.(type) {
	case string:
		return element, true
	case json.Number:
		return string(element), true
	case bool:
		return strconv.FormatBool(element), true
	}
	return "", false
}

// Key implements part.Keyed.
func (p Element) Key() string { return "element " + p.text }

// Hints implements index.Predicate.
func (p Element) Hints() index.Hints { return index.Hints{Words: p.words} }

// whole lowers "the whole value is", or one element of an array.
func whole(field, value string) index.Expr {
	return index.AnyOf{Of: []index.Expr{
		index.Leaf{Field: field, Pred: index.Equal{Text: value}}, index.Leaf{Field: field, Pred: newElement(value)},
	}}
}

// ForKinds returns the expression without the conditions that no value can
// satisfy where fields have only the kinds that has reports. Conditions on
// elements would make a part without arrays look at its texts.
func ForKinds(e index.Expr, has func(field string, kind model.Kind) bool) index.Expr {
	list := func(of []index.Expr) []index.Expr {
		kept := make([]index.Expr, len(of))
		for i, operand := range of {
			kept[i] = ForKinds(operand, has)
		}
		return kept
	}
	switch e := e.(type) {
	case index.AllOf:
		return index.AllOf{Of: list(e.Of)}
	case index.AnyOf:
		any := index.AnyOf{}
		for _, operand := range list(e.Of) {
			if none, ok := operand.(index.AnyOf); !ok || len(none.Of) > 0 {
				any.Of = append(any.Of, operand)
			}
		}
		if len(any.Of) == 1 {
			return any.Of[0]
		}
		return any
	case index.Not:
		return index.Not{Of: ForKinds(e.Of, has)}
	case index.Leaf:
		if _, ok := e.Pred.(Element); ok && !has(e.Field, model.JSON) {
			return index.AnyOf{} // nothing
		}
	}
	return e
}
