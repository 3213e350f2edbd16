package insight_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/query"
)

// slow is an engine that has no time for some questions.
type slow struct {
	insight.Searcher
	about func(query.Request) bool
}

func (s slow) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	if s.about(request) {
		return nil, fmt.Errorf("wait for a turn: %w", context.DeadlineExceeded)
	}
	return s.Searcher.Search(ctx, request)
}

// TestInsightsInTime checks that a question that takes too long costs what it is about,
// and nothing else: no error, and nothing that was made of half the answers.
func TestInsightsInTime(t *testing.T) {
	s := ordinary()
	s.add(30*time.Hour, 200, "component", "mail", "message", "sent #")
	s.add(2*time.Hour, 60, "component", "sshd", "message", "Failed password for root from 10.9.9.9 port 4#2 ssh2")
	window := scope().Window
	for _, c := range []struct {
		name, left string
		about      func(query.Request) bool
		have       map[string]bool // types
	}{
		{"all answered", "", func(query.Request) bool { return false }, map[string]bool{"component_silent": true, "potential_brute_force": true}},
		{"attackers", "attackers", func(r query.Request) bool {
			return strings.Contains(r.Text, `"login attempt"`) && strings.Contains(r.Text, "extract")
		},
			map[string]bool{"component_silent": true, "potential_brute_force": false}},
		{"components", "components", func(r query.Request) bool {
			return strings.Contains(r.Text, "as errors by (component)") && r.To == window.To
		},
			map[string]bool{"component_silent": false, "potential_brute_force": true}},
		{"totals", "totals, volume, rising errors", func(r query.Request) bool {
			return r.To == window.To && strings.HasPrefix(r.Text, "* | stats count(), count_if") && !strings.Contains(r.Text, "by")
		},
			map[string]bool{"volume_drop": false, "component_silent": true}},
		{"nothing answered", "totals, components, volume", func(query.Request) bool { return true }, map[string]bool{"component_silent": false, "potential_brute_force": false}},
	} {
		service := insight.New(slow{s.engine(t), c.about}, nil, func() time.Time { return now })
		have, err := service.Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if have.Complete != (c.left == "") || !strings.Contains(have.Reason, c.left) {
			t.Errorf("%s: complete %v: %q, want %q left out", c.name, have.Complete, have.Reason, c.left)
		}
		found := map[string]bool{}
		for _, one := range have.Insights {
			found[one.Type] = true
		}
		for kind, want := range c.have {
			if found[kind] != want {
				t.Errorf("%s: %s is there: %v", c.name, kind, found[kind])
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	have, err := s.service(t).Insights(ctx, insight.InsightsRequest{Scope: scope()})
	if err != nil || have.Complete || have.Reason == "" {
		t.Errorf("without any time: %v, %+v", err, have)
	}
}

// TestSummaryInTime: the patterns of a summary keep to its time, say what they lack, and
// say nothing that follows from an answer that is not there.
func TestSummaryInTime(t *testing.T) {
	s := ordinary()
	s.add(30*time.Hour, 200, "component", "mail", "message", "sent #")
	window := scope().Window
	for _, c := range []struct {
		name  string
		about func(query.Request) bool
		there bool // patterns
		full  bool
	}{
		{"all answered", func(query.Request) bool { return false }, true, true},
		{"patterns", func(r query.Request) bool { return strings.Contains(r.Text, "patterns 20") }, false, false},
		{"the window before", func(r query.Request) bool {
			return r.To == window.From && strings.Contains(r.Text, "by (pattern)")
		}, true, false},
		{"trends", func(r query.Request) bool { return strings.Contains(r.Text, "by (pattern, _time") }, true, false},
	} {
		service := insight.New(slow{s.engine(t), c.about}, nil, func() time.Time { return now })
		have, err := service.Summary(t.Context(), insight.SummaryRequest{Scope: scope(), Patterns: true})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if have.Complete != c.full || !c.full && !strings.Contains(have.Reason, "left out: patterns") || (have.Patterns != nil) != c.there {
			t.Errorf("%s: complete %v: %q, patterns %v", c.name, have.Complete, have.Reason, have.Patterns != nil)
		}
		if have.Patterns == nil {
			continue
		}
		if have.Patterns.Complete != c.full || len(have.Patterns.RepeatingMessages) == 0 {
			t.Errorf("%s: patterns complete %v, %d of them", c.name, have.Patterns.Complete, len(have.Patterns.RepeatingMessages))
		}
		for _, p := range have.Patterns.RepeatingMessages {
			if p.Novelty == "new" && c.name == "the window before" || (p.Trend == nil) != (c.name == "trends") {
				t.Errorf("%s: %q is %q, with trend %v", c.name, p.Pattern, p.Novelty, p.Trend)
			}
		}
	}
}
