package anomaly

import (
	"math"
	"slices"
)

// Thresholds of what reaches a limit.
const (
	ReachHorizon  = 365  // days that are looked ahead
	reachLeast    = 5    // days that say how something goes
	reachBand     = 1.64 // standard deviations on each side: nine times in ten
	reachAhead    = 7    // days ahead that are tested, or a third of what there is
	flowsPerTrend = 14   // days from which on what comes each day has a trend
)

// Reach says when something that is measured each day comes to a limit.
type Reach struct {
	Enough bool    // there are days enough; else there is no figure
	PerDay float64 // by which it grows
	// Days until it comes to the limit, expected, and the earliest and the latest nine
	// times in ten; -1: not within ReachHorizon.
	Days, Earliest, Latest int
	Error                  float64 // mean error of forecasts about the past, in percent of the limit
	Tests                  int     // how many there were
}

// Fills says when a level, such as what is stored, comes to a limit. Days are in order,
// the last one is now; NaN is a day of which nothing is known.
func Fills(days []float64, limit float64) Reach { return reach(days, limit, levelModel) }

// Comes says when what comes each day, such as records, comes to a limit.
func Comes(days []float64, limit float64) Reach { return reach(days, limit, flowModel) }

// model tells what is expected so many days ahead, and how far it can stray; ok is false
// where too little is known.
type model func(days []float64) (ahead func(t float64) (expected, band float64), ok bool)

func reach(days []float64, limit float64, of model) Reach {
	r := Reach{Days: -1, Earliest: -1, Latest: -1}
	ahead, ok := of(days)
	if !ok || limit <= 0 {
		return r
	}
	r.Enough = true
	now, _ := ahead(0)
	next, _ := ahead(1)
	r.PerDay = next - now
	for t := range ReachHorizon + 1 {
		expected, band := ahead(float64(t))
		for _, day := range []struct {
			at    *int
			value float64
		}{{&r.Earliest, expected + band}, {&r.Days, expected}, {&r.Latest, expected - band}} {
			if *day.at < 0 && day.value >= limit {
				*day.at = t
			}
		}
	}
	r.test(days, limit, of)
	return r
}

// test looks how far off the same forecast would have been about days of the past.
func (r *Reach) test(days []float64, limit float64, of model) {
	step := min(reachAhead, len(days)/3)
	missed := 0.0
	for end := len(days) - step; step > 0 && end >= reachLeast; end-- {
		ahead, ok := of(days[:end])
		if came := days[end+step-1]; ok && !math.IsNaN(came) {
			expected, _ := ahead(float64(step))
			missed += math.Abs(expected - came)
			r.Tests++
		}
	}
	if r.Tests > 0 {
		r.Error = 100 * missed / float64(r.Tests) / limit
	}
}

// levelModel takes a level for a walk with a drift: the mean of what it grew by each day,
// and how much that varied.
func levelModel(days []float64) (func(t float64) (float64, float64), bool) {
	var growth []float64
	last := -1
	for i, v := range days {
		if math.IsNaN(v) {
			continue
		}
		if last >= 0 {
			gap := float64(i - last)
			growth = append(growth, slices.Repeat([]float64{(v - days[last]) / gap}, i-last)...)
		}
		last = i
	}
	if len(growth) < reachLeast-1 {
		return nil, false
	}
	n := float64(len(growth))
	drift, square := sum(growth)/n, 0.0
	for _, g := range growth {
		square += (g - drift) * (g - drift)
	}
	stray, now, late := math.Sqrt(square/(n-1)), days[last], float64(len(days)-1-last)
	return func(t float64) (float64, float64) {
		t += late
		return now + drift*t, reachBand * stray * math.Sqrt(t+t*t/n)
	}, true
}

// flowModel draws a line through what came each day; of few days it is level.
func flowModel(days []float64) (func(t float64) (float64, float64), bool) {
	var n, meanX, meanY float64
	for i, v := range days {
		if !math.IsNaN(v) {
			n, meanX, meanY = n+1, meanX+float64(i), meanY+v
		}
	}
	if n < reachLeast {
		return nil, false
	}
	meanX, meanY = meanX/n, meanY/n
	var xx, xy, square float64
	for i, v := range days {
		if !math.IsNaN(v) {
			xx, xy = xx+(float64(i)-meanX)*(float64(i)-meanX), xy+(float64(i)-meanX)*(v-meanY)
		}
	}
	slope, parameters := 0.0, 1.0
	if n >= flowsPerTrend {
		slope, parameters = xy/xx, 2
	}
	for i, v := range days {
		if !math.IsNaN(v) {
			off := v - meanY - slope*(float64(i)-meanX)
			square += off * off
		}
	}
	stray := math.Sqrt(square / (n - parameters))
	return func(t float64) (float64, float64) {
		x := float64(len(days)-1) + t - meanX
		wide := 1 + 1/n
		if parameters > 1 {
			wide += x * x / xx
		}
		return meanY + slope*x, reachBand * stray * math.Sqrt(wide)
	}, true
}
