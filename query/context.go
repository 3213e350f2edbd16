package query

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
)

// sourceFields are the fields that say where a record comes from.
func sourceFields() []string {
	return []string{
		model.FieldComponent, "host", "metadata.host", "metadata.source", "source", "file", "metadata.pod", "metadata.container",
	}
}

// Get returns the record with an id, or ErrNotFound; ErrIncomplete if it may be in
// what cannot be read.
func (e *Engine) Get(ctx context.Context, audience Audience, id model.RecordID) (hit *Hit, err error) {
	err = exec.Guard(func() error {
		hit, err = e.get(ctx, audience, id)
		return err
	})
	return hit, err
}

func (e *Engine) get(ctx context.Context, audience Audience, id model.RecordID) (*Hit, error) {
	var hit exec.Hit
	err := e.over(ctx, audience.Tenant, mentionsOf(audience.Restriction), func(from *source) (err error) {
		hit, err = e.find(ctx, from, audience, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Hit{ID: hit.ID, Record: hit.Record}, nil
}

// find returns the record with an id. Of the leaves it asks the one that reads
// the record's shard. That the record is not there is certain only if nothing is
// missing.
func (e *Engine) find(ctx context.Context, from *source, audience Audience, id model.RecordID) (exec.Hit, error) {
	limits := e.config.limits(e.config.MemoryBytes)
	if audience.Restriction != "" {
		return e.findSeen(ctx, from, audience, id, limits)
	}
	asked := &leafRequest{kind: leafFetch, Request: Request{Audience: audience}, limits: limits}
	hit, ok, outcome, err := exec.Find(ctx, from.of(id.Shard, asked), id, limits)
	switch complete, reason := from.outcome(outcome.Complete, outcome.Reason); {
	case err != nil:
		return hit, fmt.Errorf("get record %s: %w", id, err)
	case !ok && !complete:
		return hit, fmt.Errorf("get record %s: %w: %s", id, ErrIncomplete, reason)
	case !ok:
		return hit, ErrNotFound
	}
	return hit, nil
}

// findSeen is find for an audience that does not see every record: what it does
// not see is not there.
func (e *Engine) findSeen(ctx context.Context, from *source, audience Audience, id model.RecordID, limits exec.Limits) (exec.Hit, error) {
	request := &Request{Audience: audience, Filters: []Filter{{Field: model.FieldID, Values: []string{id.String()}}}}
	in := setting{now: e.config.Now().UnixNano()}
	p, err := makePlan(request, in)
	if err != nil {
		return exec.Hit{}, err
	}
	asked := &leafRequest{kind: leafPage, Request: *request, setting: in, page: exec.Page{Size: 1}, limits: limits}
	found, err := exec.Records(ctx, from.of(id.Shard, asked), p, asked.page, limits)
	if err != nil {
		return exec.Hit{}, fmt.Errorf("get record %s: %w", id, err)
	}
	switch complete, reason := from.outcome(found.Complete, found.Reason); {
	case len(found.Hits) > 0:
		return found.Hits[0], nil
	case !complete:
		return exec.Hit{}, fmt.Errorf("get record %s: %w: %s", id, ErrIncomplete, reason)
	}
	return exec.Hit{}, ErrNotFound
}

// Context returns a record with those before and after it that come from the
// same source: that have the same values in those of the fields component,
// host, metadata.host, metadata.source, source, file, metadata.pod and
// metadata.container that the record has.
func (e *Engine) Context(ctx context.Context, audience Audience, id model.RecordID, before, after int) (result *ContextResult, err error) {
	err = exec.Guard(func() error {
		result, err = e.around(ctx, audience, id, before, after)
		return err
	})
	return result, err
}

func (e *Engine) around(ctx context.Context, audience Audience, id model.RecordID, before, after int) (*ContextResult, error) {
	started := time.Now()
	if before < 0 || after < 0 || before > e.config.ContextMax || after > e.config.ContextMax {
		return nil, &RequestError{Field: "context", Message: fmt.Sprintf("asks for %d before and %d after, want 0 to %d", before, after, e.config.ContextMax)}
	}
	var result *ContextResult
	err := e.over(ctx, audience.Tenant, mentionsOf(audience.Restriction), func(from *source) (err error) {
		result, err = e.aroundIn(ctx, from, audience, id, before, after)
		return err
	})
	if err != nil {
		return nil, err
	}
	result.Elapsed = time.Since(started)
	return result, nil
}

// aroundIn is around once it is known what there is.
func (e *Engine) aroundIn(ctx context.Context, from *source, audience Audience, id model.RecordID, before, after int) (*ContextResult, error) {
	hit, err := e.find(ctx, from, audience, id)
	if err != nil {
		return nil, err
	}
	result := &ContextResult{Hit: Hit{ID: hit.ID, Record: hit.Record}, Complete: true}
	for _, name := range sourceFields() {
		field, ok := hit.Record.Get(name)
		if !ok || field.Text == "" || field.Kind == model.Null {
			continue
		}
		result.Source = append(result.Source, Filter{Field: name, Values: []string{field.Text}})
	}
	for _, side := range [...]struct {
		desc bool
		n    int
		into *[]Hit
	}{{true, before, &result.Before}, {false, after, &result.After}} {
		if side.n == 0 {
			continue
		}
		found, err := e.nextTo(ctx, from, &Request{Audience: audience, Filters: result.Source}, hit.Position, side.desc, side.n, e.config.limits(e.config.MemoryBytes))
		if err != nil {
			return nil, fmt.Errorf("find records around %s: %w", id, err)
		}
		*side.into = e.hits(found.Hits)
		if !found.Complete {
			result.Complete, result.Reason = false, found.Reason
		}
	}
	result.Complete, result.Reason = from.outcome(result.Complete, result.Reason)
	slices.Reverse(result.Before)
	return result, nil
}

// nextTo returns the records next to a position that satisfy a request: those
// before it if desc, nearest first.
func (e *Engine) nextTo(ctx context.Context, from *source, request *Request, at exec.Position, desc bool, n int, limits exec.Limits) (*exec.RecordsResult, error) {
	request.Sort = []SortKey{{Field: plan.FieldTime, Desc: desc}}
	// Zero is no bound, which is right too: the position decides.
	request.From = at.Time
	if desc {
		request.From, request.To = 0, at.Time
		if at.Time < math.MaxInt64 {
			request.To++
		}
	}
	in := setting{now: e.config.Now().UnixNano()} // for the restriction
	p, err := makePlan(request, in)
	if err != nil {
		return nil, err
	}
	asked := &leafRequest{kind: leafPage, Request: *request, setting: in, page: exec.Page{Size: n, After: &at, Bytes: limits.MemoryBytes}, limits: limits}
	return exec.Records(ctx, from.all(asked), p, asked.page, asked.limits)
}
