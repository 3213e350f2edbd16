package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/rows"
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

// SpreadCount returns the name of the column that says how many values a row of
// Spread stands for.
func (t *Table) SpreadCount() string { return free("count", []syntax.Name{{Text: t.Aggs[0].Name}}) }

// cut reports whether the table leaves out groups by itself, or has groups that
// depend on what is found.
func (t *Table) cut() bool {
	return t.Facets != nil || len(t.Steps) > 0 || len(t.Keys) > 0 && t.Keys[0].Auto > 0
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

	at     syntax.Pos // in the text, 0 if it is not there
	moving bool       // the text does not tell all of Where: there are sets, or times
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
	PatternID      // of the pattern that is the group's key
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

// newTable plans a pipe that makes a table, of the fields or columns that flow.
func (c *chain) newTable(pipe syntax.Pipe) (table *Table, err error) {
	var names []syntax.Name // where the fields of the keys stand in the text
	switch pipe := pipe.(type) {
	case *syntax.Timeline:
		return c.timelineTable(pipe)
	case *syntax.Top:
		table, names = topTable(pipe), pipe.Fields
	case *syntax.Histogram:
		table, names = c.histogram(pipe), []syntax.Name{{Pos: pipe.Key.Pos, Text: pipe.Key.Field}}
	case *syntax.Facets:
		return c.facetsTable(pipe)
	case *syntax.Patterns:
		if !c.plan.records {
			return nil, syntax.NewError(c.text, pipe.Pos, "patterns needs records, and these are rows of a table").Suggest("patterns before stats")
		}
		table = patternsTable(pipe)
	case *syntax.Stats:
		table = &Table{}
		for _, key := range pipe.By {
			table.Keys, names = append(table.Keys, newKey(key)), append(names, syntax.Name{Pos: key.Pos, Text: key.Field})
		}
		for _, agg := range pipe.Aggs {
			planned, err := c.agg(agg)
			if err != nil {
				return nil, err
			}
			table.Aggs = append(table.Aggs, planned)
		}
	}
	if c.plan.records {
		return table, c.known(pipe, table)
	}
	return table, c.columnsOf(table, pipe.At(), names)
}

// known checks that what parts derive is not asked for where only records are
// left.
func (c *chain) known(pipe syntax.Pipe, table *Table) error {
	asked := slices.ContainsFunc(table.Keys, func(k Key) bool { return k.Field == model.FieldPattern }) ||
		slices.ContainsFunc(table.Aggs, func(a Agg) bool {
			return a.Field == model.FieldPattern || a.Where != nil && slices.Contains(rows.FieldsOf(a.Where), model.FieldPattern)
		})
	if _, patterns := pipe.(*syntax.Patterns); c.rest && (asked || patterns) {
		return c.unknownPattern(pipe.At())
	}
	return nil
}

// unknownPattern says that the pattern of records is not known here.
func (c *chain) unknownPattern(at syntax.Pos) error {
	return syntax.NewError(c.text, at, "the pattern of a record is known only in where, sort and the first table, before limit, offset, dedup, union and context")
}

// columnsOf replaces names in a table of a table's rows by its columns.
func (c *chain) columnsOf(table *Table, at syntax.Pos, names []syntax.Name) (err error) {
	for i := range table.Keys {
		if table.Keys[i].Field, err = c.column(names[i]); err != nil {
			return err
		}
	}
	for i := range table.Aggs {
		agg := &table.Aggs[i]
		if agg.at == 0 {
			agg.at = at
		}
		if agg.Field != "" {
			if agg.Field, err = c.column(syntax.Name{Pos: agg.at, Text: agg.Field}); err != nil {
				return err
			}
		}
		if agg.Where != nil {
			agg.Where = rows.RenameFields(agg.Where, func(field string) string {
				column, fault := c.column(syntax.Name{Pos: agg.at, Text: field})
				err = cmp.Or(err, fault)
				return column
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// firstTable plans the first pipe that makes a table: of what is stored or can
// be computed where the records are.
func (c *chain) firstTable(pipe syntax.Pipe) error {
	made, err := c.newTable(pipe)
	if err != nil {
		return err
	}
	if !c.place(made) {
		c.rest = true
		if err := c.known(pipe, made); err != nil {
			return err
		}
		c.statsStage(pipe, made)
		return nil
	}
	c.print(pipe)
	c.plan.Table, c.plan.Sort = made, nil
	c.madeTable(made)
	if timeline, ok := pipe.(*syntax.Timeline); ok {
		c.timeline(timeline)
	}
	return nil
}

// statsStage plans a table of rows at the root.
func (c *chain) statsStage(pipe syntax.Pipe, made *Table) {
	c.plan.Rest = append(c.plan.Rest, &StatsStage{Table: made})
	c.madeTable(made)
	if timeline, ok := pipe.(*syntax.Timeline); ok {
		c.timeline(timeline)
	}
}

// changed reports whether the ops change what fields records have.
func (c *chain) changed() bool {
	return slices.ContainsFunc(c.ops, func(op rows.Op) bool {
		switch op.(type) {
		case *rows.Where, *rows.Sample:
			return false
		}
		return true
	})
}

// place replaces the fields of a table by those that parts are asked for; it
// returns false if they cannot be: all fields are meant, and the ops change
// which there are.
func (c *chain) place(made *Table) bool {
	if c.changed() {
		if made.Facets != nil && len(made.Facets.Fields) == 0 {
			return false
		}
		for _, agg := range made.Aggs {
			if agg.Where != nil && slices.Contains(rows.FieldsOf(agg.Where), "") {
				return false
			}
		}
	}
	c.made = nil // a table has no order of records
	for i := range made.Keys {
		if made.Keys[i].Field != "" {
			made.Keys[i].Field = c.field(made.Keys[i].Field)
		}
	}
	for i := range made.Aggs {
		agg := &made.Aggs[i]
		if agg.Field != "" {
			agg.Field = c.field(agg.Field)
		}
		if agg.Where != nil {
			c.holding(agg)
		}
	}
	if made.Facets != nil {
		for i, field := range made.Facets.Fields {
			made.Facets.Fields[i] = c.field(field)
		}
	}
	return true
}

// holding replaces the condition of an aggregate by one on stored fields, or by
// a field that is computed where it holds.
func (c *chain) holding(agg *Agg) {
	stored := true
	renamed := rows.RenameFields(agg.Where, func(name string) string {
		if name == "" || name == model.FieldPattern {
			return name
		}
		field, ok := newProgram(c.ops, name).stored()
		stored = stored && ok
		return field
	})
	if stored {
		agg.Where = renamed
		return
	}
	ops := append(slices.Clone(c.ops), &rows.Mark{Name: holdsName, If: agg.Where})
	c.plan.Volatile = c.plan.Volatile || agg.moving
	agg.Field, agg.Where = c.virtual(newProgram(ops, holdsName), agg.Name), nil
}

// holdsName is the field that is there where the condition of an aggregate
// holds. No text can name it.
const holdsName = Virtual + "holds"

// madeTable notes what is known of a table.
func (c *chain) madeTable(made *Table) {
	c.plan.records = false
	c.table = table{}
	for _, key := range made.Keys {
		c.columns, c.keys = append(c.columns, key.Name), append(c.keys, key.Name)
		if key.Times() {
			c.bucket, c.buckets = key.Name, key.Calendar
		}
	}
	for _, agg := range made.Aggs {
		c.columns = append(c.columns, agg.Name)
		if agg.Counts() && !made.cut() { // of what is cut off nothing is known
			c.zero = append(c.zero, agg.Name)
		}
	}
	if made.Spread > 0 {
		c.keys, c.columns = c.columns[:1:1], append(c.columns, made.SpreadCount())
	}
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
func (c *chain) agg(agg syntax.Agg) (Agg, error) {
	planned := Agg{at: agg.Pos, Name: agg.Name(), Field: QueryName(agg.Field), Func: funcs()[agg.Func]}
	if planned.Func == 0 {
		planned.Func = Quantile
		planned.Percentile, _ = syntax.Percentile(agg.Func)
	}
	if agg.Where == nil {
		return planned, nil
	}
	sets := len(c.lower.sets)
	where, err := c.lower.node(agg.Where, false)
	if err != nil {
		return Agg{}, err
	}
	planned.moving = len(c.lower.sets) < sets || slices.Contains(rows.FieldsOf(where), FieldTime)
	if planned.Where = where; c.options.Shift > 0 {
		planned.Where = shiftTimes(where, before(c.options.Shift))
	}
	return planned, nil
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
func (c *chain) histogram(pipe *syntax.Histogram) *Table {
	names := []syntax.Name{{Text: pipe.Key.Field}}
	count := Agg{Name: free("count", names), Func: Count}
	key := newKey(pipe.Key)
	switch {
	case key.Cut():
	case key.Field != FieldTime:
		return &Table{Aggs: []Agg{{Name: key.Name, Func: Spread, Field: key.Field}}, Spread: pipe.Buckets}
	case c.plan.From >= 0 && c.plan.To != NoTo && c.plan.From < c.plan.To:
		shift := int64(c.options.Shift) // the same buckets, whatever it is compared with
		key.Calendar = Level(c.plan.From+shift, c.plan.To-1+shift, time.Microsecond, pipe.Buckets)
	default:
		key.Auto = pipe.Buckets
	}
	return &Table{Keys: []Key{key}, Aggs: []Agg{count}, Top: true}
}

// facetsTable plans facets.
func (c *chain) facetsTable(pipe *syntax.Facets) (*Table, error) {
	facets := &Facets{N: pipe.N}
	for _, name := range pipe.Of {
		field, err := c.name(name)
		if err != nil {
			return nil, err
		}
		if c.plan.records && c.rest && field == model.FieldPattern {
			return nil, c.unknownPattern(name.Pos)
		}
		facets.Fields = append(facets.Fields, field)
		facets.Names = append(facets.Names, name.Text)
	}
	return &Table{Keys: []Key{{Name: "field"}, {Name: "value"}}, Aggs: []Agg{{Name: "count", Func: Count}}, Facets: facets}, nil
}

// patternsTable plans patterns.
func patternsTable(pipe *syntax.Patterns) *Table {
	return &Table{
		Keys: []Key{{Name: "pattern", Field: model.FieldLearned}},
		Aggs: []Agg{
			{Name: "count", Func: Count}, {Name: "percent", Func: Share}, {Name: "levels", Func: Mix, Field: model.FieldLevel},
			{Name: "first", Func: Min, Field: FieldTime}, {Name: "last", Func: Max, Field: FieldTime},
			{Name: "example", Func: Example, Field: model.FieldMessage}, {Name: "id", Func: PatternID},
		},
		Top: true, Steps: []Step{{Limit: pipe.N}},
	}
}
