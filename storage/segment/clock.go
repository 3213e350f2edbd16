package segment

import (
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/storage/column"
)

// A clock is a form of the time of day in which messages repeat the time of
// their record, in some zone and up to some delay. The values of a variable
// are then stored as differences to the times of the rows.
type clock byte

// The forms of clocks. clockFraction is followed by its number of digits.
const (
	clockTime     clock = 1 // 15:04:05
	clockMinute   clock = 2 // 04:05
	clockYear     clock = 3 // 2006:15:04:05
	clockFraction clock = 4 // digits of a fraction of a second: 4+3, 4+6 or 4+9
)

// clockTimeMax is up to which distance from 1970, in nanoseconds, differences
// to the times of records are exact: up to four periods more must fit.
const clockTimeMax = 1<<63 - 1 - 4*1e9*secondsOfDay

// slotClock is the encoding byte of a variable stored as differences to a
// clock; the clock is its low bits. Encodings of strings are below it.
const slotClock = 0x40

const secondsOfDay = 24 * 60 * 60

// clockOf returns the clock that a value may have been read from.
func clockOf(value string) (clock, bool) {
	switch len(value) {
	case 3, 6, 9:
		return clockFraction + clock(len(value)), allDigits(value)
	case len("04:05"):
		return clockMinute, value[2] == ':'
	case len("15:04:05"):
		return clockTime, value[2] == ':'
	case len("2006:15:04:05"):
		return clockYear, value[4] == ':'
	}
	return 0, false
}

func (k clock) valid() bool {
	switch k {
	case clockTime, clockMinute, clockYear, clockFraction + 3, clockFraction + 6, clockFraction + 9:
		return true
	}
	return false
}

// unit is what the clock counts, in nanoseconds, and how many of them until it
// starts again.
func (k clock) unit() (nanos, period int64) {
	switch k {
	case clockTime, clockYear:
		return 1e9, secondsOfDay
	case clockMinute:
		return 1e9, 60 * 60
	}
	period = 1
	for range k - clockFraction {
		period *= 10
	}
	return 1e9 / period, period
}

// mayHave reports whether a value can have a word: the words of clocks are so many digits.
func (k clock) mayHave(word string) bool {
	switch k {
	case clockTime, clockMinute:
		return len(word) == 2
	case clockYear:
		return len(word) == 2 || len(word) == 4
	}
	return !k.valid() || len(word) == int(k-clockFraction) // what is damaged is told by who reads it
}

func allDigits(s string) bool {
	_, ok := digits(s)
	return ok
}

// digits reads a number of digits alone, at most nine.
func digits(s string) (number int64, ok bool) {
	for i := 0; i < len(s); i++ {
		digit := s[i] - '0'
		if digit > 9 {
			return 0, false
		}
		number = number*10 + int64(digit)
	}
	return number, true
}

// parse reads a value as a number of units; append of the number gives the
// value back, for a clock with years only with the right year.
func (k clock) parse(value string) (number int64, year int, ok bool) {
	switch {
	case k == clockYear && len(value) == len("2006:15:04:05") && value[4] == ':':
		whole, isYear := digits(value[:4])
		number, ok = sexagesimal(value[5:], 3)
		year, ok = int(whole), ok && isYear
	case k == clockTime:
		number, ok = sexagesimal(value, 3)
	case k == clockMinute:
		number, ok = sexagesimal(value, 2)
	case k > clockFraction && len(value) == int(k-clockFraction):
		number, ok = digits(value)
	}
	return number, year, ok
}

// sexagesimal reads pairs of digits with colons between them.
func sexagesimal(value string, pairs int) (number int64, ok bool) {
	if len(value) != 3*pairs-1 {
		return 0, false
	}
	limit := byte(24)
	if pairs == 2 {
		limit = 60
	}
	for i := 0; i+1 < len(value); i += 3 {
		tens, ones := value[i]-'0', value[i+1]-'0'
		if tens > 9 || ones > 9 || i > 0 && value[i-1] != ':' {
			return 0, false
		}
		pair := tens*10 + ones
		if pair >= limit {
			return 0, false
		}
		number, limit = number*60+int64(pair), 60
	}
	return number, true
}

