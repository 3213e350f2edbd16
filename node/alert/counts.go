package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/triage"
)

// Limits of what is remembered of counts.
const (
	bucketsOfWindow = 60      // at most; longer windows are counted as a whole
	figuresMax      = 200_000 // of all buckets of all rules
	togetherMax     = 16      // rules in one question
	togetherFields  = 2       // by which they are grouped
	togetherTries   = 3       // rounds in which such a question is asked again that comes to no end
	openMax         = 1000    // questions that came to none
)

// counts remembers what conditions of rules counted, bucket by bucket. Windows of a rule
// overlap: so a record is looked at once, not once for each window that it is in, and not
// again when its segment is merged with others. A bucket that has another number of records
// than when it was counted, as some came late or were removed, is counted again. What
// decides categories may change meanwhile: records stay counted as they were understood
// when they came, for the time of a window. It is of one goroutine.
type counts struct {
	of      map[counting]map[int64]tally // by when buckets begin
	size    int                          // of all
	records map[stretch]map[int64]int64  // how many each bucket has, as counted in this round
	rules   []*triage.Rule               // of the tenant that is looked at
	round   int
	open    map[stretch]attempts // buckets of which a question of several rules came to no end
	vain    map[stretch]bool     // those without bounds of which the last such question never did
}

// attempts is how often something was tried, and in which round last.
type attempts struct{ times, round int }

// counting is something that is counted of a tenant.
type counting struct {
	tenant model.TenantID
	text   string
}

// stretch is a window of a tenant in buckets.
type stretch struct {
	tenant          model.TenantID
	from, to, width int64
}

// unbounded is the same for all stretches of a tenant in buckets of a width.
func (s stretch) unbounded() stretch { return stretch{tenant: s.tenant, width: s.width} }

// tally is what was counted of a bucket.
type tally struct {
	records int64
	figures []figure
}

// size is what a tally counts for.
func (t *tally) size() int { return 1 + len(t.figures) }

// begin begins to look at the rules of a tenant: how many records there are is counted anew.
func (c *counts) begin(rules []*triage.Rule) {
	c.records, c.rules = nil, rules
	c.round++
}

// missed notes that a question about a bucket came to no end in this round.
func (c *counts) missed(of stretch) {
	if c.open == nil || len(c.open) >= openMax {
		c.open = map[stretch]attempts{}
	}
	c.open[of] = attempts{c.open[of].times + 1, c.round}
	if c.open[of].times == togetherTries {
		if c.vain == nil || len(c.vain) >= openMax {
			c.vain = map[stretch]bool{}
		}
		c.vain[of.unbounded()] = true
	}
}

// tries is in how many rounds a question about a bucket is asked. Where one has never come to
// an end, one rule takes too long for all: the next ones are asked once, or the others would
// fall behind for good.
func (c *counts) tries(of stretch) int {
	if c.vain[of.unbounded()] {
		return 1
	}
	return togetherTries
}

// ended notes that a question about a bucket came to an end.
func (c *counts) ended(of stretch) {
	delete(c.open, of)
	delete(c.vain, of.unbounded())
}

// known returns what was counted of a bucket with so many records.
func (c *counts) known(of counting, at, records int64) (tally, bool) {
	t, there := c.of[of][at]
	return t, there && t.records == records
}

// forget forgets everything.
func (c *counts) forget() { *c = counts{} }

// keep remembers a tally.
func (c *counts) keep(of counting, at int64, t tally) {
	if c.of == nil || c.size > figuresMax {
		c.of, c.size = map[counting]map[int64]tally{}, 0
	}
	if c.of[of] == nil {
		c.of[of] = map[int64]tally{}
	}
	before, there := c.of[of][at]
	if there {
		c.size -= before.size()
	}
	c.size += t.size()
	c.of[of][at] = t
}

