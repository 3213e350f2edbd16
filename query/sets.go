package query

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

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
