package link

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Defaults of ServeConfig.
const (
	DefaultCallTimeout = 60 * time.Second
	DefaultBodyMax     = 256 << 20
)

// serverIdle is how long the server keeps a connection without calls. The
// caller's side should be the first to close it.
const serverIdle = 4 * DefaultIdleTime

// Call is a node call as its handler sees it.
type Call struct {
	// NodeID is who calls: proven, when there is a secret.
	NodeID string
	// Method and Path are those of HTTP; Path is without its query.
	Method, Path string
	// Size is the number of bytes of the body, -1 if it is not known before.
	Size int64
	// Body is read as it arrives. It is good until the handler returns.
	Body io.Reader

	query *fasthttp.Args
	leaf  *x509.Certificate // of the caller, where it has to name it
}

// Named reports whether the caller may go by a name: whether its certificate has that,
// where certificates have to name nodes. That of a node that was not known yet when it
// connected may name anybody.
func (c *Call) Named(name string) bool { return c.leaf == nil || names(c.leaf, name) }

// Query returns a parameter of the path, empty if it is not there.
func (c *Call) Query(name string) string { return string(c.query.Peek(name)) }

// Reply is what a handler answers.
type Reply struct {
	// Status is the status code of HTTP; 0 is 200.
	Status int
	// Body is the answer. It must not change any more.
	Body []byte
	// Stream stands instead of Body: Size bytes of it are sent, all if that is
	// -1. It is closed then.
	Stream io.ReadCloser
	Size   int64
}

// Handler answers node calls. The context ends when the caller no longer
// waits, as far as it has said how long it does; it does not count for Stream.
type Handler func(ctx context.Context, call *Call) Reply

// ServeConfig says how calls are served. The zero value of a field means its
// default; Handler must be given.
type ServeConfig struct {
	Handler Handler
	// Timeout is how long a handler has when the caller has set no limit.
	Timeout time.Duration
	// BodyMax is the most bytes of a call's body.
	BodyMax int64
	// Stall is how long a caller may take nothing of an answer.
	Stall time.Duration
}

// Serve answers node calls until the link is closed. Handlers that are still at
// work then end on their own.
func (l *Link) Serve(config ServeConfig) error {
	if config.Handler == nil {
		return errors.New("serve node calls: Handler is missing")
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultCallTimeout
	}
	if config.BodyMax == 0 {
		config.BodyMax = DefaultBodyMax
	}
	if config.Stall == 0 {
		config.Stall = DefaultStall
	}
	server := &fasthttp.Server{
		Handler:           func(ctx *fasthttp.RequestCtx) { l.serveCall(ctx, config) },
		StreamRequestBody: true,
		// A form is a body like any other.
		DisablePreParseMultipartForm: true,
		Concurrency:                  l.config.Connections,
		ReadBufferSize:               callBuffer,
		WriteBufferSize:              callBuffer,
		NoDefaultServerHeader:        true,
		NoDefaultDate:                true,
		NoDefaultContentType:         true,
		Logger:                       serverLog{l},
		// The library's own answer would have a date, and the clock for that is
		// a goroutine of the process.
		ErrorHandler: func(ctx *fasthttp.RequestCtx, _ error) { ctx.SetStatusCode(fasthttp.StatusBadRequest) },
	}
	err := server.Serve(stallListener{Listener: l.HTTP(), stall: config.Stall})
	select {
	case <-l.closing:
		return nil
	default:
		return err
	}
}

// serveCall answers one call. A handler that panics has answered 500: the node
// has other work.
func (l *Link) serveCall(ctx *fasthttp.RequestCtx, config ServeConfig) {
	call := &Call{
		Method: string(ctx.Method()), Path: string(ctx.Path()),
		Size: int64(max(ctx.Request.Header.ContentLength(), -1)), query: ctx.QueryArgs(),
	}
	if conn, ok := ctx.Conn().(*stallConn); ok {
		call.NodeID, _ = NodeID(conn.Conn)
		if own, is := conn.Conn.(*Conn); is {
			call.leaf = own.leaf
		}
	}
	if call.Size > config.BodyMax {
		refuse(ctx, fasthttp.StatusRequestEntityTooLarge, ErrBodyTooLarge.Error())
		return
	}
	call.Body = &limitedBody{body: bodyOf(ctx), left: config.BodyMax}
	limit := config.Timeout
	if ms, err := strconv.ParseInt(string(ctx.Request.Header.Peek(timeoutHeader)), 10, 32); err == nil && ms > 0 {
		limit = time.Duration(ms) * time.Millisecond
	}
	within, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			l.config.Logger.Error("a node call panicked", "path", call.Path, "panic", p, "stack", string(debug.Stack()))
			refuse(ctx, fasthttp.StatusInternalServerError, "the handler panicked")
		}
	}()
	reply := config.Handler(within, call)
	if reply.Status != 0 {
		ctx.SetStatusCode(reply.Status)
	}
	if reply.Stream != nil {
		ctx.SetBodyStream(reply.Stream, int(reply.Size))
		return
	}
	ctx.Response.SetBodyRaw(reply.Body)
}

// refuse answers in the server's place. The library's own function would set
// the defaults again that Serve has switched off.
func refuse(ctx *fasthttp.RequestCtx, status int, text string) {
	ctx.SetStatusCode(status)
	ctx.Response.SetBodyString(text)
}

func bodyOf(ctx *fasthttp.RequestCtx) io.Reader {
	if stream := ctx.RequestBodyStream(); stream != nil {
		return stream
	}
	return bytes.NewReader(ctx.Request.Body())
}

// limitedBody is a body that is an error beyond its limit, not cut.
type limitedBody struct {
	body io.Reader
	left int64
}

// Read reads the body up to its limit.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("read body of call: %w", ErrBodyTooLarge)
	}
	return n, err
}

// stallListener bounds how long connections wait for a byte to move.
type stallListener struct {
	net.Listener
	stall time.Duration
}

// Accept returns the next connection.
func (s stallListener) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, io.EOF // the server's word for a listener that has been closed
	}
	return &stallConn{Conn: conn, stall: s.stall}, nil
}

// stallConn moves its deadlines as bytes move: a body may take long, silence
// may not.
type stallConn struct {
	net.Conn
	stall time.Duration
}

// Read waits for the next call as long as for the next byte of one.
func (s *stallConn) Read(p []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(max(s.stall, serverIdle))); err != nil {
		return 0, err
	}
	return s.Conn.Read(p)
}

// Write waits for the caller to take something.
func (s *stallConn) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.stall)); err != nil {
		return 0, err
	}
	return s.Conn.Write(p)
}

// serverLog receives what the server says of connections: they broke, as a rule.
type serverLog struct{ link *Link }

// Printf writes a line for debugging.
func (s serverLog) Printf(format string, args ...any) {
	s.link.config.Logger.Debug("node calls", "message", fmt.Sprintf(format, args...))
}
