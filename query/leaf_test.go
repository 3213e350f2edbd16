package query_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
)

// shardSet is the shards of a tenant, each with its parts.
type shardSet [][]part.Part

// views returns local views of some shards.
func (s shardSet) views(shards []model.ShardID) (views []query.View) {
	for _, shard := range shards {
		if int(shard) < len(s) {
			views = append(views, query.View{Shard: shard, Parts: s[shard]})
		}
	}
	return views
}

// Views implements query.Shards: all shards are here.
func (s shardSet) Views(context.Context, model.TenantID) ([]query.View, error) {
	return s.views(s.all()), nil
}

// all returns the numbers of all shards.
func (s shardSet) all() (shards []model.ShardID) {
	for i := range s {
		shards = append(shards, model.ShardID(i))
	}
	return shards
}

// away is query.Leaf for another node in the same process.
type away struct {
	engine *query.Engine
	shards shardSet
	hook   func(ctx context.Context) error // called before each answer, if not nil
	alter  func(answer []byte) []byte
	mu     sync.Mutex
	calls  int
}

func (a *away) Ask(ctx context.Context, request []byte) ([]byte, error) {
	a.mu.Lock()
	a.calls++
	a.mu.Unlock()
	if a.hook != nil {
		if err := a.hook(ctx); err != nil {
			return nil, err
		}
	}
	answer, err := a.engine.Leaf(ctx, func(_ context.Context, _ model.TenantID, shards []model.ShardID) ([]query.View, error) {
		return a.shards.views(shards), nil
	}, request)
	if a.alter != nil {
		answer = a.alter(answer)
	}
	return answer, err
}

// spread is query.Shards in which some shards are read by leaves.
type spread struct {
	shards shardSet
	at     []*away // by shard; nil is here
}

func (s spread) Views(context.Context, model.TenantID) ([]query.View, error) {
	views := s.shards.views(s.shards.all())
	for i, leaf := range s.at {
		if leaf != nil {
			views[i].Parts, views[i].Leaf = nil, leaf
		}
	}
	return views, nil
}

// oddRecords makes records with all that can go wrong in merging: floats that
// do not add up, equal numbers written differently, one value of several kinds.
func oddRecords(random *rand.Rand, n int) []model.Record {
	records := randomRecords(random, n)
	floats := []string{"0.1", "1e16", "-1e16", "3.3e-9", "1e308", "-1e308", "5e-324", "1", "1.0", "1e0", "0", "-0", "0.0"}
	whole := []string{"9223372036854775807", "9223372036854775806", "-9223372036854775808", "9007199254740993", "9007199254740992.0", "1"}
	pick := func(texts []string) string { return texts[random.IntN(len(texts))] }
	for i := range records {
		r := &records[i]
		add := func(name, text string) {
			kind := model.Number
			if random.IntN(3) == 0 {
				kind = model.String
			}
			r.Fields = append(r.Fields, model.Field{Name: name, Kind: kind, Text: text})
		}
		if random.IntN(2) == 0 {
			add("odd", pick(floats))
		}
		if random.IntN(3) == 0 {
			add("big", pick(whole))
		}
		r.Fields = append(r.Fields, model.Field{Name: "same", Kind: model.Number, Text: pick([]string{"1", "1.0", "1e0", "2", "2.0"})})
		if random.IntN(5) == 0 {
			r.Fields = append(r.Fields, model.Field{Name: "flag", Kind: model.Bool, Text: strconv.FormatBool(random.IntN(2) == 0)})
		} else if random.IntN(5) == 0 {
			r.Fields = append(r.Fields, model.Field{Name: "flag", Kind: model.String, Text: "true"})
		}
		if random.IntN(6) == 0 {
			r.Fields = append(r.Fields, model.Field{Name: "a.b", Kind: model.String, Text: "p" + pick(floats)}, model.Field{Name: `a\.b`, Kind: model.Number, Text: pick(floats)})
		}
	}
	return records
}

// deal makes shards of records, each with some parts.
func deal(t testing.TB, random *rand.Rand, records []model.Record, shards, parts int) shardSet {
	t.Helper()
	dealt := make([][]model.Record, shards*parts)
	for _, record := range records {
		i := random.IntN(len(dealt))
		dealt[i] = append(dealt[i], record)
	}
	set := make(shardSet, shards)
	for i, some := range dealt {
		if shard := i % shards; len(some) > 0 {
			set[shard] = append(set[shard], newPart(t, model.ShardID(shard), uint64(i+1), some))
		}
	}
	return set
}

