package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// chain runs the pipes of one request that need rows at the root, and the
// queries in parentheses inside of it. It is for one goroutine.
type chain struct {
	engine  *Engine
	ctx     context.Context // the caller's
	bounded context.Context // with the time budget of the whole request
	cancel  context.CancelFunc
	from    *source
	request *Request
	memory  int   // bytes that rows of the whole request may take
	room    *room // what they take, shared with the queries inside
	setting
	state *chainState // shared with the queries inside
}

// chainState is what all queries of a request have in common.
type chainState struct {
	reasons     []string
	approximate []string
	matched     uint64
}

// newChain plans a request; for that it runs the queries inside its conditions
// and of its joins.
func (e *Engine) newChain(ctx context.Context, from *source, request *Request, in setting) (*chain, *plan.Plan, error) {
	c := &chain{engine: e, ctx: ctx, from: from, request: request, setting: in, state: &chainState{}, room: &room{}}
	c.bounded, c.cancel = context.WithTimeout(ctx, e.time(request))
	c.memory = e.config.limits(request.memory).MemoryBytes
	p, err := c.plan()
	if err != nil {
		c.cancel()
		return nil, nil, err
	}
	return c, p, nil
}

// inside returns the chain of a query in parentheses.
func (c *chain) inside(text string) *chain {
	in := *c
	in.request = &Request{Audience: c.request.Audience, Text: text, From: c.request.From, To: c.request.To, Groups: c.request.Groups, Time: c.request.Time, Explain: c.request.Explain, memory: c.request.memory, turn: c.request.turn, usage: c.request.usage}
	in.sets, in.joins = nil, nil
	return &in
}

