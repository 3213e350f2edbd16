package operator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
)

// verdictKind is the kind of the documents that are verdicts about findings.
const verdictKind = "verdict"

// Verdicts are what people said of findings, as documents of the catalogue: each is
// JSON under the id of its finding.
type Verdicts struct {
	State   func() *catalogue.State
	Propose func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
	Models  *Models // what was made of them
}

var _ insight.Judge = Verdicts{}

// Verdicts implements insight.Judge.
func (v Verdicts) Verdicts(tenant model.TenantID) []insight.Verdict {
	state := v.State()
	found := []insight.Verdict{}
	for _, id := range state.DocumentIDs(verdictKind, tenant) {
		var one insight.Verdict
		// What cannot be read was written by a later version, and says nothing here.
		if json.Unmarshal(state.Document(verdictKind, tenant, id).Body, &one) == nil {
			found = append(found, one)
		}
	}
	return found
}

// Tenants implements insight.Judge.
func (v Verdicts) Tenants() []model.TenantID { return v.State().DocumentTenants(verdictKind) }

// Model implements insight.Judge.
func (v Verdicts) Model(tenant model.TenantID) (*classifier.Model, string) {
	return v.Models.Labelling(tenant)
}

// Give implements insight.Judge.
func (v Verdicts) Give(ctx context.Context, tenant model.TenantID, verdict insight.Verdict) error {
	verdict.By = authorOf(verdict.By)
	body, err := json.Marshal(verdict)
	if err != nil {
		return fmt.Errorf("encode verdict: %w", err)
	}
	change := catalogue.DocumentChange{Kind: verdictKind, Tenant: tenant, ID: verdict.Finding, Any: true, Body: body}
	changes := []catalogue.DocumentChange{change}
	if err := v.State().RoomFor(tenant, changes); err != nil {
		return meaning(err)
	}
	if _, err := v.Propose(ctx, catalogue.ChangeDocuments{Changes: changes}); err != nil {
		return meaning(err)
	}
	return nil
}
