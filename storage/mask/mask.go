package mask

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// New returns the part without the rows that find returns; nil are none. The key
// tells masks of the same part apart. What is made of a part that is a part.Memo or
// part.Metered is one too.
func New(of part.Part, key string, find func() (*index.DocSet, error)) part.Part {
	return wrap(of, &rows{of: of, key: key, find: find})
}

func wrap(of part.Part, stay *rows) part.Part {
	p := &Part{of: of, stay: stay}
	memo, ok := of.(part.Memo)
	if !ok {
		return p
	}
	return &keptPart{Part: p, memo: memo}
}

// rows are those of a part that stay.
type rows struct {
	of   part.Part
	key  string
	find func() (*index.DocSet, error)

	once        sync.Once
	err         error
	all         bool // nothing is hidden
	live        *index.DocSet
	list        []uint32 // of live; by number in the masked part
	first, last int64

	counting sync.Mutex
	counts   map[columnID]uint32 // of the columns that were counted
}

type columnID struct {
	path string
	kind model.Kind
}

// ready finds what is hidden, once.
func (r *rows) ready() error {
	r.once.Do(func() {
		hidden, err := r.find()
		if err != nil {
			r.err = fmt.Errorf("find deleted rows: %w", err)
			return
		}
		r.find = nil
		if hidden == nil || hidden.IsEmpty() {
			r.all = true
			return
		}
		r.live = index.AndNot(index.DocSetRange(0, r.of.Rows()), hidden)
		r.list = r.live.ToArray()
		if len(r.list) == 0 {
			return
		}
		times, err := r.of.Times(index.DocSetOf(r.list[0], r.list[len(r.list)-1]))
		if err != nil {
			r.err = fmt.Errorf("find deleted rows: %w", err)
			return
		}
		r.first, r.last = times[0], times[len(times)-1]
	})
	return r.err
}

// inner returns rows of the masked part as those of the part below; nil are all.
func (r *rows) inner(set *index.DocSet) (*index.DocSet, error) {
	if set == nil {
		return r.live, nil
	}
	if set.IsEmpty() {
		return set, nil
	}
	if last := set.Maximum(); int(last) >= len(r.list) {
		return nil, fmt.Errorf("read row %d of a masked part with %d rows", last, len(r.list))
	}
	numbers := set.ToArray()
	for i, n := range numbers {
		numbers[i] = r.list[n]
	}
	return index.DocSetOf(numbers...), nil
}

// outer replaces rows of the part below, which ascend and stay, by their numbers in
// the masked part.
func (r *rows) outer(below []uint32) []uint32 {
	out := make([]uint32, len(below))
	at := 0
	for i, row := range below {
		next, _ := slices.BinarySearch(r.list[at:], row)
		at += next
		out[i] = uint32(at)
	}
	return out
}

// from returns how many of the rows that stay are below a row.
func (r *rows) from(row uint32) uint32 {
	n, _ := slices.BinarySearch(r.list, row)
	return uint32(n)
}

// Part is a part without some of its rows.
type Part struct {
	of   part.Part
	stay *rows
}

var _ part.Part = (*Part)(nil)

// Rows implements part.Part.
func (p *Part) Rows() uint32 {
	if p.stay.ready() != nil || p.stay.all {
		return p.of.Rows()
	}
	return uint32(len(p.stay.list))
}

// TimeRange implements part.Part. One that cannot be read is at any time, so that
// nobody leaves it out.
func (p *Part) TimeRange() (first, last int64) {
	switch err := p.stay.ready(); {
	case err != nil:
		return math.MinInt64, math.MaxInt64
	case p.stay.all:
		return p.of.TimeRange()
	}
	return p.stay.first, p.stay.last
}

// RowsBetween implements part.Part.
func (p *Part) RowsBetween(from, to int64) (lo, hi uint32, err error) {
	if err := p.stay.ready(); err != nil {
		return 0, 0, err
	}
	lo, hi, err = p.of.RowsBetween(from, to)
	if err != nil || p.stay.all {
		return lo, hi, err
	}
	return p.stay.from(lo), p.stay.from(hi), nil
}

