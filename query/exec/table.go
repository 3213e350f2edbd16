package exec

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// Column describes a column of a table.
type Column struct {
	Name string
	Type string // string, int, float, time or bool
}

// TableResult is a table of groups, in order, after the plan's steps.
type TableResult struct {
	Columns     []Column
	Rows        [][]any  // string, int64, float64, json.Number, bool or nil
	Approximate []string // columns that are estimates
	Matched     uint64   // records that were grouped
	Outcome
}

// Table groups the records that satisfy the plan and aggregates each group.
// Rows after the first wantRows may be left out.
func Table(ctx context.Context, from Source, p *plan.Plan, wantRows int, limits Limits) (*TableResult, error) {
	groups, err := tabulate(ctx, from, p, limits)
	if err != nil {
		return nil, err
	}
	result := groups.result(wantRows)
	result.Outcome = groups.outcome()
	return result, nil
}

// tabulate groups the records that satisfy the plan.
func tabulate(ctx context.Context, from Source, p *plan.Plan, limits Limits) (*groups, error) {
	r := newRun(ctx, from, p, limits)
	groups := newGroups(r)
	asked := r.ask(r.ctx, groups.takeFrom)
	defer asked.end()
	err := r.settle(r.each(len(r.parts), func(i int) error { return wrapPart(groups.visit(r.parts[i])) }))
	if err != nil {
		return nil, err
	}
	if err := asked.wait(); err != nil {
		return nil, err
	}
	return groups, nil
}

// groups is the state of a table: what the parts visited so far amount to.
type groups struct {
	*run
	table *plan.Table
	max   int

	mu struct {
		sync.Mutex
		numbers map[string]int
		labels  [][]cell // kind 0 means no value
		aggs    []aggregate
		matched uint64
		bytes   int // of the texts in labels, as keys and as cells
	}
}

// groupBytes and aggBytes estimate what a group and an aggregate of it take.
const (
	groupBytes = 160
	aggBytes   = 64
)

func newGroups(r *run) *groups {
	g := &groups{run: r, table: r.plan.Table}
	g.max = max(1, min(r.limits.Groups, r.limits.MemoryBytes/(groupBytes+aggBytes*len(g.table.Aggs))))
	g.mu.numbers = map[string]int{}
	g.mu.aggs = g.newAggs()
	if len(g.table.Keys) == 0 {
		g.number(nil, nil)
	}
	return g
}

// newAggs returns empty states of all aggregates; those that hold values share
// the budget.
func (g *groups) newAggs() []aggregate {
	limits := g.limits
	limits.Distinct /= max(1, g.holders(plan.Distinct))
	limits.Values /= max(1, g.holders(plan.Quantile))
	aggs := make([]aggregate, len(g.table.Aggs))
	for i, agg := range g.table.Aggs {
		aggs[i] = newAggregate(agg, limits)
	}
	return aggs
}

// holders counts the aggregates with a function.
func (g *groups) holders(f plan.Func) (n int) {
	for _, agg := range g.table.Aggs {
		if agg.Func == f {
			n++
		}
	}
	return n
}

// visit adds one part.
func (g *groups) visit(p part.Part) error {
	lo, hi, err := g.bounds(p)
	if err != nil || lo >= hi {
		return err
	}
	found, err := g.remembered(p, lo, hi)
	if err != nil || found == nil {
		return err
	}
	g.add(found)
	return nil
}

// part computes what the rows lo <= row < hi of a part amount to; nil is
// nothing.
func (g *groups) part(p part.Part, lo, hi uint32) (*partial, error) {
	rows, err := g.matching(p, lo, hi)
	if err != nil || rows.IsEmpty() {
		return nil, err
	}
	switch keys := g.table.Keys; {
	case len(keys) == 0:
		return g.visitWhole(p, rows)
	case len(keys) == 1 && g.countsOnly() && keys[0].Bucket > 0:
		if found, err := g.visitBuckets(p, rows, int64(keys[0].Bucket)); found != nil || err != nil {
			return found, err
		}
	case len(keys) == 1 && keys[0].Bucket == 0 && g.single(p):
		return g.visitFields(p, rows)
	}
	return g.visitRows(p, rows)
}

