package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// waiting is query.Shards that gives nothing until the end of the context.
type waiting struct{ asked, ended chan struct{} }

func (w waiting) Views(ctx context.Context, _ model.TenantID) ([]query.View, error) {
	close(w.asked)
	<-ctx.Done()
	close(w.ended)
	return nil, ctx.Err()
}

// lines is a log that may be written and read at once.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestClientGone checks that the question of a client that leaves ends, and is no
// failure of the node.
func TestClientGone(t *testing.T) {
	shards := waiting{make(chan struct{}), make(chan struct{})}
	log := &lines{}
	w := newWorld(t, func(c *Config) {
		c.Engine = query.New(shards, query.Config{})
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	conn := w.dial()
	if _, err := io.WriteString(conn, "GET /logs HTTP/1.1\r\nHost: x\r\nX-API-Key: "+testKey+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-shards.asked
	if err := conn.SetLinger(0); err != nil { // so that it is reset
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	<-shards.ended
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil { // the request is over then
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "the client has gone") || strings.Contains(text, "ERROR") {
		t.Errorf("the log is %s", text)
	}
}

// slow is query.Shards that has nothing, and takes its time to find out.
type slow struct{}

func (slow) Views(ctx context.Context, _ model.TenantID) ([]query.View, error) {
	select {
	case <-time.After(3 * watchEvery):
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestClientHalfClosed checks that a client that has closed its own direction gets
// its answer.
func TestClientHalfClosed(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Engine = query.New(slow{}, query.Config{}) })
	conn := w.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /logs HTTP/1.1\r\nHost: x\r\nX-API-Key: "+testKey+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("the answer is %.200q, %v", answer, err)
	}
}

// TestShutdownEndsStreams checks that the body of a client that reads nothing does
// not outlast the server.
func TestShutdownEndsStreams(t *testing.T) {
	w := newWorld(t, nil)
	line := `{"message":"` + strings.Repeat("x", 100_000) + "\"}\n"
	for range 40 {
		w.do("POST", "/logs", strings.Repeat(line, 10)).want(t, 200)
	}
	conn := w.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /logs/export HTTP/1.1\r\nHost: x\r\nX-API-Key: "+testKey+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var first [1]byte
	if _, err := conn.Read(first[:]); err != nil { // it has begun
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.server.Shutdown(ctx); err == nil {
		t.Error("the shutdown cut nothing off")
	}
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if n := len(w.server.mu.conns); n != 0 {
		t.Errorf("%d streams outlast the server", n)
	}
}
