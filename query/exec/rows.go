package exec

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
)

// The types of columns.
const (
	TypeString = "string"
	TypeInt    = "int"
	TypeFloat  = "float"
	TypeTime   = "time"
	TypeBool   = "bool"
)

// result makes the rows, orders them and takes the plan's steps; the first
// rows are all that is wanted.
func (g *groups) result(rows int) *TableResult {
	result := g.raw(rows)
	renderInstants(result.Rows)
	return result
}

// raw is result with times as instants.
func (g *groups) raw(rows int) *TableResult {
	g.mu.Lock()
	defer g.mu.Unlock()
	result := &TableResult{Matched: g.mu.matched}
	switch {
	case g.table.Facets != nil:
		result.Rows = g.facetRows()
		result.Columns = facetColumns(result.Rows, g.table.Keys)
	case g.table.Spread > 0:
		g.spreadResult(result)
	case g.auto() > 0:
		g.timesResult(result)
	default:
		g.groupsResult(result, needed(g.table.Steps, rows))
	}
	for _, step := range g.table.Steps {
		result.take(step)
	}
	return result
}

// groupsResult makes a row of each group, in order; the first are all that is
// wanted. The lock is held.
func (g *groups) groupsResult(result *TableResult, want int) {
	keys := len(g.table.Keys)
	result.Rows = make([][]any, len(g.mu.labels))
	width := keys + len(g.mu.aggs)
	cells := make([]any, len(g.mu.labels)*width) // of all rows
	for n, label := range g.mu.labels {
		row := cells[:0:width]
		cells = cells[width:]
		for i := range label {
			row = append(row, renderLabel(&label[i]))
		}
		for _, agg := range g.mu.aggs {
			row = append(row, agg.value(n))
		}
		result.Rows[n] = row
	}
	g.derive(result.Rows)
	for i, key := range g.table.Keys {
		fallback := TypeString
		if key.Field == plan.FieldTime {
			fallback = TypeTime
		}
		result.Columns = append(result.Columns, Column{key.Name, columnType(result.Rows, i, fallback)})
	}
	for i, agg := range g.table.Aggs {
		result.Columns = append(result.Columns, Column{agg.Name, columnType(result.Rows, keys+i, fallbackType(agg))})
		if g.mu.aggs[i].over() {
			g.partial(overReason(agg))
		}
		if g.mu.aggs[i].approximate() {
			result.Approximate = append(result.Approximate, agg.Name)
		}
	}
	result.Rows = g.sort(result.Rows, want)
}

// fallbackType returns the type of an aggregate's column without values.
func fallbackType(agg plan.Agg) string {
	switch {
	case agg.Counts():
		return TypeInt
	case agg.Field == plan.FieldTime && slices.Contains([]plan.Func{plan.Min, plan.Max, plan.First, plan.Last}, agg.Func):
		return TypeTime
	case slices.Contains([]plan.Func{plan.First, plan.Last, plan.Example, plan.PatternID, plan.Values, plan.Mix}, agg.Func):
		return TypeString
	}
	return TypeFloat
}

// renderLabel returns a group's value for an answer.
func renderLabel(c *cell) any {
	switch {
	case c.kind == 0:
		return nil
	case c.isTime:
		return instant(c.whole)
	}
	return render(c.kind, c.text)
}

// columnType returns the type of a column's values, and makes them texts where
// they have no type in common. Fallback is the type of a column without values.
func columnType(rows [][]any, column int, fallback string) string {
	one := "" // the type of all values before
	for _, row := range rows {
		value := row[column]
		if value == nil {
			continue
		}
		switch of := typeOf(value); {
		case of == one:
		case one == "":
			one = of
		case (one == TypeInt || one == TypeFloat) && (of == TypeInt || of == TypeFloat):
			one = TypeFloat
		default:
			columnTexts(rows, column)
			return TypeString
		}
	}
	return cmp.Or(one, fallback)
}

// typeOf returns the type of a value.
func typeOf(value any) string {
	switch v := value.(type) {
	case int64:
		return TypeInt
	case instant:
		return TypeTime
	case float64:
		return TypeFloat
	case json.Number: // whole ones beyond 64 bits are whole all the same
		return numberType(v)
	case bool:
		return TypeBool
	}
	return TypeString
}

