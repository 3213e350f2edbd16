package query

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// whole runs a query in parentheses.
func (c *chain) whole(query *syntax.Query) (*rows.Set, error) {
	in := c.inside(query.String())
	p, err := in.plan()
	if err != nil {
		return nil, err
	}
	matched := c.state.matched
	set, err := in.set(p, len(p.Rest), math.MaxInt)
	c.state.matched = matched
	return set, err
}

// joinSet runs the query of a join.
func (c *chain) joinSet(join *syntax.Join) (*rows.JoinSet, error) {
	set, err := c.whole(join.Sub.Query)
	if err != nil {
		return nil, err
	}
	by := make([]string, len(join.By))
	for i, name := range join.By {
		by[i] = name.Text
		if set.Records {
			by[i] = plan.QueryName(name.Text)
		} else if !hasColumn(set, name.Text) {
			for _, other := range [...]string{name.Text + "()", plan.QueryName(name.Text)} {
				if hasColumn(set, other) {
					by[i] = other
				}
			}
		}
	}
	columns := set.Columns
	if set.Records {
		setColumns(set, nil, true)
		columns = set.Columns
	}
	var names []string
	for _, column := range columns {
		if !slices.Contains(by, column.Name) && column.Name != plan.FieldTime && column.Name != model.FieldID {
			names = append(names, column.Name)
		}
	}
	found := rows.NewJoinSet(names)
	for i := range set.Rows {
		if !found.Add(&set.Rows[i], by) {
			c.partial("join looks up at most %d rows and %d bytes", rows.JoinRowsMax, rows.JoinBytesMax)
			break
		}
	}
	for i, name := range found.Columns {
		found.Columns[i] = plan.QueryName(name)
	}
	return found, nil
}

// lookup returns the lookup table that a pipe names.
func (e *Engine) lookup(request *Request, pipe *syntax.Lookup) (*rows.JoinSet, error) {
	var known []string
	if e.config.Lookups != nil {
		table, err := e.config.Lookups.Table(request.Tenant, pipe.Table.Text)
		if err != nil {
			return nil, fmt.Errorf("read lookup table %s: %w", pipe.Table.Text, err)
		}
		if table != nil {
			return table.Set(pipe.As.Text), nil
		}
		known = e.config.Lookups.Names(request.Tenant)
	}
	return nil, syntax.NewError(request.Text, pipe.Table.Pos, "there is no lookup table %q", pipe.Table.Text).Suggest(syntax.Nearest(pipe.Table.Text, known))
}

// lookups returns the lookup tables of a text without queries inside.
func (e *Engine) lookups(request *Request) (sets []*rows.JoinSet, err error) {
	query, err := syntax.Parse(request.Text)
	if err != nil {
		return nil, err
	}
	for _, pipe := range query.Pipes {
		if pipe, ok := pipe.(*syntax.Lookup); ok {
			set, err := e.lookup(request, pipe)
			if err != nil {
				return nil, err
			}
			sets = append(sets, set)
		}
	}
	return sets, nil
}

// LookupNames returns the names of a tenant's lookup tables.
func (e *Engine) LookupNames(tenant model.TenantID) []string {
	if e.config.Lookups == nil {
		return nil
	}
	return e.config.Lookups.Names(tenant)
}

// hasColumn reports whether a set has a column.
func hasColumn(set *rows.Set, name string) bool {
	return slices.ContainsFunc(set.Columns, func(c rows.Column) bool { return c.Name == name })
}

// union adds what another query finds.
func (c *chain) union(set *rows.Set, stage *plan.UnionStage) error {
	letGo := c.hold(setBytes(set))
	other, err := c.whole(stage.Query)
	letGo()
	if err != nil {
		return err
	}
	if !set.Records {
		columns := slices.Concat(set.Columns, other.Columns)
		set.Columns = nil
		for _, column := range columns {
			if !hasColumn(set, column.Name) {
				set.Columns = append(set.Columns, column)
			}
		}
	}
	set.Rows = append(set.Rows, other.Rows...)
	return nil
}

// contextHits is around how many records context looks.
const contextHits = 100

// ContextField is the field that context gives every record: the id of the
// record that it was found around.
const ContextField = "_around"

