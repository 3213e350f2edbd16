package exec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// gatherPositions reads the places of rows in the order of the plan, as texts
// that sort so and end with time and id.
func (r *run) gatherPositions(p part.Part, found *index.DocSet, list []uint32) (column, error) {
	times, err := p.Times(found)
	if err != nil {
		return column{}, err
	}
	ids, err := p.IDs(found)
	if err != nil {
		return column{}, err
	}
	var keys []sortColumn
	newest := true
	if r.plan.ByTime() {
		newest = len(r.plan.Sort) == 0 || r.plan.Sort[0].Desc
	} else {
		for _, key := range r.plan.Sort {
			source, err := r.gather(p, key.Field, found, list)
			if err != nil {
				return column{}, err
			}
			keys = append(keys, newSortColumn(key.Field, source))
		}
	}
	c := column{codes: make([]uint32, len(list)), dict: make([]cell, len(list))}
	var dst []byte
	for n := range list {
		dst = append(dst[:0], positionMark)
		for k := range keys {
			dst = appendSortable(dst, &keys[k].values[keys[k].codes[n]], r.plan.Sort[k].Desc)
		}
		dst = appendPlace(dst, times[n], ids[n], newest)
		c.codes[n], c.dict[n] = uint32(n)+1, cell{kind: model.String, text: string(dst)}
	}
	return c, nil
}

// positionMark begins the text of a position, so that it is no number.
const positionMark = 1

// The bytes that begin a sort value in a position.
const (
	sortableNumber  = 0x10
	sortableText    = 0x11
	sortableMissing = 0xf0 // last in both directions
)

// appendSortable appends a sort value so that bytes order as compareValues does.
func appendSortable(dst []byte, v *SortValue, desc bool) []byte {
	start := len(dst)
	switch v.Class {
	case ClassNumber:
		number := v.Number
		if number == 0 {
			number = 0 // not -0
		}
		dst = binary.BigEndian.AppendUint64(append(dst, sortableNumber), sortableFloat(number))
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.Whole)^signBit)
	case ClassText:
		dst = append(dst, sortableText)
		for i := range len(v.Text) {
			if dst = append(dst, v.Text[i]); v.Text[i] == 0 {
				dst = append(dst, math.MaxUint8)
			}
		}
		dst = append(dst, 0, 0)
	default:
		return append(dst, sortableMissing)
	}
	if desc {
		invert(dst[start:])
	}
	return dst
}

// signBit is set in numbers that are not negative, once they sort as bytes.
const signBit = 1 << 63

// sortableFloat returns bits that order as the numbers do.
func sortableFloat(v float64) uint64 {
	bits := math.Float64bits(v)
	if bits&signBit != 0 {
		return ^bits
	}
	return bits | signBit
}

func invert(bytes []byte) {
	for i := range bytes {
		bytes[i] = ^bytes[i]
	}
}

// placeBytes is how many bytes time and id take at the end of a position.
const placeBytes = 8 + 4 + 8 + 4

// appendPlace appends time and id.
func appendPlace(dst []byte, at int64, id model.RecordID, newest bool) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(at)^signBit)
	dst = binary.BigEndian.AppendUint32(dst, uint32(id.Shard))
	dst = binary.BigEndian.AppendUint64(dst, id.Index)
	dst = binary.BigEndian.AppendUint32(dst, id.Ordinal)
	if newest {
		invert(dst[start:])
	}
	return dst
}

// placeOf returns the id at the end of a position; ok is false for what is none.
func placeOf(position string, newest bool) (id model.RecordID, ok bool) {
	if len(position) < placeBytes {
		return id, false
	}
	place := []byte(position[len(position)-placeBytes:])
	if newest {
		invert(place)
	}
	id.Shard = model.ShardID(binary.BigEndian.Uint32(place[8:]))
	id.Index, id.Ordinal = binary.BigEndian.Uint64(place[12:]), binary.BigEndian.Uint32(place[20:])
	return id, true
}

// DedupResult is the first records of groups, in the order of the plan.
type DedupResult struct {
	Hits  []Hit
	Total int // groups
	Outcome
}

