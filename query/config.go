package query

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/lookup"
)

// Config are the budgets of queries. Zero means default.
type Config struct {
	Time        time.Duration     // of one query; default 30 s
	CountTime   time.Duration     // of that, to count exactly what texts are read for; default 500 ms
	CountLarge  int               // total from which on only CountBrief is spent on it; default 10,000
	CountBrief  time.Duration     // default 1 ms
	Limit       int               // records of a page without a limit; default 50
	LimitMax    int               // records of a page, rows of a table; default 10,000
	PageBytes   int               // of the records of a page, which ends early for it; default 16 MiB
	OffsetMax   int               // records that offset skips; default 100,000
	Groups      int               // groups of a table, distinct values of a facet; default 1,000,000
	Distinct    int               // values that count_distinct holds before it estimates; default 1,000,000
	Values      int               // values that percentiles hold before they estimate; default 4,000,000
	MemoryBytes int               // of all queries that run, and of all leaf calls, for groups and values; default 512 MiB
	AtOnce      int               // queries that run at once, and leaf calls; default twice GOMAXPROCS, at least 4
	Waiting     int               // queries that wait for a place; default 1,000
	Rows        int               // records or rows that pipes hold that need all of them; default 100,000
	Facets      int               // fields of a request's facets; default 20
	FacetValues int               // values of a facet; default 10
	ContextMax  int               // surrounding records on each side; default 1,000
	Workers     int               // parts read at once by a query; default GOMAXPROCS
	Now         func() time.Time  // what "now" in a text means; default time.Now
	Budgets     map[string]Budget // of roles
	Version     string            // of the program: answers of another one may differ, so tags do

	// Places returns what is known now of where addresses are. It may be nil, and may
	// return nil: then nothing is. Nodes of a cluster should know the same.
	Places func() derived.Places
	// Words returns the words that decide categories of a tenant's records; nil: the
	// built-in ones alone. It may be nil: then nobody has others.
	Words func(tenant model.TenantID) *meaning.Lexicon
	// Lookups has the lookup tables of tenants. It may be nil: then there are none.
	Lookups Lookups
}

// Lookups has lookup tables.
type Lookups interface {
	// Table returns a table of a tenant, nil if there is none of the name.
	Table(tenant model.TenantID, name string) (*lookup.Table, error)
	// Names returns the names of a tenant's tables.
	Names(tenant model.TenantID) []string
}

// Validate reports all values that are out of range.
func (c Config) Validate() error {
	var faults []error
	for _, v := range [...]struct {
		name  string
		value int64
	}{
		{"time", int64(c.Time)}, {"count time", int64(c.CountTime)}, {"count large", int64(c.CountLarge)}, {"count brief", int64(c.CountBrief)},
		{"limit", int64(c.Limit)}, {"limit max", int64(c.LimitMax)}, {"page bytes", int64(c.PageBytes)},
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
		{&c.CountLarge, 10_000}, {&c.Limit, 50}, {&c.LimitMax, 10_000}, {&c.PageBytes, 16 << 20}, {&c.OffsetMax, 100_000}, {&c.Groups, 1_000_000}, {&c.Distinct, 1_000_000},
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
		c.CountBrief = time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Budget is what each query of a role may take beyond what all may not. Zero is no
// bound. Over it an answer is a partial one.
type Budget struct {
	Time   time.Duration // that it runs
	Read   uint64        // stored bytes that it reads; it is looked at between parts
	Memory int           // bytes that it holds
	Rows   int           // records or rows that its pipes hold, and groups
	AtOnce int           // queries of one principal that run at once; more wait
}

// ParseBudgets reads budgets of roles: a role, "=" and its bounds with "+" between
// them, such as "user=time:5s+read:1GiB+rows:10000,reader=at-once:2". size reads a
// number of bytes.
func ParseBudgets(text string, size func(text string) (int64, error)) (map[string]Budget, error) {
	budgets := map[string]Budget{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		role, bounds, ok := strings.Cut(pair, "=")
		if _, twice := budgets[role]; !ok || role == "" || twice {
			return nil, fmt.Errorf("%.50q is no budget of a role, or the second one of it; want role=time:5s+read:1GiB+memory:64MiB+rows:10000+at-once:2", pair)
		}
		var b Budget
		for bound := range strings.SplitSeq(bounds, "+") {
			name, value, _ := strings.Cut(strings.TrimSpace(bound), ":")
			var n int64
			var err error
			switch name {
			case "time":
				b.Time, err = time.ParseDuration(value)
				n = int64(b.Time)
			case "read":
				n, err = size(value)
				b.Read = uint64(max(0, n))
			case "memory":
				n, err = size(value)
				b.Memory = int(n)
			case "rows":
				b.Rows, err = strconv.Atoi(value)
				n = int64(b.Rows)
			case "at-once":
				b.AtOnce, err = strconv.Atoi(value)
				n = int64(b.AtOnce)
			default:
				return nil, fmt.Errorf("%.50q in the budget of %s is none of time, read, memory, rows, at-once", name, role)
			}
			if err != nil || n <= 0 {
				return nil, fmt.Errorf("%s %.50q in the budget of %s is not a positive amount", name, value, role)
			}
		}
		budgets[role] = b
	}
	return budgets, nil
}

// budget returns what queries for an audience may take.
func (c *Config) budget(a Audience) Budget { return c.Budgets[a.Role] }

// lesser returns the lesser of a limit and a bound, which is none if it is zero.
func lesser[T int | uint64 | time.Duration](limit, bound T) T {
	if bound == 0 {
		return limit
	}
	return min(limit, bound)
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
