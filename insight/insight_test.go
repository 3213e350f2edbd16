package insight_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
)

// shard is query.Shards with one part.
type shard struct{ part part.Part }

func (s shard) Views(context.Context, model.TenantID) ([]query.View, error) {
	return []query.View{{Parts: []part.Part{s.part}}}, nil
}

// now is the moment at which the tests ask: a Wednesday.
var now = time.Date(2024, 5, 15, 12, 0, 0, 0, time.UTC)

// source writes records of a made up system.
type source struct {
	records []model.Record
	places  func() derived.Places
}

// add adds n records that end so long before now, a second apart.
func (s *source) add(ago time.Duration, n int, pairs ...string) {
	for i := range n {
		r := model.Record{Time: now.Add(-ago).Add(time.Duration(i) * time.Second).UnixNano()}
		for p := 0; p < len(pairs); p += 2 {
			kind := model.String
			if pairs[p] == "duration" {
				kind = model.Number
			}
			r.Fields = append(r.Fields, model.Field{Name: pairs[p], Kind: kind, Text: strings.ReplaceAll(pairs[p+1], "#", fmt.Sprint(i))})
		}
		s.records = append(s.records, r)
	}
}

// service returns a service over the records.
func (s *source) service(t *testing.T) *insight.Service {
	t.Helper()
	return insight.New(s.engine(t), nil, func() time.Time { return now })
}

// engine returns one that has the records.
func (s *source) engine(t *testing.T) *query.Engine {
	t.Helper()
	data, err := block.Encode(nil, s.records)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := block.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := head.New(0, 1, decoded, nil)
	if err != nil {
		t.Fatal(err)
	}
	return query.New(shard{p}, query.Config{Now: func() time.Time { return now }, Places: s.places})
}

// scope is the last 24 hours.
func scope() insight.Scope {
	return insight.Scope{Audience: query.Audience{Tenant: model.DefaultTenant}, Window: insight.Last(24*time.Hour, now)}
}

// ordinary writes eight days of a system in which nothing is remarkable.
func ordinary() *source {
	s := &source{}
	for hour := range 8 * 24 {
		ago := time.Duration(hour)*time.Hour + 30*time.Minute
		s.add(ago, 20, "level", "info", "component", "web", "endpoint", "/login", "duration", "45", "message", "GET /login took # ms")
		s.add(ago, 10, "level", "info", "component", "db", "message", "checkpoint # done")
		if hour%3 == 0 {
			s.add(ago, 1, "level", "error", "component", "db", "message", "cannot lock table t#")
		}
	}
	return s
}

func TestSummary(t *testing.T) {
	s := ordinary()
	s.add(time.Hour, 5, "level", "error", "component", "pay", "category", "payment", "endpoint", "/pay", "duration", "2500", "message", "card # refused")
	s.add(time.Hour, 2, "level", "warn", "component", "jvm", "message", "heap is at 9# %")
	have, err := s.service(t).Summary(t.Context(), insight.SummaryRequest{Scope: scope(), GroupBy: []string{"component"}, Patterns: true})
	if err != nil {
		t.Fatal(err)
	}
	// 24 hours of 30 records, 8 errors, and what was added.
	if have.Summary.TotalLogs != 24*30+8+7 || have.Summary.UniqueComponents != 4 || have.Summary.UniqueEndpoints != 2 || !have.Complete {
		t.Errorf("totals: %+v", have.Summary)
	}
	text, err := json.Marshal(have.Summary.SeverityBreakdown)
	if string(text) != `{"info":720,"error":13,"warn":2}` || err != nil {
		t.Errorf("levels: %s, %v", text, err)
	}
	text, err = json.Marshal(have.Summary.CategoryBreakdown)
	if string(text) != `{"authentication":480,"database":248,"payment":5,"performance":2}` || err != nil {
		t.Errorf("categories: %s, %v", text, err)
	}
	if first := have.GroupedData[0]; first.Name != "web" || first.Value.Count != 480 || first.Value.Share != 65.31 || first.Value.LastSeen == nil {
		t.Errorf("groups: %+v", have.GroupedData)
	}
	if n := len(have.Distributions.Time); n != 24 || have.Distributions.Time[7].Hour != "07" || have.Distributions.Time[7].Count != 30 {
		t.Errorf("hours: %+v", have.Distributions.Time)
	}
	if d := have.Distributions.Duration; d.Count != 485 || *d.Max != 2500 || *d.Min != 45 {
		t.Errorf("durations: %+v", d)
	}
	if p := have.Performance; p.SlowQueries.Count != 5 || len(p.SlowQueries.Examples) != 5 || p.SlowQueries.Examples[0].Component != "pay" || *p.SlowQueries.Examples[0].Duration != 2500 || p.MemoryIssues.Count != 2 {
		t.Errorf("performance: %+v", p)
	}
	if e := have.Errors; e.TotalErrors != 13 || e.ErrorRate != 1.77 || len(e.RecentErrors) != 10 || e.TopErrorPatterns[0].Value.Count != 8 || e.TopErrorPatterns[0].Value.Severity != "error" ||
		!slices.Equal(e.TopErrorPatterns[0].Value.Components, []string{"db"}) || !slices.Equal(e.TopErrorPatterns[1].Value.Components, []string{"pay"}) {
		t.Errorf("errors: %+v", e)
	}
	if have.Patterns == nil || len(have.Patterns.RepeatingMessages) != 4 || have.Patterns.RepeatingMessages[0].Novelty != "steady" || have.Patterns.RepeatingMessages[0].Components[0] != "web" {
		t.Errorf("patterns: %+v", have.Patterns)
	}
	for _, p := range have.Patterns.RepeatingMessages {
		var sum int64
		for _, n := range p.Trend {
			sum += n
		}
		if len(p.Trend) != 24 || sum != p.Count || len(p.ID) != 16 {
			t.Errorf("pattern %s %q has %d records, its trend %v", p.ID, p.Pattern, p.Count, p.Trend)
		}
	}
}

