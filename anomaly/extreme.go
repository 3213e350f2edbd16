package anomaly

import (
	"math"
	"slices"
)

// Thresholds of tails.
const (
	tailShare = 16 // one of so many sums is in the tail
	tailLeast = 20 // sums in the tail, that it can be measured
	tailScale = 4  // buckets of a sum, at most: of longer ones there are too few
	busyLeast = 10 // buckets of the history with records, that something is usual
)

// tail is how the greatest sums of a history are spread above a threshold: a generalized
// Pareto distribution. Logs in bursts have a variance that explains everything; how their
// bursts end says more.
type tail struct {
	over, rate, scale, shape float64 // rate 0: there is nothing to say
}

// tailsOf measures the tails of the sums over a few buckets, by their number.
func tailsOf(history []float64) map[int]tail {
	found := map[int]tail{}
	for _, k := range scales() {
		if k > tailScale || len(history) < k*tailShare {
			break
		}
		sums := rolling(history, k)
		slices.Sort(sums)
		n := len(sums) / tailShare
		if n < tailLeast {
			break
		}
		if over := sums[len(sums)-n-1]; over > 0 {
			found[k] = measureTail(over, sums[len(sums)-n:], len(sums))
		}
	}
	return found
}

// measureTail fits the distribution by the mean and the variance of what is above.
func measureTail(over float64, above []float64, of int) tail {
	n := float64(len(above))
	mean := sum(above)/n - over
	var variance float64
	for _, v := range above {
		variance += (v - over - mean) * (v - over - mean) / n
	}
	if mean <= 0 || variance <= 0 {
		return tail{}
	}
	shape := max(0, (1-mean*mean/variance)/2)
	return tail{over: over, rate: n / float64(of), scale: max(mean*(1-shape), 1), shape: shape}
}

// above returns ln of how probable a sum of at least so much is, 0 where that is not known.
func (t tail) above(have float64) float64 {
	if t.rate == 0 || have <= t.over {
		return 0
	}
	far := (have - t.over) / t.scale
	if t.shape < 1e-6 {
		return math.Log(t.rate) - far
	}
	return math.Log(t.rate) - math.Log1p(t.shape*far)/t.shape
}
