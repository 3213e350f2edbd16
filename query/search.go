package query

import (
	"context"
	"fmt"
	"time"

	"github.com/stere-log/stere/query/admit"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// Search answers a request when there is a place for it. Its errors are *syntax.Error for the text,
// *RequestError and ErrCursor for the rest of the request, those of package admit,
// and errors of the context and of storage.
func (e *Engine) Search(ctx context.Context, request Request) (result *Result, err error) {
	started := time.Now()
	job := admit.Job{Tenant: request.Tenant, Who: request.Who, Text: request.Text}
	err = admitted(ctx, e.gate, job, func(ctx context.Context, memory int) error {
		request.memory = memory
		result, err = e.search(ctx, request)
		return err
	})
	if err == nil {
		result.Elapsed = time.Since(started)
	}
	return result, err
}

// search is Search without the guard.
func (e *Engine) search(ctx context.Context, request Request) (*Result, error) {
	if err := e.check(&request); err != nil {
		return nil, err
	}
	at, err := request.start(e.config.Now())
	if err != nil {
		return nil, err
	}
	// Faults of the text come before anything is read.
	if _, _, err := makePlan(&request, at.Now); err != nil {
		return nil, err
	}
	from, err := e.source(ctx, request.Tenant)
	if err != nil {
		return nil, err
	}
	defer from.release()
	run, err := e.prepare(ctx, from, &request, at)
	if err != nil {
		return nil, err
	}
	var result *Result
	if run.plan.Table != nil {
		result, err = e.table(ctx, from, run.plan, &request, at)
	} else {
		result, err = e.records(ctx, from, run.plan, &request, at)
	}
	if err != nil {
		return nil, fmt.Errorf("search tenant %s: %w", request.Tenant, err)
	}
	whole := run.outcome.And(exec.Outcome{Complete: result.Complete, Reason: result.Reason})
	result.Complete, result.Reason = from.outcome(whole.Complete, whole.Reason)
	result.TotalExact = result.TotalExact && result.Complete
	return result, nil
}

// check finds faults of a request besides its text.
func (e *Engine) check(request *Request) error {
	fault := func(field, format string, args ...any) error {
		return &RequestError{Field: field, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case request.Limit < 0:
		return fault("limit", "is %d, want 1 to %d", request.Limit, e.config.LimitMax)
	case len(request.Facets) > e.config.Facets:
		return fault("facets", "are %d fields, want at most %d", len(request.Facets), e.config.Facets)
	case len(request.Sort) > syntax.ListMax:
		return fault("sort", "has %d keys, want at most %d", len(request.Sort), syntax.ListMax)
	case request.From != 0 && request.To != 0 && request.From > request.To:
		return fault("time range", "ends before it begins")
	}
	for _, filter := range request.Filters {
		if filter.Field == "" {
			return fault("filters", "a field has no name")
		}
	}
	for _, key := range request.Sort {
		if key.Field == "" {
			return fault("sort", "a field has no name")
		}
	}
	return nil
}

// prepared is a plan that can be run.
type prepared struct {
	plan    *plan.Plan
	outcome exec.Outcome // of the queries inside the query
}

// prepare says what a request means, once the queries inside it have run; what
// they find is in the request then.
func (e *Engine) prepare(ctx context.Context, from *source, request *Request, at *cursor) (*prepared, error) {
	p, subs, err := makePlan(request, at.Now)
	if err != nil || len(subs) == 0 {
		return &prepared{plan: p, outcome: exec.Outcome{Complete: true}}, err
	}
	outcome, err := e.sets(ctx, from, request, subs, at)
	if err != nil {
		return nil, err
	}
	p, _, err = makePlan(request, at.Now)
	return &prepared{plan: p, outcome: outcome}, err
}

// makePlan says what a request means. Queries inside it find what request.sets
// says, or nothing if they have not run yet.
func makePlan(request *Request, now int64) (*plan.Plan, []*syntax.Subquery, error) {
	query, err := syntax.Parse(request.Text)
	if err != nil {
		return nil, nil, err
	}
	subs := plan.Subqueries(query)
	options := plan.Options{Now: time.Unix(0, now), From: request.From, To: request.To, Sets: request.sets}
	if request.sets == nil {
		options.Sets = make([][]string, len(subs))
	}
	for _, filter := range request.Filters {
		options.Filters = append(options.Filters, plan.Filter(filter))
	}
	for _, key := range request.Sort {
		options.Sort = append(options.Sort, plan.SortKey(key))
	}
	p, err := plan.New(query, options)
	return p, subs, err
}

// limit returns how many records or rows an answer may have.
func (e *Engine) limit(asked, fallback int) int {
	if asked == 0 {
		asked = fallback
	}
	return min(asked, e.config.LimitMax)
}

// records answers with a page of records.
func (e *Engine) records(ctx context.Context, from *source, p *plan.Plan, request *Request, at *cursor) (*Result, error) {
	fallback := e.config.Limit
	if p.Limit != plan.Unlimited {
		fallback = max(1, p.Limit)
	}
	limit := e.limit(request.Limit, fallback)
	page := exec.Page{Size: limit, Facets: request.Facets, Total: true}
	if p.Offset > e.config.OffsetMax {
		return nil, &RequestError{Field: "offset", Message: fmt.Sprintf("is %d, want at most %d", p.Offset, e.config.OffsetMax)}
	}
	if request.Cursor == "" {
		page.Skip = p.Offset
	} else {
		after, err := at.position(exec.SortsOf(p))
		if err != nil {
			return nil, err
		}
		page.After = after
	}
	if p.Limit != plan.Unlimited {
		page.Size = min(page.Size, max(0, p.Limit-at.Seen))
	}
	asked := &leafRequest{kind: leafPage, Request: *request, now: at.Now, page: page, limits: e.config.limits(request.memory)}
	found, err := exec.Records(ctx, from.all(asked), p, page, asked.limits)
	if err != nil {
		return nil, err
	}
	result := &Result{
		Hits: e.hits(found.Hits), Limit: limit, HasMore: found.HasMore, Total: found.Total, TotalExact: found.TotalExact,
		Facets: found.Facets, Complete: found.Complete, Reason: found.Reason,
	}
	if request.Highlight {
		for i := range result.Hits {
			result.Hits[i].Highlights = exec.Highlights(&result.Hits[i].Record, p.Lights)
		}
	}
	next := *at
	next.Seen += len(found.Hits)
	if p.Limit != plan.Unlimited && next.Seen >= p.Limit {
		result.HasMore = false
	}
	if result.HasMore && len(found.Hits) > 0 {
		last := found.Hits[len(found.Hits)-1]
		next.after(&last.Position)
		result.NextCursor, err = next.encode()
	}
	return result, err
}

// hits drops what only paging needs.
func (e *Engine) hits(found []exec.Hit) []Hit {
	hits := make([]Hit, len(found))
	for i, hit := range found {
		hits[i] = Hit{ID: hit.ID, Record: hit.Record}
	}
	return hits
}

// table answers with a page of a table's rows.
func (e *Engine) table(ctx context.Context, from *source, p *plan.Plan, request *Request, at *cursor) (*Result, error) {
	limit := e.limit(request.Limit, e.config.LimitMax)
	if at.Seen > e.config.Groups {
		return nil, ErrCursor
	}
	asked := &leafRequest{kind: leafTable, Request: *request, now: at.Now, limits: e.config.limits(request.memory)}
	found, err := exec.Table(ctx, from.all(asked), p, at.Seen+limit+1, asked.limits)
	if err != nil {
		return nil, err
	}
	rows := found.Rows[min(len(found.Rows), at.Seen):]
	result := &Result{
		Table: true, Columns: found.Columns, Approximate: found.Approximate, Limit: limit, HasMore: len(rows) > limit,
		Total: found.Matched, TotalExact: found.Complete, Complete: found.Complete, Reason: found.Reason,
	}
	result.Rows = rows[:min(len(rows), limit)]
	if result.HasMore {
		next := *at
		next.Seen += len(result.Rows)
		result.NextCursor, err = next.encode()
	}
	return result, err
}
