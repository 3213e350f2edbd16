package raft

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/raft/pulse"
)

// network is connections in memory between nodes, which can be cut in each
// direction: what is on its way then waits, as it does with TCP.
type network struct {
	mu      sync.Mutex
	changed *sync.Cond
	delay   time.Duration
	slow    map[string]time.Duration // more delay, of connections with a node
	cut     map[[2]string]bool       // from, to
	listen  map[string]map[uint32]*memStreams
	conns   map[*memConn]bool
	refused map[uint32]bool // groups that nobody dials, as if nobody knew them
	writes  map[uint32]int  // by group
}

func newNetwork() *network {
	n := &network{cut: map[[2]string]bool{}, listen: map[string]map[uint32]*memStreams{}, conns: map[*memConn]bool{},
		refused: map[uint32]bool{}, writes: map[uint32]int{}}
	n.changed = sync.NewCond(&n.mu)
	return n
}

// block cuts one direction.
func (n *network) block(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]string{from, to}] = true
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = map[[2]string]bool{}
	n.changed.Broadcast()
	for c := range n.conns {
		c.changed.Broadcast()
	}
}

// written returns how often something was written for a group, and for all
// groups' heartbeats, since it was asked last.
func (n *network) written(group uint32) (own, pulses int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	own, pulses = n.writes[group], n.writes[pulse.Group]
	clear(n.writes)
	return own, pulses
}

// crash ends all connections of a node at once.
func (n *network) crash(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if c.local == node || c.remote == node {
			c.end()
		}
	}
}

// streams are those of one group on one node.
func (n *network) streams(node string) func(uint32) (Streams, error) {
	return func(group uint32) (Streams, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.listen[node] == nil {
			n.listen[node] = map[uint32]*memStreams{}
		}
		s := &memStreams{n: n, node: node, group: group}
		n.listen[node][group] = s
		return s, nil
	}
}

type memStreams struct {
	n       *network
	node    string
	group   uint32
	waiting []*memConn
	closed  bool
}

func (s *memStreams) Accept() (net.Conn, error) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	for len(s.waiting) == 0 && !s.closed {
		s.n.changed.Wait()
	}
	if s.closed {
		return nil, net.ErrClosed
	}
	c := s.waiting[0]
	s.waiting = s.waiting[1:]
	return c, nil
}

func (s *memStreams) Close() error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	s.closed = true
	for _, c := range s.waiting {
		c.end()
	}
	if s.n.listen[s.node][s.group] == s {
		delete(s.n.listen[s.node], s.group)
	}
	s.n.changed.Broadcast()
	return nil
}

func (s *memStreams) Addr() net.Addr { return nodeAddr(s.node) }

func (s *memStreams) Dial(node string, timeout time.Duration) (net.Conn, error) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	end := time.Now().Add(timeout)
	t := time.AfterFunc(timeout, s.n.broadcast)
	defer t.Stop()
	for s.n.cut[[2]string{s.node, node}] || s.n.cut[[2]string{node, s.node}] {
		if s.closed {
			return nil, net.ErrClosed
		}
		if !time.Now().Before(end) {
			return nil, os.ErrDeadlineExceeded
		}
		s.n.changed.Wait()
	}
	to := s.n.listen[node][s.group]
	if to == nil || s.n.refused[s.group] {
		return nil, fmt.Errorf("connection to %s refused", node)
	}
	a, b, changed := &queue{}, &queue{}, sync.NewCond(&s.n.mu)
	mine := &memConn{n: s.n, changed: changed, local: s.node, remote: node, group: s.group, in: a, out: b}
	theirs := &memConn{n: s.n, changed: changed, local: node, remote: s.node, group: s.group, in: b, out: a}
	s.n.conns[mine], s.n.conns[theirs] = true, true
	to.waiting = append(to.waiting, theirs)
	s.n.changed.Broadcast()
	return mine, nil
}

func (n *network) broadcast() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changed.Broadcast()
}

const queueBytesMax = 1 << 20 // on their way, as a socket has buffers

