package query_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
)

// remembering is a part that keeps what is computed of it.
type remembering struct {
	part.Part
	id   string
	head bool // like a block: more of them come while segments stay
	mu   sync.Mutex
	kept map[string]any
	hits int
}

func (r *remembering) Identity() string { return r.id }

func (r *remembering) Sealed() bool { return !r.head }

var _ part.Memo = (*remembering)(nil)

func (r *remembering) Memo(key string, make func() (any, int64, error)) (any, error) {
	r.mu.Lock()
	value, ok := r.kept[key]
	if ok {
		r.hits++
	}
	r.mu.Unlock()
	if ok {
		return value, nil
	}
	value, bytes, err := make() // which may ask for something else that is kept
	if err != nil || bytes < 0 {
		return value, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if bytes < 64 && !strings.HasPrefix(key, "derived ") {
		return nil, errors.New("a table of less than 64 bytes")
	}
	r.kept[key] = value
	return value, nil
}

// list is query.Shards that many may ask at once.
type list []part.Part

func (l list) Views(context.Context, model.TenantID) ([]query.View, error) {
	return []query.View{{Parts: l}}, nil
}

// TestLimitedTablesAreNotKept checks that a table of which computed values are missing is
// incomplete whenever it is asked for.
func TestLimitedTablesAreNotKept(t *testing.T) {
	random := rand.New(rand.NewPCG(31, 33))
	var parts list
	for i, p := range split(t, random, randomRecords(random, 3_000), 3).parts[model.DefaultTenant] {
		parts = append(parts, &remembering{Part: p, id: strconv.Itoa(i), kept: map[string]any{}})
	}
	engine := query.New(parts, query.Config{MemoryBytes: 60 << 10})
	for _, text := range []string{
		"* | eval x = concat(message, n, _id) | where x != null | stats count(), count_distinct(x)", "* | eval x = concat(message, n, _id) | stats count_distinct(x)",
	} {
		for range 2 {
			if result := search(t, engine, query.Request{Text: text}); result.Complete || !strings.Contains(result.Reason, "computed values") {
				t.Errorf("%s: complete %v, reason %q", text, result.Complete, result.Reason)
			}
		}
	}
}

// TestKeptTables checks that tables of parts that keep what was computed of
// them equal those of parts that do not: the first time, again, and for many
// questions that differ in one thing, asked at once; and that in the end what all
// parts amount to together is kept with one of them, as long as they are the same.
func TestKeptTables(t *testing.T) {
	random := rand.New(rand.NewPCG(31, 32))
	records := randomRecords(random, 3_000)
	plain := split(t, random, records, 5)
	var parts list
	for i, p := range plain.parts[model.DefaultTenant] {
		parts = append(parts, &remembering{Part: p, id: strconv.Itoa(i), kept: map[string]any{}})
	}
	texts := []string{
		"* | stats count()", "reset | stats count()", "message:reset | stats count()", "level:error | stats count()", "level:err* | stats count()",
		"* | stats count_distinct(duration)", "* | stats count_distinct(n)", "* | stats p99(duration)", "* | stats p50(duration)", "* | stats p99(n)",
		"* | stats p99(duration), p50(duration), count_distinct(duration), sum(duration), min(duration) by (component)",
		"* | stats p99(duration) by (level)", "* | stats count() by (level)", "* | stats count() by (_time:10s)", "* | stats count() by (_time:7s)",
		"* | top 3 component", "* | top 2 component", "* | stats count() by (_time:10s, level)", "nothing_has_this | stats count(), sum(n)",
		"* | stats max(_time), min(_time), count(_time), count_distinct(_time)", "* | stats count_distinct(duration) by (_time:10s)",
		"* | stats count_if(level:error)", "* | stats count_if(level:warn)", "* | stats count_if(level:error) by (component)", "* | stats stddev(duration)", "* | stats rate()", "* | stats rate(duration)",
		"* | stats max(n) by (_time:1mo)", "* | stats max(n) by (_time:20s offset 5s)", `* | stats max(n) by (_time:1d tz "+05:30")`, `* | stats max(n) by (_time:1d tz "+14:00")`,
		"* | stats count() by (duration:10)", "* | stats count() by (duration:20)", "* | facets 2 of level, component", "* | facets 2 of level, duration", "* | facets 2", "* | histogram _time buckets 9", "* | histogram _time buckets 4",
		"* | histogram duration", "* | patterns 3", "* | top 3 _pattern",
	}
	for _, config := range []query.Config{{}, {Distinct: 100, Values: 100, Groups: 4}} {
		want := make([]*query.Result, len(texts))
		for i, text := range texts {
			want[i] = search(t, query.New(plain, config), query.Request{Text: text})
		}
		engine := query.New(parts, config)
		var wait sync.WaitGroup
		for range 3 {
			for i, text := range texts {
				wait.Go(func() {
					have := search(t, engine, query.Request{Text: text})
					limited := config.Groups > 0 // which values fit, and how rounding goes, depends on the order of parts
					if !reflect.DeepEqual(have.Columns, want[i].Columns) && !limited || !limited && !sameRows(have.Rows, want[i].Rows) || have.Total != want[i].Total || have.Complete != want[i].Complete {
						t.Errorf("%s:\nhave %v %v\nwant %v %v", text, have.Columns, have.Rows, want[i].Columns, want[i].Rows)
					}
				})
			}
		}
		wait.Wait()
	}
	for _, p := range parts {
		if p.(*remembering).hits == 0 {
			t.Error("a part answered no question from what it keeps")
		}
	}
	engine := query.New(parts, query.Config{})
	for range 3 { // each share is kept, then all together, which then answers
		for _, p := range parts {
			p.(*remembering).hits = 0
		}
		for _, text := range texts {
			if have := search(t, engine, query.Request{Text: text}); have.Total == 0 && text[0] == '*' {
				t.Errorf("%s: nothing", text)
			}
		}
	}
	asked := 0
	for _, p := range parts {
		if hits := p.(*remembering).hits; hits > 0 {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d parts are asked for what they amount to together, want one", asked)
	}
	for _, text := range texts { // others are not answered from it
		have := search(t, query.New(parts[1:], query.Config{}), query.Request{Text: text})
		want := search(t, query.New(list(plain.parts[model.DefaultTenant][1:]), query.Config{}), query.Request{Text: text})
		if !sameRows(have.Rows, want.Rows) || have.Total != want.Total {
			t.Errorf("%s without the first part:\nhave %v\nwant %v", text, have.Rows, want.Rows)
		}
	}
}

// TestKeptBesideHead checks that blocks of the head, which keep what they amount to as
// segments do, are counted once beside segments of which it is kept together: also when
// more blocks come, and the same segments are there.
func TestKeptBesideHead(t *testing.T) {
	random := rand.New(rand.NewPCG(33, 34))
	plain := split(t, random, randomRecords(random, 1_000), 6).parts[model.DefaultTenant]
	var parts list
	for i, p := range plain {
		parts = append(parts, &remembering{Part: p, id: strconv.Itoa(i), head: i >= 4, kept: map[string]any{}})
	}
	if len(parts) < 6 {
		t.Fatalf("%d parts", len(parts))
	}
	for _, text := range []string{"* | stats count()", "* | stats count(), sum(duration) by (level)", "* | top 3 component", "* | facets 2 of level"} {
		for n := 4; n <= len(parts); n++ { // a block more each time
			want := search(t, query.New(list(plain[:n]), query.Config{}), query.Request{Text: text})
			for round := range 4 { // computed, kept, kept together, answered from that
				have := search(t, query.New(parts[:n], query.Config{}), query.Request{Text: text})
				if !sameRows(have.Rows, want.Rows) || have.Total != want.Total {
					t.Errorf("%s, %d parts, round %d:\nhave %d %v\nwant %d %v", text, n, round, have.Total, have.Rows, want.Total, want.Rows)
				}
			}
		}
		for n := 5; n <= len(parts); n++ { // the other way round: what is kept first is kept beside blocks
			want := search(t, query.New(list(plain[1:n]), query.Config{}), query.Request{Text: text})
			for round := range 4 {
				have := search(t, query.New(parts[1:n], query.Config{}), query.Request{Text: text})
				if !sameRows(have.Rows, want.Rows) || have.Total != want.Total {
					t.Errorf("%s, parts 1 to %d, round %d:\nhave %d %v\nwant %d %v", text, n, round, have.Total, have.Rows, want.Total, want.Rows)
				}
			}
		}
	}
}

// TestBundles asks about more and more segments, and about fewer again: what bundles of
// them amount to is kept, and never stands for others.
func TestBundles(t *testing.T) {
	random := rand.New(rand.NewPCG(35, 36))
	plain := split(t, random, randomRecords(random, 3_000), 40).parts[model.DefaultTenant]
	var parts list
	for i, p := range plain {
		parts = append(parts, &remembering{Part: p, id: strconv.Itoa(i), kept: map[string]any{}})
	}
	if len(parts) < 40 {
		t.Fatalf("%d parts", len(parts))
	}
	for _, text := range []string{"* | stats count(), sum(duration), values(level) by (component)", "level:error | stats count() by (_time:1m)", "* | stats count_distinct(message), max(duration)"} {
		for range 60 {
			from := random.IntN(len(parts) - 3)
			to := from + 3 + random.IntN(len(parts)-from-2)
			want := search(t, query.New(list(plain[from:to]), query.Config{}), query.Request{Text: text})
			for range 2 {
				have := search(t, query.New(parts[from:to], query.Config{}), query.Request{Text: text})
				if !sameRows(have.Rows, want.Rows) || have.Total != want.Total {
					t.Fatalf("%s, parts %d to %d:\nhave %d %v\nwant %d %v", text, from, to, have.Total, have.Rows, want.Total, want.Rows)
				}
			}
		}
	}
	hits := 0
	for _, p := range parts {
		hits += p.(*remembering).hits
	}
	if hits == 0 {
		t.Error("nothing was answered from what is kept")
	}
}

// TestRemember prepares tables together, over windows that parts are in, partly in or not
// in: each is then what it is otherwise, and nothing is computed again for it of a part
// that is in the window.
func TestRemember(t *testing.T) {
	random := rand.New(rand.NewPCG(37, 38))
	records := randomRecords(random, 3_000)
	plain := split(t, random, records, 6)
	texts := []string{
		"reset | stats count()", "(reset OR timeout) user | stats count() by (component)", "category:network | stats count()",
		`"by peer" | extract /(?P<who>peer) / | where who != null | stats count(), min(_time) by (who, _time:5s)`, "NOT reset | stats count_distinct(duration) by (level)",
		"reset", "reset | sort by duration | limit 3", "component in (reset | top 2 component) | stats count()", "* | stats count() | where 1 = 2",
	}
	first, last := records[0].Time, records[0].Time
	for _, record := range records {
		first, last = min(first, record.Time), max(last, record.Time)
	}
	for round := range 12 {
		from, to := int64(0), int64(0)
		if round > 0 {
			from = first + random.Int64N(last-first)
			to = from + random.Int64N(last-from) + 1
		}
		var parts list
		for i, p := range plain.parts[model.DefaultTenant] {
			parts = append(parts, &remembering{Part: p, id: strconv.Itoa(i), kept: map[string]any{}})
		}
		parts = append(parts, plain.parts[model.DefaultTenant][0]) // which keeps nothing
		engine, naive := query.New(parts, query.Config{}), query.New(append(list(plain.parts[model.DefaultTenant]), plain.parts[model.DefaultTenant][0]), query.Config{})
		var requests []query.Request
		for _, text := range texts {
			requests = append(requests, query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text, From: from, To: to})
		}
		if err := engine.Remember(t.Context(), requests); err != nil {
			t.Fatal(err)
		}
		prepared, whole := 0, 0
		for _, p := range parts[:len(parts)-1] {
			first, last := p.TimeRange()
			if to == 0 || first >= from && last < to {
				whole++
			}
			prepared += len(p.(*remembering).kept)
		}
		if (prepared > 0) != (whole > 0) {
			t.Errorf("round %d: %d answers are kept of %d parts in the window", round, prepared, whole)
		}
		for i, request := range requests {
			for _, p := range parts[:len(parts)-1] {
				p.(*remembering).hits = 0
			}
			have, want := search(t, engine, request), search(t, naive, request)
			if !reflect.DeepEqual(have.Columns, want.Columns) || !sameRows(have.Rows, want.Rows) || have.Total != want.Total || len(have.Hits) != len(want.Hits) || have.Complete != want.Complete {
				t.Errorf("round %d: %s:\nhave %v %v\nwant %v %v", round, request.Text, have.Columns, have.Rows, want.Columns, want.Rows)
			}
			if i > 4 || whole < 6 {
				continue
			}
			for _, p := range parts[:len(parts)-1] {
				if p.(*remembering).hits == 0 {
					t.Errorf("round %d: %s is computed again of a part", round, request.Text)
				}
			}
		}
	}
	engine := query.New(list(plain.parts[model.DefaultTenant]), query.Config{})
	wrong := query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: "reset | stats count( by"}
	if err := engine.Remember(t.Context(), []query.Request{wrong, wrong}); err == nil {
		t.Error("a text that is no query can be prepared")
	}
}
