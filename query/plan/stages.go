package plan

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// compile compiles an expression over what flows.
func (c *chain) compile(e syntax.Expr) (*expr.Expr, error) {
	compiled, err := expr.Compile(c.text, e, c.now, func(ref syntax.Ref) (string, error) {
		switch {
		case !c.plan.records:
			return c.column(syntax.Name{Pos: ref.Pos, Text: ref.Name})
		case ref.Call:
			name := ref.Name[:max(0, len(ref.Name)-len(argumentOf(ref.Name)))]
			return "", syntax.NewError(c.text, ref.Pos, "there is no function %q", name).Expect(syntax.ExprFuncs()...).Suggest(syntax.SuggestFunc(name))
		}
		name := QueryName(ref.Name)
		if name == model.FieldPattern && !c.patterns {
			return "", c.unknownPattern(ref.Pos)
		}
		return name, nil
	})
	if err == nil && compiled.Now {
		c.plan.Volatile = true
	}
	return compiled, err
}

// argumentOf returns the parentheses at the end of a name like max(duration).
func argumentOf(name string) string {
	for i := range name {
		if name[i] == '(' {
			return name[i:]
		}
	}
	return ""
}

// rowPipe plans a pipe that works on single rows; done is false if it does not.
func (c *chain) rowPipe(pipe syntax.Pipe) (done bool, err error) {
	switch pipe := pipe.(type) {
	case *syntax.Where:
		err = c.where(pipe.Cond)
	case *syntax.Eval:
		err = c.eval(pipe.Set)
	case *syntax.Fill:
		if len(pipe.Set) == 0 {
			return false, nil
		}
		set := slices.Clone(pipe.Set)
		for i, a := range set {
			ref := syntax.Ref{Pos: a.Name.Pos, Name: a.Name.Text}
			set[i].To = syntax.Call{Pos: a.Name.Pos, Func: "coalesce", Args: []syntax.Expr{ref, a.To}}
			if !c.plan.records {
				if _, err := c.column(a.Name); err != nil {
					return true, err
				}
			}
		}
		err = c.eval(set)
	case *syntax.Rename:
		err = c.rename(pipe)
	case *syntax.Drop:
		err = c.drop(pipe.Names)
	case *syntax.Fields:
		err = c.keep(pipe.Names)
	case *syntax.Extract:
		err = c.extract(pipe)
	case *syntax.ParseFormat:
		err = c.parse(pipe)
	case *syntax.Sample:
		if !c.plan.records {
			return true, syntax.NewError(c.text, pipe.Pos, "sample needs records, and these are rows of a table").Suggest("sample before stats")
		}
		c.rowOp(&rows.Sample{OneIn: uint64(pipe.OneIn), Millionths: uint64(pipe.Millionths)})
	case *syntax.Join:
		err = c.join(pipe)
	case *syntax.Lookup:
		err = c.lookup(pipe)
	default:
		return false, nil
	}
	if err == nil && !c.rest {
		c.print(pipe)
	}
	return true, err
}

// add adds a column to a table if it is not there.
func (t *table) add(name string) {
	if !slices.Contains(t.columns, name) {
		t.columns = append(slices.Clone(t.columns), name)
	}
}

// remove takes columns out of a table.
func (t *table) remove(names ...string) {
	t.columns = slices.DeleteFunc(slices.Clone(t.columns), func(name string) bool { return slices.Contains(names, name) })
}

// replace gives a column of a table another name.
func (t *table) replace(from, to string) {
	for _, list := range []*[]string{&t.columns, &t.keys, &t.zero} {
		changed := slices.Clone(*list)
		for i, name := range changed {
			if name == from {
				changed[i] = to
			}
		}
		*list = changed
	}
	if t.bucket == from {
		t.bucket = to
	}
}

func (c *chain) eval(set []syntax.Assign) error {
	for _, a := range set {
		to, err := c.compile(a.To)
		if err != nil {
			return err
		}
		name, err := c.target(a.Name)
		if err != nil {
			return err
		}
		c.add(name)
		c.rowOp(&rows.Eval{Name: name, To: to})
	}
	return nil
}

