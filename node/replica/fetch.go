package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// Limits of fetching.
const (
	DefaultFetchBytesPerSecond = 64 << 20
	fetchBurstBytes            = 1 << 20
	fetchStuckMax              = 5 // tries to continue a transfer that do not get on, ever more slowly
	fetchLook                  = 30 * time.Second
)

// Peers gives what other replicas have. The node implements it.
type Peers interface {
	// Fetch opens the stream of a segment (storage.Shard.OpenSegment) at an
	// offset, at some other replica of the shard that has it. It is the node
	// that chooses, tries several, and bounds how long the stream may stand
	// still; source names the replica for people, and the stream is continued
	// there if it can be: prefer is the source of the part before the offset,
	// "" if there is none. It is called from the replica's fetcher, one call at
	// a time; the stream is closed before the next one.
	Fetch(ctx context.Context, shard model.ShardID, segment storage.SegmentID, offset int64, prefer string) (stream io.ReadCloser, source string, err error)
}

// NewLimiter returns a limiter of bytes per second that the replicas of a node
// share, for fetching or for scrubbing; 0 means no limit.
func NewLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return rate.NewLimiter(rate.Inf, math.MaxInt)
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), fetchBurstBytes)
}

// wait returns when the limiter lets the bytes through.
func wait(ctx context.Context, limiter *rate.Limiter, bytes int) error {
	for bytes > 0 {
		n := min(bytes, limiter.Burst())
		if err := limiter.WaitN(ctx, n); err != nil {
			return err
		}
		bytes -= n
	}
	return ctx.Err()
}

// fetched is how far fetching has come since there was nothing missing.
type fetched struct {
	since    time.Time // when the first segment was found missing; zero: nothing is
	bytes    int64     // received since then
	segments int
	err      error // of the last transfer, nil if it ended well
}

// retry says when a segment is tried again after an error.
type retry struct {
	delay time.Duration
	at    time.Time
}

// runFetcher fetches what is missing, newest records first, as long as there is
// anything, and makes damage that was met durable.
func (r *Replica) runFetcher(ctx context.Context) {
	retries := map[storage.SegmentID]retry{}
	for {
		if err := r.shard.NoteDamage(); err != nil && ctx.Err() == nil {
			r.logger.Warn("damage was not noted", "error", err)
		}
		next := r.fetchMissing(ctx, retries)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.fetch:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// fetchMissing tries every missing segment that is due, once, and returns when
// to look again. What becomes missing meanwhile wakes the fetcher.
func (r *Replica) fetchMissing(ctx context.Context, retries map[storage.SegmentID]retry) time.Duration {
	missing := r.shard.Missing()
	r.noteMissing(len(missing))
	if r.cfg.Peers == nil {
		return fetchLook
	}
	wanted := make(map[storage.SegmentID]bool, len(missing))
	next := fetchLook
	for _, e := range missing {
		wanted[e.ID] = true
		if wait := time.Until(retries[e.ID].at); wait > 0 {
			next = min(next, wait)
			continue
		}
		err := r.fetchOne(ctx, e)
		if ctx.Err() != nil {
			return 0
		}
		r.noteFetched(err)
		if err == nil {
			delete(retries, e.ID)
			r.advance()
			select {
			case <-r.fetch:
				return 0 // something newer may be missing
			default:
			}
			continue
		}
		again := retry{delay: min(max(2*retries[e.ID].delay, retryDelayMin), retryDelayMax)}
		again.at = time.Now().Add(again.delay)
		retries[e.ID] = again
		next = min(next, again.delay)
		r.logger.Warn("a segment was not fetched", "segment", e.ID.String(), "again", again.delay, "error", err)
	}
	for id := range retries {
		if !wanted[id] {
			delete(retries, id)
		}
	}
	r.noteMissing(len(r.shard.Missing()))
	return next
}

// fetchOne brings one segment. A transfer that breaks off is continued where it
// was, as long as it gets on; one that has something to lose is not given up at
// once.
func (r *Replica) fetchOne(ctx context.Context, e storage.Entry) error {
	if !r.cfg.Room(e.Bytes) {
		return errNoRoom
	}
	receipt, err := r.shard.Receive(e.ID)
	if errors.Is(err, storage.ErrUnwanted) {
		return nil
	}
	if err != nil {
		return err
	}
	defer receipt.Abort()
	source, stuck := "", 0
	for {
		before := receipt.Offset()
		source, err = r.take(ctx, receipt, e.ID, source)
		if err == nil {
			break
		}
		if stuck++; receipt.Offset() > before {
			stuck = 0
		}
		if receipt.Broken() != nil || receipt.Offset() == 0 || stuck == fetchStuckMax || pause.For(ctx, retryDelayMin<<stuck) != nil {
			return fmt.Errorf("fetch segment %s from %q: %w", e.ID, source, err)
		}
	}
	if err := receipt.Commit(ctx); err != nil && !errors.Is(err, storage.ErrUnwanted) {
		return fmt.Errorf("fetch segment %s from %q: %w", e.ID, source, err)
	}
	r.logger.Info("a segment was fetched", "segment", e.ID.String(), "from", source, "rows", e.Rows)
	return nil
}

// take reads one stream.
func (r *Replica) take(ctx context.Context, receipt *storage.Receipt, id storage.SegmentID, prefer string) (source string, err error) {
	stream, source, err := r.cfg.Peers.Fetch(ctx, r.cfg.Storage.Shard, id, receipt.Offset(), prefer)
	if err != nil {
		return cmp.Or(source, prefer), err
	}
	return source, errors.Join(receipt.Take(&throttled{ctx: ctx, replica: r, from: stream}), stream.Close())
}

// throttled reads no faster than the node's limit and counts.
type throttled struct {
	ctx     context.Context
	replica *Replica
	from    io.Reader
}

// Read implements io.Reader.
func (t *throttled) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.replica.noteBytes(n)
	if waited := wait(t.ctx, t.replica.cfg.Fetching, n); waited != nil {
		return n, waited
	}
	return n, err
}

func (r *Replica) noteBytes(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.fetched.bytes += int64(n)
}

// noteMissing begins to count when something is missing and ends when nothing
// is.
func (r *Replica) noteMissing(count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case count == 0:
		r.mu.fetched = fetched{}
	case r.mu.fetched.since.IsZero():
		r.mu.fetched.since = time.Now()
	}
}

