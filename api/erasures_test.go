package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/audit"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
)

// paperErasures notes what is to be removed and removes nothing.
type paperErasures struct {
	mu        sync.Mutex
	deletions []erasure.Deletion
	holds     []erasure.Hold
	rules     map[model.TenantID]erasure.Retention
}

func (p *paperErasures) Deletions() []erasure.Deletion {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]erasure.Deletion(nil), p.deletions...)
}

func (p *paperErasures) Holds() []erasure.Hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]erasure.Hold(nil), p.holds...)
}

func (p *paperErasures) RetentionOf(tenant model.TenantID) erasure.Retention {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rules[tenant]
}

func (p *paperErasures) AddDeletion(_ context.Context, d erasure.Deletion) (erasure.Deletion, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.holds {
		if h.Tenant == d.Tenant {
			return d, fmt.Errorf("%w: hold %s", ErrRefused, h.ID)
		}
	}
	d.Number = uint64(len(p.deletions) + 1)
	p.deletions = append(p.deletions, d)
	return d, nil
}

func (p *paperErasures) CancelDeletion(_ context.Context, number uint64, _ string) (erasure.Deletion, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deletions[number-1].Status = erasure.Cancelled
	return p.deletions[number-1], nil
}

func (p *paperErasures) PutHold(_ context.Context, h erasure.Hold) (erasure.Hold, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = append(p.holds, h)
	return h, nil
}

func (p *paperErasures) DropHold(context.Context, string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = nil
	return nil
}

func (p *paperErasures) SetRetention(_ context.Context, tenant model.TenantID, r erasure.Retention) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rules == nil {
		p.rules = map[model.TenantID]erasure.Retention{}
	}
	p.rules[tenant] = r
	return nil
}

func (p *paperErasures) Estimate(context.Context, erasure.Deletion) (admin.Estimate, error) {
	return admin.Estimate{Records: 3, Bytes: 90, Held: []admin.Held{{Hold: "h", Reason: "r", Records: 1}}}, nil
}

func (p *paperErasures) Due(_ context.Context, tenant model.TenantID, r erasure.Retention) (due []erasure.Deletion, err error) {
	for _, rule := range r.Rules {
		due = append(due, erasure.Deletion{Kind: erasure.ByRetention, Tenant: tenant, Rule: rule.Name})
	}
	return due, nil
}

