package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/triage"
)

const (
	findMax      = 10 * time.Second // for one look
	groupsMax    = 10_000
	sequenceMax  = 1000 // records of each part of a sequence
	partialAfter = 5 * time.Minute
	evidenceEach = 5
)

// errIncomplete means that not all records could be looked at yet.
var errIncomplete = errors.New("not all records could be looked at")

// Finder finds what rules look for.
type Finder struct {
	Engine   Searcher
	Insights func(ctx context.Context, request insight.InsightsRequest) (*insight.Insights, error)
	Disks    func() []Disk
	Absent   func() []Absent                     // nodes of the cluster that are not there; nil: they are not known
	Quotas   func(tenant model.TenantID) []Quota // nil: they are not known
	Now      func() time.Time

	counts *counts // of a Watcher's Run alone; nil: nothing is remembered
}

// Searcher answers queries; *query.Engine is one.
type Searcher interface {
	Search(ctx context.Context, request query.Request) (*query.Result, error)
}

// Disk is that of a node.
type Disk struct {
	Node string
	Used float64 // percent
}

// Absent is a node that is not there.
type Absent struct {
	Node string
	Why  string
}

// Quota is how much a tenant has used of a limit that is agreed with it.
type Quota struct {
	Name        string // of the term
	Used, Limit int64
}

// percent is how much of the limit is used. Of a limit of nothing none is: who may have
// nothing is not to be told so every day.
func (q Quota) percent() float64 {
	if q.Limit <= 0 {
		return 0
	}
	return 100 * float64(q.Used) / float64(q.Limit)
}

// search asks a question about a window.
func (f *Finder) search(ctx context.Context, tenant model.TenantID, text string, from, to int64, limit int) (*query.Result, error) {
	result, err := f.Engine.Search(ctx, query.Request{
		Audience: query.Audience{Tenant: tenant}, Text: text, From: from, To: to, Limit: limit, Whole: limit == 0, Uncounted: true, Groups: groupsMax, Time: findMax, Who: "triage",
	})
	if err != nil {
		return nil, err
	}
	if !result.Complete && f.Now().UnixNano()-to < int64(partialAfter) {
		return nil, fmt.Errorf("%w: %s", errIncomplete, result.Reason)
	}
	return result, nil
}

// condition is a query beside which a pipe can stand.
func condition(text string) string {
	if strings.TrimSpace(text) == "" {
		return "*"
	}
	return "(" + text + ")"
}

func quoted(fields []string) string {
	out := make([]string, len(fields))
	for i, field := range fields {
		out[i] = syntax.QuoteField(field)
	}
	return strings.Join(out, ", ")
}

// Find returns what a rule finds in the window that ends with end. The health of services
// is of now, and comes from services.
func (f *Finder) Find(ctx context.Context, tenant model.TenantID, r *triage.Rule, end int64, services []triage.Health) (triage.Sample, error) {
	s := triage.Sample{End: end}
	from := end - int64(r.When.Over)
	var err error
	switch c := &r.When; {
	case c.Anomaly != nil:
		s.Findings, err = f.anomalies(ctx, tenant, c.Anomaly, from, end)
	case c.Service != nil:
		s.Findings = down(c.Service, services)
	case c.Storage != nil:
		s.Findings = f.disks(tenant, c.Storage)
	case c.Node != nil:
		s.Findings = f.absentNodes(tenant, c.Node)
	case c.Quota != nil:
		s.Findings = f.quotas(tenant, c.Quota)
	case c.After != nil:
		s.Findings, err = f.sequence(ctx, tenant, c, from, end)
	case c.Absent:
		s.Findings, err = f.absent(ctx, tenant, c, from, end)
	case f.overlaps(r):
		s.Findings, err = f.addUp(ctx, tenant, r, from, end)
	default:
		s.Findings, err = f.measure(ctx, tenant, c, from, end)
	}
	return s, err
}

// figure is what was counted, or measured, of a group.
type figure struct {
	group triage.Group
	n     float64 // records
	more  float64 // of them those of Share, or what was measured of them
	some  bool    // else nothing was measured
}

// measure compares a value of each group.
func (f *Finder) measure(ctx context.Context, tenant model.TenantID, c *triage.Condition, from, to int64) ([]triage.Finding, error) {
	all, _, err := f.figures(ctx, tenant, c, from, to)
	return holding(c, time.Duration(to-from), all), err
}

// figures asks for what is compared of each group; complete is false if records are
// missing in it.
func (f *Finder) figures(ctx context.Context, tenant model.TenantID, c *triage.Condition, from, to int64) (all []figure, complete bool, err error) {
	text := condition(c.Query) + " | stats count()"
	switch {
	case c.Measure != "":
		text += ", " + c.Measure
	case c.Share != "":
		text += ", count_if(" + c.Share + ")"
	}
	if len(c.By) > 0 {
		text += " by (" + quoted(c.By) + ")"
	}
	result, err := f.search(ctx, tenant, text, from, to, 0)
	if err != nil {
		return nil, false, err
	}
	for _, row := range result.Rows {
		if len(row) < len(c.By)+1 {
			return nil, false, fmt.Errorf("the query has %d columns, want %d", len(row), len(c.By)+1)
		}
		one, values := figure{group: groupOf(row[:len(c.By)])}, row[len(c.By):]
		one.n, _ = number(values[0])
		if len(values) > 1 {
			one.more, one.some = number(values[1])
		}
		all = append(all, one)
	}
	return all, result.Complete, nil
}

