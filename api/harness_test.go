package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
	"github.com/valyala/fasthttp/fasthttputil"
)

const testKey = "stere_test-key-test-key-test-key-test-key-test-ke"

// memory keeps blocks in memory, as one shard would in its head.
type memory struct {
	mu struct {
		sync.Mutex
		parts map[model.TenantID][]part.Part
		keys  map[[16]byte]seen
		index uint64
	}
	fail error // of the next appends
}

type seen struct {
	body  [16]byte
	index uint64
	first uint32
}

func newMemory() *memory {
	m := &memory{}
	m.mu.parts, m.mu.keys = map[model.TenantID][]part.Part{}, map[[16]byte]seen{}
	return m
}

func (m *memory) Filled(model.ShardID) (float64, bool) { return 0, false }

func (m *memory) KeyShardsOf(id model.TenantID) []model.ShardID { return m.ShardsOf(id) }

func (m *memory) ShardsOf(model.TenantID) []model.ShardID { return []model.ShardID{3} }

func (m *memory) Append(_ context.Context, shard model.ShardID, a ingest.Append) (ingest.Ack, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return ingest.Ack{}, m.fail
	}
	b, err := block.Decode(a.Block)
	if err != nil {
		return ingest.Ack{}, err
	}
	m.mu.index++
	var ack ingest.Ack
	var dropped []head.Range
	first := uint32(0)
	for _, batch := range a.Batches {
		one := ingest.BatchAck{Index: m.mu.index, First: first, Outcome: ingest.Stored}
		if before, ok := m.mu.keys[batch.Key]; ok && batch.Key != [16]byte{} {
			one = ingest.BatchAck{Index: before.index, First: before.first, Outcome: ingest.Duplicate}
			if before.body != batch.Body {
				one.Outcome = ingest.Conflict
			}
			dropped = append(dropped, head.Range{From: first, To: first + batch.Rows})
		} else {
			m.mu.keys[batch.Key] = seen{batch.Body, m.mu.index, first}
		}
		ack.Batches = append(ack.Batches, one)
		first += batch.Rows
	}
	p, err := head.New(shard, m.mu.index, b, dropped)
	if err != nil {
		return ingest.Ack{}, err
	}
	m.mu.parts[a.Tenant] = append(m.mu.parts[a.Tenant], p)
	return ack, nil
}

func (m *memory) Views(_ context.Context, tenant model.TenantID) ([]query.View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []query.View{{Parts: append([]part.Part(nil), m.mu.parts[tenant]...)}}, nil
}

// world is a server over memory.
type world struct {
	t      *testing.T
	memory *memory
	server *Server
	http   *http.Client
	key    string

	listen  sync.Once // for dial
	address string
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, memory: newMemory(), key: testKey}
	authenticator, err := auth.New(auth.Config{AdminKey: testKey, JWTSecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	writer := ingest.NewWriter(w.memory, ingest.Config{})
	cfg := Config{
		Writer: writer, Engine: query.New(w.memory, query.Config{}), Auth: authenticator,
		Status: func() Status {
			return Status{State: v1.Healthy, Ready: true, Checks: map[string]v1.Check{"storage": {Status: v1.Healthy}}}
		},
		Flush: func(context.Context) error { return nil }, Version: "v0", Environment: "development",
	}
	if change != nil {
		change(&cfg)
	}
	if w.server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ln := fasthttputil.NewInmemoryListener()
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(ln) }()
	w.http = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}}
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := writer.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return w
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers are pairs of name and value.
func (w *world) do(method, path, body string, headers ...string) answer {
	w.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, "http://stere"+path, reader)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.key != "" {
		req.Header.Set("X-API-Key", w.key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	if err := resp.Body.Close(); err != nil {
		w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// at returns the value at a path of the answer's JSON, as text; elements of
// arrays are numbers, "#" is a length.
func (a answer) at(path string) string {
	var v any
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return "not JSON: " + a.body
	}
	for key := range strings.SplitSeq(path, "/") {
		switch now := v.(type) {
		case map[string]any:
			v = now[key]
		case []any:
			if key == "#" {
				return fmt.Sprint(len(now))
			}
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(now) {
				return "no element " + key
			}
			v = now[i]
		default:
			return "nothing at " + path
		}
	}
	if v == nil {
		return ""
	}
	if text, ok := v.(string); ok {
		return text
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// want checks a status and pairs of path and value.
func (a answer) want(t *testing.T, status int, pairs ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %.500s", a.status, status, a.body)
		return
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if got := a.at(pairs[i]); got != pairs[i+1] {
			t.Errorf("%s is %q, want %q in %.700s", pairs[i], got, pairs[i+1], a.body)
		}
	}
}
