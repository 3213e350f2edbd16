package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/node/alert"
	"github.com/stere-log/stere/node/directory"
	"github.com/stere-log/stere/node/encrypt"
	"github.com/stere-log/stere/node/enrich"
	"github.com/stere-log/stere/node/erase"
	"github.com/stere-log/stere/node/follow"
	"github.com/stere-log/stere/node/learn"
	"github.com/stere-log/stere/node/limits"
	"github.com/stere-log/stere/node/membership"
	"github.com/stere-log/stere/node/operator"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/node/replicas"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/tail"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/redact"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment"
)

// Node is one running node.
type Node struct {
	cfg      Config
	logger   *slog.Logger
	identity identity
	started  time.Time

	lock      io.Closer
	encrypted *encryption.FS // nil: what is on disk is not encrypted
	store     *engine.Engine
	cache     *segment.Cache
	heads     *storage.HeadCache
	bodies    block.BodyPool // of heads that are sealed
	host      *raft.Host
	members   *membership.Membership
	replicas  *replicas.Set
	healer    *heal.Controller
	leaders   leaders
	learner   *learn.Learner
	models    *operator.Models
	eraser    *erase.Eraser
	keeper    *encrypt.Keeper
	watcher   *alert.Watcher
	formatOf  atomic.Pointer[formatOf]
	logged    replica.Counter // bytes proposed by all replicas
	disk      *diskWatch
	shedding  shedding
	writer    *ingest.Writer
	engine    *query.Engine
	enrich    *enrich.Store
	follow    *follow.Shards
	tails     *tail.Hub
	limits    *limits.Parts
	api       *api.Server
	redactor  *redact.Redactor // what the settings say
	listener  net.Listener

	opened  chan struct{} // closed when the replicas that the catalogue gives the node are open
	ready   chan struct{} // closed when the node can serve
	failed  chan struct{} // closed when fatal is set
	fatal   atomic.Pointer[error]
	closing sync.Once
	closed  error
}

// New opens the data folder and everything in it and starts to listen; it
// serves nothing before Run.
func New(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure node: %w", err)
	}
	cfg = cfg.withDefaults()
	n := &Node{
		cfg: cfg, logger: cfg.Logger, started: cfg.Now(), listener: cfg.Listener,
		opened: make(chan struct{}), ready: make(chan struct{}), failed: make(chan struct{}),
	}
	for _, step := range []func(context.Context) error{n.openFolder, n.listen, n.openStore, n.openCluster, n.openShards, n.openPaths} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	n.register(cfg.Metrics)
	return n, nil
}

// openFolder takes the data folder for this process.
func (n *Node) openFolder(context.Context) (err error) {
	if err := engine.MakeDir(n.cfg.FS, n.cfg.DataDir); err != nil {
		return err
	}
	if n.lock, err = engine.LockDir(n.cfg.FS, n.cfg.DataDir); err != nil {
		return err
	}
	if err := n.openEncryption(); err != nil {
		return err
	}
	n.disk = &diskWatch{fs: n.cfg.FS, dir: n.cfg.DataDir, reserve: n.cfg.ReserveBytes, logger: n.logger, filled: make(chan struct{}, 1)}
	n.disk.look()
	n.identity, err = loadIdentity(n.cfg.FS, n.cfg.DataDir, n.cfg.Shards)
	return err
}

// openEncryption puts the encryption under everything that is opened after it.
func (n *Node) openEncryption() (err error) {
	fs, dir := n.cfg.FS, n.cfg.DataDir
	if n.cfg.EncryptionKeys == nil {
		if encryption.Exists(fs, dir) {
			return fmt.Errorf("open %s: %w; start the node with encryption-key-file, as before", dir, encryption.ErrNoKey)
		}
		return nil
	}
	n.encrypted, err = encryption.Open(encryption.Config{FS: fs, Dir: dir, Files: append([]string{identityName, fs.PathJoin(storeName, engine.BallastName)}, membership.Files()...), Keys: n.cfg.EncryptionKeys, Now: n.cfg.Now})
	if err == nil {
		n.cfg.FS = n.encrypted
	}
	return err
}