// columnTexts makes texts of the values of a column.
func columnTexts(rows [][]any, column int) {
	for _, row := range rows {
		switch v := row[column].(type) {
		case nil:
		case float64: // digit for digit, not 1e+06
			row[column] = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			row[column] = fmt.Sprint(v)
		}
	}
}

// numberType returns the type of a number that is kept as text.
func numberType(text json.Number) string {
	if strings.ContainsAny(string(text), ".eE") {
		return TypeFloat
	}
	return TypeInt
}

// sort puts the rows into the default order: by time if they are grouped by
// it, then the most frequent first if the first aggregate counts, then by the
// groups' values. Only the first want rows need be in order, or be there.
func (g *groups) sort(rows [][]any, want int) [][]any {
	var order []plan.ColumnSort
	for i, key := range g.table.Keys {
		if key.Cut() {
			order = append(order, plan.ColumnSort{Column: i})
		}
	}
	if len(g.table.Aggs) > 0 && g.table.Aggs[0].Counts() {
		order = append(order, plan.ColumnSort{Column: len(g.table.Keys), Desc: !g.table.Rare})
	}
	for i := range g.table.Keys {
		order = append(order, plan.ColumnSort{Column: i})
	}
	return sortRows(rows, &rowOrder{keys: order, fields: make([]string, len(order)), groups: len(g.table.Keys)}, want)
}

// needed returns how many of the rows in default order the first rows after
// the steps depend on.
func needed(steps []plan.Step, rows int) int {
	for _, step := range slices.Backward(steps) {
		switch {
		case step.Sort != nil:
			return math.MaxInt
		case step.Keep != nil:
		case step.Limit != plan.Unlimited:
			rows = min(rows, step.Limit)
		default:
			rows += min(step.Offset, math.MaxInt-rows)
		}
	}
	return rows
}

// sortedRow is a row with its first sort value, which is all that most
// comparisons need, and its place before.
type sortedRow struct {
	first SortValue
	row   []any
	place int
}

// rowOrder is an order of rows; rows that are equal keep their places.
type rowOrder struct {
	keys   []plan.ColumnSort
	fields []string // of the keys' columns
	groups int      // so many first columns differ in any two rows
}

func (o *rowOrder) compare(a, b *sortedRow) int {
	for i, key := range o.keys {
		v, w := a.first, b.first
		if i > 0 {
			v, w = anySortValue(o.fields[i], a.row[key.Column]), anySortValue(o.fields[i], b.row[key.Column])
		}
		result := v.compare(w)
		if key.Desc && v.Class != ClassMissing && w.Class != ClassMissing {
			result = -result
		}
		if result != 0 {
			return result
		}
	}
	// Groups whose values are equal and written differently (1, 1.0) come in an
	// order that does not depend on which was found first.
	for i := range o.groups {
		if result := strings.Compare(fmt.Sprint(a.row[i]), fmt.Sprint(b.row[i])); result != 0 {
			return result
		}
	}
	return cmp.Compare(a.place, b.place)
}

// sortRows returns the first want rows of an order.
func sortRows(rows [][]any, order *rowOrder, want int) [][]any {
	if len(order.keys) == 0 {
		return rows
	}
	if want >= len(rows) {
		if sorted := sortNumbers(rows, order); sorted != nil {
			return sorted
		}
	}
	kept := &rowHeap{of: make([]sortedRow, 0, min(want, len(rows))), order: order}
	for n, row := range rows {
		next := order.at(row, n)
		switch {
		case len(kept.of) < want:
			kept.of = append(kept.of, next)
			if len(kept.of) == want {
				heap.Init(kept)
			}
		case want > 0 && order.compare(&next, &kept.of[0]) < 0:
			kept.of[0] = next
			heap.Fix(kept, 0)
		}
	}
	places := make([]numberedRow, len(kept.of))
	for n := range kept.of {
		places[n] = numberedRow{number: kept.of[n].first.Number, at: n}
		if kept.of[n].first.Class != ClassNumber {
			places[n].number = math.NaN() // not in the order of numbers
		}
	}
	slices.SortFunc(places, func(a, b numberedRow) int {
		if result := order.compareNumbers(a, b); result != 0 {
			return result
		}
		return order.compare(&kept.of[a.at], &kept.of[b.at])
	})
	sorted := make([][]any, len(kept.of))
	for n, place := range places {
		sorted[n] = kept.of[place.at].row
	}
	return sorted
}