func (r *Replica) noteFetched(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.fetched.err = err
	if err == nil {
		r.mu.fetched.segments++
	}
}

// Completeness says what a replica lacks and how fetching gets on.
type Completeness struct {
	Complete bool // everything of the manifest can be read here
	Segments int  // that cannot
	Bytes    int64
	// Since then something is missing; what has come since.
	Since           time.Time
	FetchedSegments int
	FetchedBytes    int64
	BytesPerSecond  float64 // since Since
	Error           error   // of the last transfer, nil if it ended well
}

// Completeness may be called from any goroutine. A node does not serve reads
// from a replica that is not complete, as long as there is another, and does
// not offer it as a source of segments that it lacks (Segment says so itself).
func (r *Replica) Completeness() Completeness {
	var c Completeness
	for _, e := range r.shard.Missing() {
		c.Segments++
		c.Bytes += e.Bytes
	}
	c.Complete = c.Segments == 0
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Complete || r.mu.fetched.since.IsZero() {
		return c
	}
	f := r.mu.fetched
	c.Since, c.FetchedSegments, c.FetchedBytes, c.Error = f.since, f.segments, f.bytes, f.err
	if elapsed := time.Since(f.since).Seconds(); elapsed > 0 {
		c.BytesPerSecond = float64(f.bytes) / elapsed
	}
	return c
}

// Segment opens a segment for another replica (storage.Shard.OpenSegment): what
// a node answers to Peers.Fetch of another one. It may be called from any
// goroutine.
func (r *Replica) Segment(id storage.SegmentID, offset int64) (io.ReadCloser, error) {
	return r.shard.OpenSegment(id, offset)
}

// Hashes returns what stands for the sealed records (storage.Shard.Hashes), to
// be compared with those of another replica. It may be called from any
// goroutine; the first call after records were sealed reads these.
func (r *Replica) Hashes(ctx context.Context) (storage.Hashes, error) { return r.shard.Hashes(ctx) }
