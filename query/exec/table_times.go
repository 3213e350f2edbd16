package exec

import (
	"cmp"
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

// visitMinutes counts the rows of a part that satisfy a condition on one field by time,
// from what the part has stored of each minute. It returns nil if it has not, if more is
// asked than that, or if buckets begin within minutes.
func (g *groups) visitMinutes(p part.Part) (*partial, error) {
	minutes, stored := p.(part.Minutes)
	leaf, single := g.suited(p, g.plan.Expr).(index.Leaf)
	if !stored || !single || !g.countsTimes() {
		return nil, nil
	}
	first, counts, err := minutes.Minutes(leaf)
	if err != nil || counts == nil || len(counts) > bucketsMax {
		return nil, err
	}
	calendar := g.table.Keys[0].Calendar
	const minute = int64(time.Minute)
	found := newPartial(0, 0, 1, g.newAggs())
	for i := 0; i < len(counts); {
		at := first + int64(i)*minute
		start, next := calendar.Start(at), calendar.Next(at)
		if start%minute != 0 || next%minute != 0 {
			return nil, nil
		}
		var rows uint64
		for ; i < len(counts) && first+int64(i)*minute < next; i++ {
			rows += uint64(counts[i])
		}
		if rows == 0 {
			continue
		}
		for _, state := range found.aggs {
			state.add(found.groups, nil, rows)
		}
		bucket := timeCell(start)
		found.label([]*cell{&bucket})
		found.matched += rows
	}
	return found, nil
}

// countsTimes reports whether nothing but records is counted, in given buckets of time.
func (g *groups) countsTimes() bool {
	if len(g.table.Keys) != 1 || g.table.Keys[0].Calendar == nil || g.auto() > 0 || g.table.Facets != nil || g.plan.Filter != nil || g.timed() {
		return false
	}
	return !slices.ContainsFunc(g.table.Aggs, func(agg plan.Agg) bool { return agg.Field != "" || agg.Where != nil })
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
	case plan.First, plan.Last, plan.Example:
		return true
	case plan.Min, plan.Max:
		return agg.Field == plan.FieldTime
	}
	return false
}

// edgeLast reports whether the last row decides, not the first.
func edgeLast(agg plan.Agg) bool { return agg.Func == plan.Last || agg.Func == plan.Max }

// addEdge folds the first or last row of all that has a value into an aggregate.
func (g *groups) addEdge(p part.Part, rows *index.DocSet, agg plan.Agg, state aggregate) error {
	if isVirtual(agg.Field) {
		list := rows.ToArray()
		return g.addEdges(p, rows, list, newGrouping(len(list), nil, 1), agg, state)
	}
	having, err := g.existing(p, rows, agg.Field)
	if err != nil || having.IsEmpty() {
		return err
	}
	row := having.Minimum()
	if edgeLast(agg) {
		row = having.Maximum()
	}
	return g.noteEdges(p, []uint32{row + 1}, agg, state)
}

// addEdges folds the first or last row of each group that has a value into an
// aggregate: rows are in order of time. Only these rows are read.
func (g *groups) addEdges(p part.Part, rows *index.DocSet, list []uint32, grouped *grouping, agg plan.Agg, state aggregate) error {
	if isVirtual(agg.Field) {
		return g.addComputedEdges(p, rows, list, grouped, agg, state)
	}
	having, err := g.existing(p, rows, agg.Field)
	if err != nil {
		return err
	}
	last := edgeLast(agg)
	if agg.Func == plan.Example {
		grouped = grouped.biggest(examplesMax)
	}
	chosen := make([]uint32, grouped.n) // row + 1, by group
	note := func(n int) {
		if group := grouped.ids[n]; group != noGroup && (last || chosen[group] == 0) {
			chosen[group] = list[n] + 1
		}
	}
	if having.GetCardinality() == uint64(len(list)) {
		for n := range list {
			note(n)
		}
	} else {
		eachPlace(having, list, note)
	}
	return g.noteEdges(p, chosen, agg, state)
}

