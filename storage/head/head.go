package head

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/part"
)

// Range is the ordinals From <= ordinal < To of a block.
type Range struct{ From, To uint32 }

// Part is a block as a part.
type Part struct {
	shard   model.ShardID
	index   uint64
	block   *block.Block
	dropped []Range
	bytes   atomic.Int64
	grown   func() // is told when a column is unpacked and kept; nil: none are kept

	order   orderOnce
	columns []*column
}

var _ part.Part = (*Part)(nil)

// orderOnce says where ordinals went; it is made on the first read.
type orderOnce struct {
	sync.Once
	times     []int64  // by row
	ordinalOf []uint32 // by row; nil means that rows are ordinals
	rowOf     []uint32 // by ordinal, or absent; nil means the same
}

// absent is the row of a dropped ordinal.
const absent = ^uint32(0)

// New returns the part of a block that block.Decode or the like made: the
// entry at the given index of the shard's log. The block must not change. Of one of
// block.DecodePacked no cells are kept: it is for who reads each column once.
func New(shard model.ShardID, index uint64, b *block.Block, dropped []Range) (*Part, error) {
	rows := len(b.Times)
	if len(b.TimeDigits) != rows || rows > block.RowsMax {
		return nil, fmt.Errorf("head part of entry %d: %d times and %d digits", index, rows, len(b.TimeDigits))
	}
	p := &Part{shard: shard, index: index, block: b}
	bytes := rows * rowBytes
	for _, r := range dropped {
		if r.From > r.To || int(r.To) > rows {
			return nil, fmt.Errorf("head part of entry %d: dropped range %d to %d of %d rows", index, r.From, r.To, rows)
		}
		if r.From < r.To {
			p.dropped = append(p.dropped, r)
		}
	}
	views := make([]column, len(b.Columns))
	p.columns = make([]*column, len(b.Columns))
	for i := range b.Columns {
		c := &b.Columns[i]
		if !c.Packed() && (c.Rows == nil && len(c.Codes) != rows || c.Rows != nil && len(c.Codes) != len(c.Rows)) {
			return nil, fmt.Errorf("head part of entry %d: column %q has %d codes", index, c.Name, len(c.Codes))
		}
		if bytes += c.PackedBytes(); !c.Packed() {
			bytes += unpackedBytes(c)
		}
		for _, value := range c.Values {
			bytes += len(value)
		}
		views[i] = column{part: p, stored: c}
		p.columns[i] = &views[i]
	}
	p.bytes.Store(int64(bytes))
	return p, nil
}

// Keep has the part of a block of block.DecodePacked keep the columns that are read of it,
// for who reads some of them again and again, and tell when it has grown by that. It is
// called before anybody reads.
func (p *Part) Keep(grown func()) *Part {
	p.grown = grown
	return p
}

// Memory that things take, for accounting: what the block holds and what
// reading adds.
const (
	rowBytes   = 8 + 1 + 8 + 4 + 4
	cellBytes  = 2 * (4 + 4)
	fieldBytes = 40 // a field, whose texts are the block's
	valueBytes = 16
)

// unpackedBytes is what the cells of a column take.
func unpackedBytes(c *block.Column) int { return c.Cells()*cellBytes + c.Distinct()*valueBytes }

// Bytes returns about how much memory the part and its block take now; one that keeps
// columns grows.
func (p *Part) Bytes() int64 { return p.bytes.Load() }

// ready sorts the rows, once.
func (p *Part) ready() *orderOnce {
	o := &p.order
	o.Do(func() {
		times := p.block.Times
		if len(p.dropped) == 0 && slices.IsSorted(times) {
			o.times = times
			return
		}
		o.rowOf = make([]uint32, len(times))
		for _, r := range p.dropped {
			for ordinal := r.From; ordinal < r.To; ordinal++ {
				o.rowOf[ordinal] = absent
			}
		}
		for ordinal := range times {
			if o.rowOf[ordinal] != absent {
				o.ordinalOf = append(o.ordinalOf, uint32(ordinal))
			}
		}
		slices.SortStableFunc(o.ordinalOf, func(a, b uint32) int {
			switch {
			case times[a] < times[b]:
				return -1
			case times[a] > times[b]:
				return 1
			}
			return 0
		})
		o.times = make([]int64, len(o.ordinalOf))
		for row, ordinal := range o.ordinalOf {
			o.rowOf[ordinal] = uint32(row)
			o.times[row] = times[ordinal]
		}
	})
	return o
}

// ordinal returns the place in the block of a row.
func (o *orderOnce) ordinal(row uint32) uint32 {
	if o.rowOf == nil {
		return row
	}
	return o.ordinalOf[row]
}

// row returns the row of an ordinal and whether there is one.
func (o *orderOnce) row(ordinal uint32) (uint32, bool) {
	if o.rowOf == nil {
		return ordinal, true
	}
	row := o.rowOf[ordinal]
	return row, row != absent
}

