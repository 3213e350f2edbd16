package exec

import (
	"slices"
	"strconv"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// bucketsMax is how many buckets of a part are counted by their bounds; more
// are counted row by row.
const bucketsMax = 4 << 10

// visitBuckets counts rows by time, from the bounds of the buckets; it returns
// nil if there are too many.
func (g *groups) visitBuckets(p part.Part, rows *index.DocSet, calendar *plan.Calendar) (*partial, error) {
	first, last := p.TimeRange()
	first, last = max(first, g.plan.From), min(last, g.plan.To)
	// As floats, because the difference can be more than 63 bits.
	if buckets := (float64(last)-float64(first))/float64(calendar.Least()) + 1; buckets > bucketsMax || buckets > float64(rows.GetCardinality()) {
		return nil, nil
	}
	sets := make([]*index.DocSet, len(g.table.Aggs))
	for i, agg := range g.table.Aggs {
		sets[i] = rows
		if agg.Where != nil {
			var err error
			if sets[i], err = g.where(p, rows, agg); err != nil {
				return nil, err
			}
		}
	}
	found := newPartial(rows.GetCardinality(), 0, 1, g.newAggs())
	low := uint32(rows.Minimum())
	for t := first; t <= last; {
		high, next := p.Rows(), calendar.Next(t)
		if next <= last {
			var err error
			if high, err = before(p, next); err != nil {
				return nil, err
			}
		}
		if high > low {
			if rows.CardinalityInRange(uint64(low), uint64(high)) > 0 {
				for i, set := range sets {
					found.aggs[i].add(found.groups, nil, set.CardinalityInRange(uint64(low), uint64(high)))
				}
				start := timeCell(calendar.Start(t))
				found.label([]*cell{&start})
			}
			low = high
		}
		if next <= t {
			break // past the end of time
		}
		t = next
	}
	return found, nil
}

// visitTimes counts rows by time in buckets of a size that suits the part: those
// of other parts may be coarser, which its own add up to. The size is part of
// the label.
func (g *groups) visitTimes(p part.Part, rows *index.DocSet) (*partial, error) {
	first, last, err := ends(p, rows)
	if err != nil {
		return nil, err
	}
	calendar := plan.Level(first, last, 0, g.auto())
	counted, err := g.visitBuckets(p, rows, calendar)
	if err == nil && counted == nil { // fewer rows than buckets
		times, err := gatherBuckets(p, rows, calendar)
		if err != nil {
			return nil, err
		}
		grouped := newGrouping(len(times.codes), []column{times}, g.max)
		counted = newPartial(rows.GetCardinality(), 0, 1, g.newAggs())
		addRows(counted.aggs[0], grouped, column{}, g.table.Aggs[0])
		for group := range grouped.n {
			counted.label(grouped.label(group))
		}
	}
	if err != nil {
		return nil, err
	}
	size := newCell(model.Number, strconv.FormatInt(int64(calendar.Size()), 10))
	found := newPartial(counted.matched, 0, g.keys(), counted.aggs)
	for group := range counted.labels {
		found.label([]*cell{&counted.labels[group], &size})
	}
	return found, nil
}

// regroup brings buckets of different sizes to one: the finest of which the
// wanted number holds all. It returns the start of each and what it counts.
func (g *groups) regroup() (starts []int64, counts map[int64]int64) {
	var size, first, last int64
	for n, label := range g.mu.labels {
		own, start := newCell(model.Number, label[1].text).whole, label[0].whole
		if n == 0 {
			first, last = start, start
		}
		size, first, last = max(size, own), min(first, start), max(last, start)
	}
	counts = map[int64]int64{}
	if len(g.mu.labels) == 0 {
		return nil, counts
	}
	calendar := plan.Level(first, last, time.Duration(size), g.auto())
	for n, label := range g.mu.labels {
		start := calendar.Start(label[0].whole)
		if _, known := counts[start]; !known {
			starts = append(starts, start)
		}
		counts[start] += g.mu.aggs[0].value(n).(int64)
	}
	slices.Sort(starts)
	return starts, counts
}

// atEdge reports whether only one record of each group decides about an
// aggregate: the first or the last of some.
func atEdge(agg plan.Agg) bool {
	switch agg.Func {
	case plan.First, plan.Last:
		return true
	case plan.Min, plan.Max:
		return agg.Field == plan.FieldTime
	}
	return false
}

// addEdges folds the first or last row of each group that has a value into an
// aggregate: rows are in order of time. Only these rows are read.
func (g *groups) addEdges(p part.Part, rows *index.DocSet, list []uint32, grouped *grouping, agg plan.Agg, state aggregate) error {
	having, err := g.having(p, rows, list, agg.Field)
	if err != nil {
		return err
	}
	last := agg.Func == plan.Last || agg.Func == plan.Max
	chosen := make([]uint32, grouped.n) // place in list + 1, by group
	for n, group := range grouped.ids {
		if group != noGroup && (having == nil || having[n]) && (last || chosen[group] == 0) {
			chosen[group] = uint32(n) + 1
		}
	}
	picked := make([]uint32, 0, len(chosen)) // rows
	for _, n := range chosen {
		if n > 0 {
			picked = append(picked, list[n-1])
		}
	}
	if len(picked) == 0 {
		return nil
	}
	slices.Sort(picked)
	set := index.DocSetOf(picked...)
	values, err := g.gather(p, agg.Field, set, picked)
	if err != nil {
		return err
	}
	times, err := p.Times(set)
	if err != nil {
		return err
	}
	ids, err := p.IDs(set)
	if err != nil {
		return err
	}
	for group, n := range chosen {
		if n == 0 {
			continue
		}
		i, _ := slices.BinarySearch(picked, list[n-1])
		if values.codes[i] == 0 {
			continue
		}
		c := &values.dict[values.codes[i]-1]
		if edge, ok := state.(*edges); ok {
			edge.note(group, Position{Time: times[i], ID: ids[i]}, c)
		} else {
			state.add(group, c, 1)
		}
	}
	return nil
}

// having tells which of the rows have a value of the field; nil is all.
func (g *groups) having(p part.Part, rows *index.DocSet, list []uint32, field string) ([]bool, error) {
	if field == plan.FieldTime || field == model.FieldID {
		return nil, nil
	}
	has := make([]bool, len(list))
	if field == model.FieldPattern {
		values, err := g.gather(p, field, rows, list)
		for n := range values.codes {
			has[n] = values.codes[n] > 0
		}
		return has, err
	}
	found, err := p.Eval(g.ctx, index.Leaf{Field: field, Pred: index.Exists{}}, rows)
	if err != nil || found.GetCardinality() == uint64(len(list)) {
		return nil, err
	}
	n := 0
	for it := found.Iterator(); it.HasNext(); n++ {
		for row := it.Next(); list[n] < row; n++ {
		}
		has[n] = true
	}
	return has, nil
}