func (c *chain) rename(pipe *syntax.Rename) error {
	for _, pair := range pipe.Pairs {
		from, err := c.name(pair.From)
		if err != nil {
			return err
		}
		if c.plan.records && (from == FieldTime || from == model.FieldID) {
			return syntax.NewError(c.text, pair.From.Pos, "the time and the id of a record keep their names").Suggest("eval " + pair.To.Text + " = " + from)
		}
		to := pair.To.Text
		if c.plan.records {
			if to, err = c.target(pair.To); err != nil {
				return err
			}
		} else if to != from {
			c.remove(to)
			c.replace(from, to)
		}
		c.rowOp(&rows.Rename{From: from, To: to, Exact: !c.plan.records})
	}
	return nil
}

func (c *chain) drop(names []syntax.Name) error {
	op := &rows.Drop{Exact: !c.plan.records}
	for _, name := range names {
		dropped, err := c.name(name)
		if err != nil {
			return err
		}
		if c.plan.records {
			if _, err := c.target(name); err != nil {
				return err
			}
		}
		op.Names = append(op.Names, dropped)
	}
	if c.remove(op.Names...); !c.plan.records && len(c.columns) == 0 && !c.open {
		return syntax.NewError(c.text, names[0].Pos, "no column is left")
	}
	c.rowOp(op)
	return nil
}

func (c *chain) keep(names []syntax.Name) error {
	op := &rows.Keep{Exact: !c.plan.records}
	for _, name := range names {
		kept, err := c.name(name)
		if err != nil {
			return err
		}
		if !op.Exact || !slices.Contains(op.Names, kept) {
			op.Names = append(op.Names, kept)
		}
	}
	if !c.plan.records {
		c.columns = slices.Clone(op.Names)
		c.open = false
	}
	c.rowOp(op)
	return nil
}

// from returns the field that a text is taken from.
func (c *chain) from(pos syntax.Pos, name syntax.Name) (string, error) {
	if name.Text == "" {
		name = syntax.Name{Pos: pos, Text: model.FieldMessage}
	}
	return c.name(name)
}

func (c *chain) extract(pipe *syntax.Extract) error {
	from, err := c.from(pipe.Pos, pipe.From)
	if err != nil {
		return err
	}
	op := &rows.Extract{From: from}
	if pipe.Regex {
		if op.Re, err = regexp.Compile(pipe.Pattern); err != nil {
			return syntax.NewError(c.text, pipe.Start, "the regular expression is wrong: %s", err)
		}
		op.Names = slices.Clone(op.Re.SubexpNames())
	} else {
		op.Parts, _ = syntax.SplitPattern(pipe.Pattern)
		for _, part := range op.Parts {
			op.Names = append(op.Names, part.Field)
		}
	}
	for i, name := range op.Names {
		if name == "" {
			continue
		}
		if op.Names[i], err = c.target(syntax.Name{Pos: pipe.Start, Text: name}); err != nil {
			return err
		}
		c.add(op.Names[i])
	}
	c.rowOp(op)
	return nil
}

func (c *chain) parse(pipe *syntax.ParseFormat) error {
	from, err := c.from(pipe.Pos, pipe.From)
	if err != nil {
		return err
	}
	c.open = !c.plan.records
	c.rowOp(&rows.Parse{From: from, JSON: pipe.Format == "json"})
	return nil
}

func (c *chain) join(pipe *syntax.Join) error {
	op := &rows.Join{Inner: pipe.Inner, Set: rows.NewJoinSet(nil)}
	other, err := c.inside(pipe.Sub)
	if err != nil {
		return err
	}
	for _, name := range pipe.By {
		if !other.records && !other.Open {
			if _, err := find(c.text, name, other.Columns); err != nil {
				return err
			}
		}
		by, err := c.name(name)
		if err != nil {
			return err
		}
		op.By = append(op.By, by)
	}
	c.joined(op)
	return nil
}

// lookup plans a lookup: a join with a table instead of what a query finds.
func (c *chain) lookup(pipe *syntax.Lookup) error {
	by, err := c.name(pipe.On)
	if err != nil {
		return err
	}
	c.joined(&rows.Join{By: []string{by}, Set: rows.NewJoinSet(nil)})
	return nil
}

