package query_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// TestPipeLimits checks that pipes that meet a limit say so, and that the
// answer is within it.
func TestPipeLimits(t *testing.T) {
	random := rand.New(rand.NewPCG(73, 1))
	shards := deal(t, random, randomRecords(random, 600), 3, 2)
	apart, _ := scatter(random, shards, 2, query.Config{})
	for _, c := range []struct {
		text, reason string
		config       query.Config
		rows         int // at most
	}{
		{"* | union (level:error)", "more than 100 records", query.Config{Rows: 100}, 100},
		{"level:error | union (*)", "more than 100 records", query.Config{Rows: 100}, 200},
		{"* | limit 500 | where n > 3", "more than 100 records", query.Config{Rows: 100}, 100},
		{"* | dedup by n | sort by n", "more than 100 records", query.Config{Rows: 100}, 100},
		{"* | dedup by n", "more than 50 groups", query.Config{Groups: 50}, 50},
		{"* | timeline by n", "more than 50 groups", query.Config{Groups: 50}, 50},
		{"* | stats count() by (n) | where n > 3", "more than 50 groups", query.Config{Groups: 50}, 50},
		{"* | stats count() by (_time:1ns) | fill", "empty buckets", query.Config{Rows: 1_000}, 600},
		{"* | limit 200 | context 1", "around 100 records", query.Config{}, 300},
		{"* | union (*) | union (*)", "bytes", query.Config{MemoryBytes: 100 << 10}, 600},
		{"* | eval x = concat(message, n) | sort by x | limit 5", "computed values take more than", query.Config{MemoryBytes: 8 << 10}, 600},
		{"* | limit 300 | eval x = replace(message, \"e\", \"" + strings.Repeat("x", 500) + "\")", "", query.Config{MemoryBytes: 100 << 10}, -1},
		{"* | stats count() by (n) | eval x = \"" + strings.Repeat("x", 900) + "\"", "bytes", query.Config{MemoryBytes: 200 << 10}, 300},
		{"* | dedup by n", "time limit", query.Config{Time: 1}, 600},
	} {
		for name, of := range map[string]query.Shards{"local": shards, "leaves": apart} {
			result, err := query.New(of, c.config).Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: c.text, Limit: 10_000})
			if c.rows < 0 {
				if err == nil || !strings.Contains(err.Error(), "bytes") {
					t.Errorf("%s, %.60s: have error %v", name, c.text, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, %.60s: %v", name, c.text, err)
				continue
			}
			if n := len(result.Hits) + len(result.Rows); result.Complete || !strings.Contains(result.Reason, c.reason) || n > c.rows {
				t.Errorf("%s, %.60s: complete %v, reason %q, %d rows", name, c.text, result.Complete, result.Reason, n)
			}
		}
	}
}

// TestJoinLimit checks that a join looks up so many rows and says so.
func TestJoinLimit(t *testing.T) {
	var records []model.Record
	for i := range 12_000 {
		records = append(records, model.Record{Time: day + int64(i), Fields: []model.Field{field("n", fmt.Sprint(i))}})
	}
	engine := query.New(split(t, rand.New(rand.NewPCG(73, 2)), records, 2), query.Config{})
	result := search(t, engine, query.Request{Text: "* | join inner by n (* | eval m = n + 1 | fields n, m) | stats count(), max(m)"})
	if result.Complete || !strings.Contains(result.Reason, "10000 rows") || !reflect.DeepEqual(result.Rows, [][]any{{int64(10_000), int64(12_000)}}) {
		t.Errorf("complete %v, reason %q, %v", result.Complete, result.Reason, result.Rows)
	}
}

// TestPipesWithoutALeaf checks that what a leaf does not answer is named
// whatever follows.
func TestPipesWithoutALeaf(t *testing.T) {
	random := rand.New(rand.NewPCG(73, 3))
	shards := deal(t, random, randomRecords(random, 200), 3, 1)
	bad := &away{engine: query.New(nil, query.Config{})} // it has no shards
	far := query.New(spread{shards: shards, at: []*away{nil, nil, bad}}, query.Config{})
	for _, text := range []string{
		"* | dedup by level", "* | limit 20 | stats count()", "* | stats count() by (level) | where level != null", "level:error | union (level:warn)",
		"* | join by level (level:error | fields level)", "* | timeline by component", "* | limit 3 | context 2", "* | where n > 5 | eval x = n",
	} {
		result := search(t, far, query.Request{Text: text})
		if result.Complete || result.TotalExact || !strings.Contains(result.Reason, "shard 2 gave no answer") {
			t.Errorf("%s: complete %v, exact %v, reason %q", text, result.Complete, result.TotalExact, result.Reason)
		}
	}
}

