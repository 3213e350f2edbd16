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
func (e *Engine) Get(ctx context.Context, tenant model.TenantID, id model.RecordID) (hit *Hit, err error) {
	err = exec.Guard(func() error {
		hit, err = e.get(ctx, tenant, id)
		return err
	})
	return hit, err
}

func (e *Engine) get(ctx context.Context, tenant model.TenantID, id model.RecordID) (*Hit, error) {
	from, err := e.source(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer from.release()
	hit, err := e.find(ctx, from, tenant, id)
	if err != nil {
		return nil, err
	}
	return &Hit{ID: hit.ID, Record: hit.Record}, nil
}

// find returns the record with an id. Of the leaves it asks the one that reads
// the record's shard. That the record is not there is certain only if nothing is
// missing.
func (e *Engine) find(ctx context.Context, from *source, tenant model.TenantID, id model.RecordID) (exec.Hit, error) {
	limits := e.config.limits(e.config.MemoryBytes)
	asked := &leafRequest{kind: leafFetch, Request: Request{Tenant: tenant}, limits: limits}
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

// Context returns a record with those before and after it that come from the
// same source: that have the same values in those of the fields component,
// host, metadata.host, metadata.source, source, file, metadata.pod and
// metadata.container that the record has.
func (e *Engine) Context(ctx context.Context, tenant model.TenantID, id model.RecordID, before, after int) (result *ContextResult, err error) {
	err = exec.Guard(func() error {
		result, err = e.around(ctx, tenant, id, before, after)
		return err
	})
	return result, err
}

func (e *Engine) around(ctx context.Context, tenant model.TenantID, id model.RecordID, before, after int) (*ContextResult, error) {
	started := time.Now()
	if before < 0 || after < 0 || before > e.config.ContextMax || after > e.config.ContextMax {
		return nil, &RequestError{Field: "context", Message: fmt.Sprintf("asks for %d before and %d after, want 0 to %d", before, after, e.config.ContextMax)}
	}
	from, err := e.source(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer from.release()
	hit, err := e.find(ctx, from, tenant, id)
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
		found, err := e.nextTo(ctx, from, &Request{Tenant: tenant, Filters: result.Source}, hit.Position, side.desc, side.n, e.config.limits(e.config.MemoryBytes))
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
	result.Elapsed = time.Since(started)
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
	p, err := makePlan(request, setting{})
	if err != nil {
		return nil, err
	}
	asked := &leafRequest{kind: leafPage, Request: *request, page: exec.Page{Size: n, After: &at}, limits: limits}
	return exec.Records(ctx, from.all(asked), p, asked.page, asked.limits)
}
