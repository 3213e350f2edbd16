package part

import (
	"regexp"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// unknown is a predicate without a key.
type unknown struct{ index.Exists }

// keyed is a predicate with one.
type keyed struct {
	index.Exists
	key string
}

func (k keyed) Key() string { return k.key }

// TestAppendKey checks that expressions that differ in one thing have
// different keys, and equal ones the same.
func TestAppendKey(t *testing.T) {
	leaf := func(field string, p index.Predicate) index.Expr { return index.Leaf{Field: field, Pred: p} }
	word := func(text string) index.Expr { return leaf("", index.Word{Folded: text}) }
	all := func() []index.Expr {
		return []index.Expr{
			index.All{}, index.AllOf{}, index.AnyOf{}, index.Not{Of: index.All{}}, index.Times{From: 1, To: 2}, index.Times{From: 2, To: 1},
			index.IDs{Of: []model.RecordID{{Shard: 1, Index: 2}}}, index.IDs{Of: []model.RecordID{{Shard: 1, Index: 2, Ordinal: 1}}},
			word("a"), word("b"), leaf("a", index.Word{}), leaf("a", index.Word{Folded: "b"}), leaf("b", index.Word{Folded: "a"}), leaf("", index.Word{Folded: "ab"}),
			leaf("", index.Prefix{Folded: "a"}), leaf("", index.NewPhrase("a")), leaf("", index.NewPhrase("a b")), leaf("", index.Equal{Text: "a"}), leaf("", index.Equal{Text: "A"}),
			leaf("", index.Exists{}), leaf("", index.Regex{Re: regexp.MustCompile("a")}), leaf("", index.Regex{Re: regexp.MustCompile("(?i)a")}),
			leaf("", keyed{key: "a"}), leaf("", keyed{key: "b"}),
			leaf("", index.Compare(index.Less, "1")), leaf("", index.Compare(index.LessEqual, "1")), leaf("", index.Compare(index.Greater, "1")),
			leaf("", index.Compare(index.Less, "2")), leaf("", index.Compare(index.Less, "x")), leaf("", index.Compare(index.Greater, "x")),
			index.AllOf{Of: []index.Expr{word("a"), word("b")}}, index.AnyOf{Of: []index.Expr{word("a"), word("b")}}, index.AllOf{Of: []index.Expr{word("b"), word("a")}},
			index.AllOf{Of: []index.Expr{word("a"), index.AnyOf{Of: []index.Expr{word("b"), word("c")}}}},
			index.AllOf{Of: []index.Expr{word("a"), index.AnyOf{Of: []index.Expr{word("b")}}, word("c")}},
			index.Not{Of: word("a")},
		}
	}
	seen := map[string]int{}
	for i, e := range all() {
		key, ok := AppendKey(nil, e)
		if before, taken := seen[string(key)]; !ok || taken {
			t.Errorf("expression %d (%#v) has the key of %d, %v", i, e, before, ok)
		}
		seen[string(key)] = i
	}
	for i, e := range all() {
		key, _ := AppendKey(nil, e)
		if at, ok := seen[string(key)]; !ok || at != i {
			t.Errorf("expression %d has another key the second time", i)
		}
	}
	for _, e := range []index.Expr{leaf("", unknown{}), index.Not{Of: leaf("", unknown{})}, index.AllOf{Of: []index.Expr{word("a"), leaf("", unknown{})}}} {
		if _, ok := AppendKey(nil, e); ok {
			t.Errorf("%#v has a key", e)
		}
	}
}
