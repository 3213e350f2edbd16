package anomaly

import (
	"math"
	"slices"
	"time"
)

// Thresholds of drifts.
const (
	driftBlocks = 24  // blocks that a stretch is cut into
	driftDays   = 6   // blocks, at least
	driftBlock  = 4   // buckets of a block, at least
	driftFactor = 1.5 // from the beginning of the line to its end
	driftMean   = 4   // records of a block
	driftTau    = 0.7 // rank correlation with time
)

// drifting returns what was found of a series, with a slow drift in place of what it
// explains.
func (d *detector) drifting(s *Series, base *baseline, found []Finding) []Finding {
	best := Finding{}
	n, day := d.end-d.in.First, d.in.per(24*time.Hour)
	for _, stretch := range []int{n, n * 2 / 3, n / 2, n / 3, n / 4} {
		// Blocks of whole days do not see what goes up and down every day.
		for _, size := range []int{stretch / driftBlocks, day} {
			if size < driftBlock || stretch/size < driftDays || stretch < d.end-d.judge {
				continue
			}
			if f, ok := d.line(s, base, stretch/size, size); ok && f.LogP < best.LogP {
				best = f
			}
		}
	}
	if best.LogP == 0 {
		return found
	}
	found = slices.DeleteFunc(found, func(f Finding) bool { return f.Up == best.Up && f.Kind != Silence })
	return append(found, best)
}

// line tests whether a series goes up or down all the way through its last blocks of
// a size, rather than in one step.
func (d *detector) line(s *Series, base *baseline, blocks, size int) (Finding, bool) {
	from, n := d.end-size*blocks, float64(blocks)
	values := make([]float64, blocks)
	for i := range values {
		block := s.Counts[from+i*size : from+(i+1)*size]
		want := sum(base.expected[from+i*size : from+(i+1)*size])
		if base.season > 0 {
			values[i] = sum(block) * base.flat * float64(size) / max(want, 1)
		} else {
			values[i] = sum(block)
		}
	}
	mean := sum(values) / n
	slope, wrong := fitLine(values)
	begin, end := mean-slope*(n-1)/2, mean+slope*(n-1)/2
	up := slope > 0
	low, high := begin, end
	if !up {
		low, high = end, begin
	}
	tau := ranked(values)
	if mean < driftMean || high < driftFactor*max(low, 1) || math.Abs(tau) < driftTau || wrong > fitStep(values) {
		return Finding{}, false
	}
	// Errors that follow each other are alike, so there are fewer of them than blocks.
	alike := likeness(values, slope, mean)
	free := max((n-2)*(1-alike)/(1+alike), 3)
	center := n * (n*n - 1) / 12
	spread := math.Sqrt(max(wrong/free, mean) / center)
	lnP := studentAbove(math.Abs(slope)/spread, free)
	// The slope has to go on in what is judged.
	now := values[blocks-max(2, min(blocks/2, (d.end-d.judge)/size)):]
	ease := math.Log(float64(d.end - d.judge)) // a series is tested for drifts a few times, not once a bucket
	if lnP > d.limit+ease || up && sum(now)/float64(len(now)) < mean || !up && sum(now)/float64(len(now)) > mean {
		return Finding{}, false
	}
	f := Finding{Kind: Drift, Subject: s.Subject, Unit: "records", Up: up, From: from, To: d.end, Ongoing: true, LogP: lnP, ease: ease, Basis: "a straight line through " + d.in.span(d.end-from)}
	f.Observed, f.Expected = max(end, 0)/float64(size), max(begin, 0)/float64(size)
	f.Low, f.High = usual(f.Expected, base.dispersion(size))
	f.profile = make([]float64, d.in.Buckets-d.judge)
	for i := range f.profile {
		f.profile[i] = s.Counts[d.judge+i] - f.Expected
	}
	return f, true
}

// fitLine returns the slope of the best line and what is wrong with it, in squares.
func fitLine(values []float64) (slope, wrong float64) {
	n := float64(len(values))
	mean, middle := sum(values)/n, (n-1)/2
	var up, across float64
	for i, v := range values {
		up += (float64(i) - middle) * (v - mean)
		across += (float64(i) - middle) * (float64(i) - middle)
	}
	slope = up / across
	for i, v := range values {
		r := v - mean - slope*(float64(i)-middle)
		wrong += r * r
	}
	return slope, wrong
}

// fitStep returns what is wrong with the best single step, in squares.
func fitStep(values []float64) float64 {
	best := math.Inf(1)
	for cut := 1; cut < len(values); cut++ {
		var wrong float64
		for _, side := range [][]float64{values[:cut], values[cut:]} {
			mean := sum(side) / float64(len(side))
			for _, v := range side {
				wrong += (v - mean) * (v - mean)
			}
		}
		best = min(best, wrong)
	}
	return best
}

// ranked is Kendall's rank correlation of values with their order.
func ranked(values []float64) float64 {
	var with float64
	n := len(values)
	for i := range values {
		for j := i + 1; j < n; j++ {
			switch {
			case values[j] > values[i]:
				with++
			case values[j] < values[i]:
				with--
			}
		}
	}
	return with / float64(n*(n-1)/2)
}

// likeness is the correlation of each residual of a line with the next, not below 0.
func likeness(values []float64, slope, mean float64) float64 {
	var next, own, last float64
	for i, v := range values {
		r := v - mean - slope*(float64(i)-float64(len(values)-1)/2)
		if i > 0 {
			next += r * last
		}
		own += r * r
		last = r
	}
	return min(max(next/max(own, tiny), 0), 0.9)
}

// studentAbove returns ln P(|T| >= t) of Student's distribution.
func studentAbove(t, free float64) float64 {
	all := free + t*t
	return lnBeta(free/all, t*t/all, free/2, 0.5)
}
