package insight

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// Limits of a summary.
const (
	GroupFieldsMax  = 4     // fields of groupBy
	GroupsMax       = 1_000 // groups that are returned
	componentsShown = 50    // of the distribution of components
	slowShown       = 5     // examples of slow records
	memoryShown     = 3     // examples of memory problems
	errorsShown     = 10    // recent errors, and patterns of errors
	messageShown    = 100   // bytes of the message of an example
	sizeSample      = 1_000 // records whose size is averaged
	slowDefault     = 1_000 // duration from which on a record is slow
	dayHours        = 24    // hours of the distribution over the day
	groupsDefault   = 50    // groups if the caller does not say
)

// Conditions of a summary.
const (
	isError  = `level>=error OR detected_level>=error OR category:="error"`
	isMemory = `message:(memory OR heap)`
	isSpeed  = `duration:* OR category:="performance" OR message:performance`
)

// SummaryRequest asks for a summary.
type SummaryRequest struct {
	Scope
	GroupBy  []string // fields, "hour" or "day"; none means level
	Groups   int      // how many are returned; 0 for 50
	Slow     float64  // duration from which on a record is slow; 0 for 1,000
	Zone     *time.Location
	Patterns bool
}

// Summary is what the records of a window amount to.
type Summary struct {
	Completeness
	Summary       Totals         `json:"summary"`
	GroupBy       []string       `json:"groupBy"`
	GroupedData   Ordered[Group] `json:"groupedData"` // most frequent first
	GroupsLeftOut bool           `json:"groupsLeftOut"`
	Distributions Distributions  `json:"distributions"`
	Performance   Performance    `json:"performance"`
	Errors        Errors         `json:"errors"`
	TimeRange     TimeRange      `json:"timeRange"`
	GeneratedAt   time.Time      `json:"generatedAt"`
	Patterns      *Patterns      `json:"patterns,omitempty"`
}

// Totals are the figures over all records.
type Totals struct {
	TotalLogs            int64          `json:"totalLogs"`
	TimeRange            Seen           `json:"timeRange"`
	SeverityBreakdown    Ordered[int64] `json:"severityBreakdown"`
	CategoryBreakdown    Ordered[int64] `json:"categoryBreakdown"`
	UniqueComponents     int64          `json:"uniqueComponents"`
	UniqueEndpoints      int64          `json:"uniqueEndpoints"`
	AverageLogSize       float64        `json:"averageLogSize"`       // bytes of names and values
	AverageLogSizeSample int            `json:"averageLogSizeSample"` // newest records it is of
}

// Seen are the times of the first and the last record.
type Seen struct {
	Oldest *time.Time `json:"oldest"`
	Newest *time.Time `json:"newest"`
}

// Group is the records with the same values of the fields of groupBy.
type Group struct {
	Count     int64      `json:"count"`
	Share     float64    `json:"percentage"`
	FirstSeen *time.Time `json:"firstSeen"`
	LastSeen  *time.Time `json:"lastSeen"`
}

// Portion is a number of records and their share of all, in percent.
type Portion struct {
	Count int64   `json:"count"`
	Share float64 `json:"percentage"`
}

// HourPortion is an hour of the day, 00 to 23.
type HourPortion struct {
	Hour string `json:"hour"`
	Portion
}

// Distributions say how records spread.
type Distributions struct {
	Severity  Ordered[Portion] `json:"severityDistribution"`
	Category  Ordered[Portion] `json:"categoryDistribution"`
	Component Ordered[Portion] `json:"componentDistribution"`
	Time      []HourPortion    `json:"timeDistribution"`
	Duration  Spread           `json:"durationDistribution"`
}

// Spread describes numbers; without any, all but Count are null.
type Spread struct {
	Count       int64             `json:"count"`
	Average     *float64          `json:"average"`
	Median      *float64          `json:"median"`
	Min         *float64          `json:"min"`
	Max         *float64          `json:"max"`
	Percentiles Ordered[*float64] `json:"percentiles"`
}

// Performance says how fast things were.
type Performance struct {
	TotalPerformanceLogs int64    `json:"totalPerformanceLogs"`
	AverageDuration      *float64 `json:"averageDuration"`
	SlowQueries          Examples `json:"slowQueries"`
	MemoryIssues         Examples `json:"memoryIssues"`
}

