package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/link"
)

// network is a network in memory, so that tests can run in a bubble.
type network struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	dials     map[string]int // by address
}

type memoryListener struct {
	address  memoryAddr
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

type memoryAddr string

func (a memoryAddr) Network() string { return "memory" }
func (a memoryAddr) String() string  { return string(a) }

// memoryConn is one end of a pipe that knows where the other end is. Like a
// socket, and unlike a pipe, it takes writes that nobody reads yet.
type memoryConn struct {
	net.Conn
	remote  memoryAddr
	pending chan []byte
	closed  chan struct{}
	once    sync.Once
}

func newConn(end net.Conn, remote string) *memoryConn {
	c := &memoryConn{Conn: end, remote: memoryAddr(remote), pending: make(chan []byte, 256), closed: make(chan struct{})}
	go c.pump()
	return c
}

func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

func (c *memoryConn) Write(p []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	case c.pending <- bytes.Clone(p):
		return len(p), nil
	}
}

func (c *memoryConn) SetWriteDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetDeadline(until time.Time) error { return c.SetReadDeadline(until) }

// Close lets the other side read what was written.
func (c *memoryConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.Conn.SetReadDeadline(time.Unix(1, 0))
		c.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	})
	return nil
}

func (c *memoryConn) pump() {
	defer c.Conn.Close()
	for {
		select {
		case p := <-c.pending:
			if _, err := c.Conn.Write(p); err != nil {
				return
			}
			continue
		default:
		}
		select {
		case p := <-c.pending:
			if _, err := c.Conn.Write(p); err != nil {
				return
			}
		case <-c.closed:
			if len(c.pending) == 0 {
				return
			}
		}
	}
}

func newNetwork() *network {
	return &network{listeners: map[string]*memoryListener{}, dials: map[string]int{}}
}

func (n *network) listen(address string) *memoryListener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &memoryListener{address: memoryAddr(address), incoming: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l
}

// dialFrom returns the dial function of a host.
func (n *network) dialFrom(host string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		n.mu.Lock()
		l := n.listeners[address]
		n.dials[address]++
		n.mu.Unlock()
		if l == nil {
			return nil, errors.New("connection refused")
		}
		a, b := net.Pipe()
		here, there := newConn(a, address), newConn(b, host+":1")
		var err error
		select {
		case l.incoming <- there:
			return here, nil
		case <-l.closed:
			err = errors.New("connection refused")
		case <-ctx.Done():
			err = ctx.Err()
		}
		here.Close()
		there.Close()
		return nil, err
	}
}

func (n *network) dialsTo(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[address]
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return l.address }

// logBook keeps log lines.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBook) lines(part string) int { return strings.Count(b.String(), part) }

func (b *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

var secretA, secretB = []byte("the secret of cluster a"), []byte("the secret of cluster b")

// node opens the link of node id at the address id:1 of the network, in a bubble.
func (n *network) node(t *testing.T, id string, change func(*link.Config)) (*link.Link, *logBook) {
	t.Helper()
	book := &logBook{}
	c := link.Config{
		NodeID: id, Listener: n.listen(id + ":1"), Dial: n.dialFrom(id), Secret: secretA, Logger: book.logger(),
		Resolve: func(nodeID string) (string, bool) { return nodeID + ":1", nodeID != "nobody" },
	}
	if change != nil {
		change(&c)
	}
	l, err := link.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		// Time of the bubble, in which pipes and the HTTP server come to an end.
		time.Sleep(2 * time.Minute)
	})
	return l, book
}

func openGroup(t *testing.T, l *link.Link, number uint32) *link.Group {
	t.Helper()
	g, err := l.Group(number)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// echo answers everything that comes to a group.
func echo(g *link.Group) {
	for {
		conn, err := g.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			b := make([]byte, 64)
			for {
				n, err := conn.Read(b)
				if err != nil {
					return
				}
				if _, err := conn.Write(b[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// says checks that an echo comes back.
func says(conn net.Conn, text string) error {
	if _, err := conn.Write([]byte(text)); err != nil {
		return err
	}
	b := make([]byte, len(text))
	for n := 0; n < len(b); {
		m, err := conn.Read(b[n:])
		if err != nil {
			return err
		}
		n += m
	}
	if string(b) != text {
		return fmt.Errorf("have %q, want %q", b, text)
	}
	return nil
}

const patience = 10 * time.Second
