package raft

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// Streams are the connections of one group with its members on other nodes.
// The group closes them when it closes.
type Streams interface {
	// Accept waits for a connection that another member has dialled. It
	// returns an error after Close.
	Accept() (net.Conn, error)
	// Close ends Accept. Connections that were handed out stay.
	Close() error
	// Addr says where this is, for messages to people.
	Addr() net.Addr
	// Dial connects with the same group on another node.
	Dial(nodeID string, timeout time.Duration) (net.Conn, error)
}

const (
	// poolMax is how many idle connections to a member are kept: heartbeats
	// and entries each take one.
	poolMax = 2
	// inFlightMax is how many messages with entries are under way to a member.
	inFlightMax = 2
	// messageMax is the size in bytes from which a message takes no further
	// entry.
	messageMax = 4 << 20
	// receiveMax is how many bytes a connection takes without an answer
	// between: the largest message is a snapshot.
	receiveMax = SnapshotMax + 1<<20
	// writeChunk is how many bytes must leave within the network timeout.
	writeChunk = 256 << 10
)

var errUnanswered = errors.New("peer sends more than any message")

// nodeAddr is the address of a node in the library's eyes: its id.
type nodeAddr string

// Network returns the kind of address.
func (nodeAddr) Network() string { return "node" }

// String returns the node id.
func (a nodeAddr) String() string { return string(a) }

// layer gives Streams the form of the library, and ends what the library
// leaves: its transport closes neither pooled nor accepted connections.
type layer struct {
	streams Streams
	self    nodeAddr
	timeout time.Duration
	users   sync.WaitGroup // accepted connections that are served, calls that are made

	mu     sync.Mutex
	conns  map[*conn]struct{}
	dials  map[string]uint64 // number of calls of Dial by node
	closed bool
}

var _ hraft.StreamLayer = (*layer)(nil)

func newLayer(s Streams, self string, timeout time.Duration) *layer {
	return &layer{
		streams: s, self: nodeAddr(self), timeout: timeout,
		conns: map[*conn]struct{}{}, dials: map[string]uint64{},
	}
}

// Accept waits for a connection.
func (l *layer) Accept() (net.Conn, error) {
	c, err := l.streams.Accept()
	if err != nil {
		return nil, err
	}
	return l.adopt(c, true)
}

// Addr returns the node id: what others dial.
func (l *layer) Addr() net.Addr { return l.self }

// Dial connects with a member.
func (l *layer) Dial(address hraft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	l.mu.Lock()
	l.dials[string(address)]++
	l.mu.Unlock()
	c, err := l.streams.Dial(string(address), timeout)
	if err != nil {
		return nil, fmt.Errorf("dial node %s: %w", address, err)
	}
	return l.adopt(c, false)
}

// dialled returns how often a node was dialled.
func (l *layer) dialled(node string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials[node]
}

func (l *layer) adopt(c net.Conn, accepted bool) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(ErrShutdown, c.Close())
	}
	t := &conn{Conn: c, layer: l, accepted: accepted}
	l.conns[t] = struct{}{}
	if accepted {
		l.users.Add(1)
	}
	return t, nil
}

// enter adds a user, whom Close then waits for, unless it is closed.
func (l *layer) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.users.Add(1)
	}
	return !l.closed
}

// Close ends Accept and all connections.
func (l *layer) Close() error {
	l.mu.Lock()
	l.closed = true
	var open []*conn
	for c := range l.conns {
		open = append(open, c)
	}
	l.mu.Unlock()
	err := l.streams.Close()
	for _, c := range open {
		_ = c.Conn.Close() // its user finds out and closes it
	}
	return err
}

// conn is a connection that knows how long nothing may move.
type conn struct {
	net.Conn
	layer    *layer
	accepted bool
	once     sync.Once
	// unanswered is the number of bytes read since the last write. Only for
	// accepted ones, of which one goroutine reads and writes.
	unanswered int64
}

// Read reads what the peer sends, up to the largest message.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.accepted {
		if c.unanswered += int64(n); c.unanswered > receiveMax {
			return 0, errUnanswered
		}
	}
	return n, err
}

// Write writes b. The library gives a message of any size the same time; here
// a chunk has it, and so has the answer after the last one.
func (c *conn) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.layer.timeout)); err != nil {
			return written, err
		}
		var n int
		n, err = c.Conn.Write(b[:min(len(b), writeChunk)])
		written += n
		b = b[n:]
	}
	if c.accepted {
		c.unanswered = 0
	} else if err == nil {
		err = c.Conn.SetReadDeadline(time.Now().Add(c.layer.timeout))
	}
	return written, err
}

// Close closes the connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.layer.mu.Lock()
		delete(c.layer.conns, c)
		c.layer.mu.Unlock()
		if c.accepted {
			c.layer.users.Done()
		}
	})
	return err
}
