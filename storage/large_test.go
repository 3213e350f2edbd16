package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/segment"
)

// TestTextsTooLargeForOneSegment seals and merges lines of 1 MiB, more of them
// than a page of a segment can give back: each must be read once afterwards.
func TestTextsTooLargeForOneSegment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a gigabyte of memory")
	}
	h := newHistory(t, 3)
	h.cfg.DayCutRows, h.cfg.MergeRowsMax, h.cfg.MergeBytesMax = 0, 0, 1<<40
	h.reopen()
	text := bytes.Repeat([]byte{'.'}, 3<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(text); i += 4096 {
		copy(text[i:], fmt.Sprint(rng.Uint64()))
	}
	lines := string(text)
	const blocks, rows = 3, 90
	for i := range blocks {
		records := make([]model.Record, rows)
		for j := range records {
			at := (i*rows + j) * 4096
			records[j] = model.Record{Time: h.clock + int64(j), Fields: []model.Field{{Name: "message", Kind: model.String, Text: lines[at : at+1<<20]}}}
		}
		encoded, err := block.Encode(nil, records)
		if err != nil {
			t.Fatal(err)
		}
		h.shard.Append(uint64(i+1), Append{Tenant: "a", Time: h.clock, Batches: []Batch{{Rows: rows}}, Block: encoded})
	}
	h.shard.Seal(blocks+1, 1, SealCommand{Time: h.clock})
	if _, _, err := h.shard.RunSeal(t.Context()); err != nil {
		t.Fatal(err)
	}
	plans := h.shard.PlanMerges(math.MaxUint64)
	if len(plans) != 1 || len(plans[0].Inputs) < 2 {
		t.Fatalf("plans are %v, want one for the segments of the seal", plans)
	}
	if err := h.shard.BuildMerge(t.Context(), plans[0]); !errors.Is(err, segment.ErrTooLarge) {
		t.Errorf("merge gives %v, want %v", err, segment.ErrTooLarge)
	}
	if again := h.shard.PlanMerges(math.MaxUint64); len(again) > 0 {
		t.Errorf("plans are %v, want none again", again)
	}
	view, err := h.shard.View("a")
	if err != nil {
		t.Fatal(err)
	}
	defer view.Release()
	found := readAll(t, view)
	for i := range blocks {
		for j := range rows {
			at := (i*rows + j) * 4096
			r, ok := found[model.RecordID{Shard: h.cfg.Shard, Index: uint64(i + 1), Ordinal: uint32(j)}]
			if !ok || r.Fields[0].Text != lines[at:at+1<<20] {
				t.Fatalf("record %d of block %d is not what was written", j, i)
			}
		}
	}
	if len(found) != blocks*rows {
		t.Errorf("%d records, want %d", len(found), blocks*rows)
	}
}

// TestSealsShareMemory seals heads one after the other whose bodies are unpacked into the
// same memory: each record is what it was, in memory and after a start.
func TestSealsShareMemory(t *testing.T) {
	h := newHistory(t, 4)
	h.cfg.DayCutRows = 0
	h.reopen()
	const seals, blocks, rows = 3, 9, 1000
	rng := rand.New(rand.NewPCG(5, 6))
	want := map[model.RecordID]model.Record{}
	index := uint64(0)
	for range seals {
		for range blocks {
			index++
			records := make([]model.Record, rows)
			for j := range records {
				host := fmt.Sprintf("host-%d-%s", rng.IntN(300), bytes.Repeat([]byte{byte('a' + index)}, 40))
				text := fmt.Sprintf("%s took %d of %s", host, rng.Uint64(), bytes.Repeat([]byte{byte('a' + index)}, 900+rng.IntN(90)))
				records[j] = model.Record{Time: h.clock + int64(j), Fields: []model.Field{{Name: "host", Kind: model.String, Text: host}, {Name: "message", Kind: model.String, Text: text}}}
				want[model.RecordID{Shard: h.cfg.Shard, Index: index, Ordinal: uint32(j)}] = records[j]
			}
			encoded, err := block.Encode(nil, records)
			if err != nil {
				t.Fatal(err)
			}
			h.shard.Append(index, Append{Tenant: "a", Time: h.clock, Batches: []Batch{{Rows: rows}}, Block: encoded})
		}
		index++
		h.shard.Seal(index, 1, SealCommand{Time: h.clock})
		if _, done, err := h.shard.RunSeal(t.Context()); err != nil || !done {
			t.Fatal(done, err)
		}
	}
	for range 2 {
		view, err := h.shard.View("a")
		if err != nil {
			t.Fatal(err)
		}
		found := readAll(t, view)
		view.Release()
		if len(found) != len(want) {
			t.Errorf("%d records, want %d", len(found), len(want))
		}
		for id, r := range want {
			if !sameRecord(found[id], r) {
				t.Fatalf("record %v is not what was written", id)
			}
		}
		h.reopen()
	}
}