// Examples are a number of records and some of them.
type Examples struct {
	Count    int64     `json:"count"`
	Examples []Example `json:"examples"`
}

// Example is a record in short.
type Example struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Severity  string    `json:"severity,omitempty"`
	Message   string    `json:"message,omitempty"`
	Component string    `json:"component,omitempty"`
	Endpoint  string    `json:"endpoint,omitempty"`
	Duration  *float64  `json:"duration,omitempty"`
}

// Errors says what went wrong.
type Errors struct {
	TotalErrors      int64            `json:"totalErrors"`
	ErrorRate        float64          `json:"errorRate"` // percent of all records
	TopErrorPatterns Ordered[Pattern] `json:"topErrorPatterns"`
	RecentErrors     []Example        `json:"recentErrors"`
}

// Summary returns what the records of a window amount to.
func (s *Service) Summary(ctx context.Context, request SummaryRequest) (*Summary, error) {
	a, err := s.asker(ctx, request.Scope)
	if err != nil {
		return nil, err
	}
	if len(request.GroupBy) == 0 {
		request.GroupBy = []string{model.FieldSeverity}
	}
	if request.Zone == nil {
		request.Zone = time.UTC
	}
	summary := &Summary{GroupBy: request.GroupBy, TimeRange: request.Window.timeRange(), GeneratedAt: s.now().UTC()}
	a.limit()
	a.look("totals", func() { summary.Summary = a.totals() })
	total := summary.Summary.TotalLogs
	a.look("distributions", func() { summary.Distributions = a.distributions(&summary.Summary, request.Zone) })
	a.look("performance", func() {
		summary.Performance = a.performance(request.Slow, summary.Distributions.Duration.Average)
	})
	a.look("errors", func() { summary.Errors = a.errors(total) })
	a.look("groups", func() {
		summary.GroupedData, summary.GroupsLeftOut = a.groups(request.GroupBy, request.Groups, total, request.Zone)
	})
	if request.Patterns && a.err == nil {
		a.look("patterns", func() { summary.Patterns = a.frequent(s, request.Scope) })
	}
	// What categories are is the dearest question of all the first time, so it comes last.
	a.look("categories", func() {
		summary.Summary.CategoryBreakdown = a.counts("category", "uncategorized")
		summary.Distributions.Category = portions(summary.Summary.CategoryBreakdown, total)
	})
	summary.Completeness = a.completeness()
	return summary, a.err
}

// frequent returns the most frequent patterns, as far as there is time, nil if there is
// none for them.
func (a *asker) frequent(s *Service, scope Scope) *Patterns {
	skipped, reasons := a.skips(), len(a.reasons)
	found := a.allPatterns(s, PatternsRequest{Scope: scope, Limit: patternsInSummary, Zone: time.UTC})
	switch {
	case a.err != nil || a.skips() > skipped && len(found.RepeatingMessages) == 0:
		return nil
	case a.skips() > skipped:
		found.Completeness = Completeness{Reason: outOfTime}
	case len(a.reasons) > reasons:
		found.Completeness = Completeness{Reason: a.reasons[reasons]}
	default:
		found.Completeness = Completeness{Complete: true}
	}
	return found
}

// totals returns the figures over all records.
func (a *asker) totals() Totals {
	row := a.row("", "stats count(), count_distinct(component), count_distinct(endpoint), min(_time), max(_time)", 5)
	totals := Totals{
		TotalLogs: whole(row[0]), UniqueComponents: whole(row[1]), UniqueEndpoints: whole(row[2]), TimeRange: Seen{Oldest: at(row[3]), Newest: at(row[4])},
		SeverityBreakdown: a.levels(),
	}
	sample := a.ask("", "", sizeSample).Hits
	for i := range sample {
		for _, field := range sample[i].Record.Fields {
			totals.AverageLogSize += float64(len(field.Name) + len(field.Text))
		}
	}
	if totals.AverageLogSizeSample = len(sample); len(sample) > 0 {
		totals.AverageLogSize = round(totals.AverageLogSize / float64(len(sample)))
	}
	return totals
}

