package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
)

type laneKey struct {
	tenant model.TenantID
	shard  model.ShardID
}

// lane holds the parts that wait for one shard. Lanes exist while they have
// parts or senders. All fields are guarded by Writer.mu.
type lane struct {
	key     laneKey
	queue   []*part
	records int // of the queue
	bytes   int // of the queue
	senders int // goroutines that send this lane's blocks
}

// enqueue puts a part into its lane and starts a sender if it is of use. The
// caller holds Writer.mu.
func (w *Writer) enqueue(key laneKey, p *part) {
	l := w.mu.lanes[key]
	if l == nil {
		l = &lane{key: key}
		w.mu.lanes[key] = l
	}
	l.queue = append(l.queue, p)
	l.count(p, +1)
	if l.senders == 0 || w.isFull(l) && l.senders < SendersMax {
		l.senders++
		w.senders.Go(func() { w.drain(l) })
	}
}

// count adds a part to the sums of the queue, or takes it off.
func (l *lane) count(p *part, sign int) {
	l.records += sign * len(p.records)
	l.bytes += sign * p.bytes
	p.lane = nil
	if sign > 0 {
		p.lane = l
	}
}

// isFull reports whether a lane holds at least a block.
func (w *Writer) isFull(l *lane) bool {
	return l.records >= w.cfg.BlockRecords || l.bytes >= w.cfg.BlockBytes
}

