package index_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/index"
)

// TestSets compares sets that are empty, whole, stretches and scattered with naive
// ones, and looks whether what went in is as it was.
func TestSets(t *testing.T) {
	const seed, rows = 5, 40
	random := rand.New(rand.NewPCG(seed, 1))
	draw := func() *index.DocSet {
		lo := random.Uint32N(rows)
		switch random.IntN(5) {
		case 0:
			return index.NewDocSet()
		case 1:
			return index.DocSetRange(0, rows)
		case 2:
			return index.DocSetRange(lo, lo+random.Uint32N(rows-lo)+1)
		}
		set := index.NewDocSet()
		for range random.IntN(rows) {
			set.Add(random.Uint32N(rows))
		}
		return set
	}
	for run := range 20_000 {
		a, b := draw(), draw()
		wasA, wasB := a.Clone(), b.Clone()
		and, or, andNot := index.And(a, b), index.Or(a, b), index.AndNot(a, b)
		for row := range uint32(rows) {
			inA, inB := wasA.Contains(row), wasB.Contains(row)
			if and.Contains(row) != (inA && inB) || or.Contains(row) != (inA || inB) || andNot.Contains(row) != (inA && !inB) {
				t.Fatalf("seed %d, run %d: row %d of %v and %v: and %v, or %v, and not %v", seed, run, row, wasA, wasB, and, or, andNot)
			}
		}
		if !a.Equals(wasA) || !b.Equals(wasB) {
			t.Fatalf("seed %d, run %d: %v and %v were changed", seed, run, wasA, wasB)
		}
	}
}
