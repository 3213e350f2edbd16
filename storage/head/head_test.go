package head

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/part"
)

// row is a record with its id, as the tests expect it.
type row struct {
	record model.Record
	id     model.RecordID
}

func mixed(seed uint64, n int) []model.Record {
	rng := rand.New(rand.NewPCG(seed, 1))
	var records []model.Record
	for i := range n {
		r := model.Record{Time: int64(rng.IntN(n)) * 1e6, TimeDigits: uint8(rng.IntN(10))}
		add := func(name string, kind model.Kind, text string) {
			r.Fields = append(r.Fields, model.Field{Name: name, Kind: kind, Text: text})
		}
		if rng.IntN(4) > 0 {
			add("b.c", model.Number, fmt.Sprint(rng.IntN(5)))
		}
		if rng.IntN(4) == 0 {
			add(`b\.c`, model.String, "word four")
		}
		add("message", model.String, fmt.Sprintf("line %d of %s", i, [...]string{"Auth", "store", "web"}[rng.IntN(3)]))
		if rng.IntN(20) == 0 {
			add("rare", model.Null, "")
		} else if rng.IntN(10) == 0 {
			add("rare", model.String, "x")
		}
		records = append(records, r)
	}
	return records
}

// newPart encodes records and returns the part of them and the rows expected.
func newPart(t *testing.T, records []model.Record, dropped []Range) (*Part, []row) {
	t.Helper()
	return newPartOf(t, way{dropped: dropped, decode: block.Decode}, records)
}

// way is how a part is made: what is dropped and how its block is decoded, which no
// reader can tell apart.
type way struct {
	name    string
	dropped []Range
	decode  func([]byte) (*block.Block, error)
	keep    bool
}

func ways() (all []way) {
	for name, dropped := range droppings {
		all = append(all, way{name, dropped, block.Decode, false}, way{name + ", packed", dropped, block.DecodePacked, false},
			way{name + ", kept", dropped, block.DecodePacked, true})
	}
	return all
}

func newPartOf(t *testing.T, of way, records []model.Record) (*Part, []row) {
	t.Helper()
	coded, err := block.Encode(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	b, err := of.decode(coded)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(3, 77, b, of.dropped)
	if err != nil {
		t.Fatal(err)
	}
	if of.keep {
		before := p.Bytes()
		p.Keep(func() {
			if now := p.Bytes(); now <= before {
				t.Errorf("%d bytes after a column was unpacked, %d before", now, before)
			}
			before = p.Bytes()
		})
	}
	var rows []row
	for i, record := range records {
		gone := slices.ContainsFunc(of.dropped, func(r Range) bool { return uint32(i) >= r.From && uint32(i) < r.To })
		if !gone {
			rows = append(rows, row{record, model.RecordID{Shard: 3, Index: 77, Ordinal: uint32(i)}})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.record.Time, b.record.Time) })
	return p, rows
}

func byName(fields []model.Field) []model.Field {
	fields = slices.Clone(fields)
	slices.SortFunc(fields, func(a, b model.Field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

var droppings = map[string][]Range{
	"nothing": nil, "some": {{0, 3}, {10, 11}, {10, 50}, {7, 7}}, "last": {{290, 300}}, "all": {{0, 300}},
}

func TestRows(t *testing.T) {
	ctx := context.Background()
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			p, want := newPartOf(t, way, mixed(1, 300))
			if int(p.Rows()) != len(want) {
				t.Fatalf("%d rows, want %d", p.Rows(), len(want))
			}
			for _, rows := range []*index.DocSet{index.DocSetRange(0, p.Rows()), index.DocSetRange(5, min(5, p.Rows())), index.DocSetOf(), nil} {
				if p.Rows() > 200 {
					rows = index.DocSetOf(0, 7, 8, 100, 199)
				}
				times, err1 := p.Times(rows)
				digits, err2 := p.TimeDigits(rows)
				ids, err3 := p.IDs(rows)
				records, err4 := p.Records(ctx, rows)
				if err := cmp.Or(err1, err2, err3, err4); err != nil {
					t.Fatal(err)
				}
				if rows == nil {
					rows = index.NewDocSet()
				}
				for i, at := range rows.ToArray() {
					w := want[at]
					if times[i] != w.record.Time || digits[i] != w.record.TimeDigits || ids[i] != w.id || records[i].Time != w.record.Time ||
						records[i].TimeDigits != w.record.TimeDigits || !reflect.DeepEqual(records[i].Fields, byName(w.record.Fields)) {
						t.Errorf("row %d: got %v %v, want %v", at, ids[i], records[i], w)
					}
				}
			}
			if len(want) > 0 {
				if first, last := p.TimeRange(); first != want[0].record.Time || last != want[len(want)-1].record.Time {
					t.Errorf("times %d to %d", first, last)
				}
			}
		})
	}
}

