package oracle_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/oracle"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

var (
	queries = flag.Int("queries", 500, "how many random queries to compare")
	seed    = flag.Uint64("seed", 1, "what records and queries are drawn from")
)

const shard = model.ShardID(2)

// layout is one way in which the same records are kept.
type layout struct {
	name  string
	parts []part.Part
}

// keep draws batches of records and keeps them in every way there is: in head
// blocks, of which some ranges were dropped; in one segment per few blocks; in
// one segment merged of those.
func keep(t *testing.T, g *oracle.Generator, batches, rowsMax int) (entries []oracle.Entry, layouts []layout) {
	t.Helper()
	var heads, sealed []part.Part
	for i := range batches {
		records := g.Records(1 + g.Below(rowsMax))
		logIndex := uint64(100 + 7*i)
		var dropped []head.Range
		if from := g.Below(len(records)); g.Below(3) == 0 {
			dropped = append(dropped, head.Range{From: uint32(from), To: uint32(from + g.Below(len(records)-from))})
		}
		for ordinal, record := range records {
			if len(dropped) > 0 && uint32(ordinal) >= dropped[0].From && uint32(ordinal) < dropped[0].To {
				continue
			}
			entries = append(entries, oracle.Entry{ID: model.RecordID{Shard: shard, Index: logIndex, Ordinal: uint32(ordinal)}, Record: record})
		}
		heads = append(heads, headPart(t, logIndex, records, dropped))
	}
	for group := range slices.Chunk(heads, 5) {
		sealed = append(sealed, seal(t, group))
	}
	slices.SortFunc(entries, func(a, b oracle.Entry) int {
		return cmp.Or(cmp.Compare(a.Record.Time, b.Record.Time), a.ID.Compare(b.ID))
	})
	return entries, []layout{{"head", heads}, {"sealed", sealed}, {"merged", []part.Part{seal(t, sealed)}}}
}

func headPart(t *testing.T, logIndex uint64, records []model.Record, dropped []head.Range) part.Part {
	t.Helper()
	coded, err := block.Encode(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := block.Decode(coded)
	if err != nil {
		t.Fatal(err)
	}
	p, err := head.New(shard, logIndex, decoded, dropped)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func seal(t *testing.T, parts []part.Part) part.Part {
	t.Helper()
	return segmenttest.Seal(t, shard, parts)
}

// found returns the ids that a plan finds, ascending.
func found(ctx context.Context, p *plan.Plan, parts []part.Part) ([]model.RecordID, error) {
	var ids []model.RecordID
	for _, one := range parts {
		lo, hi, err := one.RowsBetween(p.From, p.To)
		if err != nil {
			return nil, err
		}
		if p.To == plan.NoTo {
			hi = one.Rows()
		}
		rows, err := one.Eval(ctx, p.Expr, index.DocSetRange(lo, hi))
		if err != nil {
			return nil, err
		}
		list, err := one.IDs(rows)
		if err != nil {
			return nil, err
		}
		ids = append(ids, list...)
	}
	slices.SortFunc(ids, model.RecordID.Compare)
	return ids, nil
}

// missing returns up to three ids of a that are not in b.
func missing(a, b []model.RecordID) []model.RecordID {
	var list []model.RecordID
	for _, id := range a {
		if _, ok := slices.BinarySearchFunc(b, id, model.RecordID.Compare); !ok && len(list) < 3 {
			list = append(list, id)
		}
	}
	return list
}

// TestIndexIsScan compares what queries find with what the oracle says: text
// to tree, plan, and every way in which records are kept.
func TestIndexIsScan(t *testing.T) {
	// Small corpora try many queries; every third is big enough for segments
	// of several pages and tries fewer.
	const perSmall, perBig = 220, 60
	empty, all := 0, 0
	for done, corpus := 0, uint64(0); done < *queries; corpus++ {
		g := oracle.NewGenerator(*seed + corpus)
		batches, rowsMax, count := 4+g.Below(20), 400, perSmall
		if corpus%3 == 1 {
			batches, rowsMax, count = 16, 2500, perBig
		}
		entries, layouts := keep(t, g, batches, rowsMax)
		for range min(count, *queries-done) {
			done++
			node := g.Condition(entries)
			var want []model.RecordID
			for i := range entries {
				if oracle.Holds(node, &entries[i]) {
					want = append(want, entries[i].ID)
				}
			}
			slices.SortFunc(want, model.RecordID.Compare)
			switch len(want) {
			case 0:
				empty++
			case len(entries):
				all++
			}
			compare(t, node, want, layouts, *seed+corpus)
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d queries, of which %d found nothing and %d everything", *queries, empty, all)
	if empty > *queries/2 || all > *queries/3 {
		t.Errorf("%d of %d queries found nothing and %d everything: they show little", empty, *queries, all)
	}
}

func compare(t *testing.T, node syntax.Node, want []model.RecordID, layouts []layout, seed uint64) {
	t.Helper()
	text := (&syntax.Query{Filter: node}).String()
	query, err := syntax.Parse(text)
	if err != nil {
		t.Errorf("seed %d: %q: %v", seed, text, err)
		return
	}
	p, err := plan.New(query, plan.Options{Now: oracle.Now()})
	if err != nil {
		t.Errorf("seed %d: %q: %v", seed, text, err)
		return
	}
	for _, l := range layouts {
		got, err := found(t.Context(), p, l.parts)
		if err != nil {
			t.Errorf("seed %d: %q in %s: %v", seed, text, l.name, err)
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: %q in %s: found %d, want %d; missing %v, surplus %v\ntree %+v\nplan %+v",
				seed, text, l.name, len(got), len(want), missing(want, got), missing(got, want), node, p.Expr)
		}
	}
}

// TestRecordsComeBack compares what parts give back with what went in.
func TestRecordsComeBack(t *testing.T) {
	g := oracle.NewGenerator(*seed)
	entries, layouts := keep(t, g, 12, 400)
	byID := map[model.RecordID]model.Record{}
	for _, e := range entries {
		e.Record.Fields = sortedFields(e.Record.Fields)
		byID[e.ID] = e.Record
	}
	for _, l := range layouts {
		count := 0
		for _, p := range l.parts {
			rows := index.DocSetRange(0, p.Rows())
			ids, err1 := p.IDs(rows)
			records, err2 := p.Records(t.Context(), rows)
			if err := cmp.Or(err1, err2); err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				records[i].Fields = sortedFields(records[i].Fields)
				if !reflect.DeepEqual(records[i], byID[id]) {
					t.Fatalf("%s: record %v is %.300q, want %.300q", l.name, id, fmt.Sprint(records[i]), fmt.Sprint(byID[id]))
				}
			}
			count += len(ids)
		}
		if count != len(entries) {
			t.Errorf("%s: %d records, want %d", l.name, count, len(entries))
		}
	}
}

func sortedFields(fields []model.Field) []model.Field {
	fields = slices.Clone(fields)
	slices.SortFunc(fields, func(a, b model.Field) int { return cmp.Compare(a.Name, b.Name) })
	return fields
}
