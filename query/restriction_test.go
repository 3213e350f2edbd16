package query_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/complete"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/learned"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
)

// dealTwice deals records, and once more without those that are not seen: every
// other record has the same id and place in both.
func dealTwice(t testing.TB, random *rand.Rand, records []model.Record, shards, parts int, seen func(*model.Record) bool) (all, rest shardSet) {
	t.Helper()
	dealt := make([][]model.Record, shards*parts)
	for _, record := range records {
		i := random.IntN(len(dealt))
		dealt[i] = append(dealt[i], record)
	}
	all, rest = make(shardSet, shards), make(shardSet, shards)
	for i, some := range dealt {
		if len(some) == 0 {
			continue
		}
		shard := i % shards
		all[shard] = append(all[shard], newPart(t, model.ShardID(shard), uint64(i+1), some))
		var dropped []head.Range
		for row := range some {
			if !seen(&some[row]) {
				dropped = append(dropped, head.Range{From: uint32(row), To: uint32(row + 1)})
			}
		}
		encoded, err := block.Encode(nil, some)
		if err != nil {
			t.Fatal(err)
		}
		b, err := block.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		p, err := head.New(model.ShardID(shard), uint64(i+1), b, dropped)
		if err != nil {
			t.Fatal(err)
		}
		rest[shard] = append(rest[shard], part.Part(p))
	}
	return all, rest
}

// bypasses are questions that try to see more: by queries inside, joins, unions,
// other names, other times, conditions that hold for everything.
func bypasses() []string {
	return []string{
		"* | union (* | limit 50)", "level:error | union (component:c1 | fields n, message)", "* OR NOT *", "NOT component:c1", "component:c2", "component:c1 OR component:c2",
		"* | rename component as x | where x == \"c2\"", "* | eval component = \"c1\" | stats count() by (component)", "n in (component:c2 | fields n)", "_id in (* | fields _id)",
		"* | stats count() by (component) | join component (* | stats count() as all by (component))", "* | join n (component:c2 | fields n, message)", "level:error | limit 3 | context 5",
		"* | stats count() by (_time:10s) | compare 20s", "* | stats count() by (level) | compare 30s", "* | dedup component", "* | dedup n | stats count()", "* | timeline by n", "* | facets", "* | top 20 component",
		"* | patterns", "component:* | stats values(component), count_distinct(component), min(n), max(n), sum(n)", "* | stats count_if(component:c2), count_if(n in (component:c2 | fields n))", "* | sort component desc | limit 20", "* | sample 0.5",
		// By fields that are made of others.
		"* | stats count() by (category)", "* | stats count() by (attack), values(detected_level)", "* | stats count() by (pattern_id)", "category in (component:c2 | fields category)",
		"* | fields n, category | join category (component:c2 | fields category, n)", "* | rename detected_level as x | where x == \"error\"", "NOT attack:*", "* | union (category:* | fields category, message)",
		"* | eval c = category | stats values(c)", "* | fields pattern, pattern_id, detected_level", "NOT category:* OR category:*",
		"* | fields component", "_time:>0 | stats first(component), last(component), example(component)", "* | histogram _time by 30s", "_id:0-1-0 OR _id:1-2-3",
	}
}

