package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/detect/sigma"
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
	p.scope.Audience, p.scope.Who = r.audience(), r.principal.Name
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
// With lasting it follows from the records up to the end of its window alone; of
// what is incomplete there is no tag.
func analyze[T interface{ IsComplete() bool }](r *request, p *analyticsParams, lasting bool, run func(ctx context.Context, service *insight.Service) (T, error)) error {
	if err := p.err(); err != nil {
		return err
	}
	ctx, end := r.asking()
	defer end()
	tag := ""
	if lasting {
		// It looks at times before its window too, and names patterns, categories and what it
		// groups by, which may be made of what is not in the records: words of the tenant, a
		// model, files of places.
		asked := query.Request{Audience: r.audience(), Text: p.scope.Query, Filters: p.scope.Filter, Facets: append([]string{"pattern", "category"}, p.list("groupBy")...), To: p.scope.Window.To}
		var err error
		if tag, err = r.server.cfg.Engine.Tag(ctx, asked, string(r.ctx.URI().FullURI())); err != nil {
			return fmt.Errorf("analyze: %w", settle(ctx, err))
		}
		if slices.Contains(r.knownTags("a"), tag) && r.tagged(tag, "a", true) {
			return nil
		}
	}
	answer, err := run(ctx, r.server.insight)
	if err != nil {
		return fmt.Errorf("analyze: %w", settle(ctx, err))
	}
	if !answer.IsComplete() {
		tag = ""
	}
	r.tagged(tag, "a", false)
	if tag == "" {
		r.ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "private, max-age=10")
		r.varies()
	}
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
	return analyze(r, p, !withMetrics, func(ctx context.Context, service *insight.Service) (summaryAnswer, error) {
		summary, err := service.Summary(ctx, request)
		answer := summaryAnswer{Summary: summary}
		if withMetrics && err == nil {
			answer.SystemMetrics, err = r.systemOf(ctx, service, request.Scope, request.Zone)
		}
		return answer, err
	})
}

// handleUsers is GET /analytics/users.
func handleUsers(r *request) error {
	p := r.analytics(timeframeDefault, "field", "limit")
	request := insight.UsersRequest{Scope: p.scope, Field: p.values["field"], Limit: p.number("limit", insight.UsersMax), Zone: p.zone()}
	return analyze(r, p, false, func(ctx context.Context, service *insight.Service) (*insight.Users, error) {
		return service.Users(ctx, request)
	})
}