// Dedup finds the first record of each group of a plan with Dedup. It returns
// the first want records, of bytes in all about.
func Dedup(ctx context.Context, from Source, p *plan.Plan, skip, want, bytes int, limits Limits) (*DedupResult, error) {
	deadline := time.Now().Add(limits.Time)
	g, err := tabulate(ctx, from, p, limits)
	if err != nil {
		return nil, err
	}
	positions := g.positions()
	result := &DedupResult{Total: len(positions)}
	positions = positions[min(len(positions), skip):]
	positions = positions[:min(len(positions), want)]
	newest := !p.ByTime() || len(p.Sort) == 0 || p.Sort[0].Desc
	ids := make([]model.RecordID, 0, len(positions))
	for _, position := range positions {
		if id, ok := placeOf(position, newest); ok {
			ids = append(ids, id)
		}
	}
	read := 0
	for len(ids) > 0 {
		some := ids[:min(len(ids), readMax)]
		ids = ids[len(some):]
		hits, err := g.byID(some)
		if err != nil {
			return nil, err
		}
		for i := range hits {
			read += RecordBytes(&hits[i].Record)
		}
		if result.Hits = append(result.Hits, hits...); read > bytes && len(ids) > 0 {
			g.partial(bytesReason(bytes))
			break
		}
		if len(ids) > 0 && time.Now().After(deadline) {
			g.partial(timeReason(limits.Time))
			break
		}
	}
	result.Outcome = g.outcome()
	return result, nil
}

// positions returns the first position of each group, in order.
func (g *groups) positions() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	state, ok := g.mu.aggs[0].(*extremes)
	if !ok {
		return nil
	}
	positions := make([]string, 0, len(state.of))
	for i := range state.of {
		positions = append(positions, state.of[i].best.text)
	}
	slices.SortFunc(positions, strings.Compare)
	return positions
}

// byID returns the records with some ids, in their order. Those that are not
// there any more make the answer partial.
func (r *run) byID(ids []model.RecordID) ([]Hit, error) {
	reader := &run{outer: r.outer, ctx: r.outer, far: r.far, parts: r.parts, plan: r.plan, limits: r.limits}
	reader.limits.Read = 0
	var mu sync.Mutex
	found := map[model.RecordID]model.Record{}
	err := reader.each(len(r.parts), func(i int) error { return wrapPart(readIDs(r.outer, r.parts[i], ids, r.plan.Fields, &mu, found)) })
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.outer, max(r.limits.Time/fetchShare, 1))
	defer cancel()
	asked := reader.ask(ctx, func(ctx context.Context, i int) error {
		var wanted []model.RecordID
		for _, id := range ids {
			if r.far[i].Has(id.Shard) {
				wanted = append(wanted, id)
			}
		}
		records, err := fetchAll(ctx, r.far[i], wanted)
		mu.Lock()
		defer mu.Unlock()
		for id, record := range records {
			found[id] = record
		}
		return err
	})
	if err := asked.wait(); err != nil {
		return nil, err
	}
	if outcome := reader.outcome(); !outcome.Complete {
		r.partial(outcome.Reason)
	}
	hits := make([]Hit, 0, len(ids))
	for _, id := range ids {
		if record, ok := found[id]; ok {
			hits = append(hits, newHit(id, record))
		}
	}
	if gone := len(ids) - len(hits); gone > 0 {
		r.partial(fmt.Sprintf("%d records are gone", gone))
	}
	return hits, nil
}

// readIDs reads those of the records that a part has.
func readIDs(ctx context.Context, p part.Part, ids []model.RecordID, fields []string, mu *sync.Mutex, into map[model.RecordID]model.Record) error {
	rows, err := p.Eval(ctx, index.IDs{Of: ids}, nil)
	if err != nil || rows.IsEmpty() {
		return err
	}
	have, err := p.IDs(rows)
	if err != nil {
		return err
	}
	records, err := p.Records(ctx, rows)
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	for n, id := range have {
		into[id] = project(records[n], fields)
	}
	return nil
}
