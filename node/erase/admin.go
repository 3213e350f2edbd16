package erase

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
	"github.com/stere-log/stere/query"
)

// Admin is what administrators see and change of the removal of records.
type Admin struct {
	*Eraser
	// Change makes a change; its errors have the meanings of package api.
	Change func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
}

var _ admin.Erasures = Admin{}

// Deletions implements admin.Erasures.
func (a Admin) Deletions() []erasure.Deletion {
	return slices.SortedFunc(maps.Values(a.State().Deletions), func(x, y erasure.Deletion) int { return cmp.Compare(y.Number, x.Number) })
}

// Holds implements admin.Erasures.
func (a Admin) Holds() []erasure.Hold {
	return slices.SortedFunc(maps.Values(a.State().Holds), func(x, y erasure.Hold) int { return cmp.Compare(x.ID, y.ID) })
}

// RetentionOf implements admin.Erasures.
func (a Admin) RetentionOf(tenant model.TenantID) erasure.Retention {
	return a.State().Retention[tenant]
}

// AddDeletion implements admin.Erasures.
func (a Admin) AddDeletion(ctx context.Context, d erasure.Deletion) (erasure.Deletion, error) {
	state, err := a.Change(ctx, catalogue.AddDeletion{Deletion: d})
	if err != nil {
		return d, err
	}
	return state.Deletions[state.NextDeletion], nil
}

// CancelDeletion implements admin.Erasures.
func (a Admin) CancelDeletion(ctx context.Context, number uint64, detail string) (erasure.Deletion, error) {
	state, err := a.Change(ctx, catalogue.CancelDeletion{Number: number, Detail: detail})
	if err != nil {
		return erasure.Deletion{}, err
	}
	return state.Deletions[number], nil
}

// PutHold implements admin.Erasures.
func (a Admin) PutHold(ctx context.Context, hold erasure.Hold) (erasure.Hold, error) {
	state, err := a.Change(ctx, catalogue.PutHold{Hold: hold})
	if err != nil {
		return hold, err
	}
	return state.Holds[hold.ID], nil
}

// DropHold implements admin.Erasures.
func (a Admin) DropHold(ctx context.Context, id string) error {
	_, err := a.Change(ctx, catalogue.DropHold{ID: id})
	return err
}

// SetRetention implements admin.Erasures.
func (a Admin) SetRetention(ctx context.Context, tenant model.TenantID, r erasure.Retention) error {
	_, err := a.Change(ctx, catalogue.SetRetention{Tenant: tenant, Retention: erasure.Retention{Rules: r.Rules}, If: r.Version})
	return err
}

// Estimate implements admin.Erasures: it counts what a deletion would remove now. The
// bytes are the share that the records have of all of the tenant's.
func (a Admin) Estimate(ctx context.Context, d erasure.Deletion) (admin.Estimate, error) {
	var out admin.Estimate
	var err error
	if out.Records, err = a.count(ctx, d.Tenant, d.Query, "", d.Span); err != nil {
		return out, err
	}
	for _, hold := range a.Holds() {
		if hold.Tenant != d.Tenant || !hold.Overlaps(d.Span) {
			continue
		}
		span := d.Span
		span.From = max(span.From, hold.From)
		if hold.To != 0 && (span.To == 0 || hold.To < span.To) {
			span.To = hold.To
		}
		held, err := a.count(ctx, d.Tenant, d.Query, hold.Query, span)
		if err != nil {
			return out, err
		}
		out.Held = append(out.Held, admin.Held{Hold: hold.ID, Reason: hold.Reason, Records: held})
	}
	all, err := a.count(ctx, d.Tenant, "", "", erasure.Span{})
	if err != nil {
		return out, err
	}
	days, err := a.days(ctx, d.Tenant)
	if err != nil {
		return out, err
	}
	bytes := int64(0)
	for _, of := range days {
		bytes += of
	}
	if all > 0 {
		out.Bytes = int64(float64(bytes) * math.Min(1, float64(out.Records)/float64(all)))
	}
	return out, nil
}

// count returns how many records of a tenant satisfy two conditions.
func (a Admin) count(ctx context.Context, tenant model.TenantID, one, other string, span erasure.Span) (uint64, error) {
	text := "*"
	for _, condition := range []string{one, other} {
		if condition != "" {
			text += " AND (" + condition + ")"
		}
	}
	found, err := a.Engine.Search(ctx, query.Request{Audience: query.Audience{Tenant: tenant}, Text: text + " | stats count()", From: span.From, To: span.To, Whole: true, Who: "deletions"})
	if err != nil {
		return 0, fmt.Errorf("count what would be removed: %w", err)
	}
	if len(found.Rows) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(fmt.Sprint(found.Rows[0][0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("count what would be removed: %w", err)
	}
	return n, nil
}
