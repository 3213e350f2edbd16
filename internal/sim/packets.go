package sim

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// Packets is a port for packets and for streams: what gossip needs. The host's
// name must be an IP address.
type Packets struct {
	host     *Host
	address  addr
	received chan *memberlist.Packet
	streams  chan net.Conn
	listener *listener
	done     chan struct{} // closed when the goroutine has ended
}

var _ memberlist.Transport = (*Packets)(nil)

// Packets opens a port.
func (h *Host) Packets(port int) (*Packets, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	l, err := h.listen(port)
	if err != nil {
		return nil, err
	}
	p := &Packets{
		host: h, address: addr{h.name, port}, listener: l,
		received: make(chan *memberlist.Packet, packetsMax), streams: make(chan net.Conn), done: make(chan struct{}),
	}
	h.packets[port] = p
	go p.accept()
	return p, nil
}

func (p *Packets) accept() {
	defer close(p.done)
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		select {
		case p.streams <- c:
		case <-p.listener.closed:
			_ = c.Close() // never fails
			return
		}
	}
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (p *Packets) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	ip := net.ParseIP(p.address.host)
	if ip == nil {
		return nil, 0, fmt.Errorf("host %s is not an IP address", p.address.host)
	}
	if four := ip.To4(); four != nil {
		ip = four
	}
	return ip, p.address.port, nil
}

// WriteTo implements memberlist.Transport.
func (p *Packets) WriteTo(b []byte, address string) (time.Time, error) {
	now := time.Now()
	to, err := parseAddr(address)
	if err != nil {
		return now, err
	}
	n := p.host.n
	n.mu.Lock()
	defer n.mu.Unlock()
	link := n.link(p.address.host, to.host)
	if p.host.down || link.Cut || link.Mute || link.Loss > 0 && n.rng.Float64() < link.Loss {
		return now, nil
	}
	packet := &memberlist.Packet{Buf: bytes.Clone(b), From: p.address}
	if delay := n.delay(link, len(b)); delay > 0 {
		time.AfterFunc(delay, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.deliver(packet, to)
		})
	} else {
		n.deliver(packet, to)
	}
	return now, nil
}

// mute reports whether what two hosts say by Packets does not arrive, in a direction.
func (n *Network) mute(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.link(a, b).Mute || n.link(b, a).Mute
}

// deliver is called with mu held.
func (n *Network) deliver(packet *memberlist.Packet, to addr) {
	target := n.hosts[to.host]
	if target == nil || target.packets[to.port] == nil {
		return
	}
	packet.Timestamp = time.Now()
	select {
	case target.packets[to.port].received <- packet:
	default: // a full buffer loses packets
	}
}

// PacketCh implements memberlist.Transport.
func (p *Packets) PacketCh() <-chan *memberlist.Packet { return p.received }

// DialTimeout implements memberlist.Transport.
func (p *Packets) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if to, err := parseAddr(address); err == nil && p.host.n.mute(p.address.host, to.host) {
		<-ctx.Done()
		return nil, fmt.Errorf("dial %s: %w", address, ctx.Err())
	}
	return p.host.Dial(ctx, address)
}

// StreamCh implements memberlist.Transport.
func (p *Packets) StreamCh() <-chan net.Conn { return p.streams }

// Shutdown implements memberlist.Transport.
func (p *Packets) Shutdown() error {
	p.host.n.mu.Lock()
	if p.host.packets[p.address.port] == p {
		delete(p.host.packets, p.address.port)
	}
	p.host.n.mu.Unlock()
	err := p.listener.Close()
	<-p.done
	return err
}