// holding returns those of which the condition holds, in a window of a length.
func holding(c *triage.Condition, length time.Duration, all []figure) (out []triage.Finding) {
	for _, one := range all {
		value, ok := one.n, true
		switch {
		case c.Measure != "":
			value, ok = one.more, one.some
		case c.Share != "":
			if ok = one.n > 0; ok {
				value = 100 * one.more / one.n
			}
		case c.Rate:
			value = one.n / length.Seconds()
		}
		if ok && c.Holds(value) {
			out = append(out, triage.Finding{Group: one.group, Value: value})
		}
	}
	return out
}

func groupOf(cells []any) triage.Group {
	group := make(triage.Group, len(cells))
	for i, cell := range cells {
		if cell != nil {
			group[i] = fmt.Sprint(cell)
		}
	}
	return group
}

func number(cell any) (float64, bool) {
	switch n := cell.(type) {
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case float64:
		return n, true
	case json.Number:
		v, err := n.Float64()
		return v, err == nil
	}
	return 0, false
}

// groups returns those of which there are records.
func (f *Finder) groups(ctx context.Context, tenant model.TenantID, c *triage.Condition, from, to int64) (map[string]triage.Group, error) {
	text := condition(c.Query) + " | stats count()"
	if len(c.By) > 0 {
		text += " by (" + quoted(c.By) + ")"
	}
	result, err := f.search(ctx, tenant, text, from, to, 0)
	if err != nil {
		return nil, err
	}
	out := map[string]triage.Group{}
	for _, row := range result.Rows {
		group := groupOf(row[:len(c.By)])
		if n, _ := number(row[len(c.By)]); n > 0 {
			out[group.Key()] = group
		}
	}
	return out, nil
}

// absent finds groups of which nothing came.
func (f *Finder) absent(ctx context.Context, tenant model.TenantID, c *triage.Condition, from, to int64) ([]triage.Finding, error) {
	there, err := f.groups(ctx, tenant, c, from, to)
	if err != nil {
		return nil, err
	}
	expected := map[string]triage.Group{"": nil}
	if len(c.By) > 0 {
		if expected, err = f.groups(ctx, tenant, c, from-int64(c.Known), from); err != nil {
			return nil, err
		}
	}
	var out []triage.Finding
	for _, key := range slices.Sorted(maps.Keys(expected)) {
		if there[key] == nil && (len(c.By) > 0 || len(there) == 0) {
			out = append(out, triage.Finding{Group: expected[key], Text: fmt.Sprintf("nothing came in %s", c.Over)})
		}
	}
	return out, nil
}

// sequence finds groups of which something came after so much of something else.
func (f *Finder) sequence(ctx context.Context, tenant model.TenantID, c *triage.Condition, from, to int64) ([]triage.Finding, error) {
	last, err := f.times(ctx, tenant, c.Query, c.By, from, to)
	if err != nil || len(last) == 0 {
		return nil, err
	}
	before, err := f.times(ctx, tenant, c.After.Query, c.By, from-int64(c.After.Within), to)
	if err != nil {
		return nil, err
	}
	var out []triage.Finding
	for _, key := range slices.Sorted(maps.Keys(last)) {
		most, held := 0, 0
		for _, at := range last[key].times {
			n := 0
			for _, earlier := range before[key].times {
				if earlier < at && at-earlier <= int64(c.After.Within) {
					n++
				}
			}
			if n >= c.After.AtLeast {
				held++
				most = max(most, n)
			}
		}
		if held > 0 && c.Holds(float64(held)) {
			out = append(out, triage.Finding{Group: last[key].group, Value: float64(held), Text: fmt.Sprintf("after %d of %s", most, c.After.Query)})
		}
	}
	return out, nil
}

type timed struct {
	group triage.Group
	times []int64
}

// times returns when records of each group came, of the newest that there are.
func (f *Finder) times(ctx context.Context, tenant model.TenantID, text string, by []string, from, to int64) (map[string]timed, error) {
	result, err := f.search(ctx, tenant, condition(text), from, to, sequenceMax)
	if err != nil {
		return nil, err
	}
	out := map[string]timed{}
	for _, hit := range result.Hits {
		group := make(triage.Group, len(by))
		whole := true
		for i, name := range by {
			field, there := hit.Record.Get(name)
			if name == model.FieldSeverity && !there {
				field, there = hit.Record.Get(model.FieldLevel)
			}
			group[i], whole = field.Text, whole && there
		}
		if whole {
			one := out[group.Key()]
			one.group, one.times = group, append(one.times, hit.Record.Time)
			out[group.Key()] = one
		}
	}
	return out, nil
}

