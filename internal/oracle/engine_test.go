package oracle_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stere-log/stere/internal/oracle"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/part"
)

// kept gives an engine the parts of a layout, in two shards' views.
type kept []part.Part

func (k kept) Views(context.Context, model.TenantID) ([]query.View, error) {
	half := len(k) / 2
	return []query.View{{Parts: k[:half]}, {Parts: k[half:]}}, nil
}

// TestEngineIsScan compares whole answers: pages of records in order, totals,
// and tables of statistics.
func TestEngineIsScan(t *testing.T) {
	g := oracle.NewGenerator(*seed + 1<<32)
	entries, layouts := keep(t, g, 15, 400)
	// A shard has both: what is sealed and what is not yet.
	half := len(layouts[0].parts) / 2
	layouts = append(layouts, layout{"mixed", append([]part.Part{seal(t, layouts[0].parts[:half])}, layouts[0].parts[half:]...)})
	for range max(*queries/8, 1) {
		filter := g.Condition(entries)
		var matching []oracle.Entry
		for i := range entries {
			if oracle.Holds(filter, &entries[i]) {
				matching = append(matching, entries[i])
			}
		}
		stats, limit := g.Stats(), 1+g.Below(300)
		order := query.SortKey{Field: g.FieldName(), Desc: g.Below(2) == 0}
		counted := g.FieldName()
		for _, l := range layouts {
			engine := query.New(kept(l.parts), query.Config{Now: oracle.Now})
			comparePages(t, l.name, engine, query.Request{Text: syntax.Print(filter), Limit: limit}, newestFirst(matching))
			comparePages(t, l.name, engine, query.Request{Text: syntax.Print(filter), Limit: limit, Sort: []query.SortKey{order}}, oracle.Sorted(matching, order.Field, order.Desc))
			compareCounts(t, l.name, engine, filter, counted, matching)
			compareSet(t, l.name, engine, filter, counted, order.Field, entries, matching)
			compareTable(t, l.name, engine, &syntax.Query{Filter: filter, Pipes: []syntax.Pipe{stats}}, stats, matching)
		}
		if t.Failed() {
			return
		}
	}
}

// pagesMax is how many pages of an answer are read.
const pagesMax = 6

func newestFirst(entries []oracle.Entry) []oracle.Entry {
	entries = slices.Clone(entries)
	slices.Reverse(entries)
	return entries
}

// compareCounts compares facets and top with how often each value occurs.
func compareCounts(t *testing.T, name string, engine *query.Engine, filter syntax.Node, field string, matching []oracle.Entry) {
	t.Helper()
	text := syntax.Print(filter)
	result, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text, Facets: []string{field}, Limit: 1})
	if err != nil {
		t.Errorf("%s: %q: %v", name, text, err)
		return
	}
	want := oracle.Facet(matching, field)
	for i, value := range result.Facets[field] {
		if have := (oracle.Count{Text: plain(value.Value), N: int(value.Count)}); len(result.Facets[field]) != min(10, len(want)) || !sameCount(have, want[i]) {
			t.Errorf("%s: %q: facet %s has %v at %d of %d, want %v", name, text, field, have, i, len(result.Facets[field]), want[:min(10, len(want))])
			return
		}
	}
	text = (&syntax.Query{Filter: filter, Pipes: []syntax.Pipe{&syntax.Top{N: 5, Fields: []syntax.Name{{Text: field}}}}}).String()
	if result, err = engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text}); err != nil {
		t.Errorf("%s: %q: %v", name, text, err)
		return
	}
	want = oracle.Top(matching, field)
	for i, row := range result.Rows {
		have := oracle.Count{Text: plain(row[0]), N: int(row[1].(int64))}
		if len(result.Rows) != min(5, len(want)) || have.N != want[i].N || !slices.ContainsFunc(want, func(c oracle.Count) bool { return sameCount(have, c) }) {
			t.Errorf("%s: %q: row %d is %v, want %v", name, text, i, have, want[:min(8, len(want))])
			return
		}
	}
}