// sortNumbers returns all rows of an order whose first sort values are numbers that are kept
// as such, nil if one is not. What else a row is ordered by is looked at when two are equal,
// which few are.
func sortNumbers(rows [][]any, order *rowOrder) [][]any {
	places := make([]numberedRow, len(rows))
	for n, row := range rows {
		places[n].at = n
		switch v := row[order.keys[0].Column].(type) {
		case int64:
			places[n].number = float64(v)
		case instant:
			places[n].number = float64(v)
		default:
			return nil
		}
	}
	slices.SortFunc(places, func(a, b numberedRow) int {
		if result := order.compareNumbers(a, b); result != 0 {
			return result
		}
		v, w := order.at(rows[a.at], a.at), order.at(rows[b.at], b.at)
		return order.compare(&v, &w)
	})
	sorted := make([][]any, len(rows))
	for n, place := range places {
		sorted[n] = rows[place.at]
	}
	return sorted
}

// at returns a row with its first sort value.
func (o *rowOrder) at(row []any, place int) sortedRow {
	return sortedRow{first: anySortValue(o.fields[0], row[o.keys[0].Column]), row: row, place: place}
}

// compareNumbers compares rows by the numbers of their first sort values; 0 says that
// these do not tell.
func (o *rowOrder) compareNumbers(a, b numberedRow) int {
	switch less := a.number < b.number; {
	case less && !o.keys[0].Desc, a.number > b.number && o.keys[0].Desc:
		return -1
	case less || a.number > b.number:
		return 1
	}
	return 0
}

// numberedRow is a row whose first sort value is a number, as a rule: that is all that
// is moved and looked at until two are equal.
type numberedRow struct {
	number float64
	at     int
}

// rowHeap implements heap.Interface with the last row on top.
type rowHeap struct {
	of    []sortedRow
	order *rowOrder
}

func (h *rowHeap) Len() int           { return len(h.of) }
func (h *rowHeap) Less(i, j int) bool { return h.order.compare(&h.of[i], &h.of[j]) > 0 }
func (h *rowHeap) Swap(i, j int)      { h.of[i], h.of[j] = h.of[j], h.of[i] }
func (h *rowHeap) Push(x any)         { h.of = append(h.of, x.(sortedRow)) }
func (h *rowHeap) Pop() any {
	last := h.of[len(h.of)-1]
	h.of = h.of[:len(h.of)-1]
	return last
}

// anySortValue returns how a value of a table is ordered.
func anySortValue(field string, v any) SortValue {
	switch v := v.(type) {
	case nil:
		return SortValue{Class: ClassMissing}
	case int64:
		return numberValue(float64(v), v)
	case instant:
		return numberValue(float64(v), int64(v))
	case float64:
		return SortValue{Class: ClassNumber, Number: v}
	case string:
		if model.IsLevel(field) {
			return sortValue(field, model.String, v)
		}
		return SortValue{Class: ClassText, Text: v}
	}
	return sortValue(field, model.String, fmt.Sprint(v))
}

// take does one step.
func (t *TableResult) take(step plan.Step) {
	switch {
	case step.Sort != nil:
		order := &rowOrder{keys: step.Sort, fields: make([]string, len(step.Sort))}
		for i, key := range step.Sort { // a column named level orders by severity
			order.fields[i] = plan.QueryName(t.Columns[key.Column].Name)
		}
		t.Rows = sortRows(t.Rows, order, math.MaxInt)
	case step.Keep != nil:
		columns := make([]Column, len(step.Keep))
		for i, column := range step.Keep {
			columns[i] = t.Columns[column]
		}
		for n, row := range t.Rows {
			kept := make([]any, len(step.Keep))
			for i, column := range step.Keep {
				kept[i] = row[column]
			}
			t.Rows[n] = kept
		}
		t.Columns = columns
	}
	t.Rows = t.Rows[min(len(t.Rows), step.Offset):]
	if step.Limit != plan.Unlimited {
		t.Rows = t.Rows[:min(len(t.Rows), step.Limit)]
	}
}