func TestTrends(t *testing.T) {
	s := ordinary()
	s.add(5*time.Hour, 100, "level", "error", "component", "web", "message", "refused #")
	request := insight.TrendsRequest{Scope: scope(), Interval: time.Hour, Metrics: []string{"count", "errors", "severity", "performance", "p90(duration)"}, Compare: true}
	have, err := s.service(t).Trends(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if len(have.Buckets) != 25 || have.Interval != "1h" || len(have.Trends) != 5 || len(have.Previous[0].Value) != 25 {
		t.Fatalf("%d buckets, interval %s, %d trends", len(have.Buckets), have.Interval, len(have.Trends))
	}
	for _, c := range []struct {
		metric string
		bucket int
		want   float64
	}{{"count", 3, 30}, {"count", 19, 130}, {"count", 24, 0}, {"errors", 3, 0}, {"errors", 19, 100}, {"severity", 3, 2}, {"severity", 19, 3.54}, {"performance", 3, 45}, {"p90(duration)", 3, 45}} {
		points, _ := have.Trends.Get(c.metric)
		if v := points[c.bucket].Value; v == nil || *v != c.want {
			t.Errorf("%s of bucket %d: have %v, want %v", c.metric, c.bucket, v, c.want)
		}
	}
	if points, _ := have.Trends.Get("performance"); points[24].Value != nil {
		t.Errorf("a bucket without records has a performance: %v", *points[24].Value)
	}
	if change, _ := have.Change.Get("count"); *change.Current != 828 || *change.Previous != 728 || *change.Percent != 13.74 {
		t.Errorf("change: %v", change)
	}
	for _, wrong := range []insight.TrendsRequest{
		{Scope: scope(), Interval: time.Millisecond}, {Scope: scope(), Interval: time.Second},
		{Scope: scope(), Interval: time.Hour, Metrics: []string{"speed"}}, {Scope: scope(), Interval: time.Hour, Metrics: []string{"count() by (x)"}},
		{Scope: scope(), Interval: time.Hour, Metrics: []string{"count() | limit 1"}},
	} {
		var fault *insight.ParamError
		if _, err := s.service(t).Trends(t.Context(), wrong); !errors.As(err, &fault) {
			t.Errorf("%v %v: have %v", wrong.Interval, wrong.Metrics, err)
		}
	}
}

// TestInsights checks each kind of insight: that it is found where it is, and
// that nothing is found where there is nothing.
func TestInsights(t *testing.T) {
	for _, c := range []struct {
		want string
		add  func(*source)
	}{
		{"", func(*source) {}},
		{"error_spike", func(s *source) {
			s.add(2*time.Hour, 60, "level", "error", "component", "db", "message", "cannot lock table t#")
		}},
		{"new_error_pattern", func(s *source) {
			s.add(2*time.Hour, 4, "level", "error", "component", "web", "message", "no route to host # found")
		}},
		{"performance_degradation", func(s *source) {
			s.add(2*time.Hour, 10, "level", "info", "endpoint", "/slow", "duration", "12000", "message", "GET /slow took # ms")
		}},
		{"performance_variability", func(s *source) {
			s.add(2*time.Hour, 20, "level", "info", "endpoint", "/odd", "duration", "#0", "message", "GET /odd took # ms")
			s.add(3*time.Hour, 3, "level", "info", "endpoint", "/odd", "duration", "900", "message", "GET /odd took # ms")
		}},
		{"potential_brute_force", func(s *source) {
			s.add(2*time.Hour, 12, "level", "info", "component", "sshd", "metadata.ip", "10.9.9.9", "message", "Failed password for root port #")
		}},
		{"security_threat", func(s *source) {
			s.add(2*time.Hour, 1, "level", "info", "component", "web", "message", "GET /item?id=1 UNION SELECT name FROM users")
		}},
		{"component_silent", func(s *source) {
			s.add(30*time.Hour, 120, "level", "info", "component", "mail", "message", "sent #")
		}},
		{"capacity_prediction", func(s *source) {
			s.add(20*time.Hour, 900, "level", "info", "component", "db", "message", "checkpoint # done")
		}},
		{"component_health_issue", func(s *source) {
			s.add(2*time.Hour, 12, "level", "error", "component", "cache", "message", "cannot lock table t#")
		}},
	} {
		s := ordinary()
		c.add(s)
		have, err := s.service(t).Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
		if err != nil || !have.Complete {
			t.Fatalf("%s: %v, %+v", c.want, err, have)
		}
		found := false
		for _, one := range have.Insights {
			found = found || one.Type == c.want
			if query, err := syntax.Parse(one.Query); err != nil || len(query.Pipes) > 0 {
				t.Errorf("%s: the query %q of %s cannot be asked: %v", c.want, one.Query, one.Type, err)
			}
		}
		if found != (c.want != "") || c.want == "" && len(have.Insights) > 0 || len(have.Recommendations) > len(have.Insights) {
			text, _ := json.MarshalIndent(have.Insights, "", " ")
			t.Errorf("want %q, have %s", c.want, text)
		}
	}
}

// counting counts the questions that are asked of an engine.
type counting struct {
	*query.Engine
	asked int
}

func (c *counting) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	c.asked++
	return c.Engine.Search(ctx, request)
}

