package segment

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// spreadRecords returns records of some pages with fields that some rows have:
// in runs, at random, seldom, on part of the pages and around a border.
func spreadRecords(rng *rand.Rand, rows int) (ids []model.RecordID, records []model.Record) {
	kind, has, value := 0, true, 0
	for i := range rows {
		r := model.Record{Time: 1700000000e9 + int64(i)*1e6}
		add := func(name string, value int) {
			r.Fields = append(r.Fields, model.Field{Name: "metadata." + name, Kind: model.String, Text: fmt.Sprint("v", value)})
		}
		if rng.IntN(4) == 0 {
			kind, has, value = rng.IntN(5), rng.IntN(3) > 0, rng.IntN(700)
		}
		add("full", kind)
		if has {
			add("runs", value)
		}
		if rng.IntN(7) > 0 {
			add("random", rng.IntN(700))
		}
		if rng.IntN(500) == 0 {
			add("seldom", rng.IntN(3))
		}
		if i < PageRows || has && i > 2*PageRows+1000 {
			add("pages", kind)
		}
		if i > PageRows-100 && i < PageRows+70 {
			add("border", 1)
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: uint64(1 + i/5000), Ordinal: uint32(i % 5000)})
		records = append(records, r)
	}
	return ids, records
}

// TestRowsOfPages compares what is found on several pages, and gathered from
// them, with the records.
func TestRowsOfPages(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 52))
	ids, records := spreadRecords(rng, 2*PageRows+9000)
	mem := newMemPart(ids, records)
	s, _ := build(t, Input{Part: mem})
	rows := s.Rows()
	some := index.NewDocSet()
	for range 8000 {
		some.Add(rng.Uint32N(rows))
	}
	sets := map[string]*index.DocSet{
		"all": nil, "few": index.DocSetOf(3, 5, PageRows-1, PageRows, 2*PageRows+77, rows-1), "some": some,
		"stretch": index.DocSetRange(PageRows-500, 2*PageRows+333), "page": index.DocSetRange(PageRows, 2*PageRows), "row": index.DocSetOf(PageRows),
	}
	for _, column := range mem.AllColumns() {
		field := model.QueryName(column.Path())
		all, _ := column.Gather(context.Background(), nil)
		for name, set := range sets {
			want, _ := column.Gather(context.Background(), set)
			have, err := s.Columns(field)[0].Gather(context.Background(), set)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(have.Rows, want.Rows) || !slices.Equal(textsOf(have), textsOf(want)) {
				t.Errorf("%s, %s rows: have %d values, want %d, or others", field, name, len(have.Rows), len(want.Rows))
			}
		}
		exists, err := s.Eval(context.Background(), index.Leaf{Field: field, Pred: index.Exists{}}, nil)
		if err != nil || !exists.Equals(index.DocSetOf(all.Rows...)) {
			t.Errorf("%s: have %d rows, want %d, %v", field, exists.GetCardinality(), len(all.Rows), err)
		}
		for _, wanted := range [][]string{{"v0"}, {"v1"}, {"v1", "v2", "v69"}, {"v3", "v4", "v5", "v6", "v7", "v100", "v699"}} {
			compareValues(t, s, field, all, wanted)
		}
	}
}

// compareValues checks which rows have one of the wanted values.
func compareValues(t *testing.T, s *Segment, field string, all part.Values, wanted []string) {
	t.Helper()
	want := index.NewDocSet()
	for i, text := range textsOf(all) {
		if slices.Contains(wanted, text) {
			want.Add(all.Rows[i])
		}
	}
	c := s.Columns(field)[0].(*columnReader)
	var codes []uint32
	for _, value := range wanted {
		if code, found, err := c.find(value); err != nil {
			t.Fatal(err)
		} else if found {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	if len(codes) == 0 {
		return
	}
	have, err := c.scanCodes(context.Background(), codes, nil)
	if err != nil || !have.Equals(want) {
		t.Errorf("%s %v: have %d rows, want %d, %v", field, wanted, have.GetCardinality(), want.GetCardinality(), err)
	}
	within := index.DocSetRange(PageRows-700, PageRows+700)
	have, err = c.directRows(t.Context(), codes, within)
	if err != nil || !have.Equals(index.And(want, within)) {
		t.Errorf("%s %v at a border: have %d rows, %v", field, wanted, have.GetCardinality(), err)
	}
	// rowsOf lists the same rows from the numbers of their values
	var numbers []uint32
	for number, row := range all.Rows {
		if want.Contains(row) {
			numbers = append(numbers, uint32(number))
		}
	}
	list, err := c.rowsOf(nil, numbers)
	if err != nil || !slices.Equal(list, want.ToArray()) {
		t.Errorf("%s %v: %d rows of numbers, want %d, %v", field, wanted, len(list), want.GetCardinality(), err)
	}
}

func textsOf(values part.Values) []string {
	texts := make([]string, len(values.Codes))
	for i, code := range values.Codes {
		texts[i] = values.Dict[code]
	}
	return texts
}

func TestDeposit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for range 1000 {
		set, mask := rng.Uint64()&rng.Uint64(), rng.Uint64()|rng.Uint64()
		if rng.IntN(10) == 0 {
			mask = ^uint64(0)
		}
		var want uint64
		at := 0
		for bit := range 64 {
			if mask>>bit&1 != 0 {
				want |= set >> at & 1 << bit
				at++
			}
		}
		if have := deposit(set, mask); have != want {
			t.Fatalf("deposit %x in %x: have %x, want %x", set, mask, have, want)
		}
	}
}
