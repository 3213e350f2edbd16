package plan

import (
	"slices"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Table says how records become rows.
type Table struct {
	Keys []Key
	Aggs []Agg
	// Top says that records without one of the keys do not count.
	Top bool
	// Rare says that the least frequent groups come first.
	Rare bool
	// Facets, if not nil, says that the rows are values of several fields: the
	// keys are the field and the value then.
	Facets *Facets
	// Spread, if not 0, says that the values of the one aggregate become rows: at
	// most so many buckets of about equal width.
	Spread int
	Steps  []Step // after the default order
}

// Key is a column that records are grouped by: the values of a field, or its
// numbers or times cut to buckets.
type Key struct {
	Name     string
	Field    string
	Numbers  *Width
	Calendar *Calendar
	// Auto, if not 0, cuts times to at most so many buckets, whose size depends on
	// what is found.
	Auto int
}

// Times reports whether the key is buckets of times.
func (k Key) Times() bool { return k.Calendar != nil || k.Auto > 0 }

// Cut reports whether the key is buckets.
func (k Key) Cut() bool { return k.Times() || k.Numbers != nil }

// Agg is a column that is computed for each group.
type Agg struct {
	Name       string
	Func       Func
	Field      string     // "" counts records
	Where      index.Expr // of CountIf, else nil
	Percentile int64      // of Quantile, in thousandths of a percent
}

// Records reports whether the aggregate counts records, whatever they hold.
func (a Agg) Records() bool { return a.Field == "" && a.Where == nil }

// Counts reports whether the aggregate counts, so that the greatest come first.
func (a Agg) Counts() bool {
	return slices.Contains([]Func{Count, CountIf, Distinct, DistinctExact, DistinctApprox}, a.Func)
}

// Func is an aggregate function.
type Func uint8

// The aggregate functions.
const (
	Count Func = iota + 1
	Sum
	Avg
	Min
	Max
	Distinct       // exact, estimated over the limit
	Quantile       // exact, estimated over the limit
	CountIf        // records that satisfy a condition
	DistinctExact  // partial over the limit
	DistinctApprox // estimated, in little memory
	StdDev         // of the population
	First          // value of the earliest record that has one
	Last           // value of the latest
	Values         // distinct ones, as a list
	Mix            // distinct ones and how often, as a text
	Rate           // records per second, or the sum of a field
	Share          // of all records that are grouped, in percent
	Spread         // all values, which Table.Spread makes rows of
	Example        // value of an early record, of groups that are big in some part
)

// funcs are the functions that need no more than their name.
func funcs() map[string]Func {
	return map[string]Func{
		"count": Count, "sum": Sum, "avg": Avg, "min": Min, "max": Max, "count_distinct": Distinct, "count_if": CountIf,
		"count_distinct_exact": DistinctExact, "count_distinct_approx": DistinctApprox, "stddev": StdDev,
		"first": First, "last": Last, "values": Values, "rate": Rate,
	}
}

// Facets says of which fields the most frequent values are wanted.
type Facets struct {
	Fields []string // query names; none means all with few values
	Names  []string // of the fields, as asked for
	N      int      // values of a field
}

// table plans a pipe that makes a table of records; it returns the column names.
func (p *Plan) table(text string, pipe syntax.Pipe) (columns []string, err error) {
	table := &Table{}
	switch pipe := pipe.(type) {
	case *syntax.Top:
		table = topTable(pipe)
	case *syntax.Histogram:
		table = p.histogram(pipe)
	case *syntax.Facets:
		table = facetsTable(pipe)
	case *syntax.Patterns:
		table = patternsTable(pipe)
	case *syntax.Stats:
		for _, key := range pipe.By {
			table.Keys = append(table.Keys, newKey(key))
		}
		for _, agg := range pipe.Aggs {
			planned, err := p.agg(text, agg)
			if err != nil {
				return nil, err
			}
			table.Aggs = append(table.Aggs, planned)
		}
	}
	p.Table, p.Sort = table, nil
	for _, key := range table.Keys {
		columns = append(columns, key.Name)
	}
	for _, agg := range table.Aggs {
		columns = append(columns, agg.Name)
	}
	if table.Spread > 0 {
		columns = append(columns, "count")
	}
	return columns, nil
}

// newKey plans a key.
func newKey(key syntax.Key) Key {
	planned := Key{Name: key.Field, Field: QueryName(key.Field)}
	switch {
	case key.Width != "":
		planned.Numbers = newWidth(key.Width)
	case key.Cut():
		planned.Calendar = newCalendar(key)
	}
	return planned
}

// agg plans an aggregate.
func (p *Plan) agg(text string, agg syntax.Agg) (Agg, error) {
	planned := Agg{Name: agg.Name(), Field: QueryName(agg.Field), Func: funcs()[agg.Func]}
	if planned.Func == 0 {
		planned.Func = Quantile
		planned.Percentile, _ = syntax.Percentile(agg.Func)
	}
	if agg.Where == nil {
		return planned, nil
	}
	l := &lowering{text: text, now: p.now}
	var err error
	planned.Where, err = l.node(agg.Where, false)
	return planned, err
}

// free returns the name, or as a call if a field has it.
func free(name string, fields []syntax.Name) string {
	for _, field := range fields {
		if field.Text == name {
			return name + "()"
		}
	}
	return name
}

// topTable plans top and rare.
func topTable(pipe *syntax.Top) *Table {
	t := &Table{Top: true, Rare: pipe.Rare, Steps: []Step{{Limit: pipe.N}}}
	for _, field := range pipe.Fields {
		t.Keys = append(t.Keys, Key{Name: field.Text, Field: QueryName(field.Text)})
	}
	t.Aggs = []Agg{{Name: free("count", pipe.Fields), Func: Count}, {Name: free("percent", pipe.Fields), Func: Share}}
	return t
}

// histogram plans the spread of numbers or times. Where the query bounds time on
// both sides, these bounds decide how wide the buckets of times are.
func (p *Plan) histogram(pipe *syntax.Histogram) *Table {
	names := []syntax.Name{{Text: pipe.Key.Field}}
	count := Agg{Name: free("count", names), Func: Count}
	key := newKey(pipe.Key)
	switch {
	case key.Cut():
	case key.Field != FieldTime:
		return &Table{Aggs: []Agg{{Name: key.Name, Func: Spread, Field: key.Field}}, Spread: pipe.Buckets}
	case p.From >= 0 && p.To != NoTo && p.From < p.To:
		key.Calendar = Level(p.From, p.To-1, time.Microsecond, pipe.Buckets)
	default:
		key.Auto = pipe.Buckets
	}
	return &Table{Keys: []Key{key}, Aggs: []Agg{count}, Top: true}
}

// facetsTable plans facets.
func facetsTable(pipe *syntax.Facets) *Table {
	facets := &Facets{N: pipe.N}
	for _, name := range pipe.Of {
		facets.Fields = append(facets.Fields, QueryName(name.Text))
		facets.Names = append(facets.Names, name.Text)
	}
	return &Table{Keys: []Key{{Name: "field"}, {Name: "value"}}, Aggs: []Agg{{Name: "count", Func: Count}}, Facets: facets}
}

// patternsTable plans patterns.
func patternsTable(pipe *syntax.Patterns) *Table {
	return &Table{
		Keys: []Key{{Name: "pattern", Field: model.FieldPattern}},
		Aggs: []Agg{
			{Name: "count", Func: Count}, {Name: "percent", Func: Share}, {Name: "levels", Func: Mix, Field: model.FieldLevel},
			{Name: "first", Func: Min, Field: FieldTime}, {Name: "last", Func: Max, Field: FieldTime},
			{Name: "example", Func: Example, Field: model.FieldMessage},
		},
		Top: true, Steps: []Step{{Limit: pipe.N}},
	}
}
