package exec

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	var result *TableResult
	piece := func() error {
		result = groups.result(wantRows)
		return nil
	}
	if err := limits.inTurn(ctx, piece); err != nil {
		return nil, err
	}
	result.Outcome = groups.outcome()
	return result, nil
}

// tabulate groups the records that satisfy the plan.
func tabulate(ctx context.Context, from Source, p *plan.Plan, limits Limits) (*groups, error) {
	r := newRun(ctx, from, p, limits)
	groups := newGroups(r)
	asked := r.ask(r.ctx, groups.takeFrom)
	defer asked.end()
	if err := groups.visitAll(); err != nil {
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
	key   string // says all that decides what the rows of a part amount to; empty if that cannot be said

	mu struct {
		sync.Mutex
		begun   bool // something was added
		numbers map[string]int
		labels  [][]cell // kind 0 means no value
		aggs    []aggregate
		matched uint64
		bytes   int   // of the texts in labels, as keys and as cells
		first   int64 // times of the records, if the table asks for them
		last    int64
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
	g.key = g.newKey()
	g.mu.numbers = map[string]int{}
	g.mu.aggs = g.newAggs()
	if len(g.table.Keys) == 0 {
		g.number(nil, nil)
	}
	return g
}

// keys returns how many values label a group: those of the keys, and the size of
// buckets that was chosen for a part.
func (g *groups) keys() int {
	if g.auto() > 0 {
		return 2
	}
	return len(g.table.Keys)
}

// auto returns how many buckets of times are wanted where their size depends on
// what is found, else 0.
func (g *groups) auto() int {
	if len(g.table.Keys) == 0 {
		return 0
	}
	return g.table.Keys[0].Auto
}

// timed reports whether the table asks for the times of its first and last
// record: where there is a rate.
func (g *groups) timed() bool { return g.holders(plan.Rate) > 0 }

// newAggs returns empty states of all aggregates; those that hold values share
// the budget.
func (g *groups) newAggs() []aggregate {
	limits := g.limits
	limits.Distinct /= max(1, g.holders(plan.Distinct, plan.DistinctExact, plan.DistinctApprox))
	limits.Values /= max(1, g.holders(plan.Quantile, plan.Spread))
	aggs := make([]aggregate, len(g.table.Aggs))
	for i, agg := range g.table.Aggs {
		aggs[i] = newAggregate(agg, limits)
	}
	return aggs
}

// holders counts the aggregates with one of the functions.
func (g *groups) holders(of ...plan.Func) (n int) {
	for _, agg := range g.table.Aggs {
		if slices.Contains(of, agg.Func) {
			n++
		}
	}
	return n
}

// visit adds one part; bundled says that a bundle keeps what it amounts to.
func (g *groups) visit(p part.Part, bundled bool) error {
	lo, hi, err := g.bounds(p)
	if err != nil || lo >= hi {
		return err
	}
	found, err := g.remembered(p, lo, hi, bundled)
	if err == nil && found != nil {
		g.add(found)
	}
	return err
}

// part computes what the rows lo <= row < hi of a part amount to; nil is
// nothing.
func (g *groups) part(p part.Part, lo, hi uint32) (*partial, error) {
	if lo == 0 && hi == p.Rows() {
		if found, err := g.visitMinutes(p); found != nil || err != nil {
			return found, err
		}
	}
	if len(g.plan.Virtual) > 0 {
		g.reads.begin(p)
		defer g.reads.end(p)
	}
	rows, err := g.matching(p, lo, hi)
	if err != nil || rows.IsEmpty() {
		return nil, err
	}
	found, err := g.grouped(p, rows)
	if err == nil {
		found.reason = cmp.Or(found.reason, g.reads.leftOut(p)) // it is not kept then
	}
	if err == nil && g.timed() {
		found.first, found.last, err = ends(p, rows)
	}
	return found, err
}

// ends returns the times of the first and the last of the rows.
func ends(p part.Part, rows *index.DocSet) (first, last int64, err error) {
	times, err := p.Times(index.DocSetOf(rows.Minimum(), rows.Maximum()))
	if err != nil {
		return 0, 0, err
	}
	return times[0], times[len(times)-1], nil
}

// grouped computes what rows of a part amount to, in the way that reads least.
func (g *groups) grouped(p part.Part, rows *index.DocSet) (*partial, error) {
	keys := g.table.Keys
	switch {
	case g.table.Facets != nil:
		return g.visitFacets(p, rows)
	case len(keys) == 0:
		return g.visitWhole(p, rows)
	case g.auto() > 0:
		return g.visitTimes(p, rows)
	case len(keys) == 1 && g.countsOnly() && keys[0].Calendar != nil:
		if found, err := g.visitBuckets(p, rows, keys[0].Calendar); found != nil || err != nil {
			return found, err
		}
	case len(keys) == 1 && !keys[0].Cut() && g.single(p) && !g.wide(p, rows, keys[0].Field):
		return g.visitFields(p, rows)
	}
	return g.visitRows(p, rows)
}

// countsOnly reports whether all aggregates count records.
func (g *groups) countsOnly() bool {
	for _, agg := range g.table.Aggs {
		if agg.Field != "" {
			return false
		}
	}
	return true
}

// visitWhole adds rows that all are one group: from the counts of values.
func (g *groups) visitWhole(p part.Part, rows *index.DocSet) (*partial, error) {
	aggs := g.newAggs()
	for i, agg := range g.table.Aggs {
		if err := g.addWhole(p, rows, agg, aggs[i]); err != nil {
			return nil, err
		}
	}
	return newPartial(rows.GetCardinality(), 1, 0, aggs), nil
}

// addWhole folds rows that all are one group into an aggregate.
func (g *groups) addWhole(p part.Part, rows *index.DocSet, agg plan.Agg, state aggregate) error {
	switch {
	case agg.Where != nil:
		holding, err := g.where(p, rows, agg)
		if err == nil {
			state.add(0, nil, holding.GetCardinality())
		}
		return err
	case agg.Field == "":
		state.add(0, nil, rows.GetCardinality())
	case atEdge(agg):
		return g.addEdge(p, rows, agg, state)
	case agg.Field == plan.FieldTime || agg.Field == model.FieldID || isVirtual(agg.Field) || paths(p, agg.Field) > 1:
		list := rows.ToArray()
		values, err := g.gather(p, agg.Field, rows, list)
		if err != nil {
			return err
		}
		addRows(state, newGrouping(len(list), nil, 1), values, agg)
	default:
		for _, source := range columnsOf(p, agg.Field) {
			if source.Kind() == model.Null {
				continue
			}
			if err := g.addCounts(source, rows, state); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCounts folds the values of a column into the only group of an aggregate.
func (g *groups) addCounts(source part.Column, rows *index.DocSet, state aggregate) error {
	if part.MadeOfTexts(source) && rows.GetCardinality() > pieceRows {
		return g.eachPiece(rows, func(piece *index.DocSet) error { return g.addCounts(source, piece, state) })
	}
	values, err := source.Counts(g.ctx, rows)
	for _, v := range values {
		c := newCell(source.Kind(), v.Value)
		state.add(0, &c, v.Count)
	}
	return err
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
	if g.table.Top && slices.Contains(label, nil) {
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
	if group, ok := g.number(key, label); ok {
		g.merge(group, aggs, from)
	}
}

// merge merges a group of other aggregates into one of the table's. The lock is held.
func (g *groups) merge(group int, aggs []aggregate, from int) {
	for i := range aggs {
		g.mu.aggs[i].merge(group, aggs[i], from)
		if aggs[i].over() {
			g.partial(overReason(g.table.Aggs[i]))
		}
	}
}

// visitRows adds rows one by one, by codes; texts piece by piece.
func (g *groups) visitRows(p part.Part, rows *index.DocSet) (*partial, error) {
	if !g.wide(p, rows, g.fields()...) {
		return g.visitPiece(p, rows)
	}
	r := &run{outer: g.outer, ctx: g.ctx, plan: g.plan, limits: g.limits} // what it leaves out is the part's to say
	together := newGroups(r)
	err := g.eachPiece(rows, func(piece *index.DocSet) error {
		found, err := g.visitPiece(p, piece)
		if err == nil {
			found.seal()
			together.add(found)
		}
		return err
	})
	found := together.whole()
	found.reason = r.outcome().Reason
	return found, err
}

// fields returns the fields that the table reads of each row.
func (g *groups) fields() (fields []string) {
	for _, key := range g.table.Keys {
		fields = append(fields, key.Field)
	}
	for _, agg := range g.table.Aggs {
		if agg.Where == nil && !atEdge(agg) {
			fields = append(fields, agg.Field)
		}
	}
	return fields
}

// visitPiece adds rows that are read at once.
func (g *groups) visitPiece(p part.Part, rows *index.DocSet) (*partial, error) {
	list := rows.ToArray()
	keys := make([]column, len(g.table.Keys))
	for i, key := range g.table.Keys {
		var err error
		if key.Calendar != nil {
			keys[i], err = gatherBuckets(p, rows, key.Calendar)
		} else {
			keys[i], err = g.gather(p, key.Field, rows, list)
		}
		if err != nil {
			return nil, err
		}
		if key.Numbers != nil {
			keys[i] = keys[i].cut(key.Numbers)
		}
	}
	return g.group(&partRows{groups: g, part: p, rows: rows, list: list}, keys)
}

// rowSource is rows that are grouped: of a part, or of a set.
type rowSource interface {
	// size returns how many rows there are.
	size() int
	// values returns a field of each row.
	values(field string) (column, error)
	// holding returns a column with one value, in those rows that satisfy the
	// condition of an aggregate.
	holding(agg plan.Agg) (column, error)
	// edges folds the first or last row of each group that has a value into an
	// aggregate.
	edges(grouped *grouping, agg plan.Agg, state aggregate) error
}

// partRows is rows of a part.
type partRows struct {
	*groups
	part part.Part
	rows *index.DocSet
	list []uint32
}

func (s *partRows) size() int { return len(s.list) }

func (s *partRows) values(field string) (column, error) {
	return s.gather(s.part, field, s.rows, s.list)
}

func (s *partRows) holding(agg plan.Agg) (column, error) {
	found, err := s.where(s.part, s.rows, agg)
	if err != nil {
		return column{}, err
	}
	c := newMarks(len(s.list))
	eachPlace(found, s.list, c.mark)
	return c, nil
}

func (s *partRows) edges(grouped *grouping, agg plan.Agg, state aggregate) error {
	return s.addEdges(s.part, s.rows, s.list, grouped, agg, state)
}

// newMarks returns a column in which rows can be marked.
func newMarks(n int) column {
	return column{codes: make([]uint32, n), dict: []cell{{kind: model.Bool, text: "true"}}}
}

// mark gives the n-th row the one value of a column of marks.
func (c *column) mark(n int) { c.codes[n] = 1 }

// group groups rows by columns and aggregates what there is of them.
func (g *groups) group(from rowSource, keys []column) (*partial, error) {
	grouped := newGrouping(from.size(), keys, g.max)
	aggs := g.newAggs()
	columns := map[string]column{} // several aggregates often are of one field
	for i, agg := range g.table.Aggs {
		if atEdge(agg) {
			if err := from.edges(grouped, agg, aggs[i]); err != nil {
				return nil, err
			}
			continue
		}
		values, known := columns[agg.Field]
		var err error
		switch {
		case agg.Where != nil:
			values, err = from.holding(agg)
		case agg.Field != "" && !known:
			values, err = from.values(agg.Field)
			columns[agg.Field] = values
		}
		if err != nil {
			return nil, err
		}
		addRows(aggs[i], grouped, values, agg)
	}
	found := newPartial(uint64(from.size()), 0, len(keys), aggs)
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
	addColumn(state, grouped, &values, agg.Records())
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
