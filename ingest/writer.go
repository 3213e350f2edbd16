package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stere-log/stere/model"
)

// Writer writes requests to shards.
//
// Requests are cut into parts and queued in lanes, one for each tenant and
// shard. A lane with nothing on the way sends what comes at once; while a block
// is on the way, parts collect and go together in the next one. So a lone
// request waits for nobody, and under load the number of blocks is bounded by
// the time that one takes, not by the number of requests. The rejected simpler
// way, a fixed delay, makes the lone request slow and the busy shard no faster.
//
// Requests without a key go to one shard for StretchBytes, then to the next:
// what came together is stored together, which compresses better, and while a
// shard seals, another takes what comes, before its turn if the first has so much to
// seal that it is crowded.
type Writer struct {
	shards  Shards
	cfg     Config
	offered atomic.Uint64 // bytes of requests without key: rotates them over shards
	senders sync.WaitGroup
	cancel  context.CancelFunc
	ctx     context.Context // of all Appends: no request may cancel another's

	mu struct {
		sync.Mutex
		closed   bool
		lanes    map[laneKey]*lane
		bytes    int64 // of records in flight
		requests int
		stats    Stats
	}
}

// Stats counts what a Writer did since it was made.
type Stats struct {
	Requests      uint64 // accepted
	Refused       uint64 // with ErrBusy
	Records       uint64 // stored or found stored
	Blocks        uint64 // appended
	BlockBytes    uint64 // of those, encoded
	InFlight      int    // requests now
	InFlightBytes int64  // memory of their records
}

// NewWriter returns a Writer. Close it after use.
func NewWriter(shards Shards, cfg Config) *Writer {
	w := &Writer{shards: shards, cfg: cfg.withDefaults()}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.mu.lanes = map[laneKey]*lane{}
	return w
}

// Close refuses new requests, waits until those in flight are done, and
// returns. If ctx ends first, they fail with ErrUnavailable.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.mu.closed = true
	w.mu.Unlock()
	stop := context.AfterFunc(ctx, w.cancel)
	w.senders.Wait()
	w.cancel()
	if !stop() {
		return fmt.Errorf("close writer: %w", context.Cause(ctx))
	}
	return nil
}

// Stats returns the counters.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.mu.stats
	s.InFlight, s.InFlightBytes = w.mu.requests, w.mu.bytes
	return s
}

// Write stores the records of a request and says where. Ctx counts as long as
// the records wait; once a part of them is on the way, Write waits for its
// outcome, at most Config.Timeout for each Append.
func (w *Writer) Write(ctx context.Context, req Request) (Result, error) {
	if err := req.Tenant.Validate(); err != nil {
		return Result{}, fmt.Errorf("write records: %w", err)
	}
	if len(req.Records) == 0 {
		return Result{}, nil
	}
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("write records: %w", context.Cause(ctx))
	}
	placed := w.shards.ShardsOf
	if req.Key != "" {
		placed = w.shards.KeyShardsOf
	}
	shards := placed(req.Tenant)
	if len(shards) == 0 {
		return Result{}, fmt.Errorf("write records of tenant %s: no shard: %w", req.Tenant, ErrUnavailable)
	}
	size, text := memoryOf(req.Records)
	if err := w.admit(size); err != nil {
		return Result{}, fmt.Errorf("write %d records: %w", len(req.Records), err)
	}
	defer w.leave(size)
	parts := w.split(req, shards, text)
	if req.Key == "" {
		result, err := w.send(ctx, req, parts)
		if errors.Is(err, ErrBusy) || errors.Is(err, ErrUnavailable) {
			w.offered.Add(StretchBytes) // the next may fare better elsewhere
		}
		return result, err
	}
	if len(parts) == 1 {
		return w.send(ctx, req, parts)
	}
	// The first part answers for the key: if it was used for another body, no
	// other part may be stored.
	first, err := w.send(ctx, req, parts[:1])
	if err != nil {
		return Result{}, err
	}
	rest, err := w.send(ctx, req, parts[1:])
	if err != nil {
		return Result{}, err
	}
	return Result{Ranges: append(first.Ranges, rest.Ranges...), Duplicate: first.Duplicate && rest.Duplicate}, nil
}

