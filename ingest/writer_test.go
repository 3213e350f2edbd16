package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
)

// fakeShards stores blocks in memory and remembers keys, as a replica does.
type fakeShards struct {
	shards []model.ShardID
	added  int           // of shards, the last ones: they take no keys
	delay  time.Duration // of an Append
	err    func(model.ShardID, Append) error
	filled map[model.ShardID]float64

	mu      sync.Mutex
	appends []Append
	index   uint64
	keys    map[fakeKey]fakeSeen
	records map[model.RecordID]model.Record
	flying  map[model.ShardID]int
	most    int // Appends at a time on one shard
}

type fakeKey struct {
	shard model.ShardID
	key   [16]byte
}

type fakeSeen struct {
	body  [16]byte
	index uint64
	first uint32
}

func newFake(shards ...model.ShardID) *fakeShards {
	return &fakeShards{shards: shards, keys: map[fakeKey]fakeSeen{}, records: map[model.RecordID]model.Record{}, flying: map[model.ShardID]int{}}
}

func (f *fakeShards) ShardsOf(model.TenantID) []model.ShardID { return f.shards }

func (f *fakeShards) KeyShardsOf(model.TenantID) []model.ShardID {
	return f.shards[:len(f.shards)-f.added]
}

func (f *fakeShards) Filled(shard model.ShardID) (float64, bool) {
	share, known := f.filled[shard]
	return share, known
}

func (f *fakeShards) Append(ctx context.Context, shard model.ShardID, a Append) (Ack, error) {
	f.mu.Lock()
	f.flying[shard]++
	f.most = max(f.most, f.flying[shard])
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.flying[shard]--
		f.mu.Unlock()
	}()
	select {
	case <-time.After(f.delay):
	case <-ctx.Done():
		return Ack{}, ctx.Err()
	}
	if f.err != nil {
		if err := f.err(shard, a); err != nil {
			return Ack{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appends = append(f.appends, a)
	f.index++
	return f.apply(shard, a)
}

func (f *fakeShards) apply(shard model.ShardID, a Append) (Ack, error) {
	decoded, err := block.Decode(a.Block)
	if err != nil {
		return Ack{}, err
	}
	rows := rowsOf(decoded)
	var ack Ack
	row, ordinal := 0, uint32(0)
	for _, b := range a.Batches {
		seen, known := f.keys[fakeKey{shard, b.Key}]
		switch {
		case known && b.Key != [16]byte{} && seen.body != b.Body:
			ack.Batches = append(ack.Batches, BatchAck{Outcome: Conflict})
		case known && b.Key != [16]byte{}:
			ack.Batches = append(ack.Batches, BatchAck{Index: seen.index, First: seen.first, Outcome: Duplicate})
		default:
			f.keys[fakeKey{shard, b.Key}] = fakeSeen{b.Body, f.index, ordinal}
			ack.Batches = append(ack.Batches, BatchAck{Index: f.index, First: ordinal, Outcome: Stored})
			for i := range int(b.Rows) {
				f.records[model.RecordID{Shard: shard, Index: f.index, Ordinal: ordinal + uint32(i)}] = rows[row+i]
			}
			ordinal += b.Rows
		}
		row += int(b.Rows)
	}
	if row != len(rows) {
		return Ack{}, fmt.Errorf("batches have %d rows, block has %d", row, len(rows))
	}
	return ack, nil
}

// rowsOf returns the records of a block.
func rowsOf(b *block.Block) []model.Record {
	out := make([]model.Record, len(b.Times))
	for i := range out {
		out[i] = model.Record{Time: b.Times[i], TimeDigits: b.TimeDigits[i]}
	}
	for _, c := range b.Columns {
		for i, code := range c.Codes {
			row := i
			if c.Rows != nil {
				row = int(c.Rows[i])
			}
			out[row].Fields = append(out[row].Fields, model.Field{Name: c.Name, Kind: c.Kind, Text: c.Values[code]})
		}
	}
	return out
}

// records makes n records whose message says who they are.
func records(name string, n int) []model.Record {
	out := make([]model.Record, n)
	for i := range out {
		out[i] = model.Record{Time: int64(i), Fields: []model.Field{{Name: "message", Kind: model.String, Text: fmt.Sprintf("%s %d", name, i)}}}
	}
	return out
}

// check verifies that the records are where the result says.
func (f *fakeShards) check(t *testing.T, result Result, want []model.Record) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range want {
		if got := f.records[result.ID(i)]; !reflect.DeepEqual(got.Fields, want[i].Fields) {
			t.Fatalf("record %d is %+v at %s, want %+v", i, got, result.ID(i), want[i])
		}
	}
	if id := result.ID(len(want)); id != (model.RecordID{}) {
		t.Fatalf("there is an id %s after the last record", id)
	}
}

func closeWriter(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if s := w.Stats(); s.InFlight != 0 || s.InFlightBytes != 0 || len(w.mu.lanes) != 0 {
		t.Errorf("after Close there is %+v in flight, %d lanes", s, len(w.mu.lanes))
	}
}

func TestLoneRequestGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		w := NewWriter(f, Config{})
		defer closeWriter(t, w)
		start := time.Now()
		want := records("a", 3)
		result, err := w.Write(t.Context(), Request{Tenant: "t", Records: want})
		if err != nil || time.Since(start) != 0 {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		f.check(t, result, want)
		if a := f.appends[0]; a.Tenant != "t" || a.Time != start.UnixNano() || len(a.Batches) != 1 || a.Batches[0] != (Batch{Rows: 3}) {
			t.Errorf("appended %+v", a)
		}
	})
}

func TestSmallRequestsGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.delay = time.Second
		w := NewWriter(f, Config{})
		defer closeWriter(t, w)
		const n = 100
		start := time.Now()
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				want := records(fmt.Sprint("r", i), 1+i%3)
				key := ""
				if i%2 == 0 {
					key = fmt.Sprint("key", i)
				}
				result, err := w.Write(t.Context(), Request{Tenant: "t", Key: key, Records: want})
				if err != nil {
					t.Error(err)
					return
				}
				f.check(t, result, want)
			})
			if i == 0 {
				synctest.Wait() // the first is on the way before the others come
			}
		}
		group.Wait()
		if len(f.appends) != 2 || time.Since(start) != 2*time.Second || f.most != 1 {
			t.Errorf("%d appends in %v, %d at a time; want 2, one after the other", len(f.appends), time.Since(start), f.most)
		}
	})
}

func TestTenantsAndShardsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1, 2)
		f.delay = time.Second
		w := NewWriter(f, Config{})
		defer closeWriter(t, w)
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				if _, err := w.Write(t.Context(), Request{Tenant: model.TenantID(fmt.Sprint("t", i%2)), Records: records("x", 1)}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, a := range f.appends {
			rows := 0
			for _, b := range a.Batches {
				rows += int(b.Rows)
			}
			if d, err := block.Decode(a.Block); err != nil || len(d.Times) != rows {
				t.Errorf("block of %s: %v", a.Tenant, err)
			}
		}
		if s := w.Stats(); s.Records != 40 || s.Requests != 40 || s.Blocks > 8 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestCrowdedShardIsPassedOver: a request without a key goes where there is more room, if
// the shard whose turn it is has little; one with a key goes where it always goes.
func TestCrowdedShardIsPassedOver(t *testing.T) {
	f := newFake(1, 2, 3)
	w := NewWriter(f, Config{})
	defer closeWriter(t, w)
	where := func(key string) model.ShardID {
		t.Helper()
		result, err := w.Write(t.Context(), Request{Tenant: "acme", Key: key, Records: records("r", 3)})
		if err != nil {
			t.Fatal(err)
		}
		return result.Ranges[0].Shard
	}
	keyed := where("k1")
	for _, c := range []struct {
		filled map[model.ShardID]float64
		want   model.ShardID
	}{
		{nil, 1},
		{map[model.ShardID]float64{1: crowded - 0.01}, 1},
		{map[model.ShardID]float64{1: crowded, 2: 0.5, 3: 0.4}, 3},
		{map[model.ShardID]float64{1: 0.9, 2: 0.8, 3: 1.2}, 2},
		{map[model.ShardID]float64{1: 0.9, 2: 0.9, 3: 0.9}, 1},
		{map[model.ShardID]float64{1: 0.9, 3: 0.8}, 3}, // of 2 nothing is known
		{map[model.ShardID]float64{1: 0.9}, 1},
		{map[model.ShardID]float64{2: 0.1, 3: 0.1}, 1},
	} {
		f.filled = c.filled
		if got := where(""); got != c.want {
			t.Errorf("with %v a request goes to shard %d, want %d", c.filled, got, c.want)
		}
	}
	f.filled = map[model.ShardID]float64{keyed: 1}
	if got := where("k1"); got != keyed {
		t.Errorf("a repeat goes to shard %d, the first went to %d", got, keyed)
	}
}

func TestLargeRequestIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1, 2, 3)
		f.delay = time.Second
		w := NewWriter(f, Config{BlockRecords: 10, BlockBytes: 200})
		defer closeWriter(t, w)
		for _, key := range []string{"", "key"} {
			want := records("r", 105)
			want[50].Fields[0].Text = string(make([]byte, 500)) // over a block's bytes by itself
			result, err := w.Write(t.Context(), Request{Tenant: "t", Key: key, Records: want})
			if err != nil {
				t.Fatal(err)
			}
			f.check(t, result, want)
		}
		for _, a := range f.appends {
			if d, err := block.Decode(a.Block); err != nil || len(d.Times) > 10 {
				t.Errorf("block of %d rows, %v", len(d.Times), err)
			}
		}
		if f.most > SendersMax || f.most < 2 {
			t.Errorf("%d appends at a time on a shard", f.most)
		}
	})
}

func TestRepeatIsHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1, 2, 3)
		w := NewWriter(f, Config{BlockRecords: 10})
		defer closeWriter(t, w)
		for _, n := range []int{1, 10, 57} {
			req := Request{Tenant: "t", Key: fmt.Sprint("k", n), BodyHash: [16]byte{1}, Records: records("r", n)}
			first, err := w.Write(t.Context(), req)
			if err != nil || first.Duplicate {
				t.Fatalf("first write: %+v, %v", first, err)
			}
			stored := len(f.records)
			again, err := w.Write(t.Context(), req)
			if err != nil || !again.Duplicate || !slices.Equal(first.Ranges, again.Ranges) || len(f.records) != stored {
				t.Errorf("%d records again: %+v after %+v, %v", n, again, first, err)
			}
			// The same key of another tenant is another key.
			other := req
			other.Tenant = "u"
			if result, err := w.Write(t.Context(), other); err != nil || result.Duplicate {
				t.Errorf("other tenant: %+v, %v", result, err)
			}
			// The same key with another body stores nothing, however long it is.
			stored = len(f.records)
			other = req
			other.BodyHash = [16]byte{2}
			other.Records = records("s", n+30)
			if _, err := w.Write(t.Context(), other); !errors.Is(err, ErrConflict) || len(f.records) != stored {
				t.Errorf("other body: %v, %d records more", err, len(f.records)-stored)
			}
		}
	})
}