// joined adds a join with the next of the sets that were found.
func (c *chain) joined(op *rows.Join) {
	if len(c.joins) > 0 {
		op.Set, c.joins = c.joins[0], c.joins[1:]
	} else {
		c.open = !c.plan.records
	}
	if !c.plan.records {
		for _, name := range op.Set.Columns {
			c.add(name)
		}
	}
	c.plan.Volatile = true
	c.rowOp(op)
}

// stage plans a pipe behind the first stage.
func (c *chain) stage(pipe syntax.Pipe) error {
	if done, err := c.rowPipe(pipe); done || err != nil {
		return err
	}
	p := c.plan
	switch pipe := pipe.(type) {
	case *syntax.Sort:
		sort := &SortStage{}
		for _, key := range pipe.Keys {
			name, err := c.name(key.Name)
			if err != nil {
				return err
			}
			sort.Keys = append(sort.Keys, SortKey{Field: name, Desc: key.Desc})
		}
		p.Rest = append(p.Rest, sort)
	case *syntax.Limit:
		p.Rest = append(p.Rest, &CutStage{Limit: pipe.N})
	case *syntax.Offset:
		p.Rest = append(p.Rest, &CutStage{Offset: pipe.N, Limit: Unlimited})
	case *syntax.Stats, *syntax.Top, *syntax.Histogram, *syntax.Facets, *syntax.Patterns, *syntax.Timeline:
		made, err := c.newTable(pipe)
		if err != nil {
			return err
		}
		c.statsStage(pipe, made)
	case *syntax.Dedup:
		dedup := &DedupStage{}
		for _, name := range pipe.By {
			by, err := c.name(name)
			if err != nil {
				return err
			}
			dedup.By = append(dedup.By, by)
		}
		p.Rest = append(p.Rest, dedup)
	case *syntax.Fill:
		return c.fill(pipe)
	case *syntax.Union:
		return c.union(pipe)
	case *syntax.Context:
		if !p.records {
			return syntax.NewError(c.text, pipe.Pos, "context needs records, and these are rows of a table")
		}
		p.Rest = append(p.Rest, &ContextStage{N: pipe.N})
	case *syntax.Compare:
		return c.compare(pipe)
	default:
		return syntax.NewError(c.text, pipe.At(), "this pipe must come first")
	}
	return nil
}

// fill plans the rows of empty time buckets.
func (c *chain) fill(pipe *syntax.Fill) error {
	if c.plan.records || c.bucket == "" || !slices.Contains(c.columns, c.bucket) {
		return syntax.NewError(c.text, pipe.Pos, "fill without fields needs a table by time").Expect("stats ... by (_time:1m) | fill", "fill field = value")
	}
	if c.buckets == nil {
		return syntax.NewError(c.text, pipe.Pos, "fill needs to know how wide the buckets are").Expect("histogram _time by 1m | fill")
	}
	fill := &rows.Buckets{Time: c.bucket, Values: map[string]expr.Value{}, Next: c.buckets.Next}
	for _, key := range c.keys {
		if key != c.bucket && slices.Contains(c.columns, key) {
			fill.Others = append(fill.Others, key)
		}
	}
	for _, name := range c.zero {
		fill.Values[name] = expr.OfInt(0)
	}
	c.plan.Rest = append(c.plan.Rest, &FillStage{Buckets: fill})
	return nil
}

// inside plans a query in parentheses, of which nothing has run yet.
func (c *chain) inside(sub *syntax.Subquery) (*Plan, error) {
	options := Options{Now: c.options.Now, From: c.options.From, To: c.options.To, Sets: make([][]string, len(Subqueries(sub.Query)))}
	return New(sub.Query, options)
}

