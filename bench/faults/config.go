package faults

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The faults.
const (
	Kill      Kind = "kill"      // SIGKILL at a random moment, sometimes again while starting
	PowerLoss Kind = "powerloss" // everything not synced is gone, then a restart
	DiskFull  Kind = "diskfull"  // no space for a while
	DiskDead  Kind = "diskdead"  // every access fails from a moment on
)

// Kinds lists all faults.
func Kinds() []Kind { return []Kind{Kill, PowerLoss, DiskFull, DiskDead} }

// Defaults of Config.
const (
	DefaultRounds         = 20
	DefaultWriters        = 3
	DefaultBatchRows      = 40
	DefaultRowsPerSecond  = 4_000
	DefaultMinRows        = 200
	DefaultUptimeMin      = 100 * time.Millisecond
	DefaultUptimeMax      = 2 * time.Second
	DefaultSettleEvery    = 400 * time.Millisecond
	DefaultFullEvery      = 25
	DefaultImageMB        = 512
	DefaultReadyTimeout   = 60 * time.Second
	DefaultResumeTimeout  = 30 * time.Second
	DefaultRequestTimeout = 30 * time.Second
)

// enoughFaults is the share of the planned faults below which a run is void.
const enoughFaults = 0.8

// Config says what to do. Zero values mean the defaults.
type Config struct {
	// Path is the stere program.
	Path string
	// Args go after "serve --data DIR --listen ADDRESS".
	Args []string
	// Env is added to the environment of the process.
	Env []string
	// WorkDir receives data folders, disk images and logs.
	WorkDir string
	// Journals is the folder in which it is noted what was made of the machine,
	// so that a later run can take away what a killed one left. Empty means
	// lab.DefaultFolder.
	Journals string
	// Faults are done one after the other, each with a fresh data folder.
	// Empty means all.
	Faults []Kind
	// Rounds is the number of faults of each kind. 0 means DefaultRounds.
	Rounds int
	// Seed decides the moments and the contents.
	Seed uint64
	// Writers is the number of concurrent writers. 0 means DefaultWriters.
	Writers int
	// BatchRows is the mean number of records in a request. 0 means
	// DefaultBatchRows.
	BatchRows int
	// RowsPerSecond bounds the load, so that reading everything back stays
	// affordable. 0 means DefaultRowsPerSecond.
	RowsPerSecond int
	// MinRows is the number of acknowledged records per second of load below
	// which a run is void. 0 means DefaultMinRows.
	MinRows int
	// UptimeMin and UptimeMax bound the random time from ready to the fault.
	UptimeMin, UptimeMax time.Duration
	// SettleEvery is the mean pause between requests that the node seal and
	// merge what it has: by itself it would hardly come to that between two
	// faults, and these are the moments at which most can go wrong. 0 means
	// DefaultSettleEvery.
	SettleEvery time.Duration
	// FullEvery is after how many rounds every record is read back; after the
	// others it is those of the last two rounds and the count of all. 0 means
	// DefaultFullEvery.
	FullEvery int
	// ImageMB is the size of the disk image for faults of disks. 0 means
	// DefaultImageMB.
	ImageMB int
	// ReadyTimeout bounds a start, ResumeTimeout how long after a fault the
	// writes may be refused, RequestTimeout a request.
	ReadyTimeout, ResumeTimeout, RequestTimeout time.Duration
	// Progress receives a line for each round. Nil discards them.
	Progress io.Writer
}

// Validate lists all faults of the configuration.
func (c Config) Validate() error {
	var wrong []error
	if c.Path == "" {
		wrong = append(wrong, errors.New("no program"))
	}
	if c.WorkDir == "" {
		wrong = append(wrong, errors.New("no work folder"))
	}
	for _, kind := range c.Faults {
		if !slices.Contains(Kinds(), kind) {
			wrong = append(wrong, fmt.Errorf("unknown fault %q, want one of %v", kind, Kinds()))
		}
	}
	for name, n := range map[string]int{"rounds": c.Rounds, "writers": c.Writers, "batch rows": c.BatchRows, "rows per second": c.RowsPerSecond,
		"least rows per second": c.MinRows, "full every": c.FullEvery, "image size": c.ImageMB} {
		if n < 0 {
			wrong = append(wrong, fmt.Errorf("%s is %d, want 1 or more", name, n))
		}
	}
	for name, d := range map[string]time.Duration{"least uptime": c.UptimeMin, "most uptime": c.UptimeMax, "ready timeout": c.ReadyTimeout,
		"resume timeout": c.ResumeTimeout, "settle every": c.SettleEvery, "request timeout": c.RequestTimeout} {
		if d < 0 {
			wrong = append(wrong, fmt.Errorf("%s is negative", name))
		}
	}
	if c.UptimeMax != 0 && c.UptimeMax < c.UptimeMin {
		wrong = append(wrong, errors.New("most uptime is less than least uptime"))
	}
	return errors.Join(wrong...)
}

func (c Config) withDefaults() Config {
	if len(c.Faults) == 0 {
		c.Faults = Kinds()
	}
	c.Rounds = cmp.Or(c.Rounds, DefaultRounds)
	c.Writers = cmp.Or(c.Writers, DefaultWriters)
	c.BatchRows = cmp.Or(c.BatchRows, DefaultBatchRows)
	c.RowsPerSecond = cmp.Or(c.RowsPerSecond, DefaultRowsPerSecond)
	c.MinRows = cmp.Or(c.MinRows, DefaultMinRows)
	c.UptimeMin = cmp.Or(c.UptimeMin, DefaultUptimeMin)
	c.UptimeMax = max(cmp.Or(c.UptimeMax, DefaultUptimeMax), c.UptimeMin)
	c.SettleEvery = cmp.Or(c.SettleEvery, DefaultSettleEvery)
	c.FullEvery = cmp.Or(c.FullEvery, DefaultFullEvery)
	c.ImageMB = cmp.Or(c.ImageMB, DefaultImageMB)
	c.ReadyTimeout = cmp.Or(c.ReadyTimeout, DefaultReadyTimeout)
	c.ResumeTimeout = cmp.Or(c.ResumeTimeout, DefaultResumeTimeout)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, DefaultRequestTimeout)
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}