// addComputedEdges is addEdges for a field that is computed for all rows.
func (g *groups) addComputedEdges(p part.Part, rows *index.DocSet, list []uint32, grouped *grouping, agg plan.Agg, state aggregate) error {
	values, err := g.gather(p, agg.Field, rows, list)
	if err != nil {
		return err
	}
	times, err := p.Times(rows)
	if err != nil {
		return err
	}
	ids, err := p.IDs(rows)
	if err != nil {
		return err
	}
	noteAll(state, grouped, &values, func(n int) Position { return Position{Time: times[n], ID: ids[n]} })
	return nil
}

// noteAll folds the values of grouped rows into an aggregate for which their
// places decide.
func noteAll(state aggregate, grouped *grouping, values *column, place func(n int) Position) {
	edge, placed := state.(*edges)
	for n, group := range grouped.ids {
		if group == noGroup || values.codes[n] == 0 {
			continue
		}
		c := &values.dict[values.codes[n]-1]
		if placed {
			edge.note(int(group), place(n), c)
		} else {
			state.add(int(group), c, 1)
		}
	}
}

// examplesMax is of how many groups of a part an example is read: texts are
// dear, and what is big nowhere is on no first page.
const examplesMax = 64

// biggest returns the grouping in which only the rows of the biggest groups are
// in groups.
func (g *grouping) biggest(most int) *grouping {
	if g.n <= most {
		return g
	}
	sizes := make([]int, g.n)
	for _, group := range g.ids {
		if group != noGroup {
			sizes[group]++
		}
	}
	order := make([]int, g.n)
	for group := range order {
		order[group] = group
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sizes[b], sizes[a]) })
	for _, group := range order[most:] {
		sizes[group] = 0
	}
	kept := &grouping{ids: slices.Clone(g.ids), n: g.n}
	for n, group := range kept.ids {
		if group != noGroup && sizes[group] == 0 {
			kept.ids[n] = noGroup
		}
	}
	return kept
}

// eachPlace calls visit with the places in list of the rows of a set, all of
// which are there.
func eachPlace(set *index.DocSet, list []uint32, visit func(n int)) {
	n := 0
	for it := set.Iterator(); it.HasNext(); n++ {
		for row := it.Next(); list[n] < row; n++ {
		}
		visit(n)
	}
}

// noteEdges reads the rows that were chosen, by group, 0 for none and else the
// row + 1, and folds them into an aggregate.
func (g *groups) noteEdges(p part.Part, chosen []uint32, agg plan.Agg, state aggregate) error {
	picked := make([]uint32, 0, len(chosen))
	for _, row := range chosen {
		if row > 0 {
			picked = append(picked, row-1)
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
	edge, placed := state.(*edges)
	var times []int64
	var ids []model.RecordID
	if placed {
		if times, err = p.Times(set); err != nil {
			return err
		}
		if ids, err = p.IDs(set); err != nil {
			return err
		}
	}
	for group, row := range chosen {
		if row == 0 {
			continue
		}
		i, _ := slices.BinarySearch(picked, row-1)
		if values.codes[i] == 0 {
			continue
		}
		c := &values.dict[values.codes[i]-1]
		if placed {
			edge.note(group, Position{Time: times[i], ID: ids[i]}, c)
		} else {
			state.add(group, c, 1)
		}
	}
	return nil
}

// existing returns those of the rows that have a value of the field.
func (g *groups) existing(p part.Part, rows *index.DocSet, field string) (*index.DocSet, error) {
	switch field {
	case plan.FieldTime, model.FieldID:
		return rows, nil
	case model.FieldPattern:
		field = model.FieldMessage // what has a pattern is a text there
		for _, source := range p.Columns(field) {
			if source.Kind() != model.String {
				return g.patterned(p, rows)
			}
		}
	}
	return p.Eval(g.ctx, index.Leaf{Field: field, Pred: index.Exists{}}, rows)
}

// patterned returns those of the rows that have a pattern.
func (g *groups) patterned(p part.Part, rows *index.DocSet) (*index.DocSet, error) {
	patterns := p.Patterns(nil)
	if patterns == nil {
		return index.NewDocSet(), nil
	}
	values, err := patterns.Gather(g.ctx, rows)
	return index.DocSetOf(values.Rows...), err
}