func (n *Node) openStore(context.Context) (err error) {
	n.cache = segment.NewCache(n.cfg.SegmentCacheBytes)
	n.store, err = engine.Open(engine.Config{
		FS: n.cfg.FS, Dir: n.cfg.FS.PathJoin(n.cfg.DataDir, storeName), CacheBytes: n.cfg.BlockCacheBytes,
		DiskSlow: n.cfg.SlowDisk, Logger: n.logger, OnFatal: n.fail,
	})
	return err
}

// openCluster takes the ports for other nodes.
func (n *Node) openCluster(context.Context) (err error) {
	c := n.cfg.Cluster
	cfg := membership.Config{
		NodeID: n.identity.Node, Name: c.Name, Zone: c.Zone, Version: n.cfg.API.Version, Formats: formats(), API: n.listener.Addr(),
		FS: n.cfg.FS, Dir: n.cfg.DataDir, Begin: c.begin(), Expected: c.BootstrapExpect, Shards: n.identity.Shards, Replicas: c.Replicas, SaveBytes: n.cfg.CatalogueSaveBytes,
		Key: n.cfg.AdminKey, Load: n.load, Logger: n.logger, Now: n.cfg.Now,
	}
	if c.Enabled() {
		cfg.Port = &membership.Port{
			Listen: c.Listen, Listener: c.Listener, Dial: c.Dial, Gossip: c.Gossip, Transport: c.GossipTransport,
			Advertise: c.Advertise, Seeds: c.Join, Secret: c.Secret, TLS: c.TLS,
		}
		if c.Listener != nil {
			cfg.Port.Listen = ""
		}
		if c.GossipTransport != nil {
			cfg.Port.Gossip = ""
		}
	}
	n.members, err = membership.Open(cfg)
	return err
}

// openShards opens the replicas that are stored here and starts their logs,
// which replay.
func (n *Node) openShards(ctx context.Context) (err error) {
	n.host, err = raft.Open(raft.Config{
		NodeID: n.identity.Node, FS: n.cfg.FS, Dir: n.cfg.FS.PathJoin(n.cfg.DataDir, logName),
		Lanes: n.cfg.LogLanes, FileSize: n.cfg.LogFileBytes, Memory: n.cfg.LogMemoryBytes, SlowDisk: n.cfg.SlowDisk, Logger: n.logger, OnFatal: n.fail,
		Streams: n.members.Streams(),
	})
	if err != nil {
		return err
	}
	if err := n.members.Start(n.host); err != nil {
		return err
	}
	n.heads = storage.NewHeadCache(n.cfg.HeadCacheBytes)
	n.enrich = &enrich.Store{State: n.members.State, Change: n.Directory().Change}
	env := n.env()
	building, pace, logged, tell := make(chan struct{}, 1), new(replica.Pace), &n.logged, oneByOne(func(ctx context.Context, tenant model.TenantID, p part.Part) error {
		return derived.Tell(ctx, p, n.enrich.Words(tenant))
	})
	fetching, scrubbing := replica.NewLimiter(replica.DefaultFetchBytesPerSecond), replica.NewLimiter(replica.DefaultScrubBytesPerSecond)
	cleaning := replica.NewLimiter(replica.DefaultCleanBytesPerSecond)
	n.replicas, err = replicas.Open(ctx, replicas.Config{
		Self: n.identity.Node, Host: n.host, Logger: n.logger,
		Replica: func(shard uint32) replica.Config {
			here := max(len(n.members.State().ReplicasOn(n.identity.Node)), n.identity.Shards)
			cfg := n.cfg.shardConfig(env, shard, here)
			cfg.Building, cfg.Pace, cfg.Logged, cfg.Room, cfg.Tell = building, pace, logged, n.disk.room, tell
			cfg.Storage.Beforehand = derived.ToldName
			cfg.Fetching, cfg.Scrubbing, cfg.Cleaning = fetching, scrubbing, cleaning
			cfg.Storage.Alone = func() bool { return n.alone(shard) }
			if n.members.Clustered() {
				cfg.Peers = peers{n}
			}
			return cfg
		},
		Beside: n.drive,
		Replayed: func(ctx context.Context, group *raft.Group) error {
			if n.members.Clustered() {
				return nil // see catchUp
			}
			return n.replay(ctx, group)
		},
		Destroy: func(ctx context.Context, shard model.ShardID) error { return storage.Destroy(ctx, env, shard) },
		Stored:  func() ([]model.ShardID, error) { return storage.Shards(env) },
	})
	return err
}

