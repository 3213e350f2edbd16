package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/segment"
	"github.com/stere-log/stere/storage/transfer"
)

// outgoing is a segment on its way to another replica.
type outgoing struct {
	*transfer.Stream
	shard *Shard
	set   *segmentSet
	one   *sealed
	here  *local
	next  []byte // where to go on reading
	end   []byte
	once  sync.Once
}

// OpenSegment returns a stored segment as a stream (docs/format/transfer.md),
// from an offset on that the receiving side has from Receipt.Offset. The
// segment stays until the stream is closed; one goroutine at a time may read
// it. ErrNoSegment says that the manifest does not have the segment, ErrMissing
// that it cannot be read here. A read error breaks the stream off, and whoever
// passes it on must break off too: a stream that ends is taken for whole only
// with its trailer.
func (s *Shard) OpenSegment(id SegmentID, offset int64) (io.ReadCloser, error) {
	s.mu.RLock()
	if s.mu.closed {
		s.mu.RUnlock()
		return nil, ErrClosed
	}
	set := s.mu.set
	set.refs.Add(1)
	s.mu.RUnlock()
	stream, err := s.openSegmentOf(set, id, offset)
	if err != nil {
		set.release()
		return nil, fmt.Errorf("send segment %s of shard %d: %w", id, s.cfg.Shard, err)
	}
	return stream, nil
}

