package segment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// loginRecords returns records whose messages repeat other fields, with words in any case and
// phrases that begin in the static text of a shape and end in a variable or in such a field.
func loginRecords(rng *rand.Rand, n int) (ids []model.RecordID, records []model.Record) {
	for i := range n {
		user, address := fmt.Sprintf("user-%d.Root", rng.IntN(40)), fmt.Sprintf("10.0.%d.%d", rng.IntN(3), rng.IntN(256))
		status := []string{"401", "403", "404", "200"}[rng.IntN(4)]
		verb := []string{"failed", "Failed", "FAILED", "fa\u0130led", "succeeded"}[rng.IntN(5)]
		message := fmt.Sprintf("login attempt [%s] %s from %s port %d", user, verb, address, rng.IntN(70_000))
		switch rng.IntN(4) {
		case 0:
			message = fmt.Sprintf(`%s - "GET /%c?id=%d HTTP/1.%d" %s %d`, address, 'a'+rng.IntN(26), rng.IntN(500), rng.IntN(2), status, rng.IntN(1000))
		case 1: // few have a shape
			message = fmt.Sprintf("%c%c%c %s Password\u212a for %s: roo\u212a attempt", 'a'+rng.IntN(26), 'a'+rng.IntN(26), 'a'+rng.IntN(26), verb, user)
		}
		r := model.Record{Time: 1700000000e9 + int64(i)*1e6, Fields: []model.Field{
			{Name: "address", Kind: model.String, Text: address}, {Name: "message", Kind: model.String, Text: message}, {Name: "none", Kind: model.Null},
			{Name: "status", Kind: model.Number, Text: status}, {Name: "user", Kind: model.String, Text: user},
		}}
		records, ids = append(records, r), append(ids, model.RecordID{Shard: 1, Index: 9000, Ordinal: uint32(i)})
	}
	return ids, records
}

// TestSought compares conditions on any field of a segment that is shared, some words of which
// were sought, with a look at each record.
func TestSought(t *testing.T) {
	rng := rand.New(rand.NewPCG(141, 142))
	for round := range 3 {
		if testing.Short() && round > 0 {
			break // the race detector makes each a minute
		}
		ids, records := randomRecords(rng, 1500, 1000)
		moreIDs, more := loginRecords(rng, 9000)
		longIDs, long := longRecords(rng, 300)
		truth := newMemPart(slices.Concat(ids, moreIDs, longIDs), slices.Concat(records, more, long))
		s, _ := build(t, Input{Part: truth})
		text := func() string {
			r := truth.records[rng.IntN(len(truth.records))]
			return r.Fields[rng.IntN(len(r.Fields))].Text
		}
		words := []string{"failed", "root", "attempt", "401", "10", "http", "roo\u212a", "rook", "", strings.Repeat("x", 100), "nowhere"}
		for range 40 {
			words = append(words, index.Words(text())...)
		}
		words = words[:20+rng.IntN(len(words)-20)]
		done, err := s.Share(t.Context(), words)
		if err != nil {
			t.Fatal(err)
		}
		known := s.cache.readings.known(s.number)
		if len(known) != 1 || len(known[0].words) < 10 || slices.Contains(words[:3], "") {
			t.Fatalf("%d words are sought of %q", len(known[0].words), words)
		}
		for word, number := range known[0].words {
			want, _ := truth.Eval(t.Context(), index.Leaf{Pred: index.Word{Folded: word}}, nil)
			if have := known[0].rows[number]; !have.Equals(want) {
				t.Fatalf("round %d: %q has %d rows, want %d", round, word, have.GetCardinality(), want.GetCardinality())
			}
		}
		leaf := func() index.Expr {
			if found := index.Words(text()); len(found) > 0 && rng.IntN(2) == 0 {
				at := rng.IntN(len(found))
				between := []string{" ", ".", " [", "] "}[rng.IntN(4)]
				return index.Leaf{Pred: index.NewPhrase(strings.Join(found[at:min(len(found), at+1+rng.IntN(3))], between))}
			}
			return index.Leaf{Pred: index.Word{Folded: words[rng.IntN(8)]}}
		}
		for range 150 {
			e := index.AllOf{Of: []index.Expr{leaf(), index.AnyOf{Of: []index.Expr{leaf(), leaf(), leaf()}}, index.Not{Of: leaf()}}}
			one := index.Expr(e)
			if rng.IntN(2) == 0 {
				one = e.Of[rng.IntN(3)]
			}
			within := index.DocSetRange(uint32(rng.IntN(3000)), truth.Rows()-uint32(rng.IntN(1000)))
			have, err := s.Eval(t.Context(), one, within)
			want, _ := truth.Eval(t.Context(), one, within)
			if err != nil || !have.Equals(want) {
				t.Fatalf("round %d: %v: %d rows, want %d, %v", round, one, have.GetCardinality(), want.GetCardinality(), err)
			}
		}
		done()
		if len(s.cache.readings.known(s.number)) > 0 {
			t.Fatal("what was sought is known after the end")
		}
	}
}

// TestSoughtOfDamage: a segment of which a page is damaged is not shared.
func TestSoughtOfDamage(t *testing.T) {
	ids, records := loginRecords(rand.New(rand.NewPCG(143, 144)), 2000)
	s, stored := build(t, Input{Part: newMemPart(ids, records)})
	for key := range stored {
		stored[key] = stored[key][:len(stored[key])/2]
	}
	if _, err := s.Share(t.Context(), []string{"failed", "root", "401"}); err == nil {
		t.Error("words are found in a damaged segment")
	}
	if len(s.cache.readings.shared) > 0 {
		t.Error("a segment of which nothing is known is shared")
	}
}

// endingContext ends when it has been looked at so many times.
type endingContext struct {
	context.Context
	left atomic.Int64
}

func (c *endingContext) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestAnyLeafEnds: wherever a look for several phrases ends, in a segment of which words were
// sought, it says so.
func TestAnyLeafEnds(t *testing.T) {
	ids, records := loginRecords(rand.New(rand.NewPCG(145, 146)), 1500)
	truth := newMemPart(ids, records)
	s, _ := build(t, Input{Part: truth})
	done, err := s.Share(t.Context(), []string{"failed", "attempt", "password\u212a"})
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var leaves []index.Leaf
	var any []index.Expr
	for _, phrase := range []string{"failed from 10.0.1", "attempt [user", "password\u212a for user", "nowhere at all"} {
		leaf := index.Leaf{Pred: index.NewPhrase(phrase)}
		leaves, any = append(leaves, leaf), append(any, leaf)
	}
	within := index.DocSetRange(0, truth.Rows())
	want, _ := truth.Eval(t.Context(), index.AnyOf{Of: any}, within)
	for n := range int64(1000) {
		ctx := &endingContext{Context: t.Context()}
		ctx.left.Store(n)
		have, err := s.AnyLeaf(ctx, leaves, within)
		if err == nil && have.Equals(want) {
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d looks at the context: %v", n, err)
		}
	}
	t.Fatal("it never ends")
}
