package link

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// take returns a connection to a node that no other call uses.
func (c *Caller) take(ctx context.Context, nodeID string) (*callConn, error) {
	n, err := c.enter(nodeID)
	if err != nil {
		return nil, err
	}
	select {
	case n.slots <- struct{}{}:
	case <-ctx.Done():
		c.leave(nodeID, n)
		return nil, context.Cause(ctx)
	}
	for {
		conn := c.pop(n)
		if conn == nil {
			break
		}
		// The watch ends because of us, unless the peer has closed or has sent
		// what nobody asked for.
		conn.cancel()
		if errors.Is(<-conn.watched, os.ErrDeadlineExceeded) {
			return conn, nil
		}
		conn.Close()
	}
	raw, err := c.config.Dial(ctx, nodeID)
	if err != nil {
		<-n.slots
		c.leave(nodeID, n)
		return nil, err
	}
	return newCallConn(raw, c.config.Stall), nil
}

// give takes a connection back: to keep it, or to close it.
func (c *Caller) give(nodeID string, conn *callConn, keep bool) {
	keep = keep && conn.reader.Buffered() == 0
	c.mu.Lock()
	n := c.mu.nodes[nodeID]
	if keep = keep && !c.mu.closed && len(n.idle) < c.config.IdlePerNode; keep {
		conn.rest(c.config.IdleTime)
		n.idle = append(n.idle, conn)
		c.idlers.Go(func() { c.watch(nodeID, n, conn) })
	}
	c.mu.Unlock()
	if !keep {
		conn.Close()
	}
	<-n.slots
	c.leave(nodeID, n)
}

// watch waits until an idle connection is needed, or is of no more use: then it
// closes it.
func (c *Caller) watch(nodeID string, n *callee, conn *callConn) {
	_, err := conn.reader.Peek(1)
	conn.watched <- err
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(n.idle, conn); i >= 0 {
		n.idle = slices.Delete(n.idle, i, i+1)
		conn.Close()
		c.drop(nodeID, n)
	}
}

func (c *Caller) enter(nodeID string) (*callee, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, ErrClosed
	}
	n := c.mu.nodes[nodeID]
	if n == nil {
		n = &callee{slots: make(chan struct{}, c.config.CallsPerNode)}
		c.mu.nodes[nodeID] = n
	}
	n.users++
	return n, nil
}

func (c *Caller) leave(nodeID string, n *callee) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.users--
	c.drop(nodeID, n)
}

// drop forgets a node that nothing is known of any more. The lock is held.
func (c *Caller) drop(nodeID string, n *callee) {
	if n.users == 0 && len(n.idle) == 0 {
		delete(c.mu.nodes, nodeID)
	}
}

// pop takes the connection that was used last.
func (c *Caller) pop(n *callee) *callConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(n.idle) - 1
	if last < 0 {
		return nil
	}
	conn := n.idle[last]
	n.idle = slices.Delete(n.idle, last, last+1)
	return conn
}

// callConn is a connection for calls. It moves the deadline as bytes move.
type callConn struct {
	net.Conn
	reader  *bufio.Reader
	writer  *bufio.Writer
	stall   time.Duration
	sent    int64      // bytes of the call
	watched chan error // why the watch over the idle connection ended

	mu struct {
		sync.Mutex
		until     time.Time // when to stop waiting; zero: after a stall
		cancelled bool
	}
}

func newCallConn(conn net.Conn, stall time.Duration) *callConn {
	c := &callConn{Conn: conn, stall: stall, watched: make(chan error, 1)}
	c.reader, c.writer = bufio.NewReaderSize(c, callBuffer), bufio.NewWriterSize(c, callBuffer)
	return c
}

// begin makes the connection that of a call.
func (c *callConn) begin(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = 0
	c.mu.cancelled = false
	c.mu.until, _ = ctx.Deadline()
}

// rest makes the connection that of no call.
func (c *callConn) rest(idle time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.until = time.Now().Add(idle)
}

// cancel ends what waits on the connection, and all that will until begin.
func (c *callConn) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.cancelled = true
	c.Conn.SetDeadline(time.Unix(1, 0))
}

// extend lets the next step wait.
func (c *callConn) extend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.cancelled {
		return
	}
	until := c.mu.until
	if until.IsZero() {
		until = time.Now().Add(c.stall)
	}
	c.Conn.SetDeadline(until)
}

// Read reads within the deadline.
func (c *callConn) Read(p []byte) (int, error) {
	c.extend()
	return c.Conn.Read(p)
}

// Write writes within the deadline.
func (c *callConn) Write(p []byte) (int, error) {
	c.extend()
	n, err := c.Conn.Write(p)
	c.sent += int64(n)
	return n, err
}

// Close closes the connection without a farewell, for which TLS would wait;
// HTTP says itself where a message ends.
func (c *callConn) Close() error {
	if conn, ok := c.Conn.(*Conn); ok {
		conn.abort()
		return nil
	}
	return c.Conn.Close()
}
