package insight

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
)

// Limits of patterns.
const (
	patternsInSummary   = 20
	patternsDefault     = 50
	PatternsMax         = 1_000 // patterns that are returned
	repeatingLeast      = 3     // records of a pattern that repeats
	spikeHourLeast      = 5     // errors of an hour from which on it can be a spike
	spikeHourFactor     = 2     // times the mean of hours with errors
	dominance           = 50    // percent of all records from which on a component dominates
	dominanceLeast      = 10    // records of such a component
	offHoursShare       = 5     // percent of all records at night from which on that is unusual
	nightEnds           = 6     // o'clock
	nightBegins         = 22
	endpointsMax        = 100 // of the performance of endpoints
	rareLevel           = 20  // a level of less than one of so many records is rare
	componentsOfPattern = 5   // that are named
	trendStretches      = 24
	offsetMost          = 27 * day
	parametersPatterns  = 20    // of which it is said what stands at their stars
	parametersRecords   = 2_000 // of each, at least if there are so many
)

// PatternsRequest asks for patterns.
type PatternsRequest struct {
	Scope
	Limit    int // patterns; 0 for 50
	Zone     *time.Location
	Severity string // only findings and levels of this; "" for all
	// Parameters wants to know what stands at the stars of the most frequent patterns.
	Parameters bool
}

// Patterns is what repeats, spikes and is unusual.
type Patterns struct {
	Completeness
	TimeRange           TimeRange                    `json:"timeRange"`
	RepeatingMessages   []Pattern                    `json:"repeatingMessages"`
	ErrorSpikes         []ErrorSpike                 `json:"errorSpikes"`
	UnusualActivity     []Unusual                    `json:"unusualActivity"`
	PerformancePatterns Ordered[EndpointPerformance] `json:"performancePatterns"`
	GeneratedAt         time.Time                    `json:"generatedAt"`
}

// Pattern is what many messages have in common.
type Pattern struct {
	ID         string              `json:"id"` // finds its records: pattern_id
	Pattern    string              `json:"pattern"`
	Count      int64               `json:"count"`
	Share      float64             `json:"percentage"`
	FirstSeen  *time.Time          `json:"firstSeen"`
	LastSeen   *time.Time          `json:"lastSeen"`
	Severity   string              `json:"severity"` // the worst level of its records that is not rare
	Levels     Ordered[int64]      `json:"levels"`
	Components []string            `json:"components"`
	Example    string              `json:"example"`
	Before     *int64              `json:"before,omitempty"`  // in the window before
	Novelty    string              `json:"novelty,omitempty"` // new, spiking, fading, steady
	Trend      []int64             `json:"trend,omitempty"`   // records in each of equal stretches of the window
	Parameters *pattern.Parameters `json:"parameters,omitempty"`
}

// ErrorSpike is an hour with many errors.
type ErrorSpike struct {
	Hour       time.Time `json:"hour"`
	ErrorCount int64     `json:"errorCount"`
	Threshold  float64   `json:"threshold"`
	Severity   string    `json:"severity"`
}

// Unusual is activity at an odd time or of an odd share.
type Unusual struct {
	Type        string  `json:"type"` // off_hours_activity, component_dominance
	Count       int64   `json:"count"`
	Share       float64 `json:"percentage"`
	Description string  `json:"description"`
	Component   string  `json:"component,omitempty"`
}

// EndpointPerformance is how long an endpoint takes.
type EndpointPerformance struct {
	Count   int64    `json:"count"`
	Average *float64 `json:"average"`
	Median  *float64 `json:"median"`
	P95     *float64 `json:"p95"`
	Slowest *float64 `json:"slowest"`
}

// Patterns returns what repeats, spikes and is unusual.
func (s *Service) Patterns(ctx context.Context, request PatternsRequest) (*Patterns, error) {
	a, err := s.asker(ctx, request.Scope)
	if err != nil {
		return nil, err
	}
	if request.Limit <= 0 {
		request.Limit = patternsDefault
	}
	if request.Zone == nil {
		request.Zone = time.UTC
	}
	answer := a.allPatterns(s, request)
	answer.Completeness = a.completeness()
	return answer, a.err
}

// allPatterns is Patterns with the questions of an asker.
func (a *asker) allPatterns(s *Service, request PatternsRequest) *Patterns {
	answer := &Patterns{TimeRange: request.Window.timeRange(), GeneratedAt: s.now().UTC()}
	answer.RepeatingMessages = a.repeating(request)
	answer.ErrorSpikes = a.hoursWithErrors(request.Severity)
	answer.UnusualActivity = a.unusual(request.Zone)
	answer.PerformancePatterns = a.endpoints()
	return answer
}

