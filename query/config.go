package query

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/stere-log/stere/query/exec"
)

// Config are the budgets of queries. Zero means default.
type Config struct {
	Time        time.Duration    // of one query; default 30 s
	CountTime   time.Duration    // of that, to count exactly what bitmaps alone cannot count; default 500 ms
	CountLarge  int              // total from which on only CountBrief is spent so; default 10,000
	CountBrief  time.Duration    // default 3 ms
	Limit       int              // records of a page without a limit; default 50
	LimitMax    int              // records of a page, rows of a table; default 10,000
	OffsetMax   int              // records that offset skips; default 100,000
	Groups      int              // groups of a table, distinct values of a facet; default 1,000,000
	Distinct    int              // values that count_distinct holds before it estimates; default 1,000,000
	Values      int              // values that percentiles hold before they estimate; default 4,000,000
	MemoryBytes int              // of all queries that run, and of all leaf calls, for groups and values; default 512 MiB
	AtOnce      int              // queries that run at once, and leaf calls; default twice GOMAXPROCS, at least 4
	Waiting     int              // queries that wait for a place; default 1,000
	Rows        int              // records or rows that pipes hold that need all of them; default 100,000
	Facets      int              // fields of a request's facets; default 20
	FacetValues int              // values of a facet; default 10
	ContextMax  int              // surrounding records on each side; default 1,000
	Workers     int              // parts read at once by a query; default GOMAXPROCS
	Now         func() time.Time // what "now" in a text means; default time.Now
}

// Validate reports all values that are out of range.
func (c Config) Validate() error {
	var faults []error
	for _, v := range [...]struct {
		name  string
		value int64
	}{
		{"time", int64(c.Time)}, {"count time", int64(c.CountTime)}, {"count large", int64(c.CountLarge)}, {"count brief", int64(c.CountBrief)},
		{"limit", int64(c.Limit)}, {"limit max", int64(c.LimitMax)},
		{"offset max", int64(c.OffsetMax)}, {"groups", int64(c.Groups)}, {"distinct", int64(c.Distinct)}, {"values", int64(c.Values)},
		{"memory bytes", int64(c.MemoryBytes)}, {"facets", int64(c.Facets)}, {"facet values", int64(c.FacetValues)},
		{"rows", int64(c.Rows)}, {"context max", int64(c.ContextMax)}, {"workers", int64(c.Workers)},
		{"at once", int64(c.AtOnce)}, {"waiting", int64(c.Waiting)},
	} {
		if v.value < 0 {
			faults = append(faults, fmt.Errorf("query %s is %d, want 0 for the default or more", v.name, v.value))
		}
	}
	if full := c.withDefaults(); full.Limit > full.LimitMax {
		faults = append(faults, fmt.Errorf("query limit is %d, want at most limit max, %d", full.Limit, full.LimitMax))
	}
	return errors.Join(faults...)
}

// withDefaults returns the configuration with defaults for zeros.
func (c Config) withDefaults() Config {
	for _, v := range [...]struct {
		value    *int
		fallback int
	}{
		{&c.CountLarge, 10_000}, {&c.Limit, 50}, {&c.LimitMax, 10_000}, {&c.OffsetMax, 100_000}, {&c.Groups, 1_000_000}, {&c.Distinct, 1_000_000},
		{&c.Values, 4_000_000}, {&c.MemoryBytes, 512 << 20}, {&c.Facets, 20}, {&c.Rows, 100_000}, {&c.FacetValues, 10}, {&c.ContextMax, 1_000},
		{&c.Workers, runtime.GOMAXPROCS(0)},
	} {
		if *v.value == 0 {
			*v.value = v.fallback
		}
	}
	if c.Time == 0 {
		c.Time = 30 * time.Second
	}
	if c.CountTime == 0 {
		c.CountTime = 500 * time.Millisecond
	}
	if c.CountBrief == 0 {
		c.CountBrief = 3 * time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// valueBytes estimates what a value takes that an aggregate holds.
const valueBytes = 32

// limits returns what a run may use that has so much memory.
func (c Config) limits(memory int) exec.Limits {
	memory = min(memory, c.MemoryBytes)
	values := max(1, memory/2/valueBytes)
	return exec.Limits{
		Time: c.Time, CountTime: c.CountTime, CountLarge: uint64(c.CountLarge), CountBrief: c.CountBrief, Groups: c.Groups,
		Distinct: min(c.Distinct, values), Values: min(c.Values, values), MemoryBytes: max(1, memory/2), FacetValues: c.FacetValues, Workers: c.Workers,
	}
}
