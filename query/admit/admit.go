package admit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stere-log/stere/model"
)

// Errors of queries that are not let in, or not to the end.
var (
	ErrBusy   = errors.New("too many queries are waiting")
	ErrKilled = errors.New("the query was ended by an operator")
)

// Config is what a Gate lets in. Zero means default.
type Config struct {
	AtOnce      int              // queries that run; default twice GOMAXPROCS, at least 4
	Waiting     int              // queries that wait, of all tenants; default 1,000
	MemoryBytes int              // of all that run; default 128 MiB
	Turns       *Turns           // of heavy queries; default: turns of this gate's own
	Now         func() time.Time // default time.Now
}

// withDefaults returns the configuration with defaults for zeros.
func (c Config) withDefaults() Config {
	c.AtOnce = cmp.Or(c.AtOnce, max(4, 2*runtime.GOMAXPROCS(0)))
	c.Waiting = cmp.Or(c.Waiting, 1_000)
	c.MemoryBytes = cmp.Or(c.MemoryBytes, 128<<20)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Turns == nil {
		c.Turns = NewTurns(0, c.Now)
	}
	return c
}

// spareShare is the share of the places, one of so many, that one tenant leaves
// to others; one place at least if there are several. Of those to wait it leaves as
// large a share.
const spareShare = 4

// Job is who asks what.
type Job struct {
	Tenant model.TenantID
	Who    string // the name of the principal
	Text   string
	AtOnce int // queries of this principal that run at once, others wait; 0 for any number
}

// who is whose queries Job.AtOnce bounds.
type who struct {
	tenant model.TenantID
	name   string
}

func (j *Job) who() who { return who{j.Tenant, j.Who} }

// Query is a query that runs or waits.
type Query struct {
	Job
	ID      string
	Since   time.Time // it came
	Started time.Time // it got its place; zero while it waits
	Memory  int       // bytes that it may take
}

// Gate lets queries in.
type Gate struct {
	config Config
	mine   int // places that one tenant can have

	mu struct {
		sync.Mutex
		last    uint64
		running map[string]*Ticket
		count   map[model.TenantID]int       // that run
		whose   map[who]int                  // that run
		waiting map[model.TenantID][]*Ticket // the first came first
		turn    []model.TenantID             // with waiting queries, the next first
		waits   int
		memory  int // that is granted
		refused uint64
	}
}

// New returns a gate.
func New(config Config) *Gate {
	g := &Gate{config: config.withDefaults()}
	g.mine = g.config.AtOnce
	if g.mine > 1 {
		g.mine -= max(1, g.mine/spareShare)
	}
	g.mu.running = map[string]*Ticket{}
	g.mu.count, g.mu.whose = map[model.TenantID]int{}, map[who]int{}
	g.mu.waiting = map[model.TenantID][]*Ticket{}
	return g
}

// Ticket is a query that was let in. Leave must be called once.
type Ticket struct {
	gate   *Gate
	query  Query
	ready  chan struct{} // closed when the query may run
	cancel context.CancelCauseFunc
}

// Enter waits for a place and returns the context of the query, which ends when
// it is killed. Its errors are ErrBusy, ErrKilled and those of the context.
func (g *Gate) Enter(ctx context.Context, job Job) (context.Context, *Ticket, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := &Ticket{gate: g, ready: make(chan struct{}), cancel: cancel}
	if err := g.add(t, job); err != nil {
		cancel(err)
		return nil, nil, err
	}
	select {
	case <-t.ready:
		return ctx, t, nil
	case <-ctx.Done():
		t.Leave()
		return nil, nil, fmt.Errorf("wait for a place among %d queries: %w", g.config.AtOnce, context.Cause(ctx))
	}
}

// add puts a query behind those of its tenant and lets in what can run.
func (g *Gate) add(t *Ticket, job Job) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.last++
	t.query = Query{Job: job, ID: strconv.FormatUint(g.mu.last, 10), Since: g.config.Now()}
	waits, most := g.mu.waits, g.config.Waiting
	if mine := len(g.mu.waiting[job.Tenant]); mine >= most-most/spareShare {
		waits, most = mine, mine // others find room to wait, whatever this tenant asks
	}
	if waits >= most && !g.free(&job) {
		g.mu.refused++
		return fmt.Errorf("%w: %d", ErrBusy, waits)
	}
	if len(g.mu.waiting[job.Tenant]) == 0 {
		g.mu.turn = append(g.mu.turn, job.Tenant)
	}
	g.mu.waiting[job.Tenant] = append(g.mu.waiting[job.Tenant], t)
	g.mu.waits++
	g.admit()
	return nil
}

// free reports whether a query could run at once.
func (g *Gate) free(job *Job) bool {
	return len(g.mu.running) < g.config.AtOnce && g.mu.count[job.Tenant] < g.mine && g.allowed(job) && g.first(job.Tenant) < 0
}

