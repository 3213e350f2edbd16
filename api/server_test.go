package api

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/triage"
	"github.com/valyala/fasthttp/fasthttputil"
)

func TestEveryRouteDeclaresAPermission(t *testing.T) {
	w := newWorld(t, nil)
	open := map[string]bool{"/health": true, "/health/live": true, "/health/ready": true}
	for _, rt := range w.server.routes() {
		if rt.permission == auth.Undeclared {
			t.Errorf("%v %s declares no permission", rt.methods, rt.path)
		}
		if (rt.permission == auth.Open) != open[rt.path] {
			t.Errorf("%v %s has the permission %s", rt.methods, rt.path, rt.permission)
		}
		path := strings.NewReplacer("{id}", "0-1-0", "{index}", "logs", "{profile:*}", "cmdline", "{node}", "db1").Replace(rt.path)
		for _, method := range rt.methods {
			w.key = ""
			got := w.do(method, path, "")
			if rt.permission == auth.Open {
				got.want(t, 200)
				continue
			}
			got.want(t, 401)
			if got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s: 401 without WWW-Authenticate", method, path)
			}
			w.key = "wrong"
			w.do(method, path, "").want(t, 401)
		}
	}
}

// bearer returns the header of somebody with a role in a tenant.
func bearer(t testing.TB, role, tenant string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "u", "role": role, "tenant": tenant, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + text
}

func TestRoles(t *testing.T) {
	w := newWorld(t, nil)
	w.key = ""
	for _, test := range []struct {
		role                string
		read, write, manage int
	}{{"reader", 200, 403, 403}, {"writer", 403, 201, 403}, {"user", 200, 201, 403}, {"tenant-admin", 200, 201, 403}, {"admin", 200, 201, 200}} {
		credentials := []string{"Authorization", bearer(t, test.role, "a")}
		w.do("GET", "/logs", "", credentials...).want(t, test.read)
		w.do("POST", "/logs", `{"message":"x"}`, credentials...).want(t, test.write)
		w.do("POST", "/admin/flush", "", credentials...).want(t, test.manage)
	}
	w.do("GET", "/logs", "", "Authorization", bearer(t, "reader", "a")).want(t, 200, "pagination/total", "4")
	w.do("GET", "/logs", "", "Authorization", bearer(t, "reader", "b")).want(t, 200, "pagination/total", "0")
}

func TestWrite(t *testing.T) {
	w := newWorld(t, nil)
	one := w.do("POST", "/logs", `{"message":"hello","level":"WARN","component":"c","metadata":{"ip":"10.0.0.1"}}`)
	one.want(t, 201, "success", "true", "data/message", "hello", "data/level", "warn", "data/component", "c", "data/category", "general")
	for n, about := range [][2]string{
		{`"message":"login failed","component":"web"`, "authentication"}, {`"message":"x","component":"auth-service"`, "authentication"}, {`"message":"no words of any","level":"fatal"`, "error"},
		{`"message":"ERROR: no words of any"`, "error"}, {`"message":"login failed","category":"mine"`, "mine"},
		{`"message":"no words of any","method":"POST","status":503`, "error"}, {`"message":"no words of any","method":"POST","status":200`, "general"},
	} {
		w.do("POST", "/logs", fmt.Sprintf(`{%s,"n":%d}`, about[0], n)).want(t, 201, "data/category", about[1])
		w.do("POST", "/logs/search", fmt.Sprintf(`{"query":"n:=%d category:=%s"}`, n, about[1])).want(t, 200, "pagination/total", "1")
	}
	id := one.at("data/logId")
	w.do("GET", "/logs/"+id, "").want(t, 200, "data/id", id, "data/_id", id, "data/metadata/ip", "10.0.0.1", "data/severity", "warn", "data/_original/level", "WARN")
	w.do("POST", "/logs", "{\"message\":\"a\"}\n17\n{\"message\":\"b\"}\n{bad\n").want(t, 200, "data/accepted", "2", "data/rejected", "2", "data/errors/0/line", "2", "data/errors/1/line", "4")
	w.do("POST", "/logs", `[{"message":"a"},{"message":"b"}]`).want(t, 200, "data/accepted", "2", "data/errors/#", "0")
	w.do("POST", "/logs", `[]`).want(t, 200, "data/accepted", "0")
	w.do("POST", "/logs", `{}`).want(t, 400, "error/code", "VALIDATION_ERROR", "error/details/0/line", "1")
	w.do("POST", "/logs", ``).want(t, 400, "success", "false")
	w.do("POST", "/logs", `{"message":`).want(t, 400)
	w.do("POST", "/logs", "two\nlines", "Content-Type", "text/plain").want(t, 200, "data/accepted", "2")
	w.do("POST", "/logs", `{"message":"json after all"}`, "Content-Type", "text/plain; charset=utf-8").want(t, 201)
	w.do("POST", "/logs", "x", "Content-Type", "multipart/form-data; boundary=x").want(t, 415, "error/code", "UNSUPPORTED_MEDIA_TYPE")
	w.do("POST", "/logs", `{"message":"x"}`, "Content-Encoding", "br").want(t, 400)
	w.do("GET", "/logs/zzz", "").want(t, 404)
	w.do("GET", "/logs/0-9999-0", "").want(t, 404)
}

