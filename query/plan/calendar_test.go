package plan

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/query/syntax"
)

func TestBucketStart(t *testing.T) {
	hour := int64(time.Hour)
	for _, c := range []struct{ t, bucket, want int64 }{
		{0, hour, 0}, {1, hour, 0}, {hour - 1, hour, 0}, {hour, hour, hour}, {-1, hour, -hour}, {-hour, hour, -hour},
		{math.MinInt64, hour, math.MinInt64}, {math.MinInt64 + 5, hour, math.MinInt64}, {math.MaxInt64, 1, math.MaxInt64},
		{0, weekNanos, mondayNanos - weekNanos}, {mondayNanos, weekNanos, mondayNanos}, {mondayNanos - 1, weekNanos, mondayNanos - weekNanos},
		{mondayNanos + weekNanos, 2 * weekNanos, mondayNanos},
	} {
		if have := newCalendar(syntax.Key{Bucket: time.Duration(c.bucket)}).Start(c.t); have != c.want {
			t.Errorf("bucket of %d by %d: have %d, want %d", c.t, c.bucket, have, c.want)
		}
	}
}

// TestCalendar checks days where clocks are set, months, weeks and offsets.
func TestCalendar(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		key             syntax.Key
		at, start, next string
	}{
		{syntax.Key{Bucket: day, Zone: "Europe/Berlin"}, "2024-03-31T10:00:00+02:00", "2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00"}, // 23 hours
		{syntax.Key{Bucket: day, Zone: "Europe/Berlin"}, "2024-10-27T23:59:59+01:00", "2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00"}, // 25
		{syntax.Key{Bucket: day, Zone: "Europe/Berlin"}, "2024-10-27T00:00:00+02:00", "2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00"},
		{syntax.Key{Bucket: day, Zone: "America/New_York", Offset: 6 * time.Hour}, "2024-03-10T05:59:59-04:00", "2024-03-09T06:00:00-05:00", "2024-03-10T06:00:00-04:00"},
		{syntax.Key{Bucket: 2 * time.Hour, Zone: "America/New_York"}, "2024-03-10T03:30:00-04:00", "2024-03-10T03:00:00-04:00", "2024-03-10T04:00:00-04:00"}, // 2:00 is never shown
		{syntax.Key{Bucket: time.Hour, Zone: "Europe/Berlin"}, "2024-10-27T02:30:00+02:00", "2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"},        // shown twice
		{syntax.Key{Bucket: time.Hour, Zone: "Europe/Berlin"}, "2024-10-27T02:30:00+01:00", "2024-10-27T02:00:00+01:00", "2024-10-27T03:00:00+01:00"},
		{syntax.Key{Bucket: time.Hour, Zone: "Asia/Kolkata"}, "2024-01-01T00:10:00Z", "2023-12-31T23:30:00Z", "2024-01-01T00:30:00Z"},
		{syntax.Key{Bucket: time.Hour, Zone: "Australia/Lord_Howe"}, "2024-04-06T15:10:00Z", "2024-04-06T15:00:00Z", "2024-04-06T15:30:00Z"},     // by half an hour
		{syntax.Key{Bucket: day, Zone: "America/Havana"}, "2024-11-03T00:30:00-05:00", "2024-11-03T00:00:00-04:00", "2024-11-04T00:00:00-05:00"}, // midnight is shown twice
		{syntax.Key{Bucket: day, Zone: "America/Havana"}, "2024-03-10T01:30:00-04:00", "2024-03-10T01:00:00-04:00", "2024-03-11T00:00:00-04:00"}, // and never
		{syntax.Key{Bucket: 7 * day, Zone: "Europe/Berlin"}, "2024-04-03T12:00:00Z", "2024-04-01T00:00:00+02:00", "2024-04-08T00:00:00+02:00"},
		{syntax.Key{Months: 1}, "2024-02-29T23:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{syntax.Key{Months: 3, Zone: "Europe/Berlin"}, "2024-03-31T22:30:00Z", "2024-04-01T00:00:00+02:00", "2024-07-01T00:00:00+02:00"},
		{syntax.Key{Months: 12, Offset: day}, "2024-01-01T12:00:00Z", "2023-01-02T00:00:00Z", "2024-01-02T00:00:00Z"},
		{syntax.Key{Bucket: day, Offset: 6 * time.Hour}, "2024-01-01T05:00:00Z", "2023-12-31T06:00:00Z", "2024-01-01T06:00:00Z"},
		{syntax.Key{Bucket: day, Zone: "+05:30"}, "2024-01-01T18:30:00Z", "2024-01-02T00:00:00+05:30", "2024-01-03T00:00:00+05:30"},
	} {
		at := func(text string) int64 {
			v, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			return v.UnixNano()
		}
		calendar := newCalendar(c.key)
		start, next := calendar.Start(at(c.at)), calendar.Next(at(c.at))
		if start != at(c.start) || next != at(c.next) {
			t.Errorf("%+v of %s: have %s to %s, want %s to %s", c.key, c.at, time.Unix(0, start).UTC(), time.Unix(0, next).UTC(), c.start, c.next)
		}
	}
}

