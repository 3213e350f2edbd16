package storage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
)

func blockOf(t *testing.T, cache *HeadCache, number uint64, times ...int64) *headBlock {
	t.Helper()
	records := make([]model.Record, len(times))
	for i, at := range times {
		records[i] = model.Record{Time: at, Fields: []model.Field{{Name: "message", Kind: model.String, Text: fmt.Sprintf("line %d of block %d", i, number)}}}
	}
	encoded, err := block.Encode(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	return &headBlock{shard: 1, index: number, rows: uint32(len(times)), encoded: encoded, cache: cache}
}

// A block that is decoded when it is read gives what the decoded one gives.
func TestHeadBlockIsItsPart(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		times := make([]int64, 1+rng.IntN(20))
		for i := range times {
			times[i] = rng.Int64N(30)
		}
		b := blockOf(t, NewHeadCache(0), 7, times...)
		p, err := b.decode(block.Decode)
		if err != nil {
			t.Fatal(err)
		}
		first, last := p.TimeRange()
		if gotFirst, gotLast := b.TimeRange(); b.Rows() != p.Rows() || gotFirst != first || gotLast != last {
			t.Fatalf("%d rows from %d to %d, want %d from %d to %d", b.Rows(), gotFirst, gotLast, p.Rows(), first, last)
		}
		for range 100 {
			from, to := rng.Int64N(40)-5, rng.Int64N(40)-5
			lo, hi, err := b.RowsBetween(from, to)
			wantLo, wantHi, _ := p.RowsBetween(from, to)
			if err != nil || hi-lo != wantHi-wantLo || lo != wantLo && lo != hi {
				t.Fatalf("rows from %d to %d are %d to %d (%v), want %d to %d", from, to, lo, hi, err, wantLo, wantHi)
			}
		}
		all := index.DocSetRange(0, p.Rows())
		got, err := b.Records(t.Context(), all)
		want, _ := p.Records(t.Context(), all)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("records are %v (%v), want %v", got, err, want)
		}
	}
}

// A block that cannot be read fails wherever rows are asked for.
func TestDamagedHeadBlockFails(t *testing.T) {
	b := blockOf(t, NewHeadCache(0), 7, 1, 2, 3)
	b.encoded[len(b.encoded)/2] ^= 1
	if _, _, err := b.RowsBetween(1, 3); err == nil {
		t.Error("rows between two times were found")
	}
	if _, _, err := b.RowsBetween(math.MinInt64, math.MaxInt64); err == nil {
		t.Error("rows of all times were found")
	}
	if _, err := b.Eval(t.Context(), index.All{}, nil); err == nil {
		t.Error("a condition was evaluated")
	}
	if _, err := b.take(nil); err == nil {
		t.Error("the block was decoded")
	}
}

// What is known of a block from its times alone is what the block says, whatever of it is
// dropped, and nothing is decoded for it.
func TestHeadBlockBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		times := make([]int64, rng.IntN(9))
		for i := range times {
			times[i] = rng.Int64N(20) - 10
		}
		cache := NewHeadCache(0)
		b := blockOf(t, cache, 7, times...)
		for at := 0; at < len(times) && rng.IntN(3) > 0; {
			from := at + rng.IntN(len(times)-at)
			at = from + rng.IntN(len(times)-from+1)
			b.dropped = append(b.dropped, head.Range{From: uint32(from), To: uint32(at)})
		}
		ordered := rng.IntN(5) > 0
		if !ordered {
			slices.Reverse(b.dropped)
		}
		p, err := b.decode(block.Decode)
		if err != nil {
			t.Fatal(err)
		}
		want := bounds{rows: p.Rows()}
		want.first, want.last = p.TimeRange()
		if got := b.bounds(); got != want {
			t.Fatalf("%v without %v: %+v, want %+v", times, b.dropped, got, want)
		}
		if ordered && cache.Bytes() > 0 {
			t.Errorf("%v without %v was decoded", times, b.dropped)
		}
	}
}

// The cache keeps what was read last, within its limit, until it is sealed.
func TestHeadCacheIsBounded(t *testing.T) {
	size := func() int64 {
		c := NewHeadCache(1 << 20)
		blockOf(t, c, 1, 1, 2, 3).read()
		return c.Bytes()
	}()
	c := NewHeadCache(3 * size)
	blocks := make(headRun, 10)
	for i := range blocks {
		blocks[i] = blockOf(t, c, uint64(i), 1, 2, 3)
		blocks[i].read()
		if c.Bytes() > 3*size {
			t.Fatalf("%d bytes after %d blocks, want at most %d", c.Bytes(), i+1, 3*size)
		}
	}
	if p := c.get(blocks[9]); p == nil || p != blocks[9].read() {
		t.Error("the block that was read last is not kept")
	}
	if c.get(blocks[0]) != nil {
		t.Error("the block that was read first is kept")
	}
	c.drop(map[model.TenantID]headRun{"a": blocks})
	if c.Bytes() != 0 || c.get(blocks[9]) != nil {
		t.Errorf("%d bytes are kept of sealed blocks", c.Bytes())
	}
	small := NewHeadCache(1)
	if only := blockOf(t, small, 1, 1); only.read() != only.read() {
		t.Error("a block beyond the limit is decoded again for each call")
	}
}

