package anomaly

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Thresholds of findings.
const (
	budgetDefault = 0.02 // false alarms in a day that the probabilities allow; they are only models
	factorUp      = 2    // times as much as expected, at least
	factorDown    = 0.5  // of what is expected, at most
	excessLeast   = 8    // records more, or fewer, at least
	overHighest   = 1.25 // times the highest bucket of the history, of spikes
	apart         = 2    // buckets between stretches that are one
	episodesMax   = 2    // of a series in each direction
	lasting       = 8    // buckets from which on what goes on is a change and no spike
	deployNear    = 30 * time.Minute
	findingsMax   = 200
	pastWindows   = 3 // that say what is odd
	relatedMax    = 20
)

// Detect says what is not as it was.
func Detect(in Input) Report {
	judge := max(in.Judge, in.First+LearnBuckets)
	report := Report{Judged: judge, Learning: judge >= in.full()}
	if report.Learning {
		return report
	}
	d := &detector{in: &in, judge: judge, end: in.full(), levels: map[string]string{}}
	for _, p := range in.Patterns {
		d.levels[p.ID] = p.Level
	}
	judged := d.end - judge
	report.Tests = judged*(2*len(scales())*(len(in.Series)+len(in.Latencies))+len(scales())*len(in.Shares)) + len(in.Patterns) + 1
	budget := in.Budget
	if budget <= 0 {
		budget = budgetDefault
	}
	days := max(float64(judged)*in.Width.Hours()/24, 1./24)
	d.limit = math.Log(budget * days / float64(report.Tests))
	d.look()
	if causes := d.causes(); len(causes) > 1 || slices.ContainsFunc(causes, func(f Finding) bool { return f.sparse }) {
		d.calibrate()
		d.found = slices.DeleteFunc(d.found, func(f Finding) bool { return f.LogP > d.limit+f.ease })
	}
	report.Limit = d.limit
	d.novel()
	report.Findings = sparseTogether(d.causes())
	for i := range report.Findings {
		d.deployed(&report.Findings[i])
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int { return cmp.Compare(a.LogP, b.LogP) })
	report.Findings = report.Findings[:min(len(report.Findings), findingsMax)]
	return report
}

// detector judges the buckets [judge, end) of an input.
type detector struct {
	in         *Input
	judge, end int
	limit      float64
	levels     map[string]string // of patterns
	found      []Finding
}

// look judges all counts, shares and latencies.
func (d *detector) look() {
	for i := range d.in.Series {
		if s := &d.in.Series[i]; s.Dimension != Pattern || !d.brought(s.ID) {
			d.counts(s)
		}
	}
	for i := range d.in.Shares {
		d.share(&d.in.Shares[i])
	}
	for i := range d.in.Latencies {
		d.latency(&d.in.Latencies[i])
	}
}

// calibrate lowers the limit until the windows before would have had no more than one
// finding each: what a tenant does all the time is not odd, whatever the model says.
// What has hardly a history is told where such things are rare, else only if it is far
// more than they were.
func (d *detector) calibrate() {
	window := d.end - d.judge
	var odd, bursts []float64
	windows := 0
	for end := d.judge; windows < pastWindows && end-window >= d.in.First+LearnBuckets; end -= window {
		past := *d.in
		past.Buckets, past.Partial = end, false
		before := &detector{in: &past, judge: end - window, end: end, limit: d.limit, levels: d.levels}
		before.look()
		for _, f := range before.causes() {
			if f.sparse {
				bursts = append(bursts, f.Observed)
			} else {
				odd = append(odd, f.LogP)
			}
		}
		windows++
	}
	if len(odd) > windows && windows > 0 {
		slices.Sort(odd)
		d.limit = min(d.limit, odd[windows])
	}
	if float64(len(bursts)) > usualNews*float64(windows) {
		slices.Sort(bursts)
		least := newsFactor * bursts[int(quantileNews*float64(len(bursts)-1))]
		d.found = slices.DeleteFunc(d.found, func(f Finding) bool { return f.sparse && f.Observed < least })
	}
}

// episode is a stretch of buckets with too many or too few.
type episode struct {
	from, to int
	lnP      float64
}

