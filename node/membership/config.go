package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/storage/engine"
)

// Begin is how a node that belongs to no cluster yet comes to one.
type Begin uint8

// The ways.
const (
	Alone  Begin = iota // it begins one of its own, since nothing else was said
	Join                // it asks members that gossip knows
	Expect              // it begins one together with others, whoever has the lowest id
	Found               // it begins one, unless one answers at its seeds
)

// Port is how the other nodes reach this one.
type Port struct {
	Listen   string       // address of the cluster port
	Listener net.Listener // instead of Listen
	Dial     func(ctx context.Context, address string) (net.Conn, error)
	// Gossip is the address of gossip, IP:port; Transport stands instead of it.
	Gossip    string
	Transport gossip.Transport
	Advertise string   // host that others reach this node at; default: found out
	Seeds     []string // host:port of others' gossip
	Secret    []byte
	TLS       *link.TLS
}

// AdminKey is the cluster's administrator key, as far as this node has it.
type AdminKey interface {
	// Key returns the key, "" if it is not known.
	Key() string
	// Make makes a new key for a new cluster, unless there is one.
	Make() error
	// Take keeps the key of the cluster that was joined.
	Take(key string) error
}

// Config of a Membership. NodeID, FS, Dir and API must be given.
type Config struct {
	NodeID  string
	Name    string // for people; default: the node's id
	Zone    string
	Version string
	Formats catalogue.Formats
	API     net.Addr // of the HTTP interface, as it listens

	FS  engine.FS
	Dir string // data folder: the catalogue is saved in a file there

	Begin    Begin
	Expected int // with Expect: how many nodes, this one included
	Shards   int // of a new cluster
	// SaveBytes is that of the catalogue's Config.
	SaveBytes int
	Replicas  int // wanted of each shard, of a new cluster; 0: as many as come to be useful

	Port *Port    // nil: none
	Key  AdminKey // nil: none

	// Load says what gossip tells of the node from time to time.
	Load   func() gossip.Meta
	Logger *slog.Logger
	Now    func() time.Time
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(!catalogue.ValidID(c.NodeID), "NodeID is %q, want 16 hex digits", c.NodeID)
	fault(c.Name != "" && !catalogue.ValidName(c.Name), "Name is %q, want 1 to %d of a-z, 0-9, '.' and '-'", c.Name, catalogue.NameMax)
	fault(c.FS == nil || c.Dir == "" || c.API == nil, "FS, Dir or API is missing")
	fault(c.Begin != Alone && c.Port == nil, "joining needs a cluster port")
	fault(c.Begin == Expect && c.Expected < 1, "Expected is %d, want 1 or more", c.Expected)
	fault(c.Replicas != 0 && c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5, "Replicas is %d, want 1, 3 or 5", c.Replicas)
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = c.NodeID
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Load == nil {
		c.Load = func() gossip.Meta { return gossip.Meta{} }
	}
	return c
}
