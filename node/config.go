package node

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/node/alert"
	"github.com/stere-log/stere/node/learn"
	"github.com/stere-log/stere/node/membership"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/redact"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/engine"
)

// Defaults of Config.
const (
	DefaultListen          = "127.0.0.1:7100"
	DefaultShards          = 2
	DefaultReserveBytes    = 512 << 20
	DefaultReserveShare    = 50      // the reserve is at most 1/50 of the disk
	DefaultLogMemory       = 2 << 20 // only members that lag behind read what is in it
	DefaultShutdownTimeout = 30 * time.Second
	DefaultSlowDisk        = 10 * time.Second
	diskInterval           = time.Second
	refusalLooks           = 3 // looks at the disk for which it is full when the log found no space
	failureGrace           = 2 * time.Second
	saveInterval           = 10 * time.Second
	usesInterval           = 10 * time.Minute // between two changes of the catalogue because of keys in use
	handOverTimeout        = 3 * time.Second
	countsGrace            = 5 * time.Second // to write down what was counted and done, at the end
	leaderPatience         = 5 * time.Second // for a leader of a shard, before a node is ready without
)

// ShardsMax is the largest number of shards of a node.
const ShardsMax = 256

// Config of a node. The zero value of a field means its default; DataDir must
// be given.
type Config struct {
	DataDir string
	FS      engine.FS // default: the machine's file system

	// EncryptionKeys reads the master keys with which what is on the disk is
	// encrypted, at the start and at each rotation; nil: it is not encrypted.
	EncryptionKeys func() (*encryption.Masters, error)

	// TenantKeys keeps the segments of each tenant in files with keys of their own, so
	// that what was removed of a tenant cannot be read in any copy of the files.
	TenantKeys bool

	Listen   string       // address of the HTTP interface; default 127.0.0.1:7100
	Listener net.Listener // instead of Listen, e.g. for tests

	// Shards is how many shards a new cluster gets; an existing one keeps its
	// number. Default DefaultShards, and DefaultShards for each node that is
	// expected to begin it.
	Shards int

	// Healing says how the cluster looks after itself; its Cluster, Logger and
	// Now are set by the node.
	Healing heal.Config
	// Cluster makes the node one of several. Default: it is alone.
	Cluster ClusterConfig

	// ReserveBytes is how much disk stays free: below it, ingest is refused.
	// Default 512 MiB or 2 % of the disk, whichever is less.
	ReserveBytes int64

	// MemoryBytes is about how much memory the node takes at most; default
	// DefaultMemory. The caches below, the limits of API on bodies and records
	// and the size of heads that is sealed get their shares of it, unless they
	// are set.
	MemoryBytes       int64
	BlockCacheBytes   int64 // blocks of the store in memory
	SegmentCacheBytes int64 // decoded pages of segments in memory
	HeadCacheBytes    int64 // decoded blocks of heads in memory

	LogLanes        int           // files that the shards' log is written to in parallel; 0: the log's choice
	LogFileBytes    int64         // at which a new file of the log is begun; 0: the log's choice
	LogMemoryBytes  int64         // newest log entries kept in memory, per lane; default 2 MiB
	SlowDisk        time.Duration // a write that takes longer ends the node; default 10 s
	ShutdownTimeout time.Duration // for requests under way when the node stops; default 30 s

	// CatalogueSaveBytes is how much log the catalogue has at most; 0: its choice.
	CatalogueSaveBytes int

	// Replica holds when heads are sealed; its Env, Storage.Shard, Logger,
	// Building, Pace, Logged and Room are set by the node.
	Replica replica.Config
	Ingest  ingest.Config
	Query   query.Config
	// API holds the limits of the HTTP interface; its Writer, Engine, Auth,
	// Cluster, Decode.Redact, Flush, Status, Logger, LogLevel and Metrics are set by the node.
	API api.Config
	// Redaction says what is taken out of records before anything of them is
	// stored. All nodes of a cluster need the same.
	Redaction redact.Config

	// Limits are those of requests.
	Limits limits.Config
	// Usage has what tenants use counted and written down, Audit who does what, in
	// tenants of the cluster's own. Settings are what the trail says that the node runs
	// with: nothing secret.
	Usage, Audit bool
	Settings     map[string]string

	// LearnInterval is how often patterns are learned; default learn.DefaultInterval,
	// below 0 never.
	LearnInterval time.Duration
	// EraseInterval is how often it is looked what is to be deleted; default
	// erase.DefaultInterval, below 0: never.
	EraseInterval time.Duration

	// Alerts is how rules are looked at and others are told.
	Alerts alert.Settings

	// AdminKey is the cluster's administrator key, which a node that joins is
	// told; nil where there is none.
	AdminKey membership.AdminKey
	Auth     *auth.Authenticator // nil lets everybody do everything: loopback only
	Logger   *slog.Logger        // default: discard
	LogLevel *slog.LevelVar      // of Logger, for changing it at run time
	Metrics  *metrics.Set        // default: a new set
	Now      func() time.Time    // default: time.Now
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.DataDir == "", "DataDir is missing")
	fault(c.Shards < 0 || c.Shards > ShardsMax, "Shards is %d, want 1 to %d", c.Shards, ShardsMax)
	for _, v := range []struct {
		name  string
		value int64
	}{{"ReserveBytes", c.ReserveBytes}, {"MemoryBytes", c.MemoryBytes}, {"BlockCacheBytes", c.BlockCacheBytes}, {"SegmentCacheBytes", c.SegmentCacheBytes}, {"HeadCacheBytes", c.HeadCacheBytes},
		{"LogLanes", int64(c.LogLanes)}, {"LogFileBytes", c.LogFileBytes}, {"CatalogueSaveBytes", int64(c.CatalogueSaveBytes)}, {"LogMemoryBytes", c.LogMemoryBytes}, {"SlowDisk", int64(c.SlowDisk)},
		{"ShutdownTimeout", int64(c.ShutdownTimeout)}} {
		fault(v.value < 0, "%s is %d, want 0 (default) or more", v.name, v.value)
	}
	if c.Listener == nil && c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			faults = append(faults, fmt.Errorf("Listen is %q: %w", c.Listen, err))
		}
	}
	fault(c.Auth == nil && c.Listener == nil && !isLoopback(c.withDefaults().Listen),
		"Listen is %q, which others can reach, and there is no authentication", c.Listen)
	cluster := c.Cluster.WithDefaults(c.withDefaults().Listen)
	for _, nested := range []interface{ Validate() error }{c.Ingest, c.Query, c.Replica.Storage, cluster, c.Redaction, c.Limits} {
		if err := nested.Validate(); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, DefaultListen)
	c.Cluster = c.Cluster.WithDefaults(c.Listen)
	c.Shards = cmp.Or(c.Shards, DefaultShards*max(c.Cluster.BootstrapExpect, 1))
	c.shareMemory()
	c.LogMemoryBytes = cmp.Or(c.LogMemoryBytes, DefaultLogMemory)
	c.SlowDisk = cmp.Or(c.SlowDisk, DefaultSlowDisk)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	c.LearnInterval = cmp.Or(c.LearnInterval, learn.DefaultInterval)
	if c.FS == nil {
		c.FS = engine.DiskFS()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.LogLevel == nil {
		c.LogLevel = new(slog.LevelVar)
	}
	if c.Metrics == nil {
		c.Metrics = metrics.NewSet()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Ingest.Now == nil {
		c.Ingest.Now = c.Now
	}
	if c.Query.Now == nil {
		c.Query.Now = c.Now
	}
	return c
}

// shardConfig is the configuration of one of a number of replicas, without
// what it shares.
func (c Config) shardConfig(env storage.Env, shard uint32, shards int) replica.Config {
	r := c.Replica
	r.SealBytes = cmp.Or(r.SealBytes, c.sealBytes(shards))
	r.Env, r.Logger = env, c.Logger
	r.Storage.Shard = shardID(shard)
	r.Now = func() int64 { return c.Now().UnixNano() }
	return r
}
