package query_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/part"
)

// has is a naive condition on a record's field.
func has(name string, ok func(text string) bool) func(*model.Record) bool {
	return func(r *model.Record) bool {
		f, found := r.Get(name)
		return found && f.Kind != model.Null && ok(f.Text)
	}
}

func contains(part string) func(string) bool {
	return func(text string) bool { return strings.Contains(text, part) }
}

// TestPaging checks that pages of every size, order and way of evaluation
// visit exactly the matching records, once, in order.
func TestPaging(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	records := randomRecords(random, 400)
	matches := []struct {
		text  string
		match func(*model.Record) bool
	}{
		{"*", func(*model.Record) bool { return true }},
		{"reset", has("message", contains("reset "))},
		{"/re[s]et/ level:error", func(r *model.Record) bool {
			return has("message", contains("reset "))(r) && has("level", contains("error"))(r)
		}},
		{"component:* duration>100", func(r *model.Record) bool {
			return has("component", contains(""))(r) && has("duration", func(s string) bool { return len(s) == 3 && s > "100" && s[0] != '-' })(r)
		}},
		{"nothing_has_this", func(*model.Record) bool { return false }},
	}
	sorts := [][]query.SortKey{nil, {{Field: "timestamp"}}, {{Field: "_time", Desc: true}}, {{Field: "duration"}},
		{{Field: "component", Desc: true}, {Field: "level"}}, {{Field: "level", Desc: true}, {Field: "_time"}}, {{Field: "_id"}}}
	deals := []int{1, 7, 60}
	if testing.Short() {
		deals = deals[1:2]
	}
	for _, parts := range deals {
		store := split(t, random, records, parts)
		engine := query.New(store, query.Config{Workers: 3})
		narrow := query.New(store, query.Config{Workers: 3, PageBytes: 1 + random.IntN(9000)})
		for _, m := range matches {
			var want []int
			for i := range records {
				if m.match(&records[i]) {
					want = append(want, i)
				}
			}
			for n, keys := range sorts {
				name := fmt.Sprintf("%d parts, %q, sort %d", parts, m.text, n)
				numbers, total := pages(t, engine, query.Request{Text: m.text, Sort: keys, Limit: 1 + random.IntN(90)})
				if !slices.Equal(sorted(numbers), want) || int(total) != len(want) {
					t.Errorf("%s: have %d records of total %d, want %d", name, len(numbers), total, len(want))
				}
				whole, _ := pages(t, engine, query.Request{Text: m.text, Sort: keys, Limit: 1000})
				if !slices.Equal(numbers, whole) {
					t.Errorf("%s: pages differ from one page", name)
				}
				if short, total := pages(t, narrow, query.Request{Text: m.text, Sort: keys, Limit: 1000}); !slices.Equal(short, whole) || int(total) != len(want) {
					t.Errorf("%s: pages that end early differ from one page", name)
				}
				checkOrder(t, name, records, whole, keys)
			}
		}
	}
}

// checkOrder checks an order on the first of the sort keys.
func checkOrder(t *testing.T, name string, records []model.Record, numbers []int, keys []query.SortKey) {
	t.Helper()
	key := query.SortKey{Field: "_time", Desc: true}
	if len(keys) > 0 {
		key = keys[0]
	}
	rank := map[string]int{"debug": 1, "info": 2, "warn": 3, "error": 4}
	compare := func(a, b *model.Record) int {
		switch key.Field {
		case "_id":
			return 0
		case "_time", "timestamp":
			return cmp.Compare(a.Time, b.Time)
		}
		f, okF := a.Get(key.Field)
		g, okG := b.Get(key.Field)
		if okF != okG {
			order := map[bool]int{true: -1, false: 1}[okF]
			if key.Desc {
				return -order // nothing is last in both directions
			}
			return order
		}
		var x, y int
		fmt.Sscan(f.Text, &x)
		fmt.Sscan(g.Text, &y)
		return cmp.Or(cmp.Compare(rank[f.Text], rank[g.Text]), cmp.Compare(x, y), cmp.Compare(f.Text, g.Text))
	}
	for i := 1; i < len(numbers); i++ {
		order := compare(&records[numbers[i-1]], &records[numbers[i]])
		if key.Desc && order < 0 || !key.Desc && order > 0 {
			t.Fatalf("%s: record %d stands before %d", name, numbers[i-1], numbers[i])
		}
	}
}

