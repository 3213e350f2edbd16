package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

// serveTest serves a handler in memory and returns a client of it.
func serveTest(t *testing.T, handler fasthttp.RequestHandler) *Client {
	t.Helper()
	ln := fasthttputil.NewInmemoryListener()
	server := &fasthttp.Server{Handler: handler, NoDefaultDate: true}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	c, err := New(Config{APIKey: "key", Backoff: time.Millisecond, Dial: func(string) (net.Conn, error) { return ln.Dial() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = ln.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestWriteRetriesUnderOneKey(t *testing.T) {
	var keys []string
	c := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		keys = append(keys, string(ctx.Request.Header.Peek(v1.HeaderIdempotencyKey)))
		if string(ctx.Request.Header.Peek("X-API-Key")) != "key" || string(ctx.Path()) != "/logs" {
			ctx.SetStatusCode(401)
			return
		}
		switch len(keys) {
		case 1:
			ctx.SetStatusCode(503)
			ctx.SetBodyString(`{"success":false,"error":{"code":"TOO_BUSY","message":"m"}}`)
		case 2:
			ctx.SetStatusCode(502)
			ctx.SetBodyString("<html>")
		default:
			ctx.SetBodyString(`{"success":true,"data":{"accepted":2,"rejected":1,"errors":[{"line":3,"message":"bad"}]},"timestamp":"2024-01-01T00:00:00.000Z"}`)
		}
	})
	var waits []string
	c.cfg.Waits = func(wait time.Duration, why error) { waits = append(waits, fmt.Sprint(wait > 0, why)) }
	written, err := c.Write(t.Context(), []byte("{}\n"), WriteOptions{})
	if err != nil || written.Accepted != 2 || written.Rejected != 1 || written.Errors[0].Line != 3 {
		t.Fatalf("got %+v, error %v", written, err)
	}
	if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] {
		t.Errorf("keys %q, want the same three times", keys)
	}
	if len(waits) != 2 || waits[0] != "true m (503 TOO_BUSY)" {
		t.Errorf("told of the waits %q", waits)
	}
}

func TestWriteOne(t *testing.T) {
	c := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		ctx.SetStatusCode(201)
		ctx.SetBodyString(`{"success":true,"data":{"logId":"0-1-0"},"timestamp":"2024-01-01T00:00:00.000Z"}`)
	})
	if written, err := c.Write(t.Context(), []byte("{}"), WriteOptions{}); err != nil || written.Accepted != 1 {
		t.Fatalf("got %+v, error %v", written, err)
	}
}

func TestErrors(t *testing.T) {
	calls := 0
	c := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		calls++
		ctx.SetStatusCode(400)
		ctx.Response.Header.Set("Retry-After", "7")
		ctx.SetBodyString(`{"success":false,"error":{"code":"QUERY_SYNTAX_ERROR","message":"m","details":[{"line":1,"column":2,"message":"x"}]}}`)
	})
	_, err := c.Search(t.Context(), v1.SearchRequest{Query: "("})
	var answer *Error
	if !errors.As(err, &answer) || answer.Status != 400 || answer.Answer.Code != "QUERY_SYNTAX_ERROR" || answer.Answer.Details[0].Column != 2 || answer.RetryAfter != 7*time.Second {
		t.Fatalf("error %v", err)
	}
	if calls != 1 {
		t.Errorf("%d attempts of a request that cannot succeed, want 1", calls)
	}
	away, err := New(Config{Attempts: 2, Backoff: time.Millisecond, Dial: func(string) (net.Conn, error) { return nil, errors.New("no route") }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := away.Get(t.Context(), "x"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("error %v, want ErrUnreachable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := away.Get(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestSearchForms(t *testing.T) {
	c := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		if strings.Contains(string(ctx.PostBody()), "stats") {
			ctx.SetBodyString(`{"success":true,"data":{"columns":[{"name":"uid","type":"string"},{"name":"count()","type":"int"}],"rows":[["u1",3]]},"pagination":{"hasMore":true,"limit":1},"timestamp":"2024-01-01T00:00:00.000Z"}`)
			return
		}
		ctx.SetBodyString(`{"success":true,"data":[{"a":1},{"a":2}],"pagination":{"limit":2},"timestamp":"2024-01-01T00:00:00.000Z"}`)
	})
	found, err := c.Search(t.Context(), v1.SearchRequest{Query: "x"})
	if err != nil || len(found.Records) != 2 || found.Table != nil || found.Pagination.Limit != 2 {
		t.Errorf("records: %+v, error %v", found, err)
	}
	found, err = c.Search(t.Context(), v1.SearchRequest{Query: "| stats count() by (uid)"})
	if err != nil || found.Table == nil || string(found.Table.Rows[0][1]) != "3" || !found.Pagination.HasMore {
		t.Errorf("table: %+v, error %v", found, err)
	}
}

func TestConfig(t *testing.T) {
	err := Config{URL: "ftp://x", APIKey: "a\nb", Timeout: -1}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("error %v, want three faults", err)
	}
}

func TestDiscoverKey(t *testing.T) {
	dir := t.TempDir()
	none := func(string) string { return "" }
	if key, err := DiscoverKey(dir, none); key != "" || err != nil {
		t.Errorf("no file: %q, %v", key, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "admin-key"), []byte("stere_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := DiscoverKey(dir, none); key != "stere_x" || err != nil {
		t.Errorf("file: %q, %v", key, err)
	}
	if key, _ := DiscoverKey(dir, func(string) string { return "env" }); key != "env" {
		t.Errorf("variable: %q", key)
	}
}
