package tail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
)

// Request says what a client wants to see.
type Request struct {
	query.Audience
	Text string // a filter, perhaps with fields
	// At most one of these: a backlog of so many newest records; of all from a
	// time on, in Unix nanoseconds; the cursor of the last record that was seen.
	Backlog int
	Since   int64
	Cursor  string
}

// Line is a record for one client, with the cursor that goes on after it.
type Line struct {
	*Entry
	Cursor string
}

// Event is what a client is told: lines, that some were left out, or, with
// neither, that all is well.
type Event struct {
	Lines   []Line
	Backlog bool   // the lines are from before the tail was opened
	Dropped uint64 // since the last event
	Total   uint64 // dropped since the tail was opened
	Cursor  string // after this event
	Behind  []model.ShardID
	Missing []Missing // after the lines
}

// Missing says that records of a shard are left out, because segments or blocks
// that may have them cannot be read anywhere.
type Missing struct {
	Shard    model.ShardID
	Segments int
}

// linesMax is how many lines of one event there are at most, and linesBytes about
// how much those take that a tail reads for itself.
const (
	linesMax   = 1024
	linesBytes = 256 << 10
)

// Tail is what one client looks at.
type Tail struct {
	hub     *Hub
	request Request
	plan    *plan.Plan
	filter  query.FollowFilter

	// Of the goroutine that calls Next:
	marks    query.Marks // seen up to here
	joined   map[model.ShardID]bool
	resumed  bool           // marks are a client's, and may be far behind
	turn     int            // which of the shards catches up next
	caught   bool           // the last event was of one that catches up
	newest   []query.Hit    // of a backlog, oldest first
	scan     *query.Scan    // of a backlog
	backlog  *exec.Position // the last one of it
	at       *batch         // being shown
	shown    int            // batches shown, to be let go of when the next event is asked for
	dropped  uint64         // of a backlog, to be told
	total    uint64
	missing  []Missing             // to be told
	told     map[model.ShardID]int // missing segments of which the client knows
	lookedAt time.Time             // for new shards
	beatAt   time.Time

	mu struct {
		sync.Mutex
		queue   []batch
		records int
		held    [][]*Entry // of the queue, and what was taken of it and is not let go of yet
		bytes   int        // of these
	}
	wake  chan struct{}
	close sync.Once
	done  chan struct{}
}