// TestRepeatAfterPartialFailure fails some parts of keyed requests at random
// and repeats them until they succeed: every record is there once.
// TestRepeatAfterShardsWereAdded: a repeat goes where the first try went, also
// its parts, and records without a key come to the new shards.
func TestRepeatAfterShardsWereAdded(t *testing.T) {
	f := newFake(1, 2, 3)
	w := NewWriter(f, Config{BlockRecords: 4})
	defer w.Close(t.Context())
	write := func(key string, n int) Result {
		result, err := w.Write(t.Context(), Request{Tenant: "t", Key: key, BodyHash: [16]byte{1}, Records: records("r", n)})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	var first []Result
	for n := 1; n < 20; n++ {
		first = append(first, write(fmt.Sprint("k", n), n))
	}
	before := len(f.records)
	f.shards, f.added = append(f.shards, 4, 5), 2
	for n := 1; n < 20; n++ {
		if got := write(fmt.Sprint("k", n), n); !got.Duplicate || !reflect.DeepEqual(got.Ranges, first[n-1].Ranges) {
			t.Errorf("the repeat of request %d is at %+v, want %+v", n, got, first[n-1])
		}
	}
	if len(f.records) != before {
		t.Errorf("%d records, want %d", len(f.records), before)
	}
	seen := map[model.ShardID]bool{}
	for _, r := range write("", 40).Ranges {
		seen[r.Shard] = true
	}
	if !seen[4] || !seen[5] {
		t.Errorf("what has no key went to the shards %v", seen)
	}
}

func TestRepeatAfterPartialFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(5, 6))
		f := newFake(1, 2, 3)
		f.delay = time.Millisecond
		var mu sync.Mutex
		f.err = func(model.ShardID, Append) error {
			mu.Lock()
			defer mu.Unlock()
			if random.IntN(3) == 0 {
				return errors.New("leader lost")
			}
			return nil
		}
		w := NewWriter(f, Config{BlockRecords: 10})
		defer closeWriter(t, w)
		var group sync.WaitGroup
		total := 0
		for i := range 30 {
			want := records(fmt.Sprint("r", i), 1+i*3)
			total += len(want)
			group.Go(func() {
				for {
					result, err := w.Write(t.Context(), Request{Tenant: "t", Key: fmt.Sprint("key", i), BodyHash: [16]byte{byte(i)}, Records: want})
					if err == nil {
						f.check(t, result, want)
						return
					}
					if !errors.Is(err, ErrUnavailable) {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		if len(f.records) != total {
			t.Errorf("%d records are stored, want %d", len(f.records), total)
		}
	})
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.delay = time.Second
		big := records("r", 100)
		size, _ := memoryOf(big)
		w := NewWriter(f, Config{InFlightBytes: size + 100, Requests: 3})
		defer closeWriter(t, w)
		var group sync.WaitGroup
		write := func(records []model.Record, want error) {
			group.Go(func() {
				if _, err := w.Write(t.Context(), Request{Tenant: "t", Records: records}); !errors.Is(err, want) {
					t.Errorf("err = %v, want %v", err, want)
				}
			})
			synctest.Wait()
		}
		write(records("huge", 1000), nil) // alone, it may exceed the limit
		write(records("r", 1), ErrBusy)
		group.Wait()
		write(big, nil)
		write(records("r", 2), ErrBusy)
		group.Wait()
		for range 3 {
			write(records("r", 1), nil)
		}
		write(records("r", 1), ErrBusy)
		group.Wait()
		if s := w.Stats(); s.Refused != 3 || s.Records != 1103 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.delay = time.Second
		w := NewWriter(f, Config{})
		defer closeWriter(t, w)
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := w.Write(t.Context(), Request{Tenant: "t", Records: records("first", 1)}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := w.Write(ctx, Request{Tenant: "t", Records: records("second", 1)})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		group.Wait()
		synctest.Wait()
		if len(f.records) != 1 {
			t.Errorf("%d records are stored, want the first only", len(f.records))
		}
	})
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ give, want error }{
		{ErrNoSpace, ErrNoSpace},
		{fmt.Errorf("shard 1: %w", ErrBusy), ErrBusy},
		{errors.New("what"), ErrUnavailable},
	} {
		f := newFake(1)
		f.err = func(model.ShardID, Append) error { return c.give }
		w := NewWriter(f, Config{BlockRecords: 2})
		if _, err := w.Write(t.Context(), Request{Tenant: "t", Records: records("r", 9)}); !errors.Is(err, c.want) || !errors.Is(err, c.give) {
			t.Errorf("err = %v, want %v", err, c.want)
		}
		closeWriter(t, w)
	}
	w := NewWriter(newFake(), Config{})
	if _, err := w.Write(t.Context(), Request{Tenant: "t", Records: records("r", 1)}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without shards: %v", err)
	}
	if _, err := w.Write(t.Context(), Request{Tenant: "no/tenant", Records: records("r", 1)}); err == nil {
		t.Error("a bad tenant may write")
	}
	if result, err := w.Write(t.Context(), Request{Tenant: "t"}); err != nil || len(result.Ranges) != 0 {
		t.Errorf("no records: %+v, %v", result, err)
	}
	closeWriter(t, w)
	if _, err := w.Write(t.Context(), Request{Tenant: "t", Records: records("r", 1)}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

func TestTimeoutAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.delay = time.Hour
		w := NewWriter(f, Config{Timeout: time.Minute})
		start := time.Now()
		_, err := w.Write(t.Context(), Request{Tenant: "t", Records: records("r", 1)})
		if !errors.Is(err, ErrUnavailable) || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		go func() {
			if _, err := w.Write(t.Context(), Request{Tenant: "t", Records: records("r", 1)}); !errors.Is(err, ErrUnavailable) {
				t.Errorf("cut off by Close: %v", err)
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v", err)
		}
		synctest.Wait()
	})
}