// oneByOne lets the replicas of a node do something with one part after the other: it
// takes memory.
func oneByOne(do func(context.Context, model.TenantID, part.Part) error) func(context.Context, model.TenantID, part.Part) error {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, tenant model.TenantID, p part.Part) error {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-turn }()
		return do(ctx, tenant, p)
	}
}

// env is what the shards share.
func (n *Node) env() storage.Env {
	return storage.Env{
		Engine: n.store, Cache: n.cache, Heads: n.heads, Logger: n.logger, Query: query.Condition,
		Apart:          n.encrypted != nil && n.cfg.TenantKeys,
		SegmentVersion: n.segmentVersion, Bodies: &n.bodies,
	}
}

// replica returns the replica here of a shard, nil if there is none.
func (n *Node) replica(id model.ShardID) *replica.Replica {
	if one := n.replicas.Get(id); one != nil {
		return one.Replica
	}
	return nil
}

// alone reports whether no other node has, or is to have, a replica of a shard.
func (n *Node) alone(shard uint32) bool {
	if !n.members.Clustered() {
		return true
	}
	all := n.members.State().Shards[shard].Replicas
	return len(all) == 1 && all[0].Node == n.identity.Node
}

// CacheBytes returns how much the caches of segments and heads hold.
func (n *Node) CacheBytes() int64 {
	_, _, bytes := n.cache.Stats()
	return bytes + n.heads.Bytes()
}

// Rest gives up what the caches need not keep while nothing is asked of the node, and
// returns how many bytes that is.
func (n *Node) Rest() int64 { return n.cache.Rest() }

// openPaths connects the way in and the way out.
func (n *Node) openPaths(context.Context) (err error) {
	way := n.cfg.Ingest
	way.BlockVersion = n.blockVersion
	n.writer = ingest.NewWriter(n, way)
	config := n.cfg.Query
	config.Version = cmp.Or(config.Version, n.cfg.API.Version)
	config.Lookups, config.Words = n.enrich, n.enrich.Words
	n.engine = query.New(n, config)
	n.learner = &learn.Learner{Config: learn.Config{
		Interval: n.cfg.LearnInterval, Engine: n.engine, State: n.members.State, Leads: func() bool { return n.isReady() && n.members.Leads() },
		Propose: n.members.Propose, Logger: n.logger, Now: n.cfg.Now,
	}}
	n.eraser = &erase.Eraser{Config: erase.Config{
		Interval: n.cfg.EraseInterval, Shards: erasing{n}, Engine: n.engine, State: n.members.State,
		Leads: func() bool { return n.isReady() && n.members.Leads() }, Propose: n.members.Propose, Logger: n.logger, Now: n.cfg.Now, Clock: n.clusterTime,
	}}
	n.openLimits()
	n.models = &operator.Models{State: n.members.State, Propose: n.members.Propose}
	n.watcher = alert.New(n.alerts())
	n.follow = follow.New(follow.Config{
		Self: n.identity.Node, Engine: n.engine, Serving: n.serving, ShardsOf: n.readShardsOf, Replica: n.replica,
		Leader: func(id model.ShardID) string { return n.leaderOf(id, "") }, Holders: n.holders, Peers: n.members.Peers,
	})
	n.tails = tail.NewHub(tail.Config{Shards: n.follow, Engine: n.engine, Now: n.cfg.Now})
	healing := n.cfg.Healing
	healing.Cluster, healing.Logger, healing.Now = n.Cluster(), n.logger, n.cfg.Now
	if n.healer, err = heal.New(healing); err != nil {
		return err
	}
	cfg := n.cfg.API
	cfg.Tails = n.tails
	if err := n.openRedaction(&cfg); err != nil {
		return err
	}
	cfg.Writer, cfg.Engine, cfg.Auth, cfg.Flush, cfg.Status = n.writer, n.engine, n.cfg.Auth, n.FlushAll, n.Status
	cfg.Logger, cfg.LogLevel, cfg.Metrics, cfg.Now = n.logger, n.cfg.LogLevel, n.cfg.Metrics, n.cfg.Now
	cfg.Directory = n.Directory()
	cfg.Limits, cfg.Book, cfg.Trail = n.limits.Gate, n.limits.Book, n.limits.Trail
	cfg.Erasures = erase.Admin{Eraser: n.eraser, Change: n.Directory().Change}
	cfg.Desk = alert.Desk{Watcher: n.watcher, Change: n.Directory().Change}
	cfg.Cluster = operator.Operator{Cluster: n.Cluster(), Controller: n.healer, Leader: n.members.Leader}
	n.keeper = &encrypt.Keeper{FS: n.encrypted, Env: n.env(), LeaveLog: n.host.LeaveLog, Logger: n.logger}
	cfg.Encryption = n.keeper
	cfg.Queries = operator.Queries{State: n.members.State, Propose: n.members.Propose}
	cfg.Judge, cfg.Enrich, cfg.Known, cfg.Models = n.verdicts(), n.enrich, n.known(), n.models
	n.api, err = api.New(cfg)
	return err
}