// TestOnlySomeTypes: whoever looks for one type gets what all insights have of it, as they
// have it, and fewer questions are asked.
func TestOnlySomeTypes(t *testing.T) {
	s := ordinary()
	s.add(2*time.Hour, 60, "level", "error", "component", "db", "message", "cannot lock table t#")
	s.add(2*time.Hour, 12, "level", "error", "component", "web", "message", "no route to host # found")
	s.add(2*time.Hour, 10, "level", "info", "endpoint", "/slow", "duration", "12000", "message", "GET /slow took # ms")
	s.add(2*time.Hour, 14, "level", "info", "component", "portal", "userId", "eve", "ip", "10.9.9.8", "message", "login failed, try #")
	s.add(2*time.Hour, 7, "component", "sshd", "message", "Failed password for bob from 10.9.9.6 port 4#2 ssh2")
	s.add(2*time.Hour-10*time.Minute, 1, "component", "sshd", "message", "Accepted password for bob from 10.9.9.6 port 5#2 ssh2")
	s.add(2*time.Hour, 1, "level", "info", "component", "web", "message", "GET /item?id=1 UNION SELECT name FROM users")
	s.add(30*time.Hour, 120, "level", "info", "component", "mail", "message", "sent #")
	s.add(3*time.Hour, 900, "level", "info", "component", "db", "message", "checkpoint # done")
	engine := &counting{Engine: s.engine(t)}
	service := insight.New(engine, nil, func() time.Time { return now })
	look := func(types ...string) (map[string]string, int) {
		engine.asked = 0
		have, err := service.Insights(t.Context(), insight.InsightsRequest{Scope: scope(), Types: types})
		if err != nil || !have.Complete {
			t.Fatal(types, err, have)
		}
		found := map[string]string{}
		for _, one := range have.Insights {
			one.Metadata = nil
			text, err := json.Marshal(one)
			if err != nil {
				t.Fatal(err)
			}
			found[one.Type] += string(text) + "\n"
		}
		return found, engine.asked
	}
	all, asked := look()
	if len(all) < 8 {
		t.Errorf("the store has only %d types of insights", len(all))
	}
	for _, one := range insight.Types() {
		have, fewer := look(one)
		if have[one] != all[one] {
			t.Errorf("%s:\n%s\nwant\n%s", one, have[one], all[one])
		}
		if fewer >= asked {
			t.Errorf("%s: %d questions, %d for all", one, fewer, asked)
		}
	}
	if _, few := look("security_threat"); few > 4 {
		t.Errorf("%d questions for marks of attacks", few)
	}
}