// plan runs the queries inside the conditions and of the joins of the request
// and plans it.
func (c *chain) plan() (*plan.Plan, error) {
	query, err := syntax.Parse(c.request.Text)
	if err != nil {
		return nil, err
	}
	if err := c.findSets(plan.Subqueries(query)); err != nil {
		return nil, err
	}
	for _, pipe := range query.Pipes {
		var set *rows.JoinSet
		switch pipe := pipe.(type) {
		case *syntax.Join:
			set, err = c.joinSet(pipe)
		case *syntax.Lookup:
			set, err = c.engine.lookup(c.request, pipe)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		c.joins = append(c.joins, set)
	}
	return makePlan(c.request, c.setting)
}

// rows returns how many records or rows pipes may hold.
func (c *chain) rows() int {
	return lesser(c.engine.config.Rows, c.engine.config.budget(c.request.Audience).Rows)
}

// partial notes why the answer is not complete.
func (c *chain) partial(format string, args ...any) {
	if reason := fmt.Sprintf(format, args...); reason != "" && !slices.Contains(c.state.reasons, reason) {
		c.state.reasons = append(c.state.reasons, reason)
	}
}

// note notes how complete the answer of a run was.
func (c *chain) note(outcome exec.Outcome) {
	if !outcome.Complete {
		c.partial("%s", outcome.Reason)
	}
}

// outcome puts what was noted into a result.
func (c *chain) outcome(result *Result) {
	if len(c.state.reasons) == 0 {
		return
	}
	reasons := c.state.reasons
	if !result.Complete {
		reasons = append([]string{result.Reason}, reasons...)
	}
	result.Complete, result.TotalExact, result.Reason = false, false, exec.JoinReasons(reasons)
}

// limits returns the limits of a run: those of the engine, in the time that is
// left.
func (c *chain) limits() exec.Limits {
	asked := *c.request
	asked.memory = max(1, asked.memory-c.room.held)
	limits := c.engine.limits(&asked)
	if deadline, ok := c.bounded.Deadline(); ok {
		limits.Time = max(1, min(limits.Time, time.Until(deadline)))
	}
	return limits
}

// rest answers a request whose pipes need rows at the root.
func (e *Engine) rest(c *chain, p *plan.Plan, at *cursor) (*Result, error) {
	fallback := e.config.LimitMax
	if p.Records() {
		fallback = e.config.Limit
		if cut, ok := last(p.Rest).(*plan.CutStage); ok && cut.Limit != plan.Unlimited {
			fallback = max(1, cut.Limit)
		}
	}
	limit := e.pageSize(c.request.Limit, fallback)
	if c.request.Whole {
		limit = e.config.Rows
	}
	if at.Seen > max(e.config.Groups, e.config.Rows) {
		return nil, ErrCursor
	}
	set, err := c.set(p, len(p.Rest), at.Seen+limit+1)
	if err != nil {
		return nil, err
	}
	result := &Result{Limit: limit, HasMore: len(set.Rows) > at.Seen+limit, Complete: true, TotalExact: true}
	total := len(set.Rows)
	set.Cut(at.Seen, limit)
	if set.Records {
		result.Total, result.TotalExact = uint64(total), !result.HasMore
		if whole := c.total(p); whole >= 0 {
			result.Total, result.TotalExact = uint64(whole), true
		}
		result.Hits = make([]Hit, len(set.Rows))
		for i := range set.Rows {
			result.Hits[i] = Hit{ID: set.Rows[i].ID, Record: set.Rows[i].ToRecord()}
			if c.request.Highlight {
				result.Hits[i].Highlights = exec.Highlights(&result.Hits[i].Record, p.Lights)
			}
		}
	} else {
		result.Table, result.Total = true, c.state.matched
		result.Columns, result.Rows = exec.RenderSet(set)
		for _, column := range result.Columns {
			if slices.Contains(c.state.approximate, column.Name) {
				result.Approximate = append(result.Approximate, column.Name)
			}
		}
	}
	if result.HasMore {
		next := *at
		next.Seen += limit
		result.NextCursor, err = next.encode()
	}
	return result, err
}

// last returns the last stage, nil if there is none.
func last(stages []plan.Stage) plan.Stage {
	if len(stages) == 0 {
		return nil
	}
	return stages[len(stages)-1]
}

// total returns how many records a plan finds, if that was counted; -1 if not.
func (c *chain) total(p *plan.Plan) int {
	if p.Dedup && len(p.Rest) == 0 {
		return int(c.state.matched)
	}
	return -1
}

// needed returns how many rows stages need to give so many.
func needed(stages []plan.Stage, want int) int {
	for _, stage := range slices.Backward(stages) {
		switch stage := stage.(type) {
		case *plan.RowsStage:
			if slices.ContainsFunc(stage.Ops, rows.Filters) {
				return math.MaxInt
			}
		case *plan.CutStage:
			if stage.Limit != plan.Unlimited {
				want = min(want, stage.Limit)
			}
			want += min(stage.Offset, math.MaxInt-want)
		default:
			return math.MaxInt
		}
	}
	return want
}

// set returns the rows of a plan after its first stages: at least the first
// want of them, if there are.
func (c *chain) set(p *plan.Plan, stages, want int) (*rows.Set, error) {
	set, err := c.head(p, needed(p.Rest[:stages], want))
	if err != nil {
		return nil, err
	}
	if set.Records {
		if err := c.apply(set, p.Shape); err != nil {
			return nil, err
		}
	}
	for i, stage := range p.Rest[:stages] {
		if err := c.inTurn(stage, func() error { return c.stage(set, p, i, stage) }); err != nil {
			return nil, err
		}
		c.bound(set)
	}
	return set, nil
}

// head returns what the parts amount to before the first stage.
func (c *chain) head(p *plan.Plan, want int) (*rows.Set, error) {
	limits, most := c.limits(), c.rows()
	asked := &leafRequest{kind: leafTable, Request: *c.request, setting: c.setting, limits: limits}
	size := min(want, most)
	if p.Dedup || p.Table != nil {
		c.request.usage.Estimate(c.from.parts, p, nil)
	}
	switch {
	case p.Dedup:
		found, err := exec.Dedup(c.ctx, c.from.all(asked), p, 0, size, limits.MemoryBytes, limits)
		if err != nil {
			return nil, err
		}
		c.note(found.Outcome)
		c.state.matched = uint64(found.Total)
		if want > most && found.Total > most {
			c.partial("there are more than %d records", most)
		}
		return recordSet(found.Hits), nil
	case p.Table != nil:
		found, err := exec.TableSet(c.ctx, c.from.all(asked), p, limits)
		if err != nil {
			return nil, err
		}
		c.note(found.Outcome)
		c.state.matched = found.Matched
		c.state.approximate = append(c.state.approximate, found.Approximate...)
		return found.Set, nil
	}
	asked.kind = leafPage
	asked.page = exec.Page{Size: size, Skip: min(p.Offset, c.engine.config.OffsetMax), Bytes: limits.MemoryBytes}
	if p.Offset > c.engine.config.OffsetMax {
		return nil, &RequestError{Field: "offset", Message: fmt.Sprintf("is %d, want at most %d", p.Offset, c.engine.config.OffsetMax)}
	}
	if p.Limit != plan.Unlimited {
		asked.page.Size = min(size, p.Limit)
	}
	c.request.usage.Estimate(c.from.parts, p, &asked.page)
	found, err := exec.Records(c.ctx, c.from.all(asked), p, asked.page, limits)
	if err != nil {
		return nil, err
	}
	c.note(found.Outcome)
	if found.HasMore && want > most && (p.Limit == plan.Unlimited || p.Limit > most) {
		c.partial("there are more than %d records", most)
	}
	return recordSet(found.Hits), nil
}

// recordSet returns records as rows.
func recordSet(hits []exec.Hit) *rows.Set {
	set := &rows.Set{Records: true, Rows: make([]rows.Row, len(hits))}
	for i := range hits {
		set.Rows[i] = rows.OfRecord(hits[i].ID, &hits[i].Record)
	}
	return set
}

// apply does ops to all rows, as long as there is time.
func (c *chain) apply(set *rows.Set, ops []rows.Op) error {
	err := set.Apply(ops, c.left(), c.bounded.Err)
	switch {
	case errors.Is(err, rows.ErrBytes):
		c.partial("the rows take more than %d bytes", c.left())
		return nil
	case c.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		c.partial("the time limit of %s is over", c.engine.time(c.request))
		return nil
	}
	return err
}

// bound cuts rows that take more than the memory or the number of rows that
// there is.
func (c *chain) bound(set *rows.Set) {
	most := c.rows()
	if !set.Records {
		most = max(most, lesser(c.engine.config.Groups, c.engine.config.budget(c.request.Audience).Rows))
	}
	if len(set.Rows) > most {
		set.Cut(0, most)
		c.partial("there are more than %d rows", most)
	}
	bytes, left := 0, c.left()
	for i := range set.Rows {
		if bytes += set.Rows[i].Bytes(); bytes > left {
			set.Cut(0, i)
			c.partial("the rows take more than %d bytes", left)
			return
		}
	}
}

// inTurn does a stage when it is its turn; those that ask queries leave that to these.
func (c *chain) inTurn(stage plan.Stage, do func() error) error {
	switch stage.(type) {
	case *plan.UnionStage, *plan.ContextStage, *plan.CompareStage:
		return do()
	}
	if c.request.turn == nil {
		return do()
	}
	return c.request.turn.Do(c.ctx, func() error { return exec.Guard(do) })
}

// stage does one stage.
func (c *chain) stage(set *rows.Set, p *plan.Plan, number int, stage plan.Stage) error {
	switch stage := stage.(type) {
	case *plan.RowsStage:
		if err := c.apply(set, stage.Ops); err != nil {
			return err
		}
		if !set.Records {
			setColumns(set, stage.Columns, stage.Open)
		}
	case *plan.SortStage:
		exec.SortSet(set, stage.Keys)
	case *plan.CutStage:
		set.Cut(stage.Offset, stage.Limit)
	case *plan.StatsStage:
		made, err := exec.StatsSet(c.ctx, set, p, stage.Table, c.limits())
		if err != nil {
			return err
		}
		c.note(made.Outcome)
		if set.Records {
			c.state.matched = made.Matched
		}
		c.state.approximate = append(c.state.approximate, made.Approximate...)
		*set = *made.Set
	case *plan.DedupStage:
		set.Dedup(stage.By)
	case *plan.FillStage:
		if most := c.rows(); !set.FillBuckets(stage.Buckets, max(most, len(set.Rows))) {
			c.partial("the empty buckets would make more than %d rows", most)
		}
	case *plan.TimelineStage:
		set.Timeline(stage.By)
	case *plan.UnionStage:
		return c.union(set, stage)
	case *plan.ContextStage:
		return c.context(set, stage.N)
	case *plan.CompareStage:
		return c.compare(set, p, number, stage)
	}
	return nil
}

// setColumns gives a table its columns after ops on its rows; those that keep
// their name keep their type.
func setColumns(set *rows.Set, names []string, open bool) {
	types := map[string]string{}
	for _, column := range set.Columns {
		types[column.Name] = column.Type
	}
	if open {
		names = slices.Clone(names)
		known := map[string]bool{}
		for _, name := range names {
			known[name] = true
		}
		for i := range set.Rows {
			for _, f := range set.Rows[i].Fields {
				if !known[f.Name] && len(names) < rows.FieldsMax {
					known[f.Name] = true
					names = append(names, f.Name)
				}
			}
		}
	}
	set.Columns = make([]rows.Column, len(names))
	for i, name := range names {
		set.Columns[i] = rows.Column{Name: name, Type: types[name]}
	}
}