// TestWindows checks dear conditions over a part that takes several windows.
func TestWindows(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	records := randomRecords(random, 30_000)
	engine := query.New(split(t, random, records, 2), query.Config{CountTime: time.Hour, CountBrief: time.Hour})
	count := uint64(0)
	for i := range records {
		if has("message", contains("peer user "))(&records[i]) {
			count++
		}
	}
	for _, text := range []string{"/peer user /", `"peer user"`} {
		newest := search(t, engine, query.Request{Text: text, Limit: 3})
		if newest.Total != count || !newest.TotalExact || len(newest.Hits) != 3 {
			t.Errorf("%s: have %d of %d (exact %v), want %d", text, len(newest.Hits), newest.Total, newest.TotalExact, count)
		}
		for _, keys := range [][]query.SortKey{nil, {{Field: "_time"}}} {
			numbers, _ := pages(t, engine, query.Request{Text: text, Sort: keys, Limit: 100})
			if all := slices.Compact(sorted(numbers)); uint64(len(all)) != count || len(numbers) != len(all) {
				t.Errorf("%s: pages have %d records, %d different, want %d", text, len(numbers), len(all), count)
			}
			checkOrder(t, text, records, numbers, keys)
		}
	}
}

func TestTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	records := randomRecords(random, 300)
	now := time.Unix(0, day).Add(60 * time.Second)
	engine := query.New(split(t, random, records, 4), query.Config{Now: func() time.Time { return now }})
	at := func(seconds int) int64 { return day + int64(seconds)*int64(time.Second) }
	for _, c := range []struct {
		request  query.Request
		from, to int64 // half open
	}{
		{query.Request{From: at(10), To: at(20)}, at(10), at(20)},
		{query.Request{From: at(10)}, at(10), at(1e6)},
		{query.Request{Text: "_time:>now-30s"}, at(30) + 1, at(1e6)},
		{query.Request{Text: "_time:30s"}, at(30), at(60) + 1},
		{query.Request{Text: "_time:2024-01-31T10:00"}, at(0), at(60)},
		{query.Request{Text: "_time<=2024-01-31T10:00:05Z _time:>2024-01-31T10:00:02.5Z"}, at(3), at(6)},
		{query.Request{Text: "timestamp:[2024-01-31T10:00:05Z TO 2024-01-31T10:00:09Z}"}, at(5), at(9)},
		{query.Request{Text: "_time:{2024-01-31T10:00:05+00:00 TO *]", To: at(9)}, at(6), at(9)},
		{query.Request{Text: "_time>2024-01-31"}, at(1e6), at(1e6)},
		{query.Request{Text: fmt.Sprintf("_time>=%d", at(7)/1e9)}, at(7), at(1e6)},
		{query.Request{Text: "NOT (_time<2024-01-31T10:00:05Z OR _time>=2024-01-31T10:00:08Z)"}, at(5), at(8)},
	} {
		var want []int
		for i, r := range records {
			if r.Time >= c.from && r.Time < c.to {
				want = append(want, i)
			}
		}
		c.request.Limit = 1000
		numbers, _ := pages(t, engine, c.request)
		if !slices.Equal(sorted(numbers), want) {
			t.Errorf("%q from %d to %d: have %d records, want %d", c.request.Text, c.request.From, c.request.To, len(numbers), len(want))
		}
	}
}

// TestUncounted: who does not want to know how many there are gets the same records, and
// no more are looked at for that.
func TestUncounted(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 9))
	records := randomRecords(random, 400)
	engine := query.New(split(t, random, records, 60), query.Config{})
	asked := query.Request{Text: "n:*", Limit: 7, Explain: true}
	counted := search(t, engine, asked)
	asked.Uncounted = true
	have := search(t, engine, asked)
	if len(counted.Hits) != 7 || !counted.TotalExact || counted.Total <= 7 {
		t.Fatalf("%d records of %d: the test is of no use", len(counted.Hits), counted.Total)
	}
	if !reflect.DeepEqual(have.Hits, counted.Hits) || !have.Complete || have.TotalExact || have.Total >= counted.Total || have.NextCursor == "" {
		t.Errorf("%d records, complete %v, %d in total, exact %v; want those of %d", len(have.Hits), have.Complete, have.Total, have.TotalExact, counted.Total)
	}
}

