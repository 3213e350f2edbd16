package anomaly

import (
	"math"
	"slices"
)

// Thresholds of forecasts.
const (
	backTests   = 6   // stretches of the past that are told from what was before them
	testsLeast  = 2   // of which there must be so many
	recentParts = 3   // stretches that say what the level is now
	bandFactor  = 1.5 // times the typical error: about nine in ten
)

// Forecast is what is expected of the next stretch of time.
type Forecast struct {
	Enough         bool    // there is history enough
	Expected       float64 // the sum over the stretch
	Low, High      float64 // between which it is nine times in ten
	Error          float64 // mean error of the forecasts that were tested, in percent of what came
	Tests          int     // how many were
	Basis          string
	PerBucketShape []float64 // what is expected of each bucket
}

// Ahead tells the sum of the counts of the next so many buckets behind the end, and how
// wrong it would have been about stretches of the past.
func (in *Input) Ahead(counts []float64, buckets int) Forecast {
	history := counts[in.First:in.full()]
	var wrong []float64
	var missed, came float64
	for test := 1; test <= backTests; test++ {
		end := len(history) - test*buckets
		if end < max(2*buckets, LearnBuckets) {
			break
		}
		told, _ := in.told(history[:end], buckets)
		have := sum(history[end : end+buckets])
		wrong = append(wrong, math.Abs(math.Log((have+1)/(sum(told)+1))))
		missed, came = missed+math.Abs(have-sum(told)), came+have
	}
	f := Forecast{Tests: len(wrong)}
	if len(wrong) < testsLeast {
		return f
	}
	f.PerBucketShape, f.Basis = in.told(history, buckets)
	f.Enough, f.Expected, f.Error = true, sum(f.PerBucketShape), 100*missed/max(came, 1)
	slices.Sort(wrong)
	band := math.Exp(bandFactor * max(wrong[len(wrong)/2], wrong[len(wrong)-1]*2/3, 0.02))
	f.Low, f.High = f.Expected/band, f.Expected*band
	return f
}

// told is the simplest forecast that is hard to beat: what was at the same time of the
// week or day, at the level of now.
func (in *Input) told(history []float64, buckets int) (shape []float64, basis string) {
	shape = make([]float64, buckets)
	day := in.per(24 * 60 * 60 * 1e9)
	length, basis := 0, "the mean of "+in.span(min(len(history), recentParts*buckets))
	switch {
	case day > 0 && len(history) >= 14*day:
		length, basis = 7*day, "the same time of the weeks before, at the level of now"
	case day > 0 && len(history) >= 3*day:
		length, basis = day, "the same time of the days before, at the level of now"
	}
	recent := history[max(0, len(history)-recentParts*buckets):]
	if length == 0 {
		for i := range shape {
			shape[i] = sum(recent) / float64(len(recent))
		}
		return shape, basis
	}
	season := func(at int) float64 {
		var samples []float64
		for j := at - length; j >= 0; j -= length {
			if j < len(history) {
				samples = append(samples, history[j])
			}
		}
		if len(samples) == 0 {
			return 0
		}
		return sum(samples) / float64(len(samples))
	}
	var was float64
	from := len(history) - len(recent)
	for i := range recent {
		was += season(from + i)
	}
	level := 1.0
	if was > 0 {
		level = min(max(sum(recent)/was, 0.2), 5)
	}
	for i := range shape {
		shape[i] = level * season(len(history)+i)
	}
	return shape, basis
}

// Surprise says how much a part has changed between two windows, of whose records it has
// so many: ln of the probability of that if it had not (the likelihood ratio test).
func Surprise(before, allBefore, now, allNow float64) (lnP float64) {
	all := allBefore + allNow
	part := before + now
	if all <= 0 || part <= 0 || allBefore <= 0 || allNow <= 0 {
		return 0
	}
	term := func(have, want float64) float64 {
		if have <= 0 {
			return 0
		}
		return have * math.Log(have/want)
	}
	g := term(before, allBefore*part/all) + term(now, allNow*part/all) +
		term(allBefore-before, allBefore*(all-part)/all) + term(allNow-now, allNow*(all-part)/all)
	return normalAbove(math.Sqrt(max(2*g, 0)))
}
