package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/auth"
)

// TestKeysGiveNoMore makes keys as those who administer one tenant, or have less.
func TestKeysGiveNoMore(t *testing.T) {
	w, r, log, _ := matrixWorld(t)
	tenantAdmin := bearer(t, "tenant-admin", "mine")
	create := func(body string, credentials ...string) answer {
		t.Helper()
		return w.do("POST", "/admin/keys", body, credentials...)
	}
	for body, want := range map[string]int{
		`{"role":"reader"}`: 201, `{"role":"tenant-admin","expiresIn":"1d"}`: 201, `{"role":"platform-admin"}`: 403, `{"role":"platform-admin","permissions":["read"]}`: 201,
		`{"role":"platform-admin","permissions":["choose"]}`: 403, `{"role":"reader","tenant":"victim"}`: 403, `{"role":"reader","tenant":"a/b"}`: 400, `{"role":"root"}`: 400, `{}`: 400, ``: 400,
		`{"role":"platform-admin","permissions":[]}`: 400, `{"role":"reader","permissions":[]}`: 400, `{"role":"platform-admin","permissions":null}`: 403,
		`{"role":"reader","permissions":["write"]}`: 400, `{"role":"reader","restriction":"* | limit 1"}`: 400, `{"role":"reader","networks":["x"]}`: 400, `{"role":"user"}`: 400,
		`{"role":"reader","expiresIn":"-1h"}`: 400, `{"role":"reader","expiresAt":"2001-01-01T00:00:00Z"}`: 400, `{"role":"reader","secret":"x"}`: 400, `{"role":"reader"}x`: 400,
		`{"role":"reader","name":"` + strings.Repeat("x", 65) + `"}`: 400, `{"role":"reader","name":"a\nb"}`: 400,
	} {
		got := create(body, "Authorization", tenantAdmin)
		if got.status != want {
			t.Errorf("%s: %d, want %d: %.300s", body, got.status, want, got.body)
		}
	}
	narrow := create(`{"role":"tenant-admin","restriction":"component:web","networks":["0.0.0.0/0"],"expiresIn":"1d","permissions":["manage","read"]}`, "Authorization", tenantAdmin)
	narrow.want(t, 201)
	w.do("GET", "/admin/keys", "", "X-API-Key", narrow.at("data/key")).want(t, 401) // in memory nobody has an address
	id := narrow.at("data/id")
	key := r.keys[id]
	key.Networks = nil
	r.keys[id] = key
	child := create(`{"role":"reader","restriction":"level:error"}`, "X-API-Key", narrow.at("data/key"))
	child.want(t, 201, "data/restriction", "(component:web) AND (level:error)")
	if end, err := time.Parse(time.RFC3339, child.at("data/expiresAt")); err != nil || end.UnixNano() > key.Expires+int64(time.Second) {
		t.Errorf("a key that outlives the one that made it: %s", child.at("data/expiresAt"))
	}
	create(`{"role":"writer"}`, "X-API-Key", narrow.at("data/key")).want(t, 403)
	// To rotate a key is to have it: of those that see, or last, more it is refused.
	rotate := func(id string) answer {
		return w.do("POST", "/admin/keys/"+id+"/rotate", "", "X-API-Key", narrow.at("data/key"))
	}
	for body, want := range map[string]int{
		`{"role":"reader","restriction":"component:web","expiresIn":"1h"}`: 200, `{"role":"reader","restriction":"component:web"}`: 403,
		`{"role":"reader","restriction":"component:db","expiresIn":"1h"}`: 403, `{"role":"reader","expiresIn":"1h"}`: 403,
		`{"role":"reader","restriction":"(component:web) AND (a) OR (b)","expiresIn":"1h"}`: 403,
	} {
		made := create(body, "Authorization", tenantAdmin)
		made.want(t, 201)
		if got := rotate(made.at("data/id")); got.status != want {
			t.Errorf("%s is rotated by who sees a part: %d, want %d", body, got.status, want)
		}
	}
	rotate(child.at("data/id")).want(t, 200)
	rotate(id).want(t, 200)
	key = r.keys[id]
	key.Networks = []string{"10.0.0.0/8"}
	r.keys[id] = key
	inside := auth.Principal{Name: "k", Tenant: "mine", Role: auth.TenantAdmin, Grants: auth.Grants(auth.TenantAdmin, nil), Key: id, Restriction: key.Restriction}
	if _, err := w.server.admin.RotateKey(t.Context(), admin.Request{Principal: inside, Name: child.at("data/id")}); err == nil {
		t.Error("a key that is taken from few networks rotates one that is taken from all")
	}
	if _, err := w.server.cfg.Auth.Authenticate(auth.Credentials{APIKey: narrow.at("data/key")}, r); err == nil {
		t.Error("a key from nowhere")
	}

	// A platform administrator's key that is of the tenant cannot be taken over.
	strong := w.do("POST", "/admin/keys", `{"role":"platform-admin","tenant":"mine"}`, "X-API-Key", testKey)
	strong.want(t, 201)
	w.do("POST", "/admin/keys/"+strong.at("data/id")+"/rotate", "", "Authorization", tenantAdmin).want(t, 403)
	rotated := w.do("POST", "/admin/keys/"+id+"/rotate", `{"overlap":"0"}`, "Authorization", tenantAdmin)
	rotated.want(t, 200)
	for _, overlap := range []string{"31d", "x", "-1h"} {
		w.do("POST", "/admin/keys/"+id+"/rotate", fmt.Sprintf(`{"overlap":%q}`, overlap), "Authorization", tenantAdmin).want(t, 400)
	}
	w.do("DELETE", "/admin/keys/"+id, "", "Authorization", tenantAdmin).want(t, 200, "data/status", "revoked")
	w.do("POST", "/admin/keys/"+id+"/rotate", "", "Authorization", tenantAdmin).want(t, 400)

	// No answer but the one that made it has a secret, and the log has none.
	list := w.do("GET", "/admin/keys", "", "X-API-Key", testKey)
	for _, made := range []answer{narrow, child, strong, rotated} {
		secret := made.at("data/key")[23:]
		if strings.Contains(list.body, secret) || strings.Contains(log.String(), secret) || strings.Contains(list.body, "sum") {
			t.Error("a secret is where it should not be")
		}
	}
}