// TestHeadBlockRemembers checks that what a block kept is what it gives when it is
// decoded, that a question that repeats decodes nothing, and that answers keep to
// their share and go with the block.
func TestHeadBlockRemembers(t *testing.T) {
	cache := NewHeadCache(1 << 20)
	times := make([]int64, columnsKnownRows)
	for i := range times {
		times[i] = int64(i * 7 % len(times))
	}
	b := blockOf(t, cache, 3, times...)
	p, err := b.decode(block.Decode)
	if err != nil {
		t.Fatal(err)
	}
	conditions := []index.Expr{
		index.Leaf{Field: "message", Pred: index.Word{Folded: "7"}}, index.Leaf{Field: "message", Pred: index.Exists{}}, index.Leaf{Field: "other", Pred: index.Exists{}},
	}
	forget := func() {
		cache.mu.Lock()
		defer cache.mu.Unlock()
		for _, element := range cache.mu.items {
			cache.remove(element)
		}
	}
	for round := range 2 {
		for _, e := range conditions {
			forget()
			want, _ := p.Eval(t.Context(), e, nil)
			got, err := b.Eval(t.Context(), e, nil)
			if err != nil || !got.Equals(want) {
				t.Fatalf("%v finds %v (%v), want %v", e, got, err, want)
			}
			if decoded := cache.get(b) != nil; decoded != (round == 0) {
				t.Errorf("round %d: decoded %v", round, decoded)
			}
		}
		forget()
		some := index.DocSetOf(3, 5, 200)
		wantTimes, _ := p.Times(some)
		wantIDs, _ := p.IDs(some)
		gotTimes, err := b.Times(some)
		if round == 0 {
			forget()
		}
		gotIDs, err2 := b.IDs(some)
		if err != nil || err2 != nil || !reflect.DeepEqual(gotTimes, wantTimes) || !reflect.DeepEqual(gotIDs, wantIDs) || cache.get(b) != nil {
			t.Fatalf("times %v, ids %v (%v, %v), want %v and %v", gotTimes, gotIDs, err, err2, wantTimes, wantIDs)
		}
		columns := b.Columns("message")
		if len(columns) != 1 || columns[0].Count() != p.Rows() || len(b.Columns("other")) != 0 || cache.get(b) != nil {
			t.Fatalf("columns are %v", columns)
		}
		want, _ := p.Columns("message")[0].Gather(t.Context(), nil)
		if got, err := columns[0].Gather(t.Context(), nil); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("values are %v (%v), want %v", got, err, want)
		}
	}
	for n := range 10_000 {
		if _, err := b.Memo(fmt.Sprint(n), func() (any, int64, error) { return n, 100, nil }); err != nil {
			t.Fatal(err)
		}
		if most := int64(1<<20) / answersShare; cache.mu.answerBytes > most {
			t.Fatalf("answers take %d bytes, want at most %d", cache.mu.answerBytes, most)
		}
	}
	if value, _ := b.Memo("9999", func() (any, int64, error) { return 0, 0, nil }); value != 9999 {
		t.Errorf("the newest answer is %v", value)
	}
	cache.drop(map[model.TenantID]headRun{model.DefaultTenant: {b}})
	if value, _ := b.Memo("9999", func() (any, int64, error) { return 0, 0, nil }); value != 0 || len(cache.mu.answers) != 0 || cache.mu.answerBytes != 0 {
		t.Errorf("of a block that is gone %v is kept, %d bytes", value, cache.mu.answerBytes)
	}
}

// A block has a name that no other has, also when a replica is made anew and its log
// has the same entry again.
func TestBlocksHaveTheirNames(t *testing.T) {
	encoded := blockOf(t, nil, 1, 1, 2).encoded
	heads, seen := NewHeadCache(0), map[string]bool{}
	for _, cache := range []*HeadCache{heads, heads, nil} {
		e, err := engine.Open(engine.Config{FS: engine.MemFS(), Dir: "store"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Env{Engine: e, Heads: cache}, Config{Shard: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.Append(5, Append{Tenant: model.DefaultTenant, Block: encoded, Batches: []Batch{{Rows: 2}}})
		view, err := s.View(model.DefaultTenant)
		if err != nil || len(view.Parts) != 1 {
			t.Fatalf("%d parts, %v", len(view.Parts), err)
		}
		name := view.Parts[0].(part.Memo).Identity()
		if seen[name] {
			t.Errorf("another block is %s, too", name)
		}
		seen[name] = true
		view.Release()
		s.Close()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is known of the columns of a block that is not decoded is little beside the
// block, however many fields its records have.
func TestColumnsOfWideBlockAreNotKept(t *testing.T) {
	cache := NewHeadCache(1 << 20)
	records := make([]model.Record, columnsKnownRows)
	for i := range records {
		records[i] = model.Record{Time: int64(i), Fields: []model.Field{{Name: fmt.Sprintf("field%d", i), Kind: model.String, Text: "x"}}}
	}
	encoded, err := block.Encode(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	b := &headBlock{shard: 1, index: 1, rows: columnsKnownRows, encoded: encoded, cache: cache}
	if b.read(); b.columns.Load() != nil {
		t.Errorf("%d columns are known of a block of %d bytes", len(*b.columns.Load()), len(encoded))
	}
	if found := b.Columns("field7"); len(found) != 1 || found[0].Count() != 1 {
		t.Errorf("columns are %v", found)
	}
}