// countsOnly reports whether all aggregates count records.
func (g *groups) countsOnly() bool {
	for _, agg := range g.table.Aggs {
		if agg.Func != plan.Count || agg.Field != "" {
			return false
		}
	}
	return true
}

// visitWhole adds rows that all are one group: from the counts of values.
func (g *groups) visitWhole(p part.Part, rows *index.DocSet) (*partial, error) {
	aggs := g.newAggs()
	for i, agg := range g.table.Aggs {
		switch {
		case agg.Field == "":
			aggs[i].add(0, nil, rows.GetCardinality())
		case agg.Field == plan.FieldTime || agg.Field == model.FieldID || isVirtual(agg.Field) || paths(p, agg.Field) > 1:
			list := rows.ToArray()
			values, err := g.gather(p, agg.Field, rows, list)
			if err != nil {
				return nil, err
			}
			addRows(aggs[i], newGrouping(len(list), nil, 1), values, agg)
		default:
			for _, source := range p.Columns(agg.Field) {
				if source.Kind() == model.Null {
					continue
				}
				values, err := source.Counts(g.ctx, rows)
				if err != nil {
					return nil, err
				}
				for _, v := range values {
					c := newCell(source.Kind(), v.Value)
					aggs[i].add(0, &c, v.Count)
				}
			}
		}
	}
	return newPartial(rows.GetCardinality(), 1, 0, aggs), nil
}

// bucketsMax is how many buckets of a part are counted by their bounds; more
// are counted row by row.
const bucketsMax = 4 << 10

// visitBuckets counts rows by time, from the bounds of the buckets; it returns
// nil if there are too many.
func (g *groups) visitBuckets(p part.Part, rows *index.DocSet, bucket int64) (*partial, error) {
	first, last := p.TimeRange()
	first, last = max(first, g.plan.From), min(last, g.plan.To)
	// As floats, because the difference can be more than 63 bits.
	if buckets := (float64(last)-float64(first))/float64(bucket) + 1; buckets > bucketsMax || buckets > float64(rows.GetCardinality()) {
		return nil, nil
	}
	found := newPartial(rows.GetCardinality(), 0, 1, g.newAggs())
	low := uint32(rows.Minimum())
	for start := bucketStart(first, bucket); start <= last; {
		high, end := p.Rows(), start+bucket
		if start == math.MinInt64 && end > start {
			end = bucketStart(end, bucket) // the first bucket of all is cut
		}
		if end > start {
			var err error
			if high, err = before(p, end); err != nil {
				return nil, err
			}
		}
		if high > low {
			if n := rows.CardinalityInRange(uint64(low), uint64(high)); n > 0 {
				found.count(timeCell(start), n)
			}
			low = high
		}
		if end <= start {
			break // past the end of time
		}
		start = end
	}
	return found, nil
}

// number returns the number of the group with a label. The lock is held.
func (g *groups) number(key []byte, label []*cell) (int, bool) {
	if group, ok := g.mu.numbers[string(key)]; ok {
		for i, c := range label { // equal texts of different kinds are one group, of texts
			if known := &g.mu.labels[group][i]; c != nil && known.kind != c.kind {
				known.kind = model.String
			}
		}
		return group, true
	}
	if g.table.Top && label[0] == nil {
		return 0, false
	}
	if len(g.mu.labels) >= g.max {
		g.partial(fmt.Sprintf("there are more than %d groups", g.max))
		return 0, false
	}
	if g.mu.bytes += 2 * len(key); g.mu.bytes > g.limits.MemoryBytes {
		g.mu.bytes -= 2 * len(key)
		g.partial(fmt.Sprintf("the groups' values take more than %d bytes", g.limits.MemoryBytes))
		return 0, false
	}
	group := len(g.mu.labels)
	g.mu.numbers[string(key)] = group
	cells := make([]cell, len(label))
	for i, c := range label {
		if c != nil {
			cells[i] = *c
		}
	}
	g.mu.labels = append(g.mu.labels, cells)
	return group, true
}

