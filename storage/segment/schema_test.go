package segment

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// randomSchemas gives each column to some of the rows; it returns the columns
// of each row, ascending.
func randomSchemas(rng *rand.Rand, rows, columns int) (s schemas, of [][]uint32) {
	s, of = newSchemas(uint32(rows)), make([][]uint32, rows)
	for column := range uint32(columns) {
		var having []uint32
		share, like := rng.IntN(6), rng.IntN(rows)
		for row := range uint32(rows) {
			has := false
			switch share {
			case 0: // every row
				has = true
			case 1: // rows of the same columns so far as another
				has = s.of[row] == s.of[like]
			default:
				has = rng.IntN(share*share) == 0
			}
			if has {
				having, of[row] = append(having, row), append(of[row], column)
			}
		}
		s.add(column, having)
	}
	return s, of
}

// Rows are in one class exactly if they have the same columns, and the class
// knows them.
func TestSchemasAreTheSetsOfColumns(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s, of := randomSchemas(rng, 1+rng.IntN(60), rng.IntN(300))
		classOf := map[string]uint32{}
		for row, want := range of {
			got := s.columns(s.of[row])
			slices.Reverse(got)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: row %d has columns %v, want %v", seed, row, got, want)
			}
			key := fmt.Sprint(want)
			if known, ok := classOf[key]; ok && known != s.of[row] {
				t.Fatalf("seed %d: classes %d and %d have the same columns", seed, known, s.of[row])
			}
			classOf[key] = s.of[row]
		}
		if len(classOf) != len(s.classes) {
			t.Fatalf("seed %d: %d classes for %d sets", seed, len(s.classes), len(classOf))
		}
	}
}

// BenchmarkSchemasOfWideRecords has records of 50 of 100,000 fields, each
// another set: live-B/cell is what the builder keeps of them.
func BenchmarkSchemasOfWideRecords(b *testing.B) {
	const rows, columns, each = 50_000, 100_000, 50
	rng := rand.New(rand.NewPCG(1, 1))
	having := make([][]uint32, columns)
	for row := range uint32(rows) {
		for range each {
			column := rng.IntN(columns)
			if list := having[column]; len(list) == 0 || list[len(list)-1] != row {
				having[column] = append(list, row)
			}
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var s schemas
	for b.Loop() {
		s = newSchemas(rows)
		for column, list := range having {
			s.add(uint32(column), list)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(rows*each), "live-B/cell")
	runtime.KeepAlive(s)
	runtime.KeepAlive(having)
}

// Records of which each has other fields come back, of several inputs whose
// rows alternate.
func TestWideRecords(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var inputs []Input
	want := map[model.RecordID]model.Record{}
	for number := range uint64(2) {
		var ids []model.RecordID
		var records []model.Record
		for i := range 400 {
			r := model.Record{Time: 10*int64(rng.IntN(1000)) + int64(number)}
			for _, field := range rng.Perm(500)[:10] {
				r.Fields = append(r.Fields, model.Field{Name: fmt.Sprintf("f%03d", field), Kind: model.Number, Text: fmt.Sprint(i)})
			}
			slices.SortFunc(r.Fields, func(a, b model.Field) int { return cmp.Compare(a.Name, b.Name) })
			id := model.RecordID{Shard: 3, Index: number + 1, Ordinal: uint32(i)}
			ids, records, want[id] = append(ids, id), append(records, r), r
		}
		inputs = append(inputs, Input{Part: newMemPart(ids, records)})
	}
	s, _ := build(t, inputs...)
	rows := index.DocSetRange(0, s.Rows())
	got, err := s.Records(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := s.IDs(rows)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if !reflect.DeepEqual(got[i], want[id]) {
			t.Fatalf("record %v is %v, want %v", id, got[i], want[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

// A segment of more columns than can be read is not built.
func TestTooManyColumns(t *testing.T) {
	var record model.Record
	for i := range columnsMax + 1 {
		record.Fields = append(record.Fields, model.Field{Name: fmt.Sprintf("f%06d", i), Kind: model.Null})
	}
	p := newMemPart([]model.RecordID{{Shard: 3, Index: 1}}, []model.Record{record})
	_, err := Build(t.Context(), []Input{{Part: p}}, Options{}, func(_, _ []byte) error { return nil })
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d columns give %v, want %v", columnsMax+1, err, ErrTooLarge)
	}
}