// TestTooManyColumns writes records that do not fit one block because all
// their fields are different.
func TestTooManyColumns(t *testing.T) {
	f := newFake(1)
	w := NewWriter(f, Config{})
	defer closeWriter(t, w)
	want := make([]model.Record, 150) // 135,000 columns
	for i := range want {
		for j := range 900 {
			want[i].Fields = append(want[i].Fields, model.Field{Name: fmt.Sprintf("f%d.%d", i, j), Kind: model.Number, Text: "1"})
		}
	}
	req := Request{Tenant: "t", Key: "k", Records: want}
	first, err := w.Write(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := 0, first.ID(0); i < len(want); i, id = i+1, first.ID(i+1) {
		if got := f.records[id]; len(got.Fields) != 900 {
			t.Fatalf("record %d at %s has %d fields", i, id, len(got.Fields))
		}
	}
	if again, err := w.Write(t.Context(), req); err != nil || !again.Duplicate || !slices.Equal(first.Ranges, again.Ranges) {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// TestKeysAreDifferent checks that no two parts of different requests share a
// key, however their texts run together.
func TestKeysAreDifferent(t *testing.T) {
	seen := map[[16]byte]string{}
	for _, tenant := range []model.TenantID{"a", "ab", "abc"} {
		for _, key := range []string{"a", "b", "bc", "c", "cb"} {
			for start := range 3 {
				o := &origin{tenant: tenant, key: key, body: sha16(key)}
				name := fmt.Sprintf("%s/%s/%d", tenant, key, start)
				batch := o.batch(start, 5)
				if other, ok := seen[batch.Key]; ok {
					t.Errorf("%s and %s have one key", name, other)
				}
				seen[batch.Key] = name
				if longer := o.batch(start, 6); longer.Key != batch.Key || longer.Body == batch.Body {
					t.Errorf("%s cut another way is not a conflict", name)
				}
			}
		}
	}
}

func sha16(s string) (out [16]byte) {
	sum := sha256.Sum256([]byte(s))
	copy(out[:], sum[:])
	return out
}

func TestValidateConfig(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{BlockRecords: -1, InFlightBytes: -1}).Validate(); err == nil {
		t.Error("negative limits are valid")
	}
}

func BenchmarkWriteSmall(b *testing.B) {
	f := newFake(1)
	f.err = func(model.ShardID, Append) error { return ErrUnavailable } // keeps nothing
	w := NewWriter(f, Config{})
	recs := records("r", 1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.Write(context.Background(), Request{Tenant: "t", Records: recs}); !errors.Is(err, ErrUnavailable) {
				b.Error(err)
			}
		}
	})
}
