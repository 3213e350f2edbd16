package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/audit"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/limit"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/valyala/fasthttp"
)

// limited returns a world in which things are limited, counted and kept.
func limited(t *testing.T, cfg limits.Config) (*world, *registry) {
	t.Helper()
	r := newRegistry()
	w := newWorld(t, func(c *Config) {
		c.Directory, c.Erasures = r, &paperErasures{}
		c.Book = consumption.New(consumption.Config{Node: "n", Write: c.Writer.Write, Search: c.Engine.Search})
		c.Trail = audit.New(audit.Config{Node: "n", Write: c.Writer.Write, Search: c.Engine.Search})
		c.Limits = limits.New(cfg, limit.New(limit.Config{}), r, c.Book)
		c.Prices.In = 1e6
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.cfg.Trail.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w, r
}

func bearerOf(t *testing.T, role, tenant, name string, more jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": name, "role": role, "tenant": tenant, "exp": time.Now().Add(time.Hour).Unix()}
	for key, value := range more {
		claims[key] = value
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + text
}

// TestRateLimits refuses what is too much, in the form of each kind of client, and says
// what is left and when to come back.
func TestRateLimits(t *testing.T) {
	w, _ := limited(t, limits.Config{Enabled: true, Requests: 3, Window: time.Hour})
	w.key = ""
	alice, bob := bearerOf(t, "tenant-admin", "t", "alice", nil), bearerOf(t, "tenant-admin", "t", "bob", nil)
	send := func(who string) answer { return w.do("POST", "/logs", `{"message":"m"}`, "Authorization", who) }
	for i := range 3 {
		got := send(alice)
		got.want(t, 201)
		for _, prefix := range []string{"RateLimit-", "X-RateLimit-"} {
			if got.header.Get(prefix+"Limit") != "3" || got.header.Get(prefix+"Remaining") != strconv.Itoa(2-i) {
				t.Errorf("request %d: %v", i, got.header)
			}
			if reset, err := strconv.Atoi(got.header.Get(prefix + "Reset")); err != nil || reset < 3500 || reset > 3700 {
				t.Errorf("request %d: reset %q", i, got.header.Get(prefix+"Reset"))
			}
		}
	}
	got := send(alice)
	got.want(t, 429, "error/code", "RATE_LIMIT_EXCEEDED", "error/limit", "3", "error/remaining", "0")
	if retry, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || retry < 3500 || retry > 3700 || got.at("error/retryAfter") != strconv.Itoa(retry) {
		t.Errorf("Retry-After is %q, retryAfter %s", got.header.Get("Retry-After"), got.at("error/retryAfter"))
	}
	if got.header.Get("RateLimit-Policy") != "3;w=3600" || got.header.Get("RateLimit-Remaining") != "0" {
		t.Errorf("%v", got.header)
	}
	// A shipper that speaks _bulk is told in its own words, and keeps its whole batch.
	bulk := w.do("POST", "/_bulk", "{\"create\":{}}\n{\"message\":\"m\"}\n", "Authorization", alice)
	bulk.want(t, 429, "error/type", "es_rejected_execution_exception", "status", "429")
	if bulk.header.Get("Retry-After") == "" || bulk.header.Get("X-Elastic-Product") != "Elasticsearch" {
		t.Errorf("%v", bulk.header)
	}
	// Another client, another kind, and administration go on.
	send(bob).want(t, 201)
	w.do("GET", "/logs", "", "Authorization", alice).want(t, 200)
	for range 10 {
		w.do("GET", "/admin/keys", "", "Authorization", alice).want(t, 200)
		w.do("GET", "/health", "").want(t, 200)
	}
	w.do("GET", "/logs", "", "Authorization", bob).want(t, 200, "pagination/total", "4")
}

// TestLimitsOfPlansAndKeys limits tenants by what is agreed and keys by what they were
// made with.
func TestLimitsOfPlansAndKeys(t *testing.T) {
	w, r := limited(t, limits.Config{})
	five := int64(5)
	r.accounts["t"] = access.Account{ID: "t", Plan: access.Basic, Status: access.Active, Terms: access.Terms{RequestsPerMin: &five}, Version: 1}
	made := w.do("POST", "/admin/keys", `{"role":"writer","tenant":"t","maxRequestsPerMinute":2}`)
	made.want(t, 201, "data/maxRequestsPerMinute", "2")
	other := w.do("POST", "/admin/keys", `{"role":"writer","tenant":"t"}`)
	for i, want := range []int{201, 201, 429} {
		if got := w.do("POST", "/logs", `{"message":"m"}`, "X-API-Key", made.at("data/key")); got.status != want {
			t.Errorf("request %d: %d, want %d", i, got.status, want)
		}
	}
	for i, want := range []int{201, 201, 201, 429} { // what the key was refused does not count
		if got := w.do("POST", "/logs", `{"message":"m"}`, "X-API-Key", other.at("data/key")); got.status != want {
			t.Errorf("request %d of the other key: %d, want %d", i, got.status, want)
		}
	}
	w.do("POST", "/admin/keys", `{"role":"writer","tenant":"t","maxRequestsPerMinute":-1}`).want(t, 400)
}

// TestQuotas stops a tenant at what is agreed of a day: whole requests, nothing of
// what was accepted is lost, and repeats are not counted.
func TestQuotas(t *testing.T) {
	w, r := limited(t, limits.Config{})
	lines, much := int64(100), int64(1_000_000)
	r.accounts["t"] = access.Account{ID: "t", Plan: access.Premium, Status: access.Active, Terms: access.Terms{LogsPerDay: &lines, RequestsPerMin: &much}, Version: 1}
	w.key = ""
	who := bearerOf(t, "tenant-admin", "t", "alice", nil)
	send := func(count int, headers ...string) answer {
		return w.do("POST", "/logs", strings.Repeat("{\"message\":\"m\"}\n", count), append([]string{"Authorization", who}, headers...)...)
	}
	send(60).want(t, 200, "data/accepted", "60")
	for range 5 {
		send(20, "Idempotency-Key", "k").want(t, 200)
	}
	if share := w.server.cfg.Limits.Shares("t")["maxLogsPerDay"]; share.Used != 80 || !share.Near || share.Over {
		t.Errorf("%+v", share)
	}
	w.do("GET", "/admin/tenants/t", "", "Authorization", who).want(t, 200, "data/usage/maxLogsPerDay/used", "80", "data/usage/maxLogsPerDay/near", "true")
	got := send(50)
	got.want(t, 429, "error/code", "QUOTA_EXCEEDED", "error/limit", "100", "error/remaining", "20")
	until := time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)).Seconds()
	if retry, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || float64(retry) < until-60 || float64(retry) > until+60 {
		t.Errorf("Retry-After is %q, the day ends in %.0f s", got.header.Get("Retry-After"), until)
	}
	send(20).want(t, 200)
	send(1).want(t, 429) // before the body is looked at
	w.do("POST", "/_bulk", "{\"create\":{}}\n{\"message\":\"m\"}\n", "Authorization", who).want(t, 429, "error/type", "es_rejected_execution_exception")
	w.do("GET", "/logs", "", "Authorization", who).want(t, 200, "pagination/total", "100")
	w.server.cfg.Book.Flush(t.Context())
	today := time.Now().UTC().Format(time.DateOnly)
	w.do("GET", "/admin/usage", "", "Authorization", who).want(t, 200, "data/tenants/#", "1", "data/tenants/0/lines", "100", "data/tenants/0/bytesIn", "1600", "data/tenants/0/queries", "1",
		"data/days/0/day", today, "data/days/0/tenantId", "t", "data/tenants/0/cost", "1.6", "data/tenants/0/quotas/maxLogsPerDay/percent", "100", "data/tenants/0/quotas/maxLogsPerDay/over", "true")
	w.do("GET", "/admin/usage?tenant=victim", "", "Authorization", who).want(t, 404)
	w.do("GET", "/admin/usage?from=x", "", "Authorization", who).want(t, 400)
	w.do("GET", "/admin/usage?from=2020-01-01&to=2026-01-01", "", "Authorization", who).want(t, 400)
	// A node that starts again goes on where the day is.
	again := limit.New(limit.Config{Recall: func(ctx context.Context, rule limit.Rule) (int64, error) {
		amount, err := w.server.cfg.Book.Today(ctx, model.TenantID(strings.TrimPrefix(rule.Key, limits.LinesOfDay)))
		if err != nil {
			t.Error(err)
		}
		return amount.Lines, err
	}})
	rule := limit.Rule{Key: limits.LinesOfDay + "t", Limit: 100, Window: 24 * time.Hour, Daily: true}
	if v := again.Take(t.Context(), rule, 1); v.OK {
		t.Errorf("the day is forgotten: %+v", v)
	}
}

// TestSpentQuotas say so however often a shipper tries: what is refused for the day is
// not taken from the minute.
func TestSpentQuotas(t *testing.T) {
	w, r := limited(t, limits.Config{})
	one, three := int64(1), int64(3)
	r.accounts["t"] = access.Account{ID: "t", Plan: access.Premium, Status: access.Active, Terms: access.Terms{LogsPerDay: &one, RequestsPerMin: &three}, Version: 1}
	w.do("POST", "/logs", `{"message":"m"}`, "X-Tenant", "t").want(t, 201)
	for range 6 {
		w.do("POST", "/logs", `{"message":"m"}`, "X-Tenant", "t").want(t, 429, "error/code", "QUOTA_EXCEEDED")
	}
}

// TestMoreThanADayHolds refuses what no day has room for in a way that nobody sends it
// again, whatever is left of the day and by whatever protocol, and takes nothing of it.
func TestMoreThanADayHolds(t *testing.T) {
	for _, c := range []struct {
		what         string
		lines, bytes int64
		count, fits  int
		message      string
	}{
		{what: "records", lines: 10, bytes: 1 << 20, count: 11, fits: 10, message: "at most 10"},
		{what: "bytes", lines: 1000, bytes: 160, count: 11, fits: 9, message: "at most 160"},
		{what: "nothing at all", lines: 0, bytes: 1 << 20, count: 1, fits: 0, message: "at most 0"},
	} {
		w, r := limited(t, limits.Config{})
		much := int64(1_000_000)
		r.accounts["t"] = access.Account{ID: "t", Plan: access.Premium, Status: access.Active, Terms: access.Terms{LogsPerDay: &c.lines, BytesPerDay: &c.bytes, RequestsPerMin: &much}, Version: 1}
		for range 3 {
			got := w.do("POST", "/logs", strings.Repeat("{\"message\":\"m\"}\n", c.count), "X-Tenant", "t")
			got.want(t, 413, "error/code", "QUOTA_TOO_SMALL")
			if got.header.Get("Retry-After") != "" || !strings.Contains(got.at("error/message"), c.message) {
				t.Errorf("%s: %s, Retry-After %q", c.what, got.body, got.header.Get("Retry-After"))
			}
			bulk := w.do("POST", "/_bulk", strings.Repeat("{\"create\":{}}\n{\"message\":\"m\"}\n", c.count), "X-Tenant", "t")
			bulk.want(t, 200, "errors", "true", "items/#", strconv.Itoa(c.count), "items/0/create/status", "400", "items/0/create/error/type", "illegal_argument_exception")
			if !strings.Contains(bulk.at("items/0/create/error/reason"), c.message) {
				t.Errorf("%s: %s", c.what, bulk.body)
			}
		}
		if c.fits > 0 { // nothing was counted
			w.do("POST", "/logs", strings.Repeat("{\"message\":\"m\"}\n", c.fits), "X-Tenant", "t").want(t, 200)
		}
		w.do("GET", "/logs", "", "X-Tenant", "t").want(t, 200, "pagination/total", strconv.Itoa(c.fits))
	}
}

// TestPlacesOfATenant keeps a tenant to its questions at once.
func TestPlacesOfATenant(t *testing.T) {
	w, r := limited(t, limits.Config{})
	one := int64(1)
	r.accounts["t"] = access.Account{ID: "t", Plan: access.Premium, Status: access.Active, Terms: access.Terms{Queries: &one}, Version: 1}
	release, refusal := w.server.cfg.Limits.Place(t.Context(), "t", time.Minute)
	if refusal != nil {
		t.Fatal(refusal)
	}
	w.do("GET", "/logs", "", "X-Tenant", "t").want(t, 429, "error/code", "QUOTA_EXCEEDED")
	w.do("GET", "/logs", "", "X-Tenant", "other").want(t, 200)
	release()
	w.do("GET", "/logs", "", "X-Tenant", "t").want(t, 200)
	w.do("GET", "/logs", "", "X-Tenant", "t").want(t, 200)
}

// TestPlacesOfExports keeps the place of an export until it has ended, and counts what
// it has read.
func TestPlacesOfExports(t *testing.T) {
	w, r := limited(t, limits.Config{})
	one, much := int64(1), int64(1_000_000_000)
	r.accounts["t"] = access.Account{ID: "t", Plan: access.Premium, Status: access.Active, Terms: access.Terms{Queries: &one, LogsPerDay: &much, BytesPerDay: &much, StorageBytes: &much, RequestsPerMin: &much}, Version: 1}
	line := `{"message":"` + strings.Repeat("m", 10_000) + "\"}\n"
	const records = 2_000 // more than what sockets take
	for range records / 100 {
		w.do("POST", "/logs", strings.Repeat(line, 100), "X-Tenant", "t").want(t, 200)
	}
	conn := w.dial()
	defer conn.Close()
	fmt.Fprintf(conn, "GET /logs/export HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\nX-Tenant: t\r\n\r\n", testKey)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("%v, %v", response, err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, refusal := w.server.cfg.Limits.Place(impatient, "t", time.Minute); refusal == nil {
		t.Error("an export has no place while it goes on")
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || bytes.Count(body, []byte("\n")) != records {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	release, refusal := w.server.cfg.Limits.Place(t.Context(), "t", time.Minute) // it waits a little
	if refusal != nil {
		t.Fatal(refusal)
	}
	release()
	if read := w.server.cfg.Book.Now("t").BytesRead; read != int64(len(body)) {
		t.Errorf("%d bytes are counted, %d were read", read, len(body))
	}
}

// TestSenders believes X-Forwarded-For of proxies only.
func TestSenders(t *testing.T) {
	s := &Server{cfg: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, test := range []struct {
		remote, header, want string
	}{
		{"192.0.2.1:1", "", "192.0.2.1"}, {"192.0.2.1:1", "198.51.100.7", "192.0.2.1"}, {"10.0.0.1:1", "", "10.0.0.1"},
		{"10.0.0.1:1", "198.51.100.7", "198.51.100.7"}, {"10.0.0.1:1", "1.1.1.1, 198.51.100.7", "198.51.100.7"}, {"10.0.0.1:1", "1.1.1.1, 198.51.100.7, 10.2.3.4", "198.51.100.7"},
		{"10.0.0.1:1", "198.51.100.7:4711", "198.51.100.7"}, {"10.0.0.1:1", "[2001:db8::1]:80", "2001:db8::1"}, {"[fd00::1]:1", "2001:db8::2", "2001:db8::2"},
		{"10.0.0.1:1", "unknown", "10.0.0.1"}, {"10.0.0.1:1", "1.1.1.1, x, 10.0.0.9", "10.0.0.9"}, {"10.0.0.1:1", "10.0.0.2, 10.0.0.3", "10.0.0.2"},
		{"10.0.0.1:1", "::ffff:198.51.100.8", "198.51.100.8"}, {"10.0.0.1:1", strings.Repeat("9.9.9.9, ", 100) + "8.8.8.8", "8.8.8.8"},
	} {
		var ctx fasthttp.RequestCtx
		ctx.Init(&ctx.Request, address(test.remote), nil)
		if test.header != "" {
			ctx.Request.Header.Set("X-Forwarded-For", test.header)
		}
		if got := s.sender(&ctx).String(); got != test.want {
			t.Errorf("%s with %.60q is %s, want %s", test.remote, test.header, got, test.want)
		}
	}
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// TestAddresses limits who asks with wrong credentials by its address; a network of
// IPv6 is one.
func TestAddresses(t *testing.T) {
	gate := limits.New(limits.Config{Enabled: true, Address: 3}, limit.New(limit.Config{}), nil, nil)
	for i, test := range []struct {
		from string
		ok   bool
	}{{"192.0.2.1", true}, {"192.0.2.1", true}, {"::ffff:192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", true}, {"2001:db8::4", false}, {"2001:db8:0:1::4", true}} {
		if refusal := gate.Address(t.Context(), netip.MustParseAddr(test.from)); (refusal == nil) != test.ok {
			t.Errorf("request %d of %s: %v", i, test.from, refusal)
		}
	}
}

// TestAddressesOfHandshakes limits those who try credentials wherever they are looked
// at.
func TestAddressesOfHandshakes(t *testing.T) {
	w, _ := limited(t, limits.Config{Enabled: true, Address: 3})
	for i := range 5 {
		want := 401
		if i >= 3 {
			want = 429
		}
		conn := w.dial() // which has an address
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: a guess\r\n\r\n", []string{"/", "/elasticsearch/_license"}[i%2])
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != want {
			t.Errorf("request %d: %v, %v, want %d", i, response, err, want)
		}
		conn.Close()
	}
}

// TestTrailOfRequests keeps what administrators do, with what was before and after,
// what is exported and what is refused; and no secrets.
func TestTrailOfRequests(t *testing.T) {
	w, _ := limited(t, limits.Config{})
	made := w.do("POST", "/admin/keys", `{"role":"analyst","tenant":"t","name":"k"}`)
	made.want(t, 201)
	key, id := made.at("data/key"), made.at("data/id")
	w.do("POST", "/admin/tenants", `{"tenantId":"t","plan":"basic"}`).want(t, 201)
	w.do("PATCH", "/admin/tenants/t", `{"plan":"premium"}`).want(t, 200)
	w.do("PUT", "/admin/log-level", `{"level":"debug"}`).want(t, 200)
	w.do("POST", "/admin/flush", "", "X-API-Key", key).want(t, 403)
	w.do("GET", "/logs/export", "", "X-API-Key", key).want(t, 200)
	rotated := w.do("POST", "/admin/keys/"+id+"/rotate", `{"overlap":"0"}`)
	rotated.want(t, 200)
	for range 50 {
		w.do("GET", "/logs", "", "X-API-Key", key).want(t, 401)
	}
	w.do("DELETE", "/admin/keys/"+id, "").want(t, 200)
	w.do("POST", "/admin/tenants", `{"tenantId":"_audit"}`).want(t, 403)
	w.do("POST", "/logs", `{"message":"forged"}`, "X-Tenant", "_audit").want(t, 403)
	w.do("DELETE", "/admin/tenants/_audit", "").want(t, 403)
	as := func(tenant, path string) answer {
		w.key = ""
		defer func() { w.key = testKey }()
		return w.do("GET", path, "", "Authorization", bearerOf(t, "tenant-admin", tenant, "x", nil))
	}
	as("_audit", "/logs").want(t, 403)
	w.server.cfg.Trail.Close(t.Context())
	var export bytes.Buffer
	got := w.do("GET", "/logs/export?order=asc", "", "X-Tenant", "_audit")
	got.want(t, 200)
	export.WriteString(got.body)
	for _, secret := range []string{key, rotated.at("data/key"), testKey, key[len(key)-20:]} {
		if strings.Contains(got.body, secret) {
			t.Errorf("a secret is in the trail")
		}
	}
	report, err := audit.Verify(&export, audit.Options{})
	if err != nil || len(report.Faults) > 0 || report.Chains != 1 {
		t.Fatalf("%v, %+v", err, report)
	}
	all := map[string]audit.Entry{}
	logins := int64(0)
	for _, line := range strings.Split(strings.TrimSpace(got.body), "\n") {
		var record struct{ Audit struct{ Entry string } }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		e, err := audit.Parse(record.Audit.Entry)
		if err != nil {
			t.Fatal(err)
		}
		if e.Action == "login" {
			logins += max(e.Count, 1)
		}
		all[e.Action+" "+e.Outcome] = e
	}
	if logins != 50 {
		t.Errorf("%d failed logins, want 50", logins)
	}
	for _, want := range []struct{ what, before, after, tenant, target string }{
		{"POST /admin/keys done", "", `"id":"` + id, "t", ""}, {"PATCH /admin/tenants/{name} done", `"plan":"basic"`, `"plan":"premium"`, "t", "t"},
		{"PUT /admin/log-level done", `INFO`, `DEBUG`, "default", ""}, {"POST /admin/flush denied", "", "", "t", ""}, {"GET /logs/export done", "", "", "t", ""},
		{"POST /admin/keys/{name}/rotate done", id, id, "t", id}, {"DELETE /admin/keys/{name} done", `"active"`, `"revoked"`, "t", id}, {"POST /admin/tenants denied", "", "", "default", ""},
		{"POST /logs denied", "", "", "_audit", ""},
	} {
		e, there := all[want.what]
		if !there || !strings.Contains(string(e.Before), want.before) || !strings.Contains(string(e.After), want.after) || e.Tenant != want.tenant || e.Target != want.target || e.Request == "" {
			t.Errorf("%s: %+v, before %s, after %s", want.what, e, e.Before, e.After)
		}
	}
	w.do("GET", "/admin/audit?action=DELETE+/admin/keys/{name}", "").want(t, 200, "data/entries/#", "1", "data/entries/0/entry/actor/name", "admin-key", "data/entries/0/corrupt", "")
	w.do("GET", "/admin/audit?limit=3", "").want(t, 200, "data/entries/#", "3")
	w.do("GET", "/admin/audit?outcome=denied&tenant=t", "").want(t, 200, "data/entries/#", "1")
	w.do("GET", "/admin/audit?from=tomorrow", "").want(t, 400)
	as("other", "/admin/audit").want(t, 200, "data/entries/#", "0")
	mine := as("t", "/admin/audit")
	mine.want(t, 200)
	if strings.Contains(mine.body, `"tenant":"default","outcome"`) || mine.at("data/entries/#") == "0" {
		t.Errorf("%s", mine.body)
	}
	w.do("GET", "/admin/audit/heads", "").want(t, 200, "data/#", "1")
	// Who looks at the trail is in it, by whatever way.
	w.do("GET", "/logs", "", "X-Tenant", "_audit").want(t, 200)
	w.do("POST", "/logs/search", `{"query":"*"}`, "X-Tenant", "_audit").want(t, 200)
	w.do("GET", "/logs", "", "X-Tenant", "t").want(t, 200)
	w.do("GET", "/admin/audit?action=GET+/logs,POST+/logs/search&outcome=done&tenant=_audit", "").want(t, 200, "data/entries/#", "2")
}

// TestKeysOfTokens end, and are not made by who may ask by some host names only.
func TestKeysOfTokens(t *testing.T) {
	w, r := limited(t, limits.Config{})
	w.key = ""
	made := w.do("POST", "/admin/keys", `{"role":"reader"}`, "Authorization", bearerOf(t, "tenant-admin", "t", "a", nil))
	made.want(t, 201)
	if key := r.keys[made.at("data/id")]; key.Expires == 0 || key.Expires > time.Now().Add(91*24*time.Hour).UnixNano() {
		t.Errorf("it ends at %d", key.Expires)
	}
	w.do("POST", "/admin/keys", `{"role":"reader"}`, "Authorization", bearerOf(t, "tenant-admin", "t", "a", jwt.MapClaims{"domains": []string{"shop.example"}})).want(t, 403)
	w.do("POST", "/admin/keys", `{"role":"reader"}`, "Authorization", bearerOf(t, "tenant-admin", "t", "a", jwt.MapClaims{"domains": []string{"*"}})).want(t, 201)
	made = w.do("POST", "/admin/keys", `{"role":"reader"}`, "Authorization", bearerOf(t, "platform-admin", "t", "a", nil))
	if key := r.keys[made.at("data/id")]; made.status != 201 || key.Expires != 0 {
		t.Errorf("status %d, it ends at %d", made.status, key.Expires)
	}
}

// TestUsersSpeakOfThemselves says of what a user sends whom it is about, whatever it
// says.
func TestUsersSpeakOfThemselves(t *testing.T) {
	w, _ := limited(t, limits.Config{})
	w.key = ""
	eve, bob := bearerOf(t, "user", "t", "eve", nil), bearerOf(t, "user", "t", "bob", nil)
	w.do("POST", "/logs", `[{"message":"planted","userId":"bob"},{"message":"number","userId":5},{"message":"mine","userId":"eve"},{"message":"none"}]`, "Authorization", eve).want(t, 200)
	w.do("GET", "/logs", "", "Authorization", bob).want(t, 200, "pagination/total", "0")
	w.do("GET", "/logs", "", "Authorization", eve).want(t, 200, "pagination/total", "4")
	w.do("GET", "/logs?message=planted", "", "Authorization", eve).want(t, 200, "data/0/userId", "eve", "data/0/_original/userId", "bob")
}
