package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are, closes the sending side and returns the answers
// that came before the server closed the connection, as "status body".
func (w *world) raw(text string) []string {
	w.t.Helper()
	conn := w.dial()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(conn, text) // the server may close before all is sent
		_ = conn.CloseWrite()
	}()
	var answers []string
	for reader := bufio.NewReader(conn); ; {
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			break
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			break
		}
		answers = append(answers, fmt.Sprintf("%d %s", resp.StatusCode, body))
	}
	if err := conn.Close(); err != nil {
		w.t.Fatal(err)
	}
	return answers
}

// dial connects to the server over TCP, which can be closed in one direction.
func (w *world) dial() *net.TCPConn {
	w.t.Helper()
	w.listen.Do(func() {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.t.Fatal(err)
		}
		w.address = ln.Addr().String()
		go func() { _ = w.server.Serve(ln) }() // until the server's Shutdown
	})
	conn, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// TestFramings sends requests whose length is a lie: none of them may store a
// record, and nothing behind them on the connection may be answered.
func TestFramings(t *testing.T) {
	w := newWorld(t, nil)
	const record = `{"message":"smuggled"}` + "\n"
	const next = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
	head := "POST /logs HTTP/1.1\r\nHost: x\r\nX-API-Key: " + testKey + "\r\n"
	for name, test := range map[string]struct {
		text   string
		status string
	}{
		"cut off":             {head + "Content-Length: 1000\r\n\r\n" + record, "400"},
		"cut off chunk":       {head + "Transfer-Encoding: chunked\r\n\r\n100\r\n" + record, "400"},
		"no last chunk":       {head + "Transfer-Encoding: chunked\r\n\r\n17\r\n" + record + "\r\n", "400"},
		"huge chunk":          {head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + record, "400"},
		"two lengths":         {head + "Content-Length: 23\r\nContent-Length: 3\r\n\r\n" + record + next, "400"},
		"negative length":     {head + "Content-Length: -1\r\n\r\n" + record + next, "400"},
		"length and chunks":   {head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, "400"},
		"chunks and length":   {head + "Transfer-Encoding: chunked\r\nContent-Length: 200\r\n\r\n0\r\n\r\n" + next, "400"},
		"unknown encoding":    {head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + next, "400"},
		"more than the limit": {head + "Content-Length: 99999999999\r\n\r\n" + record, "413"},
		"many headers":        {head + strings.Repeat("X-Some: header\r\n", 20_000) + "\r\n" + next, "431"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := w.raw(test.text)
			if len(answers) != 1 || !strings.HasPrefix(answers[0], test.status) {
				t.Errorf("answers %.300q, want one with status %s", answers, test.status)
			}
		})
	}
	w.do("GET", "/logs", "").want(t, 200, "pagination/total", "0")
}

// TestSlowBodyKeepsNobodyWaiting holds many requests open that promise much
// and send little: others must go through.
func TestSlowBodyKeepsNobodyWaiting(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.BodyBytes, c.BodyMemory, c.BodyWait = 1<<20, 2<<20, time.Millisecond })
	for i := range 50 {
		conn := w.dial()
		defer conn.Close()
		encoding := []string{"", "Content-Encoding: gzip\r\n"}[i%2]
		if _, err := io.WriteString(conn, "POST /logs HTTP/1.1\r\nHost: x\r\nX-API-Key: "+testKey+"\r\nContent-Length: 1000000\r\n"+encoding+"\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	w.do("POST", "/logs", strings.Repeat(`{"message":"x"}`+"\n", 1000)).want(t, 200, "data/accepted", "1000")
}

// TestRecordMemory sends more bodies at once than there is memory for their
// records: each is stored whole or refused whole, and all memory comes back.
func TestRecordMemory(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.RecordMemory, c.BodyWait = 1<<20, time.Minute })
	const lines = 4000
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, strings.Repeat(`{"a":1}`+"\n", lines)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	done := make(chan answer)
	for range 8 {
		go func() { done <- w.do("POST", "/logs", packed.String(), "Content-Encoding", "gzip") }()
	}
	for range 8 {
		(<-done).want(t, 200, "data/accepted", fmt.Sprint(lines))
	}
	w.do("GET", "/logs?limit=1", "").want(t, 200, "pagination/total", fmt.Sprint(8*lines))
	for name, b := range map[string]struct{ free, all int64 }{"records": {w.server.records.Free(), 1 << 20}, "bodies": {w.server.bodies.Free(), BodyMemoryDefault}} {
		if b.free != b.all {
			t.Errorf("%d bytes for %s are free after all requests, want %d", b.free, name, b.all)
		}
	}
}

