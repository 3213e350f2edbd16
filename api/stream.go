package api

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/stere-log/stere/api/stream"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/query/tail"
)

// headerLastEventID is what a client of Server-Sent Events saw last.
const headerLastEventID = "Last-Event-ID"

// handleTail is GET /logs/tail: Server-Sent Events, or a WebSocket if the client
// asks for one.
func handleTail(r *request) error {
	if r.server.cfg.Tails == nil {
		return newProblem(kindUnavailable, "this node shows no tails")
	}
	asked, err := r.tailRequest()
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	opened, err := r.server.cfg.Tails.Open(ctx, asked)
	cancel()
	if err != nil {
		return fmt.Errorf("open tail: %w", err)
	}
	if !stream.IsUpgrade(r.ctx) {
		header := stream.Header{v1.HeaderRequestID, r.id}
		r.takeOver("tail", opened.Close, func(conn net.Conn) error {
			return stream.Events(r.server.base, conn, header, opened)
		})
		return nil
	}
	serve, base := r.background("tail", opened.Close), r.server.base
	err = stream.Upgrade(r.ctx, func(socket *stream.Socket) {
		serve(func() error { return socket.Messages(base, opened) })
	})
	if err != nil {
		serve(func() error { return nil })
		return newProblem(kindValidation, "this is no handshake of a WebSocket: %v", err)
	}
	return nil
}

// tailRequest reads the parameters of GET /logs/tail.
func (r *request) tailRequest() (tail.Request, error) {
	asked := tail.Request{Tenant: r.principal.Tenant}
	c := checker{now: r.server.cfg.Now()}
	var unknown []string
	for key, bytes := range r.ctx.QueryArgs().All() {
		switch name, value := string(key), string(bytes); name {
		case "query", "q":
			asked.Text = value
		case "after", "cursor":
			asked.Cursor = value
		case "backlog":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				c.fault(name, "%.50q is not a whole number from 0", value)
			}
			asked.Backlog = n
		case "since":
			if _, err := syntax.ParseDuration(value); err == nil {
				value = "now-" + value
			}
			asked.Since = c.moment(name, value)
		default:
			unknown = append(unknown, name)
		}
	}
	if err := unknownNames("query", unknown, "query", "backlog", "since", "after"); err != nil {
		return asked, err
	}
	// A client that comes back has the address it began with.
	if last := string(r.ctx.Request.Header.Peek(headerLastEventID)); last != "" {
		asked.Cursor, asked.Backlog, asked.Since = last, 0, 0
	}
	return asked, c.err()
}

// takeOver gives the connection to serve once the handler has returned; done is
// called at the end.
func (r *request) takeOver(what string, done func(), serve func(conn net.Conn) error) {
	run := r.background(what, done)
	r.ctx.HijackSetNoResponse(true)
	r.ctx.Hijack(func(conn net.Conn) { run(func() error { return serve(conn) }) })
}

// streamStart is how long a connection may take to be given over; a client can
// leave in between.
const streamStart = 30 * time.Second

// background counts what goes on after the handler, for Shutdown, and returns a
// function that does it.
func (r *request) background(what string, done func()) func(serve func() error) {
	s, id := r.server, r.id
	s.streams.Add(1)
	end := func() {
		done()
		s.streams.Done()
	}
	late := time.AfterFunc(streamStart, end)
	return func(serve func() error) {
		if !late.Stop() {
			return
		}
		defer end()
		defer func() {
			if p := recover(); p != nil {
				s.cfg.Logger.Error("a stream panicked", "stream", what, "request_id", id, "panic", p, "stack", string(debug.Stack()))
			}
		}()
		if err := serve(); err != nil {
			s.cfg.Logger.Debug("a stream ended", "stream", what, "request_id", id, "error", err)
		}
	}
}

// awaitStreams waits for what goes on after handlers.
func (s *Server) awaitStreams(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.streams.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.cancel() // now they end
	return fmt.Errorf("wait for streams: %w", ctx.Err())
}