// counts judges a series.
func (d *detector) counts(s *Series) {
	base := d.in.learn(s.Counts, d.judge)
	var found []Finding
	for _, up := range []bool{true, false} {
		for _, e := range d.episodes(s.Counts, base, up) {
			found = append(found, d.counted(s, base, e, up))
		}
	}
	if quiet, ok := d.silence(s.Counts); ok {
		found = slices.DeleteFunc(found, func(f Finding) bool { return !f.Up && f.From < quiet.to && quiet.from < f.To })
		f := d.counted(s, base, quiet, false)
		f.Kind = Silence
		found = append(found, f)
	}
	d.found = append(d.found, d.drifting(s, base, found)...)
}

// counted makes a finding of an episode.
func (d *detector) counted(s *Series, base *baseline, e episode, up bool) Finding {
	f := Finding{Subject: s.Subject, Level: d.levels[s.ID], Unit: "records", Up: up, From: e.from, To: e.to, LogP: e.lnP, Basis: base.basis}
	f.Ongoing, f.sparse = f.To >= d.end-1, up && base.busy < busyLeast
	of := base.of(up)
	f.Observed, f.Expected = sum(s.Counts[f.From:min(f.To, len(s.Counts))]), sum(of.expected[f.From:f.To])
	f.Low, f.High = usual(f.Expected, of.dispersion(f.To-f.From))
	f.profile = make([]float64, d.in.Buckets-d.judge)
	for i := range f.profile {
		f.profile[i] = s.Counts[d.judge+i] - of.expected[d.judge+i]
	}
	long := f.To-f.From >= lasting
	switch {
	case !up && f.Ongoing && f.To-f.From > quietLeast && sum(s.Counts[f.From+1:f.To]) == 0:
		f.Kind = Silence
	case base.season > 0 && d.ordinary(base, f):
		f.Kind = Seasonal
	case long && f.Ongoing:
		f.Kind = Change
	case up:
		f.Kind = Spike
	default:
		f.Kind = Drop
	}
	return f
}

// ordinary reports whether a count would be nothing special at another time of the
// season: it is odd for its hour alone.
func (d *detector) ordinary(base *baseline, f Finding) bool {
	per := f.Observed / float64(f.To-f.From)
	var least, most float64 = math.Inf(1), 0
	for _, n := range base.expected[d.in.First:d.judge] {
		least, most = min(least, n), max(most, n)
	}
	return f.Up && per < most || !f.Up && per > least
}

// dispersion returns the dispersion of a sum over so many buckets.
func (e estimate) dispersion(buckets int) float64 {
	if len(e.stray) == 0 {
		return 1
	}
	i := len(e.stray) - 1
	for i > 0 && scales()[i] > buckets {
		i--
	}
	return e.stray[i]
}

// episodes finds the stretches of a series with too many or too few.
func (d *detector) episodes(counts []float64, base *baseline, up bool) []episode {
	end := d.end
	var found []episode
	for range episodesMax {
		best := episode{lnP: 0}
		for i, stray := range base.of(up).stray {
			k, limit := scales()[i], end
			if up && k == 1 {
				limit = d.in.Buckets // too many are too many before the bucket is over
			}
			d.scan(counts, base, up, k, stray, limit, found, &best)
		}
		if best.to == 0 || best.lnP > d.limit {
			break
		}
		d.widen(counts, base, up, &best)
		if i := slices.IndexFunc(found, func(e episode) bool { return best.from-e.to <= apart && e.from-best.to <= apart }); i >= 0 {
			found[i] = episode{min(found[i].from, best.from), max(found[i].to, best.to), found[i].lnP}
			continue
		}
		found = append(found, best)
	}
	return found
}

// scan tests every stretch of k buckets and keeps the least probable.
func (d *detector) scan(counts []float64, base *baseline, up bool, k int, stray float64, limit int, not []episode, best *episode) {
	if d.judge+k > limit {
		return
	}
	haves, wants := rolling(counts[d.judge:limit], k), rolling(base.of(up).expected[d.judge:limit], k)
	for i, have := range haves {
		want, from, to := wants[i], d.judge+i, d.judge+i+k
		many := up && have >= base.factor*want && have-want >= excessLeast
		few := !up && have <= factorDown*want && want-have >= excessLeast
		if !many && !few || slices.ContainsFunc(not, func(e episode) bool { return from < e.to && e.from < to }) {
			continue
		}
		var lnP float64
		if few {
			lnP = atMost(have, want, stray)
		} else if slices.Max(counts[from:to]) >= d.over(base, k) {
			lnP = base.above(have, want, stray, from, to)
		}
		if lnP < best.lnP {
			*best = episode{from: from, to: to, lnP: lnP}
		}
	}
}