// forgetBefore forgets the buckets before a time.
func (c *counts) forgetBefore(of counting, from int64) {
	for at, t := range c.of[of] {
		if at < from {
			c.size -= t.size()
			delete(c.of[of], at)
		}
	}
}

// overlaps reports whether windows of a rule are counted bucket by bucket, each as long as
// it is from one look to the next: where what is counted adds up, and a record counts for
// the same whenever it is looked at.
func (f *Finder) overlaps(r *triage.Rule) bool {
	c := &r.When
	if f.counts == nil || c.Measure != "" || c.Over%r.Every != 0 || c.Over == r.Every || c.Over/r.Every > bucketsOfWindow || r.Every%triage.Duration(time.Millisecond) != 0 {
		return false
	}
	texts := []string{condition(c.Query), condition(c.Share)}
	for _, field := range c.By {
		texts = append(texts, syntax.QuoteField(field)+":*")
	}
	now := f.Now().UnixNano()
	return !slices.ContainsFunc(texts, func(text string) bool {
		is, err := query.Condition(text, now)
		later, failed := query.Condition(text, now+int64(time.Hour))
		return err != nil || failed != nil || !reflect.DeepEqual(is, later)
	})
}

// inBuckets counts the records of each bucket of a window, once in a round; nil if that
// cannot be said.
func (f *Finder) inBuckets(ctx context.Context, of stretch) (map[int64]int64, error) {
	if records, known := f.counts.records[of]; known {
		return records, nil
	}
	text := fmt.Sprintf("* | stats count() by (_time:%dms)", of.width/int64(time.Millisecond))
	result, err := f.search(ctx, of.tenant, text, of.from, of.to, 0)
	if err != nil {
		return nil, err
	}
	records := map[int64]int64{}
	for _, row := range result.Rows {
		at, ok := moment(row[0])
		n, counted := number(row[len(row)-1])
		if !ok || !counted || (at-of.from)%of.width != 0 {
			records = nil // other buckets than ours
			break
		}
		records[at] = int64(n)
	}
	if !result.Complete {
		records = nil
	}
	if f.counts.records == nil {
		f.counts.records = map[stretch]map[int64]int64{}
	}
	f.counts.records[of] = records
	return records, nil
}

// countingOf is what is counted for a rule.
func countingOf(tenant model.TenantID, r *triage.Rule) counting {
	c := &r.When
	return counting{tenant, fmt.Sprintf("%d\x00%s\x00%s\x00%s", r.Every, c.Query, c.Share, quoted(c.By))}
}

// addUp is measure for rules whose windows overlap.
func (f *Finder) addUp(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) ([]triage.Finding, error) {
	c, width := &r.When, int64(r.Every)
	records, err := f.inBuckets(ctx, stretch{tenant, from, to, width})
	switch {
	case err != nil:
		return nil, err
	case records == nil:
		return f.measure(ctx, tenant, c, from, to)
	}
	of := countingOf(tenant, r)
	f.counts.forgetBefore(of, from)
	all := adding{}
	if len(c.By) == 0 { // also where there is nothing
		all.add(&figure{group: triage.Group{}})
	}
	for at := from; at < to; at += width {
		n := records[at]
		if n == 0 {
			continue
		}
		t, known := f.counts.known(of, at, n)
		if !known {
			if err := f.together(ctx, tenant, r, at, n); err != nil {
				return nil, err
			}
			t, known = f.counts.known(of, at, n)
		}
		if !known {
			figures, complete, err := f.figures(ctx, tenant, c, at, at+width)
			if err != nil {
				return nil, err
			}
			if t = (tally{n, figures}); complete {
				f.counts.keep(of, at, t)
			}
		}
		for i := range t.figures {
			all.add(&t.figures[i])
		}
	}
	return holding(c, time.Duration(to-from), all.figures()), nil
}

// adding adds up figures of groups.
type adding map[string]*figure