// TestIdempotencyOfUsers has two users send the same under one key: each has a record
// of its own, and a repeat is one all the same.
func TestIdempotencyOfUsers(t *testing.T) {
	w := newWorld(t, nil)
	w.key = ""
	bulk := "{\"create\":{\"_id\":\"1\"}}\n{\"message\":\"m\"}\n"
	for i, name := range []string{"anna", "bert", "anna"} {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": name, "role": "user", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		got := w.do("POST", "/logs", `{"message":"once"}`, v1.HeaderIdempotencyKey, "k", "Authorization", "Bearer "+text)
		got.want(t, 201)
		if replayed := got.header.Get(v1.HeaderReplayed) != ""; replayed != (i == 2) {
			t.Errorf("request %d by %s: replayed %v", i, name, replayed)
		}
		w.do("POST", "/_bulk", bulk, "Authorization", "Bearer "+text).want(t, 200)
		w.do("GET", "/logs", "", "Authorization", "Bearer "+text).want(t, 200, "pagination/total", "2")
	}
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t, nil)
	first := w.do("POST", "/logs", `{"message":"once"}`, v1.HeaderIdempotencyKey, "k")
	first.want(t, 201)
	again := w.do("POST", "/logs", `{"message":"once"}`, v1.HeaderIdempotencyKey, "k")
	again.want(t, 201, "data/logId", first.at("data/logId"))
	if again.header.Get(v1.HeaderReplayed) != "true" || first.header.Get(v1.HeaderReplayed) != "" {
		t.Error("the header that says replayed is wrong")
	}
	w.do("POST", "/logs", `{"message":"other"}`, v1.HeaderIdempotencyKey, "k").want(t, 422, "error/code", "IDEMPOTENCY_KEY_REUSED")
	w.do("GET", "/logs", "").want(t, 200, "pagination/total", "1")
	w.do("POST", "/logs", `{}`, v1.HeaderIdempotencyKey, strings.Repeat("k", 300)).want(t, 400)
}

func TestEncodingsAndLimits(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.BodyBytes, c.BodyMemory = 1<<20, 2<<20 })
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	w.do("POST", "/logs", pack(`{"message":"x"}`), "Content-Encoding", "gzip").want(t, 201)
	w.do("POST", "/logs", pack(strings.Repeat(" ", 8<<20)), "Content-Encoding", "gzip").want(t, 413, "error/code", "PAYLOAD_TOO_LARGE")
	w.do("POST", "/logs", pack("x")[:12], "Content-Encoding", "gzip").want(t, 400)
	w.do("POST", "/logs", strings.Repeat(`{"message":"x"}`+"\n", 1<<15)).want(t, 200, "data/accepted", "32768")
	if free := w.server.bodies.Free(); free != 2<<20 {
		t.Errorf("%d bytes of memory are free after all requests, want all", free)
	}
}