// scatter puts each shard here or on one of some nodes.
func scatter(random *rand.Rand, shards shardSet, nodes int, config query.Config) (spread, []*away) {
	leaves := make([]*away, nodes)
	for i := range leaves {
		leaves[i] = &away{shards: shards, engine: query.New(nil, config)}
	}
	s := spread{shards: shards, at: make([]*away, len(shards))}
	for i := range s.at {
		if at := random.IntN(nodes + 1); at < nodes {
			s.at[i] = leaves[at]
		}
	}
	return s, leaves
}

// answer returns a result as text, without what differs from run to run.
func answer(t testing.TB, result any) string {
	t.Helper()
	switch r := result.(type) {
	case *query.Result:
		r.Elapsed = 0
	case *query.ContextResult:
		r.Elapsed = 0
	}
	text, err := json.MarshalIndent(result, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// difference cuts two texts to where they begin to differ.
func difference(a, b string) (string, string) {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	at = max(0, at-300)
	return a[at:min(len(a), at+900)], b[at:min(len(b), at+900)]
}

// randomRequest makes a request for records or a table.
func randomRequest(random *rand.Rand) query.Request {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	request := query.Request{Limit: random.IntN(40), Text: pick("*", "*", "*", "reset", "level:error", "/re[s]et/", `"reset by"`, "component:c1 duration>50", "nothing_has_this", "NOT odd:*", "component in (level:error duration>50 | fields component)", "same in (* | top 1 same) -duration>=field(same)")}
	if random.IntN(4) == 0 {
		request.From = day + int64(random.IntN(40))*int64(time.Second)
		request.To = request.From + int64(random.IntN(60))*int64(time.Second)
	}
	if random.IntN(4) == 0 {
		request.Filters = []query.Filter{{Field: "severity", Values: []string{"warning", "ERR"}}}
	}
	if random.IntN(2) == 0 {
		for range random.IntN(3) {
			request.Sort = append(request.Sort, query.SortKey{Field: pick("duration", "odd", "big", "level", "_time", "_id", "message", "n", "a.b", "flag"), Desc: random.IntN(2) == 0})
		}
		if random.IntN(3) == 0 {
			request.Facets = []string{pick("odd", "big"), pick("level", "severity"), pick("a.b", "flag", "message", "n")}
		}
		request.Highlight = random.IntN(3) == 0
		request.Text += pick("", "", "", " | limit 30", " | offset 7", " | offset 20 | limit 10", " | fields n, message", " | sort by odd desc, n", " | limit 0")
		return request
	}
	var aggs []string
	for range 1 + random.IntN(6) {
		f := pick("count", "sum", "avg", "min", "max", "count_distinct", "median", "p99", "p12.5", "stddev", "first", "last", "values", "rate", "count_distinct_exact", "count_distinct_approx")
		agg := f + "(" + pick("odd", "big", "duration", "n", "share", "message", "_time", "a.b", "flag", "none") + ")"
		if !slices.Contains(aggs, agg) {
			aggs = append(aggs, agg)
		}
	}
	if random.IntN(3) == 0 {
		aggs = append(aggs, pick("count_if(level>=warn)", "count_if(odd>1 OR reset)", "rate()", `count_if("reset by")`))
	}
	by := ""
	if random.IntN(3) > 0 {
		by = " by (" + pick("odd:0.5", "duration:25, level", `_time:1d tz "Europe/Berlin"`, "_time:1mo", "_pattern", "_time:20s offset 5s", "odd", "same", "same, level", "big", "level", "component", "n", "_time", "_time:7s", "_time:10s, level", "odd, big", "a.b", "a.b, flag", "flag", "none", "_id") + ")"
	}
	request.Text += pick(" | stats "+strings.Join(append(aggs, "count()"), ", ")+by, " | stats count(), "+strings.Join(aggs, ", ")+by, " | stats "+aggs[0]+" as x"+by+" | sort x desc | limit 5",
		" | top 4 "+pick("odd", "big", "level", "a.b", "n", "flag"), " | stats count()"+by+" | offset 2 | fields count()",
		" | rare 3 "+pick("odd", "a.b", "n"), " | top 9 level, same", " | top 4 _pattern", " | histogram "+pick("odd", "duration", "big", "_time", "duration by 7", "odd buckets 3", "_time buckets 5", "_time by 30s"),
		" | facets", " | facets 3 of "+pick("odd, level", "a.b, flag", "n", "message, _pattern"), " | patterns 6", " | patterns | sort last desc | limit 4")
	return request
}

// TestLeavesEqualLocal checks that wherever shards are read, answers are the
// same, page by page, byte for byte.
func TestLeavesEqualLocal(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for seed := range uint64(rounds) {
		random := rand.New(rand.NewPCG(41, seed))
		shards := deal(t, random, oddRecords(random, 30+random.IntN(600)), 1+random.IntN(6), 1+random.IntN(3))
		now := time.Unix(0, day).Add(time.Minute)
		config := query.Config{Workers: 1 + random.IntN(3), CountTime: time.Hour, CountBrief: time.Hour, Now: func() time.Time { return now }}
		if seed%2 == 1 {
			config.PageBytes = 1 + random.IntN(20_000) // pages end early
		}
		local := query.New(shards, config)
		for range 5 {
			apart, _ := scatter(random, shards, 1+random.IntN(3), config)
			far := query.New(apart, config)
			for range 6 {
				comparePages(t, local, far, randomRequest(random))
			}
			compareRecords(t, random, local, far)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// dealInTime makes parts that follow each other in time, of about so many records, and puts
// them into shards in turn.
func dealInTime(t testing.TB, records []model.Record, shards, size int) shardSet {
	t.Helper()
	slices.SortStableFunc(records, func(a, b model.Record) int { return cmp.Compare(a.Time, b.Time) })
	set := make(shardSet, shards)
	i := 0
	for some := range slices.Chunk(records, size) {
		set[i%shards] = append(set[i%shards], newPart(t, model.ShardID(i%shards), uint64(i+1), some))
		i++
	}
	return set
}

// TestLargeTotals checks that who counts a large total no further answers with the same
// records, page by page, here and on other nodes; that its total is no more than all and,
// where it says that it is not exact, large; and that it is exact where all are few.
func TestLargeTotals(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 3
	}
	cut := 0
	for seed := range uint64(rounds) {
		random := rand.New(rand.NewPCG(43, seed))
		shards := dealInTime(t, oddRecords(random, 100+random.IntN(600)), 1+random.IntN(6), 10+random.IntN(20))
		now := time.Unix(0, day).Add(time.Minute)
		config := query.Config{Workers: 1 + random.IntN(3), CountTime: time.Hour, CountBrief: time.Hour, Now: func() time.Time { return now }}
		patient := query.New(shards, config)
		config.CountBrief, config.CountLarge = 1, 1+random.IntN(60)
		apart, _ := scatter(random, shards, 1+random.IntN(3), config)
		for _, hasty := range []*query.Engine{query.New(shards, config), query.New(apart, config)} {
			for range 12 {
				request := randomRequest(random)
				request.Tenant = model.DefaultTenant
				for range 4 {
					want, errWant := patient.Search(t.Context(), request)
					have, errHave := hasty.Search(t.Context(), request)
					if errWant != nil || errHave != nil {
						t.Fatalf("%+v: errors %v and %v", request, errWant, errHave)
					}
					if !have.TotalExact && want.TotalExact {
						if cut++; have.Total > want.Total || have.Total < uint64(config.CountLarge) {
							t.Fatalf("seed %d, %+v: at least %d of %d, which is large from %d on", seed, request, have.Total, want.Total, config.CountLarge)
						}
						have.Total, have.TotalExact = want.Total, true
					}
					if h, w := answer(t, have), answer(t, want); h != w {
						h, w = difference(h, w)
						t.Fatalf("seed %d, %+v:\nhave %s\nwant %s", seed, request, h, w)
					}
					if request.Cursor = want.NextCursor; request.Cursor == "" {
						break
					}
				}
			}
		}
	}
	if cut < rounds {
		t.Errorf("only %d totals of %d rounds were not counted: the test is of no use", cut, rounds)
	}
}

// comparePages compares all pages of a request.
func comparePages(t *testing.T, local, far *query.Engine, request query.Request) {
	t.Helper()
	for page := range 5 {
		request.Tenant = model.DefaultTenant
		want, errWant := local.Search(t.Context(), request)
		have, errHave := far.Search(t.Context(), request)
		if errWant != nil || errHave != nil {
			t.Fatalf("%+v: errors %v and %v", request, errWant, errHave)
		}
		if h, w := answer(t, have), answer(t, want); h != w {
			h, w = difference(h, w)
			t.Errorf("%+v, page %d:\nhave %s\nwant %s", request, page, h, w)
			return
		}
		if request.Cursor = want.NextCursor; request.Cursor == "" {
			return
		}
	}
}

// compareRecords compares one record and its surroundings.
func compareRecords(t *testing.T, random *rand.Rand, local, far *query.Engine) {
	t.Helper()
	hits := search(t, local, query.Request{Limit: 200, Sort: []query.SortKey{{Field: "n", Desc: random.IntN(2) == 0}}}).Hits
	id := hits[random.IntN(len(hits))].ID
	want, errWant := local.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, id)
	have, errHave := far.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, id)
	if errWant != nil || errHave != nil || answer(t, have) != answer(t, want) {
		t.Errorf("get %s: have %v (%v), want %v (%v)", id, have, errHave, want, errWant)
	}
	if _, err := far.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, model.RecordID{Shard: id.Shard, Index: 1 << 40}); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("get what is not there: %v", err)
	}
	around, errWant := local.Context(t.Context(), query.Audience{Tenant: model.DefaultTenant}, id, random.IntN(20), random.IntN(20))
	if errWant != nil {
		t.Fatal(errWant)
	}
	other, errHave := far.Context(t.Context(), query.Audience{Tenant: model.DefaultTenant}, id, len(around.Before), len(around.After))
	again, errWant := local.Context(t.Context(), query.Audience{Tenant: model.DefaultTenant}, id, len(around.Before), len(around.After))
	if errWant != nil || errHave != nil || answer(t, other) != answer(t, again) {
		t.Errorf("context of %s: have %s (%v), want %s (%v)", id, answer(t, other), errHave, answer(t, again), errWant)
	}
}

