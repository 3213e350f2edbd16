package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/segment"
)

// Defaults of Config.
const (
	DefaultDedupMax      = 1 << 18
	DefaultDedupKeep     = 24 * time.Hour
	DefaultCarriedMax    = 1 << 16
	DefaultCarriedKeep   = time.Hour
	carriedLeast         = 1 << 12 // that a clock which jumps does not make a shard forget
	DefaultDayCutRows    = 131_072
	DefaultMergeRowsMax  = 524_288
	DefaultMergeBytesMax = 24 << 20 * bodyShare / bodyOf // no more than a head of 24 MiB may hold
	DefaultMergeFan      = 8
)

// Env is what the shards of a node share. Engine must be given.
type Env struct {
	Engine *engine.Engine
	Cache  *segment.Cache
	Heads  *HeadCache
	Logger *slog.Logger // default: discard
	// Query reads the queries of deletions; now is what "now" means in them. It must
	// depend on nothing else. nil: there are only deletions without a query.
	Query func(text string, now int64) (index.Expr, error)
	// Apart keeps the segments of each tenant in tables that belong to it. That costs
	// files: else small segments of several tenants share a table.
	Apart bool
	// SegmentVersion returns the version of segments that all nodes read. nil:
	// segment.Version.
	SegmentVersion func() byte
	// Bodies lends memory to seals. nil: a shard has its own.
	Bodies *block.BodyPool
}

func (e *Env) segmentVersion() byte {
	if e.SegmentVersion == nil {
		return segment.Version
	}
	return e.SegmentVersion()
}

// owner returns to whom a table with segments of a tenant belongs.
func (e *Env) owner(tenant model.TenantID) string {
	if e.Apart {
		return string(tenant)
	}
	return ""
}

