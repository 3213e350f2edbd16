package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Defaults of CallerConfig.
const (
	DefaultCallsPerNode = 64
	DefaultIdlePerNode  = 8
	DefaultIdleTime     = 30 * time.Second
	DefaultStall        = 30 * time.Second
	DefaultAnswerMax    = 64 << 20
)

const (
	callBuffer = 16 << 10 // bytes, for reading and for writing, of a connection
	// The header in which a call says how many milliseconds the caller waits.
	timeoutHeader = "Stere-Timeout"
)

// CallerConfig says how a Caller works. The zero value of a field means its
// default; Dial must be given.
type CallerConfig struct {
	// Dial connects to the server of calls of a node: Link.DialHTTP.
	Dial func(ctx context.Context, nodeID string) (net.Conn, error)
	// CallsPerNode is how many calls to one node are under way at most; others
	// wait.
	CallsPerNode int
	// IdlePerNode connections to a node are kept for IdleTime when no call
	// needs them.
	IdlePerNode int
	IdleTime    time.Duration
	// Stall is how long a call without a deadline goes on while not a byte
	// moves.
	Stall time.Duration
	// AnswerMax is the most bytes of an answer of Do.
	AnswerMax int
}

// Caller makes node calls and keeps connections for them. Its errors are
// ErrNotReached and ErrUncertain, which say whether the call may have been
// done, and ErrAnswerTooLarge; why is wrapped in them. Any status is an answer.
type Caller struct {
	config CallerConfig
	idlers sync.WaitGroup

	mu struct {
		sync.Mutex
		closed bool
		nodes  map[string]*callee
	}
}

// callee is a node that is called. It is there while calls or idle connections
// are.
type callee struct {
	slots chan struct{} // one for each call under way
	users int           // calls under way or waiting
	idle  []*callConn
}

// NewCaller returns a Caller. It panics without Dial.
func NewCaller(config CallerConfig) *Caller {
	if config.Dial == nil {
		panic("link: a Caller needs Dial")
	}
	for _, limit := range []struct {
		value   *int
		without int
	}{{&config.CallsPerNode, DefaultCallsPerNode}, {&config.IdlePerNode, DefaultIdlePerNode}, {&config.AnswerMax, DefaultAnswerMax}} {
		if *limit.value == 0 {
			*limit.value = limit.without
		}
	}
	if config.IdleTime == 0 {
		config.IdleTime = DefaultIdleTime
	}
	if config.Stall == 0 {
		config.Stall = DefaultStall
	}
	c := &Caller{config: config}
	c.mu.nodes = map[string]*callee{}
	return c
}

// Close closes the connections that no call uses, and refuses new calls.
func (c *Caller) Close() error {
	c.mu.Lock()
	c.mu.closed = true
	for nodeID, n := range c.mu.nodes {
		for _, conn := range n.idle {
			conn.Close()
		}
		n.idle = nil
		c.drop(nodeID, n)
	}
	c.mu.Unlock()
	c.idlers.Wait()
	return nil
}

// Do makes a call and reads the whole answer.
func (c *Caller) Do(ctx context.Context, nodeID, method, path string, body []byte) (status int, answer []byte, err error) {
	request := newRequest(nodeID, method, path)
	request.SetBodyRaw(body)
	x, err := c.send(ctx, nodeID, request)
	if err != nil {
		return 0, nil, err
	}
	response := &fasthttp.Response{}
	if err := response.ReadLimitBody(x.conn.reader, c.config.AnswerMax); err != nil {
		x.end(false)
		if errors.Is(err, fasthttp.ErrBodyTooLarge) {
			return 0, nil, fmt.Errorf("call node %s: %s %s: %w (%d bytes)", nodeID, method, path, ErrAnswerTooLarge, c.config.AnswerMax)
		}
		return 0, nil, x.failure(err)
	}
	x.end(!response.ConnectionClose())
	return response.StatusCode(), response.SwapBody(nil), nil
}

// Answer is the answer to a call of Stream. It must be closed.
type Answer struct {
	// Status is the status code of HTTP.
	Status int
	// Size is the number of bytes of the body, -1 if it is not known before.
	Size int64

	exchange *exchange
	response *fasthttp.Response
	body     io.Reader
	failed   error
	ended    bool
	once     sync.Once
}

