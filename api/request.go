package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest/elastic"
	"github.com/valyala/fasthttp"
)

// request is one request under way.
type request struct {
	server    *Server
	ctx       *fasthttp.RequestCtx
	id        string
	elastic   bool
	start     time.Time
	principal auth.Principal
}

// requestIDBytesMax bounds the request ids that are taken over from clients.
const requestIDBytesMax = 128

// serve wraps a route: request id, authentication and authorisation, the
// handler, errors, headers and meters. It is the only way to a handler.
func (s *Server) serve(rt route) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		r := &request{server: s, ctx: ctx, id: requestID(ctx), elastic: rt.elastic, start: s.cfg.Now()}
		ctx.Response.Header.Set(v1.HeaderRequestID, r.id)
		err := r.run(rt)
		if err != nil {
			r.sendError(err)
		}
		if r.elastic {
			ctx.Response.Header.Set(elastic.ProductHeader, elastic.Product)
		}
		elapsed := s.cfg.Now().Sub(r.start)
		ctx.Response.Header.Set(v1.HeaderResponseTime, strconv.FormatFloat(elapsed.Seconds()*1000, 'f', 3, 64)+"ms")
		s.meters.request(rt.path, string(ctx.Method()), ctx.Response.StatusCode(), elapsed)
	}
}

// run authorises and handles. A panic in a handler is a defect of ours; it
// costs that request, not the node.
func (r *request) run(rt route) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &problem{kind: kindInternal, message: kindInternal.text, cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	if rt.permission != auth.Open {
		if err := r.authorize(rt.permission); err != nil {
			return err
		}
	}
	return rt.handle(r)
}

// authorize is the one check: who asks, and may they.
func (r *request) authorize(permission auth.Permission) error {
	principal, err := r.authenticate()
	if err != nil {
		return err
	}
	r.principal = principal
	return auth.Authorize(principal, permission)
}

func (r *request) authenticate() (auth.Principal, error) {
	if r.server.cfg.Auth == nil {
		return auth.Anonymous(), nil
	}
	header := &r.ctx.Request.Header
	return r.server.cfg.Auth.Authenticate(auth.Credentials{
		APIKey:        string(header.Peek(r.server.cfg.APIKeyHeader)),
		Authorization: string(header.Peek(fasthttp.HeaderAuthorization)),
	})
}

// work returns the context of the work for the request. It outlives the
// connection: what was accepted is finished.
func (r *request) work(timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.server.base, timeout)
}

func (r *request) sendRaw(status int, contentType string, body []byte) {
	r.ctx.SetStatusCode(status)
	r.ctx.SetContentType(contentType)
	r.ctx.Response.SetBodyRaw(body)
}

// sendError renders an error, logs it where the node is to blame, and counts it.
func (r *request) sendError(err error) {
	p := problemOf(err)
	errorID := newID()
	if p.kind.status >= 500 {
		r.server.cfg.Logger.Error("request failed", "error", err, "code", p.kind.code, "error_id", errorID, "request_id", r.id,
			"method", string(r.ctx.Method()), "path", string(r.ctx.Path()))
	}
	r.server.meters.failure(p.kind.code)
	header := &r.ctx.Response.Header
	header.Set(v1.HeaderErrorID, errorID)
	if p.kind.status == fasthttp.StatusUnauthorized {
		header.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="stere"`)
		if r.elastic {
			header.Set(fasthttp.HeaderWWWAuthenticate, `Basic realm="stere"`)
		}
	}
	if p.kind.retry > 0 {
		header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(p.kind.retry))
	}
	if r.elastic {
		status, body := elasticError(p)
		r.sendRaw(status, "application/json", body)
		return
	}
	r.sendJSON(p.kind.status, v1.ErrorEnvelope{Error: v1.Error{
		Code: p.kind.code, Message: p.message, Help: p.kind.help, ErrorID: errorID,
		Timestamp: r.server.now(), RetryAfter: p.kind.retry, Details: p.details,
	}})
}

// serveBroken answers what is not a request that could be routed.
func (s *Server) serveBroken(ctx *fasthttp.RequestCtx, err error) {
	r := &request{server: s, ctx: ctx, id: newID(), start: s.cfg.Now()}
	ctx.Response.Header.Set(v1.HeaderRequestID, r.id)
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		r.sendError(newProblem(kindHeader, "the request header is larger than %d bytes", s.cfg.HeaderBytes))
	case errors.As(err, &timeout) && timeout.Timeout():
		r.sendError(newProblem(kindSlow, "the request did not arrive in time"))
	default:
		r.sendError(newProblem(kindValidation, "not an HTTP request: %.200s", err.Error()))
	}
}

// requestID takes over the client's request id if it is fit for headers and
// logs, else makes one.
func requestID(ctx *fasthttp.RequestCtx) string {
	id := ctx.Request.Header.Peek(v1.HeaderRequestID)
	if len(id) == 0 || len(id) > requestIDBytesMax {
		return newID()
	}
	for _, c := range id {
		if c <= ' ' || c >= 0x7f {
			return newID()
		}
	}
	return string(id)
}

// newID returns a random UUID, version 4.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// watchEvery is how often it is looked whether a client is still there.
const watchEvery = 200 * time.Millisecond

// watchClient calls gone when the client closes the connection; what it returns
// ends the watch. The connection is only looked at: what has arrived stays for
// whoever reads it.
func watchClient(conn net.Conn, gone func()) (stop func()) {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return func() {} // nothing tells; the time limit ends the work
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return func() {}
	}
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(watchEvery, func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped:
		case closed(control):
			gone()
		default:
			timer.Reset(watchEvery)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// closed reports whether the other side has closed a connection.
func closed(control syscall.RawConn) (closed bool) {
	err := control.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = err == nil && n == 0 || err == syscall.ECONNRESET
	})
	return closed || err != nil
}
