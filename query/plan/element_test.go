package plan

import (
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

func TestElement(t *testing.T) {
	for _, c := range []struct {
		array, element string
		want           bool
	}{
		{`["a","b c"]`, "a", true},
		{`["a","b c"]`, "b c", true},
		{`["a","b c"]`, "b", false},
		{`["a","b c"]`, "A", false},
		{`[1,1.50,-2e3]`, "1.50", true},
		{`[1,1.50,-2e3]`, "1.5", false},
		{`[1,1.50,-2e3]`, "-2e3", true},
		{`[true,null]`, "true", true},
		{`[true,null]`, "false", false},
		{`[true,null]`, "null", false},
		{`["true"]`, "true", true},
		{`["x\ny","caf\u00e9"]`, "x\ny", true},
		{`["x\ny","caf\u00e9"]`, "café", true},
		{`["\u003cb\u003e it\u0027s"]`, "<b> it's", true},
		{`["a\/b\"c\\d"]`, `a/b"c\d`, true},
		{`[""]`, "", true},
		{`[]`, "", false},
		{`{}`, "", false},
		{`[["a"],{"b":"a"}]`, "a", false},
		{`["a"`, "a", false},
	} {
		p := newElement(c.element)
		if have := p.Match(model.JSON, c.array); have != c.want {
			t.Errorf("%q in %s: have %v, want %v", c.element, c.array, have, c.want)
		}
		for _, word := range p.Hints().Words {
			if c.want && !index.HasWord(c.array, word) {
				t.Errorf("%q in %s: hint %q is no word of it", c.element, c.array, word)
			}
		}
		if p.Match(model.String, c.array) {
			t.Errorf("%q matches the text %s", c.element, c.array)
		}
	}
}

// TestForKinds checks that conditions on elements go where there is no array,
// and nothing else does.
func TestForKinds(t *testing.T) {
	p, err := newPlan(t, `f:=a -g:="b" (f:=c OR d)`, Options{Filters: []Filter{{"h", nil}}})
	if err != nil {
		t.Fatal(err)
	}
	count := func(e index.Expr) (equal, element int) {
		var walk func(index.Expr)
		walk = func(e index.Expr) {
			switch e := e.(type) {
			case index.AllOf:
				for _, of := range e.Of {
					walk(of)
				}
			case index.AnyOf:
				for _, of := range e.Of {
					walk(of)
				}
			case index.Not:
				walk(e.Of)
			case index.Leaf:
				switch e.Pred.(type) {
				case index.Equal:
					equal++
				case Element:
					element++
				}
			}
		}
		walk(e)
		return equal, element
	}
	for field, want := range map[string]int{"": 0, "f": 2, "g": 1} {
		narrowed := ForKinds(p.Expr, func(of string, kind model.Kind) bool { return of == field && kind == model.JSON })
		if equal, element := count(narrowed); equal != 3 || element != want {
			t.Errorf("arrays in %q: %d whole values and %d elements, want 3 and %d", field, equal, element, want)
		}
		if holds(t, narrowed, "f", model.String, "a") {
			t.Errorf("arrays in %q: an empty filter holds", field)
		}
	}
}