func TestBusyAndBroken(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.BodyWait = time.Millisecond; c.BodyMemory = 64 << 20 })
	if !w.server.bodies.Take(64<<20, 0) {
		t.Fatal("no memory")
	}
	busy := w.do("POST", "/logs", `{"message":"x"}`)
	busy.want(t, 429, "error/code", "TOO_BUSY", "error/retryAfter", "1")
	if busy.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", busy.header.Get("Retry-After"))
	}
	w.server.bodies.Give(64 << 20)
	for _, test := range []struct {
		err          error
		status, bulk int
	}{{ingest.ErrNoSpace, 507, 503}, {ingest.ErrUnavailable, 503, 503}, {ingest.ErrBusy, 429, 429}} {
		w.memory.mu.Lock()
		w.memory.fail = test.err
		w.memory.mu.Unlock()
		got := w.do("POST", "/logs", `{"message":"x"}`)
		got.want(t, test.status)
		if got.header.Get("Retry-After") == "" {
			t.Errorf("%v: no Retry-After", test.err)
		}
		w.do("POST", "/_bulk", "{\"create\":{}}\n{\"message\":\"x\"}\n").want(t, test.bulk)
	}
}

func TestSearch(t *testing.T) {
	w := newWorld(t, nil)
	var body strings.Builder
	for i := range 10 {
		fmt.Fprintf(&body, `{"timestamp":"2024-05-01T12:00:0%dZ","message":"request %d took long","level":"%s","component":"c%d","duration":%d,"uid":"u%d"}`+"\n",
			i, i, []string{"info", "error"}[i%2], i%3, i*10, i%2)
	}
	w.do("POST", "/logs", body.String()).want(t, 200, "data/accepted", "10")
	search := func(text string) answer { return w.do("POST", "/logs/search", text) }
	search(`{"query":"request AND level:error","limit":2}`).want(t, 200, "data/#", "2", "data/0/message", "request 9 took long", "pagination/limit", "2",
		"pagination/hasMore", "true", "pagination/searchMeta/totalMatches", "5", "pagination/searchMeta/relation", "eq", "pagination/searchMeta/complete", "true")
	search(`{"filters":{"severity":["error"],"component":["c0","c1"],"timeRange":{"start":"2024-05-01T12:00:03Z","end":"2024-05-01T12:00:09Z"}}}`).want(t, 200, "data/#", "3")
	search(`{"timeRange":{"startTime":"2024-05-01T12:00:03Z","endTime":"2024-05-01T12:00:04Z"}}`).want(t, 200, "data/#", "2")
	search(`{"sort":{"field":"duration","order":"asc"},"pagination":{"limit":1}}`).want(t, 200, "data/0/duration", "0", "pagination/limit", "1")
	search(`{"query":"* | stats count() by (uid)"}`).want(t, 200, "data/columns", `[{"name":"uid","type":"string"},{"name":"count()","type":"int"}]`, "data/rows", `[["u0",5],["u1",5]]`)
	search(`{"query":"* | stats count() by (component)","limit":2}`).want(t, 200, "data/rows/#", "2", "pagination/hasMore", "true")
	search(`{"facets":["component"],"limit":1}`).want(t, 200, "pagination/searchMeta/facets/component/0/count", "4")
	broken := search(`{"query":"a AND (b"}`)
	broken.want(t, 400, "error/code", "QUERY_SYNTAX_ERROR", "error/details/0/line", "1")
	if broken.at("error/details/0/column") == "" || broken.at("error/errorId") == "" {
		t.Errorf("a syntax error without a place or id: %s", broken.body)
	}
	search(`{"qery":"x"}`).want(t, 400, "error/details/0/message", `unknown member "qery", did you mean "query"?`)
	search(`{"cursor":"garbage"}`).want(t, 400, "error/code", "INVALID_CURSOR")
	search(`{"limit":-1,"timeRange":{"start":"yesterday"}}`).want(t, 400, "error/details/#", "2")
	search(`not json`).want(t, 400)
	search(``).want(t, 200, "data/#", "10")

	w.do("GET", "/logs?startTime=2024-05-01T12:00:05Z&endTime=2024-05-01T12:00:06Z", "").want(t, 200, "data/#", "2")
	w.do("GET", "/logs?severity=error&component=c0&component=c1&limit=2&sortOrder=asc", "").want(t, 200, "data/0/message", "request 1 took long", "pagination/total", "4")
	w.do("GET", "/logs?uid=u1&q=request", "").want(t, 200, "data/#", "5")
	w.do("GET", "/logs?limit=3&page=4", "").want(t, 200, "data/#", "1", "data/0/message", "request 0 took long", "pagination/totalPages", "4", "pagination/page", "4")
	w.do("GET", "/logs?since=1h", "").want(t, 200, "data/#", "0")
	w.do("GET", "/logs?limit=0", "").want(t, 400)
	w.do("GET", "/logs?startTime=2024-05-02&endTime=2024-05-01", "").want(t, 400)
	w.do("GET", "/logs?limit=5000&page=3", "").want(t, 400)

	seen := map[string]bool{}
	for cursor := ""; ; {
		page := search(fmt.Sprintf(`{"limit":3,"cursor":%q}`, cursor))
		page.want(t, 200)
		for i := range 3 {
			if id := page.at(fmt.Sprintf("data/%d/id", i)); !strings.HasPrefix(id, "no") {
				if seen[id] {
					t.Fatalf("record %s came twice", id)
				}
				seen[id] = true
			}
		}
		if cursor = page.at("pagination/nextCursor"); cursor == "" {
			break
		}
	}
	if len(seen) != 10 {
		t.Errorf("paging saw %d records, want 10", len(seen))
	}
	id := w.do("GET", "/logs?uid=u1&limit=1", "").at("data/0/id")
	w.do("GET", "/logs/"+id+"/context?before=2&after=1", "").want(t, 200, "data/record/id", id, "data/before/#", "2", "data/before/1/message", "request 6 took long", "data/after/#", "0")
	w.do("GET", "/logs/"+id+"/context?before=-1", "").want(t, 400)
	w.do("POST", "/logs/search", `{"query":"_id:`+id+`","includeContext":true}`).want(t, 200, "data/0/_id", id, "data/0/_context/before/2/message", "request 6 took long", "data/0/_context/after/#", "0")
	w.do("POST", "/logs/search", `{"query":"_id:`+id+`"}`).want(t, 200, "data/0/_id", id, "data/0/_context", "")
}