func TestRecordPipes(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	records := randomRecords(random, 100)
	engine := query.New(split(t, random, records, 5), query.Config{})
	whole, _ := pages(t, engine, query.Request{Text: "* | sort by duration desc", Limit: 1000})
	some, _ := pages(t, engine, query.Request{Text: "* | sort by duration desc | offset 7 | limit 25", Limit: 4})
	if !slices.Equal(some, whole[7:32]) {
		t.Errorf("offset and limit: have %v, want %v", some, whole[7:32])
	}
	if none, _ := pages(t, engine, query.Request{Text: "* | limit 0"}); len(none) != 0 {
		t.Errorf("limit 0: have %v", none)
	}
	if sixty, _ := pages(t, engine, query.Request{Text: "* | limit 60"}); len(sixty) != 60 {
		t.Errorf("limit 60: have %d", len(sixty))
	}
	result := search(t, engine, query.Request{Text: "* | fields severity, n"})
	for _, hit := range result.Hits {
		if len(hit.Record.Fields) != 2 || hit.Record.Fields[0].Name != "level" || hit.Record.Fields[1].Name != "n" {
			t.Fatalf("fields: have %v", hit.Record.Fields)
		}
	}
}

func TestFiltersFacetsHighlights(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	records := randomRecords(random, 200)
	engine := query.New(split(t, random, records, 5), query.Config{})
	result := search(t, engine, query.Request{
		Text: `timeout OR "reset by"`, Filters: []query.Filter{{Field: "severity", Values: []string{"warning", "ERR"}}, {Field: "component", Values: []string{"c1", "c2"}}},
		Facets: []string{"severity", "component", "duration"}, Highlight: true, Limit: 1000,
	})
	want := map[string]map[any]uint64{"severity": {}, "component": {}}
	n := 0
	for i := range records {
		r := &records[i]
		text := has("message", contains("timeout "))(r) || has("message", contains("reset by "))(r)
		level, _ := r.Get("level")
		component, _ := r.Get("component")
		if text && (level.Text == "warn" || level.Text == "error") && (component.Text == "c1" || component.Text == "c2") {
			n++
			want["severity"][level.Text]++
			want["component"][component.Text]++
		}
	}
	if n == 0 || len(result.Hits) != n {
		t.Fatalf("have %d hits, want %d", len(result.Hits), n)
	}
	for name, counts := range want {
		have := map[any]uint64{}
		for _, value := range result.Facets[name] {
			have[value.Value] = value.Count
		}
		if !reflect.DeepEqual(have, counts) {
			t.Errorf("facet %s: have %v, want %v", name, have, counts)
		}
	}
	if values := result.Facets["duration"]; len(values) > 10 || len(values) > 0 && reflect.TypeOf(values[0].Value).Kind() != reflect.Int64 {
		t.Errorf("facet duration: have %v", values)
	}
	for _, hit := range result.Hits {
		for _, light := range hit.Highlights {
			f, _ := hit.Record.Get(light.Field)
			for _, span := range light.Spans {
				if part := f.Text[span.Start:span.End]; part != "timeout" && part != "reset by" {
					t.Fatalf("highlight %q in %q", part, f.Text)
				}
			}
		}
		if len(hit.Highlights) == 0 {
			t.Fatalf("no highlight in %v", hit.Record)
		}
	}
}