// admit counts a request in, or refuses it.
func (w *Writer) admit(size int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.mu.closed:
		return ErrUnavailable
	case w.mu.requests >= w.cfg.Requests,
		w.mu.requests > 0 && w.mu.bytes+size > w.cfg.InFlightBytes:
		w.mu.stats.Refused++
		return ErrBusy
	}
	w.mu.requests++
	w.mu.bytes += size
	w.mu.stats.Requests++
	// Close must not see the senders of an admitted request as finished before
	// they started.
	w.senders.Add(1)
	return nil
}

// leave is the end of what admit began.
func (w *Writer) leave(size int64) {
	w.mu.Lock()
	w.mu.requests--
	w.mu.bytes -= size
	w.mu.Unlock()
	w.senders.Done()
}

// split cuts a request into parts of one block at most and gives each its
// shard and keys. Text is the length of all values.
func (w *Writer) split(req Request, shards []model.ShardID, text int) []part {
	var turn uint64
	if req.Key == "" {
		turn = w.roomier(w.offered.Add(uint64(text))/StretchBytes, shards)
	} else {
		turn = uint64(hashShard(req.Tenant, req.Key))
	}
	var parts []part
	start, bytes := 0, 0
	cut := func(end int) {
		// The shard follows from the number of the part, which follows from the
		// records: a repeat is cut alike.
		shard := shards[(turn+uint64(len(parts)))%uint64(len(shards))]
		parts = append(parts, newPart(req, shard, start, end, bytes))
		start, bytes = end, 0
	}
	if len(req.Records) <= w.cfg.BlockRecords && text <= w.cfg.BlockBytes {
		bytes = text
		cut(len(req.Records))
		return parts
	}
	for i := range req.Records {
		size := textOf(&req.Records[i])
		if i > start && (i-start >= w.cfg.BlockRecords || bytes+size > w.cfg.BlockBytes) {
			cut(i)
		}
		bytes += size
	}
	cut(len(req.Records))
	return parts
}

// crowded is from which share of what it may hold on a shard is passed over for one
// that holds less.
const crowded = 0.625

// roomier returns the turn of the shard that is least filled, as far as is known, if the
// one whose turn it is is crowded.
func (w *Writer) roomier(turn uint64, shards []model.ShardID) uint64 {
	count := uint64(len(shards))
	least, known := w.shards.Filled(shards[turn%count])
	if !known || least < crowded {
		return turn
	}
	best := turn
	for other := turn + 1; other < turn+count; other++ {
		if filled, known := w.shards.Filled(shards[other%count]); known && filled < least {
			best, least = other, filled
		}
	}
	return best
}

// send queues parts and waits for all of them.
func (w *Writer) send(ctx context.Context, req Request, parts []part) (Result, error) {
	c := &call{done: make(chan struct{}), pending: len(parts), duplicate: true}
	w.mu.Lock()
	for i := range parts {
		p := &parts[i]
		p.call = c
		c.parts = append(c.parts, p)
		w.enqueue(laneKey{req.Tenant, p.shard}, p)
	}
	w.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		w.mu.Lock()
		w.withdraw(c, context.Cause(ctx))
		w.mu.Unlock()
		<-c.done
	}
	if c.err != nil {
		return Result{}, fmt.Errorf("write %d records: %w", len(req.Records), c.err)
	}
	slices.SortFunc(c.ranges, func(a, b placed) int { return cmp.Compare(a.start, b.start) })
	result := Result{Duplicate: c.duplicate, Ranges: make([]Range, len(c.ranges))}
	for i, r := range c.ranges {
		result.Ranges[i] = r.Range
	}
	return result, nil
}

// What a record and a field take besides their text.
const (
	recordBytes = 48
	fieldBytes  = 40
)

// memoryOf estimates what records hold in memory, and returns the length of
// their values, which is a part of it.
func memoryOf(records []model.Record) (size int64, text int) {
	fields := 0
	for i := range records {
		fields += len(records[i].Fields)
		text += textOf(&records[i])
	}
	return int64(len(records))*recordBytes + int64(fields)*fieldBytes + int64(text), text
}

// textOf returns the length of a record's values.
func textOf(rec *model.Record) int {
	size := 0
	for i := range rec.Fields {
		size += len(rec.Fields[i].Text)
	}
	return size
}