// drain is the body of a sender: it sends blocks until there is no more to do.
// A sender that is not the only one leaves what does not fill a block to the
// others, so that it collects.
func (w *Writer) drain(l *lane) {
	for {
		w.mu.Lock()
		var group []*part
		if l.senders == 1 || w.isFull(l) {
			group = w.take(l)
		}
		if len(group) == 0 {
			l.senders--
			if l.senders == 0 {
				delete(w.mu.lanes, l.key)
			}
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.sendGroup(l, group)
	}
}

// take removes the parts of the next block from the queue. The caller holds
// Writer.mu.
func (w *Writer) take(l *lane) []*part {
	var group []*part
	records, bytes, n := 0, 0, 0
	for _, p := range l.queue {
		if p.lane == nil { // withdrawn
			n++
			continue
		}
		if len(group) > 0 && (p.alone || group[0].alone || len(group) >= BatchesMax ||
			records+len(p.records) > w.cfg.BlockRecords || bytes+p.bytes > w.cfg.BlockBytes) {
			break
		}
		records += len(p.records)
		bytes += p.bytes
		group = append(group, p)
		l.count(p, -1)
		n++
	}
	l.queue = l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return group
}

// putBack puts parts at the head of the queue, each to go alone.
func (w *Writer) putBack(l *lane, parts ...*part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range parts {
		p.alone = true
		l.count(p, +1)
	}
	l.queue = append(slices.Clip(parts), l.queue...)
}

// sendGroup encodes parts as one block, appends it and settles the parts.
func (w *Writer) sendGroup(l *lane, group []*part) {
	encoded, err := block.EncodeAs(w.cfg.BlockVersion(), nil, recordsOf(group))
	if err != nil && len(group) > 1 {
		// One of them is at fault, or together they have too many different
		// fields: alone, each gets its own answer.
		w.putBack(l, group...)
		return
	}
	if p := group[0]; errors.Is(err, block.ErrLimit) && len(p.records) > 1 {
		first, second := p.halves()
		w.mu.Lock()
		p.call.pending++
		p.call.parts = append(p.call.parts, first, second)
		w.mu.Unlock()
		w.putBack(l, first, second)
		return
	}
	if err != nil {
		w.fail(group, err)
		return
	}
	batches, spots := batchesOf(group)
	ctx, cancel := context.WithTimeout(w.ctx, w.cfg.Timeout)
	defer cancel()
	ack, err := w.shards.Append(ctx, l.key.shard, Append{
		Tenant:  l.key.tenant,
		Time:    w.cfg.Now().UnixNano(),
		Block:   encoded,
		Batches: batches,
	})
	if err == nil && len(ack.Batches) != len(batches) {
		err = fmt.Errorf("%d outcomes for %d batches", len(ack.Batches), len(batches))
	}
	if err != nil {
		w.fail(group, appendError(l.key.shard, err))
		return
	}
	w.settle(group, spots, ack, len(encoded))
}

// appendError gives an error of Append one of our meanings.
func appendError(shard model.ShardID, err error) error {
	for _, known := range []error{ErrNoSpace, ErrBusy, ErrUnavailable} {
		if errors.Is(err, known) {
			return fmt.Errorf("append to shard %d: %w", shard, err)
		}
	}
	return fmt.Errorf("append to shard %d: %w: %w", shard, ErrUnavailable, err)
}

// recordsOf returns the records of all parts in order.
func recordsOf(group []*part) []model.Record {
	if len(group) == 1 {
		return group[0].records
	}
	count := 0
	for _, p := range group {
		count += len(p.records)
	}
	records := make([]model.Record, 0, count)
	for _, p := range group {
		records = append(records, p.records...)
	}
	return records
}

// spot is where the records of a part are: in a batch, at an offset.
type spot struct{ batch, offset int }

// batchesOf returns the batches of a block and for each part where it is.
// Neighbours without a key are one batch: nothing tells them apart.
func batchesOf(group []*part) ([]Batch, []spot) {
	var batches []Batch
	spots := make([]spot, len(group))
	for i, p := range group {
		last := len(batches) - 1
		if p.origin == nil && last >= 0 && batches[last].Key == [16]byte{} {
			spots[i] = spot{last, int(batches[last].Rows)}
			batches[last].Rows += p.batch.Rows
			continue
		}
		spots[i] = spot{len(batches), 0}
		batches = append(batches, p.batch)
	}
	return batches, spots
}

// settle tells the calls of a group what became of their parts.
func (w *Writer) settle(group []*part, spots []spot, ack Ack, size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.stats.Blocks++
	w.mu.stats.BlockBytes += uint64(size)
	for i, p := range group {
		got := ack.Batches[spots[i].batch]
		switch got.Outcome {
		case Stored, Duplicate:
			w.mu.stats.Records += uint64(len(p.records))
			p.call.duplicate = p.call.duplicate && got.Outcome == Duplicate
			p.call.ranges = append(p.call.ranges, placed{p.start, Range{
				Shard: p.shard, Index: got.Index, First: got.First + uint32(spots[i].offset), Count: uint32(len(p.records)),
			}})
			p.call.finish(nil)
		case Conflict:
			w.giveUp(p.call, ErrConflict)
			p.call.finish(ErrConflict)
		default:
			err := fmt.Errorf("shard %d answered with the unknown outcome %d: %w", p.shard, got.Outcome, ErrUnavailable)
			w.giveUp(p.call, err)
			p.call.finish(err)
		}
	}
}

// fail tells the calls of a group that their parts were not stored.
func (w *Writer) fail(group []*part, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range group {
		w.giveUp(p.call, err)
		p.call.finish(err)
	}
}

// giveUp withdraws the rest of a call of which a part has failed. The caller
// holds Writer.mu.
func (w *Writer) giveUp(c *call, err error) {
	if c.pending > 1 {
		w.withdraw(c, err)
	}
}

// withdraw takes those parts of a call out of the queues that are not on the
// way yet. They stay in the queue as empty shells until a sender comes by, so
// that this costs nothing per waiting part of others. The caller holds
// Writer.mu.
func (w *Writer) withdraw(c *call, err error) {
	for _, p := range c.parts {
		if p.lane != nil {
			p.lane.count(p, -1)
			p.records = nil
			c.finish(err)
		}
	}
}

// finish gives one part of a call its outcome. The first error counts. The
// caller holds Writer.mu.
func (c *call) finish(err error) {
	if c.err == nil {
		c.err = err
	}
	if c.pending--; c.pending == 0 {
		close(c.done)
	}
}
