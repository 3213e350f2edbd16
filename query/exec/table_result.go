package exec

import (
	"cmp"
	"math"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query/plan"
)

// derive replaces, in the rows of groups, what an aggregate holds by what it is
// of the whole, shares and rates, and of the key: ids of patterns. The lock is held.
func (g *groups) derive(rows [][]any) {
	keys := len(g.table.Keys)
	for i, agg := range g.table.Aggs {
		switch agg.Func {
		case plan.Share:
			g.shares(rows, keys+i)
		case plan.Rate:
			for n, row := range rows {
				row[keys+i] = rate(row[keys+i], g.seconds(n))
			}
		case plan.PatternID:
			for _, row := range rows {
				text, _ := row[0].(string)
				row[keys+i] = pattern.IDOf(text)
			}
		}
	}
}

// shares replaces counts by their share of all, in percent with two decimals.
func (g *groups) shares(rows [][]any, column int) {
	var sum int64
	for _, row := range rows {
		sum += row[column].(int64)
	}
	for _, row := range rows {
		const decimals = 100
		row[column] = math.Round(float64(row[column].(int64))*100*decimals/float64(sum)) / decimals
	}
}

// rate divides by seconds.
func rate(value any, seconds float64) any {
	if seconds <= 0 {
		return nil
	}
	switch v := value.(type) {
	case int64:
		return renderNumber(float64(v)/seconds, false)
	case float64:
		return renderNumber(v/seconds, false)
	}
	return nil
}

// seconds returns how long the time of a group is: that of its bucket within the
// query's bounds. Without a bucket it is the time between these bounds, or from
// the first and to the last record where there is none.
func (g *groups) seconds(group int) float64 {
	from, to := g.plan.From, g.plan.To
	open := from == math.MinInt64
	for i, key := range g.table.Keys {
		if key.Calendar != nil {
			start := g.mu.labels[group][i].whole
			from, to = max(from, start), min(to, key.Calendar.Next(start))
			return secondsOf(from, to)
		}
	}
	if open {
		from = g.mu.first
	}
	if to == plan.NoTo {
		to = g.mu.last
	}
	return secondsOf(from, to)
}

// secondsOf returns the seconds between two times.
func secondsOf(from, to int64) float64 {
	const second = 1e9
	if whole := to - from; to >= from && whole >= 0 {
		return float64(whole) / second
	}
	return (float64(to) - float64(from)) / second // more than 63 bits, or none
}

// timesResult returns the rows of buckets whose size was chosen. The lock is
// held.
func (g *groups) timesResult(result *TableResult) {
	result.Columns = []Column{{g.table.Keys[0].Name, TypeTime}, {g.table.Aggs[0].Name, TypeInt}}
	result.Rows = [][]any{}
	starts, counts := g.regroup()
	for _, start := range starts {
		result.Rows = append(result.Rows, []any{instant(start), counts[start]})
	}
}

// spreadResult returns the rows of a histogram: how many of the values are in
// each bucket from the first to the last, also where there is none. The lock is
// held.
func (g *groups) spreadResult(result *TableResult) {
	held := g.mu.aggs[0].(*quantiles)
	values := at(&held.of, 0).weighed(held.sketched)
	result.Rows = [][]any{}
	if held.sketched {
		result.Approximate = append(result.Approximate, g.table.SpreadCount())
	}
	if len(values) > 0 {
		width := plan.NiceWidth(values[0].value, values[len(values)-1].value, g.table.Spread)
		counts := map[float64]int64{}
		for _, w := range values {
			counts[width.Number(w.value)] += int64(w.n)
		}
		last := width.Number(values[len(values)-1].value)
		for n := width.Number(values[0].value); n <= last && len(result.Rows) < max(2, g.table.Spread); n++ {
			result.Rows = append(result.Rows, []any{render(model.Number, width.Text(n)), counts[n]})
		}
	}
	name := g.table.Aggs[0].Name
	result.Columns = []Column{{name, columnType(result.Rows, 0, TypeFloat)}, {g.table.SpreadCount(), TypeInt}}
}

// weighed returns all values in order, of a sketch about these.
func (q *quantile) weighed(sketched bool) []weighed {
	if !sketched {
		q.values = q.run.appendTo(q.values)
		q.run = valueRun{}
		q.distinct()
		return q.values
	}
	var values []weighed
	for bucket, n := range q.negative {
		values = append(values, weighed{-middle(bucket), n})
	}
	if q.zero > 0 {
		values = append(values, weighed{0, q.zero})
	}
	for bucket, n := range q.buckets {
		values = append(values, weighed{middle(bucket), n})
	}
	slices.SortFunc(values, func(v, w weighed) int { return cmp.Compare(v.value, w.value) })
	return values
}

// middle returns the value that stands for a bucket of a sketch.
func middle(bucket int32) float64 {
	return 2 * math.Pow(sketchBase, float64(bucket)) / (1 + sketchBase)
}
