package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Limits that are not for tuning.
const (
	// SecretMin is the least number of bytes of a secret.
	SecretMin = 16
	// NodeIDMax is the most bytes of a node id, and of a cluster id.
	NodeIDMax = 64

	reasonMax      = 256 // bytes of text that come with a refusal
	peersLoggedMax = 256 // addresses of which refusals are counted apart
	logInterval    = time.Minute
	acceptRetryMax = time.Second
	lingerTime     = time.Second // for reading what a refused peer still sends
	lingerBytes    = 32 << 10
	keepAlive      = 15 * time.Second
)

// Defaults of Config.
const (
	DefaultConnections      = 4096
	DefaultHandshakes       = 512
	DefaultHandshakesOfOne  = 128
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultAcceptQueue      = 64
)

// Config says how a Link works. The zero value of a field means its default;
// NodeID, Resolve and one of Listener and Listen must be given.
type Config struct {
	// NodeID is this node's persistent id.
	NodeID string
	// Cluster is the id that both sides of a connection must share. It may be
	// empty until it is known (Link.SetCluster); then it is not compared.
	Cluster string

	// Listen is the address of the cluster port; Listener stands instead of it.
	Listen   string
	Listener net.Listener
	// Dial connects to an address. Default: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Resolve returns the address of a node's cluster port.
	Resolve func(nodeID string) (address string, ok bool)

	// Secret is the cluster's secret, at least SecretMin bytes. Without it and
	// without TLS connections are plain and nobody proves anything.
	Secret []byte
	// TLS is the user's own certificates. With a secret, too, both sides prove
	// that they know it as well.
	TLS *TLS

	// Connections is how many connections of peers are open at most.
	Connections int
	// Handshakes is how many of peers that have not proven anything yet are
	// open at most; HandshakesOfOne how many of these have the same address.
	Handshakes      int
	HandshakesOfOne int
	// HandshakeTimeout is how long proving may take, on both sides.
	HandshakeTimeout time.Duration
	// AcceptQueue is how many connections wait until a group, or the server of
	// calls, accepts them.
	AcceptQueue int

	// Logger receives what an operator should know. Default: none.
	Logger *slog.Logger
	// Now is the clock for certificates and for the pace of log lines.
	// Default: time.Now.
	Now func() time.Time
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !validID(c.NodeID) {
		fault("NodeID is %q, want 1 to %d letters, digits, dots, dashes or underscores", c.NodeID, NodeIDMax)
	}
	if c.Cluster != "" && !validID(c.Cluster) {
		fault("Cluster is %q, want nothing or up to %d letters, digits, dots, dashes or underscores", c.Cluster, NodeIDMax)
	}
	if (c.Listen == "") == (c.Listener == nil) {
		fault("one of Listen and Listener must be given")
	}
	if c.Resolve == nil {
		fault("Resolve is missing")
	}
	if c.Secret != nil && len(c.Secret) < SecretMin {
		fault("Secret has %d bytes, want at least %d", len(c.Secret), SecretMin)
	}
	if c.TLS != nil {
		faults = append(faults, c.TLS.Validate())
	}
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"Connections", c.Connections}, {"Handshakes", c.Handshakes},
		{"HandshakesOfOne", c.HandshakesOfOne}, {"AcceptQueue", c.AcceptQueue},
	} {
		if limit.value < 0 {
			fault("%s is %d, want 0 or more", limit.name, limit.value)
		}
	}
	if c.HandshakeTimeout < 0 {
		fault("HandshakeTimeout is %v, want 0 or more", c.HandshakeTimeout)
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	for _, limit := range []struct {
		value   *int
		without int
	}{
		{&c.Connections, DefaultConnections}, {&c.Handshakes, DefaultHandshakes},
		{&c.HandshakesOfOne, DefaultHandshakesOfOne}, {&c.AcceptQueue, DefaultAcceptQueue},
	} {
		if *limit.value == 0 {
			*limit.value = limit.without
		}
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if c.Dial == nil {
		dialer := &net.Dialer{KeepAlive: keepAlive}
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// validID reports whether s can be the id of a node or a cluster: what can
// stand in a certificate's name, in a log line and in a host header.
func validID(s string) bool {
	if len(s) == 0 || len(s) > NodeIDMax {
		return false
	}
	for _, b := range []byte(s) {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '.', b == '-', b == '_':
		default:
			return false
		}
	}
	return true
}