// Stream makes a call whose body, of size bytes or -1 if that is not known, is
// read as it is sent, and whose answer is read by the caller from the Answer.
// The context counts until that is closed.
func (c *Caller) Stream(ctx context.Context, nodeID, method, path string, body io.Reader, size int64) (*Answer, error) {
	request := newRequest(nodeID, method, path)
	if body != nil {
		request.SetBodyStream(body, int(size))
	}
	x, err := c.send(ctx, nodeID, request)
	if err != nil {
		return nil, err
	}
	response := &fasthttp.Response{StreamBody: true}
	if err := response.ReadLimitBody(x.conn.reader, 0); err != nil {
		x.end(false)
		return nil, x.failure(err)
	}
	a := &Answer{Status: response.StatusCode(), Size: int64(response.Header.ContentLength()), exchange: x, response: response}
	if a.body = response.BodyStream(); a.body == nil {
		a.Size, a.ended = 0, true
	}
	a.Size = max(a.Size, -1)
	return a, nil
}

// Read reads the body. An error other than io.EOF says that it is not whole.
func (a *Answer) Read(p []byte) (int, error) {
	if a.ended {
		return 0, io.EOF
	}
	if a.failed != nil {
		return 0, a.failed
	}
	n, err := a.body.Read(p)
	if err == io.EOF {
		a.ended = true
	} else if err != nil {
		a.failed = a.exchange.failure(err)
		err = a.failed
	}
	return n, err
}

// Close ends the call. The connection is used again if the body was read to
// its end. It must not be called while Read is.
func (a *Answer) Close() error {
	a.once.Do(func() {
		whole := a.ended && a.failed == nil && !a.response.ConnectionClose()
		a.ended = true
		if a.response.BodyStream() != nil {
			a.response.CloseBodyStream()
		}
		a.exchange.end(whole)
	})
	return nil
}

func newRequest(nodeID, method, path string) *fasthttp.Request {
	request := &fasthttp.Request{}
	request.Header.SetMethod(method)
	request.Header.SetHost(nodeID)
	request.Header.SetNoDefaultContentType(true)
	request.SetRequestURI(path)
	return request
}

// exchange is a call under way on a connection.
type exchange struct {
	caller *Caller
	ctx    context.Context
	stop   func() bool
	conn   *callConn
	nodeID string
	call   string
}

// send sends a call on a connection of its own.
func (c *Caller) send(ctx context.Context, nodeID string, request *fasthttp.Request) (*exchange, error) {
	x := &exchange{caller: c, ctx: ctx, nodeID: nodeID, call: string(request.Header.Method()) + " " + string(request.RequestURI())}
	conn, err := c.take(ctx, nodeID)
	if err != nil {
		return nil, fmt.Errorf("call node %s: %s: %w: %w", nodeID, x.call, ErrNotReached, err)
	}
	x.conn = conn
	conn.begin(ctx)
	x.stop = context.AfterFunc(ctx, conn.cancel)
	if until, ok := ctx.Deadline(); ok {
		request.Header.Set(timeoutHeader, strconv.FormatInt(max(time.Until(until).Milliseconds(), 1), 10))
	}
	err = request.Write(conn.writer)
	if err == nil {
		err = conn.writer.Flush()
	}
	if err != nil {
		sent := conn.sent
		x.end(false)
		if sent == 0 {
			return nil, fmt.Errorf("call node %s: %s: %w: %w", nodeID, x.call, ErrNotReached, x.cause(err))
		}
		return nil, x.failure(err)
	}
	return x, nil
}

// cause prefers the context's reason to that of the connection, on which it has
// become a deadline. The connection may notice first.
func (x *exchange) cause(err error) error {
	if x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	if until, ok := x.ctx.Deadline(); ok && !time.Now().Before(until) {
		return context.DeadlineExceeded
	}
	return err
}

func (x *exchange) failure(err error) error {
	return fmt.Errorf("call node %s: %s: %w: %w", x.nodeID, x.call, ErrUncertain, x.cause(err))
}

// end gives the connection back, or closes it.
func (x *exchange) end(whole bool) {
	// A context that has ended has put an end to the connection too.
	whole = x.stop() && whole
	x.caller.give(x.nodeID, x.conn, whole)
}