// repeating returns the most frequent patterns with how they were before.
func (a *asker) repeating(request PatternsRequest) []Pattern {
	wanted := request.Limit
	if request.Severity != "" {
		wanted = PatternsMax // of which only some are of that severity
	}
	found := slices.DeleteFunc(a.patterns("", wanted), func(p Pattern) bool {
		return p.Count < repeatingLeast || request.Severity != "" && request.Severity != p.Severity && request.Severity != finding(p.Severity)
	})
	found = found[:min(len(found), request.Limit)]
	before, skipped := a.over(request.Window.Before()), a.skips()
	counts := map[string]int64{}
	total := whole(before.row("", "stats count()", 1)[0])
	for _, row := range before.table("", "stats count() by (pattern)") {
		counts[label(row[0], "")] = whole(row[1])
	}
	all := len(before.reasons) == 0 && a.skips() == skipped // else a pattern that is not there may have been
	a.take(before)
	for i := range found {
		if n, known := counts[found[i].Pattern]; total > 0 && (known || all) {
			found[i].Before = &n
			found[i].Novelty = novelty(found[i].Count, n)
		}
	}
	a.components("", found)
	a.trends(found, request.Window)
	if request.Parameters {
		a.parameters(found[:min(len(found), parametersPatterns)])
	}
	return found
}

// parameters adds what stands at the stars of patterns, in some of their messages: one in
// so many, so that they are from all over the window.
func (a *asker) parameters(found []Pattern) {
	for i := range found {
		p := &found[i]
		pipes := "fields message"
		if oneIn := p.Count / parametersRecords; oneIn > 1 {
			pipes = fmt.Sprintf("sample %d | %s", oneIn, pipes)
		}
		var messages []string
		for _, hit := range a.ask(exactly("pattern_id", p.ID), pipes, 2*parametersRecords).Hits {
			message, _ := hit.Record.Get(model.FieldMessage)
			messages = append(messages, message.Text)
		}
		p.Parameters = pattern.ParametersOf(p.Pattern, messages, p.Count)
	}
}

// trends adds how many records each pattern has in stretches of the window.
func (a *asker) trends(found []Pattern, window Window) {
	width := (window.Length()/trendStretches + time.Second - 1).Truncate(time.Second)
	if len(found) == 0 || width <= 0 {
		return
	}
	// An offset is less than a month: a longer stretch has several buckets.
	piece := (width / (width/offsetMost + 1)).Truncate(time.Second)
	width = piece * (width/offsetMost + 1)
	bucket := fmt.Sprintf("_time:%ds", int64(piece/time.Second))
	if offset := time.Duration(window.From).Truncate(time.Second) % piece; offset > 0 {
		bucket += fmt.Sprintf(" offset %ds", int64(offset/time.Second))
	}
	skipped := a.skips()
	rows := a.table("", "stats count() by (pattern, "+bucket+")")
	if a.skips() > skipped {
		return
	}
	places := map[string]int{}
	for i := range found {
		places[found[i].Pattern] = i
		found[i].Trend = make([]int64, trendStretches)
	}
	for _, row := range rows {
		i, wanted := places[label(row[0], "")]
		t := at(row[1])
		if !wanted || t == nil {
			continue
		}
		n := int(t.Sub(time.Unix(0, window.From).Truncate(time.Second)) / width)
		found[i].Trend[min(max(n, 0), trendStretches-1)] += whole(row[2])
	}
}

// components adds the most frequent components of each pattern, of what a condition finds.
func (a *asker) components(condition string, found []Pattern) {
	places := map[string]int{}
	for i := range found {
		places[found[i].Pattern] = i
	}
	with := "component:*"
	if condition != "" {
		with += " (" + condition + ")"
	}
	for _, row := range a.table(with, "stats count() by (pattern, component)") {
		i, wanted := places[label(row[0], "")]
		if wanted && len(found[i].Components) < componentsOfPattern {
			found[i].Components = append(found[i].Components, label(row[1], ""))
		}
	}
}

// levelsOf reads the mix of levels of a pattern, the most severe first.
func levelsOf(cell any) Ordered[int64] {
	levels := Ordered[int64]{}
	for _, part := range strings.Split(label(cell, ""), ", ") {
		name, count, ok := strings.Cut(part, " ")
		n, err := strconv.ParseInt(count, 10, 64)
		if !ok || err != nil {
			continue
		}
		levels = append(levels, Member[int64]{name, n})
	}
	return levels
}

// worstOf returns the first of levels, the most severe first, that is not rare.
func worstOf(levels Ordered[int64]) string {
	var total int64
	for _, level := range levels {
		total += level.Value
	}
	for _, level := range levels {
		if level.Value*rareLevel >= total {
			return level.Name
		}
	}
	return ""
}

// novelty says how a pattern went.
func novelty(now, before int64) string {
	switch {
	case before == 0:
		return "new"
	case tooMany(float64(now), float64(before)):
		return "spiking"
	case tooMany(float64(before), float64(now)):
		return "fading"
	}
	return "steady"
}

// SeverityOf returns a severity that patterns can be asked for: one of findings, or a level
// in the words of any logger; ok is false if it is neither.
func SeverityOf(text string) (severity string, ok bool) {
	severity = strings.ToLower(strings.TrimSpace(text))
	if slices.Contains([]string{Critical, High, Medium, Low, Info}, severity) {
		return severity, true
	}
	level, ok := model.ParseLevel(severity)
	return level.String(), ok
}

