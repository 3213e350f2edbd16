package exec

import (
	"cmp"
	"math"
	"slices"
)

// quantiles finds percentiles of the values that read as numbers: the p-th
// percentile is the smallest value v such that at least p percent of the
// values are <= v. When all groups together hold more than max different
// values, they change to sketches and estimate within sketchError.
type quantiles struct {
	percentile int64 // in thousandths of a percent
	max        int
	kept       int
	sketched   bool
	of         []quantile
}

// quantile is the state of one group: weighed values, or a sketch.
type quantile struct {
	n        uint64
	values   []weighed
	compact  int        // values when they were last made distinct
	run      valueRun   // of a sealed state instead of values, if there are many
	runs     []valueRun // of sealed states that were merged; shared
	buckets  map[int32]uint64
	negative map[int32]uint64
	zero     uint64
}

// weighed is a value and how often it occurs.
type weighed struct {
	value float64
	n     uint64
}

// sketchError is the relative error of an estimate.
const sketchError = 0.005

// sketchBase is the ratio of the bounds of a bucket of a sketch.
const sketchBase = (1 + sketchError) / (1 - sketchError)

// compactMin is how many values a group collects before it looks for repeats.
const compactMin = 64 << 10

func (a *quantiles) add(group int, c *cell, n uint64) {
	if !c.numeric {
		return
	}
	w := weighed{c.number, n}
	if w.value == 0 {
		w.value = 0 // not -0
	}
	a.insert(at(&a.of, group), w)
}

func (a *quantiles) insert(q *quantile, w weighed) {
	q.n += w.n
	if a.sketched {
		q.sketch(w)
		return
	}
	q.values = append(q.values, w)
	a.kept++
	if len(q.values) >= max(compactMin, 2*q.compact) {
		a.kept -= q.distinct()
	}
	if a.kept > slack(a.max) {
		a.compactAll()
	}
}

// distinct merges repeats; it returns by how many values there are fewer.
func (q *quantile) distinct() int {
	for _, run := range q.runs {
		q.values = run.appendTo(q.values)
	}
	q.runs = nil
	before := len(q.values)
	slices.SortFunc(q.values, func(v, w weighed) int { return cmp.Compare(v.value, w.value) })
	kept := q.values[:0]
	for _, w := range q.values {
		if n := len(kept); n > 0 && kept[n-1].value == w.value {
			kept[n-1].n += w.n
			continue
		}
		kept = append(kept, w)
	}
	q.values, q.compact = kept, len(kept)
	return before - len(kept)
}

// compactAll makes room: by merging repeats, else by changing to sketches.
func (a *quantiles) compactAll() {
	for i := range a.of {
		a.kept -= a.of[i].distinct()
	}
	if a.kept <= a.max {
		return
	}
	a.sketched = true
	for i := range a.of {
		for _, w := range a.of[i].values {
			a.of[i].sketch(w)
		}
		a.of[i].values = nil
	}
	a.kept = 0
}

// sketch adds a value to the sketch.
func (q *quantile) sketch(w weighed) {
	if q.buckets == nil {
		q.buckets, q.negative = map[int32]uint64{}, map[int32]uint64{}
	}
	bucket := int32(math.Ceil(math.Log(math.Abs(w.value)) / math.Log(sketchBase)))
	switch {
	case w.value == 0:
		q.zero += w.n
	case w.value < 0:
		q.negative[bucket] += w.n
	default:
		q.buckets[bucket] += w.n
	}
}

func (a *quantiles) seal(n int) {
	grow(&a.of, n)
	for i := range a.of {
		q := &a.of[i]
		a.kept -= q.distinct()
		q.pack()
	}
}

// pack makes a run of many values that are distinct.
func (q *quantile) pack() {
	if len(q.values) < runMin {
		q.values = slices.Clip(q.values)
	} else if q.run = newValueRun(q.values); len(q.run.values) > 0 {
		q.values = nil
	}
}

func (a *quantiles) bytes() (bytes int64) {
	for i := range a.of {
		q := &a.of[i]
		bytes += 192 + 16*int64(cap(q.values)) + 12*int64(len(q.run.values)) + 32*int64(len(q.buckets)+len(q.negative))
	}
	return bytes
}

func (a *quantiles) merge(group int, other aggregate, from int) {
	o := other.(*quantiles)
	q, p := at(&a.of, group), at(&o.of, from)
	if n := len(p.run.values); n > 0 && !a.sketched {
		q.n += p.n
		q.runs = append(q.runs, p.run)
		if a.kept += n; a.kept > slack(a.max) {
			a.compactAll()
		}
		return
	}
	if o.sketched && !a.sketched {
		a.max = -1
		a.compactAll()
	}
	for _, w := range p.run.appendTo(p.values[:len(p.values):len(p.values)]) {
		a.insert(q, w)
	}
	if !o.sketched {
		return
	}
	q.sketch(weighed{})
	for bucket, n := range p.buckets {
		q.buckets[bucket] += n
	}
	for bucket, n := range p.negative {
		q.negative[bucket] += n
	}
	q.zero += p.zero
	q.n += p.n
}

// rank returns the place, from 1, of the percentile among n sorted values.
func rank(percentile int64, n uint64) uint64 {
	const whole = 100_000
	share := n/whole*uint64(percentile) + (n%whole*uint64(percentile)+whole-1)/whole
	return max(1, share)
}

func (a *quantiles) value(group int) any {
	q := at(&a.of, group)
	if q.n == 0 {
		return nil
	}
	left := rank(a.percentile, q.n)
	if a.sketched {
		return renderNumber(q.estimate(left), false)
	}
	if len(q.runs) > 0 {
		slices.SortFunc(q.values, func(v, w weighed) int { return cmp.Compare(v.value, w.value) })
		own := newValueRun(q.values)
		if len(own.values) == len(q.values) {
			return renderNumber(ranked(append(q.runs, own), left), true)
		}
	}
	q.distinct()
	for _, w := range q.values {
		if left <= w.n {
			return renderNumber(w.value, true)
		}
		left -= w.n
	}
	return nil
}

// estimate returns about the value at a place.
func (q *quantile) estimate(left uint64) float64 {
	walk := func(buckets map[int32]uint64, descending bool) (int32, bool) {
		keys := make([]int32, 0, len(buckets))
		for bucket := range buckets {
			keys = append(keys, bucket)
		}
		slices.Sort(keys)
		if descending {
			slices.Reverse(keys)
		}
		for _, bucket := range keys {
			if left <= buckets[bucket] {
				return bucket, true
			}
			left -= buckets[bucket]
		}
		return 0, false
	}
	if bucket, ok := walk(q.negative, true); ok {
		return -middle(bucket)
	}
	if left <= q.zero {
		return 0
	}
	left -= q.zero
	bucket, _ := walk(q.buckets, false)
	return middle(bucket)
}

func (a *quantiles) approximate() bool { return a.sketched }

func (a *quantiles) over() bool { return false }