// TestLeafLimits checks that over small budgets an answer with leaves is the
// whole truth or says that it is not.
func TestLeafLimits(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	for seed := range uint64(rounds) {
		random := rand.New(rand.NewPCG(43, seed))
		shards := deal(t, random, oddRecords(random, 400), 4, 2)
		now := func() time.Time { return time.Unix(0, day) }
		generous := query.Config{CountTime: time.Hour, CountBrief: time.Hour, Now: now}
		tight := generous
		for _, limit := range []*int{&tight.Groups, &tight.Distinct, &tight.Values} {
			*limit = 1 + random.IntN(60)
		}
		tight.MemoryBytes = 1 << (9 + random.IntN(10))
		truth := query.New(shards, generous)
		apart, _ := scatter(random, shards, 2, tight)
		far := query.New(apart, tight)
		partial := 0
		for range 60 {
			request := randomRequest(random)
			want, have := search(t, truth, request), search(t, far, request)
			if have.Complete && len(have.Approximate) == 0 {
				if n := len(have.Hits); have.HasMore && n > 0 && n < len(want.Hits) { // the page ends early
					want.Hits, want.HasMore = want.Hits[:n], true
				}
				if want.NextCursor, have.NextCursor = "", ""; answer(t, have) != answer(t, want) {
					t.Errorf("seed %d, %+v:\nhave %s\nwant %s", seed, request, answer(t, have), answer(t, want))
				}
				continue
			}
			if partial++; !have.Complete && have.Reason == "" {
				t.Errorf("%+v: incomplete without a reason", request)
			}
		}
		if partial == 0 {
			t.Errorf("seed %d: no answer is partial", seed)
		}
	}
}

