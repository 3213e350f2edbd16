package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/engine"
)

// memoryLog is a log of one member: a proposal is committed by being appended.
type memoryLog struct {
	aside    atomic.Bool
	mu       sync.Mutex
	replica  *Replica
	commands [][]byte // entry i has the log index i+1
	cut      uint64
	err      error
}

func (l *memoryLog) ProposeReserved(ctx context.Context, command []byte) (uint64, any, error) {
	return l.Propose(ctx, command)
}

func (l *memoryLog) Propose(_ context.Context, command []byte) (uint64, any, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, nil, l.err
	}
	l.commands = append(l.commands, command)
	index := uint64(len(l.commands))
	return index, l.replica.Apply(index, 1, command), nil
}

func (l *memoryLog) Barrier(context.Context) error { return nil }

func (l *memoryLog) Leader() (string, bool) { return "n1", true }

func (l *memoryLog) Truncate(index uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = index
	return nil
}

func (l *memoryLog) Cut(index uint64) error { return l.Truncate(index) }

func (l *memoryLog) KeepsDamaged() bool { return l.aside.Load() }

func (l *memoryLog) Holds(upto uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut < upto
}

func (l *memoryLog) LogBytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.commands)) - int64(l.cut)
}

// start opens a replica on the log and applies what its manifest lacks.
func start(t *testing.T, fs engine.FS, log *memoryLog, cfg Config) (*Replica, func()) {
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
	r.Attach(log)
	log.replica = r
	position, _ := r.Snapshot()
	for i := position.Index; i < uint64(len(log.commands)); i++ {
		r.Apply(i+1, 1, log.commands[i])
	}
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

func appendOf(t *testing.T, n int, at int64) storage.Append {
	t.Helper()
	records := make([]model.Record, n)
	for i := range records {
		records[i] = model.Record{Time: at + int64(i), Fields: []model.Field{{Name: "message", Kind: model.String, Text: fmt.Sprintf("line %d of %d", i, at)}}}
	}
	encoded, err := block.Encode(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	return storage.Append{Tenant: "default", Time: at, Block: encoded, Batches: []storage.Batch{{Rows: uint32(n)}}}
}

func count(t *testing.T, r *Replica) int {
	t.Helper()
	view, err := r.View("default")
	if err != nil {
		t.Fatal(err)
	}
	defer view.Release()
	rows := 0
	for _, p := range view.Parts {
		found, err := p.Eval(t.Context(), index.All{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows += int(found.GetCardinality())
	}
	return rows
}

func TestFullHeadIsSealedAndTheLogIsCut(t *testing.T) {
	log := &memoryLog{}
	r, stop := start(t, vfs.NewMem(), log, Config{SealRows: 50, SealAge: time.Hour})
	for i := range 20 {
		if _, err := r.Append(t.Context(), appendOf(t, 10, int64(i)*1000)); err != nil {
			t.Fatal(err)
		}
		if got := count(t, r); got != (i+1)*10 {
			t.Fatalf("%d records after %d appends of 10", got, i+1)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.await(ctx, func() bool { return r.Status().Segments > 0 && r.Status().Pending == 0 }); err != nil {
		t.Fatalf("nothing was sealed: %+v", r.Status())
	}
	if err := r.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	st := r.Status()
	if st.Segments != 1 || st.HeadRows != 0 || st.SegmentRows != 200 || st.SealError != nil {
		t.Errorf("after a flush: %+v, want one segment of 200 rows", st)
	}
	if log.cut != st.Sealed || st.Sealed == 0 {
		t.Errorf("the log is cut at %d, the manifest is at %d", log.cut, st.Sealed)
	}
	if got := count(t, r); got != 200 {
		t.Errorf("%d records after the flush, want 200", got)
	}
	stop()
}

func TestRepeatedFlushDoesNothing(t *testing.T) {
	log := &memoryLog{}
	r, _ := start(t, vfs.NewMem(), log, Config{SealAge: time.Hour})
	if _, err := r.Append(t.Context(), appendOf(t, 10, 1)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(log.commands) != 2 {
		t.Errorf("%d entries in the log, want an append and a seal", len(log.commands))
	}
}

// A replica that is new here and then leads has a clock that is days ahead: the keys
// that others have taken are not forgotten by it.
func TestClockOfANewLeaderForgetsNoKeys(t *testing.T) {
	const day = int64(24 * time.Hour)
	at := 1000 * day
	log := &memoryLog{}
	r, stop := start(t, vfs.NewMem(), log, Config{SealAge: time.Hour, Now: func() int64 { return at + 3*day }})
	defer stop()
	a := appendOf(t, 1, at)
	a.Batches[0].Key, a.Batches[0].Body = [16]byte{1}, [16]byte{2}
	if _, _, err := log.Propose(t.Context(), encodeAppend(a)); err != nil { // as another leader did
		t.Fatal(err)
	}
	if err := r.sealNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Time = at + 3*day
	results, err := r.Append(t.Context(), a)
	if err != nil || len(results) != 1 || results[0].Outcome != storage.Duplicate {
		t.Errorf("a repeat is answered %+v, %v", results, err)
	}
}

// The time of a deletion is the clock of who leads the catalogue; one that is days ahead
// makes no shard forget its keys.
func TestDeletionForgetsNoKeys(t *testing.T) {
	const day = int64(24 * time.Hour)
	at := 1000 * day
	r, stop := start(t, vfs.NewMem(), &memoryLog{}, Config{SealAge: time.Hour, Now: func() int64 { return at }})
	defer stop()
	a := appendOf(t, 1, at)
	a.Batches[0].Key, a.Batches[0].Body = [16]byte{1}, [16]byte{2}
	for _, want := range []storage.Outcome{storage.Stored, storage.Duplicate} {
		results, err := r.Append(t.Context(), a)
		if err != nil || len(results) != 1 || results[0].Outcome != want {
			t.Fatalf("a batch is answered %+v, %v, want %v", results, err, want)
		}
		d := storage.Deletion{Number: uint64(want), Tenant: a.Tenant, Query: "component:other", From: 0, To: 1, Time: at + 3*day}
		if _, err := r.Delete(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// Every segment that is built gives time for more to come: a flush ends all the same,
// with what was there before it in one segment.
func TestFlushEndsUnderSteadyWrites(t *testing.T) {
	var r *Replica
	came := 0
	room := func(int64) bool {
		came++
		if _, err := r.Append(context.Background(), appendOf(t, 1, int64(came)*1000)); err != nil {
			t.Error(err)
		}
		return true
	}
	r, stop := start(t, vfs.NewMem(), &memoryLog{}, Config{SealAge: time.Hour, Room: room})
	for i := range 5 {
		if _, err := r.Append(t.Context(), appendOf(t, 10, int64(i))); err != nil {
			t.Fatal(err)
		}
		if err := r.sealNow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := count(t, r); got != 50+came || came == 0 {
		t.Errorf("%d records, want 50 and %d that came meanwhile", got, came)
	}
	stop()
}

// What comes while a flush builds segments is sealed after it if it is little, and
// the log is cut behind it; a head that is worth a segment of its own is left.
func TestWhatCameMeanwhileIsSealedIfLittle(t *testing.T) {
	for _, tc := range []struct {
		rows, left int
	}{{1, 0}, {1000 / restShare, 0}, {1000/restShare + 1, 1000/restShare + 1}} {
		log := &memoryLog{}
		var meanwhile atomic.Pointer[storage.Append] // it comes when the first segment is about to be built
		var r *Replica
		room := func(int64) bool {
			if come := meanwhile.Swap(nil); come != nil {
				if _, err := r.Append(context.Background(), *come); err != nil {
					t.Error(err)
				}
			}
			return true
		}
		r, stop := start(t, vfs.NewMem(), log, Config{SealAge: time.Hour, SealRows: 1000, Room: room})
		if _, err := r.Append(t.Context(), appendOf(t, 10, 1)); err != nil {
			t.Fatal(err)
		}
		come := appendOf(t, tc.rows, 100)
		meanwhile.Store(&come)
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := r.Status(); st.HeadRows != tc.rows {
			t.Fatalf("%d records in the head after the flush, want the %d that came meanwhile", st.HeadRows, tc.rows)
		}
		if err := r.FlushRest(t.Context()); err != nil {
			t.Fatal(err)
		}
		st := r.Status()
		if st.HeadRows != tc.left || (log.cut == uint64(len(log.commands))) != (tc.left == 0) {
			t.Errorf("%d records came meanwhile: %d left in the head, want %d; the log of %d entries is cut at %d",
				tc.rows, st.HeadRows, tc.left, len(log.commands), log.cut)
		}
		if got := count(t, r); got != 10+tc.rows {
			t.Errorf("%d records, want %d", got, 10+tc.rows)
		}
		stop()
	}
}

// Who has nothing to seal does not wait for what another shard builds.
func TestNothingToSealWaitsForNobody(t *testing.T) {
	building := make(chan struct{}, 1)
	r, stop := start(t, vfs.NewMem(), &memoryLog{}, Config{Building: building, SealAge: time.Hour})
	defer stop()
	building <- struct{}{} // another shard builds
	defer func() { <-building }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.runSeals(ctx); err != nil {
		t.Errorf("a shard with nothing to seal waits: %v", err)
	}
}

func TestWaitingRecordsAreSealed(t *testing.T) {
	r, _ := start(t, vfs.NewMem(), &memoryLog{}, Config{SealAge: time.Millisecond})
	if _, err := r.Append(t.Context(), appendOf(t, 1, 1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.await(ctx, func() bool { return r.Status().SegmentRows == 1 }); err != nil {
		t.Errorf("the record was not sealed: %+v", r.Status())
	}
}

// An idle shard moves its place in the log when the node logs elsewhere.
func TestIdleShardIsSealed(t *testing.T) {
	logged := new(Counter)
	r, _ := start(t, vfs.NewMem(), &memoryLog{}, Config{SealAge: time.Millisecond, IdleAge: time.Millisecond, IdleBytes: 1000, Logged: logged})
	duplicate := appendOf(t, 1, 1)
	duplicate.Batches[0].Key = [16]byte{1}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := r.Append(ctx, duplicate); err != nil {
		t.Fatal(err)
	}
	if err := r.await(ctx, func() bool { return r.Status().Sealed == 2 }); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(ctx, duplicate); err != nil { // entry 3 leaves the head empty
		t.Fatal(err)
	}
	logged.Add(2000)
	if err := r.await(ctx, func() bool { return r.Status().Sealed >= 4 }); err != nil {
		t.Errorf("the idle shard was not sealed: %+v", r.Status())
	}
}

func TestFullHeadMakesAppendWait(t *testing.T) {
	room := false
	var mu sync.Mutex
	cfg := Config{SealRows: 10, HeadFactor: 2, HeadWait: time.Millisecond, Room: func(int64) bool { mu.Lock(); defer mu.Unlock(); return room }}
	r, _ := start(t, vfs.NewMem(), &memoryLog{}, cfg)
	var err error
	appended := 0
	for ; err == nil && appended < 100; appended++ {
		_, err = r.Append(t.Context(), appendOf(t, 10, int64(appended)))
	}
	if !errors.Is(err, ErrBusy) || appended > 3 {
		t.Fatalf("append %d gives %v, want ErrBusy on the third", appended, err)
	}
	mu.Lock()
	room = true
	mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.await(ctx, func() bool { return !r.full() }); err != nil {
		t.Fatalf("the head stays full: %+v", r.Status())
	}
	if _, err := r.Append(ctx, appendOf(t, 10, 7)); err != nil {
		t.Error(err)
	}
}

func TestRestartAppliesTheTailOfTheLog(t *testing.T) {
	fs, log := vfs.NewMem(), &memoryLog{}
	r, stop := start(t, fs, log, Config{SealAge: time.Hour})
	keyed := appendOf(t, 10, 1)
	keyed.Batches[0].Key = [16]byte{7}
	first, err := r.Append(t.Context(), keyed)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(t.Context(), appendOf(t, 5, 2)); err != nil {
		t.Fatal(err)
	}
	stop()
	r, _ = start(t, fs, log, Config{SealAge: time.Hour})
	if got := count(t, r); got != 15 {
		t.Errorf("%d records after a restart, want 15", got)
	}
	again, err := r.Append(t.Context(), keyed)
	if err != nil || again[0].Outcome != storage.Duplicate || again[0].Index != first[0].Index {
		t.Errorf("the same batch again: %v, %v; want a duplicate of %v", again, err, first)
	}
}

func TestErrorsOfTheLogComeThrough(t *testing.T) {
	log := &memoryLog{err: context.DeadlineExceeded}
	r, _ := start(t, vfs.NewMem(), log, Config{})
	if _, err := r.Append(t.Context(), appendOf(t, 1, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("append: %v, want the log's error", err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Errorf("flush of nothing: %v", err)
	}
}

func TestUnreadableCommandChangesNothing(t *testing.T) {
	r, _ := start(t, vfs.NewMem(), &memoryLog{}, Config{})
	if err, _ := r.Apply(1, 1, []byte("?")).(error); !errors.Is(err, ErrCommand) {
		t.Errorf("apply gives %v, want ErrCommand", err)
	}
	if got := count(t, r); got != 0 {
		t.Errorf("%d records", got)
	}
}
