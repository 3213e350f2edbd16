package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// What the queries inside a query may find at most, all together.
const (
	setValuesMax = 100_000
	setBytesMax  = 8 << 20
)

// sets runs the queries inside the filter of a request and puts what they find
// into it. The outcome is partial if they find too much or see too little.
func (e *Engine) sets(ctx context.Context, from *source, request *Request, subs []*syntax.Subquery, at *cursor) (exec.Outcome, error) {
	var reasons []string
	count, size := 0, 0
	for _, sub := range subs {
		values, outcome, err := e.set(ctx, from, request, sub, at)
		var fault *syntax.Error
		if errors.As(err, &fault) {
			return outcome, fault.Inside(request.Text, sub.Pos)
		}
		if err != nil {
			return outcome, fmt.Errorf("run the query inside the query: %w", err)
		}
		if !outcome.Complete {
			reasons = append(reasons, "the query inside the query: "+outcome.Reason)
		}
		for i, value := range values {
			if count++; count > setValuesMax || size+len(value) > setBytesMax {
				values = values[:i]
				reasons = append(reasons, fmt.Sprintf("the query inside the query finds more than %d values or %d bytes", setValuesMax, setBytesMax))
				break
			}
			size += len(value)
		}
		request.sets = append(request.sets, values)
	}
	return exec.Outcome{Complete: len(reasons) == 0, Reason: exec.JoinReasons(reasons)}, nil
}

// set returns the different values that a query inside a query finds, in order.
func (e *Engine) set(ctx context.Context, from *source, outer *Request, sub *syntax.Subquery, at *cursor) (values []string, outcome exec.Outcome, err error) {
	request := Request{Tenant: outer.Tenant, Text: sub.Text, From: outer.From, To: outer.To, memory: outer.memory}
	query, err := syntax.Parse(sub.Text)
	if err != nil {
		return nil, outcome, err
	}
	field := lastField(query)
	if field != "" && len(query.Pipes) == 1 && field != model.FieldID {
		// The distinct values of a field: no record need be read for them.
		query.Pipes = []syntax.Pipe{&syntax.Stats{Aggs: []syntax.Agg{{Func: "count"}}, By: []syntax.Key{{Field: field}}}}
		request.Text = query.String()
	}
	run, err := e.prepare(ctx, from, &request, at)
	if err != nil {
		return nil, outcome, err
	}
	var found []string
	switch {
	case run.plan.Table != nil:
		found, outcome, err = e.firstColumn(ctx, from, run, &request, at)
	case field == "":
		return nil, outcome, syntax.NewError(sub.Text, 0, "it does not say which values make the set").Expect("| fields name", "a table, of which the first column counts")
	default:
		found, outcome, err = e.fieldValues(ctx, from, run, &request, at, field)
	}
	outcome = run.outcome.And(outcome)
	slices.Sort(found)
	return slices.Compact(found), outcome, err
}

// lastField returns the field that a query ends with: | fields name.
func lastField(query *syntax.Query) string {
	if len(query.Pipes) == 0 {
		return ""
	}
	fields, ok := query.Pipes[len(query.Pipes)-1].(*syntax.Fields)
	if !ok || len(fields.Names) != 1 {
		return ""
	}
	return plan.QueryName(fields.Names[0].Text)
}

// firstColumn returns the texts of the first column of a table.
func (e *Engine) firstColumn(ctx context.Context, from *source, run *prepared, request *Request, at *cursor) ([]string, exec.Outcome, error) {
	asked := &leafRequest{kind: leafTable, Request: *request, now: at.Now, limits: e.config.limits(request.memory)}
	found, err := exec.Table(ctx, from.all(asked), run.plan, setValuesMax+1, asked.limits)
	if err != nil {
		return nil, exec.Outcome{}, err
	}
	var texts []string
	for _, row := range found.Rows {
		if text, ok := cellText(row[0]); ok {
			texts = append(texts, text)
		}
	}
	return texts, found.Outcome, nil
}

// fieldValues returns the texts of a field of the records found.
func (e *Engine) fieldValues(ctx context.Context, from *source, run *prepared, request *Request, at *cursor, field string) ([]string, exec.Outcome, error) {
	page := exec.Page{Size: e.config.LimitMax, Skip: min(run.plan.Offset, e.config.OffsetMax)}
	if run.plan.Limit != plan.Unlimited {
		page.Size = min(page.Size, run.plan.Limit)
	}
	asked := &leafRequest{kind: leafPage, Request: *request, now: at.Now, page: page, limits: e.config.limits(request.memory)}
	found, err := exec.Records(ctx, from.all(asked), run.plan, page, asked.limits)
	if err != nil {
		return nil, exec.Outcome{}, err
	}
	outcome := found.Outcome
	if found.HasMore && (run.plan.Limit == plan.Unlimited || run.plan.Limit > page.Size) {
		outcome = exec.Outcome{Reason: fmt.Sprintf("it finds more than %d records", page.Size)}
	}
	var texts []string
	for i := range found.Hits {
		hit := &found.Hits[i]
		if field == model.FieldID {
			texts = append(texts, hit.ID.String())
			continue
		}
		for _, f := range hit.Record.Fields {
			if f.Kind != model.Null && plan.QueryName(model.QueryName(f.Name)) == field {
				texts = append(texts, f.Text)
			}
		}
	}
	return texts, outcome, nil
}

// cellText returns a cell as the text of a value; ok is false for null.
func cellText(cell any) (text string, ok bool) {
	switch cell := cell.(type) {
	case string:
		return cell, true
	case int64:
		return strconv.FormatInt(cell, 10), true
	case float64:
		return strconv.FormatFloat(cell, 'g', -1, 64), true
	case json.Number:
		return cell.String(), true
	case bool:
		return strconv.FormatBool(cell), true
	}
	return "", false
}
