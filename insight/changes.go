package insight

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query/syntax"
)

// Limits of changes.
const (
	ChangesMax      = 200
	ChangeFieldsMax = 16
	changesDefault  = 20
	changeRecords   = 5        // records of either window, at least
	changeLnP       = -6.9     // of a thousand things that are compared one is so odd
	changeFactor    = 1.25     // times the share
	changeEffect    = math.Ln2 // by which what is twice as much counts as odd as the probability says
)

// ChangesRequest asks what is not the same in two windows.
type ChangesRequest struct {
	Scope
	Against Window // what is compared with; zero is the window before
	Fields  []string
	Limit   int
}

// Changes says what is not the same in two windows, the most surprising first.
type Changes struct {
	Completeness
	TimeRange TimeRange     `json:"timeRange"`
	Against   TimeRange     `json:"against"`
	Total     int64         `json:"total"`
	Before    int64         `json:"totalBefore"`
	Changes   []ValueChange `json:"changes"`
}

// ValueChange is a value, or a pattern, of which there are more or fewer.
type ValueChange struct {
	Field        string  `json:"field"`
	Value        string  `json:"value"`
	ID           string  `json:"id,omitempty"` // of a pattern
	Kind         string  `json:"kind"`         // appeared, disappeared, more, fewer
	Count        int64   `json:"count"`
	Before       int64   `json:"before"`
	Share        float64 `json:"percentage"`
	ShareBefore  float64 `json:"percentageBefore"`
	Factor       float64 `json:"factor"` // of the shares; 0 if there were none before
	Score        float64 `json:"score"`
	Probability  float64 `json:"probability"`
	Explanation  string  `json:"explanation"`
	Query        string  `json:"query"`
	lnP, ranking float64
}

// Changes compares two windows: patterns, components, levels, endpoints, hosts, and the
// fields that are asked for.
func (s *Service) Changes(ctx context.Context, request ChangesRequest) (*Changes, error) {
	a, err := s.asker(ctx, request.Scope)
	if err != nil {
		return nil, err
	}
	if request.Against == (Window{}) {
		request.Against = request.Window.Before()
	}
	before := a.over(request.Against)
	answer := &Changes{TimeRange: request.Window.timeRange(), Against: request.Against.timeRange(), Changes: []ValueChange{}}
	answer.Total, answer.Before = whole(a.row("", "stats count()", 1)[0]), whole(before.row("", "stats count()", 1)[0])
	fields := append([]string{"pattern", "component", "level", "endpoint", "category", "host", "metadata.host"}, request.Fields...)
	for i, field := range fields {
		if !slices.Contains(fields[:i], field) {
			answer.Changes = append(answer.Changes, changed(field, values(a, field), values(before, field), answer.Total, answer.Before)...)
		}
	}
	a.take(before)
	slices.SortStableFunc(answer.Changes, func(a, b ValueChange) int { return cmp.Compare(a.ranking, b.ranking) })
	limit := request.Limit
	if limit <= 0 {
		limit = changesDefault
	}
	answer.Changes = answer.Changes[:min(limit, len(answer.Changes))]
	answer.Completeness = a.completeness()
	return answer, a.err
}

// values counts the records of each value of a field.
func values(a *asker, field string) map[string]int64 {
	wide := *a
	counts := map[string]int64{}
	condition := syntax.QuoteField(field) + ":*"
	if field == "pattern" {
		condition = ""
	}
	for _, row := range wide.table(condition, "stats count() by ("+syntax.QuoteName(field)+")") {
		counts[label(row[0], "")] = whole(row[1])
	}
	a.reasons, a.err = wide.reasons, wide.err
	return counts
}

// changed compares the counts of the values of a field.
func changed(field string, now, before map[string]int64, all, allBefore int64) []ValueChange {
	var found []ValueChange
	names := map[string]bool{}
	for _, counts := range []map[string]int64{now, before} {
		for name := range counts {
			names[name] = true
		}
	}
	for _, name := range sortedKeys(names) {
		c := ValueChange{Field: field, Value: name, Count: now[name], Before: before[name]}
		c.Share, c.ShareBefore = share(c.Count, all), share(c.Before, allBefore)
		if max(c.Count, c.Before) < changeRecords {
			continue
		}
		have, was := float64(c.Count)/max(float64(all), 1), float64(c.Before)/max(float64(allBefore), 1)
		c.lnP = anomaly.Surprise(float64(c.Before), float64(allBefore), float64(c.Count), float64(all))
		if all == 0 || allBefore == 0 {
			c.lnP = -float64(max(c.Count, c.Before))
		}
		effect := math.Abs(math.Log((have + 1e-6) / (was + 1e-6)))
		if c.lnP > changeLnP || effect < math.Log(changeFactor) {
			continue
		}
		c.ranking = c.lnP * min(effect/changeEffect, 3)
		c.say(have, was)
		found = append(found, c)
	}
	return found
}

// say fills in what follows from the shares.
func (c *ValueChange) say(have, was float64) {
	c.Probability, c.Score, c.Query = math.Exp(max(c.lnP, -700)), anomaly.Score(c.lnP), exactly(c.Field, c.Value)
	if c.Field == "pattern" {
		c.ID = pattern.IDOf(c.Value)
		c.Query = exactly("pattern_id", c.ID)
	}
	name := fmt.Sprintf("%s %q", c.Field, shortened(c.Value))
	switch {
	case c.Before == 0:
		c.Kind, c.Explanation = "appeared", fmt.Sprintf("%s is new: %d records, %.1f %% of all", name, c.Count, c.Share)
	case c.Count == 0:
		c.Kind, c.Explanation = "disappeared", fmt.Sprintf("%s is gone: it had %d records, %.1f %% of all", name, c.Before, c.ShareBefore)
	case have > was:
		c.Kind, c.Explanation = "more", fmt.Sprintf("%s went from %.1f %% to %.1f %% of all records (%d to %d)", name, c.ShareBefore, c.Share, c.Before, c.Count)
	default:
		c.Kind, c.Explanation = "fewer", fmt.Sprintf("%s went from %.1f %% to %.1f %% of all records (%d to %d)", name, c.ShareBefore, c.Share, c.Before, c.Count)
	}
	if was > 0 {
		c.Factor = round(have / was)
	}
}