// TestErasures asks for deletions, holds and rules: what can be asked for, by whom, and
// what is answered.
func TestErasures(t *testing.T) {
	w, _, _, _ := matrixWorld(t)
	w.key = ""
	own, all := []string{"Authorization", bearer(t, "tenant-admin", "shop")}, []string{"X-API-Key", testKey}
	for _, c := range []struct {
		body string
		code int
	}{
		{`{"tenant":"shop","query":"userId:u1","reason":"r"}`, 202},
		{`{"tenant":"shop","query":"userId:u1"}`, 400},                                       // no reason
		{`{"tenant":"shop","reason":"r"}`, 400},                                              // everything, unsaid
		{`{"tenant":"shop","all":true,"reason":"r"}`, 202},                                   //
		{`{"tenant":"shop","query":"a:b | stats count()","reason":"r"}`, 400},                // pipes
		{`{"tenant":"shop","query":"pattern_id:abc","reason":"r"}`, 400},                     // what was learned
		{`{"tenant":"shop","query":"a:b NOT (c:d attack:*)","reason":"r"}`, 400},             // made, not stored
		{`{"tenant":"shop","query":"NOT client.geo.country_iso_code:DE","reason":"r"}`, 400}, // the same
		{`{"tenant":"shop","query":"a:b OR \"client.as.number\":>5","reason":"r"}`, 400},
		{`{"tenant":"shop","query":"a:(b","reason":"r"}`, 400}, // no query
		{`{"tenant":"shop","query":"a:b","from":"yesterday","reason":"r"}`, 400},
		{`{"tenant":"shop","query":"a:b","from":"2026-02-01T00:00:00Z","to":"2026-01-01T00:00:00Z","reason":"r"}`, 400},
		{`{"tenant":"shop","query":"a:b","to":"1970-01-01T00:00:00Z","reason":"r"}`, 400}, // 0 would be no end
		{`{"tenant":"shop","query":"a:b","from":"1767225600","reason":"r"}`, 400},         // seconds would be a day of 1970
		{`{"tenant":"shop","query":"a:b","from":"20260101","reason":"r"}`, 400},
		{`{"tenant":"shop","query":"a:b","from":"1767225600000","reason":"r"}`, 202},
	} {
		w.do("POST", "/admin/deletions", c.body, own...).want(t, c.code)
	}
	w.do("POST", "/admin/deletions", `{"tenant":"other","query":"a:b","reason":"r"}`, own...).want(t, 403)
	w.do("POST", "/admin/deletions", `{"query":"level:debug category:x","dryRun":true}`, own...).want(t, 200) // also sent
	w.do("POST", "/admin/deletions", `{"query":"a:b","dryRun":true}`, own...).want(t, 200, "data/records", "3", "data/bytes", "90", "data/held/0/hold", "h")
	w.do("GET", "/admin/deletions", "", own...).want(t, 200, "data/0/tenant", "shop", "data/0/status", "planned")
	narrow := []string{"Authorization", bearerOf(t, "tenant-admin", "shop", "n", jwt.MapClaims{"restriction": "component:web"})}
	w.do("GET", "/admin/deletions/1", "", narrow...).want(t, 404) // who sees a part of the tenant
	w.do("DELETE", "/admin/deletions/1", "", narrow...).want(t, 404)
	w.do("GET", "/admin/deletions", "", narrow...).want(t, 200, "data", "[]")
	w.do("DELETE", "/admin/deletions/1", "", own...).want(t, 200, "data/status", "cancelled")
	w.do("POST", "/admin/deletions", `{"tenant":"other","query":"a:b","reason":"r"}`, all...).want(t, 202, "data/id", "4")
	w.do("GET", "/admin/deletions/4", "", own...).want(t, 404) // another tenant's

	w.do("POST", "/admin/deletions", `{"tenant":"_audit","query":"a:b","reason":"r"}`, all...).want(t, 403)
	w.do("PUT", "/admin/tenants/_audit/retention", `{"rules":[{"name":"a","match":"a:b","keep":"1d"}]}`, all...).want(t, 403)
	w.do("PUT", "/admin/tenants/_audit/retention", `{"rules":[{"name":"a","keep":"700d"}]}`, all...).want(t, 200)

	w.do("PUT", "/admin/tenants/shop/retention", `{"rules":[{"name":"all","keep":"90d"},{"name":"debug","match":"level:debug","keep":"12h"},{"name":"size","bytes":1000}]}`, own...).want(t, 200, "data/rules/0/keep", "90d", "data/rules/1/keep", "12h")
	w.do("PUT", "/admin/tenants/shop/retention", `{"dryRun":true,"rules":[{"name":"all","keep":"90d"}]}`, own...).want(t, 200, "data/removes/0/rule", "all", "data/removes/0/records", "3")
	for _, rules := range []string{`{"name":"all"}`, `{"name":"a b","keep":"1d"}`, `{"name":"a","keep":"1s"}`, `{"name":"a","keep":"x"}`, `{"name":"a","bytes":5,"match":"a:b"}`, `{"name":"a","match":"x | sort y","keep":"1d"}`} {
		w.do("PUT", "/admin/tenants/shop/retention", `{"rules":[`+rules+`]}`, own...).want(t, 400)
	}
	w.do("GET", "/admin/tenants/shop/retention", "", own...).want(t, 200, "data/rules/0/name", "all")
	w.do("GET", "/admin/tenants/other/retention", "", own...).want(t, 404)

	w.do("POST", "/admin/holds", `{"id":"case-7","tenant":"shop","reason":"case 7"}`, own...).want(t, 403)
	w.do("POST", "/admin/holds", `{"id":"case-7","tenant":"shop"}`, all...).want(t, 400)
	w.do("POST", "/admin/holds", `{"id":"case-7","tenant":"shop","query":"_time:30d","reason":"case 7"}`, all...).want(t, 400) // would let go by and by
	w.do("POST", "/admin/holds", `{"id":"case-7","tenant":"shop","reason":"case 7"}`, all...).want(t, 201)
	w.do("POST", "/admin/deletions", `{"tenant":"shop","query":"a:b","reason":"r"}`, own...).want(t, 409, "error/code", "REFUSED")
	w.do("POST", "/admin/tenants", `{"tenantId":"shop"}`, all...).want(t, 201)
	w.do("DELETE", "/admin/tenants/shop?confirm=shop", "", all...).want(t, 409)
	w.do("GET", "/admin/tenants/shop", "", all...).want(t, 200, "data/status", "active") // one that is held is served on
	w.do("GET", "/admin/holds", "", own...).want(t, 200, "data/0/id", "case-7")
	w.do("GET", "/admin/holds", "", narrow...).want(t, 200, "data", "[]")
	w.do("DELETE", "/admin/holds/case-7", "", all...).want(t, 200)
	w.do("DELETE", "/admin/tenants/shop?confirm=shop", "", all...).want(t, 202, "data/status", "deleting")
	w.do("DELETE", "/admin/deletions/5", "", own...).want(t, 403)
	w.do("DELETE", "/admin/deletions/5", "", all...).want(t, 200, "data/kind", "tenant", "data/status", "cancelled")
}

