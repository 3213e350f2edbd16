package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Limits of what is on its way.
const (
	streamBytesMax = 1 << 20 // of one direction of a connection, as a socket has buffers
	backlogMax     = 128     // connections that nobody has accepted
	packetsMax     = 1024    // packets that nobody has received
)

// Link is what becomes of what one machine sends to another. The zero value is
// perfect.
type Link struct {
	Cut    bool          // nothing arrives: streams wait, packets are lost
	Mute   bool          // nothing arrives that Packets send, streams of theirs included
	Delay  time.Duration // of everything
	Jitter time.Duration // more delay, at most; packets may overtake each other
	Loss   float64       // share of packets that are lost
	Reset  float64       // share of writes to streams that end the connection
	Rate   int           // bytes a second of each stream; 0: no bound
}

// Network connects hosts.
type Network struct {
	mu    sync.Mutex
	rng   *rand.Rand
	base  Link // of all links that are not set
	links map[[2]string]Link
	hosts map[string]*Host // those that are up, by name
	conns map[*conn]bool   // both ends of all that are open
	port  int              // newest of a dialing side
}

// NewNetwork returns a network whose links are like base.
func NewNetwork(rng *rand.Rand, base Link) *Network {
	return &Network{rng: rng, base: base, links: map[[2]string]Link{}, hosts: map[string]*Host{}, conns: map[*conn]bool{}, port: 1 << 15}
}

// Set makes one direction between two machines like link.
func (n *Network) Set(from, to string, link Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[[2]string{from, to}] = link
	n.wake()
}

// Change changes one direction between two machines.
func (n *Network) Change(from, to string, change func(*Link)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	link := n.link(from, to)
	change(&link)
	n.links[[2]string{from, to}] = link
	n.wake()
}

// Heal makes all links what they were at first.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.links)
	n.wake()
}

// Reset ends all connections between two machines.
func (n *Network) Reset(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if c.local.host == a && c.remote.host == b || c.local.host == b && c.remote.host == a {
			c.reset()
		}
	}
}

// link is called with mu held.
func (n *Network) link(from, to string) Link {
	if link, ok := n.links[[2]string{from, to}]; ok {
		return link
	}
	if from == to {
		return Link{}
	}
	return n.base
}

// wake makes everything that waits look again; mu is held.
func (n *Network) wake() {
	for c := range n.conns {
		c.changed.Broadcast()
	}
}

// delay draws how long bytes take; mu is held.
func (n *Network) delay(link Link, bytes int) time.Duration {
	d := link.Delay
	if link.Jitter > 0 {
		d += time.Duration(n.rng.Int64N(int64(link.Jitter)))
	}
	if link.Rate > 0 {
		d += time.Duration(bytes) * time.Second / time.Duration(link.Rate)
	}
	return d
}

// Host is one run of a machine.
type Host struct {
	n         *Network
	name      string
	down      bool
	listeners map[int]*listener
	packets   map[int]*Packets
}

// Host puts a machine on the network. An earlier run of it is crashed.
func (n *Network) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.hosts[name]; old != nil {
		old.crash(false)
	}
	h := &Host{n: n, name: name, listeners: map[int]*listener{}, packets: map[int]*Packets{}}
	n.hosts[name] = h
	n.wake()
	return h
}

// Crash takes the machine off the network for good. Its peers see their
// connections reset, or nothing at all if the power was cut.
func (h *Host) Crash(power bool) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.crash(power)
}

func (h *Host) crash(power bool) {
	if h.down {
		return
	}
	h.down = true
	delete(h.n.hosts, h.name)
	for _, l := range h.listeners {
		l.close()
	}
	for c := range h.n.conns {
		if c.host == h {
			c.vanish(power)
		}
	}
}

// addr is an address on the network.
type addr struct {
	host string
	port int
}

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

func parseAddr(address string) (addr, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return addr{}, err
	}
	port, err := strconv.Atoi(text)
	return addr{host, port}, err
}

// Listen opens a port.
func (h *Host) Listen(port int) (net.Listener, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return h.listen(port)
}

func (h *Host) listen(port int) (*listener, error) {
	if h.down || h.listeners[port] != nil {
		return nil, fmt.Errorf("listen on %s:%d: %w", h.name, port, syscall.EADDRINUSE)
	}
	l := &listener{host: h, address: addr{h.name, port}, waiting: make(chan *conn, backlogMax), closed: make(chan struct{})}
	h.listeners[port] = l
	return l, nil
}

// Dial connects to an address.
func (h *Host) Dial(ctx context.Context, address string) (net.Conn, error) {
	to, err := parseAddr(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	c, err := h.dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return c, nil
}

// dialPoll is how often an unanswered request to connect is sent again.
const dialPoll = 50 * time.Millisecond

func (h *Host) dial(ctx context.Context, to addr) (*conn, error) {
	for {
		c, wait, err := h.tryDial(to)
		if err != nil || c != nil {
			return c, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// tryDial returns how long to wait if there is no answer.
func (h *Host) tryDial(to addr) (*conn, time.Duration, error) {
	n := h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.down {
		return nil, 0, syscall.ENETDOWN
	}
	target := n.hosts[to.host]
	if target == nil || n.link(h.name, to.host).Cut || n.link(to.host, h.name).Cut {
		return nil, dialPoll, nil
	}
	l := target.listeners[to.port]
	if l == nil || len(l.waiting) == cap(l.waiting) {
		return nil, 0, syscall.ECONNREFUSED
	}
	n.port++
	here, there := n.pair(h, target, addr{h.name, n.port}, to)
	l.waiting <- there
	return here, 0, nil
}

// listener is an open port.
type listener struct {
	host    *Host
	address addr
	waiting chan *conn
	closed  chan struct{} // closed with the network's mu held
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.host.n.mu.Lock()
	defer l.host.n.mu.Unlock()
	l.close()
	return nil
}

func (l *listener) close() {
	if l.host.listeners[l.address.port] != l {
		return
	}
	delete(l.host.listeners, l.address.port)
	close(l.closed)
	for {
		select {
		case c := <-l.waiting:
			c.reset()
		default:
			return
		}
	}
}

func (l *listener) Addr() net.Addr { return l.address }
