package storage

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment"
)

const dayNanos = 24 * 60 * 60 * 1_000_000_000

// dayOf returns the UTC day of a time, counted from 1970-01-01.
func dayOf(t int64) int64 { return column.FloorDiv(t, dayNanos) }

// output is segments that are finished outside the store and the tables that
// hold them: small segments share one, because a file for each of thousands of
// tenants would take far more than their records.
type output struct {
	built  []Entry
	tables []*engine.Table
	open   bool   // the last table takes more
	owner  string // of the last table
	next   uint32 // ordinal of the next segment
}

// tableBytes is up to what size a table takes another segment.
const tableBytes = 4 << 20

// table returns the table for the next segment, which belongs to an owner.
func (o *output) table(e *engine.Engine, owner string) (*engine.Table, error) {
	if o.open && (o.owner != owner || o.tables[len(o.tables)-1].Bytes() >= tableBytes) {
		if err := o.finish(); err != nil {
			return nil, err
		}
	}
	if !o.open {
		table, err := e.NewTable(owner)
		if err != nil {
			return nil, err
		}
		o.tables, o.open, o.owner = append(o.tables, table), true, owner
	}
	return o.tables[len(o.tables)-1], nil
}

// finish makes the last table durable.
func (o *output) finish() error {
	if !o.open {
		return nil
	}
	o.open = false
	return o.tables[len(o.tables)-1].Finish()
}

func (o *output) abort() {
	for _, table := range o.tables {
		table.Abort()
	}
}

// buildRequest says what to build segments from and how to name them.
type buildRequest struct {
	tenant   model.TenantID
	sequence uint64
	parts    []part.Part
	// dayCutRows is Config.DayCutRows, of the proposer if there is one.
	dayCutRows int
	cleaned    uint64 // log index up to which deletions have been carried out in the parts
}

// build adds one segment per piece of the parts (see cutByDay) to out. After
// an error out is of no use but to be aborted, or for other segments after
// segment.ErrTooLarge: out.built must then forget what build added.
func (s *Shard) build(ctx context.Context, r buildRequest, out *output) error {
	pieces, err := cutByDay(r.parts, r.dayCutRows)
	if err != nil {
		return fmt.Errorf("cut rows of tenant %s: %w", r.tenant, err)
	}
	for _, piece := range pieces {
		id := SegmentID{r.sequence, out.next}
		out.next++
		if err := s.buildOne(ctx, r, id, piece, out); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shard) buildOne(ctx context.Context, r buildRequest, id SegmentID, inputs []segment.Input, out *output) error {
	table, err := out.table(s.env.Engine, s.env.owner(r.tenant))
	if err != nil {
		return err
	}
	before := table.Bytes()
	prefix := segmentKey(prefixSegment, s.cfg.Shard, id)
	meta, err := segment.Build(ctx, inputs, segment.Options{Shard: s.cfg.Shard, Level: s.cfg.Level, Version: s.env.segmentVersion()}, func(key, value []byte) error {
		return table.Set(append(prefix[:len(prefix):len(prefix)], key...), value)
	})
	if err != nil {
		return fmt.Errorf("build segment %s of tenant %s: %w", id, r.tenant, err)
	}
	out.built = append(out.built, Entry{
		ID: id, Tenant: r.tenant, Rows: meta.Rows, FirstTime: meta.FirstTime, LastTime: meta.LastTime,
		MinIndex: meta.MinIndex, MaxIndex: meta.MaxIndex, Bytes: table.Bytes() - before, TextBytes: meta.TextBytes,
		Cleaned: cleaned(r.cleaned, meta.MinIndex),
	})
	return nil
}

// dayRun is the rows lo <= row < hi of a part; all are of one day.
type dayRun struct {
	day    int64
	lo, hi uint32
}

// cutByDay divides rows at borders of UTC days, but only where both sides have
// at least minRows rows, so that old data can be dropped whole without sparse
// data ending up in thousands of tiny segments (docs/decisions/0002-day-cut.md).
func cutByDay(parts []part.Part, minRows int) ([][]segment.Input, error) {
	total, first, last := 0, int64(math.MaxInt64), int64(math.MinInt64)
	for _, p := range parts {
		from, to := p.TimeRange()
		total, first, last = total+int(p.Rows()), min(first, from), max(last, to)
	}
	if total == 0 {
		return nil, nil
	}
	if total < 2*minRows || dayOf(first) == dayOf(last) {
		whole := make([]segment.Input, len(parts))
		for i, p := range parts {
			whole[i].Part = p
		}
		return [][]segment.Input{whole}, nil
	}
	runs := make([][]dayRun, len(parts))
	rowsOf := map[int64]int{}
	for i, p := range parts {
		var err error
		if runs[i], err = dayRuns(p); err != nil {
			return nil, err
		}
		for _, run := range runs[i] {
			rowsOf[run.day] += int(run.hi - run.lo)
		}
	}
	borders := dayBorders(rowsOf, total, minRows)
	pieces := make([][]segment.Input, len(borders)+1)
	for i, p := range parts {
		addPieces(pieces, p, runs[i], borders)
	}
	return pieces, nil
}

// dayBorders returns the first days of all pieces but the first.
func dayBorders(rowsOf map[int64]int, total, minRows int) []int64 {
	days := make([]int64, 0, len(rowsOf))
	for day := range rowsOf {
		days = append(days, day)
	}
	slices.Sort(days)
	var borders []int64
	left, right := 0, total
	for _, day := range days {
		if left >= minRows && right >= minRows {
			borders = append(borders, day)
			left = 0
		}
		left += rowsOf[day]
		right -= rowsOf[day]
	}
	return borders
}

// addPieces gives each piece its rows of the part.
func addPieces(pieces [][]segment.Input, p part.Part, runs []dayRun, borders []int64) {
	for i := 0; i < len(runs); {
		piece := pieceOf(runs[i].day, borders)
		lo, hi := runs[i].lo, runs[i].hi
		for i++; i < len(runs) && pieceOf(runs[i].day, borders) == piece; i++ {
			hi = runs[i].hi
		}
		input := segment.Input{Part: p}
		if lo != 0 || hi != p.Rows() {
			input.Rows = index.DocSetRange(lo, hi)
		}
		pieces[piece] = append(pieces[piece], input)
	}
}

func pieceOf(day int64, borders []int64) int {
	i, found := slices.BinarySearch(borders, day)
	if found {
		i++
	}
	return i
}

// dayRuns divides a part's rows, which are in time order, by day.
func dayRuns(p part.Part) ([]dayRun, error) {
	first, last := p.TimeRange()
	if dayOf(first) == dayOf(last) {
		return []dayRun{{dayOf(first), 0, p.Rows()}}, nil
	}
	var runs []dayRun
	for lo := uint32(0); lo < p.Rows(); {
		times, err := p.Times(index.DocSetOf(lo))
		if err != nil {
			return nil, err
		}
		day, hi := dayOf(times[0]), p.Rows()
		if day < dayOf(last) {
			if _, hi, err = p.RowsBetween(times[0], (day+1)*dayNanos); err != nil {
				return nil, err
			}
		}
		if hi <= lo {
			return nil, fmt.Errorf("row %d of %d: %w: times are out of order", lo, p.Rows(), ErrInput)
		}
		runs = append(runs, dayRun{day, lo, hi})
		lo = hi
	}
	return runs, nil
}