// TestNothingIsUsualWithoutHistory checks that a store that has just begun does
// not take everything for new and for a spike.
func TestNothingIsUsualWithoutHistory(t *testing.T) {
	s := &source{}
	s.add(2*time.Hour, 400, "level", "info", "component", "db", "message", "checkpoint # done")
	s.add(2*time.Hour, 30, "level", "error", "component", "web", "message", "no route to host # found")
	have, err := s.service(t).Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range have.Insights {
		if one.Type == "error_spike" || one.Type == "new_error_pattern" {
			t.Errorf("have %s: %s", one.Type, one.Message)
		}
	}
}

// TestNewErrorsSayWhatIsKnown: a new error is told with how far back it is known that it
// was not there.
func TestNewErrorsSayWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		before time.Duration // the window, of a day, begins
		want   string
	}{
		{20 * time.Minute, "in the 20 min before, since"}, {5 * time.Hour, "in the 5 hours before, since"},
		{3 * 24 * time.Hour, "in the 3 days before, since"}, {7 * 24 * time.Hour, "in the 7 days before came"},
	} {
		s := &source{}
		s.add(24*time.Hour+c.before, 1, "level", "info", "component", "db", "message", "checkpoint # done")
		s.add(2*time.Hour, 30, "level", "error", "component", "web", "message", "no route to host # found")
		have, err := s.service(t).Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, one := range have.Insights {
			if one.Type == "new_error_pattern" {
				said = one.Message
			}
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%v of history: %q", c.before, said)
		}
	}
}

// TestUsualOfShortHistory: what is usual in an hour is the mean of the days that there
// were, and unknown where there was none.
func TestUsualOfShortHistory(t *testing.T) {
	for _, hours := range []int{12, 3 * 24} {
		for _, errors := range []int{25, 200} {
			s := &source{}
			for hour := range hours {
				s.add(time.Duration(hour)*time.Hour+30*time.Minute, 20+hour%2, "level", "error", "component", "db", "message", "cannot lock table t#")
			}
			s.add(10*time.Minute, errors-20, "level", "error", "component", "db", "message", "cannot lock table t#")
			asked := scope()
			asked.Window = insight.Last(time.Hour, now)
			have, err := s.service(t).Insights(t.Context(), insight.InsightsRequest{Scope: asked, Types: []string{"error_spike"}})
			if err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(have.Insights, func(one insight.Insight) bool { return one.Type == "error_spike" })
			if told != (hours > 24 && errors == 200) {
				t.Errorf("%d errors after %d hours of 20 each: %+v", errors, hours, have.Insights)
			}
		}
	}
}

// TestFaults checks that bad conditions are refused with their place.
func TestFaults(t *testing.T) {
	service := ordinary().service(t)
	for _, text := range []string{"(", "a | stats count()"} {
		bad := scope()
		bad.Query = text
		var fault *syntax.Error
		if _, err := service.Summary(t.Context(), insight.SummaryRequest{Scope: bad}); !errors.As(err, &fault) {
			t.Errorf("%s: have %v", text, err)
		}
	}
	for _, text := range []string{"", "soon", "-1h", "9999w"} {
		var fault *insight.ParamError
		if _, err := insight.ParseTimeframe(text, now); !errors.As(err, &fault) {
			t.Errorf("%q: have %v", text, err)
		}
	}
}