// TestOneCallForAllShardsOfALeaf checks how often leaves are asked.
func TestOneCallForAllShardsOfALeaf(t *testing.T) {
	random := rand.New(rand.NewPCG(45, 1))
	shards := deal(t, random, randomRecords(random, 200), 6, 1)
	leaf := &away{shards: shards, engine: query.New(nil, query.Config{})}
	far := query.New(spread{shards: shards, at: []*away{nil, leaf, leaf, nil, leaf, leaf}}, query.Config{})
	for _, c := range []struct {
		text  string
		calls int
	}{{"*", 1}, {"* | stats count() by (level)", 1}, {"* | sort by n", 1}, {"* | offset 20", 2}} {
		leaf.calls = 0
		if search(t, far, query.Request{Text: c.text}); leaf.calls != c.calls {
			t.Errorf("%s: %d calls, want %d", c.text, leaf.calls, c.calls)
		}
	}
	leaf.calls = 0
	for _, hit := range search(t, far, query.Request{Text: "*", Limit: 1000}).Hits {
		before := leaf.calls
		if _, err := far.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, hit.ID); err != nil {
			t.Fatal(err)
		}
		if here := hit.ID.Shard == 0 || hit.ID.Shard == 3; here != (leaf.calls == before) {
			t.Errorf("get %s asked the leaf %d times", hit.ID, leaf.calls-before)
		}
	}
}

