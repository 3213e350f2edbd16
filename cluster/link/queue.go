package link

import (
	"context"
	"crypto/x509"
	"net"
	"sync"
	"time"
)

// queue is a listener: connections that the link has let in wait in it.
type queue struct {
	link      *Link
	incoming  chan *Conn
	closed    chan struct{}
	onClose   func()
	closeOnce sync.Once

	mu struct {
		sync.Mutex
		closed  bool
		open    map[*Conn]struct{} // accepted or waiting, not closed yet
		waiting int                // places of incoming that are taken or promised
	}
}

func (l *Link) newQueue(onClose func()) *queue {
	q := &queue{link: l, incoming: make(chan *Conn, l.config.AcceptQueue), closed: make(chan struct{}), onClose: onClose}
	q.mu.open = map[*Conn]struct{}{}
	return q
}

// offer reserves a place for a connection, or says why there is none.
func (q *queue) offer(c *Conn) (code, string) {
	if !q.link.reserve() {
		return codeBusy, "too many connections"
	}
	c.queue = q
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.closed {
		q.link.release()
		return codeUnknownGroup, "it is closing"
	}
	if q.mu.waiting == cap(q.incoming) {
		q.link.release()
		return codeBusy, "too many connections wait"
	}
	q.mu.waiting++
	q.mu.open[c] = struct{}{}
	return codeOK, ""
}

// push puts a connection into its place; withdraw gives the place back.
func (q *queue) push(c *Conn) { q.incoming <- c }

func (q *queue) withdraw() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.waiting--
}

// Accept returns the next connection. After Close the error is net.ErrClosed.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case <-q.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-q.incoming:
		q.withdraw()
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the queue and closes the connections that came through it.
func (q *queue) Close() error {
	q.closeOnce.Do(func() {
		q.mu.Lock()
		q.mu.closed = true
		open := make([]*Conn, 0, len(q.mu.open))
		for c := range q.mu.open {
			open = append(open, c)
		}
		q.mu.Unlock()
		close(q.closed)
		for _, c := range open {
			c.abort()
		}
		if q.onClose != nil {
			q.onClose()
		}
	})
	return nil
}

// Addr returns the address of the cluster port.
func (q *queue) Addr() net.Addr { return q.link.Addr() }

func (l *Link) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed || l.mu.open >= l.config.Connections {
		return false
	}
	l.mu.open++
	return true
}

func (l *Link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.open--
}

// Conn is a connection to a peer that has said, and with a secret proven, who
// it is.
type Conn struct {
	net.Conn          // TLS, or raw
	raw      net.Conn // what is below TLS
	nodeID   string
	leaf     *x509.Certificate // of who dialled, where it has to name the node
	queue    *queue            // nil: dialled
	once     sync.Once
}

// NodeID returns the node on the other side of a connection of a Link. Without
// a secret it is what the peer says.
func NodeID(conn net.Conn) (id string, ok bool) {
	if c, is := conn.(*Conn); is {
		return c.nodeID, true
	}
	return "", false
}

// Close closes the connection.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.forget()
	return err
}

// abort closes the connection without a word to the peer, for which TLS would
// wait.
func (c *Conn) abort() {
	c.raw.Close()
	c.forget()
}

func (c *Conn) forget() {
	if c.queue == nil {
		return
	}
	c.once.Do(func() {
		c.queue.mu.Lock()
		delete(c.queue.mu.open, c)
		c.queue.mu.Unlock()
		c.queue.link.release()
	})
}

// Group is one Raft group of this node on the cluster port: it accepts the
// connections of the group's members on other nodes, and dials them.
type Group struct {
	*queue
	number uint32
}

// Dial connects to the group's member on a node.
func (g *Group) Dial(nodeID string, timeout time.Duration) (net.Conn, error) {
	select {
	case <-g.closed:
		return nil, ErrClosed
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return g.queue.link.dial(ctx, kindGroup, nodeID, g.number)
}
