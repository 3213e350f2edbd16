package node_test

import (
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// attempt is a request that a client has tried to store.
type attempt struct {
	request ingest.Request
	lines   []string
	client  int
	began   int64         // the ledger's clock
	acked   int64         // the ledger's clock; 0: not acknowledged
	result  ingest.Result // if acknowledged
}

// place says which line of which attempt a text is.
type place struct {
	attempt *attempt
	line    int
}

// ledger is what the clients know. Its clock counts what they do.
type ledger struct {
	t testing.TB

	mu       sync.Mutex
	clock    int64
	attempts []*attempt
	lines    map[string]place
	reads    []read
	stats    map[string]int
	lacks    string // why an answer was incomplete, the last time
	orders   []*order
	carried  map[uint64]*carried // by number
	counted  []counted
	ahead    int64            // seconds that all clocks but one have been ahead at most
	gone     map[string]int64 // what was acknowledged and removed, and when that was seen first
}

// read is a complete answer to the question for everything.
type read struct {
	tenant     model.TenantID
	began, end int64
	ids        map[string]model.RecordID // by line
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, lines: map[string]place{}, stats: map[string]int{}, gone: map[string]int64{}, carried: map[uint64]*carried{}}
}

func (l *ledger) isDead(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.dead
}

// stop notes that a node is to end.
func (l *ledger) stop(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.stopped = true
}

// mayFail reports whether a node may fail with whatever error: it ends, and its
// clients call it past its HTTP server, which would wait for them.
func (l *ledger) mayFail(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.dead || p.stopped
}

// leave notes that a node has ended because it was removed.
func (l *ledger) leave(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.gone = true
}

func (l *ledger) isGone(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.gone
}

func (l *ledger) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats[what]++
}

// tick is called with mu held.
func (l *ledger) tick() int64 {
	l.clock++
	return l.clock
}

// now begins something.
func (l *ledger) now() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tick()
}

// lineOf is a text that is there once and carries its own checksum.
func lineOf(rng *rand.Rand, client, n, i int) string {
	line := fmt.Sprintf("client %d batch %d line %d of %x", client, n, i, rng.Uint64())
	return fmt.Sprintf("%s crc %08x", line, crc32.ChecksumIEEE([]byte(line)))
}