// levels returns how many records have each level: that which they came with, else the one
// that their text tells.
func (a *asker) levels() Ordered[int64] {
	const none = "none"
	counts := a.counts(model.FieldLevel, none)
	at := slices.IndexFunc(counts, func(m Member[int64]) bool { return m.Name == none })
	if at < 0 {
		return counts
	}
	for _, row := range a.table("detected_level:*", "stats count() by (detected_level)") {
		name, n := label(row[0], none), whole(row[1])
		counts[at].Value -= n
		if known := slices.IndexFunc(counts, func(m Member[int64]) bool { return m.Name == name }); known >= 0 {
			counts[known].Value += n
		} else {
			counts = append(counts, Member[int64]{name, n})
		}
	}
	counts = slices.DeleteFunc(counts, func(m Member[int64]) bool { return m.Value <= 0 })
	slices.SortStableFunc(counts, func(a, b Member[int64]) int { return cmp.Compare(b.Value, a.Value) })
	return counts
}

// counts returns how many records have each value of a field, the most
// frequent first.
func (a *asker) counts(field, missing string) Ordered[int64] {
	counts := Ordered[int64]{}
	for _, row := range a.table("", "stats count() by ("+syntax.QuoteName(field)+") | limit "+fmt.Sprint(GroupsMax)) {
		counts = append(counts, Member[int64]{label(row[0], missing), whole(row[1])})
	}
	return counts
}

// groups returns the records by the values of fields, of hours of the day or of
// days.
func (a *asker) groups(by []string, most int, total int64, zone *time.Location) (groups Ordered[Group], leftOut bool) {
	if most <= 0 {
		most = groupsDefault
	}
	keys := make([]string, len(by))
	for i, field := range by {
		switch field {
		case "hour":
			keys[i] = "_time:1h"
		case "day":
			keys[i] = "_time:1d"
		default:
			keys[i] = syntax.QuoteName(field)
		}
	}
	merged := map[string]int{}
	groups = Ordered[Group]{}
	for _, row := range a.table("", "stats count(), min(_time), max(_time) by ("+strings.Join(keys, ", ")+") | sort by count() desc") {
		names := make([]string, len(by))
		for i := range by {
			names[i] = groupName(by[i], row[i], zone)
		}
		name := strings.Join(names, ", ")
		n, first, last := whole(row[len(by)]), at(row[len(by)+1]), at(row[len(by)+2])
		if i, known := merged[name]; known { // the same hour of another day
			group := &groups[i].Value
			group.Count += n
			group.Share = share(group.Count, total)
			group.FirstSeen, group.LastSeen = earlier(group.FirstSeen, first), later(group.LastSeen, last)
			continue
		}
		if len(groups) == most {
			leftOut = true
			continue
		}
		merged[name] = len(groups)
		groups = append(groups, Member[Group]{name, Group{Count: n, Share: share(n, total), FirstSeen: first, LastSeen: last}})
	}
	return groups, leftOut
}

// groupName returns the name of a group for one of its keys.
func groupName(by string, cell any, zone *time.Location) string {
	t := at(cell)
	switch {
	case by == "hour" && t != nil:
		return t.In(zone).Format("15")
	case by == "day" && t != nil:
		return t.In(zone).Format(time.DateOnly)
	}
	return label(cell, "none")
}

// earlier and later choose between two times of which either may be missing.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

func later(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.After(*a) {
		return b
	}
	return a
}

// distributions says how records spread.
func (a *asker) distributions(totals *Totals, zone *time.Location) Distributions {
	d := Distributions{
		Severity:  portions(totals.SeverityBreakdown, totals.TotalLogs),
		Component: portions(a.counts("component", "none"), totals.TotalLogs), Duration: a.spread("duration"),
	}
	d.Component = d.Component[:min(len(d.Component), componentsShown)]
	var hours [dayHours]int64
	for _, row := range a.table("", "stats count() by (_time:1h)") {
		if t := at(row[0]); t != nil {
			hours[t.In(zone).Hour()] += whole(row[1])
		}
	}
	for hour, n := range hours {
		d.Time = append(d.Time, HourPortion{Hour: fmt.Sprintf("%02d", hour), Portion: Portion{n, share(n, totals.TotalLogs)}})
	}
	return d
}