// compareSet compares "field in (filter | fields of)" with the values written out.
func compareSet(t *testing.T, name string, engine *query.Engine, filter syntax.Node, of, field string, entries, matching []oracle.Entry) {
	t.Helper()
	want := syntax.In{Field: field}
	for _, count := range oracle.Facet(matching, of) {
		want.Values = append(want.Values, count.Text)
	}
	n := 0
	for i := range entries {
		if oracle.Holds(want, &entries[i]) {
			n++
		}
	}
	inner := &syntax.Query{Filter: filter, Pipes: []syntax.Pipe{&syntax.Fields{Names: []syntax.Name{{Text: of}}}}}
	text := (&syntax.Query{Filter: syntax.In{Field: field, Sub: &syntax.Subquery{Query: inner}}, Pipes: []syntax.Pipe{&syntax.Stats{Aggs: []syntax.Agg{{Func: "count"}}}}}).String()
	result, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text})
	if err != nil || !result.Complete || result.Rows[0][0] != int64(n) {
		t.Errorf("%s: %q: have %+v (%v), want %d", name, text, result, err, n)
	}
}

func sameCount(a, b oracle.Count) bool { return a.N == b.N && same(a.Text, b.Text) }

// comparePages compares pages with the records that are left, in order.
func comparePages(t *testing.T, name string, engine *query.Engine, request query.Request, left []oracle.Entry) {
	t.Helper()
	request.Tenant = model.DefaultTenant
	limit, total := request.Limit, len(left)
	for range pagesMax {
		result, err := engine.Search(t.Context(), request)
		if err != nil {
			t.Errorf("%s: %q: %v", name, request.Text, err)
			return
		}
		if result.TotalExact && int(result.Total) != total || !result.Complete {
			t.Errorf("%s: %q: total %d, complete %v, want %d", name, request.Text, result.Total, result.Complete, total)
			return
		}
		want := left[:min(limit, len(left))]
		if len(result.Hits) != len(want) || result.HasMore != (len(left) > limit) {
			t.Errorf("%s: %q: page of %d, more %v, want %d of %d", name, request.Text, len(result.Hits), result.HasMore, len(want), len(left))
			return
		}
		for i, hit := range result.Hits {
			if hit.ID != want[i].ID || hit.Record.Time != want[i].Record.Time || len(hit.Record.Fields) != len(want[i].Record.Fields) {
				t.Errorf("%s: %q by %v: hit %d is %v, want %v", name, request.Text, request.Sort, i, hit.ID, want[i].ID)
				return
			}
		}
		left = left[len(want):]
		if request.Cursor = result.NextCursor; !result.HasMore {
			return
		}
	}
}

func compareTable(t *testing.T, name string, engine *query.Engine, q *syntax.Query, stats *syntax.Stats, matching []oracle.Entry) {
	t.Helper()
	text := q.String()
	result, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text, Limit: 10_000})
	if err != nil {
		t.Errorf("%s: %q: %v", name, text, err)
		return
	}
	want := oracle.Stats(matching, stats)
	got := map[string][]string{}
	for _, row := range result.Rows {
		var cells []string
		for _, cell := range row {
			cells = append(cells, plain(cell))
		}
		got[strings.Join(cells[:len(stats.By)], "|")] = cells[len(stats.By):]
	}
	if len(result.Rows) != len(want) || !result.Complete || len(result.Approximate) > 0 {
		t.Errorf("%s: %q: %d rows, complete %v, want %d", name, text, len(result.Rows), result.Complete, len(want))
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !slices.EqualFunc(got[key], want[key], same) {
			t.Errorf("%s: %q: group %q is %q, want %q", name, text, key, got[key], want[key])
			return
		}
	}
}

// plain writes a cell as the oracle does.
func plain(cell any) string {
	switch v := cell.(type) {
	case nil:
		return oracle.Missing
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return oracle.Number(v)
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(cell)
}

// same compares cells as numbers if they are numbers.
func same(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return a == b || err1 == nil && err2 == nil && oracle.Number(x) == oracle.Number(y)
}
