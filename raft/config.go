package raft

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"

	"github.com/stere-log/stere/raft/wal"
)

// Limits that are not for tuning.
const (
	// CommandMax is the largest command in bytes.
	CommandMax = 64 << 20
	// SnapshotMax is the largest snapshot (manifest) in bytes.
	SnapshotMax = 256 << 20

	appendEntriesMax = 16      // entries that the library reads for one message, see fit
	trailingMax      = 16      // sealed entries kept for followers that are a little behind
	trailingBytesMax = 4 << 20 // bytes of these
	spaceRetry       = 100 * time.Millisecond
	stepDownWait     = 2 * time.Millisecond
	stepDownTries    = 20
	drainTimeout     = 5 * time.Second // for proposals under way at Close
	behindMax        = 64 << 20        // bytes kept for each group while a member catches up
	callsMax         = 256             // reads and changes of members under way in a group
	voterLagMax      = 1024            // entries that a learner may lack to become a voter
	silence          = 3               // election timeouts after which a member counts as away
	farewells        = 5               // times that a removed member is told
	appliedPoll      = 5 * time.Millisecond
)

// Config says how a Host works. The zero value of a field means its default;
// NodeID, FS and Dir must be given.
type Config struct {
	// NodeID is the node's persistent name, in all groups.
	NodeID string
	// FS and Dir are where the shared log is.
	FS  vfs.FS
	Dir string
	// Lanes, FileSize, Memory, Reserve, SlowDisk and Stall are those of wal.Config.
	Lanes    int
	FileSize int64
	Memory   int64
	Reserve  int64
	SlowDisk time.Duration
	Stall    time.Duration
	// ElectionTimeout is how long a member goes without a leader before it
	// wants to lead. Default 500 ms, at least 20 ms.
	ElectionTimeout time.Duration
	// CommitTimeout is how long a follower of an idle group may lag behind.
	// Default 200 ms.
	CommitTimeout time.Duration
	// InFlight and InFlightBytes bound the proposals of a group that are
	// neither applied nor refused. Defaults 256 and 64 MiB.
	InFlight      int
	InFlightBytes int64
	// NetworkTimeout is how long a message may make no progress, or wait for
	// its answer, before its connection counts as broken. Default ten times
	// ElectionTimeout.
	NetworkTimeout time.Duration
	// Streams connects a group with its members on other nodes. Default: none,
	// for groups of one.
	Streams func(group uint32) (Streams, error)
	// OnFatal is called once when the log can no longer be trusted; the
	// process must end. It must not call back.
	OnFatal func(error)
	// Logger receives what an operator should know. Default: none.
	Logger *slog.Logger
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.NodeID == "" {
		faults = append(faults, errors.New("NodeID is missing"))
	}
	if c.ElectionTimeout != 0 && c.ElectionTimeout < 20*time.Millisecond {
		faults = append(faults, fmt.Errorf("ElectionTimeout is %v, want at least 20ms", c.ElectionTimeout))
	}
	if c.CommitTimeout != 0 && c.CommitTimeout < time.Millisecond {
		faults = append(faults, fmt.Errorf("CommitTimeout is %v, want at least 1ms", c.CommitTimeout))
	}
	if c.NetworkTimeout < 0 {
		faults = append(faults, fmt.Errorf("NetworkTimeout is %v, want 0 or more", c.NetworkTimeout))
	}
	if c.InFlight < 0 {
		faults = append(faults, fmt.Errorf("InFlight is %d, want 0 or more", c.InFlight))
	}
	if c.InFlightBytes < 0 {
		faults = append(faults, fmt.Errorf("InFlightBytes is %d, want 0 or more", c.InFlightBytes))
	}
	return errors.Join(append(faults, c.wal().Validate())...)
}

func (c Config) withDefaults() Config {
	if c.ElectionTimeout == 0 {
		c.ElectionTimeout = 500 * time.Millisecond
	}
	if c.CommitTimeout == 0 {
		c.CommitTimeout = 200 * time.Millisecond
	}
	if c.InFlight == 0 {
		c.InFlight = 256
	}
	if c.InFlightBytes == 0 {
		c.InFlightBytes = 64 << 20
	}
	if c.NetworkTimeout == 0 {
		c.NetworkTimeout = 10 * c.ElectionTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) wal() wal.Config {
	return wal.Config{
		FS: c.FS, Dir: c.Dir, Lanes: c.Lanes, FileSize: c.FileSize, Memory: c.Memory,
		Reserve: c.Reserve, SlowDisk: c.SlowDisk, Stall: c.Stall, OnFatal: c.OnFatal, Logger: c.Logger,
	}
}

// library returns the options of the library for a group.
func (c Config) library(group uint32) *hraft.Config {
	r := hraft.DefaultConfig()
	r.LocalID = hraft.ServerID(c.NodeID)
	r.HeartbeatTimeout = c.ElectionTimeout
	r.ElectionTimeout = c.ElectionTimeout
	r.LeaderLeaseTimeout = c.ElectionTimeout / 2
	r.CommitTimeout = c.CommitTimeout
	// The library bounds messages by count alone.
	r.MaxAppendEntries = appendEntriesMax
	r.BatchApplyCh = true // group commit
	// Snapshots are virtual: none is taken, none is loaded, and what one
	// replaces leaves the log at once.
	r.SnapshotThreshold = math.MaxUint64
	r.SnapshotInterval = 24 * time.Hour
	r.NoSnapshotRestoreOnStart = true
	r.TrailingLogs = 0
	// It forgets the membership and can hang the start.
	r.RestoreCommittedLogs = false
	r.NoLegacyTelemetry = true
	// A leader that removes itself must still answer the one who asked for it.
	r.ShutdownOnRemove = false
	r.Logger = newLogger(c.Logger.With("group", group))
	return r
}