// TestPipesKeepTheFastWay checks that pipes that change nothing for a table let
// parts answer from what they keep, and that different pipes do not meet there.
func TestPipesKeepTheFastWay(t *testing.T) {
	random := rand.New(rand.NewPCG(73, 4))
	plain := split(t, random, randomRecords(random, 500), 3)
	var parts list
	for _, p := range plain.parts[model.DefaultTenant] {
		parts = append(parts, &remembering{Part: p, kept: map[string]any{}})
	}
	now := func() time.Time { return time.Unix(0, day).Add(time.Hour) }
	kept, engine := query.New(parts, query.Config{Now: now}), query.New(plain, query.Config{Now: now})
	texts := []string{
		"* | stats count() by (level)", "* | rename level as l | stats count() by (l)", "* | eval level = n % 2 | stats count() by (level)",
		"* | eval level = n % 3 | stats count() by (level)", "* | where n > 10 | stats count()", "* | where n > 11 | stats count()", "* | where n > duration | stats count()",
		"* | where n > share | stats count()", "* | sample 2 | stats count()", "* | sample 3 | stats count()", "* | dedup by level", "* | sort by n | dedup by level",
		"* | sort by n desc | dedup by level", "* | eval x = n | sort by x | eval x = -n | dedup by level", "* | eval x = n | eval x = -n | sort by x | dedup by level",
		"* | fill component = \"a\" | stats count() by (component)", "* | fill component = \"b\" | stats count() by (component)",
		"* | timeline by component", "* | timeline by level", "* | rename n as level | stats max(level)",
		"* | eval x = n % 2 | stats count_if(x:1)", "* | eval x = n % 3 | stats count_if(x:1)", "* | eval x = n % 3 | stats count_if(x:2), first(x), stddev(x)",
		"* | histogram n by 7", "* | where n > 9 | facets 2 of level, n", "* | eval x = n | facets 2 of level, x", "* | rename n as x | rare 3 x, level",
	}
	for range 2 {
		for _, text := range texts {
			have, want := search(t, kept, query.Request{Text: text}), search(t, engine, query.Request{Text: text})
			if h, w := answer(t, have), answer(t, want); h != w {
				t.Errorf("%s: have %s\nwant %s", text, h, w)
			}
		}
	}
	hits := 0 // of what all parts amount to together
	for _, p := range parts {
		hits += p.(*remembering).hits
	}
	if hits < len(texts) {
		t.Errorf("%d of %d questions were answered from what is kept", hits, 2*len(texts))
	}
	later := query.New(parts, query.Config{Now: func() time.Time { return now().Add(time.Hour) }})
	for _, text := range []string{
		"* | where now() - _time > 3570 | stats count()", "* | eval x = n | stats count_if(x>0 AND x in (_time<now-3570s | fields n))",
		"* | eval x = n | stats count_if(x>0 AND _time<now-3570s)", "* | stats count_if(n in (_time<now-3570s | fields n))",
	} {
		volatile := search(t, kept, query.Request{Text: text})
		if again := search(t, later, query.Request{Text: text}); reflect.DeepEqual(volatile.Rows, again.Rows) {
			t.Errorf("%s: an answer that depends on the time was kept: %v", text, again.Rows)
		}
	}
}

// TestQueriesInsideShareRoom checks that what the queries of a request hold at once
// is bounded, not what each of them holds.
func TestQueriesInsideShareRoom(t *testing.T) {
	var records []model.Record
	for i := range 100 {
		records = append(records, model.Record{Time: day + int64(i), Fields: []model.Field{field("n", fmt.Sprint(i)), field("load", strings.Repeat("x", 2000))}})
	}
	shards := split(t, rand.New(rand.NewPCG(73, 5)), records, 2)
	// One query may hold some 120 records: what the gate grants is more.
	engine := query.New(shards, query.Config{MemoryBytes: 700 << 10, AtOnce: 1})
	for text, complete := range map[string]bool{
		"* | limit 80 | sort by n | union (* | limit 10 | sort by n | limit 1) | limit 5":                                     true,
		"* | limit 80 | sort by n | union (* | limit 80 | sort by n | limit 1) | limit 5":                                     false,
		"* | limit 40 | sort by n | union (* | limit 40 | sort by n | union (* | limit 20 | sort by n)) | limit 5":            true,
		"* | limit 40 | sort by n | union (* | limit 40 | sort by n | union (* | limit 80 | sort by n | limit 1)) | limit 5":  false,
		"* | limit 80 | sort by n | limit 5 | union (* | limit 80 | sort by n | limit 5 | union (* | limit 80 | sort by n)) ": true,
		"n in (* | limit 80 | sort by n | fields n) | sort by n | union (* | limit 10 | sort by n | limit 1)| limit 5":        true,
	} {
		result := search(t, engine, query.Request{Text: text})
		if result.Complete != complete || !complete && !strings.Contains(result.Reason, "bytes") {
			t.Errorf("%s: complete %v (%s), want %v", text, result.Complete, result.Reason, complete)
		}
	}
}

// TestRunsAreBounded checks that a request cannot make many queries of one text.
func TestRunsAreBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(73, 6))
	engine := query.New(split(t, random, randomRecords(random, 100), 2), query.Config{})
	compares := func(n int) string { return strings.Repeat(" | compare 1h", n) }
	for text, fits := range map[string]bool{
		"* | stats count() by (level)" + compares(1):                                                          true,
		"* | stats count() by (level)" + compares(6):                                                          true,
		"* | stats count() by (level)" + compares(7):                                                          false,
		"* | stats count() by (level)" + compares(60):                                                         false,
		"n in (* | stats count() by (n)" + compares(5) + ") | stats count() by (level)":                       true,
		"n in (* | stats count() by (n)" + compares(5) + ") | stats count() by (level)" + compares(1):         false,
		"* | stats count() by (level) | union (* | stats count() by (level)" + compares(6) + ")":              false,
		"* | stats count() by (level) | join by level (* | stats count() as n by (level)" + compares(3) + ")": true,
	} {
		result, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text, From: day, To: day + int64(time.Hour)})
		var fault *syntax.Error
		if errors.As(err, &fault) == fits || fits && (err != nil || !result.Complete) {
			t.Errorf("%s: %+v, %v, fits: %v", text, result, err, fits)
		}
	}
}