// TestOddRecords checks that records that are odd come back whole.
func TestOddRecords(t *testing.T) {
	w := newWorld(t, nil)
	for name, test := range map[string]struct {
		sent  string
		pairs []string
	}{
		"invalid UTF-8":   {"{\"message\":\"a\xff\xc3b\"}", []string{"data/message", "a\ufffd\ufffdb"}},
		"escaped NUL":     {`{"message":"a\u0000b"}`, []string{"data/message", "a\x00b"}},
		"lone surrogate":  {`{"message":"a\ud800b"}`, []string{"data/message", "a\ufffdb"}},
		"escape sequence": {`{"message":"a\u001b[31mb"}`, []string{"data/message", "a\x1b[31mb"}},
		"duplicate key":   {`{"message":"x","a":1,"a":2}`, []string{"data/a", "2"}},
		"dotted key":      {`{"message":"x","a.b":1,"a":{"b":2}}`, []string{"data/a.b", "1", "data/a/b", "2"}},
		"empty key":       {`{"message":"x","":1}`, []string{"data/", "1"}},
		"huge number":     {`{"message":"x","n":123456789012345678901234567890}`, []string{"data/n", "123456789012345678901234567890"}},
		"tiny number":     {`{"message":"x","n":5e-324}`, []string{"data/n", "5e-324"}},
		"endless number":  {`{"message":"x","n":1e400}`, []string{"data/n", "1e400"}},
		"bad day":         {`{"message":"x","timestamp":"2024-02-30T00:00:00Z"}`, []string{"data/_original/timestamp", "2024-02-30T00:00:00Z"}},
		"far future":      {`{"message":"x","timestamp":"9999-12-31T23:59:59Z"}`, []string{"data/_original/timestamp", "9999-12-31T23:59:59Z"}},
		"before 1970":     {`{"message":"x","timestamp":"1969-12-31T23:59:59.5Z"}`, []string{"data/timestamp", "1969-12-31T23:59:59.5Z"}},
		"old":             {`{"message":"x","timestamp":"1999-01-01T00:00:00Z"}`, []string{"data/timestamp", "1999-01-01T00:00:00Z"}},
		"own _id":         {`{"message":"x","_id":"mine"}`, []string{"data/_original/_id", "mine"}},
		"own id":          {`{"message":"x","id":"mine"}`, []string{"data/id", "mine"}},
		"own tenant":      {`{"message":"x","tenant":"other","_tenant":"other"}`, []string{"data/tenant", "other", "data/_tenant", "other"}},
		"unknown level":   {`{"message":"x","level":"bogus"}`, []string{"data/level", "bogus"}},
	} {
		t.Run(name, func(t *testing.T) {
			one := w.do("POST", "/logs", test.sent)
			one.want(t, 201)
			w.do("GET", "/logs/"+one.at("data/logId"), "").want(t, 200, test.pairs...)
		})
	}
}

// TestTenantIsNotForTheClientToChoose names another tenant in every way that
// other stores know.
func TestTenantIsNotForTheClientToChoose(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/logs", `{"message":"mine"}`, "X-Tenant", "other").want(t, 201)
	w.do("GET", "/logs?q=mine", "", "X-Scope-OrgID", "other").want(t, 200, "pagination/total", "1")
	w.do("GET", "/logs?q=mine", "", "X-Scope-OrgID", "other", "X-Tenant", "default").want(t, 400)
	w.do("GET", "/logs?q=mine", "", "X-Scope-OrgID", "a/b").want(t, 400)
	w.key = ""
	mine := []string{"Authorization", bearer(t, "tenant-admin", "mine")}
	w.do("POST", "/logs?tenant=other&tenantId=other", `{"message":"mine","tenantId":"other"}`, append(mine, "X-Tenant-ID", "other",
		"Tenant", "other", "AccountID", "7", "X-Forwarded-User", "root", "X-Forwarded-Host", "other.example")...).want(t, 201)
	w.do("GET", "/logs?q=mine", "", mine...).want(t, 200, "pagination/total", "1")
	for _, name := range []string{"X-Scope-OrgID", "X-Tenant"} {
		w.do("GET", "/logs", "", append(mine, name, "other")...).want(t, 403, "error/code", "AUTHORIZATION_ERROR")
		w.do("GET", "/logs", "", append(mine, name, "mine")...).want(t, 200, "pagination/total", "1")
	}
}

