package plan

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/stere-log/stere/query/syntax"
)

// Calendar cuts times to buckets that follow each other without gaps. Without a
// zone and months all have the same size. With a zone, buckets of more than an
// hour begin when the clocks there show so: a day has 23 to 25 hours where they
// are set.
type Calendar struct {
	size   int64          // nanoseconds, 0 for months
	months int            // 0 for a size
	zone   *time.Location // nil for UTC
	name   string         // of the zone
	offset int64          // by which buckets begin later
}

// newCalendar returns the buckets of a key.
func newCalendar(key syntax.Key) *Calendar {
	c := &Calendar{size: int64(key.Bucket), months: key.Months, name: key.Zone, offset: int64(key.Offset)}
	if key.Zone != "" {
		if zone, err := syntax.LoadZone(key.Zone); err == nil { // the parser has tried
			c.zone = zone
		}
	}
	if c.zone == nil && c.months > 0 {
		c.zone = time.UTC
	}
	return c
}

// AppendKey appends what tells the buckets from all others.
func (c *Calendar) AppendKey(dst []byte) []byte {
	dst = binary.AppendVarint(dst, c.size)
	dst = binary.AppendVarint(dst, int64(c.months))
	dst = binary.AppendVarint(dst, c.offset)
	return append(binary.AppendUvarint(dst, uint64(len(c.name))), c.name...)
}

// Least returns a size that no bucket is much below, to guess how many there
// are.
func (c *Calendar) Least() int64 {
	if c.months > 0 {
		return int64(c.months) * 28 * dayNanos
	}
	return c.size
}

// Buckets begin at 1970-01-01, those of whole weeks on Mondays.
const (
	dayNanos    = 24 * 3600 * 1_000_000_000
	weekNanos   = 7 * dayNanos
	mondayNanos = 4 * dayNanos // 1970-01-05
)

// shift returns how long after 1970-01-01 a bucket begins.
func (c *Calendar) shift() int64 {
	if c.months == 0 && c.size%weekNanos == 0 {
		return mondayNanos + c.offset
	}
	return c.offset
}

// Start returns the first time of the bucket that t is in.
func (c *Calendar) Start(t int64) int64 {
	if c.zone == nil {
		return c.even(t)
	}
	at := time.Unix(0, t).In(c.zone)
	if c.hourly() {
		return c.within(at)
	}
	return nano(c.instant(c.index(at)))
}

// Next returns the first time after the bucket that t is in.
func (c *Calendar) Next(t int64) int64 {
	if c.zone == nil {
		start := c.even(t)
		if start == math.MinInt64 {
			return c.even(later(start, c.size)) // the first bucket of all is cut
		}
		return later(start, c.size)
	}
	at := time.Unix(0, t).In(c.zone)
	if !c.hourly() {
		return nano(c.instant(c.index(at) + 1))
	}
	_, seconds := at.Zone()
	ahead := int64(seconds) * int64(time.Second)
	next := later(later(c.even(later(t, ahead)), -ahead), c.size)
	if _, end := at.ZoneBounds(); !end.IsZero() {
		next = min(next, nano(end))
	}
	return next
}

// even returns the start of the bucket of t if all have the same size.
func (c *Calendar) even(t int64) int64 {
	rest := (t%c.size - c.shift()%c.size) % c.size
	if rest < 0 {
		rest += c.size
	}
	if t < math.MinInt64+rest {
		return math.MinInt64
	}
	return t - rest
}

// later adds to a time without leaving the range.
func later(t, by int64) int64 {
	switch sum := t + by; {
	case by > 0 && sum < t:
		return math.MaxInt64
	case by < 0 && sum > t:
		return math.MinInt64
	default:
		return sum
	}
}

// hourly reports whether buckets are so short that hours which clocks show
// twice stay apart.
func (c *Calendar) hourly() bool { return c.months == 0 && c.size <= int64(time.Hour) }

// within returns the start of the hour, or a part of it, that the clocks show.
// It is not before they were last set.
func (c *Calendar) within(at time.Time) int64 {
	_, seconds := at.Zone()
	ahead := int64(seconds) * int64(time.Second)
	start := later(c.even(later(at.UnixNano(), ahead)), -ahead)
	if began, _ := at.ZoneBounds(); !began.IsZero() {
		start = max(start, nano(began))
	}
	return start
}

// index numbers the buckets: it returns that of the last one that begins at a
// time or before.
func (c *Calendar) index(at time.Time) int64 {
	_, seconds := at.Zone()
	shown := at.UTC().Add(time.Duration(seconds) * time.Second) // what clocks show, as if in UTC
	var n int64
	if c.months > 0 {
		shown = shown.Add(-time.Duration(c.offset))
		n = floorDiv(int64(shown.Year())*12+int64(shown.Month())-1, int64(c.months))
	} else {
		n = floorDiv(later(int64(shown.Sub(time.Unix(0, 0))), -c.shift()), c.size)
	}
	// Clocks that were set back show a time again that was in the next bucket.
	for range 2 {
		switch {
		case !c.instant(n + 1).After(at):
			n++
		case c.instant(n).After(at):
			n--
		}
	}
	return n
}

// instant returns when the bucket with a number begins.
func (c *Calendar) instant(n int64) time.Time {
	var shown time.Time
	switch {
	case c.months > 0:
		month := n * int64(c.months)
		shown = time.Date(int(floorDiv(month, 12)), time.Month(month-12*floorDiv(month, 12))+1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.offset))
	case math.Abs(float64(n)*float64(c.size)) > math.MaxInt64:
		return time.Unix(0, math.MaxInt64).AddDate(int(min(max(n, -1), 1))*400, 0, 0) // beyond all times
	default:
		shown = time.Unix(0, 0).UTC().Add(time.Duration(n * c.size)).Add(time.Duration(c.shift()))
	}
	return when(shown, c.zone)
}

// when returns the first time at which the clocks of a zone show this, or, if
// they never do, the time at which they are set past it.
func when(shown time.Time, zone *time.Location) time.Time {
	zoneAt := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := zoneAt(shown.AddDate(0, 0, -1)), zoneAt(shown.AddDate(0, 0, 1))
	first := shown.Add(-before)
	if before == after || zoneAt(first) == before {
		return first
	}
	if second := shown.Add(-after); zoneAt(second) == after {
		return second
	}
	set, _ := first.In(zone).ZoneBounds()
	return set
}

// floorDiv divides and rounds down.
func floorDiv(a, b int64) int64 {
	quotient := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		quotient--
	}
	return quotient
}

// sizes are those of buckets of which each divides the next, from fine to
// coarse: what is counted in one can be added up to another.
func sizes() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
		time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 7 * day, 28 * day, 364 * day,
	}
}

// Level returns the finest buckets, not finer than least, of which at most so
// many hold all times from first to last.
func Level(first, last int64, least time.Duration, most int) *Calendar {
	var c *Calendar
	for _, size := range sizes() {
		if size < least {
			continue
		}
		c = &Calendar{size: int64(size)}
		if (float64(c.even(last))-float64(c.even(first)))/float64(size)+1 <= float64(most) {
			break
		}
	}
	return c
}

// Size returns the size of buckets that all have the same.
func (c *Calendar) Size() time.Duration { return time.Duration(c.size) }
