package alert

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
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
}

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

// tally is what was counted of a bucket.
type tally struct {
	records int64
	figures []figure
}

// size is what a tally counts for.
func (t *tally) size() int { return 1 + len(t.figures) }

// begin begins a round: how many records there are is counted anew.
func (c *counts) begin() { c.records = nil }

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
	of := counting{tenant, fmt.Sprintf("%d\x00%s\x00%s\x00%s", width, c.Query, c.Share, quoted(c.By))}
	f.counts.forgetBefore(of, from)
	sums := map[string]*figure{}
	if len(c.By) == 0 { // also where there is nothing
		sums[triage.Group{}.Key()] = &figure{group: triage.Group{}}
	}
	for at := from; at < to; at += width {
		n := records[at]
		t, known := f.counts.of[of][at]
		switch {
		case n == 0:
			continue
		case !known || t.records != n:
			figures, complete, err := f.figures(ctx, tenant, c, at, at+width)
			if err != nil {
				return nil, err
			}
			if t = (tally{n, figures}); complete {
				f.counts.keep(of, at, t)
			}
		}
		for i := range t.figures {
			one := &t.figures[i]
			sum := sums[one.group.Key()]
			if sum == nil {
				sum = &figure{group: one.group}
				sums[one.group.Key()] = sum
			}
			sum.n, sum.more, sum.some = sum.n+one.n, sum.more+one.more, true
		}
	}
	var all []figure
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		all = append(all, *sums[key])
	}
	return holding(c, time.Duration(to-from), all), nil
}