func TestRowsOfElsewhere(t *testing.T) {
	p, _ := newPart(t, mixed(1, 10), nil)
	if _, err := p.Times(index.DocSetOf(10)); err == nil {
		t.Error("read a row that does not exist")
	}
	if _, err := New(1, 1, &block.Block{Times: make([]int64, 2), TimeDigits: make([]uint8, 2)}, []Range{{1, 3}}); err == nil {
		t.Error("dropped what does not exist")
	}
	if _, err := New(1, 1, &block.Block{Times: make([]int64, 2), TimeDigits: make([]uint8, 2), Columns: []block.Column{{Codes: []uint32{0}}}}, nil); err == nil {
		t.Error("accepted a column with too few codes")
	}
}

func TestEval(t *testing.T) {
	ctx := context.Background()
	// Each condition with the same thing said directly about a record.
	any := func(r model.Record, name string, f func(model.Field) bool) bool {
		return slices.ContainsFunc(r.Fields, func(field model.Field) bool {
			return (name == "" || model.QueryName(field.Name) == name) && f(field)
		})
	}
	conditions := []struct {
		name  string
		expr  index.Expr
		holds func(row) bool
	}{
		{"all", index.All{}, func(row) bool { return true }},
		{"word", index.Leaf{Field: "message", Pred: index.Word{Folded: "auth"}}, func(r row) bool {
			return any(r.record, "message", func(f model.Field) bool { return strings.HasSuffix(f.Text, " Auth") })
		}},
		{"any field", index.Leaf{Pred: index.Equal{Text: "x"}}, func(r row) bool {
			return any(r.record, "", func(f model.Field) bool { return f.Text == "x" })
		}},
		{"two columns", index.Leaf{Field: "b.c", Pred: index.Regex{Re: regexp.MustCompile("[4r]$")}}, func(r row) bool {
			return any(r.record, "b.c", func(f model.Field) bool { return strings.HasSuffix(f.Text, "4") || strings.HasSuffix(f.Text, "r") })
		}},
		{"exists", index.Leaf{Field: "rare", Pred: index.Exists{}}, func(r row) bool {
			return any(r.record, "rare", func(f model.Field) bool { return f.Kind != model.Null })
		}},
		{"not", index.Not{Of: index.Leaf{Field: "b.c", Pred: index.Equal{Text: "2"}}}, func(r row) bool {
			return !any(r.record, "b.c", func(f model.Field) bool { return f.Text == "2" })
		}},
		{"times", index.Times{From: 50e6, To: 150e6}, func(r row) bool { return r.record.Time >= 50e6 && r.record.Time < 150e6 }},
		{"ids", index.IDs{Of: []model.RecordID{{Shard: 3, Index: 77, Ordinal: 20}, {Shard: 3, Index: 77, Ordinal: 100}, {Shard: 3, Index: 77, Ordinal: 300}, {Shard: 4, Index: 77, Ordinal: 5}}}, func(r row) bool {
			return r.id.Ordinal == 20 || r.id.Ordinal == 100
		}},
	}
	for _, way := range ways() {
		for _, c := range conditions {
			p, want := newPartOf(t, way, mixed(2, 300))
			for _, within := range []*index.DocSet{nil, index.DocSetRange(0, p.Rows()/2)} {
				got, err := p.Eval(ctx, c.expr, within)
				if err != nil {
					t.Fatal(err)
				}
				expected := index.NewDocSet()
				for i, r := range want {
					if c.holds(r) && (within == nil || within.Contains(uint32(i))) {
						expected.Add(uint32(i))
					}
				}
				if !got.Equals(expected) {
					t.Errorf("%s dropped, %s: got %v, want %v", way.name, c.name, got, expected)
				}
			}
		}
	}
}

