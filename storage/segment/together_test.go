package segment

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/index"
)

// TestTogether takes the words out of an expression, each once, and gives back
// what was noted for values that were all tried.
func TestTogether(t *testing.T) {
	word := func(text string) index.Expr { return index.Leaf{Field: "message", Pred: index.Word{Folded: text}} }
	for _, test := range []struct {
		e    index.Expr
		want []string
	}{
		{word("a"), nil},
		{index.AllOf{Of: []index.Expr{word("a"), word("a")}}, nil},
		{index.AllOf{Of: []index.Expr{word("a"), index.AnyOf{Of: []index.Expr{word("b"), index.All{}}}, index.Not{Of: word("c")}}}, []string{"a", "b", "c"}},
		{index.AllOf{Of: []index.Expr{word("a"), index.Leaf{Pred: index.Exists{}}}}, nil},
	} {
		of := newTogether(test.e)
		if (of != nil) != (test.want != nil) || of != nil && (!slices.Equal(of.words, test.want) || !slices.Equal(of.fields, []string{"message"})) {
			t.Errorf("the words of %v are %+v, want %v", test.e, of, test.want)
		}
	}
	many := index.AnyOf{}
	for i := range togetherWords + 1 {
		many.Of = append(many.Of, word(string(rune('a'+i))))
	}
	if newTogether(many) != nil {
		t.Error("more words than may be are looked for together")
	}

	of := &together{found: map[togetherKey]togetherHits{}}
	key := togetherKey{1, 2, "a"}
	of.note(key, togetherHits{tried: []uint32{1, 3, 5, 7}, hits: []uint32{3, 7}})
	for _, test := range []struct {
		key          togetherKey
		values, want []uint32
		ok           bool
	}{
		{key, []uint32{1, 3, 5, 7}, []uint32{3, 7}, true},
		{key, []uint32{1, 7}, []uint32{7}, true},
		{key, nil, nil, true},
		{key, []uint32{2, 3}, nil, false},
		{togetherKey{1, 3, "a"}, []uint32{1}, nil, false},
		{togetherKey{1, 2, "b"}, []uint32{1}, nil, false},
	} {
		if got, ok := of.known(test.key, test.values); ok != test.ok || !slices.Equal(got, test.want) {
			t.Errorf("of %v for %v: %v, %v, want %v, %v", test.values, test.key, got, ok, test.want, test.ok)
		}
	}
}

// TestAnyLeaf compares what is found of words, and phrases, that any of may be in a field, or
// in any, of which several stand in shapes, in variables, in values that texts refer to and in texts
// without a shape, with what each word alone finds.
func TestAnyLeaf(t *testing.T) {
	rng := rand.New(rand.NewPCG(131, 132))
	ids, records := randomRecords(rng, 3000, 1000)
	moreIDs, more := followRecords(rng, 600)
	longIDs, long := longRecords(rng, 300)
	truth := newMemPart(slices.Concat(ids, moreIDs, longIDs), slices.Concat(records, more, long))
	s, _ := build(t, Input{Part: truth})
	hits, several := 0, 0
	for range 300 {
		r := records[rng.IntN(len(records))]
		field := r.Fields[rng.IntN(len(r.Fields))].Name
		if rng.IntN(3) == 0 {
			field = "" // any
		}
		var leaves []index.Expr
		for range 1 + rng.IntN(4) {
			from := truth.records[rng.IntN(len(truth.records))]
			text := from.Fields[rng.IntN(len(from.Fields))].Text
			if words := index.Words(text); len(words) > 0 && rng.IntN(5) == 0 {
				leaves = append(leaves, index.Leaf{Field: field, Pred: index.NewPhrase(strings.Join(words[:min(2, len(words))], " "))})
			} else if len(words) > 0 {
				leaves = append(leaves, index.Leaf{Field: field, Pred: index.Word{Folded: words[rng.IntN(len(words))]}})
			}
		}
		if len(leaves) == 0 {
			continue
		}
		within := index.DocSetRange(uint32(rng.IntN(1000)), truth.Rows()-uint32(rng.IntN(1000)))
		have, err := s.Eval(t.Context(), index.AnyOf{Of: leaves}, within)
		want, _ := truth.Eval(t.Context(), index.AnyOf{Of: leaves}, within)
		if err != nil || !have.Equals(want) {
			t.Fatalf("%v: %d rows, want %d, %v", leaves, have.GetCardinality(), want.GetCardinality(), err)
		}
		if !want.IsEmpty() {
			if hits++; len(leaves) > 1 {
				several++
			}
		}
	}
	tried := 0
	for range 300 { // of few rows
		from := rng.IntN(len(truth.records))
		within := index.DocSetOf(uint32(from))
		for range rng.IntN(60) {
			within.Add(uint32(rng.IntN(len(truth.records))))
		}
		field := ""
		if rng.IntN(2) == 0 {
			field = "message"
		}
		var leaves []index.Expr
		for range 2 + rng.IntN(3) {
			r := truth.records[rng.IntN(len(truth.records))]
			if rng.IntN(2) == 0 {
				r = truth.records[from]
			}
			words := index.Words(r.Fields[rng.IntN(len(r.Fields))].Text)
			if len(words) == 0 {
				continue
			}
			at := rng.IntN(len(words))
			leaves = append(leaves, index.Leaf{Field: field, Pred: index.NewPhrase(strings.Join(words[at:min(at+1+rng.IntN(3), len(words))], []string{" ", "-", ": "}[rng.IntN(3)]))})
			word := index.Leaf{Field: field, Pred: index.Word{Folded: words[at]}}
			have, err := s.Eval(t.Context(), word, within)
			if want, _ := truth.Eval(t.Context(), word, within); err != nil || !have.Equals(want) {
				t.Fatalf("%v: %d rows, want %d, %v", word, have.GetCardinality(), want.GetCardinality(), err)
			}
		}
		have, err := s.Eval(t.Context(), index.AnyOf{Of: leaves}, within)
		want, _ := truth.Eval(t.Context(), index.AnyOf{Of: leaves}, within)
		if err != nil || !have.Equals(want) {
			t.Fatalf("%v: %d rows, want %d, %v", leaves, have.GetCardinality(), want.GetCardinality(), err)
		}
		if !want.IsEmpty() {
			tried++
		}
	}
	if hits < 50 || several < 20 || tried < 50 {
		t.Fatalf("%d expressions hold for a row, %d of them with several words: the test is broken", hits, several)
	}
}
