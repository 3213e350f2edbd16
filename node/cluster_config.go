package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/node/membership"
)

// The ports of ClusterConfig where an address names none.
const (
	DefaultClusterPort = 7101
	DefaultGossipPort  = 7102
)

// ClusterConfig makes a node one of several. The zero value is a node that is a
// cluster of its own and has neither a cluster port nor gossip. Errors speak of
// the flags of the command line, since an operator reads them.
type ClusterConfig struct {
	// Name is the node's for people, and Zone what fails together with it.
	Name, Zone string
	// Listen is the address of the cluster port, and Gossip that of gossip:
	// host:port, or a host alone. Default, where a node is one of several: the
	// host of the HTTP interface, and the host of the cluster port; ports
	// DefaultClusterPort and DefaultGossipPort.
	Listen, Gossip string
	// Advertise is the host by which others reach this node. Default: that of
	// Listen, or a private address of the machine if that says every address.
	Advertise string
	// Join are the gossip addresses of some nodes of a cluster, host:port or a
	// host alone. Names may stand for several addresses.
	Join []string
	// Bootstrap makes a new data folder the first node of a new cluster, unless
	// a cluster answers at the addresses of Join.
	Bootstrap bool
	// BootstrapExpect makes new data folders found a new cluster together, as
	// soon as so many have found each other: 1, 3 or 5.
	BootstrapExpect int
	// Replicas is how many replicas of a shard a new cluster wants: 1, 3 or 5;
	// 0: as many as its nodes allow.
	Replicas int
	// Secret is what all nodes of the cluster know and nobody else; it keeps
	// strangers out of the cluster port and of gossip.
	Secret []byte
	// TLS is the user's own certificates for the cluster port; nodes prove that
	// they know the secret beside.
	TLS *link.TLS

	// Listener stands instead of Listen, Dial reaches the cluster ports of
	// others, and GossipTransport stands instead of Gossip: for tests.
	Listener        net.Listener
	Dial            func(ctx context.Context, address string) (net.Conn, error)
	GossipTransport gossip.Transport
}

// begin says how a new data folder comes to a cluster.
func (c ClusterConfig) begin() membership.Begin {
	switch {
	case c.BootstrapExpect > 1:
		return membership.Expect
	case c.Bootstrap || c.BootstrapExpect == 1:
		return membership.Found
	case len(c.Join) > 0:
		return membership.Join
	}
	return membership.Alone
}

// Enabled reports whether the node is to be one of several.
func (c ClusterConfig) Enabled() bool {
	return c.Listen != "" || c.Listener != nil || len(c.Join) > 0 || c.Bootstrap || c.BootstrapExpect != 0
}

// WithDefaults returns the configuration with every address in full, for a node
// whose HTTP interface listens on an address.
func (c ClusterConfig) WithDefaults(api string) ClusterConfig {
	if !c.Enabled() {
		return c
	}
	host, _, _ := net.SplitHostPort(api)
	c.Listen = withPort(cmp.Or(c.Listen, net.JoinHostPort(host, strconv.Itoa(DefaultClusterPort))), DefaultClusterPort)
	if c.Gossip == "" {
		host, _, _ = net.SplitHostPort(c.Listen)
		if host == "localhost" {
			host = "127.0.0.1" // gossip listens on addresses, not on names
		}
		c.Gossip = net.JoinHostPort(host, strconv.Itoa(DefaultGossipPort))
	}
	c.Gossip = withPort(c.Gossip, DefaultGossipPort)
	join := make([]string, len(c.Join))
	for i, seed := range c.Join {
		join[i] = withPort(seed, DefaultGossipPort)
	}
	c.Join = join
	return c
}

// Validate lists every fault of a configuration with its defaults.
func (c ClusterConfig) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.Name != "" && !catalogue.ValidName(c.Name), "the node's name is %q, want 1 to %d of a-z, 0-9, '.' and '-': set --node", c.Name, catalogue.NameMax)
	fault(len(c.Zone) > catalogue.NameMax || c.Zone != "" && !catalogue.ValidName(strings.ReplaceAll(c.Zone, "_", "-")), "the zone is %q, want at most %d of a-z, 0-9, '.', '_' and '-': set --zone", c.Zone, catalogue.NameMax)
	if !c.Enabled() {
		fault(c.Gossip != "" || c.Advertise != "" || c.Secret != nil || c.TLS != nil || c.Replicas > 1,
			"there are settings of a cluster, but this node is to be alone: add --cluster-listen HOST:PORT, and --bootstrap or --join HOST for a new data folder, or leave them out")
		return errors.Join(faults...)
	}
	fault(c.Listen == "" && c.Listener == nil, "there is no address for the cluster port: add --cluster-listen HOST:PORT")
	fault(c.Bootstrap && c.BootstrapExpect > 1, "--bootstrap is one node's alone and --bootstrap-expect %d that of several together: leave one of them out", c.BootstrapExpect)
	for _, v := range []struct {
		flag  string
		value int
	}{{"--bootstrap-expect", c.BootstrapExpect}, {"--replicas", c.Replicas}} {
		fault(v.value != 0 && v.value != 1 && v.value != 3 && v.value != 5, "%s is %d, want 1, 3 or 5", v.flag, v.value)
	}
	faults = append(faults, c.checkAddresses()...)
	faults = append(faults, c.checkTrust()...)
	return errors.Join(faults...)
}

