package enrich_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/lookup"
)

// store has one table, one deployment and one category, and counts changes.
type store struct{ changes int }

func (*store) Words(model.TenantID) *meaning.Lexicon { return nil }

func (*store) Lookups(model.TenantID) []enrich.Lookup { return []enrich.Lookup{{Name: "teams"}} }
func (*store) Lookup(model.TenantID, string) (enrich.Lookup, *lookup.Table, error) {
	return enrich.Lookup{Name: "teams"}, &lookup.Table{}, nil
}
func (s *store) PutLookup(_ context.Context, _ model.TenantID, about enrich.Lookup, _ *lookup.Table) (enrich.Lookup, error) {
	s.changes++
	return about, nil
}
func (s *store) DropLookup(context.Context, model.TenantID, string) (enrich.Lookup, error) {
	s.changes++
	return enrich.Lookup{}, nil
}
func (*store) Deploys(model.TenantID) []insight.Deploy { return nil }
func (s *store) PutDeploy(_ context.Context, _ model.TenantID, deploy insight.Deploy) (insight.Deploy, error) {
	s.changes++
	return deploy, nil
}
func (s *store) DropDeploy(context.Context, model.TenantID, string) (insight.Deploy, error) {
	s.changes++
	return insight.Deploy{}, nil
}
func (*store) Categories(model.TenantID) ([]enrich.Category, error) {
	return []enrich.Category{{Vocabulary: meaning.Vocabulary{Category: "teams", Words: []string{"team"}, Weight: 3}}}, nil
}
func (s *store) PutCategory(context.Context, model.TenantID, enrich.Category) (*enrich.Category, error) {
	s.changes++
	return nil, nil
}
func (s *store) DropCategory(context.Context, model.TenantID, meaning.Category) (enrich.Category, error) {
	s.changes++
	return enrich.Category{}, nil
}

// TestWhoSeesSomeChangesNothing: who sees only some of the records reads and changes nothing
// that others see.
func TestWhoSeesSomeChangesNothing(t *testing.T) {
	kept := &store{}
	service := &enrich.Service{Store: kept, Now: time.Now}
	type call = func(context.Context, admin.Request) (admin.Answer, error)
	for name, c := range map[string]struct {
		do      call
		body    string
		changes bool
	}{
		"lookups": {service.Lookups, "", false}, "lookup": {service.Lookup, "", false}, "deploys": {service.Deploys, "", false},
		"put lookup": {service.PutLookup, "a,b\nc,d\n", true}, "drop lookup": {service.DropLookup, "", true},
		"put deploy": {service.PutDeploy, `{"service":"web"}`, true}, "drop deploy": {service.DropDeploy, "", true},
		"categories": {service.Categories, "", false}, "category": {service.Category, "", false},
		"put category": {service.PutCategory, `{"words":["crew"]}`, true}, "drop category": {service.DropCategory, "", true},
	} {
		for _, restriction := range []string{"", "component:web"} {
			before := kept.changes
			_, err := c.do(t.Context(), admin.Request{Principal: auth.Principal{Tenant: "t", Restriction: restriction}, Name: "teams", Body: []byte(c.body), Param: func(string) string { return "" }})
			refused := c.changes && restriction != ""
			var fault *admin.Error
			if errors.As(err, &fault) && fault.Code == admin.Forbidden != refused || (err != nil) != refused {
				t.Errorf("%s with the restriction %q: %v", name, restriction, err)
			}
			if changed := kept.changes > before; changed != (c.changes && !refused) {
				t.Errorf("%s with the restriction %q: changed %t", name, restriction, changed)
			}
		}
	}
}
