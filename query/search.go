package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stere-log/stere/query/admit"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// Search answers a request when there is a place for it. Its errors are *syntax.Error for the text,
// *RequestError and ErrCursor for the rest of the request, those of package admit,
// and errors of the context and of storage.
func (e *Engine) Search(ctx context.Context, request Request) (result *Result, err error) {
	started := time.Now()
	budget := e.config.budget(request.Audience)
	job := admit.Job{Tenant: request.Tenant, Who: request.Who, Text: request.Text, AtOnce: budget.AtOnce}
	err = admitted(ctx, e.gate, job, func(ctx context.Context, ticket *admit.Ticket) error {
		request.memory, request.turn = lesser(ticket.Memory(), budget.Memory), ticket
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
	if err := checkRuns(request.Text); err != nil {
		return nil, err
	}
	// What the text means is checked before anything is read.
	if _, err := makePlan(&request, setting{now: at.Now}); err != nil {
		return nil, err
	}
	var result *Result
	err = e.over(ctx, request.Tenant, request.mentions(), func(from *source) (err error) {
		result, err = e.searchIn(ctx, from, &request, at)
		return err
	})
	return result, err
}

// Remember computes what requests for tables, which are asked soon, need of the parts that
// are here, all of them of one part before the next: asked one by one each would read the
// same pages again. It answers nothing and need not come to an end: Search does what is
// left, and what is elsewhere. The requests have one audience and one asker.
func (e *Engine) Remember(ctx context.Context, requests []Request) error {
	if len(requests) < 2 {
		return nil
	}
	first := requests[0]
	budget := e.config.budget(first.Audience)
	job := admit.Job{Tenant: first.Tenant, Who: first.Who, Text: first.Text, AtOnce: budget.AtOnce}
	return admitted(ctx, e.gate, job, func(ctx context.Context, ticket *admit.Ticket) error {
		return e.over(ctx, first.Tenant, mentions{}, func(from *source) error {
			var asked []exec.Asked
			for i := range requests {
				request := requests[i]
				request.memory, request.turn = lesser(ticket.Memory(), budget.Memory), ticket
				if one, err := e.rememberable(from, &request); err != nil {
					return err
				} else if one != nil {
					asked = append(asked, *one)
				}
			}
			return exec.Remember(ctx, from.parts, asked)
		})
	})
}

// rememberable returns what a request asks of the parts of a source, nil if that is not a
// table, or one for which something else has to be asked first.
func (e *Engine) rememberable(from *source, request *Request) (*exec.Asked, error) {
	if err := e.check(request); err != nil {
		return nil, err
	}
	at, err := request.start(e.config.Now())
	if err != nil {
		return nil, err
	}
	query, err := syntax.Parse(request.Text)
	if err != nil {
		return nil, err
	}
	alone := len(plan.Subqueries(query)) == 0 && !slices.ContainsFunc(query.Pipes, func(pipe syntax.Pipe) bool {
		switch pipe.(type) {
		case *syntax.Join, *syntax.Lookup:
			return true
		}
		return false
	})
	if !alone || request.Explain || e.config.budget(request.Audience).Read > 0 {
		return nil, nil
	}
	p, err := makePlan(request, setting{now: at.Now})
	if err != nil || p.Table == nil || len(p.Rest) > 0 || p.Dedup {
		return nil, err
	}
	named := request.mentions()
	return &exec.Asked{Parts: named.with(from.parts, e.learnt(request.Tenant, named), e.places()), Plan: p, Limits: e.limits(request)}, nil
}

// searchIn is search once it is known what there is.
func (e *Engine) searchIn(ctx context.Context, from *source, request *Request, at *cursor) (*Result, error) {
	tag := ""
	if request.Tagged {
		if tag = e.tag(from, request, ""); tag != "" && slices.Contains(request.Known, tag) {
			return &Result{Tag: tag, Unchanged: true, Complete: true}, nil
		}
	}
	if request.Explain || e.config.budget(request.Audience).Read > 0 {
		request.usage = &exec.Usage{}
		from.count(request.usage)
	}
	result, err := e.answer(ctx, from, request, at)
	if err != nil {
		return nil, fmt.Errorf("search tenant %s: %w", request.Tenant, err)
	}
	result.Complete, result.Reason = from.outcome(result.Complete, result.Reason)
	result.TotalExact = result.TotalExact && result.Complete
	if result.Complete {
		result.Tag = tag
	}
	return result, nil
}

// answer answers a request that is free of faults.
func (e *Engine) answer(ctx context.Context, from *source, request *Request, at *cursor) (result *Result, err error) {
	c, p, err := e.newChain(ctx, from, request, setting{now: at.Now})
	if err != nil {
		return nil, err
	}
	defer c.cancel()
	if request.Explain {
		defer func() {
			if err == nil {
				result.Explain = explain(request, p)
			}
		}()
	}
	switch {
	case len(p.Rest) > 0 || p.Dedup:
		result, err = e.rest(c, p, at)
	case p.Table != nil:
		result, err = e.table(ctx, from, p, request, at, c.setting)
	default:
		result, err = e.records(ctx, from, p, request, at, c.setting)
	}
	if err != nil {
		return nil, err
	}
	c.outcome(result)
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

// setting is what a plan depends on besides the request.
type setting struct {
	now   int64      // what "now" means
	sets  [][]string // what the queries in the text's conditions found; nil before they ran
	joins []*rows.JoinSet
	shift time.Duration // how much earlier everything is looked for
}

// makePlan says what a request means. Queries in its conditions find nothing if
// they have not run yet.
func makePlan(request *Request, in setting) (*plan.Plan, error) {
	query, err := syntax.Parse(request.Text)
	if err != nil {
		return nil, err
	}
	options := plan.Options{Now: time.Unix(0, in.now), From: request.From, To: request.To, Sets: in.sets, Joins: in.joins, Shift: in.shift, Restriction: request.Restriction}
	if subs := plan.Subqueries(query); in.sets == nil {
		options.Sets = make([][]string, len(subs))
	} else if len(subs) != len(in.sets) {
		return nil, fmt.Errorf("%w: %d sets for %d queries inside it", ErrLeafRequest, len(in.sets), len(subs))
	}
	for _, filter := range request.Filters {
		options.Filters = append(options.Filters, plan.Filter(filter))
	}
	for _, key := range request.Sort {
		options.Sort = append(options.Sort, plan.SortKey(key))
	}
	return plan.New(query, options)
}

// pageSize returns how many records or rows an answer may have.
func (e *Engine) pageSize(asked, fallback int) int {
	if asked == 0 {
		asked = fallback
	}
	return min(asked, e.config.LimitMax)
}

// limits returns what a request may use.
func (e *Engine) limits(request *Request) exec.Limits {
	limits := e.config.limits(request.memory)
	limits.Time, limits.Usage = e.time(request), request.usage
	if request.turn != nil {
		limits.Turn = request.turn.Do
	}
	limits.Workers = e.workers()
	budget := e.config.budget(request.Audience)
	limits.Read, limits.Groups = budget.Read, lesser(limits.Groups, budget.Rows)
	if request.Groups > 0 {
		limits.Groups = min(limits.Groups, request.Groups)
	}
	return limits
}

// workers returns how many parts a query reads at once: the queries that run share
// them, so that a small one finds a processor soon.
func (e *Engine) workers() int {
	running, _, _ := e.gate.Counts()
	others, _, _ := e.leaves.Counts()
	return max(1, e.config.Workers/max(1, running+others))
}

// time returns how long a request may run.
func (e *Engine) time(request *Request) time.Duration {
	return lesser(lesser(e.config.Time, request.Time), e.config.budget(request.Audience).Time)
}

// records answers with a page of records.
func (e *Engine) records(ctx context.Context, from *source, p *plan.Plan, request *Request, at *cursor, in setting) (*Result, error) {
	fallback := e.config.Limit
	if p.Limit != plan.Unlimited {
		fallback = max(1, p.Limit)
	}
	limit := e.pageSize(request.Limit, fallback)
	page := exec.Page{Size: limit, Facets: request.Facets, Total: !request.Uncounted}
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
	limits := e.limits(request)
	page.Bytes, page.Short = min(e.config.PageBytes, limits.MemoryBytes), true
	asked := &leafRequest{kind: leafPage, Request: *request, setting: in, page: page, limits: limits}
	request.usage.Estimate(from.parts, p, &page)
	found, err := exec.Records(ctx, from.all(asked), p, page, asked.limits)
	if err != nil {
		return nil, err
	}
	hits, err := e.shaped(found.Hits, p.Shape)
	if err != nil {
		return nil, err
	}
	result := &Result{
		Hits: hits, Limit: limit, HasMore: found.HasMore, Total: found.Total, TotalExact: found.TotalExact,
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

// shaped returns the records of a page after the ops of a plan, of which none
// leaves out what the search has found.
func (e *Engine) shaped(found []exec.Hit, ops []rows.Op) ([]Hit, error) {
	hits, bytes := e.hits(found), 0
	if len(ops) == 0 {
		return hits, nil
	}
	grows := slices.ContainsFunc(ops, func(op rows.Op) bool { return !rows.Structural(op) })
	for i := range hits {
		row := rows.OfRecord(hits[i].ID, &hits[i].Record)
		for _, op := range ops {
			op.Apply(&row)
		}
		if bytes += row.Bytes(); grows && bytes > e.config.MemoryBytes {
			return nil, &RequestError{Field: "limit", Message: fmt.Sprintf("asks for records of more than %d bytes", e.config.MemoryBytes)}
		}
		hits[i].Record = row.ToRecord()
	}
	return hits, nil
}

// table answers with a page of a table's rows.
func (e *Engine) table(ctx context.Context, from *source, p *plan.Plan, request *Request, at *cursor, in setting) (*Result, error) {
	limit := e.pageSize(request.Limit, e.config.LimitMax)
	if request.Whole {
		limit = e.config.Groups
	}
	if at.Seen > e.config.Groups {
		return nil, ErrCursor
	}
	asked := &leafRequest{kind: leafTable, Request: *request, setting: in, limits: e.limits(request)}
	request.usage.Estimate(from.parts, p, nil)
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
