package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
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
	parts, missing, release, err := e.parts(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer release()
	hit, err := find(ctx, parts, missing, id)
	if err != nil {
		return nil, err
	}
	return &Hit{ID: hit.ID, Record: hit.Record}, nil
}

// find returns the record with an id. That it is not there is certain only if
// no part is missing.
func find(ctx context.Context, parts []part.Part, missing string, id model.RecordID) (exec.Hit, error) {
	hit, ok, err := exec.Find(ctx, parts, id)
	switch {
	case err != nil:
		return hit, fmt.Errorf("get record %s: %w", id, err)
	case !ok && missing != "":
		return hit, fmt.Errorf("get record %s: %w: %s", id, ErrIncomplete, missing)
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
	parts, missing, release, err := e.parts(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer release()
	hit, err := find(ctx, parts, missing, id)
	if err != nil {
		return nil, err
	}
	result := &ContextResult{Hit: Hit{ID: hit.ID, Record: hit.Record}, Complete: missing == "", Reason: missing}
	var filters []plan.Filter
	for _, name := range sourceFields() {
		field, ok := hit.Record.Get(name)
		if !ok || field.Text == "" || field.Kind == model.Null {
			continue
		}
		filters = append(filters, plan.Filter{Field: name, Values: []string{field.Text}})
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
		found, err := exec.Around(ctx, parts, filters, hit.Position, side.desc, side.n, e.config.limits())
		if err != nil {
			return nil, fmt.Errorf("find records around %s: %w", id, err)
		}
		*side.into = e.hits(found.Hits)
		if !found.Complete {
			result.Complete, result.Reason = false, found.Reason
		}
	}
	slices.Reverse(result.Before)
	result.Elapsed = time.Since(started)
	return result, nil
}