// TestRestriction asks for an audience that does not see every record, and for one
// that sees everything where the other records are not. The answers are the same,
// wherever shards are read, whatever is asked.
func TestRestriction(t *testing.T) {
	const restriction = `component:="c1" OR flag:=true OR _time:<"1970-01-01"`
	seen := func(r *model.Record) bool {
		component, _ := r.Get("component")
		flag, _ := r.Get("flag")
		return component.Text == "c1" || flag.Text == "true"
	}
	seeds := 8
	if testing.Short() {
		seeds = 2
	}
	asked, refused := 0, 0
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(77, seed))
		records := oddRecords(random, 30+random.IntN(400))
		all, rest := dealTwice(t, random, records, 1+random.IntN(4), 1+random.IntN(3), seen)
		now := time.Unix(0, day).Add(time.Minute)
		config := query.Config{Workers: 1 + random.IntN(3), CountTime: time.Hour, CountBrief: time.Hour, Now: func() time.Time { return now }}
		apart, _ := scatter(random, all, 1+random.IntN(3), config)
		whole := query.New(rest, config)
		texts := bypasses()
		for range 30 {
			texts = append(texts, "")
		}
		for _, restricted := range []*query.Engine{query.New(all, config), query.New(apart, config)} {
			for _, text := range texts {
				request := query.Request{Text: text, Limit: 50}
				if text == "" {
					request = randomRequest(random)
				}
				request.Tenant = model.DefaultTenant
				want, wantErr := whole.Search(t.Context(), request)
				request.Restriction = restriction
				got, err := restricted.Search(t.Context(), request)
				if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
					t.Fatalf("seed %d: %s: %v, want %v", seed, request.Text, err, wantErr)
				}
				if asked++; err != nil {
					refused++
					continue
				}
				got.NextCursor, want.NextCursor = "", "" // they are of one audience each
				if a, b := answer(t, got), answer(t, want); a != b {
					a, b = difference(a, b)
					t.Fatalf("seed %d: %s:\n%s\nwant\n%s", seed, request.Text, a, b)
				}
			}
			compareSeen(t, restricted, whole, records, all, restriction)
		}
	}
	if refused*3 > asked {
		t.Errorf("%d of %d questions were refused", refused, asked)
	}
	t.Logf("%d questions", asked)
}

// compareSeen compares what needs no text: records by id, those around, scans.
func compareSeen(t *testing.T, restricted, whole *query.Engine, records []model.Record, all shardSet, restriction string) {
	t.Helper()
	one, other := query.Audience{Tenant: model.DefaultTenant, Restriction: restriction}, query.Audience{Tenant: model.DefaultTenant}
	hidden := 0
	for shard := range all {
		for _, p := range all[shard] {
			ids, err := p.IDs(index.DocSetRange(0, p.Rows()))
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids[:min(len(ids), 40)] {
				got, err := restricted.Get(t.Context(), one, id)
				want, wantErr := whole.Get(t.Context(), other, id)
				if !errors.Is(err, wantErr) || err == nil && answer(t, got) != answer(t, want) {
					t.Fatalf("record %s: %v, %v, want %v, %v", id, got, err, want, wantErr)
				}
				around, err := restricted.Context(t.Context(), one, id, 3, 3)
				near, nearErr := whole.Context(t.Context(), other, id, 3, 3)
				if !errors.Is(err, nearErr) || err == nil && answer(t, around) != answer(t, near) {
					t.Fatalf("around %s: %v, want %v", id, err, nearErr)
				}
				if wantErr != nil {
					hidden++
				}
			}
		}
	}
	if hidden == 0 && len(records) > 100 {
		t.Error("no record is hidden: the test is blind")
	}
	read := func(engine *query.Engine, audience query.Audience) (list []query.Hit) {
		scan, err := engine.Scan(query.ScanRequest{Request: query.Request{Audience: audience, Text: "NOT component:c3"}})
		if err != nil {
			t.Fatal(err)
		}
		for {
			hits, err := scan.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(hits) == 0 {
				return list
			}
			list = append(list, hits...)
		}
	}
	if a, b := answer(t, read(restricted, one)), answer(t, read(whole, other)); a != b {
		t.Fatal("scans differ")
	}
	for _, text := range []string{"", "component:", "n:"} {
		a, err := complete.Complete(t.Context(), restricted, query.Request{Audience: one, Text: text}, len(text))
		b, err2 := complete.Complete(t.Context(), whole, query.Request{Audience: other, Text: text}, len(text))
		if err != nil || err2 != nil || answer(t, a) != answer(t, b) {
			t.Fatalf("completion of %q differs: %v %v", text, err, err2)
		}
	}
	for shard := range all {
		follow := func(engine *query.Engine) *query.Followed {
			end := model.MarkEnd(1 << 40)
			_, filter, err := query.FollowPlan("NOT component:c3", restriction, 5)
			if err != nil {
				t.Fatal(err)
			}
			found, err := engine.Follow(t.Context(), &query.FollowQuery{Tenant: model.DefaultTenant, Shard: model.ShardID(shard), Records: 1000, Filters: []query.FollowFilter{filter}}, all[shard], model.Mark{}, end, 0)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		got := follow(restricted)
		for i := range got.Records {
			if _, err := whole.Get(t.Context(), other, got.Records[i].ID); err != nil {
				t.Fatalf("a follower is shown %s: %v", got.Records[i].ID, err)
			}
		}
		if len(got.Records) == 0 && len(records) > 200 {
			t.Error("a follower is shown nothing")
		}
	}
}

// TestBadRestrictions shows nobody anything because of a restriction that is none.
func TestBadRestrictions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	shards := deal(t, random, oddRecords(random, 50), 2, 1)
	engine := query.New(shards, query.Config{})
	for _, text := range []string{"level:", "* | limit 5", "n in (* | fields n)", "/(/", "_id:x", strings.Repeat("(", 5000),
		"NOT model_label:secret", "a:b NOT (x:y OR client.geo.country_iso_code:DE)", "NOT NOT model_confidence>0.5", `-client.as.number:in(1, 2)`} {
		audience := query.Audience{Tenant: model.DefaultTenant, Restriction: text}
		_, searched := engine.Search(t.Context(), query.Request{Audience: audience, Text: "*"})
		_, got := engine.Get(t.Context(), audience, model.RecordID{Index: 1})
		_, around := engine.Context(t.Context(), audience, model.RecordID{Index: 1}, 1, 1)
		_, scanned := engine.Scan(query.ScanRequest{Request: query.Request{Audience: audience}})
		_, _, followed := query.FollowPlan("*", text, 0)
		for what, err := range map[string]error{"search": searched, "get": got, "context": around, "scan": scanned, "follow": followed, "check": query.CheckRestriction(text)} {
			if !errors.Is(err, query.ErrRestriction) {
				t.Errorf("%s with %.20q: %v", what, text, err)
			}
		}
	}
	if err := query.CheckRestriction(`userId:="x" OR (level>=warn AND host:a*)`); err != nil {
		t.Error(err)
	}
}

