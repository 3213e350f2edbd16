package insight

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// Searcher answers queries; *query.Engine is one.
type Searcher interface {
	Search(ctx context.Context, request query.Request) (*query.Result, error)
	// Remember prepares the answers to requests that follow; it need not come to an end.
	Remember(ctx context.Context, requests []query.Request) error
}

// groupsMax is how many groups a question makes at most, so that values of which
// there are ever more, as patterns of odd messages in many components, cost no more
// than so much. An answer of which groups are missing says so.
const groupsMax = 100_000

// Service answers what logs amount to.
type Service struct {
	engine Searcher
	judge  Judge // nil if nobody says what of the findings is right
	known  Known // nil if nothing is known besides records
	now    func() time.Time

	happened *happened
}

// New returns a service; judge may be nil.
func New(engine Searcher, judge Judge, now func() time.Time) *Service {
	return &Service{engine: engine, judge: judge, now: now, happened: &happened{}}
}

// Scope is which records are looked at.
type Scope struct {
	query.Audience
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

// IsComplete reports whether it is.
func (c Completeness) IsComplete() bool { return c.Complete }

// asker asks questions over one scope. The first error stays, and ends what
// comes after it.
type asker struct {
	ctx     context.Context
	engine  Searcher
	base    query.Request
	filter  string // of the scope, printed; "" for all
	reasons []string
	err     error
	budget  *budget // nil: every question has the time that the engine allows
	known   Known   // as of Service
	// happened is what is remembered of the scope, of which counted is how many records
	// there are now; nil: nothing is.
	happened *happened
	counted  *counts
	along    []question // that follow those about events, and are prepared with them
}

// budget is the time that all questions for one answer have together. A question that
// finds none left is not asked, and the answer says which parts it lacks.
type budget struct {
	until   time.Time
	skipped int // questions that were not answered
	looks   []string
}

// Limits of budgets.
const (
	insightsTime  = 30 * time.Second       // for one answer
	questionLeast = 100 * time.Millisecond // with less left, a question is not asked
)

// outOfTime is why an answer lacks something.
const outOfTime = "the time for one answer was over before all was looked at"

// limit gives the questions of an answer a budget: less than the caller has, so that what
// was found can still be told.
func (a *asker) limit() {
	now := time.Now()
	a.budget = &budget{until: now.Add(insightsTime)}
	if end, ok := a.ctx.Deadline(); ok {
		if half := now.Add(end.Sub(now) / 2); half.Before(a.budget.until) {
			a.budget.until = half
		}
	}
}

// skip notes a question that was not answered.
func (a *asker) skip() *query.Result {
	a.budget.skipped++
	return &query.Result{}
}

// skips returns how many questions were not answered.
func (a *asker) skips() int {
	if a.budget == nil {
		return 0
	}
	return a.budget.skipped
}

// look runs a part of an answer and reports whether all its questions were answered: what it made of
// others would take what was not asked for what is not there.
func (a *asker) look(name string, run func()) bool {
	if a.budget == nil {
		run()
		return true
	}
	before := a.budget.skipped
	if time.Until(a.budget.until) < questionLeast {
		a.budget.skipped++
	} else {
		run()
	}
	if a.budget.skipped > before {
		a.budget.looks = append(a.budget.looks, name)
		return false
	}
	return true
}

// asker returns one for a scope.
func (s *Service) asker(ctx context.Context, scope Scope) (*asker, error) {
	a := &asker{ctx: ctx, engine: s.engine, known: s.known, base: query.Request{
		Audience: scope.Audience, From: scope.Window.From, To: scope.Window.To, Filters: scope.Filter, Who: scope.Who, Groups: groupsMax,
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
	if a.filter == "" && scope.Restriction == "" && len(scope.Filter) == 0 && s.now().UnixNano()-scope.Window.To < recentMax {
		a.happened, a.counted = s.happened, &counts{}
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

// question is what is asked of a table.
type question struct{ condition, pipes string }

// request returns the request of a query; see ask.
func (a *asker) request(condition, pipes string, limit int) query.Request {
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
	request.Text, request.Limit, request.Whole = text, limit, limit == 0
	return request
}

// expect has the answers to questions that are asked next prepared together: each looks for
// other things in the same records. What is not prepared they find themselves.
func (a *asker) expect(questions []question) {
	if a.err != nil {
		return
	}
	ctx, most := a.ctx, time.Duration(0)
	if a.budget != nil {
		left := time.Until(a.budget.until)
		if left < questionLeast {
			return
		}
		most = left / 2
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, most)
		defer cancel()
	}
	requests := make([]query.Request, len(questions))
	for i, q := range questions {
		requests[i] = a.request(q.condition, q.pipes, 0)
		if most > 0 {
			requests[i].Time = most
		}
	}
	remember := func(ctx context.Context) { _ = a.engine.Remember(ctx, requests) } // Search meets the error again
	if _, watched := pprof.Label(ctx, "watches"); watched {
		pprof.Do(ctx, pprof.Labels("asks", "all together"), remember)
	} else {
		remember(ctx)
	}
}

// ask runs a query: a condition, which may be "", and pipes.
func (a *asker) ask(condition, pipes string, limit int) *query.Result {
	empty := &query.Result{}
	if a.err != nil {
		return empty
	}
	request := a.request(condition, pipes, limit)
	text, ctx := request.Text, a.ctx
	if a.budget != nil {
		left := time.Until(a.budget.until)
		if left < questionLeast {
			return a.skip()
		}
		// Half of what is left, so that no question takes it all.
		if request.Time == 0 || request.Time > left/2 {
			request.Time = left / 2
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, a.budget.until) // the wait for a turn, too
		defer cancel()
	}
	var result *query.Result
	var err error
	search := func(ctx context.Context) { result, err = a.engine.Search(ctx, request) }
	if _, watched := pprof.Label(ctx, "watches"); watched {
		pprof.Do(ctx, pprof.Labels("asks", condition), search)
	} else {
		search(ctx) // what people ask about has no place in profiles
	}
	if err != nil && a.budget != nil && a.ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil) {
		return a.skip()
	}
	if err != nil {
		a.err = fmt.Errorf("ask %q: %w", text, err)
		return empty
	}
	if !result.Complete {
		a.reasons = append(a.reasons, result.Reason)
	}
	if result.Table && result.HasMore {
		a.reasons = append(a.reasons, fmt.Sprintf("only the first %d groups are looked at", len(result.Rows)))
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
	if a.budget != nil && len(a.budget.looks) > 0 {
		return Completeness{Reason: fmt.Sprintf(outOfTime+"; left out: %s. Ask for a shorter timeframe, or for one component",
			strings.Join(a.budget.looks, ", "))}
	}
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

// Window is a stretch of time in Unix nanoseconds, half open.
type Window struct{ From, To int64 }

// windowMax is the longest window.
const windowMax = 10 * 366 * 24 * time.Hour

// Last returns the window of a length that ends now.
func Last(length time.Duration, now time.Time) Window {
	return Window{From: now.Add(-length).UnixNano(), To: now.UnixNano() + 1}
}

// ParseTimeframe reads the length of a window: 1h, 24h, 7d, 1h30m.
func ParseTimeframe(text string, now time.Time) (Window, error) {
	length, err := syntax.ParseDuration(strings.TrimSpace(text))
	if err != nil || length <= 0 || length > windowMax {
		return Window{}, &ParamError{Param: "timeframe", Message: fmt.Sprintf("%.50q is no length of time", text), Expect: []string{"1h", "24h", "7d", "30d"}}
	}
	return Last(length, now), nil
}

// Before returns the window of the same length that ends where this begins.
func (w Window) Before() Window { return Window{From: w.From - (w.To - w.From), To: w.From} }

// Length returns how long it is.
func (w Window) Length() time.Duration { return time.Duration(w.To - w.From) }

// TimeRange is a window as answers have it; both ends are in it.
type TimeRange struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// timeRange returns the window as answers have it: with both ends in it, as it was
// asked for.
func (w Window) timeRange() TimeRange {
	return TimeRange{Start: time.Unix(0, w.From).UTC(), End: time.Unix(0, w.To-1).UTC()}
}
