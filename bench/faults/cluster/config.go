package cluster

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
	Kill           Kind = "kill"            // SIGKILL of one node
	KillMajority   Kind = "kill-majority"   // of more than half of them
	KillAll        Kind = "kill-all"        // of all at once
	Term           Kind = "term"            // all nodes are stopped and started, one by one
	Upgrade        Kind = "upgrade"         // the same, from an older program to the present one
	PowerLoss      Kind = "powerloss"       // one node loses its power
	PowerLossAll   Kind = "powerloss-all"   // all do, at once
	Stop           Kind = "stop"            // one process stands still for a while
	Partition      Kind = "partition"       // one node is cut off
	PartitionSplit Kind = "partition-split" // less than half of the nodes are cut off from the others
	Bridge         Kind = "bridge"          // two nodes do not reach each other, all others do
	OneWay         Kind = "oneway"          // nothing reaches one node, or nothing from it reaches others
	Flap           Kind = "flap"            // one node is cut off and back every second
	Slow           Kind = "slow"            // one node's links delay and lose
	DiskFull       Kind = "diskfull"        // no space on one node
	DiskDead       Kind = "diskdead"        // every access fails on one node
	Freeze         Kind = "freeze"          // writes hang on one node
	Clock          Kind = "clock"           // the clock of one node jumps
	BitRot         Kind = "bitrot"          // bits of one node's files flip
	Replace        Kind = "replace"         // one node is lost with its data, an empty one comes
	AddNode        Kind = "addnode"         // one more node joins
)

// Kinds lists all faults.
func Kinds() []Kind {
	return []Kind{Kill, KillMajority, KillAll, Term, Upgrade, PowerLoss, PowerLossAll, Stop, Partition, PartitionSplit, Bridge, OneWay, Flap, Slow,
		DiskFull, DiskDead, Freeze, Clock, BitRot, Replace, AddNode}
}

// needsDisk lists the faults that need a disk image for each node.
func needsDisk() []Kind { return []Kind{PowerLoss, PowerLossAll, DiskFull, DiskDead, Freeze} }

// Defaults of Config.
const (
	DefaultNodes          = 3
	DefaultReplicas       = 3
	DefaultRounds         = 3
	DefaultWriters        = 6
	DefaultBatchRows      = 20
	DefaultRowsPerSecond  = 1_000
	DefaultMinRows        = 50
	DefaultUptimeMin      = 500 * time.Millisecond
	DefaultUptimeMax      = 3 * time.Second
	DefaultFaultMin       = 3 * time.Second
	DefaultFaultMax       = 9 * time.Second
	DefaultGrace          = 6 * time.Second
	DefaultSettleEvery    = 2 * time.Second
	DefaultFullEvery      = 5
	DefaultImageMB        = 1024
	DefaultReadyTimeout   = 60 * time.Second
	DefaultHealTimeout    = 90 * time.Second
	DefaultLevelTimeout   = 60 * time.Second
	DefaultResumeTimeout  = 30 * time.Second
	DefaultRequestTimeout = 3 * time.Second
	DefaultLives          = 8
	DefaultLimit          = 12 * time.Hour
)

// Bounds of Config.
const (
	nodesMax  = 9
	roundsMax = 100_000
)

// enoughFaults is the share of the planned rounds below which a run is void.
const enoughFaults = 0.8

// Config says what to do. Zero values mean the defaults.
type Config struct {
	// Path is the stere program. OldPath is an older one, with which the nodes of
	// a life begin that is to see an upgrade; without it there is none.
	Path, OldPath string
	// Args go after those that make a node one of the cluster, Env is added to
	// the environment.
	Args, Env []string
	// WorkDir receives data folders, disk images and logs.
	WorkDir string
	// Journals is the folder in which it is noted what was made of the machine.
	// Empty means lab.DefaultFolder.
	Journals string
	// Linkd is a program that forwards between namespaces, with delays and
	// losses. Without one links can only be cut.
	Linkd string
	// Loopback puts all nodes on loopback addresses even where there could be
	// namespaces.
	Loopback bool
	// Nodes is the number of nodes, Replicas that of the replicas of a shard.
	Nodes, Replicas int
	// Faults are the kinds; empty means all. Rounds is the number of each.
	Faults []Kind
	Rounds int
	// Seed decides the plan, the victims, the moments and the contents.
	Seed uint64
	// Writers is the number of concurrent writers, BatchRows the mean number of
	// records in a request, RowsPerSecond the most that are sent.
	Writers, BatchRows, RowsPerSecond int
	// MinRows is the number of acknowledged records per second of load, faults
	// included, below which a run is void.
	MinRows int
	// UptimeMin and UptimeMax bound the time of load before a fault, FaultMin and
	// FaultMax how long it lasts.
	UptimeMin, UptimeMax, FaultMin, FaultMax time.Duration
	// Grace is how long after a change the cluster may need until it must answer
	// as the outlook says.
	Grace time.Duration
	// SettleEvery is the mean pause between requests to seal and merge.
	SettleEvery time.Duration
	// FullEvery is after how many rounds every record is read back through every
	// node; after the others it is those of the last two rounds through one node,
	// and the count of all through each.
	FullEvery int
	// ImageMB is the size of the disk image of each node. Without faults that
	// need disks there are no images.
	ImageMB int
	// ReadyTimeout bounds a start, HealTimeout the time until everything is
	// healthy after a fault, LevelTimeout the time until a new node has its share,
	// ResumeTimeout the wait for writers, RequestTimeout one attempt of a write.
	ReadyTimeout, HealTimeout, LevelTimeout, ResumeTimeout, RequestTimeout time.Duration
	// Lives bounds the clusters that are made, Limit the time: then no further
	// round begins.
	Lives int
	Limit time.Duration
	// Keep leaves the data of all lives, not only of those with a violation.
	Keep bool
	// Progress receives a line for each round. Nil discards them.
	Progress io.Writer
}