// known is what is known of tenants besides their records.
func (n *Node) known() enrich.Known {
	return enrich.Known{Store: n.enrich, Book: n.limits.Book, Account: n.Directory().Account, Now: n.cfg.Now}
}

// openRedaction makes the way in redact: as the node's settings say, and as tenants want
// of it.
func (n *Node) openRedaction(cfg *api.Config) (err error) {
	base := n.cfg.Redaction
	if base.Disabled {
		base = redact.Config{Set: redact.Nothing, Key: base.Key}
	}
	if n.redactor, err = redact.New(base); err != nil {
		return err
	}
	redactions := directory.NewRedactions(n.Directory(), n.redactor, n.cfg.Redaction.Disabled, n.logger, n.cfg.Now)
	if !n.cfg.Redaction.Disabled {
		cfg.Decode.Redact = n.redactor
	}
	cfg.Decode.RedactOf, cfg.Redactions = redactions.Redactor, redactions
	return nil
}

// verdicts are what people said of findings.
func (n *Node) verdicts() operator.Verdicts {
	return operator.Verdicts{State: n.members.State, Propose: n.members.Propose, Models: n.models}
}

// absent are the nodes that belong to the cluster and are not there.
func (n *Node) absent() (absent []alert.Absent) {
	here := map[string]gossip.Member{}
	for _, m := range n.members.Members() {
		here[m.ID] = m
	}
	for id, of := range n.members.State().Nodes {
		m, known := here[id]
		switch {
		case of.State == catalogue.Gone || id == n.ID() || known && m.State.Up():
		case known:
			absent = append(absent, alert.Absent{Node: of.Name, Why: fmt.Sprintf("it is %s since %s", m.State, m.Since.UTC().Format(time.RFC3339))})
		default:
			absent = append(absent, alert.Absent{Node: of.Name, Why: "nobody has heard of it"})
		}
	}
	return absent
}

// alerts is what the watcher has to do with.
func (n *Node) alerts() alert.Config {
	finder := alert.Finder{Engine: n.engine, Insights: insight.New(n.engine, n.verdicts(), n.cfg.Now).Knowing(n.known()).Insights, Now: n.cfg.Now, Disks: func() (disks []alert.Disk) {
		for _, m := range n.members.Members() {
			if m.DiskTotal > 0 {
				disks = append(disks, alert.Disk{Node: m.Name, Used: 100 * (1 - float64(m.DiskFree)/float64(m.DiskTotal))})
			}
		}
		return disks
	}, Absent: n.absent, Quotas: func(tenant model.TenantID) (quotas []alert.Quota) {
		for name, share := range n.limits.Gate.Shares(tenant) {
			quotas = append(quotas, alert.Quota{Name: name, Used: share.Used, Limit: share.Limit})
		}
		return quotas
	}}
	return alert.Config{
		Settings: n.cfg.Alerts, Version: n.cfg.API.Version, Finder: finder, State: n.members.State, Leads: func() bool { return n.isReady() && n.members.Leads() },
		Propose: n.members.Propose, Logger: n.logger, Now: n.cfg.Now,
	}
}

func (n *Node) listen(context.Context) (err error) {
	if n.listener != nil {
		return nil
	}
	if n.listener, err = net.Listen("tcp", n.cfg.Listen); err != nil {
		return fmt.Errorf("listen on %s: %w", n.cfg.Listen, err)
	}
	return nil
}

// Addr is the address of the HTTP interface.
func (n *Node) Addr() net.Addr { return n.listener.Addr() }

// ID is the node's id.
func (n *Node) ID() string { return n.identity.Node }

// GossipAddr is the host:port at which other nodes join, "" for a node that is
// alone.
func (n *Node) GossipAddr() string { return n.members.GossipAddr() }