// finding returns the severity of a finding that a level amounts to.
func finding(level string) string {
	switch level {
	case "critical":
		return Critical
	case "error":
		return High
	case "warn":
		return Medium
	case "info":
		return Info
	}
	return Low
}

// patterns returns the most frequent patterns of what a condition finds.
func (a *asker) patterns(condition string, n int) []Pattern {
	found := []Pattern{}
	for _, row := range a.table(condition, "patterns "+fmt.Sprint(min(n, PatternsMax))) {
		p := Pattern{ID: pattern.IDOf(label(row[0], "")), Pattern: label(row[0], ""), Count: whole(row[1]), Share: value(row[2]), FirstSeen: at(row[4]), LastSeen: at(row[5]), Example: label(row[6], ""), Components: []string{}}
		p.Levels = levelsOf(row[3])
		found = append(found, p)
	}
	a.detectedLevels(condition, found)
	for i := range found {
		found[i].Severity = worstOf(found[i].Levels)
	}
	return found
}

// detectedLevels adds the levels that the texts tell of records that came without one.
func (a *asker) detectedLevels(condition string, found []Pattern) {
	places := map[string]int{}
	for i, p := range found {
		var known int64
		for _, level := range p.Levels {
			known += level.Value
		}
		if known < p.Count {
			places[p.Pattern] = i
		}
	}
	if len(places) == 0 {
		return
	}
	with := "detected_level:*"
	if condition != "" {
		with += " (" + condition + ")"
	}
	for _, row := range a.table(with, "stats count() by (pattern, detected_level)") {
		i, wanted := places[label(row[0], "")]
		if !wanted {
			continue
		}
		name, n := label(row[1], ""), whole(row[2])
		levels := found[i].Levels
		if at := slices.IndexFunc(levels, func(m Member[int64]) bool { return m.Name == name }); at >= 0 {
			levels[at].Value += n
		} else {
			levels = append(levels, Member[int64]{name, n})
		}
		slices.SortStableFunc(levels, func(a, b Member[int64]) int { return int(levelOf(b.Name)) - int(levelOf(a.Name)) })
		found[i].Levels = levels
	}
}

func levelOf(name string) model.Level {
	level, _ := model.ParseLevel(name)
	return level
}

// hoursWithErrors returns the hours with far more errors than others.
func (a *asker) hoursWithErrors(severity string) []ErrorSpike {
	rows := a.table(isError, "stats count() by (_time:1h)")
	var sum float64
	for _, row := range rows {
		sum += value(row[1])
	}
	threshold := max(spikeHourFactor*sum/max(1, float64(len(rows))), spikeHourLeast)
	spikes := []ErrorSpike{}
	for _, row := range rows {
		spike := ErrorSpike{ErrorCount: whole(row[1]), Threshold: round(threshold), Severity: worse(value(row[1]) > spikeHourFactor*threshold, Medium, High)}
		t := at(row[0])
		if t == nil || value(row[1]) <= threshold || severity != "" && severity != spike.Severity {
			continue
		}
		spike.Hour = *t
		spikes = append(spikes, spike)
	}
	return spikes
}

// unusual looks for activity at night and for components that dominate.
func (a *asker) unusual(zone *time.Location) []Unusual {
	found := []Unusual{}
	var total, night int64
	for _, row := range a.table("", "stats count() by (_time:1h)") {
		if t := at(row[0]); t != nil {
			total += whole(row[1])
			if hour := t.In(zone).Hour(); hour < nightEnds || hour >= nightBegins {
				night += whole(row[1])
			}
		}
	}
	// Eight of 24 hours: only a share that is far from even is unusual.
	if rate := share(night, total); night > 0 && rate <= offHoursShare {
		found = append(found, Unusual{Type: "off_hours_activity", Count: night, Share: rate, Description: fmt.Sprintf("%d records between %d and %d o'clock, when there is little else", night, nightBegins, nightEnds)})
	}
	for _, row := range a.table("", "top 1 component") {
		if n, rate := whole(row[1]), share(whole(row[1]), total); rate > dominance && n > dominanceLeast {
			name := label(row[0], "")
			found = append(found, Unusual{Type: "component_dominance", Count: n, Share: rate, Component: name, Description: fmt.Sprintf("%.1f %% of all records come from %s", rate, name)})
		}
	}
	return found
}

// endpoints returns how long endpoints take, those with most records first.
func (a *asker) endpoints() Ordered[EndpointPerformance] {
	found := Ordered[EndpointPerformance]{}
	for _, row := range a.table("endpoint:* duration:*", "stats count(duration), avg(duration), p50(duration), p95(duration), max(duration) by (endpoint) | limit "+fmt.Sprint(endpointsMax)) {
		found = append(found, Member[EndpointPerformance]{label(row[0], ""), EndpointPerformance{
			Count: whole(row[1]), Average: number(row[2]), Median: number(row[3]), P95: number(row[4]), Slowest: number(row[5]),
		}})
	}
	return found
}