// anomalies finds what the insights say.
func (f *Finder) anomalies(ctx context.Context, tenant model.TenantID, a *triage.Anomaly, from, to int64) ([]triage.Finding, error) {
	if f.Insights == nil {
		return nil, errors.New("this node has no insights")
	}
	found, err := f.Insights(ctx, insight.InsightsRequest{Scope: insight.Scope{Audience: query.Audience{Tenant: tenant}, Window: insight.Window{From: from, To: to}, Who: "triage"}, Types: a.Types, Bare: true})
	if err != nil {
		return nil, err
	}
	// What was not looked at is not over.
	if !found.Complete && f.Now().UnixNano()-to < int64(partialAfter) {
		return nil, fmt.Errorf("%w: %s", errIncomplete, found.Reason)
	}
	order := triage.Severities()
	var out []triage.Finding
	for _, one := range found.Insights {
		bad := a.Severity == "" || slices.Index(order, one.Severity) >= 0 && slices.Index(order, one.Severity) <= slices.Index(order, a.Severity)
		asked := len(a.Types) == 0 || slices.Contains(a.Types, one.Type) || one.Finding != nil && slices.Contains(a.Types, one.Finding.Type)
		if bad && asked {
			out = append(out, triage.Finding{Group: triage.Group{one.Type, one.Pattern}, Value: 1, Text: one.Message})
		}
	}
	return out, nil
}

// disks finds those that are fuller. They are of the nodes: the tenant that operates them
// hears of it.
func (f *Finder) disks(tenant model.TenantID, s *triage.Storage) []triage.Finding {
	if tenant != model.DefaultTenant || f.Disks == nil {
		return nil
	}
	var out []triage.Finding
	for _, disk := range f.Disks() {
		if disk.Used >= s.UsedAtLeast {
			out = append(out, triage.Finding{Group: triage.Group{disk.Node}, Value: disk.Used, Text: fmt.Sprintf("%.0f %% of the disk of node %s are in use", disk.Used, disk.Node)})
		}
	}
	return out
}

// absentNodes finds nodes that are not there. As with disks, the tenant that operates them
// hears of it.
func (f *Finder) absentNodes(tenant model.TenantID, n *triage.Node) []triage.Finding {
	if tenant != model.DefaultTenant || f.Absent == nil {
		return nil
	}
	var out []triage.Finding
	for _, one := range f.Absent() {
		if len(n.Names) == 0 || slices.Contains(n.Names, one.Node) {
			out = append(out, triage.Finding{Group: triage.Group{one.Node}, Value: 1, Text: fmt.Sprintf("node %s is not there: %s", one.Node, one.Why)})
		}
	}
	return out
}

// quotas finds those of which so much is used.
func (f *Finder) quotas(tenant model.TenantID, q *triage.Quota) []triage.Finding {
	if f.Quotas == nil {
		return nil
	}
	var out []triage.Finding
	for _, quota := range f.Quotas(tenant) {
		if used := quota.percent(); used >= q.UsedAtLeast {
			out = append(out, triage.Finding{Group: triage.Group{quota.Name}, Value: used, Text: fmt.Sprintf("%d of %d are used, %.0f %%", quota.Used, quota.Limit, used)})
		}
	}
	return out
}

// down finds services that do not answer.
func down(s *triage.Service, services []triage.Health) []triage.Finding {
	var out []triage.Finding
	for _, h := range services {
		if h.Down() && (len(s.Names) == 0 || slices.Contains(s.Names, h.Name)) {
			out = append(out, triage.Finding{Group: triage.Group{h.Name}, Value: 1, Text: fmt.Sprintf("service %s does not answer: %s", h.Name, h.Error)})
		}
	}
	return out
}

// evidence returns some of the records that an alert is about.
func (f *Finder) evidence(ctx context.Context, tenant model.TenantID, r *triage.Rule, alert *triage.Alert, end int64) []triage.Evidence {
	if r.When.Query == "" || r.When.Absent {
		return nil
	}
	request := query.Request{Audience: query.Audience{Tenant: tenant}, Text: condition(r.When.Query), From: end - int64(r.When.Over), To: end, Limit: evidenceEach, Uncounted: true, Time: findMax, Who: "triage"}
	for i, field := range r.When.By {
		if i < len(alert.Group) && alert.Group[i] != "" {
			request.Filters = append(request.Filters, query.Filter{Field: field, Values: []string{alert.Group[i]}})
		}
	}
	result, err := f.Engine.Search(ctx, request)
	if err != nil {
		return nil // the alert is told all the same
	}
	var out []triage.Evidence
	for _, hit := range result.Hits {
		var e render.Encoder
		out = append(out, triage.Evidence{Record: hit.ID.String(), Time: hit.Record.Time, Text: string(e.Append(nil, hit.ID, &hit.Record))})
	}
	return out
}
