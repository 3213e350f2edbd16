package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/audit"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/ingest/elastic"
	"github.com/stere-log/stere/query"
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
	origin    string       // of a page of another site that may ask; "" for others
	still     func() error // whether the principal may still ask
	from      netip.Addr   // who sent it; invalid if that is not known
	body      []byte       // with keeps: what a change was asked for with
	keeps     bool
	release   func() // gives back the place of a question

	target        string // what an administrator changes, for the audit trail
	before, after any    // what that was, and is
}

// requestIDBytesMax bounds the request ids that are taken over from clients.
const requestIDBytesMax = 128

// serve wraps a route: request id, authentication and authorisation, the
// handler, errors, headers and meters. It is the only way to a handler.
func (s *Server) serve(rt route) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		r := &request{server: s, ctx: ctx, id: requestID(ctx), elastic: rt.elastic, start: s.cfg.Now(), from: s.sender(ctx)}
		ctx.Response.Header.Set(v1.HeaderRequestID, r.id)
		s.secure(&ctx.Response.Header)
		err := r.run(rt)
		if err != nil {
			r.sendError(err)
		}
		if r.elastic {
			ctx.Response.Header.Set(elastic.ProductHeader, elastic.Product)
		}
		r.remember(&rt, err)
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
	if err := r.site(); err != nil {
		return err
	}
	if rt.permission == auth.Open {
		return rt.handle(r)
	}
	if err := r.passAddress(); err != nil {
		return err
	}
	if rt.openly != nil && r.server.cfg.OpenIntegrationHealth && !r.server.cfg.Off.Has(rt.feature) {
		if shown := r.credentials(); shown.APIKey == "" && shown.Authorization == "" {
			return rt.openly(r)
		}
	}
	if err := r.authorize(rt.permission, rt.feature); err != nil {
		return err
	}
	if err := r.pass(&rt); err != nil {
		return err
	}
	defer func() { r.release() }()
	return rt.handle(r)
}

// passAddress counts a request by who sent it, before its credentials are looked at.
func (r *request) passAddress() error {
	if gate := r.server.cfg.Limits; gate != nil {
		if refusal := gate.Address(r.ctx, r.from); refusal != nil {
			return r.refuse(refusal)
		}
	}
	return nil
}

// pass counts a request in, before a byte of its body is read.
func (r *request) pass(rt *route) error {
	r.release = func() {}
	r.keeps = rt.permission == auth.Admin && !r.ctx.IsGet() && strings.HasPrefix(rt.path, "/admin/cluster") || strings.HasPrefix(rt.path, "/admin/self-healing")
	gate := r.server.cfg.Limits
	if gate == nil {
		return nil
	}
	tightest, refusal := gate.Request(r.ctx, &r.principal, limits.KindOf(rt.permission))
	if refusal != nil {
		return r.refuse(refusal)
	}
	limits.Headers(tightest, r.ctx.Response.Header.Set)
	if !rt.asks {
		return nil
	}
	// What is sent after the handler outlives the request, so does its place.
	release, refusal := gate.Place(r.server.base, r.principal.Tenant, r.server.cfg.RequestTimeout+r.server.cfg.BodyTimeout)
	if refusal != nil {
		return r.refuse(refusal)
	}
	r.release = release
	return nil
}

// refuse answers a request that does not pass. Its body is not looked at: a client that
// floods costs as little as can be.
func (r *request) refuse(refusal *limits.Refusal) error {
	limits.Headers(refusal.Verdict, r.ctx.Response.Header.Set)
	return refused(refusal)
}

// sender returns who sent a request: the last address of X-Forwarded-For that no
// proxy is, as far as proxies say it that are believed.
func (s *Server) sender(ctx *fasthttp.RequestCtx) netip.Addr {
	at, err := netip.ParseAddrPort(ctx.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	from := at.Addr().Unmap().WithZone("")
	believed := func(a netip.Addr) bool {
		return slices.ContainsFunc(s.cfg.Proxies, func(network netip.Prefix) bool { return network.Contains(a) })
	}
	if !believed(from) {
		return from
	}
	var hops []string
	for _, line := range ctx.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for _, hop := range slices.Backward(hops[max(0, len(hops)-hopsMax):]) {
		next, err := parseHop(strings.TrimSpace(hop))
		if err != nil {
			return from // what is before it may be made up
		}
		if from = next; !believed(from) {
			return from
		}
	}
	return from
}

// hopsMax is how many proxies may be in between.
const hopsMax = 32

func parseHop(text string) (netip.Addr, error) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return a.Unmap().WithZone(""), err
}

