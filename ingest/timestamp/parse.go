package timestamp

import (
	"math"
	"time"
)

// DigitsMax is the largest number of fraction digits that is kept; further
// digits are cut off.
const DigitsMax = 9

// Time is a parsed time.
type Time struct {
	Nanos     int64 // Unix nanoseconds, UTC
	Digits    uint8 // fraction digits of the text, at most DigitsMax
	Canonical bool  // Append gives back the text exactly
}

// Parse reads a time in any of the known text forms. Now is used only for the
// form without a year.
func Parse(text string, now time.Time) (Time, bool) {
	if len(text) >= 19 && text[4] == '-' {
		return parseISO(text, '-')
	}
	text = trim(text)
	if len(text) < 1 {
		return Time{}, false
	}
	switch c := text[0]; {
	case len(text) >= 19 && text[4] == '-':
		t, ok := parseISO(text, '-')
		t.Canonical = false // there was space around it
		return t, ok
	case len(text) >= 19 && text[4] == '/':
		return parseISO(text, '/')
	case c >= '0' && c <= '9' && len(text) >= 20 && text[2] == '/':
		return parseCommonLog(text)
	case c >= '0' && c <= '9', c == '-', c == '+', c == '.':
		return ParseNumber(text)
	}
	return parseNamed(text, now)
}

// trim takes off surrounding space and one pair of square brackets.
func trim(s string) string {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if len(s) >= 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// parseISO reads YYYY-MM-DD, a 'T', 't', '_' or space, and a clock with an
// optional fraction and zone. sep is the byte between the parts of the date.
func parseISO(s string, sep byte) (Time, bool) {
	year, ok1 := number(s, 0, 4)
	month, ok2 := number(s, 5, 2)
	day, ok3 := number(s, 8, 2)
	if !ok1 || !ok2 || !ok3 || s[7] != sep {
		return Time{}, false
	}
	canonical := sep == '-' && s[10] == 'T'
	if c := s[10]; c != 'T' && c != 't' && c != ' ' && c != '_' {
		return Time{}, false
	}
	c, ok := parseClock(s, 11)
	if !ok {
		return Time{}, false
	}
	offset, ok := parseZone(s[c.end:])
	if !ok {
		return Time{}, false
	}
	t, ok := assemble(year, month, day, c, offset)
	t.Canonical = canonical && c.canonical && s[c.end:] == "Z"
	return t, ok
}

// clock is a time of day as read from a text.
type clock struct {
	seconds   int64 // since midnight
	nanos     int64
	digits    uint8
	end       int  // where the text after it starts
	canonical bool // written as Append writes it
}

// parseClock reads HH:MM:SS and an optional fraction at s[at:].
func parseClock(s string, at int) (clock, bool) {
	if len(s) < at+8 || s[at+2] != ':' || s[at+5] != ':' {
		return clock{}, false
	}
	hour, ok1 := number(s, at, 2)
	minute, ok2 := number(s, at+3, 2)
	second, ok3 := number(s, at+6, 2)
	// 60 is a leap second: it reads as the second after.
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 60 {
		return clock{}, false
	}
	c := clock{seconds: int64(hour)*3600 + int64(minute)*60 + int64(second), end: at + 8, canonical: second < 60}
	if c.end == len(s) || s[c.end] != '.' && s[c.end] != ',' {
		return c, true
	}
	c.canonical = c.canonical && s[c.end] == '.'
	i := c.end + 1
	scale := int64(100_000_000)
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if c.digits == DigitsMax {
			c.canonical = false
			continue
		}
		c.nanos += int64(s[i]-'0') * scale
		scale /= 10
		c.digits++
	}
	if i == c.end+1 {
		return clock{}, false
	}
	c.end = i
	return c, true
}

// parseZone reads what follows a clock: nothing (UTC), a name of UTC, or an
// offset, with or without a space before it. It returns seconds east of UTC.
func parseZone(s string) (int64, bool) {
	if len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	switch s {
	case "", "Z", "z", "UTC", "GMT", "utc", "gmt":
		return 0, true
	}
	sign := int64(1)
	switch s[0] {
	case '-':
		sign = -1
	case '+':
	default:
		return 0, false
	}
	hours, ok := number(s, 1, 2)
	minutes := 0
	if !ok {
		return 0, false
	}
	switch {
	case len(s) == 3:
	case len(s) == 5:
		minutes, ok = number(s, 3, 2)
	case len(s) == 6 && s[3] == ':':
		minutes, ok = number(s, 4, 2)
	default:
		return 0, false
	}
	if !ok || hours > 23 || minutes > 59 {
		return 0, false
	}
	return sign * (int64(hours)*3600 + int64(minutes)*60), true
}

// assemble puts date, clock and zone together.
func assemble(year, month, day int, c clock, offset int64) (Time, bool) {
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return Time{}, false
	}
	seconds := daysSinceEpoch(year, month, day)*86_400 + c.seconds - offset
	nanos, ok := nanosOf(seconds, c.nanos)
	return Time{Nanos: nanos, Digits: c.digits}, ok
}

// nanosOf joins seconds and nanoseconds, if the sum fits.
func nanosOf(seconds, nanos int64) (int64, bool) {
	const limit = math.MaxInt64 / 1_000_000_000
	if seconds > -limit && seconds < limit {
		return seconds*1_000_000_000 + nanos, true
	}
	return 0, false
}

// number reads exactly width decimal digits at s[at:].
func number(s string, at, width int) (int, bool) {
	if len(s) < at+width {
		return 0, false
	}
	n := 0
	for i := at; i < at+width; i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if isLeap(year) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSinceEpoch counts days from 1970-01-01 in the Gregorian calendar. Years
// start in March here, so that the leap day is the last of its year.
func daysSinceEpoch(year, month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	ofEra := y - era*400
	ofYear := (153*(m-3)+2)/5 + int64(day) - 1
	return era*146_097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719_468
}