// begin makes a request and notes it.
func (l *ledger) begin(rng *rand.Rand, client, n int) *attempt {
	a := &attempt{client: client, request: ingest.Request{Tenant: tenants[rng.IntN(len(tenants))]}}
	if rng.IntN(4) > 0 {
		a.request.Key = fmt.Sprintf("%d-%d", client, n)
		a.request.BodyHash = [16]byte{byte(n), byte(n >> 8), byte(client)}
	}
	now := time.Now().UnixNano()
	for i := range between(rng, 1, 12) {
		a.lines = append(a.lines, lineOf(rng, client, n, i))
		a.request.Records = append(a.request.Records, model.Record{Time: now - rng.Int64N(3*24*int64(time.Hour)), TimeDigits: 9, Fields: []model.Field{
			{Name: "component", Kind: model.String, Text: component(client)},
			{Name: "message", Kind: model.String, Text: a.lines[i]},
		}})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a.began = l.tick()
	l.attempts = append(l.attempts, a)
	for i, line := range a.lines {
		l.lines[line] = place{a, i}
	}
	return a
}

func component(client int) string { return fmt.Sprint("c", client) }

// ack notes that a node has acknowledged a request, unless it is dead: whoever
// was killed may have said it only after that.
func (l *ledger) ack(p *process, a *attempt, result ingest.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.dead {
		return
	}
	l.stats["acknowledged"]++
	if a.acked != 0 {
		if a.request.Key == "" {
			l.t.Errorf("a request without a key was sent twice")
		}
		for i := range a.lines {
			if have, want := result.ID(i), a.result.ID(i); have != want {
				l.t.Errorf("%q was acknowledged as %s, a repeat as %s", a.lines[i], want, have)
				return
			}
		}
		if !result.Duplicate {
			l.t.Errorf("a repeat of %q is not called one", a.lines[0])
		}
		return
	}
	a.acked, a.result = l.tick(), result
}

// question is what a client asks of a node.
type question struct {
	tenant model.TenantID
	client int  // whose records; -1: everybody's
	count  bool // how many, else which
	began  int64
}

func (q question) request() query.Request {
	text := "*"
	if q.client >= 0 {
		text = "component:" + component(q.client)
	}
	if q.count {
		text += " | stats count() by (component)"
	}
	return query.Request{Audience: query.Audience{Tenant: q.tenant}, Text: text, Limit: 10_000}
}

// asks reports whether the question is for an attempt.
func (q question) asks(a *attempt) bool {
	return a.request.Tenant == q.tenant && (q.client < 0 || q.client == a.client)
}

// check compares an answer with what is known: what was acknowledged before the
// question must be in it, unless it calls itself incomplete; what nobody has
// tried to store must not; nothing must be in it twice.
func (l *ledger) check(p *process, q question, answer *query.Result) (complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.dead {
		return false
	}
	l.stats["answers"]++
	if !answer.Complete {
		l.stats["incomplete answers"]++
		if answer.Reason == "" {
			l.t.Errorf("an answer is incomplete without a reason")
		}
		l.lacks = answer.Reason
	}
	if q.count {
		l.checkCounts(q, answer)
	} else {
		l.checkLines(q, answer)
	}
	return answer.Complete
}

func (l *ledger) checkLines(q question, answer *query.Result) {
	found := map[string]model.RecordID{}
	for _, hit := range answer.Hits {
		message, _ := hit.Record.Get("message")
		at, known := l.lines[message.Text]
		if other, twice := found[message.Text]; twice {
			l.t.Errorf("%q is in an answer twice: %s and %s", message.Text, other, hit.ID)
		}
		found[message.Text] = hit.ID
		switch {
		case !known || !q.asks(at.attempt):
			l.t.Errorf("%q is in an answer to a question for other records: %+v", message.Text, q)
		case at.attempt.acked != 0 && at.attempt.result.ID(at.line) != hit.ID:
			l.t.Errorf("%q was acknowledged as %s and is %s in an answer", message.Text, at.attempt.result.ID(at.line), hit.ID)
		case l.mustBeGone(at.attempt, at.line, hit.ID, q.began) != nil:
			l.t.Errorf("%q was removed by %+v and is in an answer to a question of %d, which is complete: %v", message.Text, *l.mustBeGone(at.attempt, at.line, hit.ID, q.began), q.began, answer.Complete)
		case answer.Complete && l.gone[message.Text] != 0 && l.gone[message.Text] < q.began:
			l.t.Errorf("%q was gone at %d and is in an answer to a question of %d", message.Text, l.gone[message.Text], q.began)
		}
	}
	if answer.TotalExact && answer.Total != uint64(len(answer.Hits)) {
		l.t.Errorf("an answer has %d records and calls them %d", len(answer.Hits), answer.Total)
	}
	if !answer.Complete {
		return
	}
	lost := 0
	for _, a := range l.attempts {
		if !q.asks(a) || a.acked == 0 || a.acked > q.began {
			continue
		}
		for i, line := range a.lines {
			if _, ok := found[line]; ok {
				continue
			}
			if l.mayBeGone(a, i) {
				if l.gone[line] == 0 {
					l.gone[line] = l.tick()
				}
			} else {
				if lost++; lost <= 3 {
					l.t.Errorf("%q was acknowledged as %s at %d and is not in a complete answer to a question of %d", line, a.result.ID(i), a.acked, q.began)
				}
			}
		}
	}
	if lost > 3 {
		l.t.Errorf("%d acknowledged records are not in the answer, it has %d", lost, len(found))
	}
	if q.client < 0 {
		l.reads = append(l.reads, read{q.tenant, q.began, l.tick(), found})
	}
}

func (l *ledger) checkCounts(q question, answer *query.Result) {
	have, least, most := map[string]int{}, map[string]int{}, map[string]int{}
	for _, row := range answer.Rows {
		name, _ := row[0].(string)
		n, _ := row[1].(int64)
		have[name] += int(n)
	}
	for _, a := range l.attempts {
		if !q.asks(a) {
			continue
		}
		for i := range a.lines {
			id := model.RecordID{}
			if a.acked != 0 {
				id = a.result.ID(i)
			}
			if l.mustBeGone(a, i, id, q.began) == nil {
				most[component(a.client)]++
			}
			if a.acked != 0 && a.acked <= q.began && !l.mayBeGone(a, i) {
				least[component(a.client)]++
			}
		}
	}
	for name, n := range have {
		if n > most[name] {
			l.t.Errorf("%d records of %s are counted, at most %d were written: %+v", n, name, most[name], q)
		}
	}
	for name, n := range least {
		if answer.Complete && have[name] < n {
			l.t.Errorf("%d records of %s are counted, %d were acknowledged before: %+v", have[name], name, n, q)
		}
	}
	if answer.Complete {
		l.counted = append(l.counted, counted{q, have, l.tick()})
	}
}

// open returns the requests whose outcome is unknown and that may be repeated.
func (l *ledger) open() (attempts []*attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.attempts {
		if a.acked == 0 && a.request.Key != "" {
			attempts = append(attempts, a)
		}
	}
	return attempts
}

// never is the end of what has no known end.
const never = math.MaxInt64
