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
