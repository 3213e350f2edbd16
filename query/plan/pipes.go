package plan

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// chain plans what comes after the filter, pipe by pipe. Pipes on single
// records come first, as ops, and are done where the records are; with them
// sort, limit and offset of records, and the first pipe that makes a table or
// keeps the first of equal records, of which leaves answer parts that merge.
// All that follows are stages at the root.
type chain struct {
	plan  *Plan
	text  string
	now   int64
	joins []*rows.JoinSet // nil while they are not known
	lower *lowering       // has the sets that are not used yet

	ops        []rows.Op // before the first stage
	made       []Made    // virtual fields that all of these make, of the order and the table
	conditions []index.Expr
	printed    []string // the pipes that the ops come from
	patterns   bool     // what is compiled may ask for patterns
	rest       bool     // stages have begun, or must with the next pipe
	table

	options Options
}

// table is what is known of the table that flows from pipe to pipe.
type table struct {
	columns []string
	open    bool      // there can be others
	keys    []string  // those that rows are grouped by
	zero    []string  // those that are 0 where there are no records
	bucket  string    // the key with times
	buckets *Calendar // of it; nil if their size depends on what is found
}

// pipes plans what comes after the filter.
func (p *Plan) pipes(query *syntax.Query, options Options, lower *lowering) error {
	c := &chain{plan: p, lower: lower, text: query.Text, now: options.Now.UnixNano(), joins: options.Joins, options: options}
	p.records = true
	for _, pipe := range query.Pipes {
		var err error
		switch {
		case p.Table != nil && !p.Dedup && len(p.Rest) == 0 && isStep(pipe):
			c.columns, err = p.tablePipe(query.Text, pipe, c.columns)
			c.rest = true
		case c.rest || p.Table != nil:
			c.rest = true
			err = c.stage(pipe)
		default:
			err = c.recordPipe(pipe)
		}
		if err != nil {
			return err
		}
	}
	c.finish()
	return nil
}

// isStep reports whether a pipe is a step of a table.
func isStep(pipe syntax.Pipe) bool {
	switch pipe.(type) {
	case *syntax.Sort, *syntax.Fields, *syntax.Limit, *syntax.Offset:
		return true
	}
	return false
}

// finish completes the plan.
func (c *chain) finish() {
	p := c.plan
	if len(c.conditions) > 0 {
		all := c.conditions
		if _, ok := p.Expr.(index.All); !ok {
			all = append([]index.Expr{p.Expr}, all...)
		}
		p.Expr = conjunction(all)
		p.Cheap = cheap(p.Expr)
	}
	for i, op := range slices.Backward(c.ops) {
		if rows.Filters(op) {
			p.Filter, p.Cheap = newProgram(c.ops[:i+1], ""), false
			if p.Table != nil && len(c.made) > 0 {
				p.Whole = newWhole(c.ops, c.made)
			}
			break
		}
	}
	for _, op := range c.ops {
		switch op.(type) {
		case *rows.Where, *rows.Sample:
			continue
		}
		p.Shape = append(p.Shape, op)
	}
	if len(c.ops) > 0 {
		if keep, ok := c.ops[0].(*rows.Keep); ok {
			p.Fields = keep.Names
		}
	}
	p.Columns, p.Open = c.columns, c.open
	if len(c.ops) > 0 {
		p.Key = strings.Join(c.printed, "|")
	}
}

// print notes a pipe that decides what parts compute.
func (c *chain) print(pipe syntax.Pipe) {
	printed := syntax.Query{Filter: syntax.All{}, Pipes: []syntax.Pipe{pipe}}
	c.printed = append(c.printed, printed.String())
}

// narrowed reports whether records are already left out by their number.
func (c *chain) narrowed() bool { return c.plan.Limit != Unlimited || c.plan.Offset > 0 }

// rowOp adds an op: to those done where the records are, or to the stages.
func (c *chain) rowOp(op rows.Op) {
	if !c.rest && !(c.narrowed() && rows.Filters(op)) {
		c.ops, c.made = append(c.ops, op), nil // what fields were before it is computed alone
		return
	}
	c.rest = true
	last := len(c.plan.Rest) - 1
	if last >= 0 {
		if stage, ok := c.plan.Rest[last].(*RowsStage); ok {
			stage.Ops = append(stage.Ops, op)
			stage.Columns, stage.Open = slices.Clone(c.columns), c.open
			return
		}
	}
	c.plan.Rest = append(c.plan.Rest, &RowsStage{Ops: []rows.Op{op}, Columns: slices.Clone(c.columns), Open: c.open})
}