func TestHealthAndMetrics(t *testing.T) {
	state := Status{State: v1.Healthy, Ready: true}
	w := newWorld(t, func(c *Config) { c.Status = func() Status { return state } })
	full := w.do("GET", "/health", "")
	full.want(t, 200, "status", "healthy", "token/valid", "true", "service/version", "v0")
	w.key = "wrong"
	w.do("GET", "/health", "").want(t, 200, "status", "healthy", "token/valid", "false", "service", "")
	w.key = ""
	anonymous := w.do("GET", "/health", "")
	anonymous.want(t, 200, "status", "healthy", "service", "", "token", "")
	w.do("GET", "/health/ready", "").want(t, 200)
	state = Status{State: v1.Unhealthy}
	w.do("GET", "/health", "").want(t, 503, "status", "unhealthy")
	w.do("GET", "/health/ready", "").want(t, 503)
	w.do("GET", "/health/live", "").want(t, 200)
	w.key = testKey
	w.do("GET", "/metrics", "").want(t, 200, "requests/today/GET/subcategories/503/count", "2", "system/requestVolume", "7", "system/userActivity", "")
	for _, text := range []answer{w.do("GET", "/metrics?format=prometheus", ""), w.do("GET", "/metrics", "", "Accept", "text/plain;version=0.0.4")} {
		if !strings.Contains(text.body, `stere_http_requests_total{path="/health",method="GET",status="503"} 1`) || !strings.HasPrefix(text.header.Get("Content-Type"), "text/plain; version=0.0.4") {
			t.Errorf("Prometheus text is %q: %.300s", text.header.Get("Content-Type"), text.body)
		}
	}
}

// TestRefusedBeforeReady: that a node which is not ready refuses what it cannot do yet is no
// error of its log; what it refuses later is one.
func TestRefusedBeforeReady(t *testing.T) {
	log, state := &lockedText{}, Status{State: v1.Unhealthy}
	w := newWorld(t, func(c *Config) {
		c.Logger, c.Status = slog.New(slog.NewTextHandler(log, nil)), func() Status { return state }
	})
	w.memory.fail = fmt.Errorf("append: %w", ingest.ErrUnavailable)
	for _, test := range []struct {
		ready  bool
		errors int
	}{{false, 0}, {true, 1}} {
		state.Ready = test.ready
		w.do("POST", "/logs", `{"message":"m"}`).want(t, 503)
		if text := log.String(); strings.Count(text, "level=ERROR") != test.errors || strings.Count(text, "the node is not ready") != 1 {
			t.Errorf("ready %v: the log is %s", test.ready, text)
		}
	}
}

// connected is one service that is down, of the tenant of a host.
type connected struct {
	alert.Desk
	tenant model.TenantID
}

func (c connected) Webhooks(model.TenantID) []alert.Webhook { return nil }

