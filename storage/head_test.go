package storage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
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
		p, err := b.decode()
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
	if _, err := b.take(); err == nil {
		t.Error("the block was decoded")
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
