package tail

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/plan"
)

// Entry is a record that is shown, the same for all tails with a filter.
type Entry struct {
	ID     model.RecordID
	Record model.Record

	bytes int
	holds atomic.Int32 // tails for which it waits
	once  sync.Once
	text  []byte
}

// Text returns what render makes of the record, once for all tails.
func (e *Entry) Text(render func(id model.RecordID, record *model.Record) []byte) []byte {
	e.once.Do(func() { e.text = render(e.ID, &e.Record) })
	return e.text
}

// newEntry returns the entry of a record as a filter's plan wants it.
func newEntry(id model.RecordID, record model.Record, p *plan.Plan) *Entry {
	e := &Entry{ID: id, Record: query.Project(record, p)}
	for _, field := range e.Record.Fields {
		e.bytes += entryBytes + len(field.Name) + len(field.Text)
	}
	return e
}

// entryBytes is about what a field takes besides its texts.
const entryBytes = 40

// batch is what came to a shard between two marks, for one filter.
type batch struct {
	shard       model.ShardID
	after, upto model.Mark
	entries     []*Entry
	held        bool // entries were there when it was offered, see hold
	bytes       int
	dropped     uint64 // entries that were left out instead
	missing     int    // segments between the marks that cannot be read
}

// trim leaves out the entries that are not after a mark.
func (b batch) trim(mark model.Mark) batch {
	skip := sort.Search(len(b.entries), func(i int) bool { return b.entries[i].ID.Mark().Compare(mark) > 0 })
	for _, e := range b.entries[:skip] {
		b.bytes -= e.bytes
	}
	b.entries = b.entries[skip:]
	return b
}

// follower follows one shard for the tails of one tenant.
type follower struct {
	hub  *Hub
	what followed
	stop context.CancelFunc

	mu struct {
		sync.Mutex
		upto   model.Mark // up to here everything was offered
		groups map[query.FollowFilter]*group
		ask    context.CancelFunc // ends the question under way
		failed error              // why the last question has no answer
	}
}

// group is the tails with one filter.
type group struct {
	plan  *plan.Plan
	upto  model.Mark           // of the last batch that they were offered
	tails map[*Tail]model.Mark // where each came in
}

// join lets a tail hear of a shard from its mark on.
func (h *Hub) join(t *Tail, shard model.ShardID, mark model.Mark) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil || t.closed() {
		return
	}
	what := followed{t.request.Tenant, shard}
	f := h.mu.followers[what]
	if f == nil {
		f = &follower{hub: h, what: what}
		f.mu.upto, f.mu.groups = mark, map[query.FollowFilter]*group{}
		h.mu.followers[what] = f
		var ctx context.Context
		ctx, f.stop = context.WithCancel(h.ctx)
		h.active.Go(func() { f.run(ctx) })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.mu.groups[t.filter]
	if g == nil {
		g = &group{plan: t.plan, upto: f.mu.upto, tails: map[*Tail]model.Mark{}}
		f.mu.groups[t.filter] = g
		if f.mu.ask != nil {
			f.mu.ask() // so that the new filter is asked for at once
		}
	}
	g.tails[t] = mark
	t.offer(batch{shard: shard, after: f.mu.upto, upto: f.mu.upto})
}

// part takes a tail out that has been closed.
func (h *Hub) part(t *Tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for what, f := range h.mu.followers {
		if what.tenant == t.request.Tenant && f.part(t) {
			f.stop()
			delete(h.mu.followers, what)
		}
	}
}

// part takes a tail out; true means that nobody is left.
func (f *follower) part(t *Tail) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.mu.groups[t.filter]; g != nil {
		if delete(g.tails, t); len(g.tails) == 0 {
			delete(f.mu.groups, t.filter)
		}
	}
	return len(f.mu.groups) == 0
}

// run asks the shard for what comes, until nobody wants to know any more.
func (f *follower) run(ctx context.Context) {
	delay := retryMin
	for ctx.Err() == nil {
		began := time.Now()
		asked, cancel, q := f.question(ctx)
		answer, err := f.hub.cfg.Shards.Follow(asked, q)
		changed := asked.Err() != nil
		cancel()
		switch {
		case err == nil:
			given := f.deliver(q, answer)
			delay = retryMin
			sleep(ctx, f.hub.pace(given)-time.Since(began))
		case changed:
		default:
			f.mu.Lock()
			f.mu.failed = err
			f.mu.Unlock()
			sleep(ctx, delay)
			delay = min(2*delay, retryMax)
		}
	}
}

// question returns the next question, and a context that also ends when there is
// more to ask.
func (f *follower) question(ctx context.Context) (context.Context, context.CancelFunc, *query.FollowQuery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := &query.FollowQuery{Tenant: f.what.tenant, Shard: f.what.shard, After: f.mu.upto, Records: query.FollowRecordsMax, Wait: f.hub.cfg.Wait}
	for filter := range f.mu.groups {
		if len(q.Filters) < query.FollowFiltersMax {
			q.Filters = append(q.Filters, filter)
		}
	}
	ctx, f.mu.ask = context.WithCancel(ctx)
	return ctx, f.mu.ask, q
}

// How long it takes to give something to one tail, which wakes a goroutine and
// writes to a connection, about, at both ends; and the longest pause for that.
const (
	giveTime = 100 * time.Microsecond
	paceMax  = 50 * time.Millisecond
)

// pace returns how long a follower pauses that has given something to so many tails:
// where they are many, they get more at a time, so that giving does not take the
// processors from those who write and from those who look on.
func (h *Hub) pace(given int) time.Duration {
	return max(h.cfg.Pace, min(time.Duration(given)*giveTime, paceMax))
}

// deliver offers an answer to the tails and returns how many there are something for.
// Tails whose filter was not asked for read what came themselves.
func (f *follower) deliver(q *query.FollowQuery, answer *query.Followed) (given int) {
	asked := make(map[query.FollowFilter]int, len(q.Filters))
	for n, filter := range q.Filters {
		asked[filter] = n
	}
	matching := make([][]int, len(q.Filters)) // records of each filter
	for i := range answer.Records {
		for _, n := range answer.Records[i].Filters {
			matching[n] = append(matching[n], i)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.upto, f.mu.ask, f.mu.failed = answer.Upto, nil, nil
	for filter, g := range f.mu.groups {
		b := batch{shard: f.what.shard, after: g.upto, upto: answer.Upto, missing: answer.Missing}
		if n, ok := asked[filter]; ok {
			for _, i := range matching[n] {
				e := newEntry(answer.Records[i].ID, answer.Records[i].Record, g.plan)
				b.entries, b.bytes = append(b.entries, e), b.bytes+e.bytes
			}
			if len(b.entries) == 0 && b.missing == 0 {
				continue
			}
		} else if answer.Upto == q.After {
			continue
		} else {
			b.after = answer.Upto
		}
		g.upto = answer.Upto
		given += len(g.tails)
		for t, since := range g.tails {
			t.offer(b.trim(since))
		}
	}
	return given
}