func (c connected) Services(of model.TenantID) []alert.Registered {
	if of != c.tenant {
		return nil
	}
	return []alert.Registered{{Health: triage.Health{Last: 1, Error: "connection refused by 10.0.0.9"}}}
}

// TestOpenIntegrationHealth: who shows no credentials sees a status and nothing else, and
// that only where the operator says so.
func TestOpenIntegrationHealth(t *testing.T) {
	for _, open := range []bool{false, true} {
		w := newWorld(t, func(c *Config) {
			c.Desk, c.OpenIntegrationHealth = connected{tenant: model.DefaultTenant}, open
		})
		w.do("GET", "/integration/health", "").want(t, 200, "data/status", "unhealthy")
		w.key = ""
		w.do("GET", "/integration/services", "").want(t, 401)
		anonymous := w.do("GET", "/integration/health", "")
		if !open {
			anonymous.want(t, 401)
			continue
		}
		anonymous.want(t, 200, "data/status", "unhealthy", "data/services", "", "data/issues", "", "data/webhooks", "")
		if strings.Contains(anonymous.body, "10.0.0.9") {
			t.Errorf("who shows no credentials sees %s", anonymous.body)
		}
		w.key = "wrong"
		w.do("GET", "/integration/health", "").want(t, 401)
	}
}

func TestProtocol(t *testing.T) {
	w := newWorld(t, nil)
	w.do("GET", "/no/such", "").want(t, 404, "error/message", "no such path: GET /no/such")
	w.do("GET", "/analytics/sumary", "").want(t, 404, "error/message", "no such path: GET /analytics/sumary, did you mean /analytics/summary?", "error/details/0/suggestion", "/analytics/summary")
	wrong := w.do("DELETE", "/logs", "")
	wrong.want(t, 405)
	if allow := wrong.header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
		t.Errorf("Allow is %q", allow)
	}
	if options := w.do("OPTIONS", "/logs", ""); options.status != 204 || !strings.Contains(options.header.Get("Allow"), "POST") {
		t.Errorf("OPTIONS: %d, Allow %q", options.status, options.header.Get("Allow"))
	}
	echoed := w.do("GET", "/health", "", v1.HeaderRequestID, "my-id")
	if echoed.header.Get(v1.HeaderRequestID) != "my-id" || echoed.header.Get(v1.HeaderResponseTime) == "" {
		t.Errorf("headers %v", echoed.header)
	}
	if made := w.do("GET", "/health", "", v1.HeaderRequestID, "bad id"); len(made.header.Get(v1.HeaderRequestID)) != 36 {
		t.Errorf("request id %q", made.header.Get(v1.HeaderRequestID))
	}
	w.do("PUT", "/admin/log-level", `{"level":"debug"}`).want(t, 200, "data/level", "debug")
	w.do("PUT", "/admin/log-level", `{"level":"loud"}`).want(t, 400)
	w.do("GET", "/admin/log-level", "").want(t, 200, "data/level", "debug")
	w.do("POST", "/admin/flush", "").want(t, 200, "data/settled", "true")
	if profile := w.do("GET", "/debug/pprof/cmdline", ""); profile.status != 200 {
		t.Errorf("pprof: %d", profile.status)
	}
}

// TestRoundTrip sends real records in and compares what comes out.
func TestRoundTrip(t *testing.T) {
	file, err := os.Open("../../shared/data/smoke_5k.ndjson.gz")
	if err != nil {
		t.Skip("the corpus is not on this machine: ", err)
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	w.do("POST", "/logs", string(text)).want(t, 200, "data/accepted", fmt.Sprint(len(lines)), "data/rejected", "0")
	got := map[string]int{} // canonical JSON of what came out, how often
	for cursor := ""; ; {
		page := w.do("POST", "/logs/search", fmt.Sprintf(`{"limit":2000,"cursor":%q}`, cursor))
		page.want(t, 200)
		var envelope v1.Envelope[[]map[string]any]
		decoder := json.NewDecoder(strings.NewReader(page.body))
		decoder.UseNumber()
		if err := decoder.Decode(&envelope); err != nil {
			t.Fatal(err)
		}
		for _, record := range envelope.Data {
			got[asSent(t, record)]++
		}
		if cursor = envelope.Pagination.NextCursor; cursor == "" {
			break
		}
	}
	missing := 0
	for n, line := range lines {
		var sent map[string]any
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&sent); err != nil {
			t.Fatal(err)
		}
		canonical, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		if got[string(canonical)] == 0 {
			if missing++; missing <= 3 {
				t.Errorf("line %d did not come back: %s", n+1, canonical)
			}
			continue
		}
		got[string(canonical)]--
	}
	if missing > 0 {
		t.Errorf("%d of %d lines did not come back", missing, len(lines))
	}
}

