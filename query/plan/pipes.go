package plan

import (
	"strings"

	"github.com/stere-log/stere/query/syntax"
)

// pipes plans what comes after the filter.
func (p *Plan) pipes(query *syntax.Query) error {
	var columns []string // of the table, as they stand after the last step
	for _, pipe := range query.Pipes {
		var err error
		switch {
		case p.Table != nil:
			columns, err = p.tablePipe(query.Text, pipe, columns)
		default:
			columns, err = p.recordPipe(query.Text, pipe)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recordPipe plans a pipe over records; it returns the columns of the table
// that the pipe makes, if it does.
func (p *Plan) recordPipe(text string, pipe syntax.Pipe) ([]string, error) {
	narrowed := p.Limit != Unlimited || p.Offset > 0
	switch pipe := pipe.(type) {
	case *syntax.Stats, *syntax.Top:
		if narrowed || p.Fields != nil {
			return nil, syntax.NewError(text, pipe.At(), "stats and top must come first").Expect("| stats ... | sort ... | limit ...")
		}
		return p.table(pipe), nil
	case *syntax.Sort:
		if narrowed {
			return nil, syntax.NewError(text, pipe.Pos, "sort must come before limit and offset")
		}
		p.Sort = nil
		for _, key := range pipe.Keys {
			p.Sort = append(p.Sort, SortKey{Field: QueryName(key.Name.Text), Desc: key.Desc})
		}
	case *syntax.Limit:
		p.Limit = least(p.Limit, pipe.N)
	case *syntax.Offset:
		p.Offset += pipe.N
		if p.Limit != Unlimited {
			p.Limit = max(0, p.Limit-pipe.N)
		}
	case *syntax.Fields:
		p.Fields = nil
		for _, name := range pipe.Names {
			p.Fields = append(p.Fields, QueryName(name.Text))
		}
	default:
		return nil, syntax.NewError(text, pipe.At(), "this pipe cannot be planned")
	}
	return nil, nil
}

// least returns the smaller of two limits.
func least(a, b int) int {
	if a == Unlimited || b != Unlimited && b < a {
		return b
	}
	return a
}

// table plans stats and top; it returns the column names.
func (p *Plan) table(pipe syntax.Pipe) (columns []string) {
	table := &Table{}
	switch pipe := pipe.(type) {
	case *syntax.Top:
		table.Top = true
		table.Keys = []Key{{Name: pipe.Field, Field: QueryName(pipe.Field)}}
		name := "count"
		if pipe.Field == name {
			name = "count()"
		}
		table.Aggs = []Agg{{Name: name, Func: Count}}
		table.Steps = []Step{{Limit: pipe.N}}
	case *syntax.Stats:
		for _, key := range pipe.By {
			table.Keys = append(table.Keys, Key{Name: key.Field, Field: QueryName(key.Field), Bucket: key.Bucket})
		}
		for _, agg := range pipe.Aggs {
			table.Aggs = append(table.Aggs, newAgg(agg))
		}
	}
	p.Table, p.Sort = table, nil
	for _, key := range table.Keys {
		columns = append(columns, key.Name)
	}
	for _, agg := range table.Aggs {
		columns = append(columns, agg.Name)
	}
	return columns
}

// newAgg plans one aggregate.
func newAgg(agg syntax.Agg) Agg {
	planned := Agg{Name: agg.Name(), Field: QueryName(agg.Field)}
	switch agg.Func {
	case "count":
		planned.Func = Count
	case "sum":
		planned.Func = Sum
	case "avg":
		planned.Func = Avg
	case "min":
		planned.Func = Min
	case "max":
		planned.Func = Max
	case "count_distinct":
		planned.Func = Distinct
	default:
		planned.Func = Quantile
		planned.Percentile, _ = syntax.Percentile(agg.Func)
	}
	return planned
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
	default:
		return nil, syntax.NewError(text, pipe.At(), "there can be only one stats or top")
	}
	p.Table.Steps = append(p.Table.Steps, step)
	return columns, nil
}

// find returns the column with a name; count stands for count().
func find(text string, name syntax.Name, columns []string) (int, error) {
	for _, want := range [...]string{name.Text, name.Text + "()", QueryName(name.Text)} {
		for i, column := range columns {
			if column == want {
				return i, nil
			}
		}
	}
	return 0, syntax.NewError(text, name.Pos, "there is no column %q", name.Text).
		Expect(columns...).Suggest(syntax.Nearest(strings.TrimSuffix(name.Text, "()"), columns))
}