// remember counts a question, and keeps in the audit trail what an administrator does,
// what is taken out of the store, and what is refused to whom.
func (r *request) remember(rt *route, err error) {
	if r.server.cfg.Book != nil && rt.asks && err == nil {
		r.server.cfg.Book.Add(r.principal.Tenant, consumption.Amount{Queries: 1, BytesRead: int64(len(r.ctx.Response.Body()))})
	}
	trail := r.server.cfg.Trail
	status := fasthttp.StatusOK
	var reason string
	if err != nil {
		problem := problemOf(err)
		status, reason = problem.kind.status, problem.kind.code
	}
	refused := status == fasthttp.StatusUnauthorized || status == fasthttp.StatusForbidden
	changes := (rt.permission == auth.Admin || rt.permission == auth.Manage) && !r.ctx.IsGet()
	ofTrail := rt.path == "/admin/audit" || r.principal.Tenant == audit.Tenant && strings.HasPrefix(rt.path, "/logs")
	taken := (rt.permission == auth.Export || ofTrail) && err == nil
	if trail == nil || !refused && !changes && !taken {
		return
	}
	p, method := &r.principal, string(r.ctx.Method())
	entry := audit.Entry{
		Actor: audit.Actor{Name: p.Name, Tenant: string(p.Tenant), Role: string(p.Role), Method: p.Method, Key: p.Key, Issuer: p.Issuer},
		From:  r.from.String(), Action: method + " " + rt.path, Target: r.target, Tenant: string(p.Tenant), Outcome: audit.Done, Request: r.id,
	}
	if !r.from.IsValid() {
		entry.From = ""
	}
	if err != nil {
		entry.Outcome, entry.Status, entry.Reason = audit.Failed, status, reason
	}
	switch status {
	case fasthttp.StatusUnauthorized:
		entry.Action, entry.Target, entry.Outcome = "login", entry.Action, audit.Denied
		if id, ok := auth.KeyIDOf(string(r.ctx.Request.Header.Peek(r.server.cfg.APIKeyHeader))); ok {
			entry.Actor.Key = id
		}
		trail.Deny(entry)
		return
	case fasthttp.StatusForbidden:
		entry.Outcome = audit.Denied
		trail.Deny(entry)
		return
	}
	if rt.permission != auth.Export {
		entry.Tenant = cmp.Or(auditTenant(r.before), auditTenant(r.after), entry.Tenant)
	}
	if node, ok := r.ctx.UserValue("node").(string); ok && entry.Target == "" {
		entry.Target = node
	}
	entry.Before, entry.After = audit.State(r.before), audit.State(r.after)
	if r.keeps && len(r.body) > 0 {
		entry.After = r.body
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	trail.Record(ctx, entry)
}

// auditTenant returns whose matter it is that an administrator changes.
func auditTenant(state any) string {
	switch state := state.(type) {
	case v1.Key:
		return state.Tenant
	case v1.Tenant:
		return state.ID
	case v1.Domain:
		return state.Tenant
	case v1.Deletion:
		return state.Tenant
	case v1.DeletionEstimate:
		return state.Tenant
	case v1.Hold:
		return state.Tenant
	case v1.Redaction:
		return state.Tenant
	case v1.Retention:
		return state.Tenant
	case v1.RetentionEstimate:
		return state.Tenant
	}
	return ""
}

// The headers with which a principal that may chooses the tenant of a request.
const (
	headerTenant = "X-Tenant"
	headerOrg    = "X-Scope-OrgID"
)

// authorize is the one check: who asks, and may they, and for which tenant.
func (r *request) authorize(permission auth.Permission, feature auth.Feature) error {
	header := &r.ctx.Request.Header
	ask := auth.Ask{Permission: permission, Feature: feature, Host: string(header.Host()), Tenant: string(header.Peek(headerTenant))}
	if org := string(header.Peek(headerOrg)); ask.Tenant == "" {
		ask.Tenant = org
	} else if org != "" && org != ask.Tenant {
		return newProblem(kindValidation, "%s and %s name two tenants", headerTenant, headerOrg)
	}
	credentials := r.credentials()
	check := func() (auth.Principal, error) {
		principal, err := r.server.authenticate(credentials)
		if err != nil {
			return principal, err
		}
		if principal, err = auth.Authorize(principal, ask, r.server.cfg.Directory); err == nil && r.server.cfg.Off.Has(feature) {
			err = fmt.Errorf("%w: the operator of this node has switched off %s", auth.ErrFeature, feature)
		}
		return principal, err
	}
	var err error
	r.principal, err = check()
	tenant, restriction := r.principal.Tenant, r.principal.Restriction
	r.still = func() error {
		principal, err := check()
		if err == nil && (principal.Tenant != tenant || principal.Restriction != restriction) {
			err = fmt.Errorf("%w: the records are not those that %q sees now", auth.ErrForbidden, principal.Name)
		}
		return err
	}
	return err
}

// secure sets the headers that keep browsers from taking an answer for something
// else than data. Handlers may say more of caching.
func (s *Server) secure(header *fasthttp.ResponseHeader) {
	header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	header.Set(fasthttp.HeaderXFrameOptions, "DENY")
	header.Set(fasthttp.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
	header.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	header.Set(fasthttp.HeaderCacheControl, "no-store")
	if s.certs != nil {
		header.Set(fasthttp.HeaderStrictTransportSecurity, "max-age=31536000")
	}
}

// site refuses requests of web pages of others. Credentials are never sent by a
// browser on its own, but a node without authentication takes everybody for its
// owner: there a name that a stranger has given to this machine is refused, too.
func (r *request) site() error {
	header := &r.ctx.Request.Header
	host := string(header.Host())
	if name := hostName(host); r.server.cfg.Auth == nil && net.ParseIP(name) == nil && strings.Contains(name, ".") && !strings.HasSuffix(name, ".localhost") {
		return newProblem(kindOrigin, "a node without authentication is not asked by the name %.100q", name)
	}
	origin := string(header.Peek(fasthttp.HeaderOrigin))
	if origin == "" {
		return nil
	}
	answer := &r.ctx.Response.Header
	answer.Set(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	if _, rest, ok := strings.Cut(origin, "://"); ok && rest == host {
		return nil
	}
	if !slices.ContainsFunc(r.server.cfg.Origins, func(pattern string) bool { return fromSite(origin, pattern) }) {
		return newProblem(kindOrigin, "pages of %.100q may not ask", origin)
	}
	r.origin = origin
	answer.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
	answer.Set(fasthttp.HeaderAccessControlExposeHeaders, strings.Join([]string{v1.HeaderRequestID, v1.HeaderResponseTime, v1.HeaderErrorID, v1.HeaderReplayed, fasthttp.HeaderRetryAfter, headerExport,
		"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}, ", "))
	if r.ctx.IsOptions() {
		answer.Set(fasthttp.HeaderAccessControlAllowMethods, "GET, POST, PUT, PATCH, DELETE")
		answer.Set(fasthttp.HeaderAccessControlAllowHeaders, strings.Join([]string{r.server.cfg.APIKeyHeader, fasthttp.HeaderAuthorization, fasthttp.HeaderContentType,
			fasthttp.HeaderContentEncoding, v1.HeaderIdempotencyKey, v1.HeaderRequestID, headerTenant, headerOrg, headerLastEventID}, ", "))
		answer.Set(fasthttp.HeaderAccessControlMaxAge, "600")
	}
	return nil
}

// hostName returns a Host header without its port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// fromSite reports whether an origin is one of a pattern: the same, or with "*"
// for one or more labels of the host.
func fromSite(origin, pattern string) bool {
	before, after, wild := strings.Cut(strings.ToLower(pattern), "*")
	origin = strings.ToLower(origin)
	if !wild {
		return origin == before
	}
	if before == "" && after == "" {
		return true
	}
	if len(origin) <= len(before)+len(after) || !strings.HasPrefix(origin, before) || !strings.HasSuffix(origin, after) {
		return false
	}
	return !strings.ContainsAny(origin[len(before):len(origin)-len(after)], "/@?#:")
}

// credentials returns what the request carries, of which nothing is the
// request's own memory.
func (r *request) credentials() auth.Credentials {
	header := &r.ctx.Request.Header
	credentials := auth.Credentials{APIKey: string(header.Peek(r.server.cfg.APIKeyHeader)), Authorization: string(header.Peek(fasthttp.HeaderAuthorization))}
	credentials.From = r.from
	return credentials
}

func (s *Server) authenticate(credentials auth.Credentials) (auth.Principal, error) {
	if s.cfg.Auth == nil {
		return auth.Anonymous(), nil
	}
	return s.cfg.Auth.Authenticate(credentials, s.cfg.Directory)
}

// audience is who the answer is for. Handlers ask the engine for nothing without
// it, and know the tenant from nowhere else.
func (r *request) audience() query.Audience {
	return query.Audience{Tenant: r.principal.Tenant, Restriction: r.principal.Restriction, Role: string(r.principal.Role)}
}

// lasting returns the context of what goes on after the handler: it ends when the
// principal may not ask any more, at the latest with its credentials.
func (r *request) lasting() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.server.base)
	recheck, still, now, expires := r.server.cfg.Recheck, r.still, r.server.cfg.Now, r.principal.Expires
	every := recheck
	if expires != 0 {
		every = min(every, max(time.Unix(expires, 0).Sub(now()), time.Millisecond))
	}
	var mu sync.Mutex
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(every, func() {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		// What cannot be checked now was right, and lasts as long as it said.
		if err := still(); err == nil || errors.Is(err, auth.ErrIssuer) && (expires == 0 || now().Unix() < expires) {
			timer.Reset(recheck)
			return
		}
		cancel()
	})
	return ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
		cancel()
	}
}

// work returns the context of the work for the request. It outlives the
// connection: what was accepted is finished.
func (r *request) work(timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.server.base, timeout)
}

// errGone says that the client closed the connection before it had its answer.
var errGone = errors.New("the client closed the connection")

// asking returns the context of work that is for the client alone: it ends when the
// client has gone, and settle then says so.
func (r *request) asking() (ctx context.Context, end func()) {
	ctx, stop := r.work(r.server.cfg.RequestTimeout)
	ctx, cancel := context.WithCancelCause(ctx)
	unwatch := watchClient(r.ctx.Conn(), func() { cancel(errGone) })
	return ctx, func() {
		unwatch()
		cancel(nil)
		stop()
	}
}

// settle returns the error of work in a context of asking: that the client has
// gone, if that was why.
func settle(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errGone) {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return err
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
		level, message := slog.LevelError, "request failed"
		if p.kind.code == kindUnavailable.code && !r.server.cfg.Status().Ready {
			level, message = slog.LevelInfo, "request refused: the node is not ready" // as every start may see
		}
		r.server.cfg.Logger.Log(context.Background(), level, message, "error", err, "code", p.kind.code, "error_id", errorID, "request_id", r.id,
			"method", string(r.ctx.Method()), "path", string(r.ctx.Path()))
	} else if p.kind.status == kindGone.status {
		r.server.cfg.Logger.Debug("the client has gone", "error", err, "request_id", r.id)
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
	answer := v1.Error{Code: p.kind.code, Message: p.message, Help: p.kind.help, ErrorID: errorID,
		Timestamp: r.server.now(), RetryAfter: p.kind.retry, Details: p.details}
	if p.limit != nil {
		most, left := p.limit.Rule.Limit, max(p.limit.Left, 0)
		answer.Limit, answer.Remaining = &most, &left
	}
	r.sendJSON(p.kind.status, v1.ErrorEnvelope{Error: answer})
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

const (
	// watchEvery is how often it is looked whether a client is still there.
	watchEvery = 200 * time.Millisecond
	// halfClosedMax is how long it is worked for a client that sends no more. It may
	// have left, or wait for its answer with its own direction closed, as nc -N does:
	// nothing but an answer tells these apart.
	halfClosedMax = 5 * time.Second
)

// watchClient calls gone when the client has reset the connection, or closed it
// halfClosedMax ago; what it returns ends the watch. The connection is only looked
// at: what has arrived stays for whoever reads it.
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
	stopped, silent := false, time.Duration(0)
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(watchEvery, func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		half, whole := closed(control)
		if half {
			silent += watchEvery
		}
		if whole || silent > halfClosedMax {
			gone()
			return
		}
		timer.Reset(watchEvery)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// closed reports whether the other side of a connection has said that it sends no
// more, and whether the connection is broken.
func closed(control syscall.RawConn) (half, whole bool) {
	err := control.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		half, whole = err == nil && n == 0, err == syscall.ECONNRESET
	})
	return half, whole || err != nil
}