// TestFailingLeaf checks that what a leaf does not answer is named and that the
// rest is there.
func TestFailingLeaf(t *testing.T) {
	random := rand.New(rand.NewPCG(47, 1))
	shards := deal(t, random, randomRecords(random, 300), 4, 2)
	config := query.Config{Now: func() time.Time { return time.Unix(0, day) }}
	good := &away{shards: shards, engine: query.New(nil, config)}
	rest := query.New(shards[:2], config)
	flip := func(answer []byte) []byte {
		answer = slices.Clone(answer)
		answer[random.IntN(len(answer))] ^= 1 << random.IntN(8)
		return answer
	}
	for name, bad := range map[string]*away{
		"error":    {hook: func(context.Context) error { return errors.New("connection refused") }},
		"damage":   {alter: flip},
		"short":    {alter: func(answer []byte) []byte { return answer[:len(answer)/2] }},
		"nothing":  {alter: func([]byte) []byte { return nil }},
		"version":  {alter: func(answer []byte) []byte { return append([]byte{200}, answer[1:]...) }},
		"not here": {shards: nil},
	} {
		bad.engine = query.New(nil, query.Config{})
		if name != "not here" {
			bad.shards = shards
		}
		far := query.New(spread{shards: shards, at: []*away{nil, good, bad, bad}}, config)
		for _, text := range []string{"*", "* | sort by n", "* | stats count(), sum(duration) by (level)", "* | offset 3"} {
			have, want := search(t, far, query.Request{Text: text, Facets: []string{"level"}}), search(t, rest, query.Request{Text: text, Facets: []string{"level"}})
			if have.Complete || have.TotalExact || !strings.Contains(have.Reason, "shards 2, 3 gave no answer") {
				t.Errorf("%s, %s: complete %v, reason %q", name, text, have.Complete, have.Reason)
			}
			have.Complete, have.Reason, have.TotalExact = want.Complete, want.Reason, want.TotalExact
			if h, w := answer(t, have), answer(t, want); h != w {
				t.Errorf("%s, %s:\nhave %s\nwant %s", name, text, h, w)
			}
		}
		if _, err := far.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, model.RecordID{Shard: 3, Index: 1 << 40}); !errors.Is(err, query.ErrIncomplete) || !strings.Contains(err.Error(), "shards 2, 3") {
			t.Errorf("%s: get from the failing leaf: %v", name, err)
		}
		if _, err := far.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, model.RecordID{Shard: 1, Index: 1 << 40}); !errors.Is(err, query.ErrNotFound) {
			t.Errorf("%s: get from the good leaf: %v", name, err)
		}
		hit := search(t, rest, query.Request{}).Hits[0]
		around, err := far.Context(t.Context(), query.Audience{Tenant: model.DefaultTenant}, hit.ID, 3, 3)
		if err != nil || around.Complete || !strings.Contains(around.Reason, "shards 2, 3") {
			t.Errorf("%s: context: %+v, %v", name, around, err)
		}
	}
}

// TestSlowLeaf checks that a leaf that does not answer in time is left behind,
// that the client's end ends the calls, and that leaves end before the root.
func TestSlowLeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(49, 1))
		shards := deal(t, random, randomRecords(random, 100), 3, 1)
		wait := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		config := query.Config{Time: 10 * time.Second}
		slow := &away{shards: shards, engine: query.New(nil, config), hook: wait}
		far := query.New(spread{shards: shards, at: []*away{nil, slow, slow}}, config)
		for _, text := range []string{"*", "* | stats count()"} {
			started := time.Now()
			result := search(t, far, query.Request{Text: text})
			if took := time.Since(started); took != config.Time || result.Complete || result.Reason != "shards 1, 2 gave no answer in time" || result.Total == 0 {
				t.Errorf("%s: after %s: complete %v, reason %q, total %d", text, took, result.Complete, result.Reason, result.Total)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := far.Search(ctx, query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: the client is gone: %v", text, err)
			}
			cancel()
		}
		// A leaf whose own reading takes too long answers what it has, in time.
		for i := range shards[1] {
			shards[1][i] = stuck{shards[1][i]}
		}
		slow.hook = nil
		started := time.Now()
		result := search(t, far, query.Request{Text: "* | stats count() by (level)"})
		if took := time.Since(started); took != 9*time.Second || result.Complete || result.Reason != "shards 1, 2: the time limit of 9s is over" || result.Total == 0 {
			t.Errorf("stuck leaf: after %s: complete %v, reason %q, total %d", took, result.Complete, result.Reason, result.Total)
		}
	})
}

