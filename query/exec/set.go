package exec

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
)

// SetResult is a table as rows that further pipes can work on.
type SetResult struct {
	Set         *rows.Set
	Approximate []string
	Matched     uint64
	Outcome
}

// TableSet is Table with all rows, as a set.
func TableSet(ctx context.Context, from Source, p *plan.Plan, limits Limits) (*SetResult, error) {
	groups, err := tabulate(ctx, from, p, limits)
	if err != nil {
		return nil, err
	}
	var set *SetResult
	err = limits.inTurn(ctx, func() error {
		set = groups.set()
		return nil
	})
	return set, err
}

// set returns the table as a set.
func (g *groups) set() *SetResult {
	raw := g.raw(math.MaxInt)
	set := &rows.Set{Columns: make([]rows.Column, len(raw.Columns)), Rows: make([]rows.Row, len(raw.Rows))}
	for i, c := range raw.Columns {
		set.Columns[i] = rows.Column(c)
	}
	bytes := 0
	for n, row := range raw.Rows {
		fields := make([]rows.Field, len(row))
		for i, v := range row {
			value := expr.OfAny(v)
			if at, ok := v.(instant); ok {
				value = expr.OfTime(int64(at))
			}
			fields[i] = rows.NewField(raw.Columns[i].Name, value)
		}
		set.Rows[n].Fields = fields
		if bytes += set.Rows[n].Bytes(); bytes > g.limits.MemoryBytes {
			set.Rows = set.Rows[:n]
			g.partial(fmt.Sprintf("the rows take more than %d bytes", g.limits.MemoryBytes))
			break
		}
	}
	return &SetResult{Set: set, Approximate: raw.Approximate, Matched: raw.Matched, Outcome: g.outcome()}
}

// RenderSet returns the columns and rows of a set that is a table, as they are
// answered. The types are those of the values there are.
func RenderSet(set *rows.Set) ([]Column, [][]any) {
	table := make([][]any, len(set.Rows))
	for n := range set.Rows {
		table[n] = make([]any, len(set.Columns))
		for i, c := range set.Columns {
			table[n][i] = cellAny(set.Rows[n].Get(c.Name))
		}
	}
	columns := make([]Column, len(set.Columns))
	for i, c := range set.Columns {
		columns[i] = Column{c.Name, columnType(table, i, cmp.Or(c.Type, TypeString))}
	}
	renderInstants(table)
	return columns, table
}

// cellAny returns a value as tables have them before they are answered.
func cellAny(v expr.Value) any {
	switch v.Kind {
	case expr.Time:
		return instant(v.Int)
	case expr.Number:
		return render(model.Number, v.Text)
	}
	return v.Any()
}

// SortSet orders rows: records as records are ordered, equal ones newest first;
// rows of a table as those are, equal ones stay in place.
func SortSet(set *rows.Set, keys []plan.SortKey) {
	positions := make([]Position, len(set.Rows))
	order := make([]int, len(set.Rows))
	for n := range set.Rows {
		row := &set.Rows[n]
		p := Position{Time: row.Time, ID: row.ID, Values: make([]SortValue, len(keys))}
		for k, key := range keys {
			p.Values[k] = setSortValue(set.Records, key.Field, row.Get(key.Field))
		}
		positions[n], order[n] = p, n
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if !set.Records {
			for k := range keys {
				if result := compareValues(keys[k], &positions[a].Values[k], &positions[b].Values[k]); result != 0 {
					return result
				}
			}
			return 0
		}
		if len(keys) == 1 && keys[0].Field == plan.FieldTime {
			return compareTimes(keys[0].Desc, &positions[a], &positions[b])
		}
		return comparePositions(keys, &positions[a], &positions[b])
	})
	sorted := make([]rows.Row, len(order))
	for n, from := range order {
		sorted[n] = set.Rows[from]
	}
	set.Rows = sorted
}

// setSortValue returns how a value of a row is ordered.
func setSortValue(records bool, field string, v expr.Value) SortValue {
	if !records {
		field = plan.QueryName(field)
	}
	switch v.Kind {
	case expr.Null:
		return SortValue{Class: ClassMissing}
	case expr.Time:
		return SortValue{Class: ClassNumber, Number: float64(v.Int), Whole: v.Int}
	}
	if records {
		kind, text := v.Field()
		return sortValue(field, kind, text)
	}
	if v.Kind == expr.Number {
		return anySortValue(field, json.Number(v.Text))
	}
	return anySortValue(field, v.Any())
}