// TestPathTricks asks for what needs rights in ways that a careless router
// takes for something else.
func TestPathTricks(t *testing.T) {
	w := newWorld(t, nil)
	w.key = ""
	for _, path := range []string{"//admin/flush", "/admin/flush/", "/admin//flush", "/./admin/flush", "/health/../admin/flush", "/health/%2e%2e/admin/flush",
		"/admin%2fflush", "/%61dmin/flush", "/ADMIN/flush", "/admin/flush%00", "/admin/flush;x", "/elasticsearch/../admin/flush", "/admin/flush?x=/health"} {
		answers := w.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		if len(answers) != 1 || !strings.HasPrefix(answers[0], "401") && !strings.HasPrefix(answers[0], "404") && !strings.HasPrefix(answers[0], "400") {
			t.Errorf("%s: %.200q, want 400, 401 or 404", path, answers)
		}
	}
}

// TestBulk checks what shippers count on beside the decoder's own tests.
func TestBulk(t *testing.T) {
	w := newWorld(t, nil)
	named := "{\"create\":{\"_id\":\"a\"}}\n{\"message\":\"one\"}\n{\"index\":{\"_id\":\"b\"}}\n{\"message\":\"two\"}\n"
	first := w.do("POST", "/logs-x/_bulk", named)
	first.want(t, 200, "errors", "false", "items/0/create/_id", "a", "items/0/create/_index", "logs-x", "items/0/create/status", "201", "items/1/index/status", "201")
	w.do("POST", "/logs-x/_bulk", named).want(t, 200, "errors", "false", "items/0/create/_seq_no", first.at("items/0/create/_seq_no"))
	w.do("GET", "/logs", "").want(t, 200, "pagination/total", "2")
	w.do("POST", "/logs-y/_bulk", named).want(t, 200, "errors", "false")
	w.do("GET", "/logs", "").want(t, 200, "pagination/total", "4")
	unnamed := "{\"create\":{}}\n{\"message\":\"three\"}\n"
	for range 2 {
		got := w.do("POST", "/elasticsearch/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status", unnamed,
			"Accept", "application/vnd.elasticsearch+json;compatible-with=9", "Content-Type", "application/vnd.elasticsearch+x-ndjson;compatible-with=9")
		if got.body != `{"errors":false,"items":[{"create":{"status":201}}]}` || got.header.Get("Content-Type") != "application/vnd.elasticsearch+json;compatible-with=9" {
			t.Errorf("%s: %s", got.header.Get("Content-Type"), got.body)
		}
	}
	w.do("GET", "/logs", "").want(t, 200, "pagination/total", "6")
	w.do("POST", "/_bulk", "{\"create\":{}}\n{\"message\":\n{\"create\":{}}\n{\"message\":\"four\"}\n").want(t, 200, "errors", "true",
		"items/0/create/status", "400", "items/0/create/error/type", "document_parsing_exception", "items/1/create/status", "201")
	w.do("POST", "/_bulk", "\"x\"\n{}\n").want(t, 400, "status", "400", "error/type", "illegal_argument_exception")
}

// TestElasticAnswers checks the product header, without which official clients
// give up, and where sniffing clients are sent.
func TestElasticAnswers(t *testing.T) {
	w := newWorld(t, nil)
	for path, status := range map[string]int{"/": 200, "/elasticsearch/": 200, "/_license": 200, "/_nodes/http": 200, "/_no_such": 404, "/x/_no_such": 404,
		"/elasticsearch/no": 404, "/_bulk": 405} {
		got := w.do("GET", path, "")
		got.want(t, status)
		if got.header.Get("X-Elastic-Product") != "Elasticsearch" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", path, got.header)
		}
	}
	if got := w.do("GET", "/_nodes/http", "").body; !strings.Contains(got, `"publish_address":"stere:80"`) {
		t.Errorf("nodes: %s", got)
	}
	if got := w.do("GET", "/no/such", ""); got.header.Get("X-Elastic-Product") != "" {
		t.Error("an unknown path of ours is answered as Elasticsearch's")
	}
}
