package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/part"
)

// Defaults of Config.
const (
	DefaultSealBytes   = 24 << 20
	DefaultSealRows    = 262_144
	DefaultSealBlocks  = 4096
	DefaultSealAge     = time.Minute
	DefaultIdleAge     = time.Minute
	DefaultIdleBytes   = 32 << 20
	DefaultHeadFactor  = 2
	DefaultHeadWait    = 25 * time.Second // a seal may wait for the build of another shard; within ingest.DefaultTimeout
	sealerInterval     = time.Second      // for what is due by age; what is due by size wakes the sealer
	minuteBegins       = 5 * time.Second  // so long
	retryDelayMin      = 100 * time.Millisecond
	retryDelayMax      = 30 * time.Second
	flushRoundsMax     = 64
	proposeTimeoutSeal = time.Minute
)

// Config of a replica. The zero value of a field means its default; Env.Engine
// must be given.
type Config struct {
	Env     storage.Env
	Storage storage.Config
	Logger  *slog.Logger // default: discard
	// Now gives the proposer's clock in Unix ns; default: the machine's.
	Now func() int64

	// The head is sealed when it has this many bytes, rows or blocks, or when
	// its first record has waited for SealAge, at the beginning of a minute for half of it.
	SealBytes  int64
	SealRows   int
	SealBlocks int
	SealAge    time.Duration
	// IdleAge is how often a shard with an empty head is sealed at most, and
	// IdleBytes how much the node must have logged meanwhile: the seal moves
	// the shard's place in the log, so that old log files can go.
	IdleAge   time.Duration
	IdleBytes int64
	// HeadFactor times SealBytes or SealRows in the head, frozen or not, make
	// Append wait, for HeadWait at most.
	HeadFactor int
	HeadWait   time.Duration

	// Building is held while segments are built; the replicas of a node share
	// it, since building takes memory. nil: a semaphore of its own.
	Building chan struct{}
	// Pace slows writers down to what is built; shared like Building. nil: one of its own.
	Pace *Pace
	// Logged counts the bytes that the node has proposed; shared like Building.
	Logged *Counter
	// Peers gives what other replicas of the shard have; nil: there are none,
	// and what is missing stays missing. A node that gives Peers to the only
	// replica of a shard says so by Storage.Alone.
	Peers Peers
	// Fetching bounds the bytes per second that come from peers, Scrubbing those
	// that are read to look for damage; shared like Building. nil: one of its
	// own with DefaultFetchBytesPerSecond or DefaultScrubBytesPerSecond.
	Fetching, Scrubbing *rate.Limiter
	// Cleaning bounds the bytes per second of segments that are rewritten because of
	// deletions; shared like Building. nil: one of its own with
	// DefaultCleanBytesPerSecond.
	Cleaning *rate.Limiter
	// Tell makes what questions ask of all records of a segment beforehand, so that it
	// is kept beside it; nil: nobody does. It is called for one segment after the other.
	Tell func(ctx context.Context, tenant model.TenantID, p part.Part) error
	// ScrubEvery is how long the scrubber takes for all segments at least.
	ScrubEvery time.Duration
	// Room reports whether there is space on disk for this many bytes more;
	// nil: always.
	Room func(bytes int64) bool
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	if c.Env.Engine == nil {
		faults = append(faults, errors.New("Env.Engine is missing"))
	}
	if err := c.Storage.Validate(); err != nil {
		faults = append(faults, err)
	}
	for _, v := range []struct {
		name  string
		value int64
	}{{"SealBytes", c.SealBytes}, {"SealRows", int64(c.SealRows)}, {"SealBlocks", int64(c.SealBlocks)},
		{"SealAge", int64(c.SealAge)}, {"IdleAge", int64(c.IdleAge)}, {"IdleBytes", c.IdleBytes},
		{"ScrubEvery", int64(c.ScrubEvery)}, {"HeadFactor", int64(c.HeadFactor)}, {"HeadWait", int64(c.HeadWait)}} {
		if v.value < 0 {
			faults = append(faults, fmt.Errorf("%s is %d, want 0 (default) or more", v.name, v.value))
		}
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	c.SealBytes = cmp.Or(c.SealBytes, DefaultSealBytes)
	c.SealRows = cmp.Or(c.SealRows, DefaultSealRows)
	c.SealBlocks = cmp.Or(c.SealBlocks, DefaultSealBlocks)
	c.SealAge = cmp.Or(c.SealAge, DefaultSealAge)
	c.IdleAge = cmp.Or(c.IdleAge, DefaultIdleAge)
	c.IdleBytes = cmp.Or(c.IdleBytes, DefaultIdleBytes)
	c.HeadFactor = cmp.Or(c.HeadFactor, DefaultHeadFactor)
	c.HeadWait = cmp.Or(c.HeadWait, DefaultHeadWait)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = func() int64 { return time.Now().UnixNano() }
	}
	if c.Building == nil {
		c.Building = make(chan struct{}, 1)
	}
	if c.Pace == nil {
		c.Pace = new(Pace)
	}
	if c.Logged == nil {
		c.Logged = new(Counter)
	}
	c.ScrubEvery = cmp.Or(c.ScrubEvery, DefaultScrubEvery)
	if c.Fetching == nil {
		c.Fetching = NewLimiter(DefaultFetchBytesPerSecond)
	}
	if c.Scrubbing == nil {
		c.Scrubbing = NewLimiter(DefaultScrubBytesPerSecond)
	}
	if c.Cleaning == nil {
		c.Cleaning = NewLimiter(DefaultCleanBytesPerSecond)
	}
	if c.Room == nil {
		c.Room = func(int64) bool { return true }
	}
	return c
}
