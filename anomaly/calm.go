package anomaly

import "slices"

// burst is how many times what is usual a bucket has at most that is no burst.
const burst = 2

// of returns by what too many, or too few, are judged: how high a series goes at times
// says nothing of how low it falls, so that of too few its bursts are left out.
func (b *baseline) of(up bool) estimate {
	if up {
		return b.estimate
	}
	return b.calm
}

// calmed is what is expected of counts whose bursts are cut off.
func (in *Input) calmed(counts []float64, b *baseline, until int) estimate {
	usual := b.expected
	if b.season == 0 {
		sorted := slices.Sorted(slices.Values(counts[in.First:until]))
		usual = slices.Repeat([]float64{sorted[len(sorted)/2]}, len(counts))
	}
	cut := slices.Clone(counts)
	for i := in.First; i < until; i++ {
		cut[i] = min(cut[i], burst*max(usual[i], 1))
	}
	// As much is expected as is left, at the times at which it was expected.
	share := (sum(cut[in.First:until]) + 0.5) / (sum(b.expected[in.First:until]) + 0.5)
	expected := make([]float64, len(counts))
	for i := range expected {
		expected[i] = b.expected[i] * min(share, 1)
	}
	return estimate{expected, in.disperse(cut, expected, until, 1)}
}
