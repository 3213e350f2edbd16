package anomaly

import (
	"cmp"
	"math"
	"slices"
)

// Thresholds of new and rare patterns.
const (
	newLeast     = 3   // records of a new pattern
	rareMost     = 2   // records of a rare pattern in the window
	usualNews    = 0.5 // new patterns in a window of which there are so many before are nothing special
	newsFactor   = 3   // times the most records that an earlier new pattern had in its first window
	quantileNews = 0.9
)

// isError reports whether a level is that of a failure.
func isError(level string) bool { return level == "error" || level == "critical" }

// novel looks for patterns that were not there before. Where new ones come all the
// time, being new is nothing special: then only those count that have more records
// than new ones have.
func (d *detector) novel() {
	if !d.in.Complete {
		return
	}
	window := d.end - d.judge
	for _, errors := range []bool{true, false} {
		var fresh []Known
		var earlier []float64 // records of the patterns that were new after the learning time
		for _, p := range d.in.Patterns {
			if isError(p.Level) != errors {
				continue
			}
			if p.Before == 0 && p.First >= d.judge {
				if d.broughtBy(&p) != nil {
					continue
				}
				fresh = append(fresh, p)
			} else if p.First >= d.in.First+LearnBuckets && p.First < d.judge {
				earlier = append(earlier, p.Before)
			}
		}
		windows := float64(d.judge-d.in.First-LearnBuckets) / float64(window)
		rate := (float64(len(earlier)) + 0.25) / max(windows, 1)
		d.news(fresh, earlier, rate, errors)
	}
}

// broughtBy returns the deployment with which a pattern came that is no error, nil if there is
// none: a new version says new things, and as often as it likes.
func (d *detector) broughtBy(p *Known) *Deploy {
	if p.Before > 0 || p.First < d.judge || isError(p.Level) {
		return nil
	}
	return d.deployBefore(p.First)
}

// brought reports whether a pattern came with a deployment. Of an input that is not complete
// nobody knows whether it was there before.
func (d *detector) brought(id string) bool {
	if !d.in.Complete || len(d.in.Deploys) == 0 {
		return false
	}
	at := slices.IndexFunc(d.in.Patterns, func(p Known) bool { return p.ID == id })
	return at >= 0 && d.broughtBy(&d.in.Patterns[at]) != nil
}

// news makes findings of new patterns: those that come together are one.
func (d *detector) news(fresh []Known, earlier []float64, rate float64, errors bool) {
	slices.SortStableFunc(fresh, func(a, b Known) int {
		return cmp.Or(cmp.Compare(b.Now, a.Now), cmp.Compare(a.ID, b.ID))
	})
	least := float64(newLeast)
	if !errors {
		least = excessLeast // that something new is said is no failure
	}
	if rate > usualNews && len(earlier) > 0 {
		slices.Sort(earlier)
		at := int(quantileNews * float64(len(earlier)-1))
		least = max(least, newsFactor*earlier[at])
	}
	var rare []Known
	for _, p := range fresh {
		if p.Now < least {
			if errors && p.Now <= rareMost && rate <= usualNews {
				rare = append(rare, p)
			}
			continue
		}
		// One of so many that could have come, with so many records.
		lnP := math.Log(min(rate, 1)) - math.Log(float64(len(d.in.Patterns)+1)) - math.Log(p.Now)
		d.found = append(d.found, d.fresh(New, p, lnP))
	}
	if len(rare) > 0 {
		f := d.fresh(Rare, rare[0], math.Log(min(rate, 1)))
		for _, p := range rare[1:] {
			f.Related = append(f.Related, p.Subject)
		}
		d.found = append(d.found, f)
	}
}

// fresh makes a finding of a pattern.
func (d *detector) fresh(kind Kind, p Known, lnP float64) Finding {
	f := Finding{Kind: kind, Subject: p.Subject, Level: p.Level, Unit: "records", Up: true, From: p.First, To: max(p.Last, p.First) + 1, LogP: lnP, Observed: p.Now, Basis: d.in.span(d.judge-d.in.First) + " without it"}
	f.Ongoing = f.To >= d.end-1
	for i := range d.in.Series {
		if s := &d.in.Series[i]; s.Dimension == Pattern && s.ID == p.ID {
			f.profile = slices.Clone(s.Counts[d.judge:])
		}
	}
	return f
}
