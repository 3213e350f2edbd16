package syntax

import (
	"slices"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		text  string // up to the place
		want  Want
		word  string
		field string
		has   string // one of the words
	}{
		{"", WantField, "", "", "NOT"},
		{"lev", WantField, "lev", "", ""},
		{"a AN", WantField, "AN", "", "AND"},
		{"con", WantField, "con", "", "contains("},
		{"level:err", WantValue, "err", "level", ""},
		{"a component:=\"pa", WantValue, "pa", "component", ""},
		{"metadata.ip>=10", WantValue, "10", "metadata.ip", ""},
		{"a | st", WantPipe, "st", "", "stats"},
		{"a |", WantPipe, "", "", "where"},
		{"a | stats co", WantAggregate, "co", "", "count"},
		{"a | stats count(), p9", WantAggregate, "p9", "", "p95"},
		{"a | stats sum(dur", WantField, "dur", "", ""},
		{"a | stats count() by (lev", WantField, "lev", "", ""},
		{"a | stats count() b", WantField, "b", "", "by"},
		{"a | sort by dur", WantField, "dur", "", ""},
		{"a | lookup te", WantLookup, "te", "", ""},
		{"a | lookup teams o", WantField, "o", "", "on"},
		{"a | lookup teams on ho", WantField, "ho", "", ""},
		{"x in (level:err", WantValue, "err", "level", ""},
		{"x in (a | fi", WantPipe, "fi", "", "fields"},
		{"x in (a | fields x) le", WantField, "le", "", ""},
		{`"a | st`, WantField, "st", "", ""},
		{"a || st", WantField, "st", "", ""},
	} {
		p := Complete(c.text+" and more", len(c.text))
		if p.Want != c.want || p.Word != c.word || p.Field != c.field || p.From != len(c.text)-len(c.word) || c.has != "" && !slices.Contains(p.Words, c.has) {
			t.Errorf("%q: have %+v", c.text, p)
		}
		for _, word := range p.Words {
			if !strings.EqualFold(word[:len(p.Word)], p.Word) {
				t.Errorf("%q: %q does not begin so", c.text, word)
			}
		}
	}
}

// FuzzComplete checks that any place of any text has an answer in the text.
func FuzzComplete(f *testing.F) {
	f.Add("a | stats count() by (x) ü", 12)
	f.Fuzz(func(t *testing.T, text string, at int) {
		p := Complete(text, at)
		if p.From < 0 || p.From+len(p.Word) > len(text) || text[p.From:p.From+len(p.Word)] != p.Word {
			t.Fatalf("%+v of %q", p, text)
		}
	})
}