// context puts the records around each record before and after it. A record
// that is around several is there once, with the first.
func (c *chain) context(set *rows.Set, n int) error {
	if len(set.Rows) > contextHits {
		set.Cut(0, contextHits)
		c.partial("context looks around %d records", contextHits)
	}
	seen := map[model.RecordID]bool{}
	for i := range set.Rows {
		seen[set.Rows[i].ID] = true
	}
	var all []rows.Row
	bytes, left := 0, c.left()
	for i := range set.Rows {
		row := &set.Rows[i]
		if bytes > left {
			break // bound says so
		}
		if err := c.bounded.Err(); err != nil {
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
			c.partial("the time limit of %s is over", c.engine.config.Time)
			break
		}
		around, err := c.around(row, n, seen)
		if err != nil {
			return err
		}
		for _, near := range around {
			near.Set(ContextField, expr.OfText(row.ID.String()))
			bytes += near.Bytes()
			all = append(all, near)
		}
	}
	set.Rows = all
	return nil
}

// around returns a record between those next to it that are not seen yet, in
// order of time.
func (c *chain) around(row *rows.Row, n int, seen map[model.RecordID]bool) ([]rows.Row, error) {
	request := Request{Audience: c.request.Audience}
	for _, name := range sourceFields() {
		if v := row.Get(name); v.Kind != expr.Null && v.String() != "" {
			request.Filters = append(request.Filters, Filter{Field: name, Values: []string{v.String()}})
		}
	}
	at := exec.Position{Time: row.Time, ID: row.ID}
	var all []rows.Row
	for _, desc := range [...]bool{true, false} {
		asked := request
		found, err := c.engine.nextTo(c.ctx, c.from, &asked, at, desc, n, c.limits())
		if err != nil {
			return nil, fmt.Errorf("find records around %s: %w", row.ID, err)
		}
		c.note(found.Outcome)
		side := recordSet(found.Hits).Rows
		if desc {
			slices.Reverse(side)
		} else {
			all = append(all, *row)
		}
		for _, near := range side {
			if !seen[near.ID] {
				seen[near.ID] = true
				all = append(all, near)
			}
		}
	}
	return all, nil
}

// compare adds to each row what its columns were some time before, and by how
// much they changed; and rows that are there no more.
func (c *chain) compare(set *rows.Set, p *plan.Plan, number int, stage *plan.CompareStage) error {
	before := *c
	before.shift += stage.Ago
	if before.shift < 0 {
		return &RequestError{Field: "query", Message: "compares with a time that is too far away"}
	}
	before.sets, before.joins = nil, nil
	earlier, err := before.plan()
	if err != nil {
		return err
	}
	matched := c.state.matched
	letGo := c.hold(setBytes(set))
	other, err := before.set(earlier, number, math.MaxInt)
	letGo()
	c.state.matched = matched
	if err != nil {
		return err
	}
	index := map[string]int{}
	for i := range other.Rows {
		index[compareKey(&other.Rows[i], stage, stage.Ago)] = i
	}
	for i := range set.Rows {
		row := &set.Rows[i]
		key := compareKey(row, stage, 0)
		if at, ok := index[key]; ok {
			compareRow(row, &other.Rows[at], stage)
			delete(index, key)
			continue
		}
		compareRow(row, &rows.Row{}, stage)
	}
	for i := range other.Rows {
		gone := &other.Rows[i]
		if at, ok := index[compareKey(gone, stage, stage.Ago)]; !ok || at != i {
			continue
		}
		row := rows.Row{}
		for _, column := range set.Columns {
			v := expr.Value{}
			if slices.Contains(stage.Keys, column.Name) {
				v = gone.Get(column.Name)
			}
			if column.Name == stage.Time && v.Kind == expr.Time {
				v = expr.OfTime(v.Int + int64(stage.Ago))
			}
			if slices.Contains(stage.Zero, column.Name) {
				v = expr.OfInt(0)
			}
			row.Set(column.Name, v)
		}
		compareRow(&row, gone, stage)
		set.Rows = append(set.Rows, row)
	}
	for _, name := range stage.Values {
		for _, suffix := range [...]string{plan.BeforeSuffix, plan.ChangeSuffix} {
			set.Columns = append(set.Columns, rows.Column{Name: name + suffix})
		}
	}
	return nil
}

// compareKey returns a text that is equal for rows of the same group, at times
// that are so far apart.
func compareKey(row *rows.Row, stage *plan.CompareStage, later time.Duration) string {
	key := ""
	for _, name := range stage.Keys {
		v := row.Get(name)
		if v.Kind == expr.Time && name == stage.Time {
			v = expr.OfTime(v.Int + int64(later))
		}
		key += fmt.Sprintf("%d:%d:%s;", min(v.Kind, 1), len(v.String()), v.String())
	}
	return key
}

