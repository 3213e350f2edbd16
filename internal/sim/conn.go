package sim

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection. All of it is guarded by the network's mu.
type conn struct {
	n             *Network
	host          *Host
	peer          *conn
	changed       *sync.Cond // of both ends
	local, remote addr
	in, out       *stream
	closed        bool // by its owner
	broken        bool // its owner is told of a reset
	gone          bool // the peer vanished without a word
	read, write   time.Time
}

// stream is what is on its way in one direction.
type stream struct {
	pieces []piece
	bytes  int
	eof    bool // nothing comes after the pieces
}

type piece struct {
	at time.Time // when it arrives
	b  []byte
}

// pair makes a connection; mu is held.
func (n *Network) pair(from, to *Host, local, remote addr) (here, there *conn) {
	a, b, changed := &stream{}, &stream{}, sync.NewCond(&n.mu)
	here = &conn{n: n, host: from, changed: changed, local: local, remote: remote, in: a, out: b}
	there = &conn{n: n, host: to, changed: changed, local: remote, remote: local, in: b, out: a}
	here.peer, there.peer = there, here
	n.conns[here], n.conns[there] = true, true
	return here, there
}

func expired(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// fault returns why the end cannot be used; mu is held.
func (c *conn) fault(deadline time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.broken, c.gone && c.n.hosts[c.remote.host] != nil: // it is back and knows nothing
		return syscall.ECONNRESET
	case expired(deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for {
		if err := c.fault(c.read); err != nil {
			return 0, err
		}
		switch {
		case c.n.link(c.remote.host, c.local.host).Cut:
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

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for {
		if err := c.fault(c.write); err != nil {
			return 0, err
		}
		link := c.n.link(c.local.host, c.remote.host)
		if c.peer.closed && !c.gone && !link.Cut {
			return 0, syscall.EPIPE
		}
		if link.Reset > 0 && c.n.rng.Float64() < link.Reset {
			c.reset()
			continue
		}
		if c.out.bytes < streamBytesMax {
			c.send(b, link)
			return len(b), nil
		}
		c.changed.Wait()
	}
}

// send puts bytes on their way, behind what is on its way; mu is held.
func (c *conn) send(b []byte, link Link) {
	at := time.Now().Add(c.n.delay(link, len(b)))
	if k := len(c.out.pieces); k > 0 && at.Before(c.out.pieces[k-1].at) {
		at = c.out.pieces[k-1].at
	}
	c.out.pieces = append(c.out.pieces, piece{at, append([]byte(nil), b...)})
	c.out.bytes += len(b)
	if wait := time.Until(at); wait > 0 {
		time.AfterFunc(wait, c.wake)
	} else {
		c.changed.Broadcast()
	}
}

func (c *conn) wake() {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.changed.Broadcast()
}

// Close implements net.Conn: the other end reads what was written, then the end.
func (c *conn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.closed, c.out.eof = true, true
	c.leave()
	return nil
}

// reset ends both ends at once; mu is held.
func (c *conn) reset() {
	c.broken, c.peer.broken = true, true
	c.leave()
	c.peer.leave()
}

// vanish ends this end. The other is reset, or hears nothing if the power was
// cut; mu is held.
func (c *conn) vanish(power bool) {
	c.closed = true
	c.in.pieces, c.in.bytes = nil, 0
	if !c.peer.closed {
		c.peer.broken, c.peer.gone = !power, power
		c.out.pieces, c.out.bytes = nil, 0
	}
	if !power {
		c.peer.leave()
	}
	c.leave()
}

func (c *conn) leave() {
	delete(c.n.conns, c)
	c.changed.Broadcast()
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { c.setDeadlines(t, &c.read, &c.write); return nil }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { c.setDeadlines(t, &c.read); return nil }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { c.setDeadlines(t, &c.write); return nil }

func (c *conn) setDeadlines(t time.Time, which ...*time.Time) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for _, deadline := range which {
		*deadline = t
	}
	c.changed.Broadcast()
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		time.AfterFunc(wait, c.wake)
	}
}