// Cluster is the cluster as this node sees it.
func (n *Node) Cluster() heal.Cluster { return clusterView{n.members, n} }

// Directory is who may do what, as this node knows it.
func (n *Node) Directory() directory.Directory {
	return directory.Directory{State: n.members.State, Propose: n.members.Propose, Latest: n.members.Current}
}

// Writer is the way in, for programs that run a node inside themselves.
func (n *Node) Writer() *ingest.Writer { return n.writer }

// Tails is the way out for those who look on, for programs that run a node inside
// themselves.
func (n *Node) Tails() *tail.Hub { return n.tails }

// Engine is the way out, for programs that run a node inside themselves.
func (n *Node) Engine() *query.Engine { return n.engine }

// Ready is closed when the log has been replayed and the node is in its
// cluster: from then on records are taken and found.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// isReady reports whether Ready is closed.
func (n *Node) isReady() bool {
	select {
	case <-n.ready:
		return true
	default:
		return false
	}
}

// fail ends the node for the first reason given. It is called by the store and
// the log from any goroutine and calls neither.
func (n *Node) fail(err error) {
	if n.fatal.CompareAndSwap(nil, &err) {
		n.logger.Error("the node cannot go on", "error", err)
		close(n.failed)
	}
}

// Failed returns why the node cannot go on, nil while it can.
func (n *Node) Failed() error {
	if err := n.fatal.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrFatal, *err)
	}
	return nil
}

// FlushAll seals what is there in every shard, wherever it is led, merges what
// can be merged and returns when that is durable.
func (n *Node) FlushAll(ctx context.Context) error {
	for delay := flushRetryMin; ; delay *= 2 {
		err := n.flushOnce(ctx)
		if err == nil || delay > flushRetryMax || pause.For(ctx, delay) != nil {
			return err
		}
	}
}

// Between two tries of FlushAll: leaders that change meanwhile are no reason to fail, and
// what has been flushed costs the next try nothing.
const (
	flushRetryMin = 50 * time.Millisecond
	flushRetryMax = time.Second
)

// flushOnce tries once.
func (n *Node) flushOnce(ctx context.Context) error {
	errs := []error{n.Flush(ctx)}
	for _, member := range n.members.Members() {
		if !member.Self && n.members.Alive(member.ID) && member.Cluster == n.members.State().Cluster {
			errs = append(errs, n.members.Peers().Flush(ctx, member.ID))
		}
	}
	return errors.Join(errs...)
}

// Flush is FlushAll for the shards that this node leads.
func (n *Node) Flush(ctx context.Context) error {
	if !n.isReady() {
		return fmt.Errorf("flush: %w: the log is being replayed", ingest.ErrUnavailable)
	}
	for _, flush := range []func(*replica.Replica, context.Context) error{(*replica.Replica).Flush, (*replica.Replica).FlushRest} {
		if err := n.eachLed(func(one *replica.Replica) error { return flush(one, ctx) }); err != nil {
			return err
		}
	}
	if err := n.members.Save(); err != nil {
		return err
	}
	return n.store.AwaitDeletions(ctx)
}

// eachLed does something with all shards that this node leads, at once.
func (n *Node) eachLed(do func(*replica.Replica) error) error {
	all := n.replicas.All()
	errs := make([]error, len(all))
	var shards sync.WaitGroup
	for i, one := range all {
		if _, leads := one.Group.Leader(); leads {
			shards.Go(func() { errs[i] = do(one.Replica) })
		}
	}
	shards.Wait()
	err := errors.Join(errs...)
	if errors.Is(err, raft.ErrNotLeader) {
		return fmt.Errorf("%w: %w", ingest.ErrUnavailable, err) // leaders have changed: try again
	}
	return err
}

// Close closes what New opened. Run calls it at its end; it is for a node that
// never ran, and harmless otherwise.
func (n *Node) Close() error {
	n.closing.Do(func() { n.closed = n.close() })
	return n.closed
}

func (n *Node) close() error {
	var errs []error
	if n.tails != nil {
		n.tails.Close()
	}
	if n.listener != nil {
		if err := n.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if n.members != nil {
		errs = append(errs, n.members.Close())
	}
	if n.host != nil {
		errs = append(errs, n.host.Close())
	}
	if n.replicas != nil {
		errs = append(errs, n.replicas.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close node: %w", err)
	}
	return nil
}