func (c *chain) union(pipe *syntax.Union) error {
	other, err := c.inside(pipe.Sub)
	if err != nil {
		return err
	}
	if other.records != c.plan.records {
		forms := map[bool]string{true: "records", false: "a table"}
		return syntax.NewError(c.text, pipe.Pos, "the query before union finds %s, the one after it %s", forms[c.plan.records], forms[other.records])
	}
	for _, name := range other.Columns {
		c.add(name)
	}
	c.open = c.open || other.Open
	c.plan.Rest = append(c.plan.Rest, &UnionStage{Query: pipe.Sub.Query, Columns: slices.Clone(c.columns)})
	return nil
}

func (c *chain) compare(pipe *syntax.Compare) error {
	switch missing := func(name string) bool { return !slices.Contains(c.columns, name) }; {
	case c.plan.records:
		return syntax.NewError(c.text, pipe.Pos, "compare needs a table").Expect("stats ... | compare 1d")
	case c.plan.From == math.MinInt64:
		return syntax.NewError(c.text, pipe.Pos, "compare needs to know when the time that is compared begins").Expect("a time range", "_time:1d")
	case slices.ContainsFunc(c.keys, missing):
		return syntax.NewError(c.text, pipe.Pos, "compare needs the columns that rows are grouped by").Expect(c.keys...)
	}
	stage := &CompareStage{Ago: pipe.Ago, Keys: c.keys, Time: c.bucket, Zero: c.zero}
	for _, name := range slices.Clone(c.columns) {
		if !slices.Contains(c.keys, name) {
			stage.Values = append(stage.Values, name)
			c.add(name + BeforeSuffix)
			c.add(name + ChangeSuffix)
		}
	}
	c.plan.Rest = append(c.plan.Rest, stage)
	return nil
}

// BeforeSuffix and ChangeSuffix end the names of the columns that compare adds.
const (
	BeforeSuffix = "_before"
	ChangeSuffix = "_change"
)

// timelineTable plans the table that a timeline is made from.
func (c *chain) timelineTable(pipe *syntax.Timeline) (*Table, error) {
	if !c.plan.records {
		return nil, syntax.NewError(c.text, pipe.Pos, "timeline needs records, and these are rows of a table")
	}
	for _, column := range rows.TimelineColumns("")[1:] {
		if column.Name == pipe.By.Text {
			return nil, syntax.NewError(c.text, pipe.By.Pos, "a column of timeline has the name %q already", pipe.By.Text).
				Suggest(fmt.Sprintf("rename %s as id | timeline by id", pipe.By.Text))
		}
	}
	by := syntax.Ref{Pos: pipe.By.Pos, Name: pipe.By.Text}
	if err := c.where(syntax.Binary{Op: "!=", X: by, Y: syntax.Literal{}}); err != nil {
		return nil, err
	}
	failed := syntax.Binary{Op: ">=", X: syntax.Ref{Name: model.FieldLevel}, Y: syntax.Literal{Kind: syntax.LiteralText, Text: model.LevelError.String()}}
	one := syntax.Literal{Kind: syntax.LiteralNumber, Text: "1"}
	errors, err := c.compile(syntax.Call{Func: "if", Args: []syntax.Expr{failed, one}})
	if err != nil {
		return nil, err
	}
	c.rowOp(&rows.Eval{Name: rows.TimelineErrors, To: errors})
	return &Table{
		Keys: []Key{{Name: pipe.By.Text, Field: QueryName(pipe.By.Text)}, {Name: rows.TimelineComponent, Field: model.FieldComponent}},
		Aggs: []Agg{
			{Name: rows.TimelineCount, Func: Count}, {Name: rows.TimelineFirst, Func: Min, Field: FieldTime},
			{Name: rows.TimelineLast, Func: Max, Field: FieldTime}, {Name: rows.TimelineErrors, Func: Count, Field: rows.TimelineErrors},
		},
	}, nil
}

// timeline plans what makes a timeline of that table.
func (c *chain) timeline(pipe *syntax.Timeline) {
	c.plan.Rest = append(c.plan.Rest, &TimelineStage{By: pipe.By.Text})
	c.table = table{keys: []string{pipe.By.Text}, zero: []string{"count", "errors"}}
	for _, column := range rows.TimelineColumns(pipe.By.Text) {
		c.columns = append(c.columns, column.Name)
	}
	c.rest = true
}