// Open opens a tail. Its errors are those of the request (*syntax.Error,
// *query.RequestError, ErrCursor), ErrTooMany, ErrUnavailable and ErrClosed.
func (h *Hub) Open(ctx context.Context, request Request) (*Tail, error) {
	now := h.cfg.Now()
	p, filter, err := query.FollowPlan(request.Text, request.Restriction, now.UnixNano())
	if err != nil {
		return nil, err
	}
	switch {
	case request.Backlog < 0 || request.Backlog > h.cfg.BacklogMax:
		return nil, &query.RequestError{Field: "backlog", Message: fmt.Sprintf("is %d, want 0 to %d", request.Backlog, h.cfg.BacklogMax)}
	case request.Backlog > 0 && request.Since != 0 || request.Cursor != "" && (request.Backlog > 0 || request.Since != 0):
		return nil, &query.RequestError{Field: "backlog", Message: "backlog, since and a cursor exclude each other"}
	}
	var at *cursor
	if request.Cursor != "" {
		if at, err = parseCursor(request.Cursor); err != nil {
			return nil, err
		}
	}
	if err := h.enter(request.Tenant); err != nil {
		return nil, err
	}
	t := &Tail{
		hub: h, request: request, plan: p, filter: filter, joined: map[model.ShardID]bool{}, told: map[model.ShardID]int{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := t.begin(ctx, at); err != nil {
		h.leave(request.Tenant)
		return nil, err
	}
	return t, nil
}

// begin finds out where the tail begins; at is its cursor, if it has one.
func (t *Tail) begin(ctx context.Context, at *cursor) (err error) {
	if at != nil {
		if err := t.hub.known(ctx, t.request.Tenant, at.marks); err != nil {
			return err
		}
		t.marks, t.resumed = at.marks, true
		if at.backlog != nil {
			return t.scanFrom(at.backlog, 0)
		}
		return nil
	}
	if t.marks, err = t.hub.Marks(ctx, t.request.Tenant); err != nil {
		return err
	}
	if t.request.Since != 0 {
		return t.scanFrom(nil, t.request.Since)
	}
	if t.request.Backlog == 0 {
		return nil
	}
	return t.readBacklog(ctx)
}

// readBacklog reads the newest records, page by page; what finds no room of the
// oldest is dropped.
func (t *Tail) readBacklog(ctx context.Context) error {
	asked := query.Request{Audience: t.request.Audience, Text: t.request.Text}
	bytes := 0
	for left := t.request.Backlog; left > 0; {
		asked.Limit = left
		found, err := t.hub.cfg.Engine.Search(ctx, asked)
		if err != nil {
			return err
		}
		if !found.Complete {
			return fmt.Errorf("%w: the backlog is incomplete: %s", ErrUnavailable, found.Reason)
		}
		for i := range found.Hits {
			hit := &found.Hits[i]
			if bytes += exec.RecordBytes(&hit.Record); len(t.newest) > 0 && bytes > t.hub.backlogBytes() {
				t.dropped = min(found.Total, uint64(t.request.Backlog)) - uint64(t.request.Backlog-left+i)
				t.hub.dropped.Add(t.dropped)
				found.NextCursor = ""
				break
			}
			if t.marks.Has(hit.ID) { // else it comes anyway
				t.newest = append(t.newest, *hit)
			}
		}
		left -= len(found.Hits)
		if asked.Cursor = found.NextCursor; asked.Cursor == "" {
			break
		}
	}
	slices.Reverse(t.newest)
	return nil
}

// scanFrom makes a backlog of all records after one, or from a time on.
func (t *Tail) scanFrom(after *exec.Position, since int64) (err error) {
	t.scan, err = t.hub.cfg.Engine.Scan(query.ScanRequest{
		Request: query.Request{Audience: t.request.Audience, Text: t.request.Text, From: since},
		Now:     t.hub.cfg.Now().UnixNano(), Until: maps.Clone(t.marks), After: after,
	})
	return err
}

// Close ends the tail.
func (t *Tail) Close() {
	t.close.Do(func() {
		close(t.done)
		t.hub.part(t)
		t.letGo(math.MaxInt)
		t.hub.leave(t.request.Tenant)
	})
}

// closed reports whether Close was called.
func (t *Tail) closed() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// Next returns the next event, as soon as there is one, and now and then a
// heartbeat, which says what cannot be followed. ErrClosed says that the node stops.
func (t *Tail) Next(ctx context.Context) (Event, error) {
	t.letGo(t.shown)
	t.shown = 0
	event, err := t.next(ctx)
	if err != nil {
		return Event{}, err
	}
	t.hub.shown.Add(uint64(len(event.Lines)))
	t.total += event.Dropped
	event.Total = t.total
	event.Missing, t.missing = t.missing, nil
	event.Cursor = t.cursor()
	return event, nil
}

func (t *Tail) next(ctx context.Context) (Event, error) {
	for {
		if err := t.ended(ctx); err != nil {
			return Event{}, err
		}
		if event, ok, err := t.nextBacklog(ctx); ok || err != nil {
			return event, err
		}
		// What has come meanwhile to shards that have caught up is shown in turn.
		if t.caught && t.offered() {
			t.caught = false
		} else if event, ok, err := t.catchUp(ctx); ok || err != nil {
			t.caught = ok
			return event, err
		}
		if time.Since(t.beatAt) >= t.hub.cfg.Heartbeat {
			t.beatAt = time.Now()
			return t.heartbeat(), nil
		}
		if t.at == nil {
			if t.at = t.take(); t.at == nil {
				t.wait(ctx)
				continue
			}
		}
		if event, ok := t.show(ctx); ok || len(t.missing) > 0 {
			return event, nil
		}
	}
}

// lacks notes that segments of a shard cannot be read, once for each number of
// them.
func (t *Tail) lacks(shard model.ShardID, segments int) {
	if segments > 0 && segments != t.told[shard] {
		t.missing = append(t.missing, Missing{shard, segments})
	}
	t.told[shard] = segments
}

// ended returns why there is no next event.
func (t *Tail) ended(ctx context.Context) error {
	if t.closed() || t.hub.ctx.Err() != nil {
		return ErrClosed
	}
	return ctx.Err()
}

// nextBacklog returns a piece of the backlog, if there is one.
func (t *Tail) nextBacklog(ctx context.Context) (Event, bool, error) {
	for len(t.newest) == 0 && t.scan != nil {
		hits, err := t.scan.Next(ctx)
		if err != nil {
			return Event{}, false, fmt.Errorf("read backlog: %w", err)
		}
		if t.newest = hits; len(hits) == 0 {
			t.scan = nil
		}
	}
	if len(t.newest) == 0 {
		t.backlog = nil
		return Event{}, false, nil
	}
	event := Event{Backlog: true, Dropped: t.dropped}
	t.dropped = 0
	n := min(len(t.newest), linesMax)
	for _, hit := range t.newest[:n] {
		t.backlog = &exec.Position{Time: hit.Record.Time, ID: hit.ID}
		event.Lines = append(event.Lines, Line{newEntry(hit.ID, hit.Record, t.plan), t.cursor()})
	}
	t.newest = t.newest[n:]
	if len(t.newest) == 0 && t.scan == nil {
		t.backlog = nil
		event.Lines[n-1].Cursor = t.cursor()
	}
	return event, true, nil
}

// catchUp brings the shards that the tail does not hear of yet to where they are
// now, and joins them. What a client has missed is not dropped.
func (t *Tail) catchUp(ctx context.Context) (Event, bool, error) {
	if time.Since(t.lookedAt) < t.hub.cfg.ShardInterval {
		return Event{}, false, nil
	}
	t.lookedAt = time.Now()
	shards := t.hub.cfg.Shards.ShardsOf(t.request.Tenant)
	for i := range shards {
		shard := shards[(t.turn+i)%len(shards)]
		if t.joined[shard] {
			continue
		}
		var lines []Line
		more := false
		if t.resumed {
			var err error
			if lines, more, err = t.read(ctx, shard, 0); err != nil {
				continue // it is looked for again
			}
		}
		if !more {
			t.joined[shard] = true
			t.hub.join(t, shard, t.marks[shard])
		}
		if more || len(lines) > 0 || len(t.missing) > 0 {
			// There may be more: it goes on with the next shard, after a heartbeat
			// if one is due.
			t.turn, t.lookedAt = (t.turn+i+1)%len(shards), time.Time{}
			return Event{Lines: lines}, len(lines) > 0 || len(t.missing) > 0, nil
		}
	}
	return Event{}, false, nil
}

// read reads what comes after the tail's mark in a shard. It reports whether there
// is more already.
func (t *Tail) read(ctx context.Context, shard model.ShardID, wait time.Duration) ([]Line, bool, error) {
	q := &query.FollowQuery{
		Tenant: t.request.Tenant, Shard: shard, After: t.marks[shard], Records: linesMax, Bytes: linesBytes, Wait: wait, Filters: []query.FollowFilter{t.filter},
	}
	answer, err := t.hub.cfg.Shards.Follow(ctx, q)
	if err != nil {
		return nil, false, err
	}
	lines := make([]Line, len(answer.Records))
	for i := range answer.Records {
		one := &answer.Records[i]
		t.marks[shard] = one.ID.Mark()
		lines[i] = Line{newEntry(one.ID, one.Record, t.plan), t.cursor()}
	}
	t.marks[shard] = answer.Upto
	t.lacks(shard, answer.Missing)
	return lines, answer.More, nil
}

// show shows the batch at hand, or what the tail lacks before it.
func (t *Tail) show(ctx context.Context) (Event, bool) {
	b := t.at
	if t.marks[b.shard].Compare(b.after) < 0 {
		lines, _, err := t.read(ctx, b.shard, t.hub.cfg.Wait)
		if err != nil {
			sleep(ctx, retryMin)
		}
		return Event{Lines: lines}, len(lines) > 0
	}
	if t.marks[b.shard].Compare(b.upto) < 0 {
		t.lacks(b.shard, b.missing)
	} else {
		b.dropped = 0 // all of it was read meanwhile
	}
	event := Event{Dropped: b.dropped}
	rest := b.trim(t.marks[b.shard])
	n := min(len(rest.entries), linesMax)
	for _, e := range rest.entries[:n] {
		t.marks[b.shard] = e.ID.Mark()
		event.Lines = append(event.Lines, Line{e, t.cursor()})
	}
	b.dropped = 0
	if n == len(rest.entries) {
		if t.marks[b.shard].Compare(b.upto) < 0 {
			t.marks[b.shard] = b.upto
		}
		if t.at = nil; b.held {
			t.shown++
		}
	}
	return event, n > 0 || event.Dropped > 0
}

// cursor returns the cursor of where the tail is.
func (t *Tail) cursor() string {
	c := cursor{marks: t.marks, backlog: t.backlog}
	return string(c.append(nil))
}

// wait waits for a batch, or until there is something else to look at.
func (t *Tail) wait(ctx context.Context) {
	timer := time.NewTimer(min(t.hub.cfg.Heartbeat-time.Since(t.beatAt), t.hub.cfg.ShardInterval))
	defer timer.Stop()
	select {
	case <-t.wake:
	case <-timer.C:
	case <-t.done:
	case <-t.hub.ctx.Done():
	case <-ctx.Done():
	}
}

// heartbeat says how the tail is. What its filter has passed without a record
// counts as seen.
func (t *Tail) heartbeat() Event {
	var event Event
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	for _, shard := range t.hub.cfg.Shards.ShardsOf(t.request.Tenant) {
		f := t.hub.mu.followers[followed{t.request.Tenant, shard}]
		if f == nil || !t.joined[shard] {
			event.Behind = append(event.Behind, shard)
			continue
		}
		f.mu.Lock()
		t.mu.Lock()
		g := f.mu.groups[t.filter]
		if len(t.mu.queue) == 0 && g != nil && g.upto.Compare(t.marks[shard]) <= 0 && t.marks[shard].Compare(f.mu.upto) < 0 {
			t.marks[shard] = f.mu.upto
		}
		if f.mu.failed != nil && !errors.Is(f.mu.failed, context.Canceled) {
			event.Behind = append(event.Behind, shard)
		}
		t.mu.Unlock()
		f.mu.Unlock()
	}
	return event
}

// offer gives the tail what came to a shard, or counts it where there is no room.
func (t *Tail) offer(b batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(b.entries); n > 0 && !t.hold(b) {
		b.dropped, b.entries, b.bytes = uint64(n), nil, 0
		t.hub.dropped.Add(uint64(n))
		for i := range slices.Backward(t.mu.queue) {
			if last := &t.mu.queue[i]; last.shard == b.shard {
				if last.dropped > 0 && last.upto == b.after {
					last.upto, last.dropped = b.upto, last.dropped+b.dropped
					return
				}
				break
			}
		}
	}
	b.held = len(b.entries) > 0
	t.mu.records += len(b.entries)
	t.mu.queue = append(t.mu.queue, b)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// offered reports whether there is something to show that was offered.
func (t *Tail) offered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at != nil || len(t.mu.queue) > 0
}

// take returns what was offered first, nil if there is nothing.
func (t *Tail) take() *batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.queue) == 0 {
		t.mu.queue = nil
		return nil
	}
	b := t.mu.queue[0]
	t.mu.queue[0] = batch{}
	t.mu.queue = t.mu.queue[1:]
	t.mu.records -= len(b.entries)
	return &b
}
