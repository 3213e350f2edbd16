package api

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/export"
	"github.com/stere-log/stere/api/stream"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/query/tail"
	"github.com/valyala/fasthttp"
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
		header := append(r.streamed(), v1.HeaderRequestID, r.id)
		lasting, end := r.lasting()
		done := func() { end(); opened.Close() }
		r.takeOver("tail", done, func(conn net.Conn) error {
			return stream.Events(lasting, conn, header, opened)
		})
		return nil
	}
	lasting, end := r.lasting()
	serve := r.background("tail", func() { end(); opened.Close() })
	err = stream.Upgrade(r.ctx, func(socket *stream.Socket) {
		serve(func() error { return socket.Messages(lasting, opened) })
	})
	if err != nil {
		serve(func() error { return nil })
		return newProblem(kindValidation, "this is no handshake of a WebSocket: %v", err)
	}
	return nil
}

// tailRequest reads the parameters of GET /logs/tail.
func (r *request) tailRequest() (tail.Request, error) {
	asked := tail.Request{Audience: r.audience()}
	c := checker{now: r.server.cfg.Now()}
	var unknown []v1.Unknown
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
			unknown = append(unknown, v1.Unknown{In: "query", Name: name, Known: []string{"query", "backlog", "since", "after"}})
		}
	}
	if err := unknownNames(unknown); err != nil {
		return asked, err
	}
	// A client that comes back has the address it began with.
	if last := string(r.ctx.Request.Header.Peek(headerLastEventID)); last != "" {
		asked.Cursor, asked.Backlog, asked.Since = last, 0, 0
	}
	return asked, c.err()
}

// headerExport has the token with which an export goes on.
const headerExport = "Stere-Export"

// exportParams are the query parameters of GET /logs/export beside those of
// GET /logs.
func exportParams() []string { return []string{"format", "order", "columns", "after"} }

// handleExport is GET and POST /logs/export: all records, or a whole table, as
// NDJSON, CSV or Parquet.
func handleExport(r *request) error {
	var body v1.SearchRequest
	if r.ctx.IsPost() {
		text, release, err := r.readBody(searchBodyBytesMax)
		if err != nil {
			return err
		}
		body, err = v1.DecodeSearch(text)
		release()
		if err != nil {
			return unread(err)
		}
		if err := unknownNames(body.Unknown); err != nil {
			return err
		}
	} else {
		var err error
		if body, err = r.listRequest(append(listParams(), exportParams()...)); err != nil {
			return err
		}
	}
	count, token := max(body.Limit, body.Pagination.Limit), firstText(body.Pagination.Cursor, body.Cursor)
	body.Limit, body.Cursor, body.Pagination = 0, "", v1.PageRequest{}
	req, _, err := r.searchRequest(body)
	if err != nil {
		return err
	}
	args := r.ctx.QueryArgs()
	format := firstText(string(args.Peek("format")), export.NDJSON)
	contentType, ok := export.ContentType(format)
	if !ok {
		return invalid("format", "is %.20q, want ndjson, csv or parquet", format)
	}
	asked := query.ScanRequest{Request: req, Left: count, Now: r.server.cfg.Now().UnixNano()}
	switch order := firstText(string(args.Peek("order")), "desc"); order {
	case "asc", "desc":
		asked.Desc = order == "desc"
	default:
		return invalid("order", "is %.20q, want asc or desc", order)
	}
	options := export.Options{Format: format}
	if names := string(args.Peek("columns")); names != "" {
		options.Columns = strings.Split(names, ",")
	}
	if query.IsTable(req.Text) {
		return r.exportTable(req, format, contentType)
	}
	if err := r.beginScan(&asked, token, string(args.Peek("after"))); err != nil {
		return err
	}
	return r.exportRecords(asked, options, contentType)
}

// beginScan makes the request that of a new scan, or of the one with a token.
func (r *request) beginScan(asked *query.ScanRequest, token, after string) error {
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	if token == "" && r.server.cfg.Tails != nil {
		marks, err := r.server.cfg.Tails.Marks(ctx, asked.Tenant)
		if err != nil {
			return err
		}
		asked.Until = marks
	} else if token != "" {
		if err := asked.Resume(token); err != nil {
			return err
		}
	}
	if after == "" {
		return nil
	}
	id, err := model.ParseRecordID(after)
	if err != nil {
		return invalid("after", "%.50q is not a record id", after)
	}
	hit, err := r.server.cfg.Engine.Get(ctx, asked.Audience, id)
	if err != nil {
		return fmt.Errorf("get record %s: %w", id, err)
	}
	asked.After = &exec.Position{Time: hit.Record.Time, ID: id}
	return nil
}

