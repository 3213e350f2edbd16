package alert

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/triage"
)

const (
	trialWindowsMax = 750 // of rules each of whose windows has to be asked for alone
	trialTime       = 30 * time.Second
	bucketsMax      = 200_000
	trialMax        = 90 * 24 * time.Hour
)

// Tried is what a rule would have done between two times.
type Tried struct {
	triage.Trial
	From, To int64
	Every    time.Duration // between windows that were looked at
	Partial  string        // why not all of it was looked at
}

// replay is how a rule is taken through the past.
type replay struct {
	step    int64 // between ends of windows
	find    func(end int64) ([]triage.Finding, error)
	partial string // why not all of it is looked at
}

// Try takes a rule through what is stored of a tenant.
func (f *Finder) Try(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) (*Tried, error) {
	if to <= from || to-from > int64(trialMax) {
		return nil, &triage.Fault{Field: "from", Message: fmt.Sprintf("want a time before to, and at most %s before it", triage.Duration(trialMax))}
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	own := *f
	own.counts = nil // it is the watcher's
	how, err := own.replay(ctx, tenant, r, from, to)
	if err != nil {
		return nil, err
	}
	t := &Tried{From: from, To: to, Every: time.Duration(how.step), Partial: how.partial}
	var ends []int64
	for end := from - from%how.step + how.step; end <= to; end += how.step {
		ends = append(ends, end)
	}
	trial, err := triage.Replay(r, ends, func(end int64) ([]triage.Finding, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return how.find(end)
	})
	if err != nil && trial.Windows > 0 && ctx.Err() != nil {
		t.Partial = fmt.Sprintf("only %d of %d windows were looked at in %v", trial.Windows, len(ends), trialTime)
		err = nil
	}
	t.Trial = *trial
	return t, err
}

// replay chooses how to look at the windows of a rule: all of them, counted at once, where
// that can be.
func (f *Finder) replay(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) (how replay, err error) {
	c := &r.When
	how.step = int64(r.Every)
	how.find = func(end int64) ([]triage.Finding, error) {
		s, err := f.Find(ctx, tenant, r, end, nil)
		return s.Findings, err
	}
	switch {
	case c.Service != nil || c.Node != nil || c.Storage != nil || c.Quota != nil:
		return how, &triage.Fault{Field: "when", Message: "what services, nodes, disks and quotas were like is not stored; only rules on records can be tried"}
	case c.Anomaly != nil:
		how.thin(int64(c.Over), from, to, func(step int64) int64 { return (to - from) / step })
	case c.After != nil:
		// Most windows have nothing with which the sequence would end.
		last := *r
		last.When = triage.Condition{Query: c.Query, Over: c.Over, AtLeast: new(float64)}
		*last.When.AtLeast = 1
		there, partial, err := f.counted(ctx, tenant, &last, from, to)
		if err != nil {
			return how, err
		}
		how.partial = partial
		how.thin(int64(c.Over), from, to, func(step int64) (n int64) {
			for sweep, end := there.sweep(), from-from%step+step; end <= to; end += step {
				n += int64(len(sweep(end)))
			}
			return n
		})
		ask, sweep := how.find, there.sweep()
		how.find = func(end int64) ([]triage.Finding, error) {
			if len(sweep(end)) == 0 {
				return nil, nil
			}
			return ask(end)
		}
	case c.Measure != "":
		// What is measured of windows that overlap does not follow from parts of them.
		if how.step = int64(c.Over); c.Over > r.Every {
			how.partial = fmt.Sprintf("windows of %s were looked at one after the other, not one every %s", c.Over, r.Every)
		}
		fallthrough
	default:
		all, partial, err := f.counted(ctx, tenant, r, from, to)
		if err != nil {
			return how, err
		}
		if partial != "" {
			how.partial = partial
		}
		sweep := all.sweep()
		how.find = func(end int64) ([]triage.Finding, error) { return sweep(end), nil }
	}
	return how, nil
}

// thin leaves out windows until no more are asked for, of which asked says how many they
// are, than there is time for. Those that are left are windows that the rule has.
func (h *replay) thin(over, from, to int64, asked func(step int64) int64) {
	step := h.step
	for asked(step) > trialWindowsMax {
		step = max(over, step+max(h.step, step/2), (to-from)/(10*trialWindowsMax))
		step -= step % h.step
	}
	if step != h.step {
		h.step = step
		h.partial = fmt.Sprintf("only one window in %s was looked at: each has to be asked for alone", triage.Duration(step))
	}
}

// bucket is what there is of a group in a stretch of time: records, and those of Share, or
// what is measured of them.
type bucket struct {
	at    int64 // its begin
	key   string
	n     [2]float64
	whole bool // something was measured
}

// counted is what there is of all groups, in the order of time.
type counted struct {
	c       *triage.Condition
	groups  map[string]triage.Group
	buckets []bucket
}

// counted counts, in one query, all that windows between two times have.
func (f *Finder) counted(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) (*counted, string, error) {
	c := &r.When
	width := gcd(gcd(int64(r.Every), int64(c.Over)), int64(c.Known))
	text := condition(c.Query) + " | stats count()"
	switch {
	case c.Measure != "":
		width = int64(c.Over)
		text += ", " + c.Measure
	case c.Share != "":
		text += ", count_if(" + c.Share + ")"
	}
	text += fmt.Sprintf(" by (_time:%dms", width/int64(time.Millisecond))
	if len(c.By) > 0 {
		text += ", " + quoted(c.By)
	}
	text += ")"
	result, err := f.Engine.Search(ctx, query.Request{Audience: query.Audience{Tenant: tenant}, Text: text, From: from - int64(c.Over) - int64(c.Known), To: to, Whole: true, Groups: bucketsMax, Time: trialTime, Who: "triage trial"})
	if err != nil {
		return nil, "", err
	}
	out := &counted{c: c, groups: map[string]triage.Group{}}
	for _, row := range result.Rows {
		at, ok := moment(row[0])
		if !ok {
			continue
		}
		group, values := groupOf(row[1:1+len(c.By)]), row[1+len(c.By):]
		one := bucket{at: at, key: group.Key()}
		out.groups[one.key] = group
		one.n[0], _ = number(values[0])
		if len(values) > 1 {
			one.n[1], one.whole = number(values[1])
		}
		out.buckets = append(out.buckets, one)
	}
	slices.SortStableFunc(out.buckets, func(a, b bucket) int { return cmp.Compare(a.at, b.at) })
	partial := ""
	if !result.Complete {
		partial = result.Reason
	}
	return out, partial, nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func moment(cell any) (int64, bool) {
	text, ok := cell.(string)
	if !ok {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UnixNano(), err == nil
}

// window is the part of the buckets between two times, which only become later.
type window struct {
	first, next int // places of buckets
	n           map[string][2]float64
}

// move takes the window to where it is between two times.
func (w *window) move(all []bucket, from, to int64) {
	for ; w.next < len(all) && all[w.next].at < to; w.next++ {
		one, n := &all[w.next], w.n[all[w.next].key]
		w.n[one.key] = [2]float64{n[0] + one.n[0], n[1] + one.n[1]}
	}
	for ; w.first < w.next && all[w.first].at < from; w.first++ {
		one, n := &all[w.first], w.n[all[w.first].key]
		if n[0] -= one.n[0]; n[0] == 0 {
			delete(w.n, one.key)
		} else {
			w.n[one.key] = [2]float64{n[0], n[1] - one.n[1]}
		}
	}
}

// sweep returns what finds what there is in windows, whose ends must ascend.
func (b *counted) sweep() func(end int64) []triage.Finding {
	c, next := b.c, 0
	now, before := window{n: map[string][2]float64{}}, window{n: map[string][2]float64{}}
	return func(end int64) (out []triage.Finding) {
		from := end - int64(c.Over)
		if c.Measure != "" { // windows do not overlap: each is a bucket
			for ; next < len(b.buckets) && b.buckets[next].at < end; next++ {
				if one := &b.buckets[next]; one.at == from && one.whole && c.Holds(one.n[1]) {
					out = append(out, triage.Finding{Group: b.groups[one.key], Value: one.n[1]})
				}
			}
			return out
		}
		now.move(b.buckets, from, end)
		expected := now.n
		switch {
		case c.Absent && len(c.By) > 0:
			before.move(b.buckets, from-int64(c.Known), from)
			expected = before.n
		case len(c.By) == 0 && c.Share == "":
			expected = map[string][2]float64{"": {}} // also where there is nothing
		}
		for key := range expected {
			n, there := now.n[key]
			value := n[0]
			switch {
			case c.Share != "":
				value = 100 * n[1] / n[0]
			case c.Rate:
				value /= time.Duration(c.Over).Seconds()
			}
			if c.Absent && !there || !c.Absent && c.Holds(value) {
				out = append(out, triage.Finding{Group: b.groups[key], Value: value})
			}
		}
		slices.SortFunc(out, func(a, b triage.Finding) int { return cmp.Compare(a.Group.Key(), b.Group.Key()) })
		return out
	}
}
