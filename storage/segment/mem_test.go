package segment

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// memPart is the simplest part: records in a slice, scanned.
type memPart struct {
	ids     []model.RecordID
	records []model.Record
}

func newMemPart(ids []model.RecordID, records []model.Record) *memPart {
	order := make([]int, len(records))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(records[a].Time, records[b].Time), ids[a].Compare(ids[b]))
	})
	p := &memPart{}
	for _, i := range order {
		p.ids = append(p.ids, ids[i])
		p.records = append(p.records, records[i])
	}
	return p
}

func (p *memPart) Rows() uint32 { return uint32(len(p.records)) }

func (p *memPart) TimeRange() (first, last int64) {
	return p.records[0].Time, p.records[len(p.records)-1].Time
}

func (p *memPart) RowsBetween(from, to int64) (lo, hi uint32, err error) {
	lo = uint32(sort.Search(len(p.records), func(i int) bool { return p.records[i].Time >= from }))
	hi = uint32(sort.Search(len(p.records), func(i int) bool { return p.records[i].Time >= to }))
	return lo, max(lo, hi), nil
}

func (p *memPart) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	return part.Eval(ctx, p, e, within)
}

func (p *memPart) Leaf(_ context.Context, leaf index.Leaf, within *index.DocSet) (*index.DocSet, error) {
	found := index.NewDocSet()
	for _, row := range within.ToArray() {
		for _, f := range p.records[row].Fields {
			if (leaf.Field == "" || model.QueryName(f.Name) == leaf.Field) && leaf.Pred.Match(f.Kind, f.Text) {
				found.Add(row)
			}
		}
	}
	return found, nil
}

func (p *memPart) RowsOf(_ context.Context, ids []model.RecordID) (*index.DocSet, error) {
	found := index.NewDocSet()
	for row, id := range p.ids {
		if slices.Contains(ids, id) {
			found.Add(uint32(row))
		}
	}
	return found, nil
}

func (p *memPart) Times(rows *index.DocSet) (out []int64, err error) {
	for _, row := range rows.ToArray() {
		out = append(out, p.records[row].Time)
	}
	return out, nil
}

func (p *memPart) TimeDigits(rows *index.DocSet) (out []uint8, err error) {
	for _, row := range rows.ToArray() {
		out = append(out, p.records[row].TimeDigits)
	}
	return out, nil
}

func (p *memPart) IDs(rows *index.DocSet) (out []model.RecordID, err error) {
	for _, row := range rows.ToArray() {
		out = append(out, p.ids[row])
	}
	return out, nil
}

func (p *memPart) Records(_ context.Context, rows *index.DocSet) (out []model.Record, err error) {
	for _, row := range rows.ToArray() {
		out = append(out, p.records[row])
	}
	return out, nil
}

func (p *memPart) Columns(name string) []part.Column {
	var out []part.Column
	for _, c := range p.AllColumns() {
		if model.QueryName(c.Path()) == name {
			out = append(out, c)
		}
	}
	return out
}

func (p *memPart) AllColumns() []part.Column {
	byID := map[columnID]*memColumn{}
	for row, r := range p.records {
		for _, f := range r.Fields {
			id := columnID{f.Name, f.Kind}
			c := byID[id]
			if c == nil {
				c = &memColumn{id: id, numbers: map[string]uint32{}}
				byID[id] = c
			}
			number, ok := c.numbers[f.Text]
			if !ok {
				number = uint32(len(c.values.Dict))
				c.numbers[f.Text] = number
				c.values.Dict = append(c.values.Dict, f.Text)
			}
			c.values.Rows = append(c.values.Rows, uint32(row))
			c.values.Codes = append(c.values.Codes, number)
		}
	}
	var out []part.Column
	for _, c := range byID {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b part.Column) int {
		return cmp.Or(cmp.Compare(a.Path(), b.Path()), cmp.Compare(a.Kind(), b.Kind()))
	})
	return out
}

type memColumn struct {
	id      columnID
	numbers map[string]uint32
	values  part.Values
}

func (c *memColumn) Path() string     { return c.id.path }
func (c *memColumn) Kind() model.Kind { return c.id.kind }
func (c *memColumn) Count() uint32    { return uint32(len(c.values.Rows)) }

func (c *memColumn) Gather(_ context.Context, rows *index.DocSet) (part.Values, error) {
	if rows == nil {
		return c.values, nil
	}
	out := part.Values{Dict: c.values.Dict}
	for i, row := range c.values.Rows {
		if rows.Contains(row) {
			out.Rows = append(out.Rows, row)
			out.Codes = append(out.Codes, c.values.Codes[i])
		}
	}
	return out, nil
}

func (c *memColumn) Counts(ctx context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	values, _ := c.Gather(ctx, rows)
	counts := map[uint32]uint64{}
	for _, code := range values.Codes {
		counts[code]++
	}
	var out []part.ValueCount
	for code, count := range counts {
		out = append(out, part.ValueCount{Value: values.Dict[code], Count: count})
	}
	return out, nil
}

// Patterns implements part.Part; TestPatterns has its own model.
func (p *memPart) Patterns(*part.Naming) part.Column { return nil }

func (c *memColumn) Distinct() uint32 { return c.Count() }
