package alert

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
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/triage"
)

// store has records that change, and counts what is asked about them.
type store struct {
	records []model.Record
	engine  *query.Engine
	asked   int
	from    int64 // the earliest time that a question with a condition was about
}

// Views implements query.Shards.
func (s *store) Views(context.Context, model.TenantID) ([]query.View, error) {
	data, err := block.Encode(nil, s.records)
	if err != nil {
		return nil, err
	}
	decoded, err := block.Decode(data)
	if err != nil {
		return nil, err
	}
	p, err := head.New(0, 1, decoded, nil)
	return []query.View{{Parts: []part.Part{p}}}, err
}

// Search implements Searcher.
func (s *store) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	if s.asked++; request.Text[0] != '*' {
		s.from = min(s.from, request.From)
	}
	return s.engine.Search(ctx, request)
}

// What is remembered of the buckets of a window gives what counting all of it gives,
// whatever comes, comes late and is removed; and what did not change is not asked about.
func TestOverlappingWindowsAreRemembered(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var rules []*triage.Rule
	for _, text := range []string{
		"id: groups\nevery: 1m\nwhen: {query: 'bad', by: [component, code], over: 5m, atLeast: 3}\nactions: [{notify: true}]",
		"id: all\nevery: 1m\nwhen: {query: 'bad level>=error', over: 5m, atMost: 4}\nactions: [{notify: true}]",
		"id: share\nevery: 2m\nwhen: {query: 'bad OR good', share: 'bad', by: [component], over: 10m, atLeast: 40}\nactions: [{notify: true}]",
		"id: part\nevery: 1m\nwhen: {query: 'code:*', share: 'good', by: [component], over: 5m, atLeast: 50}\nactions: [{notify: true}]",
		"id: more\nevery: 1m\nwhen: {query: 'good OR code:0', by: [level], over: 5m, atLeast: 3}\nactions: [{notify: true}]",
		"id: rate\nevery: 1m\nwhen: {query: 'bad', over: 3m, rate: true, atLeast: 0.05}\nactions: [{notify: true}]",
	} {
		r, err := triage.ParseRule([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	s := &store{}
	clock := time.Unix(1_790_000_040, 0)
	s.engine = query.New(s, query.Config{Now: func() time.Time { return clock }})
	kept := &Finder{Engine: s, Now: func() time.Time { return clock }, counts: &counts{}}
	plain := &Finder{Engine: s.engine, Now: kept.Now}
	add := func(ago time.Duration) {
		fields := []model.Field{
			{Name: "component", Kind: model.String, Text: fmt.Sprint("c", random.IntN(3))}, {Name: "level", Kind: model.String, Text: []string{"info", "error"}[random.IntN(2)]},
			{Name: "message", Kind: model.String, Text: []string{"bad", "good"}[random.IntN(2)]},
		}
		if random.IntN(3) > 0 {
			fields = append(fields, model.Field{Name: "code", Kind: model.Number, Text: fmt.Sprint(random.IntN(2))})
		}
		s.records = append(s.records, model.Record{Time: clock.Add(-ago).UnixNano(), Fields: fields})
	}
	found := 0
	look := func() {
		t.Helper()
		kept.counts.begin(rules)
		for _, r := range rules {
			end := clock.UnixNano() - clock.UnixNano()%int64(r.Every)
			got, err := kept.Find(t.Context(), tenant, r, end, nil)
			want, failed := plain.Find(t.Context(), tenant, r, end, nil)
			if err != nil || failed != nil {
				t.Fatal(err, failed)
			}
			for _, list := range [][]triage.Finding{got.Findings, want.Findings} {
				slices.SortFunc(list, func(a, b triage.Finding) int { return cmp.Compare(a.Group.Key(), b.Group.Key()) })
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s at %s: remembered\n%+v\nwant\n%+v", r.ID, clock, got, want)
			}
			found += len(want.Findings)
		}
	}
	for range 60 {
		for range random.IntN(12) {
			add(time.Duration(random.IntN(80)) * time.Second)
		}
		if random.IntN(4) == 0 {
			add(time.Duration(random.IntN(9)) * time.Minute) // late
		}
		if n := len(s.records); n > 0 && random.IntN(4) == 0 {
			at := random.IntN(n)
			s.records = slices.Delete(s.records, at, at+1)
		}
		clock = clock.Add(time.Minute)
		look()
		s.asked = 0
		if look(); s.asked > 3 { // one for each window and length of buckets
			t.Fatalf("asked %d times about what is known", s.asked)
		}
	}
	if found < 50 {
		t.Fatalf("only %d groups were found in all", found)
	}
	clock = clock.Add(time.Minute)
	add(70 * time.Second)
	s.from = clock.UnixNano()
	look()
	if ago := time.Duration(clock.UnixNano() - s.from); ago > 4*time.Minute {
		t.Errorf("asked about what came %s ago", ago)
	}
	kept.counts.forget()
	if look(); kept.counts.size == 0 || len(kept.counts.of) != len(rules) {
		t.Errorf("%d of %d rules are remembered", len(kept.counts.of), len(rules))
	}
}

// hasty comes to no end with questions of several rules for a while.
type hasty struct {
	*store
	left   int // such questions
	joined int // that were asked
}

// Search implements Searcher.
func (h *hasty) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	if strings.Contains(request.Text, " as n1") {
		if h.joined++; h.left > 0 {
			h.left--
			return &query.Result{Table: true, Reason: "no time"}, nil
		}
	}
	return h.store.Search(ctx, request)
}

// severalRules are some that can be asked for in one question.
func severalRules(t *testing.T) (rules []*triage.Rule) {
	for _, id := range []string{"a", "b", "c"} {
		r, err := triage.ParseRule([]byte("id: " + id + "\nevery: 1m\nwhen: {query: 'bad', over: 2m, by: [component], atLeast: 1}\nactions: [{notify: true}]"))
		if err != nil {
			t.Fatal(err)
		}
		r.When.Query += " OR " + id
		rules = append(rules, r)
	}
	return rules
}

// Where questions of several rules never come to an end, those of later buckets are asked once,
// until one does.
func TestVainTogether(t *testing.T) {
	clock := time.Unix(1_790_000_040, 0)
	rules, s := severalRules(t), &store{}
	s.engine = query.New(s, query.Config{Now: func() time.Time { return clock }})
	h := &hasty{store: s}
	f := &Finder{Engine: h, Now: func() time.Time { return clock }, counts: &counts{}}
	for minute, test := range []struct{ unfinished, rounds int }{{99, togetherTries}, {99, 1}, {99, 1}, {0, 0}, {99, togetherTries}} {
		clock = clock.Add(time.Minute)
		s.records = append(s.records, model.Record{Time: clock.Add(-30 * time.Second).UnixNano(), Fields: []model.Field{{Name: "component", Kind: model.String, Text: "x"}, {Name: "message", Kind: model.String, Text: "bad"}}})
		h.left, h.joined = test.unfinished, 0
		for round := range test.rounds + 1 {
			f.counts.begin(rules)
			for _, r := range rules {
				_, err := f.Find(t.Context(), tenant, r, clock.UnixNano(), nil)
				if errors.Is(err, errIncomplete) != (round < test.rounds) || err != nil && round == test.rounds {
					t.Fatalf("minute %d, round %d: %s: %v", minute, round, r.ID, err)
				}
			}
		}
		if want := max(1, test.rounds); h.joined != want {
			t.Errorf("minute %d: asked %d times for all, want %d", minute, h.joined, want)
		}
	}
}

// A question of several rules that comes to no end is asked once in a round, and again in
// the next ones; after some each rule is asked for alone. Nothing is counted of half an answer.
func TestUnfinishedTogether(t *testing.T) {
	clock := time.Unix(1_790_000_040, 0)
	rules, s := severalRules(t), &store{}
	s.engine = query.New(s, query.Config{Now: func() time.Time { return clock }})
	s.records = []model.Record{{Time: clock.Add(-30 * time.Second).UnixNano(), Fields: []model.Field{{Name: "component", Kind: model.String, Text: "x"}, {Name: "message", Kind: model.String, Text: "bad"}}}}
	for _, test := range []struct{ unfinished, rounds, joined int }{{0, 0, 1}, {1, 1, 2}, {togetherTries - 1, togetherTries - 1, togetherTries}, {99, togetherTries, togetherTries}} {
		h := &hasty{store: s, left: test.unfinished}
		f := &Finder{Engine: h, Now: func() time.Time { return clock }, counts: &counts{}}
		for round := range test.rounds + 1 {
			f.counts.begin(rules)
			for _, r := range rules {
				sample, err := f.Find(t.Context(), tenant, r, clock.UnixNano(), nil)
				if round < test.rounds {
					if !errors.Is(err, errIncomplete) {
						t.Fatalf("%+v: %s in round %d: %v, %v", test, r.ID, round, sample, err)
					}
					continue
				}
				if err != nil || len(sample.Findings) != 1 || sample.Findings[0].Value != 1 {
					t.Fatalf("%+v: %s: %+v, %v", test, r.ID, sample, err)
				}
			}
		}
		if h.joined != test.joined {
			t.Errorf("%+v: asked %d times for all", test, h.joined)
		}
	}
}

// What does not add up, or may mean something else later, is counted as a whole.
func TestWhatIsNotRemembered(t *testing.T) {
	f := &Finder{Now: time.Now, counts: &counts{}}
	for text, want := range map[string]bool{
		"{query: 'bad', over: 5m}":  true,
		"{query: 'bad', over: 1m}":  false,
		"{query: 'bad', over: 90s}": false,
		"{query: 'duration:*', measure: 'p95(duration)', over: 5m, atLeast: 1}": false,
		"{query: 'pattern:x', over: 5m}":                                        false,
		"{query: 'bad', by: [pattern_id], over: 5m}":                            false,
		"{query: 'bad', share: 'pattern:x', over: 5m, atLeast: 1}":              false,
		"{query: '_time:5m bad', over: 5m}":                                     false,
		"{query: 'bad', over: 5h}":                                              false,
	} {
		r, err := triage.ParseRule([]byte("id: one\nevery: 1m\nwhen: " + text + "\nactions: [{notify: true}]"))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := f.overlaps(r); got != want {
			t.Errorf("%s: remembered: %v", text, got)
		}
	}
}
