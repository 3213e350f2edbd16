package anomaly

import (
	"math"
	"slices"
)

// Thresholds of shifts.
const (
	shareFactor   = 1.5
	sharePoints   = 0.03 // of the whole
	shiftFactor   = 1.3  // times the latency
	valuesLeast   = 3    // durations of a bucket whose percentile counts
	historyLeast  = 24   // such buckets of the history
	quietestShift = 0.05 // standard deviation of the logarithm, at least
	clingFirst    = 0.05 // where the estimate of a correlation begins
	clingRounds   = 4
	clingMost     = 0.9
)

// share judges a part of a whole: what is expected of it in a bucket is its share of
// the history of what the whole has there.
func (d *detector) share(s *Share) {
	whole, part := sum(s.Whole[d.in.First:d.judge]), sum(s.Part[d.in.First:d.judge])
	if whole < excessLeast {
		return
	}
	usualShare := (part + 0.5) / (whole + 1)
	base := &baseline{factor: shareFactor, whole: s.Whole, share: usualShare, estimate: estimate{expected: make([]float64, len(s.Part))}, basis: "the share in " + d.in.span(d.judge-d.in.First)}
	for i, n := range s.Whole {
		base.expected[i] = usualShare * n
	}
	base.stray = d.in.cling(s, usualShare, d.judge)
	for _, e := range d.episodes(s.Part, base, true) {
		n := sum(s.Whole[e.from:e.to])
		have := sum(s.Part[e.from:e.to]) / max(n, 1)
		if have < shareFactor*usualShare || have-usualShare < sharePoints {
			continue
		}
		f := Finding{Kind: Mix, Subject: s.Subject, Unit: "percent", Up: true, From: e.from, To: e.to, Ongoing: e.to >= d.end-1, LogP: e.lnP, Basis: base.basis}
		rho := base.dispersion(e.to - e.from)
		low, high := between(func(x float64) float64 { return shareAtLeast(n-x, n, 1-usualShare, rho) }, func(x float64) float64 { return shareAtLeast(x, n, usualShare, rho) })
		f.Observed, f.Expected, f.Low, f.High = 100*have, 100*usualShare, 100*low/max(n, 1), min(100*high/max(n, 1), 100)
		f.profile = make([]float64, d.in.Buckets-d.judge)
		for i := range f.profile {
			f.profile[i] = s.Part[d.judge+i] - base.expected[d.judge+i]
		}
		d.found = append(d.found, f)
	}
}

// cling measures how much records of a stretch have in common, beyond chance, whether they
// are of the part: as the correlation of two of them, by scale. A stretch counts for what
// it tells: many records that are all alike are hardly more than one. Those that are too
// few to be a finding tell nothing of what could be one.
func (in *Input) cling(s *Share, share float64, until int) []float64 {
	found := make([]float64, 0, len(scales()))
	history, chance, odds := until-in.First, share*(1-share), share/(1-share)
	unsure := odds / (sum(s.Part[in.First:until]) + 1) // what is usual is an estimate too
	for _, k := range scales() {
		if k > history/4 {
			break
		}
		parts, wholes := rolling(s.Part[in.First:until], k), rolling(s.Whole[in.First:until], k)
		rho, filled := clingFirst, 0.0
		for range clingRounds {
			var have, all float64
			filled = 0
			for i, n := range wholes {
				if n < excessLeast {
					continue
				}
				filled++
				off, alike := parts[i]/n-share, 1+(n-1)*rho
				weight := n * (n - 1) / (alike * alike)
				have += weight * (off*off - chance/n)
				all += weight * chance * (n - 1) / n
			}
			rho = min(max(have/max(all, tiny), 0), 1)
		}
		rho *= 1 + 2*float64(k)/max(filled, 1)
		found = append(found, min(max(rho, floor*odds)+unsure, clingMost))
	}
	return found
}

// latency judges the percentiles of durations, as logarithms: a stretch of buckets
// against stretches of the history that are as long.
func (d *detector) latency(l *Latency) {
	var history, now []float64
	var buckets []int
	for i := d.in.First; i < d.end; i++ {
		switch {
		case l.Count[i] < valuesLeast || l.Value[i] <= 0:
		case i < d.judge:
			history = append(history, math.Log(l.Value[i]))
		default:
			now, buckets = append(now, math.Log(l.Value[i])), append(buckets, i)
		}
	}
	if len(history) < historyLeast {
		return
	}
	mean := middle(history)
	best, bestUp, bestShift := episode{}, false, 0.0
	for _, k := range scales()[1:] {
		if k > len(history)/4 || k > len(now) {
			break
		}
		spread := deviation(rolling2(history, k), mean)
		for i, v := range rolling2(now, k) {
			shift := v - mean
			lnP := normalAbove(math.Abs(shift) / max(spread, quietestShift/math.Sqrt(float64(k))))
			if math.Abs(shift) >= math.Log(shiftFactor) && lnP < best.lnP {
				best, bestUp, bestShift = episode{buckets[i], buckets[i+k-1] + 1, lnP}, shift > 0, shift
			}
		}
	}
	if best.to == 0 || best.lnP > d.limit {
		return
	}
	// The stretch that was tested may be part of a longer one.
	for i, v := range now {
		half := (v - mean) / bestShift
		if half > 0.5 && (buckets[i] == best.to || buckets[i] == best.to+1) {
			best.to = buckets[i] + 1
		}
	}
	spread := 2.33 * deviation(history, mean)
	f := Finding{Kind: Slow, Subject: l.Subject, Unit: "milliseconds", Up: bestUp, From: best.from, To: best.to, Ongoing: best.to >= d.end-1, LogP: best.lnP, Basis: "the " + l.Percentile + " of " + d.in.span(d.judge-d.in.First)}
	f.Expected, f.Observed, f.Low, f.High = math.Exp(mean), math.Exp(mean+bestShift), math.Exp(mean-spread), math.Exp(mean+spread)
	d.found = append(d.found, f)
}

// rolling2 returns the means of every k values in a row.
func rolling2(values []float64, k int) []float64 {
	means := make([]float64, 0, len(values))
	for i := 0; i+k <= len(values); i++ {
		means = append(means, sum(values[i:i+k])/float64(k))
	}
	return means
}

// middle is the median.
func middle(values []float64) float64 {
	ordered := slices.Sorted(slices.Values(values))
	return ordered[len(ordered)/2]
}

// deviation is how far values are from a mean: the standard deviation, or what the
// median tells of it if that is more.
func deviation(values []float64, mean float64) float64 {
	var squares float64
	away := make([]float64, len(values))
	for i, v := range values {
		squares += (v - mean) * (v - mean)
		away[i] = math.Abs(v - mean)
	}
	return max(math.Sqrt(squares/float64(len(values))), 1.4826*middle(away))
}