type piece struct {
	at time.Time // when it arrives
	b  []byte
}

type queue struct {
	pieces []piece
	bytes  int
	eof    bool
}

type memConn struct {
	n             *network
	changed       *sync.Cond // of both ends
	local, remote string
	group         uint32
	in, out       *queue
	closed        bool
	read, write   time.Time // deadlines
}

func expired(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (c *memConn) Read(b []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case expired(c.read):
			return 0, os.ErrDeadlineExceeded
		case c.n.cut[[2]string{c.remote, c.local}]:
		case len(c.in.pieces) > 0 && !time.Now().Before(c.in.pieces[0].at):
			p := &c.in.pieces[0]
			k := copy(b, p.b)
			if p.b = p.b[k:]; len(p.b) == 0 {
				c.in.pieces = c.in.pieces[1:]
			}
			c.in.bytes -= k
			c.changed.Broadcast()
			return k, nil
		case len(c.in.pieces) == 0 && c.in.eof:
			return 0, io.EOF
		}
		c.changed.Wait()
	}
}

func (c *memConn) Write(b []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.out.eof:
			return 0, errors.New("broken pipe")
		case expired(c.write):
			return 0, os.ErrDeadlineExceeded
		case c.out.bytes < queueBytesMax:
			delay := c.n.delay + c.n.slow[c.local] + c.n.slow[c.remote]
			c.out.pieces = append(c.out.pieces, piece{time.Now().Add(delay), append([]byte(nil), b...)})
			c.out.bytes += len(b)
			c.n.writes[c.group]++
			c.changed.Broadcast()
			if delay > 0 {
				time.AfterFunc(delay, c.broadcast)
			}
			return len(b), nil
		}
		c.changed.Wait()
	}
}

func (c *memConn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.end()
	return nil
}

func (c *memConn) end() {
	c.closed, c.in.eof, c.out.eof = true, true, true
	delete(c.n.conns, c)
	c.changed.Broadcast()
}

func (c *memConn) broadcast() {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.changed.Broadcast()
}

func (c *memConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *memConn) SetReadDeadline(t time.Time) error  { return c.setDeadline(&c.read, t) }
func (c *memConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.write, t) }

func (c *memConn) setDeadline(which *time.Time, t time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	*which = t
	time.AfterFunc(time.Until(t), c.broadcast)
	return nil
}

func (c *memConn) LocalAddr() net.Addr  { return nodeAddr(c.local) }
func (c *memConn) RemoteAddr() net.Addr { return nodeAddr(c.remote) }

// tcpStreams are a listener of its own for each group of each node.
type tcpStreams struct {
	net.Listener
	resolve func(node string) (string, bool)
}

func (s tcpStreams) Dial(node string, timeout time.Duration) (net.Conn, error) {
	address, ok := s.resolve(node)
	if !ok {
		return nil, fmt.Errorf("node %s is not known", node)
	}
	return net.DialTimeout("tcp", address, timeout)
}

// book knows the TCP addresses of groups on nodes.
type book struct {
	mu    sync.Mutex
	where map[string]string // by node and group
}

func (b *book) streams(node string) func(uint32) (Streams, error) {
	return func(group uint32) (Streams, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.where[fmt.Sprint(node, "/", group)] = l.Addr().String()
		return tcpStreams{l, func(node string) (string, bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			address, ok := b.where[fmt.Sprint(node, "/", group)]
			return address, ok
		}}, nil
	}
}

// What a connection takes without answering is bounded, and the bound is for
// each message.
func TestConnBoundsWhatItTakes(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	l := newLayer(nil, "n1", time.Second)
	adopted, err := l.adopt(b, true)
	if err != nil {
		t.Fatal(err)
	}
	c := adopted.(*conn)
	go func() {
		for range 2 {
			_, _ = a.Write(make([]byte, 10))
		}
	}()
	c.unanswered = receiveMax - 10
	if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); !errors.Is(err, errUnanswered) {
		t.Fatalf("read beyond the largest message: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	l.users.Wait()
}