// Eval implements part.Part.
func (p *Part) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	if err := p.stay.ready(); err != nil {
		return nil, err
	}
	if p.stay.all {
		return p.of.Eval(ctx, e, within)
	}
	below, err := p.stay.inner(within)
	if err != nil {
		return nil, err
	}
	found, err := p.of.Eval(ctx, e, below)
	if err != nil {
		return nil, err
	}
	return index.DocSetOf(p.stay.outer(found.ToArray())...), nil
}

// below returns the rows to read of the part below.
func (p *Part) below(set *index.DocSet) (*index.DocSet, error) {
	if err := p.stay.ready(); err != nil {
		return nil, err
	}
	if p.stay.all {
		return set, nil
	}
	return p.stay.inner(set)
}

// Times implements part.Part.
func (p *Part) Times(set *index.DocSet) ([]int64, error) {
	below, err := p.below(set)
	if err != nil {
		return nil, err
	}
	return p.of.Times(below)
}

// TimeDigits implements part.Part.
func (p *Part) TimeDigits(set *index.DocSet) ([]uint8, error) {
	below, err := p.below(set)
	if err != nil {
		return nil, err
	}
	return p.of.TimeDigits(below)
}

// IDs implements part.Part.
func (p *Part) IDs(set *index.DocSet) ([]model.RecordID, error) {
	below, err := p.below(set)
	if err != nil {
		return nil, err
	}
	return p.of.IDs(below)
}

// Records implements part.Part.
func (p *Part) Records(ctx context.Context, set *index.DocSet) ([]model.Record, error) {
	below, err := p.below(set)
	if err != nil {
		return nil, err
	}
	return p.of.Records(ctx, below)
}

// Columns implements part.Part. A column that only hidden rows have is none.
func (p *Part) Columns(queryName string) []part.Column { return p.columns(p.of.Columns, queryName) }

// AllColumns implements part.Part.
func (p *Part) AllColumns() []part.Column {
	return p.columns(func(string) []part.Column { return p.of.AllColumns() }, "")
}

func (p *Part) columns(below func(string) []part.Column, name string) []part.Column {
	if p.stay.ready() != nil {
		return nil
	}
	columns := below(name)
	if p.stay.all {
		return columns
	}
	var masked []part.Column
	for _, c := range columns {
		one := &column{of: c, stay: p.stay}
		if one.Count() > 0 {
			masked = append(masked, one)
		}
	}
	return masked
}

// Patterns implements part.Part.
func (p *Part) Patterns(naming *part.Naming) part.Column {
	if p.stay.ready() != nil {
		return nil
	}
	below := p.of.Patterns(naming)
	if below == nil || p.stay.all {
		return below
	}
	return &column{of: below, stay: p.stay, derived: true}
}

// keptPart is a masked part that keeps what is computed of it, under keys of its
// own, where the part below keeps it.
type keptPart struct {
	*Part
	memo part.Memo
}

var (
	_ part.Memo    = (*keptPart)(nil)
	_ part.Metered = (*keptPart)(nil)
	_ part.Teller  = (*keptPart)(nil)
)

// Memo implements part.Memo.
func (p *keptPart) Memo(key string, make func() (value any, bytes int64, err error)) (any, error) {
	return p.memo.Memo("mask "+p.stay.key+" "+key, make)
}

// Identity implements part.Memo.
func (p *keptPart) Identity() string {
	return "mask " + strconv.Quote(p.stay.key) + p.memo.Identity()
}

// Sealed implements part.Memo.
func (p *keptPart) Sealed() bool { return p.memo.Sealed() }

// Metered implements part.Metered.
func (p *keptPart) Metered(meter *part.Meter) part.Part {
	source, ok := p.of.(part.Metered)
	if !ok {
		return p
	}
	return wrap(source.Metered(meter), p.stay)
}