// stuck is a part that is read until the time is over.
type stuck struct{ part.Part }

func (stuck) Columns(string) []part.Column { return []part.Column{stuckColumn{}} }

// stuckColumn is a column of a stuck part.
type stuckColumn struct{ part.Column }

func (stuckColumn) Kind() model.Kind { return model.String }
func (stuckColumn) Path() string     { return "level" }

func (stuckColumn) Counts(ctx context.Context, _ *index.DocSet) ([]part.ValueCount, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestRecordsThatVanish checks that records which are gone when the page is read
// are missing in it, and that the answer says so.
func TestRecordsThatVanish(t *testing.T) {
	random := rand.New(rand.NewPCG(51, 1))
	shards := deal(t, random, randomRecords(random, 100), 2, 1)
	leaf := &away{shards: slices.Clone(shards), engine: query.New(nil, query.Config{})}
	leaf.hook = func(context.Context) error {
		if leaf.calls == 2 {
			leaf.shards[1] = nil
		}
		return nil
	}
	far := query.New(spread{shards: shards, at: []*away{nil, leaf}}, query.Config{})
	result := search(t, far, query.Request{Text: "* | offset 5", Limit: 30})
	if result.Complete || !strings.Contains(result.Reason, "shard 1 gave no answer") || len(result.Hits) == 0 || len(result.Hits) >= 30 {
		t.Errorf("complete %v, reason %q, %d hits", result.Complete, result.Reason, len(result.Hits))
	}
	for _, hit := range result.Hits {
		if hit.ID.Shard != 0 || len(hit.Record.Fields) == 0 {
			t.Errorf("hit %s", hit.ID)
		}
	}
}

// TestBigRecordsOfLeaves checks pages whose records do not fit into an answer.
func TestBigRecordsOfLeaves(t *testing.T) {
	var records []model.Record
	for i := range 60 {
		records = append(records, model.Record{Time: day + int64(i), Fields: []model.Field{field("n", fmt.Sprint(i)), field("message", strings.Repeat("x", 400<<10))}})
	}
	shards := deal(t, rand.New(rand.NewPCG(53, 1)), records, 2, 3)
	leaf := &away{shards: shards, engine: query.New(nil, query.Config{})}
	far := query.New(spread{shards: shards, at: []*away{leaf, leaf}}, query.Config{})
	numbers, _ := pages(t, far, query.Request{Text: "*", Limit: 55})
	if want, _ := pages(t, query.New(shards, query.Config{}), query.Request{Text: "*", Limit: 55}); !slices.Equal(numbers, want) || leaf.calls < 4 {
		t.Errorf("after %d calls have %v, want %v", leaf.calls, numbers, want)
	}
}

// TestKeptAtLeaves checks that what parts keep answers leaf calls, and those of
// the node's own queries.
func TestKeptAtLeaves(t *testing.T) {
	random := rand.New(rand.NewPCG(55, 1))
	shards := deal(t, random, randomRecords(random, 200), 2, 1)
	kept := &remembering{Part: shards[1][0], kept: map[string]any{}}
	shards[1][0] = kept
	leaf := &away{shards: shards, engine: query.New(nil, query.Config{})}
	far := query.New(spread{shards: shards, at: []*away{nil, leaf}}, query.Config{})
	request := query.Request{Text: "* | stats count(), sum(duration), p90(duration), count_distinct(n) by (level)"}
	first, second := answer(t, search(t, far, request)), answer(t, search(t, far, request))
	own := answer(t, search(t, query.New(shards, query.Config{}), request))
	if first != second || first != own || kept.hits != 2 {
		t.Errorf("%d hits:\n%s\n%s\n%s", kept.hits, first, second, own)
	}
}

// TestPanicAtLeaf checks that a fault at a leaf does not end the root's query.
func TestPanicAtLeaf(t *testing.T) {
	random := rand.New(rand.NewPCG(57, 1))
	shards := deal(t, random, randomRecords(random, 50), 2, 1)
	shards[1][0] = broken{shards[1][0]}
	leaf := &away{shards: shards, engine: query.New(nil, query.Config{})}
	far := query.New(spread{shards: shards, at: []*away{nil, leaf}}, query.Config{})
	if result := search(t, far, query.Request{Text: "level:error"}); result.Complete || !strings.Contains(result.Reason, "shard 1 gave no answer: read shard 1") {
		t.Errorf("complete %v, reason %q", result.Complete, result.Reason)
	}
}
