package api

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/api/models"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/auth/token"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
)

// registry is a directory in memory.
type registry struct {
	mu       sync.Mutex
	keys     map[string]access.Key
	accounts map[model.TenantID]access.Account
	domains  map[string]access.Domain
}

func newRegistry() *registry {
	return &registry{keys: map[string]access.Key{}, accounts: map[model.TenantID]access.Account{}, domains: map[string]access.Domain{}}
}

func (r *registry) Current(context.Context) error { return nil }

func get[K comparable, V any](r *registry, from map[K]V, key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := from[key]
	return v, ok
}

func put[K comparable, V any](r *registry, into map[K]V, key K, v V, made, version uint64) (V, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := into[key]; there != (made != 0) || made != version {
		return v, fmt.Errorf("%w: %v is of version %d", ErrRefused, key, version)
	}
	into[key] = v
	return v, nil
}

func (r *registry) Key(id string) (access.Key, bool) { return get(r, r.keys, id) }
func (r *registry) Account(id model.TenantID) (access.Account, bool) {
	return get(r, r.accounts, id)
}
func (r *registry) Domain(host string) (access.Domain, bool) { return get(r, r.domains, host) }
func (r *registry) Keys() []access.Key                       { return slices.Collect(maps.Values(r.keys)) }
func (r *registry) Accounts() []access.Account               { return slices.Collect(maps.Values(r.accounts)) }
func (r *registry) Domains() []access.Domain                 { return slices.Collect(maps.Values(r.domains)) }

func (r *registry) PutKey(_ context.Context, key access.Key, made uint64) (access.Key, error) {
	old, _ := r.Key(key.ID)
	key.Version = made + 1
	return put(r, r.keys, key.ID, key, made, old.Version)
}

func (r *registry) PutAccount(_ context.Context, a access.Account, made uint64) (access.Account, error) {
	old, _ := r.Account(a.ID)
	a.Version = made + 1
	return put(r, r.accounts, a.ID, a, made, old.Version)
}

func (r *registry) PutDomain(_ context.Context, d access.Domain, made uint64) (access.Domain, error) {
	old, _ := r.Domain(d.Name)
	d.Version = made + 1
	return put(r, r.domains, d.Name, d, made, old.Version)
}

func (r *registry) DropDomain(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.domains, name)
	return nil
}

// lockedText is what the server logs.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// matrixCase is what is known of a route: who may use it, and how it is asked. A
// route that is not here fails the test.
type matrixCase struct {
	permission auth.Permission
	body       string
	query      string
	ok         []int // what is answered to who may
	theirs     []int // to who may, of what is the foreign tenant's; 404 if nil
}

