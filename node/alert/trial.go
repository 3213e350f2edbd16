package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/triage"
)

const (
	trialWindowsMax = 500 // of rules each of whose windows has to be asked for alone
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

// Try takes a rule through what is stored of a tenant.
func (f *Finder) Try(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) (*Tried, error) {
	if to <= from || to-from > int64(trialMax) {
		return nil, &triage.Fault{Field: "from", Message: fmt.Sprintf("want a time before to, and at most %s before it", triage.Duration(trialMax))}
	}
	if r.When.Service != nil || r.When.Storage != nil || r.When.Quota != nil {
		return nil, &triage.Fault{Field: "when", Message: "what services, disks and quotas were like is not stored; only rules on records can be tried"}
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	t := &Tried{From: from, To: to, Every: time.Duration(r.Every)}
	find := func(end int64) ([]triage.Finding, error) {
		s, err := f.Find(ctx, tenant, r, end, nil)
		return s.Findings, err
	}
	c := &r.When
	windows := (to - from) / int64(r.Every)
	if c.Measure == "" && c.After == nil && !c.Absent && c.Anomaly == nil && c.Over%r.Every == 0 && windows <= bucketsMax {
		buckets, partial, err := f.buckets(ctx, tenant, r, from-int64(c.Over), to)
		if err != nil {
			return nil, err
		}
		t.Partial = partial
		find = buckets.window(r)
	} else if windows > trialWindowsMax {
		t.Every = time.Duration((to - from) / trialWindowsMax).Round(time.Second)
		t.Partial = fmt.Sprintf("only one window in %s was looked at: each has to be asked for alone", triage.Duration(t.Every))
	}
	var ends []int64
	step := int64(t.Every)
	for end := from - from%step + step; end <= to; end += step {
		ends = append(ends, end)
	}
	trial, err := triage.Replay(r, ends, find)
	if err != nil && trial.Windows > 0 && ctx.Err() != nil {
		t.Partial = fmt.Sprintf("only %d of %d windows were looked at in %v", trial.Windows, len(ends), trialTime)
		err = nil
	}
	t.Trial = *trial
	return t, err
}

// counted is how many records there are of a group in each bucket of a rule's Every.
type counted struct {
	group map[string]triage.Group
	all   map[string]map[int64][2]float64 // records, and those of Share
}

// buckets counts all at once.
func (f *Finder) buckets(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) (*counted, string, error) {
	c := &r.When
	text := condition(c.Query) + " | stats count()"
	if c.Share != "" {
		text += ", count_if(" + c.Share + ")"
	}
	by := []string{fmt.Sprintf("_time:%ds", int64(time.Duration(r.Every).Seconds()))}
	if len(c.By) > 0 {
		by = append(by, quoted(c.By))
	}
	text += " by (" + by[0]
	for _, more := range by[1:] {
		text += ", " + more
	}
	text += ")"
	result, err := f.Engine.Search(ctx, query.Request{Audience: query.Audience{Tenant: tenant}, Text: text, From: from, To: to, Whole: true, Groups: bucketsMax, Time: trialTime, Who: "triage trial"})
	if err != nil {
		return nil, "", err
	}
	out := &counted{group: map[string]triage.Group{}, all: map[string]map[int64][2]float64{}}
	for _, row := range result.Rows {
		at, ok := moment(row[0])
		if !ok {
			continue
		}
		group := groupOf(row[1 : 1+len(c.By)])
		key := group.Key()
		if out.all[key] == nil {
			out.group[key], out.all[key] = group, map[int64][2]float64{}
		}
		var n [2]float64
		n[0], _ = number(row[1+len(c.By)])
		if c.Share != "" {
			n[1], _ = number(row[2+len(c.By)])
		}
		out.all[key][at] = n
	}
	partial := ""
	if !result.Complete {
		partial = result.Reason
	}
	return out, partial, nil
}

func moment(cell any) (int64, bool) {
	text, ok := cell.(string)
	if !ok {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UnixNano(), err == nil
}

// window returns what is found in a window, of what was counted.
func (b *counted) window(r *triage.Rule) func(end int64) ([]triage.Finding, error) {
	c := &r.When
	return func(end int64) (out []triage.Finding, err error) {
		if len(b.all) == 0 && len(c.By) == 0 && c.Share == "" && c.Holds(0) {
			return []triage.Finding{{}}, nil
		}
		for key, buckets := range b.all {
			var n [2]float64
			for at := end - int64(c.Over); at < end; at += int64(r.Every) {
				n[0] += buckets[at][0]
				n[1] += buckets[at][1]
			}
			if n[0] == 0 && (len(c.By) > 0 || c.Share != "") {
				continue // there is no such group
			}
			value := n[0]
			switch {
			case c.Share != "":
				value = 100 * n[1] / n[0]
			case c.Rate:
				value /= time.Duration(c.Over).Seconds()
			}
			if c.Holds(value) {
				out = append(out, triage.Finding{Group: b.group[key], Value: value})
			}
		}
		return out, nil
	}
}
