package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Limits of trends.
const (
	BucketsMax = 10_000 // buckets of an answer
	MetricsMax = 16     // metrics of an answer
)

// The metrics that have a name; any aggregate of the query language is one too.
const (
	MetricCount       = "count"
	MetricErrors      = "errors"
	MetricSeverity    = "severity"
	MetricPerformance = "performance"
)

// TrendsRequest asks how figures went over time.
type TrendsRequest struct {
	Scope
	Interval time.Duration
	Metrics  []string // none means count, severity, performance
	// Compare adds the same figures of the window before.
	Compare bool
}

// Trends are figures over time: buckets without gaps.
type Trends struct {
	Completeness
	TimeRange   TimeRange        `json:"timeRange"`
	Interval    string           `json:"interval"`
	Buckets     []time.Time      `json:"buckets"`
	Trends      Ordered[[]Point] `json:"trends"`
	Previous    Ordered[[]Point] `json:"previous,omitempty"` // of the window before, by the times of that
	Change      Ordered[Change]  `json:"change,omitempty"`
	GeneratedAt time.Time        `json:"generatedAt"`
}

// Point is the figure of one bucket; a metric without any records is null,
// counts are 0.
type Point struct {
	Timestamp time.Time `json:"timestamp"`
	Value     *float64  `json:"value"`
	Count     int64     `json:"count"` // records of the bucket
}

// Change compares a figure over the whole window with the window before.
type Change struct {
	Current  *float64 `json:"current"`
	Previous *float64 `json:"previous"`
	Percent  *float64 `json:"percent"` // null without a figure before
}

// Trends returns how figures went over time.
func (s *Service) Trends(ctx context.Context, request TrendsRequest) (*Trends, error) {
	if err := request.check(); err != nil {
		return nil, err
	}
	a, err := s.asker(ctx, request.Scope)
	if err != nil {
		return nil, err
	}
	trends := &Trends{TimeRange: request.Window.timeRange(), Interval: syntax.FormatDuration(request.Interval), GeneratedAt: s.now().UTC()}
	current := a.series(request)
	trends.Trends = current.points
	trends.Buckets = current.buckets
	if request.Compare {
		before := request
		before.Window = request.Window.Before()
		earlier := a.over(before.Window)
		previous := earlier.series(before)
		a.take(earlier)
		trends.Previous = previous.points
		for i, metric := range current.whole {
			trends.Change = append(trends.Change, Member[Change]{metric.Name, change(metric.Value, previous.whole[i].Value)})
		}
	}
	trends.Completeness = a.completeness()
	return trends, a.err
}

// check finds faults and fills in defaults.
func (r *TrendsRequest) check() error {
	if len(r.Metrics) == 0 {
		r.Metrics = []string{MetricCount, MetricSeverity, MetricPerformance}
	}
	if len(r.Metrics) > MetricsMax {
		return &ParamError{Param: "metrics", Message: fmt.Sprintf("are %d, at most %d are possible", len(r.Metrics), MetricsMax)}
	}
	for _, metric := range r.Metrics {
		if slices.Contains([]string{MetricCount, MetricErrors, MetricSeverity, MetricPerformance}, metric) {
			continue
		}
		query, err := syntax.Parse("* | stats " + metric)
		if err != nil || len(query.Pipes) != 1 || len(query.Pipes[0].(*syntax.Stats).Aggs) != 1 || len(query.Pipes[0].(*syntax.Stats).By) > 0 {
			return &ParamError{Param: "metrics", Message: fmt.Sprintf("%.50q is no metric", metric),
				Expect: []string{MetricCount, MetricErrors, MetricSeverity, MetricPerformance, "an aggregate such as p95(duration)"}}
		}
	}
	if r.Interval < time.Second {
		return &ParamError{Param: "interval", Message: "is shorter than a second", Expect: []string{"1m", "1h", "1d"}}
	}
	if n := r.Window.Length() / r.Interval; n >= BucketsMax {
		return &ParamError{Param: "interval", Message: fmt.Sprintf("makes %d buckets, at most %d are possible", n+1, BucketsMax), Expect: []string{"a longer interval", "a shorter timeframe"}}
	}
	return nil
}

// series are the figures of one window.
type series struct {
	buckets []time.Time
	points  Ordered[[]Point]
	whole   Ordered[*float64] // over the whole window
}