// matrix has every route of the table, by method and path.
func matrix() map[string]matrixCase {
	read, write, admin, manage := auth.Read, auth.Write, auth.Admin, auth.Manage
	m := map[string]matrixCase{
		"POST /logs": {permission: write, body: `{"message":"m"}`, ok: []int{201}}, "GET /logs": {permission: read, ok: []int{200}},
		"POST /logs/search": {permission: read, body: `{"query":"*"}`, ok: []int{200}}, "GET /logs/export": {permission: auth.Export, ok: []int{200}},
		"POST /logs/export": {permission: auth.Export, body: `{"query":"*"}`, ok: []int{200}}, "GET /logs/tail": {permission: read, ok: []int{503}},
		"POST /query/sigma":      {permission: read, body: "title: t\ndetection:\n  a:\n    x: y\n  condition: a", ok: []int{200}},
		"GET /integration/graph": {permission: read, ok: []int{200}}, "GET /integration/timeline": {permission: read, query: "?correlationId=c", ok: []int{200}},
		"POST /query/complete": {permission: read, body: `{"query":"component:"}`, ok: []int{200}}, "GET /logs/{id}": {permission: read, ok: []int{200, 404}},
		"GET /logs/{id}/context": {permission: read, ok: []int{200, 404}},
		"GET /analytics/summary": {permission: read, ok: []int{200}}, "GET /analytics/patterns": {permission: read, ok: []int{200}},
		"GET /analytics/trends": {permission: read, ok: []int{200}}, "GET /analytics/insights": {permission: read, ok: []int{200}},
		"GET /analytics/users": {permission: read, ok: []int{200}}, "GET /analytics/changes": {permission: read, ok: []int{200}}, "GET /analytics/feedback": {permission: read, ok: []int{503}},
		"POST /analytics/insights/{id}/feedback": {permission: auth.Save, body: `{"verdict":"true_positive"}`, ok: []int{503}},
		"GET /health":                            {permission: auth.Open, ok: []int{200}}, "GET /health/live": {permission: auth.Open, ok: []int{200}}, "GET /health/ready": {permission: auth.Open, ok: []int{200}},
		"GET /metrics": {permission: read, ok: []int{200}}, "GET /debug/pprof/{profile:*}": {permission: admin, ok: []int{200}},
		"GET /admin/keys": {permission: manage, ok: []int{200}}, "POST /admin/keys": {permission: manage, body: `{"role":"reader"}`, ok: []int{201}},
		"GET /admin/keys/{name}": {permission: manage, ok: []int{404}}, "DELETE /admin/keys/{name}": {permission: manage, ok: []int{404}}, "POST /admin/keys/{name}/rotate": {permission: manage, ok: []int{404}},
		"GET /admin/tenants/{name}": {permission: manage, ok: []int{200, 404}}, "PATCH /admin/tenants/{name}": {permission: manage, body: `{"contactEmail":"a@b.example"}`, ok: []int{200, 404}},
		"GET /admin/tenants": {permission: admin, ok: []int{200}}, "POST /admin/tenants": {permission: admin, body: `{"tenantId":"victim"}`, ok: []int{409}}, "DELETE /admin/tenants/{name}": {permission: admin, ok: []int{403}},
		"GET /admin/tenants/{name}/retention": {permission: manage, ok: []int{200, 404}}, "PUT /admin/tenants/{name}/retention": {permission: manage, body: `{"rules":[]}`, ok: []int{200, 404}},
		"GET /admin/deletions": {permission: manage, ok: []int{200}}, "POST /admin/deletions": {permission: manage, body: `{"query":"a:b","reason":"r"}`, ok: []int{202}},
		"GET /admin/deletions/{name}": {permission: manage, ok: []int{404}}, "DELETE /admin/deletions/{name}": {permission: manage, ok: []int{404}},
		"GET /admin/holds": {permission: manage, ok: []int{200}}, "POST /admin/holds": {permission: admin, body: `{"id":"h","tenant":"victim","reason":"r"}`, ok: []int{201}}, "DELETE /admin/holds/{name}": {permission: admin, ok: []int{404}},
		"GET /admin/domains": {permission: admin, ok: []int{200}}, "POST /admin/domains": {permission: admin, body: `{"domain":"victim.example"}`, ok: []int{409}},
		"GET /admin/domains/{name}": {permission: admin, ok: []int{404}}, "PATCH /admin/domains/{name}": {permission: admin, body: `{}`, ok: []int{404}}, "DELETE /admin/domains/{name}": {permission: admin, ok: []int{404}},
		"GET /admin/usage": {permission: manage, ok: []int{404}}, "GET /admin/audit": {permission: manage, ok: []int{404}}, "GET /admin/audit/heads": {permission: admin, ok: []int{404}}, // neither is kept in this world
		"POST /admin/redaction/test":          {permission: manage, body: "m", ok: []int{503}, theirs: []int{503}}, // there is none in this world; node.TestRedactionOfTenants has some
		"GET /admin/tenants/{name}/redaction": {permission: manage, ok: []int{404}}, "PUT /admin/tenants/{name}/redaction": {permission: manage, body: "{}", ok: []int{404}}, "DELETE /admin/tenants/{name}/redaction": {permission: manage, ok: []int{404}},
		"POST /admin/flush": {permission: admin, ok: []int{200}}, "PUT /admin/log-level": {permission: admin, body: `{"level":"debug"}`, ok: []int{200}}, "GET /admin/log-level": {permission: admin, ok: []int{200}},
		"GET /admin/encryption": {permission: admin, ok: []int{200}}, "POST /admin/encryption/rotate": {permission: admin, ok: []int{503}}, // there is none in this world
		"GET /queries": {permission: read, ok: []int{200}}, "POST /queries": {permission: auth.Save, body: `{"name":"mine","query":"*"}`, ok: []int{201}},
		"GET /queries/{name}": {permission: read, ok: []int{200, 404}}, "PUT /queries/{name}": {permission: auth.Save, body: `{"query":"*"}`, ok: []int{200}, theirs: []int{200}},
		"DELETE /queries/{name}": {permission: auth.Save, ok: []int{200}, theirs: []int{200}}, // each has names of its own
		"GET /admin/queries":     {permission: admin, ok: []int{200}}, "DELETE /admin/queries/{id}": {permission: admin, ok: []int{404}},
	}
	for _, route := range []string{"GET /admin/cluster", "POST /admin/cluster/nodes/{node}/drain", "DELETE /admin/cluster/nodes/{node}/drain", "DELETE /admin/cluster/nodes/{node}",
		"POST /admin/cluster/moves", "POST /admin/cluster/pause", "POST /admin/cluster/resume", "GET /admin/self-healing", "POST /admin/self-healing/actions"} {
		m[route] = matrixCase{permission: admin, ok: []int{404}} // the node is alone
	}
	for route, permission := range map[string]auth.Permission{
		"GET /triage/rules": read, "POST /triage/rules": manage, "GET /triage/rules/{name}": read, "PUT /triage/rules/{name}": manage, "PATCH /triage/rules/{name}": manage, "DELETE /triage/rules/{name}": manage,
		"POST /triage/test": read, "POST /triage/rules/{name}/test": read, "POST /triage/rules/{name}/rollback": manage, "GET /triage/alerts": read, "POST /triage/rules/{name}/acknowledge": auth.Feedback,
		"GET /triage/silences": read, "POST /triage/silences": auth.Feedback, "DELETE /triage/silences/{name}": auth.Feedback,
		"GET /triage/incidents": read, "POST /triage/incidents": auth.Feedback, "GET /triage/incidents/{name}": read, "PATCH /triage/incidents/{name}": auth.Feedback, "DELETE /triage/incidents/{name}": manage,
		"GET /integration/webhooks": read, "POST /integration/webhooks": manage, "GET /integration/webhooks/{name}": read, "PATCH /integration/webhooks/{name}": manage, "DELETE /integration/webhooks/{name}": manage,
		"GET /integration/webhooks/{name}/deliveries": read, "POST /integration/webhooks/{name}/redeliver": manage, "POST /integration/webhooks/{name}/test": manage,
		"GET /lookups": read, "GET /lookups/{name}": read, "PUT /lookups/{name}": auth.Save, "DELETE /lookups/{name}": auth.Save,
		"GET /analytics/deploys": read, "POST /analytics/deploys": auth.Save, "DELETE /analytics/deploys/{name}": auth.Save,
		"GET /analytics/categories": read, "GET /analytics/categories/{name}": read, "PUT /analytics/categories/{name}": manage, "DELETE /analytics/categories/{name}": manage,
		"GET /integration/services": read, "POST /integration/services": manage, "DELETE /integration/services/{name}": manage, "GET /integration/health": read, "GET /integration/metrics": read, "POST /integration/cross-service": write,
		"GET /models": read, "POST /models": manage, "GET /models/{name}": read, "DELETE /models/{name}": manage, "POST /models/{name}/activate": manage, "POST /models/{name}/rollback": manage,
		"POST /models/{name}/test": read, "GET /models/labels": read, "POST /models/labels": auth.Feedback, "DELETE /models/labels/{name}": auth.Feedback,
	} {
		m[route] = matrixCase{permission: permission, ok: []int{503}, theirs: []int{503}} // there is no desk in this world, and there are no models; node.TestStoryOfAnAttack and node.TestModels have them
	}
	for _, method := range []string{"POST", "PUT"} {
		m[method+" /admin/cluster/shards"] = matrixCase{permission: admin, body: `{"shards":32}`, ok: []int{404}}
	}
	m["PUT /admin/cluster/settings"] = matrixCase{permission: admin, body: `{"paused":true}`, ok: []int{404}}
	for _, prefix := range []string{"", "/elasticsearch"} {
		for _, path := range []string{"/_bulk", "/{index}/_bulk"} {
			for _, method := range []string{"POST", "PUT"} {
				m[method+" "+prefix+path] = matrixCase{permission: write, body: "{\"create\":{}}\n{\"message\":\"m\"}\n", ok: []int{200}}
			}
		}
	}
	return m
}