func (s *Shard) openSegmentOf(set *segmentSet, id SegmentID, offset int64) (*outgoing, error) {
	one := set.all[id]
	if one == nil {
		return nil, ErrNoSegment
	}
	here := one.here.Load()
	if err := here.broken(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	prefix := segmentKey(here.place, s.cfg.Shard, id)
	header := transfer.Header{Shard: uint32(s.cfg.Shard), Sequence: id.Sequence, Ordinal: id.Ordinal, Rows: one.Rows, Bytes: uint64(here.segment.Meta().Bytes)}
	err := s.env.Engine.Get(append(prefix[:len(prefix):len(prefix)], segment.DirectoryKey()...), func(value []byte) error {
		header.Directory = transfer.Checksum(value)
		return nil
	})
	if err != nil {
		if IsDamage(err) {
			s.met(one, here, err)
		}
		return nil, err
	}
	out := &outgoing{shard: s, set: set, one: one, here: here, next: prefix, end: after(prefix)}
	out.Stream, err = transfer.NewStream(header, offset, out.more)
	return out, err
}

// more reads the next keys, about a chunk of them: nothing of the store is held
// between two reads.
func (o *outgoing) more(dst []byte) ([]byte, int, error) {
	pairs := 0
	err := o.shard.env.Engine.Scan(o.next, o.end, func(key, value []byte) error {
		if _, err := segment.CheckValue(key[segmentKeyLength:], value); err != nil {
			return err
		}
		dst = transfer.AppendPair(dst, key[segmentKeyLength:], value)
		o.next = append(slices.Clone(key), 0)
		pairs++
		if len(dst) >= transfer.ChunkBytes {
			return engine.ErrStop
		}
		return nil
	})
	if err != nil && IsDamage(err) {
		o.shard.met(o.one, o.here, err)
	}
	if err == nil {
		err = o.here.broken() // what was read may be of another copy
	}
	if err != nil {
		return dst, 0, fmt.Errorf("send segment %s of shard %d: %w", o.one.ID, o.shard.cfg.Shard, err)
	}
	return dst, pairs, nil
}

// Close implements io.Closer; it may be called twice.
func (o *outgoing) Close() error {
	o.once.Do(o.set.release)
	return nil
}

// Receipt is a missing segment that comes from another replica. It belongs to
// one goroutine. Nothing of it is left after a crash, or all of it.
type Receipt struct {
	shard    *Shard
	entry    Entry
	receiver *transfer.Receiver
	table    *engine.Table
	meta     *segment.Meta
	bytes    int64 // of values but the directory
}

// Receive begins to take a segment that cannot be read here. ErrUnwanted says
// that it can, or that the manifest does not have it.
func (s *Shard) Receive(id SegmentID) (*Receipt, error) {
	s.mu.RLock()
	one, closed := s.mu.set.all[id], s.mu.closed
	s.mu.RUnlock()
	switch {
	case closed:
		return nil, ErrClosed
	case one == nil || one.broken() == nil:
		return nil, fmt.Errorf("receive segment %s of shard %d: %w", id, s.cfg.Shard, ErrUnwanted)
	}
	table, err := s.env.Engine.NewTable(s.env.owner(one.Tenant))
	if err != nil {
		return nil, fmt.Errorf("receive segment %s of shard %d: %w", id, s.cfg.Shard, err)
	}
	r := &Receipt{shard: s, entry: one.Entry, table: table}
	r.receiver = transfer.NewReceiver(r.admit, r.take)
	return r, nil
}

// Offset is where the next stream has to begin.
func (r *Receipt) Offset() int64 { return r.receiver.Offset() }

// Broken returns why the transfer can only begin again with another Receipt,
// nil if it can be continued.
func (r *Receipt) Broken() error { return r.receiver.Broken() }

// Take reads a stream that was opened at Offset. It returns nil when the
// segment is there as a whole; after an error it may be called again with
// another stream, unless Broken says otherwise.
func (r *Receipt) Take(src io.Reader) error {
	if err := r.receiver.Take(src); err != nil {
		return fmt.Errorf("receive segment %s of shard %d: %w", r.entry.ID, r.shard.cfg.Shard, err)
	}
	return nil
}

func (r *Receipt) admit(h transfer.Header) error {
	if h.Shard != uint32(r.shard.cfg.Shard) || h.Sequence != r.entry.ID.Sequence || h.Ordinal != r.entry.ID.Ordinal || h.Rows != r.entry.Rows {
		return fmt.Errorf("segment %d.%d of shard %d with %d rows: %w", h.Sequence, h.Ordinal, h.Shard, h.Rows, ErrDiverged)
	}
	return nil
}

// take adds one value to the table after its own check.
func (r *Receipt) take(key, value []byte) error {
	meta, err := segment.CheckValue(key, value)
	if err != nil {
		return err
	}
	if r.meta != nil {
		return fmt.Errorf("key %x after the directory: %w", key, segment.ErrCorrupt)
	}
	if r.meta = meta; meta == nil {
		r.bytes += int64(len(value))
	}
	prefix := segmentKey(prefixReceived, r.shard.cfg.Shard, r.entry.ID)
	return r.table.Set(append(prefix, key...), value)
}

// Abort gives the transfer up; it may be called at any time, also after Commit.
func (r *Receipt) Abort() {
	if r.table != nil {
		r.table.Abort()
		r.table = nil
	}
}

// Commit makes the segment durable and readable, after Take has returned nil.
// ErrUnwanted says that the manifest does not have the segment any more, or
// that it came on another way; nothing is kept then.
func (r *Receipt) Commit(ctx context.Context) error {
	err := r.commit(ctx)
	r.Abort()
	if err != nil {
		return fmt.Errorf("receive segment %s of shard %d: %w", r.entry.ID, r.shard.cfg.Shard, err)
	}
	return nil
}

func (r *Receipt) commit(ctx context.Context) error {
	if !r.receiver.Done() || r.table == nil || r.meta == nil || r.bytes != r.meta.Bytes {
		return fmt.Errorf("%d bytes of values came: %w", r.bytes, transfer.ErrDamaged)
	}
	if err := r.shard.matches(r.meta, &r.entry); err != nil {
		return err
	}
	if err := r.table.Finish(); err != nil {
		return err
	}
	s := r.shard
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.mu.RLock()
	one, closed := s.mu.set.all[r.entry.ID], s.mu.closed
	s.mu.RUnlock()
	switch {
	case closed:
		return ErrClosed
	case one == nil || one.broken() == nil || !one.equal(&r.entry):
		return ErrUnwanted
	}
	prefix := segmentKey(prefixReceived, s.cfg.Shard, one.ID)
	if err := s.env.Engine.Replace(ctx, prefix, after(prefix), r.table); err != nil {
		return err
	}
	return s.replaced(ctx, one)
}

// replaced opens the copy that has come and forgets the one before. The caller
// holds publishing.
func (s *Shard) replaced(ctx context.Context, one *sealed) error {
	fresh, old := s.openLocal(one, prefixReceived), one.here.Load()
	if err := fresh.broken(); err != nil {
		return err
	}
	var batch engine.Batch
	batch.Delete(segmentKey(prefixDamaged, s.cfg.Shard, one.ID))
	batch.Delete(segmentKey(prefixHash, s.cfg.Shard, one.ID))
	batch.DeleteRange(besideSpan(s.cfg.Shard, one.ID)) // made of the copy before
	if err := s.env.Engine.Commit(&batch); err != nil {
		return err
	}
	one.hash.Store(nil) // of the copy before
	one.here.Store(fresh)
	s.lacking.changed()
	old.close()
	if old.place != prefixSegment {
		return nil
	}
	prefix := segmentKey(prefixSegment, s.cfg.Shard, one.ID)
	err := s.env.Engine.DeleteSpan(ctx, prefix, after(prefix))
	if errors.Is(err, engine.ErrCorrupt) {
		s.logger.Warn("the damaged copy of a segment stays until the next start: it shares a table", "segment", one.ID.String(), "error", err)
		return nil
	}
	return err
}
