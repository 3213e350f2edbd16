package segment

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// TestIDs reads ids of rows whose entries come one after the other, a few at a
// time or all mixed up, with ordinals left out and two pages.
func TestIDs(t *testing.T) {
	for _, entries := range []int{1, 3, 40, 500} {
		for _, stretch := range []int{1, 200} {
			t.Run(fmt.Sprint(entries, " entries, ", stretch, " rows each"), func(t *testing.T) { testIDs(t, entries, stretch) })
		}
	}
}

func testIDs(t *testing.T, entries, stretch int) {
	random := rand.New(rand.NewPCG(uint64(entries), uint64(stretch)))
	next := make([]uint32, entries)
	var ids []model.RecordID
	var records []model.Record
	for row, entry := 0, 0; row < PageRows+PageRows/8; row++ {
		if row%stretch == 0 {
			entry = random.IntN(entries)
		}
		if random.IntN(100) == 0 {
			next[entry] += uint32(random.IntN(3)) // records that are not here
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: uint64(7 + 2*entry), Ordinal: next[entry]})
		records = append(records, model.Record{Time: int64(row) * 1000, Fields: []model.Field{{Name: "a", Kind: model.String, Text: "b"}}})
		next[entry]++
	}
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	all, err := s.IDs(index.DocSetRange(0, s.Rows()))
	if err != nil || !slices.Equal(all, ids) {
		t.Fatalf("ids of all rows differ: %v", err)
	}
	some := index.NewDocSet()
	var want []model.RecordID
	for range 50 {
		some.Add(random.Uint32N(s.Rows()))
	}
	for _, row := range some.ToArray() {
		want = append(want, ids[row])
	}
	if got, err := s.IDs(some); err != nil || !slices.Equal(got, want) {
		t.Fatalf("ids of some rows: got %v, want %v, %v", got, want, err)
	}
	missing := model.RecordID{Shard: 3, Index: 7, Ordinal: next[0] + 5}
	if got, err := s.RowsOf(context.Background(), append(want, missing)); err != nil || !got.Equals(some) {
		t.Fatalf("rows of ids: got %v, want %v, %v", got, some, err)
	}
}

// TestReadOnce counts what is read for records that were found by their text:
// neither their times nor their texts are read a second time.
func TestReadOnce(t *testing.T) {
	ctx := context.Background()
	var ids []model.RecordID
	var records []model.Record
	for row := range 3000 {
		text := letters(row*7919) + " of " + letters(row*31+7) + " " + letters(row) // no two have a shape
		ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(row)})
		records = append(records, model.Record{Time: int64(row) * 1000, Fields: []model.Field{{Name: "message", Kind: model.String, Text: text}}})
	}
	_, store := build(t, Input{Part: newMemPart(ids, records)})
	read := map[string]int{}
	s, err := Open(func(key []byte, use func([]byte) error) error {
		read[string(key)]++
		return store.get(key, use)
	}, NewCache(0))
	if err != nil {
		t.Fatal(err)
	}
	const row = 1234
	rows, err := s.Eval(ctx, index.Leaf{Field: "message", Pred: index.NewPhrase(letters(row*31+7) + " " + letters(row))}, nil)
	if err != nil || !rows.Equals(index.DocSetOf(row)) {
		t.Fatalf("found %v, %v", rows, err)
	}
	if times, err := s.Times(rows); err != nil || !slices.Equal(times, []int64{row * 1000}) {
		t.Fatalf("times %v, %v", times, err)
	}
	got, err := s.Records(ctx, rows)
	if err != nil || len(got) != 1 || got[0].Time != row*1000 || got[0].Fields[0].Text != records[row].Fields[0].Text {
		t.Fatalf("records %v, %v", got, err)
	}
	for _, key := range [][]byte{pageKey(sectionTimes, 0), columnKey(0, itemPlain, 0)} {
		if n := read[string(key)]; n != 1 {
			t.Errorf("%x was read %d times", key, n)
		}
	}
	// what is kept of some rows is not taken for others
	if times, err := s.Times(index.DocSetOf(row, row+1)); err != nil || !slices.Equal(times, []int64{row * 1000, (row + 1) * 1000}) {
		t.Fatalf("times %v, %v", times, err)
	}
	if got, err = s.Records(ctx, index.DocSetOf(row-1, row, row+1)); err != nil || len(got) != 3 {
		t.Fatalf("records %v, %v", got, err)
	}
	for i, r := range got {
		if want := records[row-1+i]; r.Time != want.Time || r.Fields[0].Text != want.Fields[0].Text {
			t.Errorf("record %d is %v, want %v", i, r, want)
		}
	}
}

// letters writes a number in letters.
func letters(n int) string {
	text := []byte("w")
	for ; n > 0; n /= 26 {
		text = append(text, byte('a'+n%26))
	}
	return string(text)
}