// above returns ln of how probable at least so many records in [from, to) are.
func (b *baseline) above(have, want, stray float64, from, to int) float64 {
	if b.whole != nil {
		return shareAtLeast(have, sum(b.whole[from:to]), b.share, stray)
	}
	return min(atLeast(have, want, stray), b.tails[to-from].above(have))
}

// over is what the highest of k buckets has to reach.
func (d *detector) over(base *baseline, k int) float64 {
	if k >= lasting || base.season > 0 {
		return 0
	}
	return overHighest * base.highest
}

// widen adds the buckets beside an episode that are as odd; one between them that is
// not belongs to it.
func (d *detector) widen(counts []float64, base *baseline, up bool, e *episode) {
	expected := base.of(up).expected
	have, want := sum(counts[e.from:e.to]), sum(expected[e.from:e.to])
	mean, half := (have-want)/float64(e.to-e.from), (1+have/max(want, 1))/2
	odd := func(i int) bool {
		if i < d.judge || i >= d.end {
			return false
		}
		excess := counts[i] - expected[i]
		return up && (excess >= mean/3 || excess >= excessLeast && counts[i] >= half*expected[i]) || !up && excess <= mean/2
	}
	for odd(e.from-1) || odd(e.from-2) {
		e.from--
	}
	for odd(e.to) || odd(e.to+1) {
		e.to++
	}
	for e.to-e.from > 1 && !odd(e.from) {
		e.from++
	}
	for e.to-e.from > 1 && !odd(e.to-1) {
		e.to--
	}
}

// Thresholds of silence.
const (
	gapsLeast   = 20 // pauses of the history
	quietLeast  = 3  // buckets
	quietFactor = 2  // times the longest pause
)

// silence finds a pause that is too long for what was there: of many pauses none was
// nearly as long. The longest of n pauses is about ln n times the mean, so one of
// length l has a probability of about n^(-l/longest).
func (d *detector) silence(counts []float64) (episode, bool) {
	earliest := max(d.in.First+LearnBuckets, d.judge-(d.end-d.judge))
	best := episode{}
	for i := earliest; i < d.end; i++ {
		if counts[i] > 0 || i > 0 && counts[i-1] == 0 {
			continue
		}
		to := i
		for to < d.end && counts[to] == 0 {
			to++
		}
		if to <= d.judge || to-i < quietLeast {
			continue
		}
		gaps, longest := pauses(counts[d.in.First:i])
		if gaps < gapsLeast || to-i <= quietFactor*longest {
			continue
		}
		lnP := -float64(to-i) / float64(longest) * math.Log(float64(gaps))
		if lnP <= d.limit && lnP < best.lnP {
			best = episode{from: i, to: to, lnP: lnP}
		}
	}
	return best, best.to > 0
}

// pauses counts the steps from one bucket with records to the next, and returns the
// longest.
func pauses(history []float64) (n, longest int) {
	last := -1
	for i, v := range history {
		if v == 0 {
			continue
		}
		if last >= 0 {
			n++
			longest = max(longest, i-last)
		}
		last = i
	}
	return n, longest
}

// deployed notes what was put into service shortly before a finding began.
func (d *detector) deployed(f *Finding) { f.Deploy = d.deployBefore(f.From) }

// deployBefore returns what was put into service shortly before a bucket, nil if nothing
// was.
func (d *detector) deployBefore(bucket int) (last *Deploy) {
	near := max(1, d.in.per(deployNear))
	for i := range d.in.Deploys {
		if one := &d.in.Deploys[i]; one.Bucket <= bucket && bucket-one.Bucket <= near && (last == nil || one.Time.After(last.Time)) {
			last = one
		}
	}
	return last
}