// aggregate returns the aggregate of a metric; "" for severity, which is made
// of the counts of the levels.
func aggregate(metric string) string {
	switch metric {
	case MetricCount:
		return "count()"
	case MetricErrors:
		return "count_if(" + isError + ")"
	case MetricPerformance:
		return "avg(duration)"
	case MetricSeverity:
		return ""
	}
	return metric
}

// series asks for the figures of a window.
func (a *asker) series(request TrendsRequest) series {
	bucket := "_time:" + syntax.FormatDuration(request.Interval)
	aggregates := []string{"count() as _n"}
	for i, metric := range request.Metrics {
		if text := aggregate(metric); text != "" {
			aggregates = append(aggregates, fmt.Sprintf("%s as _m%d", strings.Split(text, " as ")[0], i))
		}
	}
	list := "stats " + strings.Join(aggregates, ", ")
	severities, average := a.severities(bucket, slices.Contains(request.Metrics, MetricSeverity))
	rows := map[int64][]any{}
	for _, row := range a.table("", list+" by ("+bucket+")") {
		if t := at(row[0]); t != nil {
			rows[t.UnixNano()] = row[1:]
		}
	}
	all := a.row("", list, len(aggregates))
	s := series{}
	for t := floor(request.Window.From, request.Interval); t < request.Window.To; t += int64(request.Interval) {
		s.buckets = append(s.buckets, time.Unix(0, t).UTC())
	}
	column := 0
	for _, metric := range request.Metrics {
		if metric != MetricSeverity {
			column++
		}
		points := make([]Point, len(s.buckets))
		for i, t := range s.buckets {
			row, some := rows[t.UnixNano()]
			points[i].Timestamp = t
			if some {
				points[i].Count = whole(row[0])
			}
			switch {
			case metric == MetricSeverity:
				points[i].Value = severities[t.UnixNano()]
			case some:
				points[i].Value = number(row[column])
			case strings.HasPrefix(aggregate(metric), "count"):
				points[i].Value = new(float64)
			}
		}
		s.points = append(s.points, Member[[]Point]{metric, points})
		figure := average
		if metric != MetricSeverity {
			figure = number(all[column])
		}
		s.whole = append(s.whole, Member[*float64]{metric, figure})
	}
	return s
}

// levelWeight is how much a record of a level counts for the severity metric.
func levelWeight(level string) float64 {
	switch level {
	case model.LevelCritical.String():
		return 5
	case model.LevelError.String():
		return 4
	case model.LevelWarn.String():
		return 3
	case model.LevelDebug.String(), model.LevelTrace.String():
		return 1
	}
	return 2
}

// severities returns the mean weight of the records of each bucket, and of all.
func (a *asker) severities(bucket string, wanted bool) (means map[int64]*float64, average *float64) {
	if !wanted {
		return nil, nil
	}
	type sum struct{ weight, n float64 }
	sums, all := map[int64]sum{}, sum{}
	for _, row := range a.table("", "stats count() by ("+bucket+", level)") {
		t, n := at(row[0]), value(row[2])
		if t == nil {
			continue
		}
		weight := n * levelWeight(label(row[1], ""))
		one := sums[t.UnixNano()]
		sums[t.UnixNano()] = sum{one.weight + weight, one.n + n}
		all = sum{all.weight + weight, all.n + n}
	}
	means = map[int64]*float64{}
	for t, one := range sums {
		mean := round(one.weight / one.n)
		means[t] = &mean
	}
	if all.n > 0 {
		mean := round(all.weight / all.n)
		average = &mean
	}
	return means, average
}

// mondayOffset is how far the first Monday is from the first moment of 1970.
const mondayOffset = 4 * 24 * time.Hour

// floor returns the beginning of the bucket that holds a time, as the query
// language cuts time: whole intervals from 1970, weeks from Monday.
func floor(t int64, interval time.Duration) int64 {
	shift := int64(0)
	if interval%(7*24*time.Hour) == 0 {
		shift = int64(mondayOffset)
	}
	into := (t - shift) % int64(interval)
	if into < 0 {
		into += int64(interval)
	}
	return t - into
}

// change compares two figures.
func change(current, previous *float64) Change {
	c := Change{Current: current, Previous: previous}
	if current != nil && previous != nil && *previous != 0 {
		percent := round((*current - *previous) * 100 / *previous)
		c.Percent = &percent
	}
	return c
}