func TestColumns(t *testing.T) {
	for _, way := range ways() {
		p, want := newPartOf(t, way, mixed(3, 300))
		testColumns(t, way.name, p, want)
		if got := len(p.Columns("b.c")); len(want) > 0 && got != 2 {
			t.Errorf("%s dropped: %d columns for b.c, want 2", way.name, got)
		}
	}
}

// testColumns compares what a part's columns give with the rows expected.
func testColumns(t *testing.T, name string, p *Part, want []row) {
	t.Helper()
	ctx := context.Background()
	var room part.Room // with what the columns before have left there
	for _, rows := range []*index.DocSet{nil, index.NewDocSet(), index.DocSetRange(0, p.Rows()), index.DocSetRange(p.Rows()/3, p.Rows()/2)} {
		cells := 0
		for _, c := range p.AllColumns() {
			values, err := c.Gather(ctx, rows)
			if err != nil {
				t.Fatal(err)
			}
			if rows == nil {
				again, err := c.(part.Gatherer).GatherInto(ctx, &room)
				if err != nil || !slices.Equal(again.Rows, values.Rows) || !slices.Equal(again.Codes, values.Codes) || !slices.Equal(again.Dict, values.Dict) {
					t.Errorf("%s dropped: gathered into a room, %s is %v, %v, want %v", name, c.Path(), again, err, values)
				}
			}
			counts, err := c.Counts(ctx, rows)
			if err != nil {
				t.Fatal(err)
			}
			if rows == nil && int(c.Count()) != len(values.Rows) {
				t.Errorf("%s dropped: %s has %d cells, gathered %d", name, c.Path(), c.Count(), len(values.Rows))
			}
			left := map[string]uint64{}
			for _, count := range counts {
				left[count.Value] += count.Count
			}
			for i, at := range values.Rows {
				field, ok := want[at].record.Get(c.Path())
				if text := values.Dict[values.Codes[i]]; !ok || field.Kind != c.Kind() || field.Text != text {
					t.Errorf("%s dropped: row %d of %s: got %q, want %v", name, at, c.Path(), text, field)
				}
				left[field.Text]--
			}
			for value, count := range left {
				if count != 0 {
					t.Errorf("%s dropped: count of %q is %d off", name, value, int64(count))
				}
			}
			cells += len(values.Rows)
		}
		expected := 0
		for i, r := range want {
			if rows == nil || rows.Contains(uint32(i)) {
				expected += len(r.record.Fields)
			}
		}
		if cells != expected {
			t.Errorf("%s dropped: %d cells, want %d", name, cells, expected)
		}
	}
}

func TestConcurrentFirstRead(t *testing.T) {
	p, want := newPart(t, mixed(4, 300), droppings["some"])
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			got, err := p.Eval(context.Background(), index.Leaf{Pred: index.Word{Folded: "line"}}, nil)
			if err != nil || int(got.GetCardinality()) != len(want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	group.Wait()
	if p.Bytes() < 300*20 {
		t.Errorf("%d bytes for 300 records", p.Bytes())
	}
}

func BenchmarkLeaf(b *testing.B) {
	coded, err := block.Encode(nil, mixed(5, 10_000))
	if err != nil {
		b.Fatal(err)
	}
	decoded, err := block.Decode(coded)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("new and first read", func(b *testing.B) {
		for b.Loop() {
			p, _ := New(1, 1, decoded, nil)
			p.Rows()
		}
	})
	p, _ := New(1, 1, decoded, nil)
	for name, leaf := range map[string]index.Leaf{
		"word in message": {Field: "message", Pred: index.Word{Folded: "auth"}}, "word anywhere": {Pred: index.Word{Folded: "auth"}}, "equal": {Field: "b.c", Pred: index.Equal{Text: "4"}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := p.Eval(context.Background(), leaf, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