// TestCalendarsTile checks that buckets follow each other without gaps and that
// all times of one have the same.
func TestCalendarsTile(t *testing.T) {
	const seed = 51
	random := rand.New(rand.NewPCG(seed, 1))
	zones := []string{"", "", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Havana", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "-03:30"}
	sizes := []time.Duration{time.Second, 15 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 7 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour}
	for range 20_000 {
		key := syntax.Key{Zone: zones[random.IntN(len(zones))]}
		if random.IntN(4) == 0 {
			key.Months = 1 + random.IntN(13)
		} else {
			key.Bucket = sizes[random.IntN(len(sizes))]
		}
		if random.IntN(3) == 0 {
			key.Offset = min(time.Duration(random.IntN(5))*20*time.Minute, max(key.Bucket, time.Hour)-1)
		}
		calendar := newCalendar(key)
		at := time.Date(1940+random.IntN(150), time.Month(1+random.IntN(12)), 1+random.IntN(31), random.IntN(24), random.IntN(60), random.IntN(60), 0, time.UTC).UnixNano()
		switch random.IntN(20) {
		case 0:
			at = math.MaxInt64 - random.Int64N(1e18)
		case 1:
			at = math.MinInt64 + random.Int64N(1e18)
		}
		start, next := calendar.Start(at), calendar.Next(at)
		if start > at || next <= at && next != math.MaxInt64 {
			t.Fatalf("seed %d: %+v: %d is in %d to %d", seed, key, at, start, next)
		}
		within := start + random.Int64N(max(1, min(next-start, math.MaxInt64)))
		if next > start && (calendar.Start(within) != start || calendar.Next(within) != next) {
			t.Fatalf("seed %d: %+v: %d is in %d to %d, and %d in %d to %d", seed, key, at, start, next, within, calendar.Start(within), calendar.Next(within))
		}
		if next != math.MaxInt64 && calendar.Start(next) != next {
			t.Fatalf("seed %d: %+v: the bucket after %d begins at %d, not %d", seed, key, at, calendar.Start(next), next)
		}
	}
}

// TestLevels checks that each of the sizes divides the next.
func TestLevels(t *testing.T) {
	all := sizes()
	for i := range all[1:] {
		if all[i+1]%all[i] != 0 {
			t.Errorf("%s does not divide %s", all[i], all[i+1])
		}
		if a, b := (&Calendar{size: int64(all[i])}).shift(), (&Calendar{size: int64(all[i+1])}).shift(); (b-a)%int64(all[i]) != 0 {
			t.Errorf("buckets of %s do not begin where some of %s do", all[i+1], all[i])
		}
	}
}

func TestWidth(t *testing.T) {
	for _, c := range []struct {
		width string
		v     float64
		want  string
	}{
		{"0.1", 0.3, "0.3"}, {"0.1", 0.29999, "0.2"}, {"0.01", 0.29, "0.29"}, {"100", 250.5, "200"}, {"100", -1, "-100"}, {"100", -100, "-100"},
		{"2.5", 7.5, "7.5"}, {"2.5", 7.4, "5"}, {"0.05", -0.01, "-0.05"}, {"1", 1e300, ""}, {"0.50", 1.2, "1"}, {"10", 0, "0"},
	} {
		have := newWidth(c.width).Bucket(c.v)
		if c.v == 1e300 {
			if v, err := strconv.ParseFloat(have, 64); err != nil || v != 1e300 {
				t.Errorf("1e300 is in %s", have)
			}
		} else if have != c.want {
			t.Errorf("%v by %s: have %s, want %s", c.v, c.width, have, c.want)
		}
	}
	for _, c := range []struct {
		low, high float64
		most      int
		want      string
	}{{0, 100, 20, "10"}, {0, 99, 20, "5"}, {3, 1200, 20, "100"}, {0, 1, 10, "0.2"}, {5, 5, 20, "1"}, {-0.001, 0.001, 20, "0.0002"}, {-1e308, 1e308, 20, "2" + strings.Repeat("0", 307)}, {5e-324, 5e-324, 20, "1"}} {
		if have := NiceWidth(c.low, c.high, c.most).Text(1); have != c.want {
			t.Errorf("%v to %v in %d: have %s, want %s", c.low, c.high, c.most, have, c.want)
		}
	}
	random := rand.New(rand.NewPCG(52, 1))
	for range 5_000 {
		low := math.Ldexp(random.Float64()-0.5, random.IntN(60)-20)
		high := low + math.Ldexp(random.Float64(), random.IntN(60)-20)
		most := 1 + random.IntN(100)
		w := NiceWidth(low, high, most)
		if n := w.Number(high) - w.Number(low) + 1; n > float64(most) && most > 1 {
			t.Fatalf("%v to %v in %d: %s makes %v", low, high, most, w.Text(1), n)
		}
	}
}