// TestTrailOfErasures keeps what was planned, cancelled, held, lifted and ruled, with
// what was before, as a matter of the tenant whose records these are.
func TestTrailOfErasures(t *testing.T) {
	w, _ := limited(t, limits.Config{})
	w.do("POST", "/admin/deletions", `{"tenant":"shop","query":"a:b","reason":"r"}`).want(t, 202)
	w.do("DELETE", "/admin/deletions/1", "").want(t, 200)
	w.do("POST", "/admin/holds", `{"id":"h","tenant":"shop","reason":"case"}`).want(t, 201)
	w.do("DELETE", "/admin/holds/h", "").want(t, 200)
	w.do("PUT", "/admin/tenants/shop/retention", `{"rules":[{"name":"all","keep":"90d"}]}`).want(t, 200)
	w.do("PUT", "/admin/tenants/shop/retention", `{"rules":[{"name":"all","keep":"30d"}]}`).want(t, 200)
	w.do("POST", "/admin/domains", `{"domain":"shop.example","tenantId":"shop"}`).want(t, 201)
	w.do("DELETE", "/admin/domains/shop.example", "").want(t, 200)
	trail := w.do("GET", "/admin/audit?tenant=shop", "") // the newest first
	trail.want(t, 200, "data/entries/#", "8")
	for i, want := range []struct{ action, before, after string }{
		{"DELETE /admin/domains/{name}", "shop.example", ""}, {"POST /admin/domains", "", "shop.example"},
		{"PUT /admin/tenants/{name}/retention", "90d", "30d"}, {"PUT /admin/tenants/{name}/retention", `"rules":[]`, "90d"},
		{"DELETE /admin/holds/{name}", `"reason":"case"`, ""}, {"POST /admin/holds", "", `"reason":"case"`},
		{"DELETE /admin/deletions/{name}", "planned", "cancelled"}, {"POST /admin/deletions", "", "planned"},
	} {
		var entry audit.Entry
		if err := json.Unmarshal([]byte(trail.at(fmt.Sprintf("data/entries/%d/entry", i))), &entry); err != nil {
			t.Fatal(err)
		}
		same := func(have json.RawMessage, want string) bool {
			return want == "" && have == nil || want != "" && strings.Contains(string(have), want)
		}
		if entry.Action != want.action || entry.Outcome != audit.Done || entry.Tenant != "shop" || !same(entry.Before, want.before) || !same(entry.After, want.after) {
			t.Errorf("%s: %+v, before %s, after %s", want.action, entry, entry.Before, entry.After)
		}
	}
}

// TestTheTrailIsNotErased chooses no records of the cluster's own: these go by their age.
func TestTheTrailIsNotErased(t *testing.T) {
	w, _ := limited(t, limits.Config{})
	for _, tenant := range []string{"_audit", "_usage"} {
		w.do("POST", "/admin/deletions", `{"tenant":"`+tenant+`","all":true,"reason":"r"}`).want(t, 403)
		w.do("POST", "/admin/deletions", `{"tenant":"`+tenant+`","query":"a:b","dryRun":true}`).want(t, 403)
		w.do("PUT", "/admin/tenants/"+tenant+"/retention", `{"rules":[{"name":"eve","match":"audit.actor:eve","keep":"1h"}]}`).want(t, 403)
		w.do("PUT", "/admin/tenants/"+tenant+"/retention", `{"rules":[{"name":"old","keep":"365d"}]}`).want(t, 200)
	}
	w.key = ""
	own := bearerOf(t, "tenant-admin", "_audit", "eve", nil)
	w.do("POST", "/admin/deletions", `{"all":true,"reason":"r"}`, "Authorization", own).want(t, 403)
	w.do("PUT", "/admin/tenants/_audit/retention", `{"rules":[{"name":"all","keep":"1h"}]}`, "Authorization", own).want(t, 404)
}