// recordPipe plans a pipe over records before the first stage.
func (c *chain) recordPipe(pipe syntax.Pipe) error {
	p := c.plan
	switch pipe := pipe.(type) {
	case *syntax.Stats, *syntax.Top, *syntax.Histogram, *syntax.Facets, *syntax.Patterns, *syntax.Timeline:
		if c.narrowed() {
			break
		}
		return c.firstTable(pipe)
	case *syntax.Dedup:
		if c.narrowed() {
			break
		}
		table := &Table{Aggs: []Agg{{Func: Min, Field: FieldPosition}}}
		for _, name := range pipe.By {
			table.Keys = append(table.Keys, Key{Name: name.Text, Field: c.field(QueryName(name.Text))})
		}
		p.Table, p.Dedup, c.rest = table, true, true
		return nil
	case *syntax.Sort:
		if c.narrowed() {
			break
		}
		p.Sort, c.made = nil, nil
		for _, key := range pipe.Keys {
			p.Sort = append(p.Sort, SortKey{Field: c.sortField(QueryName(key.Name.Text)), Desc: key.Desc})
		}
		c.print(pipe)
		return nil
	case *syntax.Limit:
		p.Limit = least(p.Limit, pipe.N)
		return nil
	case *syntax.Offset:
		p.Offset += pipe.N
		if p.Limit != Unlimited {
			p.Limit = max(0, p.Limit-pipe.N)
		}
		return nil
	default:
		if done, err := c.rowPipe(pipe); done || err != nil {
			return err
		}
	}
	c.rest = true
	return c.stage(pipe)
}

// least returns the smaller of two limits.
func least(a, b int) int {
	if a == Unlimited || b != Unlimited && b < a {
		return b
	}
	return a
}

// tablePipe plans a pipe over the rows of a table with these columns; it
// returns the columns after it.
func (p *Plan) tablePipe(text string, pipe syntax.Pipe, columns []string) ([]string, error) {
	step := Step{Limit: Unlimited}
	switch pipe := pipe.(type) {
	case *syntax.Sort:
		for _, key := range pipe.Keys {
			column, err := find(text, key.Name, columns)
			if err != nil {
				return nil, err
			}
			step.Sort = append(step.Sort, ColumnSort{Column: column, Desc: key.Desc})
		}
	case *syntax.Fields:
		kept := make([]string, 0, len(pipe.Names))
		for _, name := range pipe.Names {
			column, err := find(text, name, columns)
			if err != nil {
				return nil, err
			}
			step.Keep = append(step.Keep, column)
			kept = append(kept, columns[column])
		}
		columns = kept
	case *syntax.Limit:
		step.Limit = pipe.N
	case *syntax.Offset:
		step.Offset = pipe.N
	}
	p.Table.Steps = append(p.Table.Steps, step)
	return columns, nil
}

// find returns the column with a name; count stands for count(), and a synonym for the
// name where no column has that itself.
func find(text string, name syntax.Name, columns []string) (int, error) {
	for _, is := range [...]func(column string) bool{
		func(column string) bool { return column == name.Text },
		func(column string) bool { return column == name.Text+"()" },
		func(column string) bool { return QueryName(column) == QueryName(name.Text) },
	} {
		if i := slices.IndexFunc(columns, is); i >= 0 {
			return i, nil
		}
	}
	bare := make([]string, len(columns)) // count stands for count()
	for i, column := range columns {
		bare[i] = strings.TrimSuffix(column, "()")
	}
	return 0, syntax.NewError(text, name.Pos, "there is no column %q", name.Text).
		Expect(columns...).Suggest(syntax.Nearest(strings.TrimSuffix(name.Text, "()"), bare))
}

// column returns the column with a name.
func (c *chain) column(name syntax.Name) (string, error) {
	i, err := find(c.text, name, c.columns)
	switch {
	case err == nil:
		return c.columns[i], nil
	case c.open:
		return name.Text, nil
	}
	return "", err
}

// name returns the field or column with a name.
func (c *chain) name(name syntax.Name) (string, error) {
	if c.plan.records {
		return QueryName(name.Text), nil
	}
	return c.column(name)
}

// target returns the field or column that is to be set, which need not be
// there. Time and id of a record cannot be changed.
func (c *chain) target(name syntax.Name) (string, error) {
	if !c.plan.records {
		if i, err := find(c.text, name, c.columns); err == nil {
			return c.columns[i], nil
		}
		return name.Text, nil
	}
	field := QueryName(name.Text)
	if field == FieldTime || field == model.FieldID {
		return "", syntax.NewError(c.text, name.Pos, "the time and the id of a record cannot be changed").Suggest("another name")
	}
	return field, nil
}

// shifted returns the bounds and the condition of a plan so much earlier.
func (p *Plan) shift(by time.Duration, now int64) {
	if by == 0 {
		return
	}
	earlier := before(by)
	if p.To == NoTo {
		p.To = now
	}
	p.From, p.To = earlier(p.From), earlier(p.To)
	p.Expr = shiftTimes(p.Expr, earlier)
}

// before returns what makes times so much earlier.
func before(by time.Duration) func(at int64) int64 {
	return func(at int64) int64 {
		if at < math.MinInt64+int64(by) {
			return math.MinInt64
		}
		return at - int64(by)
	}
}

// shiftTimes changes the bounds on time in an expression.
func shiftTimes(e index.Expr, earlier func(int64) int64) index.Expr {
	return index.Map(e, func(e index.Expr) index.Expr {
		times, ok := e.(index.Times)
		if !ok {
			return e
		}
		to := times.To
		if to != NoTo {
			to = earlier(to)
		}
		return index.Times{From: earlier(times.From), To: to}
	})
}