// handlePatterns is GET /analytics/patterns.
func handlePatterns(r *request) error {
	p := r.analytics(timeframeDefault, "limit", "severity", "includeParameters")
	request := insight.PatternsRequest{Scope: p.scope, Limit: p.number("limit", insight.PatternsMax), Zone: p.zone(), Severity: p.values["severity"], Parameters: p.flag("includeParameters", false)}
	switch severity, ok := insight.SeverityOf(request.Severity); {
	case request.Severity == "" || request.Severity == "all":
		request.Severity = ""
	case ok:
		request.Severity = severity
	default:
		p.fault("severity", "%.20q is no severity, want info, low, medium, high or critical, or a level such as warn or error", request.Severity)
	}
	return analyze(r, p, true, func(ctx context.Context, service *insight.Service) (*insight.Patterns, error) {
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
	return analyze(r, p, true, func(ctx context.Context, service *insight.Service) (*insight.Trends, error) {
		return service.Trends(ctx, request)
	})
}

// handleInsights is GET /analytics/insights.
func handleInsights(r *request) error {
	p := r.analytics(timeframeDefault)
	return analyze(r, p, false, func(ctx context.Context, service *insight.Service) (*insight.Insights, error) {
		return service.Insights(ctx, insight.InsightsRequest{Scope: p.scope, Disks: r.principal.Grants.Has(auth.Admin)})
	})
}

// handleChanges is GET /analytics/changes.
func handleChanges(r *request) error {
	p := r.analytics(timeframeDefault, "against", "againstStart", "againstEnd", "fields", "limit")
	request := insight.ChangesRequest{Scope: p.scope, Fields: p.list("fields"), Limit: p.number("limit", insight.ChangesMax)}
	if len(request.Fields) > insight.ChangeFieldsMax {
		p.fault("fields", "%d fields, want at most %d", len(request.Fields), insight.ChangeFieldsMax)
	}
	start, end := p.values["againstStart"], p.values["againstEnd"]
	switch text := p.values["against"]; {
	case start != "" || end != "":
		if start == "" || end == "" {
			p.fault("againstStart", "and againstEnd are given together or not at all")
			break
		}
		request.Against = insight.Window{From: p.moment("againstStart", start), To: p.moment("againstEnd", end) + 1}
		if len(p.faults) == 0 && request.Against.From >= request.Against.To {
			p.fault("againstStart", "is after againstEnd")
		}
	case text != "":
		ago, err := syntax.ParseDuration(text)
		if err != nil || ago <= 0 {
			p.fault("against", "%.20q is no length of time, want for example 1d: the same window a day before", text)
		}
		request.Against = insight.Window{From: p.scope.Window.From - int64(ago), To: p.scope.Window.To - int64(ago)}
	}
	return analyze(r, p, false, func(ctx context.Context, service *insight.Service) (*insight.Changes, error) {
		return service.Changes(ctx, request)
	})
}

// related runs what makes an answer about calls between services, and sends it.
func related[T any](r *request, p *analyticsParams, run func(ctx context.Context, service *insight.Service) (T, error)) error {
	if err := p.err(); err != nil {
		return err
	}
	ctx, end := r.asking()
	defer end()
	answer, err := run(ctx, r.server.insight)
	if err != nil {
		return fmt.Errorf("look at calls: %w", settle(ctx, err))
	}
	r.sendData(fasthttp.StatusOK, answer)
	return nil
}

// handleGraph is GET /integration/graph.
func handleGraph(r *request) error {
	p := r.analytics(timeframeDefault)
	return related(r, p, func(ctx context.Context, service *insight.Service) (*insight.Graph, error) {
		graph, err := service.Graph(ctx, p.scope)
		if err != nil || r.server.alert == nil || r.principal.Restriction != "" { // who is restricted sees no services
			return graph, err
		}
		status := r.server.alert.Statuses(r.principal.Tenant)
		for i := range graph.Nodes {
			var known bool
			graph.Nodes[i].Status, known = status[graph.Nodes[i].Service]
			graph.Nodes[i].Registered = &known
		}
		return graph, nil
	})
}

// handleTimeline is GET /integration/timeline.
func handleTimeline(r *request) error {
	p := r.analytics(timeframeDefault, "correlationId", "limit")
	asked := insight.TimelineRequest{Scope: p.scope, CorrelationID: p.values["correlationId"], Limit: p.number("limit", insight.StepsMax)}
	return related(r, p, func(ctx context.Context, service *insight.Service) (*insight.Timeline, error) {
		return service.Timeline(ctx, asked)
	})
}

// verdictBytesMax is how large a verdict is.
const verdictBytesMax = 16 << 10

// judge returns who keeps verdicts. They say what findings are about, of all records, and
// count for everybody who is told of findings.
func (r *request) judge() (insight.Judge, error) {
	if r.server.cfg.Judge == nil {
		return nil, newProblem(kindUnavailable, "this node keeps no feedback")
	}
	if r.principal.Restriction != "" {
		return nil, newProblem(kindForbidden, "feedback is about findings in records that you do not see")
	}
	return r.server.cfg.Judge, nil
}

// handleVerdicts is GET /analytics/feedback.
func handleVerdicts(r *request) error {
	judge, err := r.judge()
	if err != nil {
		return err
	}
	verdicts := judge.Verdicts(r.principal.Tenant)
	r.sendJSON(fasthttp.StatusOK, struct {
		Feedback []insight.Verdict   `json:"feedback"`
		Rules    []insight.Precision `json:"rules"`
	}{verdicts, insight.Precisions(verdicts)})
	return nil
}

// handleVerdict is POST /analytics/insights/{id}/feedback.
func handleVerdict(r *request) error {
	judge, err := r.judge()
	if err != nil {
		return err
	}
	text, release, err := r.readBody(verdictBytesMax)
	if err != nil {
		return err
	}
	defer release()
	var body struct {
		Verdict, Mute, Label, Note, About string
		Until                             *time.Time
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return invalid("body", "want {\"verdict\":\"false_positive\",\"mute\":\"finding\",\"until\":\"2030-01-31T00:00:00Z\",\"label\":\"\",\"about\":\"\",\"note\":\"\"}, of which any may be left out: %v", err)
	}
	id, _ := r.ctx.UserValue("id").(string)
	verdict := insight.Verdict{Finding: id, Verdict: body.Verdict, Muted: body.Mute, Until: body.Until, Label: body.Label, About: body.About, Note: body.Note, By: r.principal.Name, Time: r.server.cfg.Now().UTC()}
	if err := verdict.Check(); err != nil {
		return fmt.Errorf("take feedback: %w", err)
	}
	verdict.About = r.server.redacted(r.principal.Tenant, verdict.About)
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	if err := judge.Give(ctx, r.principal.Tenant, verdict); err != nil {
		return fmt.Errorf("keep feedback: %w", err)
	}
	r.sendData(fasthttp.StatusOK, verdict)
	return nil
}

// meterVerdicts makes a metric of how often each rule was right, as people of all
// tenants say.
func (s *Server) meterVerdicts() {
	if s.cfg.Judge == nil {
		return
	}
	var verdicts []insight.Verdict
	for _, tenant := range s.cfg.Judge.Tenants() {
		verdicts = append(verdicts, s.cfg.Judge.Verdicts(tenant)...)
	}
	for _, p := range insight.Precisions(verdicts) {
		if p.Precision != nil {
			s.cfg.Metrics.GetOrCreateGauge(fmt.Sprintf("stere_finding_precision{rule=%q}", p.Rule), nil).Set(*p.Precision)
			s.cfg.Metrics.GetOrCreateGauge(fmt.Sprintf("stere_finding_verdicts{rule=%q}", p.Rule), nil).Set(float64(p.True + p.False))
		}
	}
}

// handleSigma is POST /query/sigma: a rule of the Sigma format as a query.
func handleSigma(r *request) error {
	p := checker{now: r.server.cfg.Now()}
	options := sigma.Options{Names: map[string]string{}}
	for name, value := range r.ctx.QueryArgs().All() {
		from, to, ok := strings.Cut(string(value), "=")
		switch {
		case string(name) == "prefix":
			options.Prefix = string(value)
		case string(name) != "field":
			p.fault(string(name), "is unknown, want prefix or field")
		case !ok || from == "" || to == "":
			p.fault("field", "%.50q is not the name in the rule, =, and the name in records", string(value))
		default:
			options.Names[from] = to
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	text, release, err := r.readBody(sigma.RuleMax)
	if err != nil {
		return err
	}
	defer release()
	rule, err := sigma.Translate(text, options)
	var fault *sigma.Error
	if errors.As(err, &fault) {
		return &problem{kind: kindValidation, message: fault.Error(), details: []v1.Detail{{Field: "body", Message: fault.Message, Line: fault.Line}}}
	}
	if err != nil {
		return fmt.Errorf("translate rule: %w", err)
	}
	r.sendData(fasthttp.StatusOK, rule)
	return nil
}