// Config of a shard. The zero value of a field means its default. What the
// replicas of a shard must agree on says so.
type Config struct {
	Shard model.ShardID
	// DedupMax is how many idempotency keys are remembered at most; all
	// replicas must agree.
	DedupMax int
	// DedupKeep is how long an idempotency key is remembered at least, while
	// there are no more than DedupMax; all replicas must agree.
	DedupKeep time.Duration
	// CarriedMax and CarriedKeep are the same for the keys that nodes give; all
	// replicas must agree. The newest few are remembered whatever their age.
	CarriedMax  int
	CarriedKeep time.Duration
	// DayCutRows is how many rows make a segment that stays as it is: a segment
	// of fewer rows is merged, and rows are cut into two segments at a day
	// border only where both sides have as many.
	DayCutRows int
	// MergeRowsMax is how many rows a merge makes at most.
	MergeRowsMax int
	// MergeBytesMax is how many bytes of values a merge makes at most: it takes
	// a multiple of that in memory. By default merges need no more than seals.
	// Segments of MergeBytesMax * DayCutRows / MergeRowsMax bytes stay as they
	// are.
	MergeBytesMax int64
	// MergeFan is how many segments of like size are merged into one.
	MergeFan int
	// Level is the compression level of segments; 0 means segment.Build's.
	Level int
	// Alone reports whether no other replica of the shard exists. Then a merge
	// whose input turns out to be damaged is left out, so that what can still be
	// read of the others is not given up for a copy that nobody has. nil: there
	// are others.
	Alone func() bool
	// OnDamage is told each segment that turns out to be damaged, once, on the
	// goroutine that met it, which may be that of a query: it must not block and
	// not call the shard. nil: nobody is told.
	OnDamage func(Entry, error)
	// OnAsked is told when something is kept beside a segment of a tenant for the first
	// time since the shard was opened, on the goroutine of the question: it must not block
	// and not call the shard. nil: nobody is told.
	OnAsked func()
	// Beforehand is the name under which is kept what is made beforehand, of all segments of
	// tenants beside one of whose it is; "": any.
	Beforehand string
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	for _, v := range []struct {
		name  string
		value int64
	}{{"DedupMax", int64(c.DedupMax)}, {"DedupKeep", int64(c.DedupKeep)},
		{"CarriedMax", int64(c.CarriedMax)}, {"CarriedKeep", int64(c.CarriedKeep)}, {"DayCutRows", int64(c.DayCutRows)},
		{"MergeRowsMax", int64(c.MergeRowsMax)}, {"MergeBytesMax", c.MergeBytesMax}, {"MergeFan", int64(c.MergeFan)},
		{"Level", int64(c.Level)}} {
		if v.value < 0 {
			faults = append(faults, fmt.Errorf("%s is %d, want 0 (default) or more", v.name, v.value))
		}
	}
	if c.MergeFan == 1 {
		faults = append(faults, errors.New("MergeFan is 1, want at least 2"))
	}
	if c.MergeRowsMax > segment.RowsMax {
		faults = append(faults, fmt.Errorf("MergeRowsMax is %d, want at most %d", c.MergeRowsMax, segment.RowsMax))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	c.DedupMax = cmp.Or(c.DedupMax, DefaultDedupMax)
	c.DedupKeep = cmp.Or(c.DedupKeep, DefaultDedupKeep)
	c.CarriedMax = cmp.Or(c.CarriedMax, DefaultCarriedMax)
	c.CarriedKeep = cmp.Or(c.CarriedKeep, DefaultCarriedKeep)
	c.DayCutRows = cmp.Or(c.DayCutRows, DefaultDayCutRows)
	c.MergeRowsMax = cmp.Or(c.MergeRowsMax, DefaultMergeRowsMax)
	c.MergeBytesMax = cmp.Or(c.MergeBytesMax, DefaultMergeBytesMax)
	c.MergeFan = cmp.Or(c.MergeFan, DefaultMergeFan)
	return c
}

// Shard is one shard's records on this node. See the package comment for who
// calls what.
type Shard struct {
	env     Env
	cfg     Config
	logger  *slog.Logger
	garbage *garbage
	views   openViews
	lacking lacking

	// publishing is held while the manifest changes or is read whole: a seal that becomes
	// durable and a snapshot that is restored must not cross.
	publishing sync.Mutex
	// sweeping is held while garbage is deleted, so that a second sweep ends
	// only when the first has.
	sweeping sync.Mutex

	mu struct {
		sync.RWMutex
		closed           bool
		applied          uint64 // log index
		durable          State  // of the manifest
		exists           bool   // the manifest has been written
		state            State  // as of applied; Index and Term are the last seal's
		persistedKeys    uint64 // idempotency keys below are durable or in a job
		persistedCarried uint64 // the same of keys that nodes gave
		dedup            *dedup
		carried          *dedup
		active           headContent
		grown            chan struct{} // closed when records have come; nil: nobody waits
		jobs             []*sealJob    // applied seals that are not durable yet, in order
		set              *segmentSet
		prepared         map[uint64]*preparedMerge   // by merge number
		reserved         uint64                      // highest merge number planned here
		large            map[SegmentID]bool          // texts too large to be merged; left alone
		quarantined      map[model.TenantID][]uint64 // log indexes of blocks put aside, ever
		deletions        []*deletion                 // in the order of the log; replaced, never changed
		cleanups         map[SegmentID]uint64        // for the next seal: up to which deletion a segment is clean, or dropAll
		leaving          map[SegmentID]bool          // not in the manifest any more, and not deleted yet
		asked            map[model.TenantID]bool     // beside whose segments something is kept
		recalled         bool                        // asked has those of before the shard was opened
	}
}

// headContent is the part of the head that no seal has frozen.
type headContent struct {
	runs   map[model.TenantID]headRun
	rows   int
	bytes  int64
	blocks int
}

// Batch is one request's share of a block.
type Batch struct {
	Key, Body [16]byte // zero Key: not idempotent; Body tells repeats from conflicts
	Rows      uint32
	// Carried says that the key is one that a node has given, so that it can send
	// the batch again when an answer was lost. It is remembered beside the keys of
	// clients, for less long; it has no Body.
	Carried bool
}

// Append is the command that stores a block.
type Append struct {
	Tenant  model.TenantID
	Time    int64 // proposer's clock, Unix ns
	Block   []byte
	Batches []Batch // in the order of their rows in the block
}

// BatchResult says what became of a batch and where its records are.
type BatchResult struct {
	Index   uint64
	First   uint32
	Outcome Outcome
}

// Open reads the shard's manifest and opens its segments. Entries of the log
// after State().Index have to be applied again.
func Open(ctx context.Context, env Env, cfg Config) (*Shard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open shard %d: %w", cfg.Shard, err)
	}
	if env.Cache == nil {
		env.Cache = segment.NewCache(0)
	}
	if env.Heads == nil {
		env.Heads = NewHeadCache(0)
	}
	if env.Bodies == nil {
		env.Bodies = &block.BodyPool{}
	}
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Shard{env: env, cfg: cfg.withDefaults(), garbage: &garbage{}, logger: env.Logger.With("shard", cfg.Shard)}
	m, err := loadManifest(env.Engine, cfg.Shard)
	if err != nil {
		return nil, err
	}
	if s.mu.quarantined, err = loadQuarantine(env.Engine, cfg.Shard); err != nil {
		return nil, err
	}
	s.install(m)
	if err := s.deleteOrphans(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// install replaces the whole state by a manifest; the head is empty then.
func (s *Shard) install(m manifest) {
	s.mu.RLock()
	old := s.mu.set
	s.mu.RUnlock()
	all := make(map[SegmentID]*sealed, len(m.entries))
	for _, entry := range m.entries {
		if old != nil && old.all[entry.ID] != nil {
			known := old.all[entry.ID].Entry
			if known.Cleaned = entry.Cleaned; known.equal(&entry) {
				all[entry.ID] = old.all[entry.ID].with(entry)
				continue
			}
		}
		all[entry.ID] = s.openSegment(entry, m.damaged[entry.ID])
		if days, ok := m.hashes[entry.ID]; ok {
			all[entry.ID].hash.Store(&days)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, merge := range s.mu.prepared {
		merge.abort()
	}
	if old != nil {
		defer old.release() // after the new set has its references
	}
	s.mu.durable, s.mu.state, s.mu.exists = m.state, m.state, m.exists
	s.mu.applied, s.mu.reserved = m.state.Index, m.state.Merges
	s.mu.persistedKeys = m.state.DedupNext
	s.mu.persistedCarried = m.state.Carried.Next
	s.mu.dedup = newDedup(m.state.DedupFirst, m.dedup, s.cfg.DedupMax, 0, s.cfg.DedupKeep)
	s.mu.carried = newDedup(m.state.Carried.First, m.carried, s.cfg.CarriedMax, carriedLeast, s.cfg.CarriedKeep)
	s.mu.active = headContent{runs: map[model.TenantID]headRun{}}
	s.mu.jobs, s.mu.prepared = nil, map[uint64]*preparedMerge{}
	s.mu.large = map[SegmentID]bool{}
	s.mu.cleanups = map[SegmentID]uint64{}
	for _, d := range m.deletions {
		if !d.done {
			d.compile(s.env.Query)
		}
	}
	s.mu.deletions = m.deletions
	if s.mu.leaving == nil {
		s.mu.leaving = map[SegmentID]bool{}
	}
	if old != nil {
		for id := range old.all {
			if all[id] == nil {
				s.mu.leaving[id] = true
			}
		}
	}
	s.mu.set = newSegmentSet(all, s.garbage)
	s.wake()
	s.lacking.changed()
}

// Append applies the command at a log index and returns one result per batch.
func (s *Shard) Append(index uint64, a Append) []BatchResult {
	results := make([]BatchResult, len(a.Batches))
	b := &headBlock{number: s.env.Heads.blocks.Add(1), shard: s.cfg.Shard, index: index, encoded: a.Block, cache: s.env.Heads}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.applied = index
	s.tick(a.Time)
	var first uint32
	for i, batch := range a.Batches {
		results[i] = s.admit(index, first, batch)
		if results[i].Outcome == Stored {
			b.rows += batch.Rows
		} else {
			b.dropped = append(b.dropped, head.Range{From: first, To: first + batch.Rows})
		}
		first += batch.Rows
	}
	if b.rows == 0 {
		return results
	}
	active := &s.mu.active
	active.runs[a.Tenant] = append(active.runs[a.Tenant], b)
	active.rows += int(b.rows)
	active.bytes += blockWeight(a.Block)
	active.blocks++
	s.wake()
	return results
}

// Clock is the furthest of the clocks of those who proposed, 0 before the first.
func (s *Shard) Clock() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.state.Clock
}

// tick moves the shard's clock, which never goes back.
func (s *Shard) tick(now int64) {
	s.mu.state.Clock = max(s.mu.state.Clock, now)
	s.mu.dedup.expire(s.mu.state.Clock)
	s.mu.carried.expire(s.mu.state.Clock)
}

// admit decides about one batch and remembers its key.
func (s *Shard) admit(index uint64, first uint32, batch Batch) BatchResult {
	if batch.Key == ([16]byte{}) {
		return BatchResult{Index: index, First: first, Outcome: Stored}
	}
	memory := s.mu.dedup
	if batch.Carried {
		memory = s.mu.carried
	}
	if known, ok := memory.find(batch.Key); ok {
		outcome := Duplicate
		if known.body != batch.Body {
			outcome = Conflict
		}
		return BatchResult{Index: known.index, First: known.first, Outcome: outcome}
	}
	memory.add(dedupEntry{key: batch.Key, body: batch.Body, index: index, first: first, time: s.mu.state.Clock})
	return BatchResult{Index: index, First: first, Outcome: Stored}
}

// Configured notes the membership that holds from a log index on; it becomes
// part of the next manifest.
func (s *Shard) Configured(index uint64, configuration []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.state.ConfigurationIndex = index
	s.mu.state.Configuration = slices.Clone(configuration)
}

// Durable returns the position of the manifest; ok is false before the first.
func (s *Shard) Durable() (state State, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.durable, s.mu.exists
}

// Status are figures of a shard at one moment.
type Status struct {
	Applied       uint64 // log index
	Sealed        uint64 // log index of the manifest
	Pending       int    // applied seals that are not durable yet
	HeadRows      int    // not frozen by a seal
	HeadBytes     int64
	HeadBlocks    int
	FrozenRows    int // frozen, not durable yet
	FrozenBytes   int64
	Segments      int
	SegmentRows   int64
	SegmentBytes  int64
	BesideBytes   int64 // of what is kept beside segments, as far as it was read or written
	FailedParts   int   // segments that cannot be read
	Missing       int   // of these, segments of which there is nothing here
	MissingBytes  int64
	Quarantined   int // blocks put aside, ever
	DedupKeys     int
	CarriedKeys   int // that nodes gave
	PreparedMerge int // merges waiting to be adopted
	Cleanups      int // segments that the next seal drops or marks as clean
	Deletions     int // under way
	Unsealed      int // of these, those that the manifest does not know yet
	Leaving       int // segments that are not in the manifest any more and not deleted yet
	Tenants       int
}

// Active is the size of the part of the head that no seal has frozen.
type Active struct {
	Rows   int
	Bytes  int64
	Blocks int
}

// Active returns the size of what the next seal would freeze.
func (s *Shard) Active() Active {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Active{Rows: s.mu.active.rows, Bytes: s.mu.active.bytes, Blocks: s.mu.active.blocks}
}

// HeadSize returns the rows and bytes of the head, frozen or not.
func (s *Shard) HeadSize() (rows int, bytes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	rows, bytes = s.mu.active.rows, s.mu.active.bytes
	for _, job := range s.mu.jobs {
		rows += job.rows
		bytes += job.bytes
	}
	return rows, bytes
}

// Status returns the shard's figures.
func (s *Shard) Status() Status {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := Status{
		Applied: s.mu.applied, Sealed: s.mu.durable.Index, Pending: len(s.mu.jobs),
		HeadRows: s.mu.active.rows, HeadBytes: s.mu.active.bytes, HeadBlocks: s.mu.active.blocks,
		DedupKeys: len(s.mu.dedup.entries), CarriedKeys: len(s.mu.carried.entries), PreparedMerge: len(s.mu.prepared),
		Segments: len(s.mu.set.all), Tenants: len(s.mu.set.byTenant),
	}
	for _, blocks := range s.mu.quarantined {
		st.Quarantined += len(blocks)
	}
	st.Cleanups, st.Leaving = len(s.mu.cleanups), len(s.mu.leaving)
	for _, d := range s.mu.deletions {
		if !d.done {
			st.Deletions++
		}
		if d.index > s.mu.durable.Index {
			st.Unsealed++
		}
	}
	for _, job := range s.mu.jobs {
		st.FrozenRows += job.rows
		st.FrozenBytes += job.bytes
	}
	for _, one := range s.mu.set.all {
		st.SegmentRows += int64(one.Rows)
		st.SegmentBytes += one.Bytes
		here := one.here.Load()
		st.BesideBytes += here.beside.sum()
		if here.broken() != nil {
			st.FailedParts++
			if here.place == nowhere {
				st.Missing++
				st.MissingBytes += one.Bytes
			}
		}
	}
	return st
}

// Stored returns how many bytes the segments of each tenant have.
func (s *Shard) Stored() map[model.TenantID]int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored := make(map[model.TenantID]int64, len(s.mu.set.byTenant))
	for tenant, list := range s.mu.set.byTenant {
		for _, one := range list {
			stored[tenant] += one.Bytes
		}
	}
	return stored
}

// Entries returns the manifest's segments, by tenant and time.
func (s *Shard) Entries() []Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var entries []Entry
	for _, tenant := range slices.Sorted(maps.Keys(s.mu.set.byTenant)) {
		for _, one := range s.mu.set.byTenant[tenant] {
			entries = append(entries, one.Entry)
		}
	}
	return entries
}

// Close ends the shard and forgets what is cached of it. Views that are out
// stay valid until the engine closes.
func (s *Shard) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return
	}
	s.mu.closed = true
	s.wake()
	for _, merge := range s.mu.prepared {
		merge.abort()
	}
	s.mu.prepared = nil
	for _, one := range s.mu.set.all {
		one.here.Load().close()
	}
	s.env.Heads.drop(s.mu.active.runs)
	for _, job := range s.mu.jobs {
		s.env.Heads.drop(job.runs)
	}
}