// TestTenants is the life of a tenant and its domains over HTTP.
func TestTenants(t *testing.T) {
	w, _, _, _ := matrixWorld(t)
	w.key = testKey
	w.do("POST", "/admin/tenants", `{"tenantId":"shop","plan":"standard","contactEmail":"a@shop.example","config":{"maxLogsPerDay":5}}`).want(t, 201,
		"data/status", "active", "data/config/maxLogsPerDay", "5", "data/config/retentionDays", "30", "data/overrides/maxLogsPerDay", "5")
	w.do("POST", "/admin/tenants", `{"tenantId":"shop"}`).want(t, 409, "error/code", "ALREADY_EXISTS")
	for _, body := range []string{`{"tenantId":"a b"}`, `{"tenantId":"x","plan":"gold"}`, `{"tenantId":"x","contactEmail":"x"}`, `{"tenantId":"x","config":{"maxLogsPerDay":-1}}`, `{"tenantId":"x","config":{"more":1}}`, `{"tenantId":"x","status":"deleting"}`} {
		w.do("POST", "/admin/tenants", body).want(t, 400)
	}
	w.do("POST", "/admin/domains", `{"domain":"Shop.Example","tenantId":"shop"}`).want(t, 201, "domain", "shop.example", "subdomain", "logger.shop.example", "plan", "standard", "contactEmail", "a@shop.example")
	w.do("POST", "/admin/domains", `{"domain":"shop.example"}`).want(t, 409, "error/code", "DOMAIN_EXISTS")
	w.do("POST", "/admin/domains", `{"domain":"a_b"}`).want(t, 400, "error/code", "INVALID_DOMAIN")
	w.do("POST", "/admin/domains", `{"domain":"new.example","plan":"premium"}`).want(t, 201, "tenantId", "tenant-new-example", "plan", "premium")
	w.do("GET", "/admin/domains", "").want(t, 200, "stats/totalDomains", "3", "domains/#", "3", "stats/planDistribution/premium", "2")
	w.do("PATCH", "/admin/domains/shop.example", `{"status":"suspended"}`).want(t, 200, "status", "suspended")
	w.do("POST", "/logs", `{"message":"x"}`, "Host", "shop.example").want(t, 403, "error/code", "TENANT_SUSPENDED")
	w.do("PATCH", "/admin/domains/shop.example", `{"status":"active"}`).want(t, 200)
	w.do("POST", "/logs", `{"message":"x"}`, "Host", "shop.example:7100").want(t, 201)
	w.do("GET", "/logs", "", "X-Tenant", "shop").want(t, 200, "pagination/total", "1")

	w.key = ""
	own := []string{"Authorization", bearer(t, "tenant-admin", "shop")}
	w.do("GET", "/admin/tenants/shop", "", own...).want(t, 200, "data/domains/0", "shop.example")
	w.do("PATCH", "/admin/tenants/shop", `{"contactEmail":"b@shop.example","config":{"maxLogsPerDay":4,"enableAnalytics":false}}`, own...).want(t, 200, "data/config/maxLogsPerDay", "4")
	w.do("GET", "/analytics/summary", "", own...).want(t, 403, "error/code", "FEATURE_DISABLED")
	w.do("GET", "/integration/services", "", own...).want(t, 503)
	w.do("PATCH", "/admin/tenants/shop", `{"config":{"enableIntegrations":false,"enableWebhooks":false,"enableContentAnalysis":false}}`, own...).want(t, 200)
	for _, path := range []string{"/integration/services", "/integration/graph", "/integration/webhooks", "/integration/webhooks/x/deliveries", "/models", "/models/labels"} {
		w.do("GET", path, "", own...).want(t, 403, "error/code", "FEATURE_DISABLED")
	}
	for _, body := range []string{`{"config":{"maxLogsPerDay":6}}`, `{"config":{"enableAnalytics":true}}`, `{"plan":"premium"}`, `{"status":"active"}`} {
		w.do("PATCH", "/admin/tenants/shop", body, own...).want(t, 403)
	}
	w.key = testKey
	w.do("PATCH", "/admin/tenants/shop", `{"status":"suspended","reason":"unpaid"}`).want(t, 200, "data/reason", "unpaid")
	for _, path := range []string{"/logs", "/analytics/trends"} {
		w.do("GET", path, "", "X-Tenant", "shop").want(t, 403, "error/code", "TENANT_SUSPENDED")
	}
	w.do("PATCH", "/admin/tenants/shop", `{"status":"active"}`).want(t, 200, "data/reason", "")
	w.do("DELETE", "/admin/tenants/shop", "").want(t, 400, "error/code", "VALIDATION_ERROR")
	w.do("DELETE", "/admin/tenants/shop?confirm=shop", "").want(t, 202, "data/status", "deleting")
	w.do("DELETE", "/admin/tenants/default", "").want(t, 403)
	w.do("POST", "/logs", `{"message":"x"}`, "X-Tenant", "shop").want(t, 403, "error/code", "TENANT_SUSPENDED")
	w.do("DELETE", "/admin/domains/shop.example", "").want(t, 200)
	var names map[string]any
	if err := json.Unmarshal([]byte(w.do("GET", "/admin/domains", "").body), &names); err != nil || names["success"] != nil {
		t.Errorf("the list of domains is not bare: %v", err)
	}
}

// TestFeaturesOff: what the operator has switched off is for nobody, whatever is agreed;
// the rest is as it was.
func TestFeaturesOff(t *testing.T) {
	for _, off := range []auth.Feature{auth.Analytics, auth.Integrations, auth.Webhooks, auth.ContentAnalysis} {
		w := newWorld(t, func(c *Config) { c.Off = auth.FeaturesOf(off) })
		asked := 0
		for _, rt := range w.server.routes() {
			if rt.feature == auth.Always {
				continue
			}
			path := strings.NewReplacer("{name}", "x", "{id}", "x").Replace(rt.path)
			got := w.do(rt.methods[0], path, "{}", "X-API-Key", testKey)
			if disabled := strings.Contains(got.body, "FEATURE_DISABLED"); disabled != (rt.feature == off) || disabled != (got.status == 403) {
				t.Errorf("%s off: %s %s is %d %s", off, rt.methods[0], path, got.status, got.body)
			}
			asked++
		}
		if asked < 30 {
			t.Errorf("%s off: only %d routes were asked", off, asked)
		}
		w.do("GET", "/logs", "").want(t, 200)
		w.do("GET", "/analytics/summary", "", "X-API-Key", "wrong").want(t, 401)
	}
}
