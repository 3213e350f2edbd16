package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// Explanation says how a request was answered, and at what cost.
type Explanation struct {
	Steps []ExplainStep
	Usage *exec.Usage // of the whole request, on all nodes
}

// ExplainStep is a condition, an order or a pipe.
type ExplainStep struct {
	Step string // filter, time, order, or the pipe's name
	What string // in the query language, about
	By   string // ByIndex, ByText or ByScan of a condition, AtRecords or AtRoot of a pipe
}

// How conditions are answered, and where pipes work.
const (
	ByIndex   = "index"          // what is kept with the records tells
	ByText    = "index and text" // it tells which texts have to be read
	ByScan    = "scan"           // every distinct value, or row, that is left is looked at
	AtRecords = "records"        // where the records are
	AtRoot    = "root"           // on the node that was asked
)

// explain says how a plan answers a request.
func explain(request *Request, p *plan.Plan) *Explanation {
	found := &Explanation{Usage: request.usage}
	add := func(step, what, by string) {
		found.Steps = append(found.Steps, ExplainStep{step, what, by})
	}
	if p.From != math.MinInt64 || p.To != plan.NoTo {
		add("time", rangeText(p.From, p.To), ByIndex)
	}
	exec.Leaves(p.Expr, func(condition index.Expr) {
		if _, all := condition.(index.All); !all {
			what, by := conditionText(condition)
			add("filter", what, by)
		}
	})
	if p.Table == nil {
		order := "newest first"
		if len(p.Sort) > 0 {
			var keys []string
			for _, key := range p.Sort {
				keys = append(keys, key.Field+map[bool]string{true: " desc", false: ""}[key.Desc])
			}
			order = strings.Join(keys, ", ")
		}
		by := ByScan
		if p.ByTime() {
			by = ByIndex
		}
		add("order", order, by)
	}
	query, err := syntax.Parse(request.Text)
	if err != nil {
		return found // it was planned, so it can be read
	}
	root := 0
	for i, pipe := range query.Pipes {
		alone := syntax.Query{Filter: syntax.All{}, Pipes: []syntax.Pipe{pipe}}
		text := strings.TrimPrefix(alone.String(), "* | ")
		until := syntax.Query{Filter: query.Filter, Pipes: query.Pipes[:i+1]}
		at := AtRoot
		if so, err := makePlan(&Request{Text: until.String(), From: request.From, To: request.To}, setting{}); err == nil && len(so.Rest) == root {
			at = AtRecords
		} else if err == nil {
			root = len(so.Rest)
		}
		name, _, _ := strings.Cut(text, " ")
		add(name, text, at)
	}
	return found
}

// rangeText returns bounds on time as text.
func rangeText(from, to int64) string {
	side := func(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339Nano) }
	switch {
	case to == plan.NoTo:
		return "from " + side(from)
	case from == math.MinInt64:
		return "before " + side(to)
	}
	return "from " + side(from) + ", before " + side(to)
}

// conditionText returns a condition as text, and how it is answered.
func conditionText(condition index.Expr) (what, by string) {
	switch c := condition.(type) {
	case index.Times:
		return rangeText(c.From, c.To), ByIndex
	case index.IDs:
		return fmt.Sprintf("_id: %d ids", len(c.Of)), ByIndex
	case index.Versus:
		return c.Field + " against " + c.Other, ByScan
	case index.Leaf:
		what, by = predicateText(c.Pred)
		field := c.Field
		if field == "" {
			field = "any field"
		} else {
			field = syntax.QuoteField(field)
		}
		if c.Field == model.FieldPattern {
			by = ByScan
		}
		if by == ByText && c.Field != "" && c.Field != model.FieldMessage {
			by = ByIndex
		}
		return field + ": " + what, by
	}
	return fmt.Sprintf("%T", condition), ByScan
}

// predicateText returns what is asked of a value, and how it is answered where the
// value may be a text.
func predicateText(pred index.Predicate) (what, by string) {
	switch p := pred.(type) {
	case index.Word:
		return "word " + syntax.QuoteValue(p.Folded), ByText
	case index.Prefix:
		return "word " + syntax.QuoteValue(p.Folded) + "*", ByText
	case index.Phrase:
		return "phrase " + strconv.Quote(p.Folded()), ByText
	case index.Equal:
		return "is " + syntax.QuoteValue(p.Text), ByText
	case plan.Element:
		return p.Key(), ByText
	case index.Exists:
		return "exists", ByIndex
	case index.Range:
		if p.Numeric {
			return fmt.Sprintf("%v to %v", p.Low, p.High), ByIndex
		}
		return strconv.Quote(p.LowText) + " to " + strconv.Quote(p.HighText), ByIndex
	case index.Regex:
		return "/" + p.Re.String() + "/", ByScan
	case interface{ Key() string }:
		if key := p.Key(); key != "" {
			return key, ByScan
		}
	}
	return fmt.Sprintf("%T", pred), ByScan
}
