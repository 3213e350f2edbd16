package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/engine"
)

// peer is the other replica as a network gives it: connections fail and break
// off.
type peer struct {
	mu    sync.Mutex
	from  *Replica
	rng   *rand.Rand
	flaky bool
	calls int
	later int // calls with an offset: transfers that were continued
}

var errConnection = errors.New("connection is cut")

func (p *peer) Fetch(_ context.Context, _ model.ShardID, id storage.SegmentID, offset int64, prefer string) (io.ReadCloser, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if offset > 0 {
		p.later++
		if prefer != "other" {
			return nil, "", fmt.Errorf("continued without naming the source")
		}
	}
	if p.from == nil || p.flaky && p.rng.IntN(4) == 0 {
		return nil, "", errConnection
	}
	stream, err := p.from.Segment(id, offset)
	if err != nil || !p.flaky || p.rng.IntN(2) == 0 {
		return stream, "other", err
	}
	cut := io.MultiReader(io.LimitReader(stream, p.rng.Int64N(1<<20)), iotest.ErrReader(errConnection))
	return struct {
		io.Reader
		io.Closer
	}{cut, stream}, "other", nil
}

func (p *peer) set(from *Replica, flaky bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.flaky = from, flaky
}

// follow applies the leader's log, or its snapshot and what comes after.
func follow(t *testing.T, to, from *Replica, log *memoryLog, snapshot bool) {
	t.Helper()
	position, _ := to.Snapshot()
	if snapshot {
		position, _ = from.Snapshot()
		content, err := from.OpenSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Restore(position, content); err != nil {
			t.Fatal(err)
		}
	}
	log.mu.Lock()
	commands := log.commands
	log.mu.Unlock()
	for i := max(position.Index, to.Status().Applied); i < uint64(len(commands)); i++ {
		to.Apply(i+1, 1, commands[i])
	}
}

// silentLog is the log of a follower in these tests.
type silentLog struct{ memoryLog }

func (*silentLog) Leader() (string, bool) { return "n1", false }

// startFollower opens a replica that follows another one.
func startFollower(t *testing.T, fs engine.FS, cfg Config) (*Replica, func()) {
	t.Helper()
	store, err := engine.Open(engine.Config{FS: fs, Dir: "data"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Env.Engine = store
	cfg.Storage.Shard = 1
	cfg.Now = func() int64 { return 1_000_000 }
	r, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Attach(&silentLog{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// complete waits until nothing is missing.
func complete(t *testing.T, r *Replica) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := r.await(ctx, func() bool { return r.Completeness().Complete && r.Status().Pending == 0 }); err != nil {
		t.Fatalf("still missing: %+v", r.Completeness())
	}
}

func fill(t *testing.T, r *Replica, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := r.Append(t.Context(), appendOf(t, 200, int64(i)*1000)); err != nil {
			t.Fatal(err)
		}
		if i%4 == 3 {
			if err := r.sealNow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func equalHashes(t *testing.T, a, b *Replica) {
	t.Helper()
	x, err1 := a.Hashes(t.Context())
	y, err2 := b.Hashes(t.Context())
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	d, err := storage.Compare(x, y)
	if err != nil || len(d.Segments) > 0 || len(d.Days) > 0 || len(d.Unknown) > 0 || len(x.Segments) == 0 {
		t.Errorf("replicas differ: %+v, %v", d, err)
	}
}

// A replica that gets a snapshot fetches what it lacks over connections that
// fail, with restarts in between, and has then what the other one has.
func TestReplicaFetchesWhatItLacks(t *testing.T) {
	log := &memoryLog{}
	leader, _ := start(t, vfs.NewMem(), log, Config{SealAge: time.Hour})
	fill(t, leader, 0, 24)
	from := &peer{rng: rand.New(rand.NewPCG(1, 2))}
	fs := vfs.NewMem()
	cfg := Config{SealAge: time.Hour, Peers: from, Fetching: NewLimiter(0)}
	r, stop := startFollower(t, fs, cfg)
	follow(t, r, leader, log, true)
	if c := r.Completeness(); c.Complete || c.Segments == 0 || c.Bytes == 0 {
		t.Fatalf("a replica without any segment: %+v", c)
	}
	stop()
	r, stop = startFollower(t, fs, cfg)
	from.set(leader, true)
	follow(t, r, leader, log, false)
	complete(t, r)
	if got := count(t, r); got != 24*200 {
		t.Errorf("%d records, want %d", got, 24*200)
	}
	equalHashes(t, leader, r)
	stop()
	r, _ = startFollower(t, fs, cfg)
	if c := r.Completeness(); !c.Complete {
		t.Errorf("after a restart: %+v", c)
	}
	from.mu.Lock()
	if from.calls <= len(r.shard.Entries()) {
		t.Errorf("%d calls for %d segments: nothing failed", from.calls, len(r.shard.Entries()))
	}
	from.mu.Unlock()
}

// flipTables damages bits of table files.
func flipTables(t *testing.T, fs vfs.FS, rng *rand.Rand, flips int) {
	t.Helper()
	names, err := fs.List("data/keys")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			tables = append(tables, name)
		}
	}
	for range flips {
		path := "data/keys/" + tables[rng.IntN(len(tables))]
		content, err := engine.ReadFile(fs, path, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		content[rng.IntN(len(content))] ^= 1 << rng.IntN(8)
		if err := engine.WriteFile(fs, path, content); err != nil {
			t.Fatal(err)
		}
	}
}

// Damage that the scrubber finds is repaired from the other replica while the
// replica runs.
func TestScrubberFindsAndFetcherRepairs(t *testing.T) {
	log := &memoryLog{}
	leader, _ := start(t, vfs.NewMem(), log, Config{SealAge: time.Hour})
	fill(t, leader, 0, 8)
	rng := rand.New(rand.NewPCG(3, 4))
	from := &peer{rng: rng, from: leader}
	fs := vfs.NewMem()
	quiet := Config{SealAge: time.Hour, Peers: from}
	r, stop := startFollower(t, fs, quiet)
	follow(t, r, leader, log, false)
	complete(t, r)
	stop()
	flipTables(t, fs, rng, 3)
	busy := quiet
	busy.ScrubEvery, busy.Scrubbing = time.Millisecond, NewLimiter(0)
	r, stop = startFollower(t, fs, busy)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	rounds := func() bool { s := r.Status().Scrubbed; return s.Rounds > 1 && r.Completeness().Complete }
	for !rounds() && ctx.Err() == nil {
		_ = r.await(ctx, rounds)
	}
	if !rounds() {
		t.Fatalf("status %+v, %+v", r.Status().Scrubbed, r.Completeness())
	}
	if damaged, err := r.Scrub(t.Context()); err != nil || len(damaged) > 0 {
		t.Errorf("after the repair %v are damaged, %v", damaged, err)
	}
	from.mu.Lock()
	if from.calls == 0 {
		t.Error("nothing was fetched")
	}
	from.mu.Unlock()
	if got := count(t, r); got != 8*200 {
		t.Errorf("%d records, want %d", got, 8*200)
	}
	equalHashes(t, leader, r)
	stop()
}