// asSent takes off what Stere added and puts back what it normalised.
func asSent(t *testing.T, record map[string]any) string {
	t.Helper()
	if !reflect.DeepEqual(record["id"], record["_id"]) {
		t.Fatalf("ids differ: %v", record)
	}
	delete(record, "id")
	delete(record, "_id")
	delete(record, "severity")
	if original, ok := record["_original"].(map[string]any); ok {
		for name, value := range original {
			record[name] = value
		}
		delete(record, "_original")
	}
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestElastic(t *testing.T) {
	w := newWorld(t, nil)
	body := "{\"create\":{\"_index\":\"a\",\"_id\":\"x\"}}\n{\"@timestamp\":\"2024-05-01T00:00:00.000Z\",\"message\":\"one\"}\n{\"index\":{}}\n{bad\n"
	for _, path := range []string{"/_bulk", "/logs-app/_bulk", "/elasticsearch/_bulk", "/elasticsearch/logs-app/_bulk"} {
		got := w.do("POST", path, body)
		got.want(t, 200, "errors", "true", "items/#", "2", "items/0/create/status", "201", "items/1/index/status", "400")
		if !strings.HasPrefix(got.body, `{"took":`) || got.header.Get("X-Elastic-Product") != "Elasticsearch" {
			t.Errorf("%s: %.100s, headers %v", path, got.body, got.header)
		}
	}
	w.do("PUT", "/_bulk?filter_path=errors,items.*.error,items.*.status", "{\"create\":{}}\n{\"message\":\"two\"}\n").want(t, 200, "errors", "false", "took", "", "items/0/create/status", "201")
	w.do("POST", "/_bulk", "[1]\n{}\n").want(t, 400, "status", "400", "error/type", "illegal_argument_exception")
	w.do("POST", "/_bulk", "{\"create\":{}}\n{\"message\":\"v\"}\n", "Accept", "application/vnd.elasticsearch+json;compatible-with=9", "Content-Type", "application/vnd.elasticsearch+x-ndjson;compatible-with=9").want(t, 200)
	w.do("GET", "/logs?_index=a", "").want(t, 200, "pagination/total", "4", "data/0/message", "one")
	for _, path := range []string{"/", "/elasticsearch", "/elasticsearch/", "/_license", "/_cluster/health", "/_nodes/http"} {
		got := w.do("GET", path, "")
		got.want(t, 200)
		if got.header.Get("X-Elastic-Product") != "Elasticsearch" {
			t.Errorf("%s has no product header", path)
		}
	}
	w.do("GET", "/", "").want(t, 200, "tagline", "You Know, for Search")
	w.do("HEAD", "/", "").want(t, 200)
	w.do("PUT", "/_index_template/x", `{}`).want(t, 200, "acknowledged", "true")
	w.key = ""
	w.do("GET", "/", "").want(t, 401, "status", "401", "error/type", "security_exception")
	basic := w.do("GET", "/", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("elastic:"+testKey)))
	basic.want(t, 200)
}

func TestShutdownBeforeServe(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Serve(fasthttputil.NewInmemoryListener()); err != nil {
		t.Errorf("serve after shutdown: %v", err)
	}
}

// TestInvalidRequestsHaveDetails: the help of an invalid request sends people to the
// details, so there are some, also where no field is named.
func TestInvalidRequestsHaveDetails(t *testing.T) {
	for _, field := range []string{"", "project"} {
		p := described(admin.Fault(admin.Invalid, field, "is wrong"))
		if p == nil || p.kind != kindValidation || len(p.details) != 1 || p.details[0].Field != field || p.details[0].Message != "is wrong" {
			t.Errorf("field %q: %+v", field, p)
		}
	}
	if p := described(admin.Fault(admin.Unknown, "", "is not there")); p == nil || p.kind != kindNotFound || len(p.details) != 0 {
		t.Errorf("what is not there: %+v", p)
	}
}
