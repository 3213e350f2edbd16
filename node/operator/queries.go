package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
)

// Queries are the saved queries of all tenants, in the catalogue.
type Queries struct {
	State   func() *catalogue.State
	Propose func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
}

var _ api.SavedQueries = Queries{}

// List implements api.SavedQueries.
func (q Queries) List(tenant model.TenantID) []v1.SavedQuery {
	found := []v1.SavedQuery{}
	for _, one := range q.State().Queries[tenant] {
		found = append(found, saved(one))
	}
	slices.SortFunc(found, func(a, b v1.SavedQuery) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// saved returns a query as clients see it.
func saved(q catalogue.SavedQuery) v1.SavedQuery {
	return v1.SavedQuery{Name: q.Name, Query: q.Text, Description: q.Description, By: q.By, Created: time.Unix(0, q.Created).UTC(), Changed: time.Unix(0, q.Changed).UTC()}
}

// Half of the room for saved queries goes to the tenants who come first; beyond, a
// tenant has so many, of so many bytes, that a few do not take what is left of all.
const (
	queriesSure      = 8
	queriesSureBytes = 32 << 10
	queriesHalf      = catalogue.QueriesMax / 2
	queriesHalfBytes = 32 << 20
	// queriesBytesMax is how many bytes the queries of one tenant have.
	queriesBytesMax = 1 << 20
)

// room reports why a tenant cannot save one more query.
func (q Queries) room(tenant model.TenantID, query catalogue.SavedQuery) error {
	all := q.State().Queries
	count, bytes := 0, 0
	for _, queries := range all {
		count += len(queries)
		for _, one := range queries {
			bytes += bytesOf(one)
		}
	}
	mine, mineBytes := len(all[tenant]), bytesOf(query)
	if old, there := all[tenant][query.Name]; there {
		mine, mineBytes = mine-1, mineBytes-bytesOf(old)
	}
	for _, one := range all[tenant] {
		mineBytes += bytesOf(one)
	}
	switch {
	case mineBytes > queriesBytesMax:
		return fmt.Errorf("%w: the saved queries of the tenant would take %d bytes, at most %d", api.ErrRefused, mineBytes, queriesBytesMax)
	case count >= queriesHalf && mine >= queriesSure, bytes >= queriesHalfBytes && mineBytes > queriesSureBytes:
		return fmt.Errorf("%w: there are %d saved queries of %d bytes, so that a tenant has at most %d of %d bytes", api.ErrRefused, count, bytes, queriesSure, queriesSureBytes)
	}
	return nil
}

// bytesOf returns about what a saved query takes.
func bytesOf(q catalogue.SavedQuery) int {
	return len(q.Name) + len(q.Text) + len(q.Description) + len(q.By)
}

// authorOf returns the name of a principal as the catalogue keeps it: subjects of
// tokens can be long, and may have characters in them that it refuses.
func authorOf(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if len(name) > catalogue.TextMax {
		name = strings.ToValidUTF8(name[:catalogue.TextMax-len(cutShort)], "") + cutShort
	}
	return name
}

// cutShort stands behind a name of which only the beginning is kept.
const cutShort = "…"

// Put implements api.SavedQueries.
func (q Queries) Put(ctx context.Context, tenant model.TenantID, query v1.SavedQuery, fresh bool) (v1.SavedQuery, error) {
	put := catalogue.PutQuery{Tenant: tenant, New: fresh, Query: catalogue.SavedQuery{
		Name: query.Name, Text: query.Query, Description: query.Description, By: authorOf(query.By),
	}}
	if err := q.room(tenant, put.Query); err != nil {
		return query, err
	}
	state, err := q.Propose(ctx, put)
	if err != nil {
		return query, meaning(err)
	}
	return saved(state.Queries[tenant][query.Name]), nil
}

// Drop implements api.SavedQueries.
func (q Queries) Drop(ctx context.Context, tenant model.TenantID, name string) error {
	_, err := q.Propose(ctx, catalogue.DropQuery{Tenant: tenant, Name: name})
	if errors.Is(err, catalogue.ErrConflict) || errors.Is(err, catalogue.ErrInvalid) {
		return fmt.Errorf("%w: %w", api.ErrUnknown, err)
	}
	return meaning(err)
}
