package column

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func timeCases() map[string]struct {
	times  []int64
	digits []uint32
} {
	type c = struct {
		times  []int64
		digits []uint32
	}
	rng := rand.New(rand.NewPCG(7, 7))
	cases := map[string]c{
		"empty": {}, "one": {[]int64{-1}, []uint32{9}}, "not of the digits": {[]int64{1500, 1501, 2000}, []uint32{6, 6, 6}},
		"many digits": {[]int64{1, 2}, []uint32{9, 77}}, "before 1970": {[]int64{-3_500_000_000, -2_000_000_001, -1e9}, []uint32{1, 9, 0}},
		"extremes": {[]int64{math.MinInt64, 0, math.MaxInt64}, []uint32{9, 0, 9}},
	}
	for name, mix := range map[string][]uint32{"seconds": {0}, "milliseconds": {3}, "nanoseconds": {9}, "mix": {0, 3, 3, 6, 9}, "coarse is rare": {3, 3, 3, 3, 3, 3, 3, 0}} {
		var all c
		t := int64(1_700_000_000_000_000_000)
		for range 3000 {
			t += rng.Int64N(200_000_000)
			d := mix[rng.IntN(len(mix))]
			all.times = append(all.times, t/timeUnits[d]*timeUnits[d])
			all.digits = append(all.digits, d)
		}
		cases[name] = all
	}
	return cases
}

// checkTimesAt compares the times at some places with all.
func checkTimesAt(t *testing.T, rng *rand.Rand, coded []byte, times []int64, digits []uint32) {
	t.Helper()
	var d Decoder
	for range 3 {
		var places []uint32
		var want []int64
		var wantDigits []uint32
		few := 1 + rng.IntN(1+len(times))
		for place := range times {
			if rng.IntN(few) == 0 {
				places, want, wantDigits = append(places, uint32(place)), append(want, times[place]), append(wantDigits, digits[place])
			}
		}
		have, haveDigits, rest, err := d.TimesAt([]int64{42}, []uint32{7}, append(slices.Clone(coded), "rest"...), len(times), places)
		if err != nil || !slices.Equal(have[1:], want) || !slices.Equal(haveDigits[1:], wantDigits) || string(rest) != "rest" || have[0] != 42 || haveDigits[0] != 7 {
			t.Fatalf("at %v: got %v and %v, %q left, %v, want %v and %v", places, have, haveDigits, rest, err, want, wantDigits)
		}
	}
}

func TestTimesAt(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for name, c := range timeCases() {
		t.Run(name, func(t *testing.T) { checkTimesAt(t, rng, AppendTimes(nil, c.times, c.digits), c.times, c.digits) })
	}
	t.Run("runs", func(t *testing.T) { // many with the same second
		times, digits := make([]int64, 5000), make([]uint32, 5000)
		for i := range times {
			times[i], digits[i] = int64(i/700)*1e9, uint32(i/1300)
			if i/1300 == 3 {
				times[i] += int64(i%1000) * 1e6
			}
		}
		checkTimesAt(t, rng, AppendTimes(nil, times, digits), times, digits)
	})
}

func TestTimes(t *testing.T) {
	for name, c := range timeCases() {
		coded := AppendTimes([]byte("x"), c.times, c.digits)
		times, digits, rest, err := Times([]int64{42}, []uint32{7}, append(coded[1:], "rest"...), len(c.times))
		if err != nil || !slices.Equal(times[1:], c.times) || !slices.Equal(digits[1:], c.digits) || string(rest) != "rest" || times[0] != 42 || digits[0] != 7 {
			t.Errorf("%s: got %v and %v, %q left, %v, want %v and %v", name, times, digits, rest, err, c.times, c.digits)
		}
		plain := AppendCodes(AppendInts(nil, c.times), c.digits)
		if len(coded) > len(plain)+8 {
			t.Errorf("%s: %d bytes, apart %d", name, len(coded)-1, len(plain))
		}
	}
}
