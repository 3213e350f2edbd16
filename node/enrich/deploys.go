package enrich

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
)

// Deploys implements enrich.Store and insight.Known.
func (s *Store) Deploys(tenant model.TenantID) []insight.Deploy { return deploysOf(s.State(), tenant) }

// deploysOf returns the deployments of a tenant, the newest first.
func deploysOf(state *catalogue.State, tenant model.TenantID) []insight.Deploy {
	found := []insight.Deploy{}
	for _, id := range state.DocumentIDs(kindDeploy, tenant) {
		var one insight.Deploy
		// What cannot be read was written by a later version, and says nothing here.
		if json.Unmarshal(state.Document(kindDeploy, tenant, id).Body, &one) == nil {
			one.ID = id
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b insight.Deploy) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.ID, b.ID)) })
	return found
}

// PutDeploy implements enrich.Store.
func (s *Store) PutDeploy(ctx context.Context, tenant model.TenantID, deploy insight.Deploy) (insight.Deploy, error) {
	deploy.ID = strings.ToLower(rand.Text())
	body, err := json.Marshal(deploy)
	if err != nil {
		return deploy, fmt.Errorf("encode deployment: %w", err)
	}
	return deploy, s.edit(ctx, func(state *catalogue.State) ([]catalogue.DocumentChange, error) {
		changes := []catalogue.DocumentChange{{Kind: kindDeploy, Tenant: tenant, ID: deploy.ID, Body: body}}
		if count, _ := state.DocumentsOf(kindDeploy, tenant); count < deploysMax {
			return changes, nil
		}
		if all := deploysOf(state, tenant); len(all) >= deploysMax {
			for _, old := range all[deploysMax-1:][:min(len(all)-deploysMax+1, catalogue.ChangesMax-1)] {
				changes = append(changes, catalogue.DocumentChange{Kind: kindDeploy, Tenant: tenant, ID: old.ID, Any: true, Drop: true})
			}
		}
		return changes, nil
	})
}

// DropDeploy implements enrich.Store.
func (s *Store) DropDeploy(ctx context.Context, tenant model.TenantID, id string) (gone insight.Deploy, err error) {
	err = s.edit(ctx, func(state *catalogue.State) ([]catalogue.DocumentChange, error) {
		all := deploysOf(state, tenant)
		at := slices.IndexFunc(all, func(d insight.Deploy) bool { return d.ID == id })
		if at < 0 {
			return nil, unknown("deployment", id)
		}
		gone = all[at]
		return []catalogue.DocumentChange{{Kind: kindDeploy, Tenant: tenant, ID: id, Any: true, Drop: true}}, nil
	})
	return gone, err
}