// append writes the value of a number of units.
func (k clock) append(dst []byte, number int64, year int) []byte {
	pair := func(n int64) { dst = append(dst, byte('0'+n/10), byte('0'+n%10)) }
	if k > clockFraction {
		start := len(dst)
		for range k - clockFraction {
			dst = append(dst, '0')
		}
		for i := len(dst) - 1; i >= start; i-- {
			dst[i] = byte('0' + number%10)
			number /= 10
		}
		return dst
	}
	if k == clockYear {
		for _, n := range []int64{int64(year) / 100, int64(year) % 100} {
			pair(n)
		}
		dst = append(dst, ':')
	}
	if k != clockMinute {
		pair(number / 3600)
		dst = append(dst, ':')
	}
	pair(number / 60 % 60)
	dst = append(dst, ':')
	pair(number % 60)
	return dst
}

// floorMod is what division that rounds down leaves.
func floorMod(a, b int64) int64 { return a - column.FloorDiv(a, b)*b }

// yearAt is the year of a time moved by a difference of clocks in seconds.
func yearAt(t, difference int64) int {
	return time.Unix(column.FloorDiv(t, 1e9)+difference, 0).UTC().Year()
}

// aYear is a year and where it begins and ends, in seconds: times that come one after
// the other are mostly of the same one. The zero value is none.
type aYear struct {
	begin, end int64
	year       int
}

// at is yearAt.
func (y *aYear) at(t, difference int64) int {
	seconds := column.FloorDiv(t, 1e9) + difference
	if seconds < y.begin || seconds >= y.end {
		y.year = yearAt(t, difference)
		y.begin = time.Date(y.year, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		y.end = time.Date(y.year+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	return y.year
}

// appendClock appends the values as differences to a clock. It reports false
// if they are not of one clock.
func appendClock(dst []byte, values []string, times []int64) ([]byte, bool) {
	k, ok := clockOf(values[0])
	if !ok {
		return dst, false
	}
	unit, period := k.unit()
	differences := make([]int64, len(values))
	var years aYear
	for i, value := range values {
		number, year, ok := k.parse(value)
		if !ok || times[i] < -clockTimeMax || times[i] > clockTimeMax {
			return dst, false
		}
		// Near the first difference, so that a delay makes no jump of a period.
		near := -period / 2
		if i > 0 && k != clockYear {
			near += differences[0]
		}
		differences[i] = near + floorMod(number-column.FloorDiv(times[i], unit)-near, period)
		if k == clockYear && years.at(times[i], differences[i]) != year {
			return dst, false
		}
	}
	return column.AppendInts(append(dst, slotClock|byte(k)), differences), true
}

// clockValues decodes what appendClock wrote of count values: those at the
// ranks, all of them for nil; times are theirs.
func clockValues(src []byte, count int, ranks []uint32, times []int64) ([]string, error) {
	k := clock(src[0] &^ slotClock)
	if !k.valid() {
		return nil, fmt.Errorf("clock %d: %w", k, ErrCorrupt)
	}
	differences, rest, err := column.Ints(nil, src[1:], count)
	if err != nil || len(rest) != 0 {
		return nil, errors.Join(ErrCorrupt, err)
	}
	unit, period := k.unit()
	values := make([]string, len(times))
	var text []byte
	var years aYear
	for i, t := range times {
		rank := i
		if ranks != nil {
			rank = int(ranks[i])
		}
		if rank >= count {
			return nil, fmt.Errorf("value %d of %d of a clock: %w", rank, count, ErrCorrupt)
		}
		difference := differences[rank]
		if difference < -2*period || difference > 2*period {
			return nil, fmt.Errorf("difference %d to a clock: %w", difference, ErrCorrupt)
		}
		year := 0
		if k == clockYear {
			if year = years.at(t, difference); year < 0 || year > 9999 {
				return nil, fmt.Errorf("year %d of a clock: %w", year, ErrCorrupt)
			}
		}
		text = k.append(text[:0], floorMod(column.FloorDiv(t, unit)+difference, period), year)
		values[i] = string(text)
	}
	return values, nil
}

// isClock reports whether an encoded variable is differences to a clock.
func isClock(slot []byte) bool { return len(slot) > 0 && slot[0]&slotClock != 0 }

// groupTimes returns the times of the rows of a group on a text page.
func (c *columnReader) groupTimes(page uint32, group *textGroup) ([]int64, error) {
	numbers, err := c.numbersOf(page, group.code)
	if err != nil {
		return nil, err
	}
	if len(numbers) != int(group.count) {
		return nil, fmt.Errorf("%w: %d rows of code %d, %d values", ErrCorrupt, len(numbers), group.code, group.count)
	}
	rows, err := c.rowsOf(nil, numbers)
	if err != nil {
		return nil, err
	}
	return c.segment.clockTimes(rows)
}
