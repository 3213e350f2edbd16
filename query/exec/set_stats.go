package exec

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
)

// StatsSet makes a table of the rows of a set, which a plan has come to.
func StatsSet(ctx context.Context, set *rows.Set, p *plan.Plan, table *plan.Table, limits Limits) (*SetResult, error) {
	g := newGroups(newRun(ctx, Source{}, &plan.Plan{From: p.From, To: p.To, Table: table}, limits))
	defer g.cancel()
	found, err := g.setPartial(set)
	if err != nil {
		return nil, err
	}
	if len(set.Rows) > 0 {
		if g.timed() {
			found.first, found.last = setEnds(set)
		}
		found.seal()
		g.add(found)
	}
	return g.set(), nil
}

// setPartial computes what the rows of a set amount to.
func (g *groups) setPartial(set *rows.Set) (*partial, error) {
	if g.table.Facets != nil {
		return g.setFacets(set), nil
	}
	from := &setRows{set}
	if g.auto() > 0 {
		return g.setTimes(from)
	}
	keys := make([]column, len(g.table.Keys))
	for i, key := range g.table.Keys {
		switch {
		case key.Calendar != nil:
			keys[i] = from.buckets(key.Field, key.Calendar)
		case key.Numbers != nil:
			values := from.column(key.Field)
			keys[i] = values.cut(key.Numbers)
		default:
			keys[i] = from.column(key.Field)
		}
	}
	return g.group(from, keys)
}

// setTimes groups by times in buckets of a size that suits them.
func (g *groups) setTimes(from *setRows) (*partial, error) {
	field := g.table.Keys[0].Field
	var times []int64
	for n := range from.set.Rows {
		if v := from.set.Rows[n].Get(field); v.Kind == expr.Time {
			times = append(times, v.Int)
		}
	}
	if len(times) == 0 {
		return newPartial(uint64(from.size()), 0, g.keys(), g.newAggs()), nil
	}
	calendar := plan.Level(slices.Min(times), slices.Max(times), 0, g.auto())
	size := newMarks(from.size())
	size.dict[0] = newCell(model.Number, strconv.FormatInt(int64(calendar.Size()), 10))
	for n := range size.codes {
		size.mark(n)
	}
	return g.group(from, []column{from.buckets(field, calendar), size})
}

// setFacets counts the values of fields.
func (g *groups) setFacets(set *rows.Set) *partial {
	from := &setRows{set}
	found := newPartial(uint64(from.size()), 0, 2, g.newAggs())
	fields := g.table.Facets.Fields
	if len(fields) == 0 {
		fields = facetColumnsOf(set)
	}
	for _, field := range fields {
		values := from.column(field)
		if len(g.table.Facets.Fields) == 0 && slices.ContainsFunc(values.dict, func(c cell) bool { return c.kind == model.JSON }) {
			continue
		}
		name := cell{kind: model.String, text: field}
		g.addFacetValues(&values, &name, found)
	}
	return found
}

// facetColumnsOf returns the fields of the rows that may have few values, as
// facetFields does.
func facetColumnsOf(set *rows.Set) []string {
	known := map[string]bool{}
	var fields []string
	for n := range set.Rows {
		for _, f := range set.Rows[n].Fields {
			if !known[f.Name] {
				known[f.Name] = true
				if f.Name != model.FieldMessage && !strings.HasPrefix(f.Name, model.OriginalPrefix) {
					fields = append(fields, f.Name)
				}
			}
		}
	}
	return fields
}

// setEnds returns the times of the first and the last of some records; rows of a
// table have none.
func setEnds(set *rows.Set) (first, last int64) {
	if !set.Records {
		return 0, 0
	}
	first, last = set.Rows[0].Time, set.Rows[0].Time
	for n := range set.Rows {
		first, last = min(first, set.Rows[n].Time), max(last, set.Rows[n].Time)
	}
	return first, last
}

// setRows implements rowSource with the rows of a set.
type setRows struct{ set *rows.Set }

func (s *setRows) size() int { return len(s.set.Rows) }

// column returns a field of all rows.
func (s *setRows) column(field string) column {
	c := newInterned(s.size())
	for n := range s.set.Rows {
		c.set(n, s.set.Rows[n].Get(field))
	}
	return c.column
}

// buckets returns the times of all rows, cut to buckets.
func (s *setRows) buckets(field string, calendar *plan.Calendar) column {
	c := newInterned(s.size())
	for n := range s.set.Rows {
		if v := s.set.Rows[n].Get(field); v.Kind == expr.Time {
			c.set(n, expr.OfTime(calendar.Start(v.Int)))
		}
	}
	return c.column
}

func (s *setRows) values(field string) (column, error) { return s.column(field), nil }

func (s *setRows) holding(agg plan.Agg) (column, error) {
	c := newMarks(s.size())
	for n := range s.set.Rows {
		if rows.Holds(agg.Where, &s.set.Rows[n]) {
			c.mark(n)
		}
	}
	return c, nil
}

// edges takes the records in order of time, and rows of a table in their own.
func (s *setRows) edges(grouped *grouping, agg plan.Agg, state aggregate) error {
	values := s.column(agg.Field)
	noteAll(state, grouped, &values, func(n int) Position {
		if row := &s.set.Rows[n]; row.Record {
			return Position{Time: row.Time, ID: row.ID}
		}
		return Position{ID: model.RecordID{Index: uint64(n)}}
	})
	return nil
}
