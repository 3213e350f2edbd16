package api

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/model"
)

// paperQueries are saved queries in memory.
type paperQueries struct {
	mu  sync.Mutex
	all map[model.TenantID][]v1.SavedQuery
}

func (p *paperQueries) List(tenant model.TenantID) []v1.SavedQuery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(slices.Values(p.all[tenant]), func(a, b v1.SavedQuery) int { return cmp.Compare(a.Name, b.Name) })
}

func (p *paperQueries) Put(_ context.Context, tenant model.TenantID, query v1.SavedQuery, _ bool) (v1.SavedQuery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[model.TenantID][]v1.SavedQuery{}
	}
	mine := slices.DeleteFunc(p.all[tenant], func(q v1.SavedQuery) bool { return q.Name == query.Name })
	p.all[tenant] = append(mine, query)
	return query, nil
}

func (p *paperQueries) Drop(_ context.Context, tenant model.TenantID, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[tenant] = slices.DeleteFunc(p.all[tenant], func(q v1.SavedQuery) bool { return q.Name == name })
	return nil
}