// TestMarksOfAttacks tells attacks, however they are written, and nothing that only has
// words of them.
func TestMarksOfAttacks(t *testing.T) {
	s := &source{}
	s.add(2*time.Hour, 30, "level", "info", "component", "web", "message", "csrf token of session # renewed by xss filter")
	s.add(2*time.Hour, 30, "level", "info", "component", "app", "message", "JNDI name java:comp/env# bound, see /etc/passwd")
	told := func() (messages []string) {
		have, err := s.service(t).Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range have.Insights {
			if one.Type == "security_threat" {
				messages = append(messages, one.Message)
			}
		}
		return messages
	}
	if have := told(); len(have) > 0 {
		t.Errorf("words alone: %q", have)
	}
	s.add(time.Hour, 2, "level", "info", "component", "web", "message", "GET /search?q=%27%20UNION%20SELECT%20password%20FROM%20users--%20# HTTP/1.1")
	s.add(time.Hour, 1, "level", "info", "component", "web", "message", `GET /?x=\u003cscript\u003ealert(#)\u003c/script\u003e HTTP/1.1`)
	if have := told(); len(have) != 1 || have[0] != "3 records have the marks of an attack on a web application: sql_injection, xss" {
		t.Errorf("%q", have)
	}
}

// TestManyGroups checks that a question makes no more groups than it may, and that
// an answer without all of them says so.
func TestManyGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a hundred thousand records")
	}
	s := &source{}
	for component := range 101 {
		s.add(20*time.Hour, 1000, "component", fmt.Sprintf("c%d-#", component), "message", "the same", "level", "error")
	}
	have, err := s.service(t).Patterns(t.Context(), insight.PatternsRequest{Scope: scope()})
	if err != nil {
		t.Fatal(err)
	}
	if have.Complete || !strings.Contains(have.Reason, "groups") {
		t.Errorf("complete %v: %s", have.Complete, have.Reason)
	}
	if len(have.RepeatingMessages) == 0 || have.RepeatingMessages[0].Pattern != "the same" || have.RepeatingMessages[0].Count != 101_000 {
		t.Errorf("%+v", have.RepeatingMessages)
	}
}

// TestSummaryOfDetectedLevels counts records that came without a level by the one that
// their text tells.
func TestSummaryOfDetectedLevels(t *testing.T) {
	s := &source{}
	s.add(time.Hour, 3, "message", "it is fine #", "level", "info")
	s.add(time.Hour, 4, "message", "ERROR: payment # went wrong") // words speak for a category
	s.add(time.Hour, 5, "message", "no level # at all")
	s.add(time.Hour, 6, "message", "INFO  request # done")
	have, err := s.service(t).Summary(t.Context(), insight.SummaryRequest{Scope: scope()})
	if err != nil {
		t.Fatal(err)
	}
	levels, err := json.Marshal(have.Summary.SeverityBreakdown)
	if want := `{"info":9,"none":5,"error":4}`; err != nil || string(levels) != want || have.Errors.TotalErrors != 4 {
		t.Errorf("%v: %s, %d errors, want %s", err, levels, have.Errors.TotalErrors, want)
	}
}

// TestPatternsOfSeverity asks for patterns of a severity that are less frequent than as
// many others as are wanted.
func TestPatternsOfSeverity(t *testing.T) {
	s := &source{}
	s.add(time.Hour, 40, "message", "it goes well", "level", "info")
	s.add(time.Hour, 30, "message", "it still goes well", "level", "info")
	s.add(time.Hour, 5, "message", "it went wrong", "level", "error")
	s.add(time.Hour, 4, "message", "something else went wrong", "level", "error")
	s.add(time.Hour, 4, "message", "WARN  it may go wrong")
	s.add(time.Hour, 5, "message", "PANIC it is dead")
	for _, severity := range []string{"error", insight.High} {
		have, err := s.service(t).Patterns(t.Context(), insight.PatternsRequest{Scope: scope(), Limit: 1, Severity: severity})
		if err != nil || len(have.RepeatingMessages) != 1 || have.RepeatingMessages[0].Pattern != "it went wrong" {
			t.Errorf("%s: %v, %+v", severity, err, have.RepeatingMessages)
		}
	}
	// Records that came without a level have the one that their text tells.
	for severity, want := range map[string]string{"warn": "WARN it may go wrong", insight.Critical: "PANIC it is dead"} {
		have, err := s.service(t).Patterns(t.Context(), insight.PatternsRequest{Scope: scope(), Severity: severity})
		if err != nil || len(have.RepeatingMessages) != 1 || have.RepeatingMessages[0].Pattern != want || len(have.RepeatingMessages[0].Levels) != 1 {
			t.Errorf("%s: %v, %+v", severity, err, have.RepeatingMessages)
		}
	}
}

