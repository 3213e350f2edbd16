package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// Limits of a Trail.
const (
	queueMax    = 4096 // entries that wait to be written
	batchMax    = 256
	deniedMax   = 1024 // kinds of refusals that are told apart in deniedTime
	deniedTime  = time.Minute
	anchorTime  = 10 * time.Minute
	headsTime   = 30 * 24 * time.Hour // how far back chains are looked for
	headsWait   = 10 * time.Second
	patience    = 5 * time.Second // of who records something
	retryMin    = 100 * time.Millisecond
	retryMax    = 5 * time.Second
	othersActor = "(many others)"
)

// Config of a Trail; Node and Write are needed.
type Config struct {
	Node   string
	Write  func(ctx context.Context, request ingest.Request) (ingest.Result, error)
	Search func(ctx context.Context, request query.Request) (*query.Result, error) // nil: other chains are not looked for
	// Keep makes the newest entry of this node's chain durable beside the trail, and
	// Kept returns it after a start; nil: that is not done.
	Keep func(head Head) error
	Kept func() (Head, error)
	// Settings are what the node runs with, without secrets.
	Settings map[string]string
	Logger   *slog.Logger     // default: discard
	Now      func() time.Time // default: time.Now
}

// Trail records.
type Trail struct {
	cfg    Config
	chain  string
	wake   chan struct{}
	lost   atomic.Int64
	total  atomic.Int64
	writes atomic.Int64

	mu struct {
		sync.Mutex
		queue  []waiting
		lost   int64 // since the last entry
		denied map[denial]*Entry
		others *Entry
		begun  time.Time // of the current stretch of denied
	}
	head     Head // of the goroutine of Run
	last     int64
	anchored time.Time
	anchors  []Head
}

type waiting struct {
	entry Entry
	done  chan struct{} // closed when it is durable
}

// denial is what refusals have in common that are counted together.
type denial struct{ action, actor, tenant, from, reason string }

// New returns a trail; Run writes it.
func New(cfg Config) *Trail {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Trail{cfg: cfg, wake: make(chan struct{}, 1)}
	t.chain = cfg.Node + "-" + strconv.FormatInt(cfg.Now().UnixNano(), 16)
	t.head.Chain = t.chain
	t.mu.denied = map[denial]*Entry{}
	t.mu.begun = cfg.Now()
	return t
}

// Stats says how many entries were made, written and lost.
func (t *Trail) Stats() (made, written, lost int64) {
	return t.total.Load(), t.writes.Load(), t.lost.Load()
}

// Record keeps an entry and returns when it is durable, or after a while.
func (t *Trail) Record(ctx context.Context, entry Entry) {
	done, ok := t.add(entry)
	if !ok {
		t.cfg.Logger.Error("an audit entry was lost: too many wait", "action", entry.Action, "actor", clean(entry.Actor.Name), "outcome", entry.Outcome)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		t.cfg.Logger.Warn("an audit entry is not durable yet", "action", entry.Action, "outcome", entry.Outcome)
	}
}

// add puts an entry into the queue.
func (t *Trail) add(entry Entry) (done <-chan struct{}, ok bool) {
	entry.Time = cmp.Or(entry.Time, t.cfg.Now().UnixNano())
	t.total.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.queue) >= queueMax {
		t.mu.lost++
		t.lost.Add(1)
		return nil, false
	}
	w := waiting{entry.bounded(), make(chan struct{})}
	t.mu.queue = append(t.mu.queue, w)
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return w.done, true
}

// Deny keeps a refusal, and returns at once. The first of a kind is an entry; those
// that follow it within a minute are one with their number.
func (t *Trail) Deny(entry Entry) {
	entry = entry.bounded()
	kind := denial{entry.Action, entry.Actor.Name + "/" + entry.Actor.Key, entry.Tenant, entry.From, entry.Reason}
	now := t.cfg.Now()
	t.mu.Lock()
	more := t.mu.denied[kind]
	first := false
	switch {
	case more != nil:
	case len(t.mu.denied) < deniedMax:
		first = true
		counted := entry
		t.mu.denied[kind] = &counted
	default:
		if t.mu.others == nil {
			t.mu.others = &Entry{Action: "denied", Actor: Actor{Name: othersActor}, Outcome: Denied, Time: now.UnixNano()}
		}
		more = t.mu.others
	}
	if more != nil {
		if more.Count == 0 {
			more.Time = now.UnixNano()
		}
		more.Count++
		more.Until = now.UnixNano()
	}
	t.mu.Unlock()
	if first {
		t.add(entry)
	}
}