// add adds a figure.
func (a adding) add(one *figure) {
	key := one.group.Key()
	sum := a[key]
	if sum == nil {
		sum = &figure{group: one.group}
		a[key] = sum
	}
	sum.n, sum.more, sum.some = sum.n+one.n, sum.more+one.more, true
}

// figures returns the sums, in the order of the groups.
func (a adding) figures() (all []figure) {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		all = append(all, *a[key])
	}
	return all
}

// together counts a bucket with so many records for a rule, and in the same question for
// other rules of the tenant that have not counted it: so its records are read once. If it
// cannot, or there are no others, nothing is remembered. A question that comes to no end is
// asked again in the next rounds, and goes on from what was remembered of its parts: to ask
// for each rule then would take as long for each. Its error is errIncomplete, in the same
// round for the other rules, too.
func (f *Finder) together(ctx context.Context, tenant model.TenantID, r *triage.Rule, at, records int64) error {
	of := stretch{tenant, at, at + int64(r.Every), int64(r.Every)}
	switch before := f.counts.open[of]; {
	case before.times > 0 && before.round == f.counts.round:
		return fmt.Errorf("%w for several rules", errIncomplete)
	case before.times >= f.counts.tries(of):
		return nil
	}
	var rules []*triage.Rule
	var fields []string
	for _, other := range append([]*triage.Rule{r}, f.counts.rules...) {
		if other.ID == r.ID && len(rules) > 0 || len(rules) == togetherMax || other.Every != r.Every || condition(other.When.Query) == "*" || !f.overlaps(other) {
			continue
		}
		by := slices.Clone(fields)
		for _, field := range other.When.By {
			if !slices.Contains(by, field) {
				by = append(by, field)
			}
		}
		if _, known := f.counts.known(countingOf(tenant, other), at, records); !known && len(by) <= togetherFields {
			rules, fields = append(rules, other), by
		}
	}
	if len(rules) < 2 {
		return nil
	}
	result, err := f.search(ctx, tenant, joint(rules, fields), of.from, of.to, 0)
	switch {
	case errors.Is(err, errIncomplete):
		f.counts.missed(of)
		return err
	case err != nil || !result.Complete:
		return nil // each is asked for alone
	}
	f.counts.ended(of)
	column := len(fields)
	for _, one := range rules {
		f.counts.keep(countingOf(tenant, one), at, tally{records, pick(&one.When, fields, column, result.Rows)})
		column += columns(&one.When)
	}
	return nil
}

// columns is how many columns a condition has in a joint question: what nobody compares is
// not counted.
func columns(c *triage.Condition) int {
	if c.Share == "" {
		return 1
	}
	return 2
}

// joint is the question that counts for several rules, by all fields that they name: columns
// for each of them.
func joint(rules []*triage.Rule, fields []string) string {
	var conditions, counted []string
	for _, r := range rules {
		one := condition(r.When.Query)
		conditions = append(conditions, one)
		counted = append(counted, fmt.Sprintf("count_if(%s) as n%d", one, len(counted)))
		if columns(&r.When) > 1 {
			counted = append(counted, fmt.Sprintf("count_if(%s %s) as n%d", one, condition(r.When.Share), len(counted)))
		}
	}
	text := strings.Join(conditions, " OR ") + " | stats " + strings.Join(counted, ", ")
	if len(fields) > 0 {
		text += " by (" + quoted(fields) + ")"
	}
	return text
}

// pick returns what a joint question counted for a condition, whose columns begin at one.
func pick(c *triage.Condition, fields []string, column int, rows [][]any) []figure {
	all := adding{}
	for _, row := range rows {
		keys := make([]any, len(c.By))
		for i, field := range c.By {
			keys[i] = row[slices.Index(fields, field)]
		}
		one := figure{group: groupOf(keys)}
		one.n, _ = number(row[column])
		if columns(c) > 1 {
			one.more, _ = number(row[column+1])
		}
		if one.n > 0 {
			all.add(&one)
		}
	}
	return all.figures()
}