// exportRecords sends all records of a scan. The first ones are read before the
// answer begins, so that most faults are answered as such.
func (r *request) exportRecords(asked query.ScanRequest, options export.Options, contentType string) error {
	scan, err := r.server.cfg.Engine.Scan(asked)
	if err != nil {
		return err
	}
	options.Kept = scan.Fields()
	token, err := asked.Token()
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	first, err := scan.Next(ctx)
	if err != nil {
		return err
	}
	header := append(r.streamed(), v1.HeaderRequestID, r.id, headerExport, token, "Content-Type", contentType)
	lasting, end := r.lasting()
	counted := r.counter()
	r.takeOver("export", end, func(conn net.Conn) error {
		return stream.Body(lasting, conn, header, func(ctx context.Context, w io.Writer) error {
			w, end := counted(w)
			defer end()
			return copyScan(ctx, scan, first, export.NewWriter(w, options))
		})
	})
	return nil
}

// copyScan writes the records of a scan of which some have been read. While some
// are written the next ones are read.
func copyScan(ctx context.Context, scan *query.Scan, hits []query.Hit, w export.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for len(hits) > 0 {
		var next []query.Hit
		read := make(chan error, 1)
		go func() {
			read <- exec.Guard(func() (err error) {
				next, err = scan.Next(ctx)
				return err
			})
		}()
		written := w.Write(hits)
		if written != nil {
			cancel() // nobody waits for more
		}
		if err := <-read; written != nil || err != nil {
			return cmp.Or(written, err)
		}
		hits = next
	}
	return w.Close()
}

// exportTable sends a whole table.
func (r *request) exportTable(req query.Request, format, contentType string) error {
	ctx, end := r.asking()
	req.Whole = true
	result, err := r.server.cfg.Engine.Search(ctx, req)
	end()
	if err != nil {
		return settle(ctx, err)
	}
	if !result.Complete || result.HasMore {
		return newProblem(kindUnavailable, "the table is incomplete: %s", firstText(result.Reason, "it has too many rows"))
	}
	header := append(r.streamed(), v1.HeaderRequestID, r.id, "Content-Type", contentType)
	lasting, done := r.lasting()
	counted := r.counter()
	r.takeOver("export", done, func(conn net.Conn) error {
		return stream.Body(lasting, conn, header, func(_ context.Context, w io.Writer) error {
			w, end := counted(w)
			defer end()
			return export.Table(w, format, result.Columns, result.Rows)
		})
	})
	return nil
}

// counter returns a function that counts what is written, as what the tenant has read.
func (r *request) counter() func(w io.Writer) (counted io.Writer, end func()) {
	book, tenant := r.server.cfg.Book, r.principal.Tenant
	return func(w io.Writer) (io.Writer, func()) {
		if book == nil {
			return w, func() {}
		}
		c := &counting{Writer: w}
		return c, func() { book.Add(tenant, consumption.Amount{BytesRead: c.bytes}) }
	}
}

// counting counts the bytes that are written.
type counting struct {
	io.Writer
	bytes int64
}

// Write implements io.Writer.
func (c *counting) Write(text []byte) (n int, err error) {
	n, err = c.Writer.Write(text)
	c.bytes += int64(n)
	return n, err
}

// streamed returns the headers of what is sent after the handler.
func (r *request) streamed() stream.Header {
	header := stream.Header{fasthttp.HeaderXContentTypeOptions, "nosniff"}
	if r.origin != "" {
		header = append(header, fasthttp.HeaderAccessControlAllowOrigin, r.origin, fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	}
	return header
}

// takeOver gives the connection to serve once the handler has returned; done is
// called at the end.
func (r *request) takeOver(what string, done func(), serve func(conn net.Conn) error) {
	release := r.release
	r.release = func() {} // it is the stream's now
	run := r.background(what, func() { done(); release() })
	r.ctx.HijackSetNoResponse(true)
	r.ctx.Hijack(func(conn net.Conn) { run(func() error { return serve(conn) }) })
}

// streamGrace is how long a stream may take to end when the node stops, before its
// connection is closed, and then again.
const streamGrace = time.Second

// streamStart is how long a connection may take to be given over; a client can
// leave in between.
const streamStart = 30 * time.Second

// background counts what goes on after the handler, for Shutdown, and returns a
// function that does it.
func (r *request) background(what string, done func()) func(serve func() error) {
	s, id, conn := r.server, r.id, r.ctx.Conn()
	s.streams.Add(1)
	s.mu.Lock()
	s.mu.conns[conn] = struct{}{}
	s.mu.Unlock()
	end := func() {
		done()
		s.mu.Lock()
		delete(s.mu.conns, conn)
		s.mu.Unlock()
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

// awaitStreams waits for what goes on after handlers. At the end of the context it
// ends them, and closes the connections of those that do not end by themselves.
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
	err := fmt.Errorf("wait for streams: %w", ctx.Err())
	grace := time.NewTimer(streamGrace)
	defer grace.Stop()
	select {
	case <-done:
		return err
	case <-grace.C:
	}
	s.mu.Lock()
	for conn := range s.mu.conns {
		_ = conn.Close() // whoever writes to it learns of it
	}
	s.mu.Unlock()
	grace.Reset(streamGrace)
	select {
	case <-done:
	case <-grace.C: // one that never began
	}
	return err
}
