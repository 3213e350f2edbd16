package gossip

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
)

// How the protocol is tuned: an abrupt death is known everywhere after 2 to 3 s.
const (
	probeInterval    = 500 * time.Millisecond
	probeTimeout     = 250 * time.Millisecond
	suspicionMult    = 3
	gossipInterval   = 100 * time.Millisecond
	pushPullInterval = 15 * time.Second
	streamTimeout    = 5 * time.Second
	// A node that comes back with another address is believed so long after its
	// death was noticed. Whether two nodes share an id is found out by asking.
	reclaimTime = time.Second
)

// Limits that are not for tuning.
const (
	// SeedsMax is the largest number of seeds.
	SeedsMax = 64
	// MembersMax is the largest number of members that are kept, dead ones and
	// such that have left included; the oldest of these go first.
	MembersMax = 4096

	addressesMax   = 64 // of one seed's name
	skewSamples    = 9
	conflictsMax   = 64
	conflictKept   = 5 * time.Minute
	suspicionKept  = 30 * time.Second
	seedPatience   = 10 * time.Second // for seeds that are started at about the same time
	retryMin       = 500 * time.Millisecond
	retryMax       = 10 * time.Second
	healInterval   = 15 * time.Second
	updateTimeout  = time.Second
	lookupTimeout  = 5 * time.Second
	leaveLinger    = time.Second
	returnTime     = 5 * time.Minute // a member that has left is expected back; longer than an upgrade takes
	logInterval    = time.Minute
	logKindsMax    = 64
	secretKeyBytes = 32
)

// Transport carries gossip's packets and streams.
type Transport = memberlist.Transport

// Config says how gossip works. NodeID, and Bind or Transport, must be given.
type Config struct {
	// NodeID is this node's persistent id.
	NodeID string
	// Bind is the address to listen on, IP:port; port 0 takes any. Advertise
	// is the host:port that others reach this node at. Default: Bind, or a
	// private address of the machine if that says every address.
	Bind, Advertise string
	// Seeds are host:port of some other nodes.
	Seeds []string
	// SecretKey encrypts all messages: Key of the cluster's secret. Without it
	// messages are plain.
	SecretKey []byte
	// Meta is what the node says of itself at first.
	Meta Meta

	// Transport stands instead of Bind, in tests.
	Transport Transport
	// LookupHost resolves names of seeds. Default: the machine's resolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)
	// Now is the clock that is compared with the clocks of others.
	// Default: time.Now.
	Now func() time.Time
	// Logger receives what an operator should know. Default: none.
	Logger *slog.Logger
}

// Key derives the key of gossip from a cluster's secret.
func Key(secret []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "stere gossip key, AES-256, 1", secretKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive gossip key: %w", err)
	}
	return key, nil
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.NodeID == "" || len(c.NodeID) > 64 {
		fault("NodeID has %d bytes, want 1 to 64", len(c.NodeID))
	}
	if (c.Bind == "") == (c.Transport == nil) {
		fault("one of Bind and Transport must be given")
	}
	if c.Bind != "" {
		if host, _, err := splitPort(c.Bind); err != nil {
			fault("Bind: %w", err)
		} else if host != "" && net.ParseIP(host) == nil {
			fault("Bind is %q, want an IP address and a port", c.Bind)
		}
	}
	if c.Advertise != "" {
		if host, port, err := splitPort(c.Advertise); err != nil {
			fault("Advertise: %w", err)
		} else if host == "" || port == 0 {
			fault("Advertise is %q, want a host and a port", c.Advertise)
		}
	}
	if len(c.Seeds) > SeedsMax {
		fault("there are %d Seeds, want at most %d", len(c.Seeds), SeedsMax)
	}
	for _, seed := range c.Seeds {
		if host, port, err := splitPort(seed); err != nil {
			fault("Seeds: %w", err)
		} else if host == "" || port == 0 {
			fault("Seeds has %q, want a host and a port", seed)
		}
	}
	if c.SecretKey != nil && len(c.SecretKey) != secretKeyBytes {
		fault("SecretKey has %d bytes, want %d: use Key", len(c.SecretKey), secretKeyBytes)
	}
	if err := c.Meta.Validate(); err != nil {
		fault("Meta: %w", err)
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.LookupHost == nil {
		c.LookupHost = net.DefaultResolver.LookupHost
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func splitPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("address %s: the port is not a number up to 65535", address)
	}
	return host, int(n), nil
}

// library returns the library's configuration.
func (g *Gossip) library() (*memberlist.Config, error) {
	l := memberlist.DefaultLANConfig()
	l.Name = g.config.NodeID
	l.ProbeInterval, l.ProbeTimeout = probeInterval, probeTimeout
	l.SuspicionMult = suspicionMult
	l.GossipInterval = gossipInterval
	l.PushPullInterval = pushPullInterval
	l.TCPTimeout = streamTimeout
	l.DeadNodeReclaimTime = reclaimTime
	l.SecretKey = g.config.SecretKey
	l.Delegate, l.Events, l.Conflict, l.Ping, l.Alive = g, g, g, g, g
	l.Logger = newLibraryLog(g)
	l.Transport = g.config.Transport
	if g.config.Bind == "" {
		return l, nil
	}
	host, port, err := splitPort(g.config.Bind)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	l.BindAddr, l.BindPort, l.AdvertisePort = host, port, port
	if g.config.Advertise != "" {
		host, port, err := splitPort(g.config.Advertise)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		addresses, err := g.lookup(ctx, host)
		if err != nil {
			return nil, fmt.Errorf("resolve Advertise: %w", err)
		}
		l.AdvertiseAddr, l.AdvertisePort = addresses[0], port
	}
	return l, nil
}

// lookup resolves a host to at least one IP address.
func (g *Gossip) lookup(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	addresses, err := g.config.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("host %s has no address", host)
	}
	return addresses[:min(len(addresses), addressesMax)], nil
}
