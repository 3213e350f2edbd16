package segment

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// compareMatches checks that a segment of the lines finds as many for each
// predicate as match it, and returns it. The texts in other are another field of the records.
func compareMatches(t *testing.T, lines []string, other []string, preds ...index.Predicate) *Segment {
	t.Helper()
	var ids []model.RecordID
	var records []model.Record
	for i, line := range lines {
		r := model.Record{Time: 1700000000e9 + int64(i)*1e6}
		r.Fields = append(r.Fields, model.Field{Name: "message", Kind: model.String, Text: line})
		if other != nil {
			r.Fields = append(r.Fields, model.Field{Name: "metadata.x", Kind: model.String, Text: other[i]})
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
		records = append(records, r)
	}
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	for _, pred := range preds {
		leaf := index.Leaf{Field: "message", Pred: pred}
		have, err := s.Eval(context.Background(), leaf, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, line := range lines {
			if pred.Match(model.String, line) {
				want++
			}
		}
		if int(have.GetCardinality()) != want {
			t.Errorf("%T %v: have %d rows, want %d, of lines like %q", pred, pred, have.GetCardinality(), want, lines[0])
		}
	}
	return s
}

// numbered returns n texts with their numbers in them.
func numbered(format string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// TestPhrasesAtVariables checks phrases that reach into variables with other
// runes than words.
func TestPhrasesAtVariables(t *testing.T) {
	compareMatches(t, numbered("foo “1abc%d bar", 2000), nil, index.NewPhrase("foo “"), index.NewPhrase("foo “1abc7"), index.NewPhrase("foo"))
	compareMatches(t, numbered("foo 1abc%d“ bar", 2000), nil, index.NewPhrase("“ bar"), index.NewPhrase("foo"))
	compareMatches(t, numbered("foo 1abc%d\xff bar", 2000), nil, index.NewPhrase("\xff bar"), index.NewPhrase("\ufffd bar"))
	compareMatches(t, numbered("foo 1abc%d—bar next", 2000), nil, index.NewPhrase("—bar next"), index.NewPhrase("bar next"), index.NewPhrase("foo 1abc5"))
	compareMatches(t, numbered("foo(1abc%d) bar", 2000), nil, index.NewPhrase("foo("), index.NewPhrase(") bar"), index.NewPhrase("(1abc5)"))
	compareMatches(t, numbered("foo a1.b%d x1-y2 bar", 2000), nil, index.NewPhrase(".b5 x1"), index.NewPhrase("-y2 bar"), index.NewPhrase("a1."))
}

// TestFoldedToASCII checks words with the runes beyond ASCII whose lower case is
// ASCII.
func TestFoldedToASCII(t *testing.T) {
	compareMatches(t, numbered("foo %d 5\u212a bar", 2000), nil, index.Word{Folded: "5k"}, index.Prefix{Folded: "5k"}, index.NewPhrase("foo 7 5k"), index.NewPhrase("5k bar"))
	compareMatches(t, numbered("foo 9\u212a%d bar", 2000), nil, index.Word{Folded: "9k7"}, index.Prefix{Folded: "9k"}, index.NewPhrase("foo 9k7"))
	compareMatches(t, numbered("foo %d\u212a bar", 2000), nil, index.Word{Folded: "9k"}, index.Prefix{Folded: "9k"}, index.NewPhrase("foo 9k"))
	compareMatches(t, numbered("foo %d \u212aelvin bar", 2000), nil, index.Word{Folded: "kelvin"}, index.Prefix{Folded: "kel"}, index.NewPhrase("7 kelvin"))
	compareMatches(t, numbered("foo %d 5\u0130 bar", 2000), nil, index.Word{Folded: "5i"}, index.NewPhrase("5i bar"))
}

// TestLiteralsIntoReferences checks literals that reach into a value that the
// text refers to, words or not.
func TestLiteralsIntoReferences(t *testing.T) {
	re := func(s string) index.Regex { return index.Regex{Re: regexp.MustCompile(s)} }
	other := numbered("] abc %d", 2000)
	lines := make([]string, len(other))
	for i := range other {
		lines[i] = "x" + other[i] + " end"
	}
	compareMatches(t, lines, other, re(`x\] `), re(`x\] abc`), re(`\] abc 77`), index.NewPhrase("x] abc 7"), index.NewPhrase("x] "))
	other = numbered("v%d abc [", 2000)
	for i := range other {
		lines[i] = "pre " + other[i] + "foo end"
	}
	compareMatches(t, lines, other, re(` \[foo`), re(`abc \[foo`), re(`c \[fo`), index.NewPhrase(" [foo"))
	for i := range other {
		lines[i] = "abc-" + other[i] + ".foo " + other[i] + "x"
	}
	compareMatches(t, lines, other, re(`abc-v`), re(`\[\.foo`), re(`\[\.fo`), index.NewPhrase("[.foo v7"), index.NewPhrase("abc-v7 abc"))
}

// TestClocksAtTheEndsOfTime checks that clocks come back where the difference to
// the record's time would not fit.
func TestClocksAtTheEndsOfTime(t *testing.T) {
	for _, base := range []int64{math.MinInt64, math.MaxInt64 - 3e9} {
		var ids []model.RecordID
		var records []model.Record
		for i := range 2000 {
			r := model.Record{Time: base + int64(i)*1013001}
			nanos := floorMod(r.Time, 1e9)
			r.Fields = append(r.Fields, model.Field{Name: "message", Kind: model.String, Text: fmt.Sprintf("t %09d x %s", nanos, time.Unix(0, r.Time).UTC().Format("2006:15:04:05"))})
			ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
			records = append(records, r)
		}
		s, _ := build(t, Input{Part: newMemPart(ids, records)})
		got, err := s.Records(context.Background(), index.DocSetRange(0, 2000))
		if err != nil {
			t.Error(base, err)
			continue
		}
		for i := range got {
			if got[i].Fields[0].Text != records[i].Fields[0].Text {
				t.Errorf("%d: %q want %q", base, got[i].Fields[0].Text, records[i].Fields[0].Text)
				break
			}
		}
	}
}