func TestGetAndContext(t *testing.T) {
	var records []model.Record
	for i := range 60 {
		records = append(records, model.Record{Time: day + int64(i/3)*int64(time.Second), Fields: []model.Field{
			field("n", fmt.Sprint(i)), field("component", fmt.Sprintf("c%d", i%2)), field("metadata.host", "h")}})
	}
	random := rand.New(rand.NewPCG(11, 12))
	shards := split(t, random, records, 6)
	engine := query.New(shards, query.Config{})
	order, _ := pages(t, engine, query.Request{Text: "component:c1 | sort by _time", Limit: 100})
	all := search(t, engine, query.Request{Text: "component:c1 | sort by _time", Limit: 100})
	for i, hit := range all.Hits {
		got, err := engine.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, hit.ID)
		if err != nil || number(t, &got.Record) != order[i] {
			t.Fatalf("get %s: %v, %v", hit.ID, got, err)
		}
		around, err := engine.Context(t.Context(), query.Audience{Tenant: model.DefaultTenant}, hit.ID, 4, 3)
		if err != nil {
			t.Fatal(err)
		}
		have := []int{}
		for _, h := range slices.Concat(around.Before, []query.Hit{around.Hit}, around.After) {
			have = append(have, number(t, &h.Record))
		}
		if want := order[max(0, i-4):min(len(order), i+4)]; !slices.Equal(have, want) || len(around.Source) != 2 {
			t.Errorf("context of %d: have %v, want %v, source %v", order[i], have, want, around.Source)
		}
	}
	if _, err := engine.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, model.RecordID{Shard: 9, Index: 9}); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("have %v, want ErrNotFound", err)
	}
	if _, err := engine.Get(t.Context(), query.Audience{Tenant: "other"}, all.Hits[0].ID); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("other tenant: have %v, want ErrNotFound", err)
	}
	byID := search(t, engine, query.Request{Text: "_id:" + all.Hits[3].ID.String()})
	if len(byID.Hits) != 1 || byID.Hits[0].ID != all.Hits[3].ID {
		t.Errorf("_id: have %v", byID.Hits)
	}
	if shards.released == 0 {
		t.Error("views are not released")
	}
}

func TestFaults(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 14))
	engine := query.New(split(t, random, randomRecords(random, 100), 5), query.Config{})
	first := search(t, engine, query.Request{Text: "*", Limit: 5})
	sortedPage := search(t, engine, query.Request{Text: "* | sort by n", Limit: 5})
	var requestError *query.RequestError
	var syntaxError *syntax.Error
	for name, c := range map[string]struct {
		request query.Request
		want    func(error) bool
	}{
		"other text":   {query.Request{Text: "a", Cursor: first.NextCursor}, func(err error) bool { return errors.Is(err, query.ErrCursor) }},
		"other sort":   {query.Request{Text: "*", Cursor: sortedPage.NextCursor}, func(err error) bool { return errors.Is(err, query.ErrCursor) }},
		"cut cursor":   {query.Request{Text: "*", Cursor: first.NextCursor[:9]}, func(err error) bool { return errors.Is(err, query.ErrCursor) }},
		"no cursor":    {query.Request{Text: "*", Cursor: "%%%"}, func(err error) bool { return errors.Is(err, query.ErrCursor) }},
		"limit":        {query.Request{Limit: -1}, func(err error) bool { return errors.As(err, &requestError) }},
		"tenant":       {query.Request{Audience: query.Audience{Tenant: "a/b"}}, func(err error) bool { return errors.As(err, &requestError) }},
		"text":         {query.Request{Text: "("}, func(err error) bool { return errors.As(err, &syntaxError) }},
		"id":           {query.Request{Text: "_id:x"}, func(err error) bool { return errors.As(err, &syntaxError) }},
		"time":         {query.Request{Text: "_time:>someday"}, func(err error) bool { return errors.As(err, &syntaxError) }},
		"column":       {query.Request{Text: "* | stats count() | sort by cuont"}, func(err error) bool { return errors.As(err, &syntaxError) }},
		"second stats": {query.Request{Text: "* | stats count() | top 3 a"}, func(err error) bool { return errors.As(err, &syntaxError) }},
	} {
		request := c.request
		request.Tenant = cmp.Or(request.Tenant, model.DefaultTenant)
		if _, err := engine.Search(t.Context(), request); !c.want(err) {
			t.Errorf("%s: have error %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Search(ctx, query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: have %v", err)
	}
}

