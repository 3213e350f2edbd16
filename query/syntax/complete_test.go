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
		{"x in (a, b", WantValue, "b", "x", ""},
		{"x not in (", WantValue, "", "x", ""},
		{"metadata.ip:in(10", WantValue, "10", "metadata.ip", ""},
		{"x in (a, b) lev", WantField, "lev", "", ""},
		{"a | union (b in (c", WantValue, "c", "b", ""},
		{"x in (error le", WantField, "le", "", ""},
		{"a | where low", WantField, "low", "", "lower("},
		{"a | where x == 1 an", WantField, "an", "", "and"},
		{"a | parse js", WantWord, "js", "", "json"},
		{"a | parse json fr", WantField, "fr", "", "from"},
		{"a | sort by x de", WantField, "de", "", "desc"},
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

// TestCompleteColumns checks which columns are known behind pipes.
func TestCompleteColumns(t *testing.T) {
	for text, want := range map[string]string{
		"a | stats count() as n, max(d) by (component, _time:1h) | sort ":   "_time component max(d) n table",
		"a | stats count() as n | eval m = n * 2 | rename n as k | where ":  "k m table",
		"a | eval x = 1 | extract \"<ip> <_>\" | fields ":                   "ip x",
		"a | top 5 b | stats sum(count) by (percent) | fields percent | a ": "percent table",
		"a | patterns | where co":                                           "count example first id last levels pattern percent table",
		"a | where ":                                                        "",
		"a | stats ( | where ":                                              "",
	} {
		p := Complete(text, len(text))
		have := strings.Join(p.Made, " ")
		if p.Table {
			have += " table"
		}
		if have != want {
			t.Errorf("%s: %q, want %q", text, have, want)
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
