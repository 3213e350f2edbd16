package anomaly

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestReachOfWalks draws many levels that grow as they like and counts how often the limit
// is reached between the earliest and the latest day that were told.
func TestReachOfWalks(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	const limit, runs = 1_000, 400
	inside, told, off := 0, 0, 0.0
	for range runs {
		drift, stray := 4+random.Float64()*8, random.Float64()*12
		level, days := 100+random.Float64()*200, []float64{}
		for range 20 {
			if level += drift + stray*random.NormFloat64(); random.IntN(10) == 0 {
				days = append(days, math.NaN())
			} else {
				days = append(days, level)
			}
		}
		r := Fills(days, limit)
		came := 0
		for at := level; at < limit && came < ReachHorizon; came++ {
			at += drift + stray*random.NormFloat64()
		}
		if r.Enough && came < ReachHorizon {
			told++
			if r.Earliest >= 0 && r.Earliest <= came && (r.Latest < 0 || came <= r.Latest) {
				inside++
			}
			if r.Days >= 0 {
				off += math.Abs(float64(r.Days-came)) / float64(came)
			}
		}
	}
	if told < runs*9/10 || float64(inside) < 0.85*float64(told) {
		t.Errorf("%d of %d were between the earliest and the latest day", inside, told)
	}
	if off/float64(told) > 0.25 {
		t.Errorf("off by %.0f %% on average", 100*off/float64(told))
	}
}

// TestReach looks at single histories.
func TestReach(t *testing.T) {
	line := func(n int, from, by float64) (days []float64) {
		for i := range n {
			days = append(days, from+by*float64(i))
		}
		return days
	}
	weekly := line(28, 100, 0)
	for i := range weekly {
		if i%7 > 4 {
			weekly[i] = 40
		}
	}
	for _, c := range []struct {
		name       string
		days       []float64
		flow       bool
		enough     bool
		want, soon int // -1: not within the horizon
	}{
		{"grows steadily", line(10, 0, 10), false, true, 91, 91}, {"is full", line(10, 995, 1), false, true, 0, 0}, {"shrinks", line(10, 900, -5), false, true, -1, -1}, {"stays", line(10, 900, 0), false, true, -1, -1},
		{"few days", line(4, 0, 10), false, false, -1, -1}, {"nothing", nil, false, false, -1, -1}, {"nothing known", []float64{math.NaN(), math.NaN(), 1, math.NaN(), math.NaN(), math.NaN()}, false, false, -1, -1},
		{"not seen lately", append(line(10, 0, 10), math.NaN(), math.NaN()), false, true, 89, 89},
		{"comes more", line(20, 500, 10), true, true, 31, 31}, {"weeks", weekly, true, true, -1, -1}, {"of few days", line(8, 500, 10), true, true, -1, -1},
	} {
		r := Fills(c.days, 1_000)
		if c.flow {
			r = Comes(c.days, 1_000)
		}
		if r.Enough != c.enough || r.Days != c.want || r.Earliest != c.soon {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	if r := Fills(line(30, 0, 10), 1_000); r.Tests < 10 || r.Error > 0.01 || r.PerDay != 10 {
		t.Errorf("of a straight line: %+v", r)
	}
}
