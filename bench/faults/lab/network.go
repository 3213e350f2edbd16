package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"time"
)

// Host is one machine as a node sees it.
type Host struct {
	Name string
	// Address is what the others reach it by.
	Address string
	// Namespace is the path of its network namespace. Empty means that of this
	// process.
	Namespace string
}

// Dial connects from inside of the host, whatever has become of its links.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if h.Namespace == "" {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	return dialInside(ctx, h.Namespace, network, address)
}

// Network is hosts and the links between them. All links begin whole.
type Network struct {
	Hosts []*Host
	// Kind says what the links are: "linkd", "bridge" or "loopback".
	Kind string

	links links
}

// links is what differs between kinds of networks.
type links interface {
	// partition lets hosts reach those of their own group alone.
	partition(groups []int) error
	// block stops what goes from one host to another.
	block(from, to int) error
	// slow delays and loses what one host sends and gets.
	slow(host int, delay time.Duration, loss float64) error
	heal() error
	close() error
}

// Partition lets hosts reach those alone whose number is the same.
func (n *Network) Partition(groups []int) error { return n.links.partition(groups) }

// Block stops what goes from one host to another; the way back stays.
func (n *Network) Block(from, to int) error { return n.links.block(from, to) }

// Slow delays what the host sends and gets, each, and loses a share of it.
func (n *Network) Slow(host int, delay time.Duration, loss float64) error {
	return n.links.slow(host, delay, loss)
}

// Heal makes all links whole.
func (n *Network) Heal() error { return n.links.heal() }

// Close takes the network away.
func (n *Network) Close() error { return n.links.close() }

// NewNetwork makes hosts in namespaces of their own where this machine can, and
// else on loopback addresses. linkd is a program that forwards between
// namespaces and can delay and lose; without one the links are bridges, which
// can only be cut. why says why it is not what it could be.
func (l *Lab) NewNetwork(hosts int, linkd string, seed uint64) (n *Network, why string, err error) {
	names := make([]string, hosts)
	for i := range names {
		// Names of links have at most 15 bytes, linkd puts three before these.
		names[i] = "sf" + l.id + "-" + strconv.Itoa(i+1)
	}
	n, err = l.namespaces(names, linkd, seed)
	if err == nil {
		if n.Kind == "bridge" {
			why = "no linkd: links can be cut, not slowed down, and not one way"
		}
		return n, why, nil
	}
	if !errors.Is(err, ErrSkip) {
		return nil, "", err
	}
	return Loopback(hosts), err.Error(), nil
}

// Loopback is hosts whose links cannot be touched.
func Loopback(hosts int) *Network {
	n := &Network{Kind: "loopback", links: wholeLinks{}}
	for i := range hosts {
		address := "127.0.0.1"
		if runtime.GOOS == "linux" { // all of 127.0.0.0/8 is there
			address = "127.0.0." + strconv.Itoa(11+i)
		}
		n.Hosts = append(n.Hosts, &Host{Name: "h" + strconv.Itoa(i+1), Address: address})
	}
	return n
}

// wholeLinks are links that stay whole.
type wholeLinks struct{}

func (wholeLinks) no() error {
	return fmt.Errorf("%w: links on loopback cannot be touched", ErrSkip)
}
func (w wholeLinks) partition([]int) error                  { return w.no() }
func (w wholeLinks) block(int, int) error                   { return w.no() }
func (w wholeLinks) slow(int, time.Duration, float64) error { return w.no() }
func (wholeLinks) heal() error                              { return nil }
func (wholeLinks) close() error                             { return nil }
