package head

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
)

// Narrowing leaves out no value that matches, whatever stands beside it.
func TestNarrowLeavesOutNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	pieces := []string{"err", "or", "ERR", "Or", " ", "", "\u212aelvin", "kelvin", "İstanbul", "i", "\xff", "\xe2\x84", "\xaa", "-", "longwordlongword", strings.Repeat("x ", 9000)}
	predicates := []index.Predicate{
		index.Word{Folded: "error"}, index.Word{Folded: "or"}, index.Word{Folded: "kelvin"}, index.Prefix{Folded: "err"},
		index.NewPhrase("Err or"), index.NewPhrase("kelvin - error"), index.Word{Folded: "i̇stanbul"}, index.Equal{Text: "ERRor"}, index.Exists{},
	}
	words := []index.Predicate{index.Word{Folded: "err"}, index.Word{Folded: "error"}, index.NewPhrase("or-err"), index.Word{Folded: "istanbul"}, index.Word{Folded: "stanbul"}, index.Word{Folded: "kelvin"}, index.Word{Folded: "longword"}, index.NewPhrase("x x")}
	for round := range 100 {
		values := make([]string, 1+rng.IntN(40))
		for i := range values {
			for range rng.IntN(5) {
				values[i] += pieces[rng.IntN(len(pieces))]
			}
		}
		sets := [][]index.Predicate{make([]index.Predicate, manyWords), make([]index.Predicate, 70)} // words alone
		for _, set := range sets {
			for i := range set {
				set[i] = words[rng.IntN(len(words))]
			}
		}
		sets = append(sets, append([]index.Predicate{predicates[rng.IntN(len(predicates))]}, sets[0]...))
		for _, predicate := range predicates {
			sets = append(sets, []index.Predicate{predicate}, []index.Predicate{predicate, predicates[rng.IntN(len(predicates))]})
		}
		for _, preds := range sets {
			needles := needlesOf(preds)
			if needles == nil {
				continue
			}
			may := narrow(values, needles, wordsOf(needles))
			if may == nil {
				may = make([]uint64, len(values))
			}
			joined := strings.Join(values, "")
			held := mayHold(joined, needles)
			if !held && slices.ContainsFunc(needles, func(n needle) bool { return strings.Contains(index.Fold(joined), string(n.text)) }) {
				t.Fatalf("round %d: %q may not hold what %+v needs", round, values, preds)
			}
			for code, value := range values {
				for n, p := range preds {
					if p.Match(model.String, value) && (may[code]&needleBit(n) == 0 || !held) {
						t.Fatalf("round %d: %+v is left out of %q", round, p, value)
					}
				}
				if may[code] != 0 && !slices.ContainsFunc(needles, func(n needle) bool {
					return strings.Contains(index.Fold(value), string(n.text)) || crosses(values, code, string(n.text))
				}) {
					t.Fatalf("round %d: %+v are not left out of %q", round, preds, value)
				}
			}
		}
	}
}

// crosses reports whether the needle begins in a value and ends in another.
func crosses(values []string, code int, needle string) bool {
	return strings.Contains(index.Fold(strings.Join(values[code:], "")), needle)
}

// A word in a block as the log has them: all values are looked through.
func BenchmarkWord(b *testing.B) {
	const rows = 10_000
	records := make([]model.Record, rows)
	for i := range records {
		records[i] = model.Record{Time: int64(i), Fields: []model.Field{
			{Name: "message", Kind: model.String, Text: fmt.Sprintf("Request %d of client 10.0.%d.%d was answered in %d ms because the cache had it", i, i%256, i/256, i%977)},
		}}
	}
	coded, err := block.Encode(nil, records)
	if err != nil {
		b.Fatal(err)
	}
	decoded, err := block.Decode(coded)
	if err != nil {
		b.Fatal(err)
	}
	p, err := New(1, 1, decoded, nil)
	if err != nil {
		b.Fatal(err)
	}
	all := index.DocSetRange(0, rows)
	for b.Loop() {
		if _, err := p.Leaf(b.Context(), index.Leaf{Pred: index.Word{Folded: "client"}}, all); err != nil {
			b.Fatal(err)
		}
		if found, err := p.Leaf(b.Context(), index.Leaf{Pred: index.Word{Folded: "9731"}}, all); err != nil || found.GetCardinality() != 1 {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows/2, "ns/row")
}