// allowed reports whether one more query of a principal may run.
func (g *Gate) allowed(job *Job) bool {
	return job.AtOnce <= 0 || g.mu.whose[job.who()] < job.AtOnce
}

// first returns the place of the first waiting query of a tenant whose principal may
// have one more, -1 if there is none.
func (g *Gate) first(tenant model.TenantID) int {
	return slices.IndexFunc(g.mu.waiting[tenant], func(t *Ticket) bool { return g.allowed(&t.query.Job) })
}

// admit gives free places to waiting queries: the tenants with the fewest
// running queries first, among them in turn.
func (g *Gate) admit() {
	for len(g.mu.running) < g.config.AtOnce {
		next, at := -1, 0
		for i, tenant := range g.mu.turn {
			if n := g.mu.count[tenant]; n >= g.mine || next >= 0 && n >= g.mu.count[g.mu.turn[next]] {
				continue
			}
			if first := g.first(tenant); first >= 0 {
				next, at = i, first
			}
		}
		if next < 0 {
			return
		}
		tenant := g.mu.turn[next]
		t := g.mu.waiting[tenant][at]
		g.drop(t)
		if len(g.mu.waiting[tenant]) > 0 { // to the end of the turn
			g.mu.turn = append(slices.DeleteFunc(g.mu.turn, func(other model.TenantID) bool { return other == tenant }), tenant)
		}
		g.mu.count[tenant]++
		g.mu.whose[t.query.who()]++
		g.mu.running[t.query.ID] = t
		t.query.Started = g.config.Now()
		t.query.Memory = g.grant()
		g.mu.memory += t.query.Memory
		close(t.ready)
	}
}

// grant returns the memory of a query that begins: every place has a share of
// one half, and the first of the other half that is left goes to it.
func (g *Gate) grant() int {
	sure := g.config.MemoryBytes / 2 / g.config.AtOnce
	reserved := sure * (g.config.AtOnce - len(g.mu.running)) // for those that come after it
	return sure + max(0, g.config.MemoryBytes-g.mu.memory-sure-reserved)/2
}

// drop takes a query out of those that wait.
func (g *Gate) drop(t *Ticket) {
	tenant := t.query.Tenant
	g.mu.waiting[tenant] = slices.DeleteFunc(g.mu.waiting[tenant], func(other *Ticket) bool { return other == t })
	g.mu.waits--
	if len(g.mu.waiting[tenant]) == 0 {
		delete(g.mu.waiting, tenant)
		g.mu.turn = slices.DeleteFunc(g.mu.turn, func(other model.TenantID) bool { return other == tenant })
	}
}

// Memory returns how many bytes the query may take.
func (t *Ticket) Memory() int { return t.query.Memory }

// Do does a piece of the query's work, which must not block and not call Do: at once if
// the query has just begun, else when it is its turn, see Turns. A panic is the
// caller's to recover inside the piece.
func (t *Ticket) Do(ctx context.Context, piece func() error) error {
	return t.gate.config.Turns.do(ctx, t.query.Tenant, t.query.Started, piece)
}

// Leave gives the place back.
func (t *Ticket) Leave() {
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, runs := g.mu.running[t.query.ID]; runs {
		delete(g.mu.running, t.query.ID)
		g.mu.memory -= t.query.Memory
		if g.mu.count[t.query.Tenant]--; g.mu.count[t.query.Tenant] == 0 {
			delete(g.mu.count, t.query.Tenant)
		}
		if g.mu.whose[t.query.who()]--; g.mu.whose[t.query.who()] == 0 {
			delete(g.mu.whose, t.query.who())
		}
	} else {
		g.drop(t)
	}
	t.cancel(context.Canceled)
	g.admit()
}

// Kill ends a query that runs or waits; it reports whether there is one with
// that id.
func (g *Gate) Kill(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.mu.running[id]
	for _, waiting := range g.mu.waiting {
		for _, other := range waiting {
			if other.query.ID == id {
				t, ok = other, true
			}
		}
	}
	if ok {
		t.cancel(ErrKilled)
	}
	return ok
}

// Queries returns the queries that run and wait, in the order in which they
// came.
func (g *Gate) Queries() []Query {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]Query, 0, len(g.mu.running)+g.mu.waits)
	for _, t := range g.mu.running {
		all = append(all, t.query)
	}
	for _, waiting := range g.mu.waiting {
		for _, t := range waiting {
			all = append(all, t.query)
		}
	}
	slices.SortFunc(all, func(a, b Query) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Counts says how many queries run, wait, and were refused.
func (g *Gate) Counts() (running, waiting int, refused uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.mu.running), g.mu.waits, g.mu.refused
}