// somebody sends credentials of one kind.
type somebody struct {
	name    string
	role    auth.Role
	refused int // 0, or the status whatever is asked but what is open
	headers []string
}

// marker is in everything that the foreign tenant has.
const marker = "xyzzymarker"

// matrixWorld is a server with a foreign tenant that has something of everything,
// and those who ask.
func matrixWorld(t *testing.T) (w *world, r *registry, log *lockedText, all []somebody) {
	t.Helper()
	log, r = &lockedText{}, newRegistry()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, strange, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	w = newWorld(t, func(c *Config) {
		c.Queries, c.Erasures = &paperQueries{}, &paperErasures{}
		c.Directory, c.Logger = r, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if c.Auth, err = auth.New(auth.Config{AdminKey: testKey, JWTSecret: "secret", Issuers: []token.Issuer{{Name: "idp", PEM: public}}}); err != nil {
			t.Fatal(err)
		}
	})
	record := fmt.Sprintf(`{"message":"%[1]s pays","component":"%[1]s","userId":"%[1]s","level":"error","metadata":{"%[1]s":"%[1]s"}}`, marker)
	w.do("POST", "/logs", record, "X-Tenant", "victim").want(t, 201)
	w.do("POST", "/admin/domains", fmt.Sprintf(`{"domain":"victim.example","tenantId":"victim","plan":"premium","contactEmail":"%s@victim.example"}`, marker)).want(t, 201)
	w.do("POST", "/admin/keys", fmt.Sprintf(`{"role":"writer","tenant":"victim","name":%q}`, marker)).want(t, 201)
	w.do("POST", "/queries", fmt.Sprintf(`{"name":"victim","query":"%[1]s","description":"%[1]s"}`, marker), "X-Tenant", "victim").want(t, 201)
	w.key = ""
	sign := func(method jwt.SigningMethod, key any, iss string, role auth.Role, life time.Duration) []string {
		text, err := jwt.NewWithClaims(method, jwt.MapClaims{"iss": iss, "sub": "u", "role": string(role), "tenant": "mine", "exp": time.Now().Add(life).Unix()}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return []string{"Authorization", "Bearer " + text}
	}
	for _, role := range auth.Roles() {
		add := func(name string, refused int, headers []string) {
			all = append(all, somebody{name, role, refused, headers})
		}
		add("secret", 0, sign(jwt.SigningMethodHS256, []byte("secret"), "", role, time.Hour))
		add("public key", 0, sign(jwt.SigningMethodRS256, key, "idp", role, time.Hour))
		add("expired", 401, sign(jwt.SigningMethodRS256, key, "idp", role, -time.Hour))
		add("wrong signature", 401, sign(jwt.SigningMethodHS256, []byte("other"), "", role, time.Hour))
		add("confusion", 401, sign(jwt.SigningMethodHS256, public, "idp", role, time.Hour))
		add("wrong key", 401, sign(jwt.SigningMethodEdDSA, strange, "idp", role, time.Hour))
		add("none", 401, sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "idp", role, time.Hour))
		for _, state := range []string{"key", "revoked key", "expired key"} {
			id, err := auth.NewKeyID(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			text, sum, err := auth.NewKeyText(rand.Reader, id)
			if err != nil {
				t.Fatal(err)
			}
			made := access.Key{ID: id, Name: "u", Tenant: "mine", Role: string(role), Secrets: []access.Secret{{Sum: sum}}, Version: 1}
			refused := 401
			switch state {
			case "key":
				refused = 0
			case "revoked key":
				made.Revoked = 1
			case "expired key":
				made.Expires = 1
			}
			r.keys[id] = made
			add(state, refused, []string{"X-API-Key", text})
		}
	}
	return w, r, log, append(all, somebody{"nobody", "", 401, nil})
}

// TestMatrix asks every route as everybody, for the own and for a foreign tenant:
// the status is the expected one, and nothing of the foreign tenant is in any
// answer, header, metric or line of the log.
func TestMatrix(t *testing.T) {
	w, _, log, all := matrixWorld(t)
	if testing.Short() { // each role once
		all = slices.DeleteFunc(all, func(s somebody) bool { return s.name != "key" && s.name != "nobody" })
	}
	cases := matrix()
	grants := func(s somebody, p auth.Permission) bool { return auth.Grants(s.role, nil).Has(p) }
	asked, foreign := 0, 0
	check := func(who somebody, what, path string, got answer, want []int) {
		t.Helper()
		if !slices.Contains(want, got.status) {
			t.Errorf("%s as %s by %s: status %d, want %v: %.300s", what, who.role, who.name, got.status, want, got.body)
		}
		if who.role != auth.PlatformAdmin || who.refused != 0 {
			if text := got.body + fmt.Sprint(got.header); strings.Contains(text, marker) || !strings.Contains(path, "victim") && strings.Contains(text, "victim") {
				t.Errorf("%s as %s by %s: something of the foreign tenant: %.500s", what, who.role, who.name, text)
			}
		}
		asked++
	}
	for _, rt := range w.server.routes() {
		for _, method := range rt.methods {
			route := method + " " + rt.path
			c, known := cases[route]
			if !known {
				t.Errorf("%s is not in the matrix: say who may use it", route)
				continue
			}
			delete(cases, route)
			if rt.permission != c.permission {
				t.Errorf("%s needs %s, the matrix says %s", route, rt.permission, c.permission)
			}
			path := strings.NewReplacer("{id}", "3-1-0", "{index}", "logs", "{profile:*}", "cmdline", "{node}", "db1", "{name}", "default").Replace(rt.path) + c.query
			theirs := strings.NewReplacer("{id}", "3-1-0", "{index}", "logs", "{profile:*}", "cmdline", "{node}", "db1", "{name}", "victim").Replace(rt.path) + c.query
			for _, who := range all {
				want := c.ok
				switch {
				case c.permission == auth.Open:
				case who.refused != 0:
					want = []int{who.refused}
				case !grants(who, c.permission):
					want = []int{403}
				}
				check(who, route, path, w.do(method, path, c.body, who.headers...), want)
				// The foreign tenant, by header and by host name, and what is the
				// foreign tenant's by its name.
				for _, header := range []string{"X-Tenant", "X-Scope-OrgID", "Host"} {
					name := map[string]string{"X-Tenant": "victim", "X-Scope-OrgID": "victim", "Host": "victim.example"}[header]
					if who.role == auth.PlatformAdmin && who.refused == 0 {
						continue // may choose
					}
					expect := want
					if who.refused == 0 && c.permission != auth.Open {
						expect = []int{403}
					}
					check(who, route+" with "+header, "victim", w.do(method, path, c.body, append(slices.Clone(who.headers), header, name)...), expect)
					foreign++
				}
				if theirs != path && who.role != auth.PlatformAdmin {
					expect := want
					if who.refused == 0 && grants(who, c.permission) {
						if expect = c.theirs; expect == nil {
							expect = []int{404}
						}
					}
					check(who, route+" of the foreign tenant", "victim", w.do(method, theirs, c.body, who.headers...), expect)
				}
			}
		}
	}
	for route := range cases {
		t.Errorf("%s is in the matrix but not served", route)
	}
	if text := log.String(); strings.Contains(text, marker) {
		t.Errorf("something of the foreign tenant is in the log: %.500s", text[max(0, strings.Index(text, marker)-200):])
	}
	w.do("GET", "/logs?q="+marker, "", "X-API-Key", testKey, "X-Tenant", "victim").want(t, 200, "pagination/total", "1")
	w.do("GET", "/queries/victim", "", "X-API-Key", testKey, "X-Tenant", "victim").want(t, 200, "data/query", marker)
	metrics := w.do("GET", "/metrics?format=prometheus", "", "X-API-Key", testKey)
	if strings.Contains(metrics.body, marker) || strings.Contains(metrics.body, "victim") || strings.Contains(metrics.body, "mine") {
		t.Error("a tenant is in a metric")
	}
	t.Logf("%d answers, %d of them for a foreign tenant", asked, foreign)
}

// TestRestrictedRoutes asks everything that reads as somebody who sees a part of the
// own tenant: of the rest nothing is in any answer.
func TestRestrictedRoutes(t *testing.T) {
	w, _, _, _ := matrixWorld(t)
	w.key = testKey
	hidden := w.do("POST", "/logs", fmt.Sprintf(`{"message":"%[1]s hidden","component":"%[1]s","%[1]s":1,"level":"error"}`, marker), "X-Tenant", "mine")
	hidden.want(t, 201)
	seen := w.do("POST", "/logs", `{"message":"for bob","component":"web","userId":"bob","level":"error"}`, "X-Tenant", "mine")
	seen.want(t, 201)
	made := w.do("POST", "/admin/keys", `{"role":"analyst","tenant":"mine","restriction":"userId:=bob"}`)
	made.want(t, 201)
	user, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "bob", "role": "user", "tenant": "mine", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	w.key = ""
	w.do("POST", "/logs", `{"message":"from bob","submitter":"eve"}`, "Authorization", "Bearer "+user).want(t, 201)
	asked := 0
	for name, headers := range map[string][]string{"key": {"X-API-Key", made.at("data/key")}, "user": {"Authorization", "Bearer " + user}} {
		total := map[string]string{"key": "1", "user": "2"}[name]
		w.do("GET", "/logs", "", headers...).want(t, 200, "pagination/total", total)
		w.do("POST", "/logs/search", `{"query":"component:=`+marker+`","explain":true}`, headers...).want(t, 403)
		w.do("GET", "/logs/"+seen.at("data/logId"), "", headers...).want(t, 200)
		for _, path := range []string{"", "/context"} {
			w.do("GET", "/logs/"+hidden.at("data/logId")+path, "", headers...).want(t, 404)
		}
		for _, rt := range w.server.routes() {
			if rt.permission != auth.Read && rt.permission != auth.Export || rt.path == "/logs/tail" {
				continue
			}
			for _, method := range rt.methods {
				for _, body := range []string{`{"query":"*"}`, `{"query":"component:"}`, `{"query":"* | facets"}`, `{"query":"level:error | context 5"}`, `{"query":"* | union (*)"}`, `{"query":"* | top 9 component"}`} {
					path := strings.NewReplacer("{id}", seen.at("data/logId")).Replace(rt.path)
					if method == "GET" {
						body = ""
					}
					got := w.do(method, path, body, headers...)
					if asked++; strings.Contains(got.body, marker) {
						t.Errorf("%s %s %s as %s: %.500s", method, path, body, name, got.body)
					}
				}
			}
		}
	}
	w.do("GET", "/logs", "", "X-API-Key", testKey, "X-Tenant", "mine").want(t, 200, "pagination/total", "3")
	if asked < 100 {
		t.Errorf("only %d questions", asked)
	}
}

// TestWholeTenant: rules, webhooks, services and models follow from all records of a
// tenant, so nobody who is restricted to some gets to them by any route.
func TestWholeTenant(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Desk, c.Models = struct{ alert.Desk }{}, struct{ models.Desk }{} })
	w.key = ""
	who := bearerOf(t, "tenant-admin", "mine", "eve", jwt.MapClaims{"restriction": "component:web"})
	asked := 0
	for _, rt := range append(triageRoutes(), modelRoutes()...) {
		if slices.Contains([]string{"/integration/graph", "/integration/timeline", "/integration/cross-service"}, rt.path) {
			continue // of records, as everything else
		}
		for _, method := range rt.methods {
			path := strings.NewReplacer("{name}", "x").Replace(rt.path)
			w.do(method, path, "{}", "Authorization", who).want(t, 403, "error/code", "AUTHORIZATION_ERROR")
			asked++
		}
	}
	if asked < 40 {
		t.Errorf("only %d routes were asked", asked)
	}
}
