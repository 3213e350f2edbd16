package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// Limits are the budgets of one run. All must be positive.
type Limits struct {
	Time        time.Duration // of the whole run
	CountTime   time.Duration // for an exact total that texts are read for
	CountLarge  uint64        // total from which on CountBrief is all the time for it
	CountBrief  time.Duration // see CountLarge
	Groups      int           // groups of a table, distinct values of a facet
	Distinct    int           // values that count_distinct holds before it estimates
	Values      int           // values that percentiles hold before they estimate
	MemoryBytes int           // estimate for the groups of a table
	FacetValues int           // values of a facet that are returned
	Workers     int           // parts read at once
	Read        uint64        // stored bytes that Usage counts, after which no more parts are read; 0 has no limit
	Usage       *Usage        // what the run costs is counted there; nil: nowhere
	// Turn does a piece of the run when it is its turn; nil: at once.
	Turn func(ctx context.Context, piece func() error) error
}

// inTurn does a piece of work in its turn. A panic in it is its error.
func (l Limits) inTurn(ctx context.Context, piece func() error) error {
	guarded := func() error { return Guard(piece) }
	if l.Turn == nil {
		return guarded()
	}
	return l.Turn(ctx, guarded)
}

// Outcome says how complete an answer is.
type Outcome struct {
	Complete bool
	Reason   string // why it is not
}

// And returns the outcome of two things that an answer needs.
func (o Outcome) And(other Outcome) Outcome {
	reasons := slices.DeleteFunc([]string{o.Reason, other.Reason}, func(reason string) bool { return reason == "" })
	return Outcome{Complete: o.Complete && other.Complete, Reason: JoinReasons(reasons)}
}

// run is one execution.
type run struct {
	outer  context.Context // the caller's: its end is an error
	ctx    context.Context // with the time budget: its end makes a partial answer
	cancel context.CancelFunc
	parts  []part.Part
	far    []Remote
	plan   *plan.Plan
	limits Limits
	reads  reads

	mu struct {
		sync.Mutex
		reason string
		failed map[int]string // remotes that are missing, and why
	}
}

func newRun(ctx context.Context, from Source, p *plan.Plan, limits Limits) *run {
	inner, cancel := context.WithTimeout(ctx, limits.Time)
	return &run{outer: ctx, ctx: inner, cancel: cancel, parts: from.Parts, far: from.Remotes, plan: p, limits: limits}
}

// partial makes the answer a partial one; the first reason stays.
func (r *run) partial(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.reason == "" {
		r.mu.reason = reason
	}
}

// outcome says how complete the answer is: first what is missing as a whole,
// then what limit was met.
func (r *run) outcome() Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	var reasons []string
	for _, i := range slices.Sorted(maps.Keys(r.mu.failed)) {
		reasons = append(reasons, r.mu.failed[i])
	}
	if r.mu.reason != "" {
		reasons = append(reasons, r.mu.reason)
	}
	return Outcome{Complete: len(reasons) == 0, Reason: JoinReasons(reasons)}
}

// reasonsMax is how many reasons are named.
const reasonsMax = 8

