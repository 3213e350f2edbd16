package segment

import (
	"fmt"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// TestSameTextOfTwoSources builds a page whose last text without a shape is also the first
// value of a variable: its words are of both.
func TestSameTextOfTwoSources(t *testing.T) {
	var ids []model.RecordID
	var records []model.Record
	add := func(text string) {
		ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(len(ids))})
		records = append(records, model.Record{Time: int64(len(ids)), Fields: []model.Field{{Name: "message", Kind: model.String, Text: text}}})
	}
	for i := range 300 {
		add(fmt.Sprintf("the door q%dx is open", 7+i))
	}
	add("q7x")
	mem := newMemPart(ids, records)
	s, _ := build(t, Input{Part: mem})
	for _, pred := range []index.Predicate{index.Word{Folded: "q7x"}, index.Prefix{Folded: "q7x"}, index.NewPhrase("door q7x")} {
		e := index.Leaf{Field: "message", Pred: pred}
		want, _ := mem.Eval(t.Context(), e, nil)
		have, err := s.Eval(t.Context(), e, nil)
		if err != nil || !have.Equals(want) {
			t.Errorf("%v: have %v, want %v, %v", e, have, want, err)
		}
	}
}
