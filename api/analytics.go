package api

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/valyala/fasthttp"
)

// timeframeDefault and trendDefault are the windows of analytics without
// timeframe, the latter of trends.
const (
	timeframeDefault = 24 * time.Hour
	trendDefault     = 7 * 24 * time.Hour
)

// analyticsParams reads the parameters of an analytics request. Every parameter
// that is not one of those that have a meaning is a filter by that field.
type analyticsParams struct {
	checker
	values map[string]string
	scope  insight.Scope
}

// analyticsKnown are the parameters that all analytics have.
func analyticsKnown() []string {
	return []string{"timeframe", "startTime", "endTime", "start", "end", "query", "q", "tz"}
}

// analytics reads the parameters of a request; own are those that only it has.
func (r *request) analytics(fallback time.Duration, own ...string) *analyticsParams {
	p := &analyticsParams{checker: checker{now: r.server.cfg.Now()}, values: map[string]string{}}
	known := append(analyticsKnown(), own...)
	for name, value := range r.ctx.QueryArgs().All() {
		name, value := string(name), string(value)
		if !slices.Contains(known, name) {
			p.filter(name, value)
			continue
		}
		p.values[name] = value
	}
	p.scope.Tenant, p.scope.Who = r.principal.Tenant, r.principal.Name
	p.scope.Query = firstText(p.values["query"], p.values["q"])
	p.scope.Window = p.window(fallback)
	return p
}

// filter adds a filter by a field; repeated, any of the values will do.
func (p *analyticsParams) filter(name, value string) {
	if name == "" || value == "all" && (name == "category" || name == "severity") {
		return
	}
	i := slices.IndexFunc(p.scope.Filter, func(f query.Filter) bool { return f.Field == name })
	if i < 0 {
		i = len(p.scope.Filter)
		p.scope.Filter = append(p.scope.Filter, query.Filter{Field: name})
	}
	p.scope.Filter[i].Values = append(p.scope.Filter[i].Values, value)
}

// window reads timeframe, or startTime and endTime.
func (p *analyticsParams) window(fallback time.Duration) insight.Window {
	w := insight.Last(fallback, p.now)
	if text := p.values["timeframe"]; text != "" {
		var err error
		if w, err = insight.ParseTimeframe(text, p.now); err != nil {
			p.fault("timeframe", "%.50q is no length of time, want for example 1h, 24h, 7d", text)
		}
	}
	start, end := firstText(p.values["startTime"], p.values["start"]), firstText(p.values["endTime"], p.values["end"])
	if start != "" {
		w.From = p.moment("startTime", start)
	}
	if end != "" {
		w.To = p.moment("endTime", end) + 1
	}
	if len(p.faults) == 0 && w.From >= w.To {
		p.fault("startTime", "is after endTime")
	}
	return w
}

// flag reads a truth value.
func (p *analyticsParams) flag(name string, fallback bool) bool {
	text := p.values[name]
	if text == "" {
		return fallback
	}
	set, err := strconv.ParseBool(text)
	if err != nil {
		p.fault(name, "%.20q is neither true nor false", text)
	}
	return set
}

// number reads a whole number from 1 to most; 0 without one.
func (p *analyticsParams) number(name string, most int) int {
	text := p.values[name]
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.fault(name, "%.20q is no number from 1 to %d", text, most)
	}
	return n
}

// list reads values with commas between them.
func (p *analyticsParams) list(name string) []string {
	var list []string
	for part := range strings.SplitSeq(p.values[name], ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// zone reads a time zone; UTC without one.
func (p *analyticsParams) zone() *time.Location {
	name := p.values["tz"]
	if name == "" {
		return time.UTC
	}
	zone, err := syntax.LoadZone(name)
	if err != nil {
		p.fault("tz", "%.50q is no time zone, want for example Europe/Berlin or +02:00", name)
		return time.UTC
	}
	return zone
}

// analyze runs what makes an answer, if no parameter is wrong, and sends it.
func analyze[T any](r *request, p *analyticsParams, run func(ctx context.Context, service *insight.Service) (T, error)) error {
	if err := p.err(); err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	defer watchClient(r.ctx.Conn(), cancel)()
	answer, err := run(ctx, r.server.insight)
	if err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	r.ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "private, max-age=10")
	r.ctx.Response.Header.Set(fasthttp.HeaderVary, r.server.cfg.APIKeyHeader+", "+fasthttp.HeaderAuthorization) // another key may be another tenant's
	r.sendJSON(fasthttp.StatusOK, answer)
	return nil
}

// summaryAnswer is a summary and how the node itself does.
type summaryAnswer struct {
	*insight.Summary
	SystemMetrics *systemMetrics `json:"systemMetrics,omitempty"`
}

// handleSummary is GET /analytics/summary.
func handleSummary(r *request) error {
	p := r.analytics(timeframeDefault, "groupBy", "groups", "slow", "includePatterns", "includeMetrics")
	request := insight.SummaryRequest{Scope: p.scope, GroupBy: p.list("groupBy"), Groups: p.number("groups", insight.GroupsMax), Zone: p.zone(), Patterns: p.flag("includePatterns", true)}
	if len(request.GroupBy) > insight.GroupFieldsMax {
		p.fault("groupBy", "%d fields, want at most %d", len(request.GroupBy), insight.GroupFieldsMax)
	}
	if text := p.values["slow"]; text != "" {
		slow, err := strconv.ParseFloat(text, 64)
		if err != nil || !(slow > 0) || math.IsInf(slow, 0) {
			p.fault("slow", "%.20q is no number above 0", text)
		}
		request.Slow = slow
	}
	withMetrics := p.flag("includeMetrics", true)
	return analyze(r, p, func(ctx context.Context, service *insight.Service) (summaryAnswer, error) {
		summary, err := service.Summary(ctx, request)
		answer := summaryAnswer{Summary: summary}
		if withMetrics {
			answer.SystemMetrics = r.server.meters.system()
		}
		return answer, err
	})
}

// handlePatterns is GET /analytics/patterns.
func handlePatterns(r *request) error {
	p := r.analytics(timeframeDefault, "limit", "severity")
	request := insight.PatternsRequest{Scope: p.scope, Limit: p.number("limit", insight.PatternsMax), Zone: p.zone(), Severity: p.values["severity"]}
	if request.Severity == "all" {
		request.Severity = ""
	}
	return analyze(r, p, func(ctx context.Context, service *insight.Service) (*insight.Patterns, error) {
		return service.Patterns(ctx, request)
	})
}

// handleTrends is GET /analytics/trends.
func handleTrends(r *request) error {
	p := r.analytics(trendDefault, "interval", "metrics", "compare")
	request := insight.TrendsRequest{Scope: p.scope, Interval: time.Hour, Metrics: p.list("metrics"), Compare: p.flag("compare", false)}
	switch text := p.values["interval"]; text {
	case "", "hour":
	case "minute":
		request.Interval = time.Minute
	case "day":
		request.Interval = 24 * time.Hour
	default:
		interval, err := syntax.ParseDuration(text)
		if err != nil {
			p.fault("interval", "%.20q is no length of time, want minute, hour, day or for example 5m", text)
		}
		request.Interval = interval
	}
	return analyze(r, p, func(ctx context.Context, service *insight.Service) (*insight.Trends, error) {
		return service.Trends(ctx, request)
	})
}

// handleInsights is GET /analytics/insights.
func handleInsights(r *request) error {
	p := r.analytics(timeframeDefault)
	return analyze(r, p, func(ctx context.Context, service *insight.Service) (*insight.Insights, error) {
		return service.Insights(ctx, insight.InsightsRequest{Scope: p.scope})
	})
}