// compareRow sets what the columns were before and how they changed.
func compareRow(row, before *rows.Row, stage *plan.CompareStage) {
	for _, name := range stage.Values {
		was := before.Get(name)
		if was.Kind == expr.Null && slices.Contains(stage.Zero, name) {
			was = expr.OfInt(0)
		}
		now := row.Get(name)
		row.Set(name+plan.BeforeSuffix, was)
		row.Set(name+plan.ChangeSuffix, expr.Difference(now, was))
	}
}

// What the queries inside a query may find at most, all together.
const (
	setValuesMax = 100_000
	setBytesMax  = 8 << 20
)

// findSets runs the queries inside the conditions of the request and keeps what
// they find. The answer is partial if they find too much or see too little.
func (c *chain) findSets(subs []*syntax.Subquery) error {
	count, size := 0, 0
	c.sets = make([][]string, 0, len(subs))
	for _, sub := range subs {
		in := c.inside(sub.Text)
		in.state = &chainState{}
		values, err := in.values(sub)
		var fault *syntax.Error
		if errors.As(err, &fault) {
			return fault.Inside(c.request.Text, sub.Pos)
		}
		if err != nil {
			return fmt.Errorf("run the query inside the query: %w", err)
		}
		for _, reason := range in.state.reasons {
			c.partial("the query inside the query: %s", reason)
		}
		for i, value := range values {
			if count++; count > setValuesMax || size+len(value) > setBytesMax {
				values = values[:i]
				c.partial("the query inside the query finds more than %d values or %d bytes", setValuesMax, setBytesMax)
				break
			}
			size += len(value)
			c.room.held += len(value) // to the end of the request
		}
		c.sets = append(c.sets, values)
	}
	return nil
}

// values returns the different values that the request, a query inside another,
// finds, in order: those of the last field that is kept of records, or of the
// first column of a table.
func (c *chain) values(sub *syntax.Subquery) ([]string, error) {
	query, err := syntax.Parse(sub.Text)
	if err != nil {
		return nil, err
	}
	field := lastField(query)
	if last := len(query.Pipes) - 1; field != "" && field != model.FieldID && countable(query.Pipes[:last]) && isFields(query.Pipes[last]) {
		// The distinct values of a field: no record need be read for them.
		query.Pipes[last] = &syntax.Stats{Aggs: []syntax.Agg{{Func: "count"}}, By: []syntax.Key{{Field: field}}}
		c.request.Text = query.String()
	}
	p, err := c.plan()
	if err != nil {
		return nil, err
	}
	if p.Records() && field == "" {
		return nil, syntax.NewError(sub.Text, 0, "it does not say which values make the set").Expect("| fields name", "a table, of which the first column counts")
	}
	set, err := c.set(p, len(p.Rest), math.MaxInt)
	if err != nil {
		return nil, err
	}
	var found []string
	for i := range set.Rows {
		found = appendValues(found, set, &set.Rows[i], field)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// appendValues appends the texts of the values of a row: of a field of a record,
// or of the first column of a table.
func appendValues(dst []string, set *rows.Set, row *rows.Row, field string) []string {
	if !set.Records {
		if len(set.Columns) == 0 {
			return dst
		}
		field = set.Columns[0].Name
	}
	if set.Records && (field == plan.FieldTime || field == model.FieldID) {
		return append(dst, row.Get(field).String())
	}
	for _, f := range row.Fields {
		if f.Name == field && f.Value.Kind != expr.Null {
			dst = append(dst, f.Value.String())
		}
	}
	return dst
}

// lastField returns the field that a query keeps of records with its last pipe,
// or before pipes that only leave out and order records: | fields name.
func lastField(query *syntax.Query) string {
	for _, pipe := range slices.Backward(query.Pipes) {
		switch pipe := pipe.(type) {
		case *syntax.Fields:
			if len(pipe.Names) != 1 {
				return ""
			}
			return plan.QueryName(pipe.Names[0].Text)
		case *syntax.Sort, *syntax.Limit, *syntax.Offset, *syntax.Dedup, *syntax.Where, *syntax.Sample:
		default:
			return ""
		}
	}
	return ""
}

// isFields reports whether a pipe keeps fields.
func isFields(pipe syntax.Pipe) bool {
	_, ok := pipe.(*syntax.Fields)
	return ok
}

// countable reports whether the records after the pipes can be counted where they
// are.
func countable(pipes []syntax.Pipe) bool {
	return !slices.ContainsFunc(pipes, func(pipe syntax.Pipe) bool {
		switch pipe.(type) {
		case *syntax.Where, *syntax.Eval, *syntax.Rename, *syntax.Drop, *syntax.Extract, *syntax.ParseFormat, *syntax.Sample, *syntax.Sort:
			return false
		}
		return true
	})
}