// checkAddresses lists what is wrong with where the node is reached.
func (c ClusterConfig) checkAddresses() (faults []error) {
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	addresses := []struct{ flag, address string }{{"--cluster-listen", c.Listen}, {"--gossip-listen", c.Gossip}}
	for _, a := range addresses {
		_, port, err := net.SplitHostPort(a.address)
		number, wrong := strconv.ParseUint(port, 10, 16)
		fault(a.address != "" && (err != nil || wrong != nil), "%s is %q, want an address, for example 0.0.0.0:7101", a.flag, a.address)
		fault(a.address != "" && number != 0 && c.Listen == c.Gossip && a.flag == "--gossip-listen", "--gossip-listen is %q like --cluster-listen, want another port", c.Gossip)
	}
	if host, _, err := net.SplitHostPort(c.Gossip); err == nil {
		fault(host != "" && net.ParseIP(host) == nil, "--gossip-listen is %q, want an IP address, for example 0.0.0.0:7102", c.Gossip)
	}
	if _, _, err := net.SplitHostPort(c.Advertise); c.Advertise != "" {
		fault(err == nil || strings.ContainsAny(c.Advertise, " /,"), "--advertise is %q, want a host without a port, for example 10.0.0.5", c.Advertise)
	}
	fault(len(c.Join) > gossip.SeedsMax, "--join has %d addresses, want at most %d: some nodes of the cluster are enough", len(c.Join), gossip.SeedsMax)
	for _, seed := range c.Join {
		host, port, err := net.SplitHostPort(seed)
		number, wrong := strconv.ParseUint(port, 10, 16)
		if err != nil || wrong != nil || number == 0 || host == "" || strings.ContainsAny(seed, " /,") {
			fault(true, "--join has %q, want hosts or hosts with ports, for example db1.internal,10.0.0.7:7102", seed)
			continue
		}
		fault(isLoopback(c.Listen) && c.Advertise == "" && !isLoopback(seed), "--join names %s, and this node listens for others on %s, which they cannot reach: add --cluster-listen 0.0.0.0 (or, if something forwards to it, --advertise HOST)", host, c.Listen)
	}
	return faults
}

// checkTrust lists what lets strangers in.
func (c ClusterConfig) checkTrust() (faults []error) {
	const secret = `make a secret with "stere cluster secret --out FILE", copy the file to every node and add --cluster-secret-file FILE`
	reached := func(address string) bool { return address != "" && !isLoopback(address) }
	switch {
	case len(c.Secret) > 0:
		if len(c.Secret) < link.SecretMin {
			faults = append(faults, fmt.Errorf("the cluster's secret has %d bytes, want at least %d: %s", len(c.Secret), link.SecretMin, secret))
		}
	case c.TLS == nil && c.Listener == nil && !reached(c.Listen):
		faults = append(faults, fmt.Errorf("the cluster port on %s has neither a secret nor a certificate, so every user of this machine could read and change everything without a key: %s", c.Listen, secret))
	case reached(c.Listen) && c.TLS == nil:
		faults = append(faults, fmt.Errorf("others can reach the cluster port on %s, and there is neither a secret nor a certificate, so anybody could read and change everything: %s (or listen on a loopback address)", c.Listen, secret))
	case reached(c.Gossip):
		faults = append(faults, fmt.Errorf("others can reach gossip on %s, which certificates do not protect: %s", c.Gossip, secret))
	}
	if c.TLS != nil {
		if err := c.TLS.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("certificates of the cluster port: %w: add all of --cluster-tls-cert, --cluster-tls-key and --cluster-tls-ca", err))
		}
	}
	return faults
}

// withPort adds a port to an address that has none.
func withPort(address string, port int) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	host := strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if host == "" || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return address // no address at all, which Validate says
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