// portions adds shares to counts.
func portions(counts Ordered[int64], total int64) Ordered[Portion] {
	all := Ordered[Portion]{}
	for _, count := range counts {
		all = append(all, Member[Portion]{count.Name, Portion{count.Value, share(count.Value, total)}})
	}
	return all
}

// spread describes the numbers of a field.
func (a *asker) spread(field string) Spread {
	name := syntax.QuoteName(field)
	row := a.row("", fmt.Sprintf("stats count(%[1]s), avg(%[1]s), min(%[1]s), max(%[1]s), p50(%[1]s), p90(%[1]s), p95(%[1]s), p99(%[1]s)", name), 8)
	return Spread{
		Count: whole(row[0]), Average: number(row[1]), Min: number(row[2]), Max: number(row[3]), Median: number(row[4]),
		Percentiles: Ordered[*float64]{{"p50", number(row[4])}, {"p90", number(row[5])}, {"p95", number(row[6])}, {"p99", number(row[7])}},
	}
}

// performance says how fast things were.
func (a *asker) performance(slow float64, average *float64) Performance {
	if slow <= 0 {
		slow = slowDefault
	}
	isSlow := fmt.Sprintf("duration>=%v", slow)
	return Performance{
		TotalPerformanceLogs: whole(a.row(isSpeed, "stats count()", 1)[0]), AverageDuration: average,
		SlowQueries:  Examples{Count: whole(a.row(isSlow, "stats count()", 1)[0]), Examples: a.examples(isSlow, "sort by duration desc", slowShown)},
		MemoryIssues: Examples{Count: whole(a.row(isMemory, "stats count()", 1)[0]), Examples: a.examples(isMemory, "", memoryShown)},
	}
}

// examples returns some records in short.
func (a *asker) examples(condition, pipes string, n int) []Example {
	found := []Example{}
	for _, hit := range a.ask(condition, pipes, n).Hits {
		found = append(found, newExample(&hit))
	}
	return found
}

// newExample puts a record in short.
func newExample(hit *query.Hit) Example {
	example := Example{ID: hit.ID.String(), Timestamp: time.Unix(0, hit.Record.Time).UTC()}
	for _, field := range hit.Record.Fields {
		switch field.Name {
		case model.FieldMessage:
			example.Message = shortened(field.Text)
		case model.FieldLevel:
			example.Severity = field.Text
		case model.FieldComponent:
			example.Component = field.Text
		case "endpoint":
			example.Endpoint = field.Text
		case "duration":
			var n float64
			if _, err := fmt.Sscan(field.Text, &n); err == nil {
				example.Duration = &n
			}
		}
	}
	return example
}

// shortened returns the beginning of a message, cut between characters.
func shortened(text string) string {
	if len(text) <= messageShown {
		return text
	}
	return strings.ToValidUTF8(text[:messageShown], "") + "…"
}

// errors says what went wrong.
func (a *asker) errors(total int64) Errors {
	n := whole(a.row(isError, "stats count()", 1)[0])
	found := Errors{TotalErrors: n, ErrorRate: share(n, total), TopErrorPatterns: Ordered[Pattern]{}, RecentErrors: a.examples(isError, "", errorsShown)}
	patterns := a.patterns(isError, errorsShown)
	a.components(isError, patterns)
	for _, pattern := range patterns {
		found.TopErrorPatterns = append(found.TopErrorPatterns, Member[Pattern]{pattern.Pattern, pattern})
	}
	return found
}

// Ordered is a JSON object whose members keep their order.
type Ordered[T any] []Member[T]

// Member is one member of an Ordered.
type Member[T any] struct {
	Name  string
	Value T
}

// MarshalJSON implements json.Marshaler.
func (o Ordered[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, member := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(member.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(member.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Get returns the value of a member.
func (o Ordered[T]) Get(name string) (value T, ok bool) {
	for _, member := range o {
		if member.Name == name {
			return member.Value, true
		}
	}
	return value, false
}
