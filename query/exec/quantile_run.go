package exec

import (
	"math"
	"sort"
)

// run of values of a sealed state, which many read: values ascend and are
// different, sums[i] is how many there are up to and with values[i].
type valueRun struct {
	values []float64
	sums   []uint32
}

// newValueRun returns the run of ascending, different values.
func newValueRun(values []weighed) valueRun {
	r := valueRun{values: make([]float64, len(values)), sums: make([]uint32, len(values))}
	var sum uint64
	for i, w := range values {
		sum += w.n
		if sum > math.MaxUint32 {
			return valueRun{}
		}
		r.values[i], r.sums[i] = w.value, uint32(sum)
	}
	return r
}

// appendTo appends the values to a list.
func (r valueRun) appendTo(dst []weighed) []weighed {
	before := uint32(0)
	for i, value := range r.values {
		dst = append(dst, weighed{value, uint64(r.sums[i] - before)})
		before = r.sums[i]
	}
	return dst
}

// place maps a number to one that is ordered the same way.
func place(v float64) uint64 {
	bits := math.Float64bits(v)
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

// number is the inverse of place.
func number(at uint64) float64 {
	if at>>63 != 0 {
		return math.Float64frombits(at &^ (1 << 63))
	}
	return math.Float64frombits(^at)
}

// window is the part of a run in which a value is still looked for.
type window struct{ lo, hi int }

// ranked returns the value at a place, from 1, among the values of all runs:
// by halving the range of numbers, so that nothing is merged or copied.
func ranked(runs []valueRun, left uint64) float64 {
	windows := make([]window, len(runs))
	least, most := place(math.Inf(1)), place(math.Inf(-1))
	for i, r := range runs {
		windows[i] = window{0, len(r.values)}
		if n := len(r.values); n > 0 {
			least, most = min(least, place(r.values[0])), max(most, place(r.values[n-1]))
		}
	}
	ends := make([]int, len(runs))
	for least < most {
		middle := least + (most-least)/2
		v := number(middle)
		var sum uint64
		for i, w := range windows {
			values := runs[i].values[w.lo:w.hi]
			ends[i] = w.lo + sort.Search(len(values), func(n int) bool { return values[n] > v })
			if ends[i] > 0 {
				sum += uint64(runs[i].sums[ends[i]-1])
			}
		}
		for i := range windows {
			if sum >= left {
				windows[i].hi = ends[i]
			} else {
				windows[i].lo = ends[i]
			}
		}
		if sum >= left {
			most = middle
		} else {
			least = middle + 1
		}
	}
	return number(least)
}