func TestBudgets(t *testing.T) {
	random := rand.New(rand.NewPCG(15, 16))
	shards := split(t, random, randomRecords(random, 300), 5)
	late := query.New(shards, query.Config{Time: 1})
	for _, text := range []string{"/reset/", "* | stats count() by (level)"} {
		result := search(t, late, query.Request{Text: text})
		if result.Complete || result.TotalExact || !strings.Contains(result.Reason, "time") {
			t.Errorf("%s: complete %v, exact %v, reason %q", text, result.Complete, result.TotalExact, result.Reason)
		}
	}
	few := query.New(shards, query.Config{Groups: 7})
	for _, text := range []string{"* | stats count() by (n)", "* | stats count(), sum(n) by (n, level)", "* | top 3 n"} {
		result := search(t, few, query.Request{Text: text})
		if result.Complete || !strings.Contains(result.Reason, "groups") || len(result.Rows) > 7 {
			t.Errorf("%s: complete %v, reason %q, %d rows", text, result.Complete, result.Reason, len(result.Rows))
		}
	}
	if result := search(t, few, query.Request{Facets: []string{"n"}}); result.Complete || !strings.Contains(result.Reason, "facet") {
		t.Errorf("facet: complete %v, reason %q", result.Complete, result.Reason)
	}
	if err := (query.Config{Limit: -1, Workers: -2}).Validate(); err == nil || !strings.Contains(err.Error(), "limit") || !strings.Contains(err.Error(), "workers") {
		t.Errorf("validate: %v", err)
	}
	if err := (query.Config{}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestTenants checks that a query sees its own tenant only.
func TestTenants(t *testing.T) {
	m := &memory{parts: map[model.TenantID][]part.Part{
		"a": {newPart(t, 1, 1, []model.Record{{Time: day, Fields: []model.Field{field("n", "1")}}})},
		"b": {newPart(t, 1, 2, []model.Record{{Time: day, Fields: []model.Field{field("n", "2")}}})},
	}}
	engine := query.New(m, query.Config{})
	for tenant, want := range map[model.TenantID]int{"a": 1, "b": 2} {
		result, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: tenant}})
		if err != nil || len(result.Hits) != 1 || number(t, &result.Hits[0].Record) != want {
			t.Errorf("%s: %v, %v", tenant, result, err)
		}
	}
}

// TestMissing checks that answers over views with gaps say so.
func TestMissing(t *testing.T) {
	m := &memory{missing: "shard 1: segment 7 cannot be read"}
	engine := query.New(m, query.Config{})
	for _, text := range []string{"*", "* | stats count()"} {
		if result := search(t, engine, query.Request{Text: text}); result.Complete || result.TotalExact || result.Reason != m.missing {
			t.Errorf("%s: complete %v, exact %v, reason %q", text, result.Complete, result.TotalExact, result.Reason)
		}
	}
	if _, err := engine.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, model.RecordID{}); !errors.Is(err, query.ErrIncomplete) {
		t.Errorf("get: have %v", err)
	}
}

// TestTopRows checks that the first rows are the same however many are asked.
func TestTopRows(t *testing.T) {
	random := rand.New(rand.NewPCG(31, 32))
	engine := query.New(split(t, random, randomRecords(random, 400), 5), query.Config{})
	for _, text := range []string{"* | stats count() by (duration)", "* | stats max(n) by (duration)", "* | stats count(), max(n) by (duration) | sort by count desc | offset 3",
		"* | stats count() by (duration) | offset 2 | limit 20", "* | stats count() by (duration) | sort by duration | fields duration", "* | stats count() by (_time:3s)"} {
		all := search(t, engine, query.Request{Text: text})
		for _, limit := range []int{1, 5, 19, 20, 21} {
			some := search(t, engine, query.Request{Text: text, Limit: limit})
			if want := all.Rows[:min(limit, len(all.Rows))]; !reflect.DeepEqual(some.Rows, want) || some.HasMore != (len(all.Rows) > limit) {
				t.Errorf("%s, limit %d: have %v (more %v), want %v", text, limit, some.Rows, some.HasMore, want)
			}
		}
	}
}
