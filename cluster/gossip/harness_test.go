package gossip_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/stere-log/stere/cluster/gossip"
)

// network carries packets and streams in memory, so that tests can run in a
// bubble. A host is an IP address; what is cut off neither sends nor receives.
type network struct {
	mu    sync.Mutex
	hosts map[string]*transport // by host:port
	cut   map[string]int        // side of a cut by IP; 0 if there is none
}

const port = 7102

func newNetwork() *network { return &network{hosts: map[string]*transport{}, cut: map[string]int{}} }

type transport struct {
	network *network
	ip      string
	packets chan *memberlist.Packet
	streams chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (n *network) host(ip string) *transport {
	t := &transport{network: n, ip: ip, packets: make(chan *memberlist.Packet, 256), streams: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[t.address().String()] = t
	return t
}

// separate puts hosts on a side of a cut; side 0 of all heals it.
func (n *network) separate(side int, ips ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ip := range ips {
		n.cut[ip] = side
	}
}

// reach returns the host at an address, nil if a cut or a death is between.
func (n *network) reach(from *transport, address string) *transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.hosts[address]
	if t == nil || n.cut[t.ip] != n.cut[from.ip] {
		return nil
	}
	select {
	case <-t.closed:
		return nil
	default:
		return t
	}
}

func (t *transport) address() net.Addr { return &net.UDPAddr{IP: net.ParseIP(t.ip), Port: port} }

func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.ParseIP(t.ip).To4(), port, nil
}

func (t *transport) WriteTo(b []byte, address string) (time.Time, error) {
	now := time.Now()
	if to := t.network.reach(t, address); to != nil {
		select {
		case to.packets <- &memberlist.Packet{Buf: bytes.Clone(b), From: t.address(), Timestamp: now}:
		default: // packets may be lost
		}
	}
	return now, nil
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *transport) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	to := t.network.reach(t, address)
	if to == nil {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case to.streams <- there:
		return here, nil
	case <-to.closed:
		return nil, errors.New("connection refused")
	case <-timer.C:
		return nil, errors.New("timeout")
	}
}

func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

func (t *transport) Shutdown() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

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

// node opens node number i, at 10.0.0.i, with the seed 10.0.0.1; in a bubble.
func (n *network) node(t *testing.T, i int, change func(*gossip.Config)) (*gossip.Gossip, *logBook) {
	t.Helper()
	book := &logBook{}
	id := fmt.Sprintf("id%d", i)
	c := gossip.Config{
		NodeID: id, Seeds: []string{address(1)}, Logger: slog.New(slog.NewTextHandler(book, nil)),
		Meta: gossip.Meta{Name: "name-" + id, ClusterAddress: id + ":7101"},
	}
	if change != nil {
		change(&c)
	}
	if c.Transport == nil {
		c.Transport = n.host(ip(i))
	}
	g, err := gossip.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // of the bubble: what the library does comes to an end
	})
	return g, book
}

func ip(i int) string { return fmt.Sprintf("10.0.0.%d", i) }

func address(i int) string { return fmt.Sprintf("%s:%d", ip(i), port) }

// await waits, by the changes of a node, until what holds is true.
func await(t *testing.T, g *gossip.Gossip, most time.Duration, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	end := time.NewTimer(most)
	defer end.Stop()
	changed, stop := g.Watch()
	defer stop()
	for !holds() {
		select {
		case <-changed:
		case <-end.C:
			t.Fatalf("not in %v: %s", most, states(g))
		}
	}
	return time.Since(begin)
}

// states returns the members as "id1 alive, id2 dead".
func states(g *gossip.Gossip) string {
	var all []string
	for _, m := range g.Members() {
		all = append(all, m.ID+" "+string(m.State))
	}
	return strings.Join(all, ", ")
}

func awaitStates(t *testing.T, g *gossip.Gossip, most time.Duration, want string) time.Duration {
	t.Helper()
	return await(t, g, most, func() bool { return states(g) == want })
}