// TestCursorsOfOneAudience takes cursors and tokens to another audience.
func TestCursorsOfOneAudience(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 1))
	shards := deal(t, random, oddRecords(random, 200), 2, 1)
	engine := query.New(shards, query.Config{})
	request := query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: "*", Limit: 5}
	first, err := engine.Search(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	scan := query.ScanRequest{Request: request}
	token, err := scan.Token()
	if err != nil {
		t.Fatal(err)
	}
	request.Cursor = first.NextCursor
	for _, audience := range []query.Audience{{Tenant: "other"}, {Tenant: model.DefaultTenant, Restriction: "component:c1"}} {
		request.Audience = audience
		if _, err := engine.Search(t.Context(), request); !errors.Is(err, query.ErrCursor) {
			t.Errorf("the cursor for %+v: %v", audience, err)
		}
		scan := query.ScanRequest{Request: request}
		if err := scan.Resume(token); !errors.Is(err, query.ErrCursor) {
			t.Errorf("the token for %+v: %v", audience, err)
		}
	}
}

// TestChangingFields: every field that a model says, or files of places, is known to be
// one that may not be there.
func TestChangingFields(t *testing.T) {
	for _, name := range append(append([]string{"pattern_id", "pattern", "message"}, learned.Labels()...), derived.Names()...) {
		var m derived.Mentions
		m.Add(name)
		if changes := m.Located() || learned.MentionsOf(name).Labels(); changes != plan.Changing(name) {
			t.Errorf("%s changes: %t, taken for %t", name, changes, plan.Changing(name))
		}
	}
	for _, text := range []string{"model_label:public", "client.geo.country_iso_code:AT", "NOT attack:*", "NOT component:pay"} {
		if err := query.CheckRestriction(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