// Validate lists all faults of the configuration.
func (c Config) Validate() error {
	var wrong []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	fault(c.Path == "", "no program")
	fault(c.WorkDir == "", "no work folder")
	for _, kind := range c.Faults {
		fault(!slices.Contains(Kinds(), kind), "unknown fault %q, want one of %v", kind, Kinds())
	}
	fault(c.Nodes < 0 || c.Nodes == 1 || c.Nodes == 2 || c.Nodes > nodesMax, "nodes is %d, want 3 to %d", c.Nodes, nodesMax)
	fault(c.Rounds > roundsMax, "rounds is %d, want at most %d", c.Rounds, roundsMax)
	for name, n := range map[string]int{"replicas": c.Replicas, "rounds": c.Rounds, "writers": c.Writers, "batch rows": c.BatchRows, "rows per second": c.RowsPerSecond,
		"least rows per second": c.MinRows, "full every": c.FullEvery, "image size": c.ImageMB, "lives": c.Lives} {
		fault(n < 0, "%s is %d, want 1 or more", name, n)
	}
	for name, d := range map[string]time.Duration{"least uptime": c.UptimeMin, "most uptime": c.UptimeMax, "least time of a fault": c.FaultMin, "most time of a fault": c.FaultMax,
		"grace": c.Grace, "settle every": c.SettleEvery, "ready timeout": c.ReadyTimeout, "heal timeout": c.HealTimeout, "level timeout": c.LevelTimeout,
		"resume timeout": c.ResumeTimeout, "request timeout": c.RequestTimeout, "limit": c.Limit} {
		fault(d < 0, "%s is negative", name)
	}
	fault(c.UptimeMax != 0 && c.UptimeMax < c.UptimeMin, "most uptime is less than least uptime")
	fault(c.FaultMax != 0 && c.FaultMax < c.FaultMin, "most time of a fault is less than the least")
	return errors.Join(wrong...)
}

func (c Config) withDefaults() Config {
	if len(c.Faults) == 0 {
		c.Faults = Kinds()
	}
	for field, fallback := range map[*int]int{&c.Nodes: DefaultNodes, &c.Replicas: DefaultReplicas, &c.Rounds: DefaultRounds, &c.Writers: DefaultWriters,
		&c.BatchRows: DefaultBatchRows, &c.RowsPerSecond: DefaultRowsPerSecond, &c.MinRows: DefaultMinRows, &c.FullEvery: DefaultFullEvery,
		&c.ImageMB: DefaultImageMB, &c.Lives: DefaultLives} {
		*field = cmp.Or(*field, fallback)
	}
	for field, fallback := range map[*time.Duration]time.Duration{&c.UptimeMin: DefaultUptimeMin, &c.FaultMin: DefaultFaultMin, &c.Grace: DefaultGrace,
		&c.SettleEvery: DefaultSettleEvery, &c.ReadyTimeout: DefaultReadyTimeout, &c.HealTimeout: DefaultHealTimeout, &c.LevelTimeout: DefaultLevelTimeout,
		&c.ResumeTimeout: DefaultResumeTimeout, &c.RequestTimeout: DefaultRequestTimeout, &c.Limit: DefaultLimit} {
		*field = cmp.Or(*field, fallback)
	}
	c.UptimeMax = max(cmp.Or(c.UptimeMax, DefaultUptimeMax), c.UptimeMin)
	c.FaultMax = max(cmp.Or(c.FaultMax, DefaultFaultMax), c.FaultMin)
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

// program is the program that a node begins with. With an older one every node
// does, until it is upgraded or restarted by term.
func (c Config) program() string { return cmp.Or(c.OldPath, c.Path) }

// disks reports whether the nodes get disk images.
func (c Config) disks() bool {
	return slices.ContainsFunc(c.Faults, func(k Kind) bool { return slices.Contains(needsDisk(), k) })
}