// sum makes entries of the refusals that were only counted.
func (t *Trail) sum(all bool) {
	now := t.cfg.Now()
	t.mu.Lock()
	if !all && now.Sub(t.mu.begun) < deniedTime {
		t.mu.Unlock()
		return
	}
	var sums []Entry
	for _, e := range t.mu.denied {
		if e.Count > 0 {
			sums = append(sums, *e)
		}
	}
	if t.mu.others != nil {
		sums = append(sums, *t.mu.others)
	}
	t.mu.denied, t.mu.others, t.mu.begun = map[denial]*Entry{}, nil, now
	t.mu.Unlock()
	slices.SortFunc(sums, func(a, b Entry) int { return cmp.Compare(a.Time, b.Time) })
	for _, e := range sums {
		t.add(e)
	}
}

// Run writes the chain until the context ends, and then what waits.
func (t *Trail) Run(ctx context.Context) error {
	t.begin(ctx)
	ticker := time.NewTicker(deniedTime / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		case <-ticker.C:
			t.sum(false)
			t.anchor(ctx)
		}
		t.drain(ctx)
	}
}

// Close writes what waits, once Run has ended or is about to.
func (t *Trail) Close(ctx context.Context) {
	t.sum(true)
	done, ok := t.add(t.own("audit.end", Done))
	if !ok {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (t *Trail) own(action, outcome string) Entry {
	return Entry{Actor: Actor{Name: t.cfg.Node, Method: "node"}, Action: action, Outcome: outcome, Target: t.chain}
}

// begin makes the first entry: it names the newest entries of all other chains, and
// says if the one before of this node ends sooner than this node knows.
func (t *Trail) begin(ctx context.Context) {
	entry := t.own("audit.begin", Done)
	entry.After = State(t.cfg.Settings)
	heads, err := t.heads(ctx)
	if err != nil {
		entry.Reason = "other chains could not be read: " + err.Error()
	}
	entry.Heads = named(heads)
	if t.cfg.Kept != nil {
		t.compare(ctx, &entry, heads, err == nil)
	}
	if entry.Outcome != Done {
		t.cfg.Logger.Error("the audit trail is not whole", "reason", entry.Reason)
	}
	t.mu.Lock()
	t.mu.queue = append([]waiting{{t.stamped(entry), make(chan struct{})}}, t.mu.queue...)
	t.mu.Unlock()
	t.anchors, t.anchored = entry.Heads, t.cfg.Now()
	t.drain(ctx)
}

// compare says in the first entry if the chain before of this node ends sooner than this
// node knows, and names the end that it knows. What could not be read accuses nobody.
func (t *Trail) compare(ctx context.Context, entry *Entry, heads []Head, whole bool) {
	kept, err := t.cfg.Kept()
	if err != nil {
		entry.Reason = "what this node kept cannot be read: " + err.Error()
		return
	}
	if kept == (Head{}) {
		return
	}
	have := slices.IndexFunc(heads, func(h Head) bool { return h.Chain == kept.Chain })
	newest := Head{}
	switch {
	case have >= 0:
		newest = heads[have]
	case whole: // it may have been long ago
		newest, err = t.newest(ctx, kept.Chain)
		if whole = err == nil; !whole {
			entry.Reason = "the chain of this node before could not be read: " + err.Error()
		}
	}
	if newest.Seq > kept.Seq || newest == kept {
		return
	}
	entry.Heads = append([]Head{kept}, slices.DeleteFunc(entry.Heads, func(h Head) bool { return h.Chain == kept.Chain })...)
	switch {
	case !whole:
	case newest == (Head{}):
		entry.Outcome, entry.Reason = Failed, "the chain of this node before is not there"
	default:
		entry.Outcome, entry.Reason = Failed, fmt.Sprintf("the chain of this node before ends at %d, it had %d", newest.Seq, kept.Seq)
	}
}

func (t *Trail) stamped(entry Entry) Entry {
	entry.Time = t.cfg.Now().UnixNano()
	return entry.bounded()
}

// anchor names the heads of other chains, if they have changed.
func (t *Trail) anchor(ctx context.Context) {
	if now := t.cfg.Now(); now.Sub(t.anchored) < anchorTime {
		return
	} else {
		t.anchored = now
	}
	all, err := t.heads(ctx)
	heads := named(all)
	if err != nil {
		t.cfg.Logger.Debug("other chains cannot be read now", "error", err)
		return
	}
	if slices.Equal(heads, t.anchors) {
		return
	}
	t.anchors = heads
	entry := t.own("audit.anchor", Done)
	entry.Heads = heads
	t.add(entry)
}

// named returns as many heads as an entry names.
func named(heads []Head) []Head { return slices.Clone(heads[:min(len(heads), headsMax-1)]) }

// heads returns the newest entries of all other chains, those of late first.
func (t *Trail) heads(ctx context.Context) ([]Head, error) {
	return t.ask(ctx, "*", t.cfg.Now().Add(-headsTime).UnixNano())
}

// newest returns the newest entry of a chain, whenever that was; none is no error.
func (t *Trail) newest(ctx context.Context, chain string) (Head, error) {
	heads, err := t.ask(ctx, fmt.Sprintf("%s:=%q", FieldChain, chain), 0)
	for _, h := range heads {
		if h.Chain == chain {
			return h, err
		}
	}
	return Head{}, err
}

// ask returns the newest entries of other chains. With an error there may be more, or
// newer ones.
func (t *Trail) ask(ctx context.Context, condition string, from int64) ([]Head, error) {
	if t.cfg.Search == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, headsWait)
	defer cancel()
	result, err := t.cfg.Search(ctx, query.Request{
		Audience: query.Audience{Tenant: Tenant}, Who: "audit", Whole: true, From: from,
		Text: condition + " | stats last(audit.seq) as seq, last(audit.hash) as hash, max(_time) as at by (audit.chain) | sort at desc",
	})
	if err != nil {
		return nil, err
	}
	var heads []Head
	for _, row := range result.Rows {
		chain, hash := fmt.Sprint(row[0]), fmt.Sprint(row[2])
		seq, err := strconv.ParseUint(fmt.Sprint(row[1]), 10, 64)
		if err == nil && chain != t.chain {
			heads = append(heads, Head{chain, seq, hash})
		}
	}
	if !result.Complete {
		return heads, fmt.Errorf("%w: %s", query.ErrIncomplete, result.Reason)
	}
	return heads, nil
}

// drain writes what waits, in order, however long that takes.
func (t *Trail) drain(ctx context.Context) {
	for {
		t.mu.Lock()
		n := min(len(t.mu.queue), batchMax)
		batch := slices.Clone(t.mu.queue[:n])
		t.mu.queue = slices.Delete(t.mu.queue, 0, n)
		lost := t.mu.lost
		t.mu.lost = 0
		t.mu.Unlock()
		if n == 0 {
			return
		}
		if !t.write(ctx, batch, lost) {
			t.mu.Lock()
			t.mu.queue = append(batch, t.mu.queue...)
			t.mu.lost += lost
			t.mu.Unlock()
			return
		}
	}
}

// write chains entries and stores them, again and again until that comes off or the
// context ends.
func (t *Trail) write(ctx context.Context, batch []waiting, lost int64) bool {
	head, last := t.head, t.last
	records := make([]model.Record, len(batch))
	for i := range batch {
		e := batch[i].entry
		last = max(e.Time, last+1)
		e.Chain, e.Seq, e.Prev, e.Time = t.chain, head.Seq+1, head.Hash, last
		if i == 0 {
			e.Lost = lost
		}
		text, hash := e.Text()
		head.Seq, head.Hash = e.Seq, hash
		records[i] = e.record(text, hash)
	}
	request := ingest.Request{Tenant: Tenant, Key: fmt.Sprintf("audit %s %d", t.chain, t.head.Seq+1), Records: records}
	for delay := retryMin; ; delay = min(2*delay, retryMax) {
		_, err := t.cfg.Write(ctx, request)
		if err == nil {
			break
		}
		if errors.Is(err, ingest.ErrConflict) { // it cannot be: keys are of this start
			t.cfg.Logger.Error("audit entries were written by somebody else", "error", err)
			break
		}
		t.cfg.Logger.Warn("audit entries are not written yet", "entries", len(batch), "error", err)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
	t.head, t.last = head, last
	t.writes.Add(int64(len(batch)))
	if t.cfg.Keep != nil {
		if err := t.cfg.Keep(head); err != nil {
			t.cfg.Logger.Warn("the newest audit entry is not kept beside the trail", "error", err)
		}
	}
	for _, w := range batch {
		close(w.done)
	}
	return true
}
