package segment

import (
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/model"
)

// TestMarks checks the rows between bounds that have marks and that have none,
// before and after 1970, with minutes without a record.
func TestMarks(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 7))
	for _, minutes := range []int64{1, 2, 40, 125, 126, 5000} {
		for _, start := range []int64{-61 * markUnit, -7*markUnit + 1, 1700000000e9} {
			var ids []model.RecordID
			var records []model.Record
			for i := range 2000 {
				at := start + rng.Int64N(minutes*markUnit)
				if at%(7*markUnit) < markUnit { // minutes without records
					at -= markUnit
				}
				ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
				records = append(records, model.Record{Time: at})
			}
			truth := newMemPart(ids, records)
			s, store := build(t, Input{Part: truth})
			if _, stored := store[string(pageKey(sectionTimes, timeMarks))]; stored != (s.meta.marksOf() > 0) {
				t.Fatalf("%d minutes: marks are stored: %v, %d expected", minutes, stored, s.meta.marksOf())
			}
			bounds := []int64{s.meta.FirstTime, s.meta.LastTime, s.meta.LastTime + 1}
			for minute := int64(-70); minute <= 130; minute++ {
				bounds = append(bounds, minute*markUnit, start-start%markUnit+minute*markUnit, start+minute*markUnit)
			}
			for _, from := range bounds {
				lo, hi, err := s.RowsBetween(from, s.meta.LastTime)
				wantLo, wantHi, _ := truth.RowsBetween(from, s.meta.LastTime)
				if err != nil || lo != wantLo || hi != wantHi {
					t.Fatalf("%d minutes from %d: rows from %d on are %d to %d, want %d to %d, %v", minutes, start, from, lo, hi, wantLo, wantHi, err)
				}
			}
		}
	}
}