// Rows implements part.Part.
func (p *Part) Rows() uint32 { return uint32(len(p.ready().times)) }

// TimeRange implements part.Part.
func (p *Part) TimeRange() (first, last int64) {
	times := p.ready().times
	if len(times) == 0 {
		return 0, 0
	}
	return times[0], times[len(times)-1]
}

// RowsBetween implements part.Part.
func (p *Part) RowsBetween(from, to int64) (lo, hi uint32, err error) {
	times := p.ready().times
	lo = uint32(sort.Search(len(times), func(i int) bool { return times[i] >= from }))
	hi = uint32(sort.Search(len(times), func(i int) bool { return times[i] >= to }))
	return lo, max(lo, hi), nil
}

// Eval implements part.Part.
func (p *Part) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	return part.Eval(ctx, p, e, within)
}

// RowsOf implements part.Leaves.
func (p *Part) RowsOf(_ context.Context, ids []model.RecordID) (*index.DocSet, error) {
	o := p.ready()
	found := index.NewDocSet()
	for _, id := range ids {
		if id.Shard != p.shard || id.Index != p.index || int(id.Ordinal) >= len(p.block.Times) {
			continue
		}
		if row, ok := o.row(id.Ordinal); ok {
			found.Add(row)
		}
	}
	return found, nil
}

// list returns the rows of a set, and an error if some are not of this part.
func (p *Part) list(rows *index.DocSet) ([]uint32, error) {
	if rows == nil || rows.IsEmpty() {
		return nil, nil
	}
	if last := rows.Maximum(); last >= p.Rows() {
		return nil, fmt.Errorf("read row %d of a part with %d rows", last, p.Rows())
	}
	return rows.ToArray(), nil
}

// Times implements part.Part.
func (p *Part) Times(rows *index.DocSet) ([]int64, error) {
	list, err := p.list(rows)
	if err != nil {
		return nil, err
	}
	times := make([]int64, len(list))
	for i, row := range list {
		times[i] = p.order.times[row]
	}
	return times, nil
}

// TimeDigits implements part.Part.
func (p *Part) TimeDigits(rows *index.DocSet) ([]uint8, error) {
	list, err := p.list(rows)
	if err != nil {
		return nil, err
	}
	digits := make([]uint8, len(list))
	for i, row := range list {
		digits[i] = p.block.TimeDigits[p.order.ordinal(row)]
	}
	return digits, nil
}

// IDs implements part.Part.
func (p *Part) IDs(rows *index.DocSet) ([]model.RecordID, error) {
	list, err := p.list(rows)
	if err != nil {
		return nil, err
	}
	ids := make([]model.RecordID, len(list))
	for i, row := range list {
		ids[i] = model.RecordID{Shard: p.shard, Index: p.index, Ordinal: p.order.ordinal(row)}
	}
	return ids, nil
}

// Order returns the times of all rows, and their ordinals; nil ordinals are the rows.
func (p *Part) Order() (times []int64, ordinals []uint32) {
	o := p.ready()
	return o.times, o.ordinalOf
}

// Records implements part.Part. Fields come in column order, by path.
func (p *Part) Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	list, err := p.list(rows)
	if err != nil {
		return nil, err
	}
	records := make([]model.Record, len(list))
	for i, row := range list {
		ordinal := p.order.ordinal(row)
		records[i].Time, records[i].TimeDigits = p.block.Times[ordinal], p.block.TimeDigits[ordinal]
	}
	counts, total := make([]int, len(list)), 0
	for _, c := range p.columns {
		c.whole().each(list, func(i int, _ uint32) {
			counts[i]++
			total++
		})
	}
	if err := part.Take(ctx, total*fieldBytes); err != nil {
		return nil, err
	}
	fields := make([]model.Field, total)
	for i, count := range counts {
		records[i].Fields, fields = fields[:0:count], fields[count:]
	}
	for _, c := range p.columns {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c = c.whole()
		name, kind, values := c.stored.Name, c.stored.Kind, c.stored.Values
		c.each(list, func(i int, code uint32) {
			records[i].Fields = append(records[i].Fields, model.Field{Name: name, Kind: kind, Text: values[code]})
		})
	}
	return records, nil
}

// Columns implements part.Part.
func (p *Part) Columns(queryName string) []part.Column {
	var found []part.Column
	for _, c := range p.named(queryName) {
		found = append(found, c)
	}
	return found
}

func (p *Part) named(queryName string) []*column {
	var found []*column
	for _, c := range p.columns {
		if model.QueryName(c.stored.Name) == queryName && c.Count() > 0 {
			found = append(found, c)
		}
	}
	return found
}

// AllColumns implements part.Part.
func (p *Part) AllColumns() []part.Column {
	var found []part.Column
	for _, c := range p.columns {
		if c.Count() > 0 {
			found = append(found, c)
		}
	}
	return found
}
