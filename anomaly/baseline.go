package anomaly

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Thresholds of baselines.
const (
	better       = 0.7  // a season has to tell the history so much better than the mean
	seasonLeast  = 0.05 // of the mean is expected at any time
	seasonMean   = 1    // records of a bucket from which on there can be a season
	floor        = 0.01
	neighbours   = 1   // buckets on each side that count as the same hour
	samplesLeast = 3   // days, weeks
	heavier      = 1.4 // times the dispersion: real tails are heavier above than those of the model
)

// scales are over how many buckets together counts are judged.
func scales() []int { return []int{1, 2, 4, 8, 16, 32} }

// estimate is what is expected of a series, and how far it strays.
type estimate struct {
	expected []float64 // by bucket, of the whole input
	stray    []float64 // dispersion, by scale
}

// baseline is what is known of a series by its history.
type baseline struct {
	estimate
	calm     estimate  // of the same without its bursts
	flat     float64   // the mean of the history
	flatOnly []float64 // the same if only the mean were known
	season   int       // buckets; 0 if none
	basis    string
	factor   float64      // times what is expected, from which on there are too many
	highest  float64      // count of a bucket of the history, but for the oddest
	busy     int          // buckets of the history with records
	tails    map[int]tail // of sums over so many buckets
	whole    []float64    // of a share: what it is a part of, by bucket; stray has correlations then
	share    float64      // what is usual of it
}

// learn makes the baseline of counts whose history is the buckets [first, until).
func (in *Input) learn(counts []float64, until int) *baseline {
	history := counts[in.First:until]
	b := &baseline{factor: factorUp, flat: (sum(history) + 0.5) / float64(len(history)), estimate: estimate{expected: make([]float64, len(counts))}, basis: "the mean of " + in.span(len(history))}
	for i := range b.expected {
		b.expected[i] = b.flat
	}
	b.highest = slices.Max(history)
	for _, n := range history {
		if n > 0 {
			b.busy++
		}
	}
	wrong := strayed(history, b.expected[in.First:until])
	b.stray = in.disperse(counts, b.expected, until, heavier)
	b.flatOnly = b.stray
	for _, season := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour} {
		length := in.per(season)
		if length < 4 || len(history) < samplesLeast*length || b.flat < seasonMean {
			continue
		}
		told := in.seasonal(counts, length, until)
		for i := range told {
			told[i] = max(told[i], seasonLeast*b.flat)
		}
		if w := strayed(history, told[in.First:until]); w < better*wrong {
			wrong, b.expected, b.season = w, told, length
			b.basis = "the same time of " + in.span(len(history))
			if season > 24*time.Hour {
				b.basis = "the same time of the week in " + in.span(len(history))
			}
			b.stray = in.disperse(counts, told, until, heavier)
		}
	}
	if b.season == 0 {
		b.tails = tailsOf(history)
	}
	b.calm = in.calmed(counts, b, until)
	return b
}

// span says how long so many buckets are.
func (in *Input) span(buckets int) string {
	length := time.Duration(buckets) * in.Width
	if days := int((length + 12*time.Hour) / (24 * time.Hour)); days >= 2 {
		return fmt.Sprintf("%d days", days)
	}
	return fmt.Sprintf("%d hours", max(1, int(length/time.Hour)))
}

// strayed is how far a history is from what was told of it, in squares: less would
// reward to tell nothing of what comes in bursts.
func strayed(history, told []float64) (far float64) {
	for i, n := range history {
		far += (n - told[i]) * (n - told[i])
	}
	return far
}

// seasonal tells each bucket from the buckets of the history at the same place of the
// season, and beside it, itself left out.
func (in *Input) seasonal(counts []float64, length, until int) []float64 {
	told := make([]float64, len(counts))
	samples := make([]float64, 0, 3*(until-in.First)/length+3)
	for place := range length {
		samples = samples[:0]
		for at := in.First + place - neighbours; at < until+neighbours; at += length {
			for near := at; near <= at+2*neighbours; near++ {
				if near >= in.First && near < until {
					samples = append(samples, counts[near])
				}
			}
		}
		kept := trimmed(samples)
		all := sum(kept)
		for i := in.First + place; i < len(counts); i += length {
			if n := float64(len(kept)); i < until && n > 1 && counts[i] >= kept[0] && counts[i] <= kept[len(kept)-1] {
				told[i] = (all - counts[i] + 0.1) / (n - 1)
			} else {
				told[i] = (all + 0.1) / n
			}
		}
	}
	return told
}

// trimmed sorts samples and returns them without the greatest and the least tenth.
func trimmed(samples []float64) []float64 {
	slices.Sort(samples)
	cut := len(samples) / 10
	if len(samples) >= 6 {
		cut = max(cut, 1)
	}
	return samples[cut : len(samples)-cut]
}

// disperse measures how far sums over each scale stray from what is expected beyond
// what chance does, as a dispersion.
func (in *Input) disperse(counts, expected []float64, until int, heavier float64) []float64 {
	found := make([]float64, 0, len(scales()))
	n := until - in.First
	for _, k := range scales() {
		if k > n/4 {
			break
		}
		have, want := rolling(counts[in.First:until], k), rolling(expected[in.First:until], k)
		squares := make([]float64, len(have))
		for i := range have {
			d := have[i] - want[i]
			squares[i] = d*d - want[i]
		}
		var norm float64
		for _, w := range want {
			norm += w * w
		}
		total := sum(counts[in.First:until])
		alpha := max(sum(squares)/max(norm, tiny), 0)
		// What is expected is an estimate too: of n/k sums, and of so many records.
		alpha = heavier*alpha*(1+2*float64(k)/float64(n)) + 1/(total+1)
		found = append(found, max(alpha, floor))
	}
	return found
}

// rolling returns the sums of every k values in a row.
func rolling(values []float64, k int) []float64 {
	sums := make([]float64, len(values)-k+1)
	var now float64
	for i, v := range values {
		now += v
		if i >= k {
			now -= values[i-k]
		}
		if i >= k-1 {
			sums[i-k+1] = max(now, 0)
		}
	}
	return sums
}

// usual returns the counts between which 98 of 100 lie.
func usual(mean, dispersion float64) (low, high float64) {
	return between(func(x float64) float64 { return atMost(x, mean, dispersion) }, func(x float64) float64 { return atLeast(x, mean, dispersion) })
}

// between returns the counts between which 98 of 100 lie, by ln of how probable at most,
// and at least, so many are.
func between(most, least func(x float64) float64) (low, high float64) {
	find := func(holds func(x float64) bool) float64 {
		from, to := 0.0, 8.0
		for !holds(to) && to < 1e12 {
			from, to = to, 4*to
		}
		for to-from > 1 {
			if middle := math.Floor((from + to) / 2); holds(middle) {
				to = middle
			} else {
				from = middle
			}
		}
		return to
	}
	hundredth := math.Log(0.01)
	low = find(func(x float64) bool { return most(x) >= hundredth })
	if most(0) >= hundredth {
		low = 0
	}
	return low, find(func(x float64) bool { return least(x+1) <= hundredth })
}

// sum adds values.
func sum(values []float64) (all float64) {
	for _, v := range values {
		all += v
	}
	return all
}