// JoinReasons makes one reason of several.
func JoinReasons(reasons []string) string {
	if more := len(reasons) - reasonsMax; more > 0 {
		reasons = append(slices.Clone(reasons[:reasonsMax]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(reasons, "; ")
}

// settle turns the end of the time budget into a partial answer.
func (r *run) settle(err error) error {
	if err == nil || errors.Is(err, errRead) {
		return nil
	}
	if r.outer.Err() == nil && r.ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		r.partial(timeReason(r.limits.Time))
		return nil
	}
	return err
}

// errRead ends the pieces of a run that has read as much as it may.
var errRead = errors.New("as much is read as may be")

// overRead returns errRead when a run has read as much as it may.
func (r *run) overRead() error {
	if r.limits.Read == 0 || r.limits.Usage == nil || r.limits.Usage.Bytes.Load() <= r.limits.Read {
		return nil
	}
	r.partial(fmt.Sprintf("more than %d bytes would be read", r.limits.Read))
	return errRead
}

// timeReason says that there was no more time.
func timeReason(most time.Duration) string { return fmt.Sprintf("the time limit of %s is over", most) }

// pieceLength is how long a piece of work goes on with the next part: a turn is not for free,
// with a thread of its own for some, and of many small parts each would cost more than to
// read it.
const pieceLength = 5 * time.Millisecond

// each calls do for 0 <= i < n, about in this order, by at most Workers
// goroutines, and returns when all have ended. After an error or the end of
// the context no more calls start. A panic in a call is its error.
func (r *run) each(n int, do func(i int) error) error {
	var mu sync.Mutex
	var first error
	next := 0
	take := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil && next < n {
			first = cmp.Or(r.ctx.Err(), r.overRead())
		}
		if first != nil || next >= n {
			return 0, false
		}
		next++
		return next - 1, true
	}
	work := func() {
		for i, ok := take(); ok; i, ok = take() {
			err := r.turn(func() error {
				began := time.Now()
				for more := true; more; i, more = take() {
					if err := do(i); err != nil || time.Since(began) >= pieceLength {
						return err
					}
				}
				return nil
			})
			if err != nil {
				mu.Lock()
				if first == nil {
					first = err
				}
				mu.Unlock()
			}
		}
	}
	var wait sync.WaitGroup
	for range min(r.limits.Workers, n) - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
	return first
}

// turn does a piece of the run in its turn. A panic in it is its error.
func (r *run) turn(piece func() error) error { return r.limits.inTurn(r.ctx, piece) }

// bounds returns the rows lo <= row < hi of a part within the plan's times, and
// counts them.
func (r *run) bounds(p part.Part) (lo, hi uint32, err error) {
	if lo, hi, err = r.within(p); err == nil {
		r.limits.Usage.looked(p, hi-min(lo, hi))
	}
	return lo, hi, err
}

// within is bounds without the count.
func (r *run) within(p part.Part) (lo, hi uint32, err error) {
	first, last := p.TimeRange()
	rows := p.Rows()
	switch {
	case rows == 0 || last < r.plan.From || r.plan.To != plan.NoTo && first >= r.plan.To || r.plan.From >= r.plan.To:
		return 0, 0, nil
	case r.contains(p):
		return 0, rows, nil
	case r.plan.To == plan.NoTo:
		lo, err = before(p, r.plan.From)
		return lo, rows, err
	}
	return p.RowsBetween(r.plan.From, r.plan.To)
}

// contains reports whether all rows of a part are within the plan's times.
func (r *run) contains(p part.Part) bool {
	first, last := p.TimeRange()
	return first >= r.plan.From && (r.plan.To == plan.NoTo || last < r.plan.To)
}

// before returns how many rows of a part are earlier than a time.
func before(p part.Part, t int64) (uint32, error) {
	first, last := p.TimeRange()
	switch {
	case t <= first:
		return 0, nil
	case t > last:
		return p.Rows(), nil
	}
	_, hi, err := p.RowsBetween(math.MinInt64, t)
	return hi, err
}

// matching returns the rows lo <= row < hi that satisfy the plan.
func (r *run) matching(p part.Part, lo, hi uint32) (*index.DocSet, error) {
	if lo >= hi {
		return index.NewDocSet(), nil
	}
	within := index.DocSetRange(lo, hi)
	if _, ok := r.plan.Expr.(index.All); ok {
		return r.filtered(p, within)
	}
	if lo == 0 && hi == p.Rows() {
		within = nil
	}
	found, err := p.Eval(r.ctx, r.suited(p, r.plan.Expr), within)
	if err != nil {
		return nil, err
	}
	return r.filtered(p, found)
}

// suited returns the expression without what cannot hold in the part.
func (r *run) suited(p part.Part, e index.Expr) index.Expr {
	return plan.ForKinds(e, func(field string, kind model.Kind) bool { return part.MayHave(p, field, kind) })
}