// fold merges a group of a part's aggregates. The lock is held.
func (g *groups) fold(key []byte, label []*cell, aggs []aggregate, from int) {
	group, ok := g.number(key, label)
	if !ok {
		return
	}
	for i := range aggs {
		g.mu.aggs[i].merge(group, aggs[i], from)
		if aggs[i].over() {
			g.partial(fmt.Sprintf("%s has too many distinct values in too many groups", g.table.Aggs[i].Name))
		}
	}
}

// visitRows adds rows one by one, by codes.
func (g *groups) visitRows(p part.Part, rows *index.DocSet) (*partial, error) {
	list := rows.ToArray()
	keys := make([]column, len(g.table.Keys))
	for i, key := range g.table.Keys {
		var err error
		if key.Bucket > 0 {
			keys[i], err = gatherBuckets(p, rows, int64(key.Bucket))
		} else {
			keys[i], err = g.gather(p, key.Field, rows, list)
		}
		if err != nil {
			return nil, err
		}
	}
	return g.group(uint64(len(list)), keys, func(field string) (column, error) { return g.gather(p, field, rows, list) })
}

// group groups rows by columns and aggregates what gather gives of them.
func (g *groups) group(rows uint64, keys []column, gather func(field string) (column, error)) (*partial, error) {
	grouped := newGrouping(int(rows), keys, g.max)
	aggs := g.newAggs()
	columns := map[string]column{} // several aggregates often are of one field
	for i, agg := range g.table.Aggs {
		values, known := columns[agg.Field]
		if agg.Field != "" && !known {
			var err error
			if values, err = gather(agg.Field); err != nil {
				return nil, err
			}
			columns[agg.Field] = values
		}
		addRows(aggs[i], grouped, values, agg)
	}
	found := newPartial(rows, 0, len(keys), aggs)
	if grouped.over {
		found.reason = fmt.Sprintf("there are more than %d groups", g.max)
	}
	for group := range grouped.n {
		found.label(grouped.label(group))
	}
	return found, nil
}

// addRows folds the values of grouped rows into an aggregate. A record with
// several values is counted once; everything else takes all of them.
func addRows(state aggregate, grouped *grouping, values column, agg plan.Agg) {
	addColumn(state, grouped, &values, agg.Field == "")
	for rest := values.rest; rest != nil && agg.Func != plan.Count; rest = rest.rest {
		addColumn(state, grouped, rest, false)
	}
}

// addColumn folds one value of each row into an aggregate. Where groups and
// values are few, equal pairs are counted first.
func addColumn(agg aggregate, grouped *grouping, values *column, records bool) {
	codes := uint64(len(values.dict)) + 1
	if size := codes * uint64(grouped.n); size <= internMax {
		table := make([]uint64, size)
		for n, group := range grouped.ids {
			switch {
			case group == noGroup:
			case records:
				table[group]++
			default:
				table[uint64(group)*codes+uint64(values.codes[n])]++
			}
		}
		for slot, n := range table {
			group, code := uint64(slot)/codes, uint64(slot)%codes
			switch {
			case n == 0 || !records && code == 0:
			case records:
				agg.add(int(group), nil, n)
			default:
				agg.add(int(group), &values.dict[code-1], n)
			}
		}
		return
	}
	for n, group := range grouped.ids {
		switch {
		case group == noGroup:
		case records:
			agg.add(int(group), nil, 1)
		case values.codes[n] > 0:
			agg.add(int(group), &values.dict[values.codes[n]-1], 1)
		}
	}
}