// Size implements part.Metered: the share of the rows that stay.
func (p *keptPart) Size(fields []string) int64 {
	source, ok := p.of.(part.Metered)
	if !ok || p.of.Rows() == 0 {
		return 0
	}
	return int64(float64(source.Size(fields)) * float64(p.Rows()) / float64(p.of.Rows()))
}

// Told implements part.Teller: what is kept is of all rows below.
func (p *keptPart) Told(ctx context.Context, name string, by uint64) (*part.Telling, error) {
	below, ok := p.of.(part.Teller)
	if err := p.stay.ready(); err != nil || !ok {
		return nil, err
	}
	t, err := below.Told(ctx, name, by)
	if err != nil || t == nil || p.stay.all {
		return t, err
	}
	stays := &part.Telling{By: t.By, Of: make([]uint32, len(p.stay.list)), Dict: t.Dict}
	for i, row := range p.stay.list {
		stays.Of[i] = t.Of[row]
	}
	return stays, nil
}

// Tells implements part.Teller.
func (p *keptPart) Tells(name string, by uint64) bool {
	below, ok := p.of.(part.Teller)
	return ok && below.Tells(name, by)
}

// Tell implements part.Teller: nothing is kept of a part of the rows.
func (p *keptPart) Tell(ctx context.Context, name string, t *part.Telling) error {
	below, ok := p.of.(part.Teller)
	if err := p.stay.ready(); err != nil || !ok || !p.stay.all {
		return err
	}
	return below.Tell(ctx, name, t)
}

// column is a column without the values of hidden rows.
type column struct {
	of      part.Column
	stay    *rows
	derived bool // its count is not worth remembering
}

// Path implements part.Column.
func (c *column) Path() string { return c.of.Path() }

// Kind implements part.Column.
func (c *column) Kind() model.Kind { return c.of.Kind() }

// Texts implements part.Texts.
func (c *column) Texts() bool { return part.MadeOfTexts(c.of) }

// Distinct implements part.Column.
func (c *column) Distinct() uint32 { return min(c.of.Distinct(), c.Count()) }

// Count implements part.Column. One that cannot be counted is left as it is:
// whoever reads it hears why.
func (c *column) Count() uint32 {
	if !c.derived && c.of.Count() == c.stay.of.Rows() {
		return uint32(len(c.stay.list)) // without a look at what may be many texts
	}
	id := columnID{c.of.Path(), c.of.Kind()}
	c.stay.counting.Lock()
	count, known := c.stay.counts[id]
	c.stay.counting.Unlock()
	if known && !c.derived {
		return count
	}
	counts, err := c.of.Counts(context.Background(), c.stay.live)
	if err != nil {
		return c.of.Count()
	}
	count = 0
	for _, value := range counts {
		count += uint32(value.Count)
	}
	if c.derived {
		return count
	}
	c.stay.counting.Lock()
	defer c.stay.counting.Unlock()
	if c.stay.counts == nil {
		c.stay.counts = map[columnID]uint32{}
	}
	c.stay.counts[id] = count
	return count
}

// Gather implements part.Column.
func (c *column) Gather(ctx context.Context, set *index.DocSet) (part.Values, error) {
	below, err := c.stay.inner(set)
	if err != nil {
		return part.Values{}, err
	}
	values, err := c.of.Gather(ctx, below)
	if err != nil {
		return part.Values{}, err
	}
	values.Rows = c.stay.outer(values.Rows)
	return values, nil
}

// Counts implements part.Column.
func (c *column) Counts(ctx context.Context, set *index.DocSet) ([]part.ValueCount, error) {
	below, err := c.stay.inner(set)
	if err != nil {
		return nil, err
	}
	counts, err := c.of.Counts(ctx, below)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(counts), func(v part.ValueCount) bool { return v.Count == 0 }), nil
}
