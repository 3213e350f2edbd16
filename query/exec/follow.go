package exec

import (
	"context"
	"slices"
	"sort"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// Followed is a record that came to a shard, with the numbers of the filters that
// it satisfies, ascending.
type Followed struct {
	ID      model.RecordID
	Record  model.Record
	Filters []int
}

// FollowLimits bound one run of Follow.
type FollowLimits struct {
	Records int // at most
	Bytes   int // of the records, the last one may be beyond
	// Time is after how long what was found so far is the answer; 0 has no limit.
	// A run looks at something, however late it is.
	Time time.Duration
}

// How many rows of a segment are looked at once: few at first, so that a run comes
// on in any time, then twice as many each time, while that is quick.
const (
	followChunk    = 1 << 10
	followChunkMax = 64 << 10
	followQuick    = 8 // a look is quick that takes less than the time's share of one in so many
)

// How many records are read before their bytes are counted.
const (
	followRead    = 8
	followReadMax = 64
)

// Follow returns the records of a shard that came after a mark and satisfy one of
// the filters, in the order in which they came, and the mark up to which these
// are all: upto, unless a limit was met. Parts are as storage.Shard.ViewAfter
// gives them: segments, then blocks in log order.
func Follow(ctx context.Context, parts []part.Part, filters []*plan.Plan, after, upto model.Mark, limits FollowLimits) ([]Followed, model.Mark, error) {
	if after.Compare(upto) >= 0 {
		return nil, after, nil
	}
	f := &follow{ctx: ctx, filters: filters, limits: limits, began: time.Now(), chunk: followChunk}
	mark, err := f.run(parts, after, upto)
	if err != nil {
		return nil, after, wrapPart(err)
	}
	return f.found, mark, nil
}

// follow is one run of Follow.
type follow struct {
	ctx     context.Context
	filters []*plan.Plan
	limits  FollowLimits
	began   time.Time
	chunk   int // rows of the next look
	found   []Followed
	bytes   int
	full    bool
}

// run looks at parts until a limit is met, and returns how far it has come.
func (f *follow) run(parts []part.Part, after, upto model.Mark) (model.Mark, error) {
	var segments []part.Part
	for _, p := range parts {
		if part.Sealed(p) {
			segments = append(segments, p)
		}
	}
	mark := after
	for more := len(segments) > 0; more; {
		began := time.Now()
		next, left, err := f.segments(segments, mark)
		if err != nil {
			return after, err
		}
		if f.full {
			return f.last(), nil
		}
		if more = left; !more {
			break // all segments are looked at, blocks are not
		}
		mark = next
		if f.late() {
			return mark, nil
		}
		if f.limits.Time == 0 || time.Since(began) < f.limits.Time/followQuick {
			f.chunk = min(2*f.chunk, followChunkMax)
		}
	}
	for _, p := range parts {
		if part.Sealed(p) || p.Rows() == 0 {
			continue
		}
		first, err := p.IDs(index.DocSetRange(0, 1))
		if err != nil {
			return after, err
		}
		if before := first[0].Index; before > 0 && f.late() {
			if end := model.MarkEnd(before - 1); end.Compare(after) > 0 && end.Compare(upto) < 0 {
				return end, nil
			}
		}
		found, err := f.match(p, nil, after, upto)
		if err == nil {
			err = f.take(found)
		}
		if err != nil {
			return after, err
		}
		if f.full {
			return f.last(), nil
		}
	}
	return upto, nil
}

// late reports whether the time is over.
func (f *follow) late() bool { return f.limits.Time > 0 && time.Since(f.began) >= f.limits.Time }

// last returns the mark at the last record taken.
func (f *follow) last() model.Mark { return f.found[len(f.found)-1].ID.Mark() }

// followedRow is a record that is not read yet.
type followedRow struct {
	Followed
	part part.Part
	row  uint32
}

// take reads records that come after those before, as many as the limits allow.
func (f *follow) take(found []followedRow) error {
	slices.SortFunc(found, func(a, b followedRow) int { return a.ID.Compare(b.ID) })
	for n := followRead; len(found) > 0; n = min(2*n, followReadMax) {
		some := found[:min(n, len(found))]
		found = found[len(some):]
		if err := f.read(some); err != nil {
			return err
		}
		for i := range some {
			if f.full = len(f.found) > 0 && (len(f.found) >= f.limits.Records || f.bytes >= f.limits.Bytes); f.full {
				return nil
			}
			f.found = append(f.found, some[i].Followed)
			f.bytes += RecordBytes(&some[i].Record)
		}
		if f.full = len(found) > 0 && f.late(); f.full {
			return nil
		}
	}
	return nil
}

// read reads some records.
func (f *follow) read(some []followedRow) error {
	byPart := map[part.Part][]int{}
	for i := range some {
		byPart[some[i].part] = append(byPart[some[i].part], i)
	}
	for p, of := range byPart {
		rows := index.NewDocSet()
		for _, i := range of {
			rows.Add(some[i].row)
		}
		records, err := p.Records(f.ctx, rows)
		if err != nil {
			return err
		}
		for _, i := range of {
			some[i].Record = records[rows.Rank(some[i].row)-1]
		}
	}
	return nil
}

// segments takes the next records of segments, whose ids may lie between those of
// each other. It returns how far it has come, and whether there is more.
func (f *follow) segments(parts []part.Part, after model.Mark) (upto model.Mark, more bool, err error) {
	upto = model.MarkEnd(^uint64(0))
	chunks := make([]*index.DocSet, len(parts))
	for i, p := range parts {
		order, err := rowsByID(p)
		if err != nil {
			return after, false, err
		}
		chunk, last, err := nextRows(p, order, after, f.chunk)
		if err != nil {
			return after, false, err
		}
		if chunks[i] = chunk; last != nil && last.Compare(upto) < 0 {
			upto, more = *last, true
		}
	}
	var found []followedRow
	for i, p := range parts {
		if chunks[i].IsEmpty() {
			continue
		}
		some, err := f.match(p, chunks[i], after, upto)
		if err != nil {
			return after, false, err
		}
		found = append(found, some...)
	}
	return upto, more, f.take(found)
}

// nextRows returns the next rows after a mark in the order of ids, so many at
// most; last is the mark of the last one if there are more.
func nextRows(p part.Part, order []uint32, after model.Mark, most int) (rows *index.DocSet, last *model.Mark, err error) {
	at := func(i int) model.Mark {
		one := index.NewDocSet()
		one.Add(order[i])
		ids, failed := p.IDs(one)
		if failed != nil || len(ids) != 1 {
			err = failed
			return model.Mark{}
		}
		return ids[0].Mark()
	}
	lo := sort.Search(len(order), func(i int) bool { return at(i).Compare(after) > 0 })
	hi := min(len(order), lo+most)
	rows = index.NewDocSet()
	rows.AddMany(order[lo:hi])
	if hi < len(order) {
		mark := at(hi - 1)
		last = &mark
	}
	return rows, last, err
}

// orderKey is under what a segment keeps its rows in the order of ids.
const orderKey = "\x00rows by id"

// rowsByID returns the rows of a part in the order of their ids.
func rowsByID(p part.Part) ([]uint32, error) {
	make := func() (any, int64, error) {
		ids, err := p.IDs(index.DocSetRange(0, p.Rows()))
		if err != nil {
			return nil, 0, err
		}
		order := make([]uint32, len(ids))
		for i := range order {
			order[i] = uint32(i)
		}
		slices.SortFunc(order, func(a, b uint32) int { return ids[a].Compare(ids[b]) })
		return order, 4 * int64(len(order)), nil
	}
	order, err := p.(part.Memo).Memo(orderKey, make)
	if err != nil {
		return nil, err
	}
	return order.([]uint32), nil
}

// match returns those rows of a part that satisfy a filter and whose ids lie after
// one mark and not after another; nil rows are all.
func (f *follow) match(p part.Part, rows *index.DocSet, after, upto model.Mark) ([]followedRow, error) {
	wanted := index.NewDocSet()
	by := make([]*index.DocSet, len(f.filters))
	for i, filter := range f.filters {
		r := &run{outer: f.ctx, ctx: f.ctx, plan: filter}
		matching, err := r.among(p, rows)
		if err != nil {
			return nil, err
		}
		by[i] = matching
		wanted.Or(matching)
	}
	if wanted.IsEmpty() {
		return nil, nil
	}
	ids, err := p.IDs(wanted)
	if err != nil {
		return nil, err
	}
	found := make([]followedRow, 0, len(ids))
	for i, row := range wanted.ToArray() {
		if mark := ids[i].Mark(); mark.Compare(after) > 0 && mark.Compare(upto) <= 0 {
			found = append(found, followedRow{Followed: Followed{ID: ids[i]}, part: p, row: row})
		}
	}
	for n, matching := range by {
		for i, row := 0, matching.Iterator(); row.HasNext(); {
			next := row.Next()
			for i < len(found) && found[i].row < next {
				i++
			}
			if i < len(found) && found[i].row == next {
				found[i].Filters = append(found[i].Filters, n)
			}
		}
	}
	return found, nil
}

// among returns those of some rows that satisfy the plan; nil are all.
func (r *run) among(p part.Part, rows *index.DocSet) (*index.DocSet, error) {
	lo, hi, err := r.bounds(p)
	if err != nil || lo >= hi {
		return index.NewDocSet(), err
	}
	if rows == nil {
		return r.matching(p, lo, hi)
	}
	if lo > 0 || hi < p.Rows() {
		rows = index.And(rows, index.DocSetRange(lo, hi))
	}
	if _, ok := r.plan.Expr.(index.All); ok {
		return rows, nil
	}
	return p.Eval(r.ctx, r.suited(p, r.plan.Expr), rows)
}
