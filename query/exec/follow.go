package exec

import (
	"context"
	"slices"
	"sort"

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
}

// followChunk is how many rows of a segment are looked at once.
const followChunk = 8 << 10

// Follow returns the records of a shard that came after a mark and satisfy one of
// the filters, in the order in which they came, and the mark up to which these
// are all: upto, unless a limit was met. Parts are as storage.Shard.ViewAfter
// gives them: segments, then blocks in log order.
func Follow(ctx context.Context, parts []part.Part, filters []*plan.Plan, after, upto model.Mark, limits FollowLimits) ([]Followed, model.Mark, error) {
	if after.Compare(upto) >= 0 {
		return nil, after, nil
	}
	f := &follow{ctx: ctx, filters: filters, limits: limits}
	var segments []part.Part
	for _, p := range parts {
		if _, ok := p.(part.Memo); ok {
			segments = append(segments, p)
		}
	}
	for mark, more := after, len(segments) > 0; more; {
		var err error
		if mark, more, err = f.segments(segments, mark); err != nil {
			return nil, after, wrapPart(err)
		}
		if f.full {
			return f.found, f.last(), nil
		}
	}
	for _, p := range parts {
		if _, ok := p.(part.Memo); ok {
			continue
		}
		found, err := f.match(p, nil, after, upto)
		if err != nil {
			return nil, after, wrapPart(err)
		}
		if f.take(found); f.full {
			return f.found, f.last(), nil
		}
	}
	return f.found, upto, nil
}

// follow is one run of Follow.
type follow struct {
	ctx     context.Context
	filters []*plan.Plan
	limits  FollowLimits
	found   []Followed
	bytes   int
	full    bool
}

// last returns the mark at the last record taken.
func (f *follow) last() model.Mark { return f.found[len(f.found)-1].ID.Mark() }

// take takes records that come after those before, as many as the limits allow.
func (f *follow) take(found []Followed) {
	slices.SortFunc(found, func(a, b Followed) int { return a.ID.Compare(b.ID) })
	for i := range found {
		if f.full = len(f.found) > 0 && (len(f.found) >= f.limits.Records || f.bytes >= f.limits.Bytes); f.full {
			return
		}
		f.found = append(f.found, found[i])
		for _, field := range found[i].Record.Fields {
			f.bytes += len(field.Name) + len(field.Text)
		}
	}
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
		chunk, last, err := nextRows(p, order, after)
		if err != nil {
			return after, false, err
		}
		if chunks[i] = chunk; last != nil && last.Compare(upto) < 0 {
			upto, more = *last, true
		}
	}
	var found []Followed
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
	f.take(found)
	return upto, more, nil
}

// nextRows returns the next rows after a mark in the order of ids; last is the
// mark of the last one if there are more.
func nextRows(p part.Part, order []uint32, after model.Mark) (rows *index.DocSet, last *model.Mark, err error) {
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
	hi := min(len(order), lo+followChunk)
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

// match reads those rows of a part that satisfy a filter and whose ids lie after
// one mark and not after another.
func (f *follow) match(p part.Part, rows *index.DocSet, after, upto model.Mark) ([]Followed, error) {
	wanted := index.NewDocSet()
	by := make([]*index.DocSet, len(f.filters))
	for i, filter := range f.filters {
		r := &run{outer: f.ctx, ctx: f.ctx, plan: filter}
		matching, err := r.within(p, rows)
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
	found := make([]Followed, 0, len(ids))
	places := make([]uint32, 0, len(ids))
	for i, row := range wanted.ToArray() {
		if mark := ids[i].Mark(); mark.Compare(after) > 0 && mark.Compare(upto) <= 0 {
			found = append(found, Followed{ID: ids[i]})
			places = append(places, row)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	kept := index.NewDocSet()
	kept.AddMany(places)
	records, err := p.Records(f.ctx, kept)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].Record = records[i]
	}
	for n, matching := range by {
		for i, row := 0, matching.Iterator(); row.HasNext(); {
			next := row.Next()
			for i < len(places) && places[i] < next {
				i++
			}
			if i < len(places) && places[i] == next {
				found[i].Filters = append(found[i].Filters, n)
			}
		}
	}
	return found, nil
}

// within returns those of some rows that satisfy the plan; nil are all.
func (r *run) within(p part.Part, rows *index.DocSet) (*index.DocSet, error) {
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
