package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/sim"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/engine"
)

var seeds = flag.Int("seeds", 30, "how many random power losses to run")

const stackShards = 2

// stack is the log and the store of a node with two shards.
type stack struct {
	store    *engine.Engine
	host     *raft.Host
	replicas []*Replica
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

func openStack(t *testing.T, fs vfs.FS, cfg Config, onFatal func(error)) *stack {
	t.Helper()
	s := &stack{}
	var err error
	if err = engine.MakeDir(fs, "data"); err != nil {
		t.Fatal(err)
	}
	if s.store, err = engine.Open(engine.Config{FS: fs, Dir: "data/store", OnFatal: onFatal}); err != nil {
		t.Fatalf("open store: %v", err)
	}
	s.host, err = raft.Open(raft.Config{NodeID: "n1", FS: fs, Dir: "data/log", FileSize: 64 << 10, Reserve: -1, OnFatal: onFatal})
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	for number := range uint32(stackShards) {
		cfg := cfg
		cfg.Env.Engine, cfg.Storage.Shard = s.store, model.ShardID(number)
		r, err := Open(ctx, cfg)
		if err != nil {
			t.Fatalf("open replica: %v", err)
		}
		group, err := s.host.Start(number, r)
		if err != nil {
			t.Fatalf("start log of shard %d: %v", number, err)
		}
		r.Attach(group)
		s.replicas = append(s.replicas, r)
		s.running.Go(func() { _ = r.Run(ctx) })
		ready, cancel := context.WithTimeout(ctx, time.Minute)
		if err := group.WaitLeader(ready); err != nil {
			t.Fatalf("shard %d has no leader: %v", number, err)
		}
		if err := group.Barrier(ready); err != nil {
			t.Fatalf("shard %d does not replay: %v", number, err)
		}
		cancel()
	}
	return s
}

func (s *stack) close() {
	s.cancel()
	s.running.Wait()
	s.host.Close()
	for _, r := range s.replicas {
		r.Close()
	}
	s.store.Close()
}

// encrypted returns what makes encrypted file systems of disks with the same folder.
func encrypted(t *testing.T) func(disk vfs.FS) vfs.FS {
	t.Helper()
	masters, err := encryption.ParseMasters([]byte(encryption.NewMaster()), "test")
	if err != nil {
		t.Fatal(err)
	}
	return func(disk vfs.FS) vfs.FS {
		t.Helper()
		err := engine.MakeDir(disk, "data")
		var fs vfs.FS
		if err == nil {
			fs, err = encryption.Open(encryption.Config{FS: disk, Dir: "data", Files: []string{"none"},
				Keys: func() (*encryption.Masters, error) { return masters, nil }})
		}
		if err != nil {
			t.Fatal(err)
		}
		return fs
	}
}

// attempt is a batch that a writer has tried to store.
type attempt struct {
	shard  int
	append storage.Append
	lines  []string
	keyed  bool
	acked  bool
	result storage.BatchResult
}

// ledger is what the writers know.
type ledger struct {
	over     func(disk vfs.FS) vfs.FS // what the node has of its disk
	mu       sync.Mutex
	attempts []*attempt
	acked    int
	enough   chan struct{} // closed when target batches have been acknowledged
	target   int
}

func (l *ledger) ack(a *attempt, result storage.BatchResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.acked, a.result = true, result
	if l.acked++; l.acked == l.target {
		close(l.enough)
	}
}

// lineOf is a line that carries its own checksum.
func lineOf(rng *rand.Rand, writer, n, i int) string {
	line := fmt.Sprintf("writer %d batch %d line %d of %x", writer, n, i, rng.Uint64())
	return fmt.Sprintf("%s crc %08x", line, crc32.ChecksumIEEE([]byte(line)))
}

func newAttempt(t *testing.T, rng *rand.Rand, writer, n int) *attempt {
	a := &attempt{shard: rng.IntN(stackShards), keyed: rng.IntN(2) == 0}
	now := time.Now().UnixNano()
	records := make([]model.Record, 1+rng.IntN(12))
	for i := range records {
		a.lines = append(a.lines, lineOf(rng, writer, n, i))
		records[i] = model.Record{Time: now - rng.Int64N(4*24*int64(time.Hour)), TimeDigits: 9, Fields: []model.Field{
			{Name: "component", Kind: model.String, Text: fmt.Sprint(writer)},
			{Name: "message", Kind: model.String, Text: a.lines[i]},
		}}
	}
	encoded, err := block.Encode(nil, records)
	if err != nil {
		t.Error(err)
	}
	batch := storage.Batch{Rows: uint32(len(records))}
	if a.keyed {
		binary.BigEndian.PutUint64(batch.Key[:], rng.Uint64()|1)
		batch.Body = [16]byte{byte(n)}
	}
	a.append = storage.Append{Tenant: "default", Time: now, Block: encoded, Batches: []storage.Batch{batch}}
	return a
}

// write appends until the stack closes. First it repeats what it does not know
// the outcome of, where a key makes that harmless.
func (l *ledger) write(t *testing.T, ctx context.Context, s *stack, rng *rand.Rand, writer int, repeat []*attempt) {
	for _, a := range repeat {
		results, err := s.replicas[a.shard].Append(ctx, a.append)
		if err != nil {
			return
		}
		if results[0].Outcome == storage.Conflict {
			t.Errorf("a repeat is called a conflict")
		}
		l.ack(a, results[0])
	}
	for n := 0; ; n++ {
		a := newAttempt(t, rng, writer, n)
		l.mu.Lock()
		l.attempts = append(l.attempts, a)
		l.mu.Unlock()
		results, err := s.replicas[a.shard].Append(ctx, a.append)
		if err != nil {
			return
		}
		l.ack(a, results[0])
		if a.keyed && rng.IntN(4) == 0 { // a repeat without need
			again, err := s.replicas[a.shard].Append(ctx, a.append)
			if err == nil && (again[0].Outcome != storage.Duplicate || again[0].Index != results[0].Index || again[0].First != results[0].First) {
				t.Errorf("a repeat gives %v, first %v", again[0], results[0])
			}
		}
	}
}

// found is everything in the shards: line -> ids.
func found(t *testing.T, s *stack) map[string][]model.RecordID {
	t.Helper()
	lines := map[string][]model.RecordID{}
	for _, r := range s.replicas {
		view, err := r.View("default")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range view.Parts {
			all := index.DocSetRange(0, p.Rows())
			ids, err := p.IDs(all)
			if err != nil {
				t.Fatal(err)
			}
			records, err := p.Records(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			for i := range records {
				message, _ := records[i].Get("message")
				lines[message.Text] = append(lines[message.Text], ids[i])
			}
		}
		view.Release()
	}
	return lines
}

// check compares what is there with what was acknowledged by the time of the
// cut.
func (l *ledger) check(t *testing.T, s *stack, acked map[*attempt]storage.BatchResult) {
	t.Helper()
	lines := found(t, s)
	known := 0
	for _, a := range l.attempts {
		result, was := acked[a]
		for i, line := range a.lines {
			ids := lines[line]
			known += len(ids)
			want := model.RecordID{Shard: model.ShardID(a.shard), Index: result.Index, Ordinal: result.First + uint32(i)}
			switch {
			case len(ids) > 1:
				t.Fatalf("%q is there %d times: %v", line, len(ids), ids)
			case was && len(ids) == 0:
				t.Fatalf("%q was acknowledged as %s and is lost", line, want)
			case was && ids[0] != want:
				t.Fatalf("%q was acknowledged as %s and is %s", line, want, ids[0])
			}
		}
	}
	total := 0
	for _, ids := range lines {
		total += len(ids)
	}
	if total != known {
		t.Fatalf("%d records are there, %d of them were written", total, known)
	}
}

func powerConfig(rng *rand.Rand) Config {
	return Config{
		SealRows: 20 + rng.IntN(200), SealAge: time.Duration(1+rng.IntN(300)) * time.Millisecond, IdleAge: 50 * time.Millisecond, IdleBytes: 1 << 12,
		Storage: storage.Config{DayCutRows: 10 + rng.IntN(100), MergeFan: 2 + rng.IntN(3), MergeRowsMax: 100 + rng.IntN(3000)},
	}
}

// TestPowerLoss cuts the power of a whole node at random moments under load
// and looks whether everything that was acknowledged is there, once and as it
// was. Of three nodes one encrypts what is on its disk.
func TestPowerLoss(t *testing.T) {
	few := uint64(*seeds)
	if testing.Short() {
		few = min(few, 4)
	}
	for seed := range few {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			disk := sim.NewDisk()
			l := &ledger{over: func(disk vfs.FS) vfs.FS { return disk }}
			if seed%3 == 0 {
				l.over = encrypted(t)
			}
			acked := map[*attempt]storage.BatchResult{}
			for range 3 {
				disk = l.round(t, disk, rng, acked)
			}
			s := openStack(t, l.over(disk), powerConfig(rng), func(err error) { t.Errorf("fatal: %v", err) })
			defer s.close()
			l.check(t, s, acked)
			for _, r := range s.replicas {
				if err := r.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			l.check(t, s, acked)
		})
	}
}

// round runs the node under load until the power is cut; it returns what is
// left on the disk and adds what was acknowledged before the cut.
func (l *ledger) round(t *testing.T, disk *sim.Disk, rng *rand.Rand, acked map[*attempt]storage.BatchResult) *sim.Disk {
	t.Helper()
	s := openStack(t, l.over(disk), powerConfig(rng), func(err error) { t.Errorf("fatal: %v", err) })
	l.check(t, s, acked)
	l.acked, l.target, l.enough = 0, 1+rng.IntN(150), make(chan struct{})
	const writers = 3
	repeats := make([][]*attempt, writers)
	for i, a := range l.attempts {
		if _, was := acked[a]; was {
			continue
		}
		a.acked = false // by a node that went on after its power was cut
		if a.keyed {
			repeats[i%writers] = append(repeats[i%writers], a)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for writer := range writers {
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		running.Go(func() { l.write(t, ctx, s, own, writer, repeats[writer]) })
	}
	select {
	case <-l.enough:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d batches were acknowledged in a minute", l.acked, l.target)
	}
	// What is acknowledged before the clone begins must be in it.
	l.mu.Lock()
	for _, a := range l.attempts {
		if a.acked {
			acked[a] = a.result
		}
	}
	l.mu.Unlock()
	after := disk.Cut(rng)
	cancel()
	s.close()
	running.Wait()
	return after
}

// TestNothingIsAcknowledgedAfterAFailingSync lets the disk fail under load.
func TestNothingIsAcknowledgedAfterAFailingSync(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 5))
			memory := vfs.NewCrashableMem()
			var disk struct {
				sync.Mutex
				countdown int
			}
			disk.countdown = 40 + rng.IntN(150)
			fs := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind != errorfs.OpFileSync && op.Kind != errorfs.OpFileSyncData && op.Kind != errorfs.OpFileSyncTo {
					return nil
				}
				disk.Lock()
				defer disk.Unlock()
				if disk.countdown--; disk.countdown < 0 {
					return syscall.EIO
				}
				return nil
			}))
			failed := make(chan struct{})
			var once sync.Once
			cfg := powerConfig(rng)
			cfg.HeadWait = time.Second
			s := openStack(t, fs, cfg, func(error) { once.Do(func() { close(failed) }) })
			l := &ledger{target: -1}
			acked := map[*attempt]storage.BatchResult{}
			var ended error
			for n := 0; n < 10_000; n++ {
				a := newAttempt(t, rng, 0, n)
				l.attempts = append(l.attempts, a)
				results, err := s.replicas[a.shard].Append(t.Context(), a.append)
				if err != nil {
					ended = err
					break
				}
				acked[a] = results[0]
			}
			if errors.Is(ended, ErrBusy) {
				// Only a seal has met the failing disk: what it could not write holds up the rest.
				once.Do(func() { close(failed) })
			}
			select {
			case <-failed:
			case <-time.After(time.Minute):
				t.Fatalf("nobody was told of the failing disk; the last write ended with %v", ended)
			}
			after := memory.CrashClone(vfs.CrashCloneCfg{})
			s.close()
			s = openStack(t, after, powerConfig(rng), func(err error) { t.Errorf("fatal: %v", err) })
			defer s.close()
			l.check(t, s, acked)
		})
	}
}
