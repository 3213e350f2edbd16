package insight

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// Searcher answers queries; *query.Engine is one.
type Searcher interface {
	Search(ctx context.Context, request query.Request) (*query.Result, error)
}

// Service answers what logs amount to.
type Service struct {
	engine Searcher
	now    func() time.Time
}

// New returns a service.
func New(engine Searcher, now func() time.Time) *Service {
	return &Service{engine: engine, now: now}
}

// Scope is which records are looked at.
type Scope struct {
	Tenant model.TenantID
	Window Window
	Query  string         // a condition of the query language; "" for all records
	Filter []query.Filter // all must hold
	Who    string         // asks
}

// ParamError is a fault of a parameter.
type ParamError struct {
	Param   string
	Message string
	Expect  []string
}

// Error implements error.
func (e *ParamError) Error() string { return e.Param + ": " + e.Message }

// Completeness says whether an answer is made of all records.
type Completeness struct {
	Complete bool   `json:"complete"`
	Reason   string `json:"reason,omitempty"`
}

// asker asks questions over one scope. The first error stays, and ends what
// comes after it.
type asker struct {
	ctx     context.Context
	engine  Searcher
	base    query.Request
	filter  string // of the scope, printed; "" for all
	reasons []string
	err     error
}

// asker returns one for a scope.
func (s *Service) asker(ctx context.Context, scope Scope) (*asker, error) {
	a := &asker{ctx: ctx, engine: s.engine, base: query.Request{
		Tenant: scope.Tenant, From: scope.Window.From, To: scope.Window.To, Filters: scope.Filter, Who: scope.Who,
	}}
	parsed, err := syntax.Parse(scope.Query)
	switch {
	case err != nil:
		return nil, err
	case len(parsed.Pipes) > 0:
		return nil, syntax.NewError(scope.Query, parsed.Pipes[0].At(), "only a condition can stand here, no pipes")
	}
	if _, all := parsed.Filter.(syntax.All); !all {
		a.filter = "(" + syntax.Print(parsed.Filter) + ")"
	}
	return a, nil
}

// over returns an asker for another window.
func (a *asker) over(w Window) *asker {
	other := *a
	other.base.From, other.base.To, other.reasons = w.From, w.To, nil
	return &other
}

// take adds what another asker met.
func (a *asker) take(other *asker) {
	a.reasons = append(a.reasons, other.reasons...)
	if a.err == nil {
		a.err = other.err
	}
}

// ask runs a query: a condition, which may be "", and pipes.
func (a *asker) ask(condition, pipes string, limit int) *query.Result {
	empty := &query.Result{}
	if a.err != nil {
		return empty
	}
	text := a.filter
	if condition != "" {
		text += " (" + condition + ")"
	}
	if text == "" {
		text = "*"
	}
	if pipes != "" {
		text += " | " + pipes
	}
	request := a.base
	request.Text, request.Limit = text, limit
	result, err := a.engine.Search(a.ctx, request)
	if err != nil {
		a.err = fmt.Errorf("ask %q: %w", text, err)
		return empty
	}
	if !result.Complete {
		a.reasons = append(a.reasons, result.Reason)
	}
	return result
}

// table returns the rows of a table.
func (a *asker) table(condition, pipes string) [][]any { return a.ask(condition, pipes, 0).Rows }

// row returns the only row of a table, as long as the query has aggregates.
func (a *asker) row(condition, pipes string, columns int) []any {
	rows := a.table(condition, pipes)
	if len(rows) == 0 {
		return make([]any, columns)
	}
	return rows[0]
}

// completeness says what the answers so far lack.
func (a *asker) completeness() Completeness {
	if len(a.reasons) == 0 {
		return Completeness{Complete: true}
	}
	return Completeness{Reason: a.reasons[0]}
}

// whole returns a cell as a whole number.
func whole(cell any) int64 {
	switch cell := cell.(type) {
	case int64:
		return cell
	case float64:
		return int64(cell)
	}
	return 0
}

// number returns a cell as a number; nil is none.
func number(cell any) *float64 {
	var v float64
	switch cell := cell.(type) {
	case int64:
		v = float64(cell)
	case float64:
		v = cell
	case interface{ Float64() (float64, error) }:
		parsed, err := cell.Float64()
		if err != nil {
			return nil
		}
		v = parsed
	default:
		return nil
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// value returns a cell as a number, 0 for none.
func value(cell any) float64 {
	if v := number(cell); v != nil {
		return *v
	}
	return 0
}

// label returns a cell as the name of a group.
func label(cell any, missing string) string {
	if cell == nil {
		return missing
	}
	return fmt.Sprint(cell)
}

// at returns a cell as a time; nil is none.
func at(cell any) *time.Time {
	text, ok := cell.(string)
	if !ok {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil
	}
	return &t
}

// share returns a part of a whole in percent, with two decimals.
func share(part, all int64) float64 {
	if all == 0 {
		return 0
	}
	return round(float64(part) * 100 / float64(all))
}

// round cuts a figure to two decimals.
func round(v float64) float64 { return math.Round(v*100) / 100 }