// TestParameters asks what stands at the stars of patterns, of few records and of so many that
// only some are looked at.
func TestParameters(t *testing.T) {
	s := &source{}
	s.add(time.Hour, 40, "component", "sshd", "message", "Failed password for root from 10.0.0.# port 4#2 ssh2")
	s.add(3*time.Hour, 9_000, "component", "db", "message", "checkpoint # done")
	for _, wanted := range []bool{false, true} {
		have, err := s.service(t).Patterns(t.Context(), insight.PatternsRequest{Scope: scope(), Parameters: wanted})
		if err != nil || len(have.RepeatingMessages) != 2 || !have.Complete {
			t.Fatalf("%v, %+v", err, have)
		}
		for _, p := range have.RepeatingMessages {
			switch {
			case !wanted && p.Parameters != nil || wanted && p.Parameters == nil:
				t.Errorf("wanted %t: %+v", wanted, p.Parameters)
			case p.Parameters == nil:
			case p.Count == 40:
				if got := p.Parameters; got.Records != 40 || got.Unmatched != 0 || len(got.Positions) < 2 || got.Positions[0].Type != "address" || got.Positions[0].Distinct.Estimate != 40 || !got.Positions[0].Distinct.Exact {
					t.Errorf("%s: %+v", p.Pattern, got)
				}
			default:
				got := p.Parameters
				if got.Of != 9_000 || got.Records < 1_500 || got.Records > 4_000 || len(got.Positions) != 1 || got.Positions[0].Numbers == nil {
					t.Fatalf("%s: %+v", p.Pattern, got)
				}
				if d := got.Positions[0].Distinct; d.Exact || d.Low > 9_000 || d.High < 9_000 || d.Estimate < 3_000 {
					t.Errorf("%s: %+v", p.Pattern, d)
				}
			}
		}
	}
}

// TestTrendOfYears: the stretches of a window of any length have all records.
func TestTrendOfYears(t *testing.T) {
	s := &source{}
	for _, ago := range []time.Duration{time.Minute, time.Hour, 20 * 24 * time.Hour, 500 * 24 * time.Hour, 3_000 * 24 * time.Hour, 6_000 * 24 * time.Hour} {
		s.add(ago, 7, "message", "checkpoint # done")
	}
	for _, c := range []struct {
		days    int
		records int64
	}{{1, 14}, {30, 21}, {600, 28}, {700, 28}, {5_000, 35}, {8_000, 42}} {
		request := insight.PatternsRequest{Scope: scope()}
		request.Window = insight.Last(time.Duration(c.days)*24*time.Hour, now)
		have, err := s.service(t).Patterns(t.Context(), request)
		if err != nil || len(have.RepeatingMessages) != 1 {
			t.Fatalf("%d days: %v", c.days, err)
		}
		var sum int64
		for _, n := range have.RepeatingMessages[0].Trend {
			sum += n
		}
		if p := have.RepeatingMessages[0]; p.Count != c.records || sum != c.records || p.Trend[23] < 14 {
			t.Errorf("%d days: %d records, want %d; %v", c.days, p.Count, c.records, p.Trend)
		}
	}
}

// labelled is an engine that writes down the labels of questions in profiles.
type labelled struct {
	insight.Searcher
	labels map[string]int
}

func (l labelled) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	label, _ := pprof.Label(ctx, "asks")
	l.labels[label]++
	return l.Searcher.Search(ctx, request)
}

// TestLabels: in profiles are the questions of rules, which are the same for everybody, not
// what people ask about.
func TestLabels(t *testing.T) {
	s := ordinary()
	for _, watched := range []bool{false, true} {
		engine := labelled{s.engine(t), map[string]int{}}
		service := insight.New(engine, nil, func() time.Time { return now })
		ctx := t.Context()
		if watched {
			ctx = pprof.WithLabels(ctx, pprof.Labels("watches", "rule"))
		}
		if _, err := service.Insights(ctx, insight.InsightsRequest{Scope: scope()}); err != nil {
			t.Fatal(err)
		}
		if all := len(engine.labels); watched && all < 3 || !watched && (all != 1 || engine.labels[""] == 0) {
			t.Errorf("watched %v: %v", watched, engine.labels)
		}
	}
}
