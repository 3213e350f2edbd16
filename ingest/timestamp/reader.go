package timestamp

import (
	"math"
	"time"
)

// minuteBytes is the length of "2006-01-02T15:04:".
const minuteBytes = 17

// Reader is Parse for times that come one after the other: where the text is
// in the canonical form and in the minute of the last such one, it reads the
// seconds alone. The zero value is ready to use, from one goroutine at a time.
type Reader struct {
	minute [minuteBytes]byte // as written
	known  bool              // minute is one
	nanos  int64             // at which it begins
}

// minuteMax keeps minutes away from the times that an int64 cannot hold.
const minuteMax = math.MaxInt64 - 120_000_000_000

// Parse is the function Parse.
func (r *Reader) Parse(text string, now time.Time) (Time, bool) {
	if r.known && len(text) > minuteBytes+2 && text[:minuteBytes] == string(r.minute[:]) {
		if t, ok := r.second(text[minuteBytes:]); ok {
			return t, true
		}
	}
	t, ok := Parse(text, now)
	if ok && t.Canonical && t.Nanos > -minuteMax && t.Nanos < minuteMax {
		copy(r.minute[:], text)
		r.known = true
		seconds, _ := number(text, minuteBytes, 2)
		r.nanos = t.Nanos - int64(seconds)*1_000_000_000 - fractionOf(t.Nanos)
	}
	return t, ok
}

// fractionOf returns the nanoseconds since the second that a time is in.
func fractionOf(nanos int64) int64 {
	fraction := nanos % 1_000_000_000
	if fraction < 0 {
		fraction += 1_000_000_000
	}
	return fraction
}

// second reads "05Z" and "05.123Z", of a time in the canonical form.
func (r *Reader) second(s string) (Time, bool) {
	high, low := s[0]-'0', s[1]-'0'
	if high > 5 || low > 9 {
		return Time{}, false
	}
	nanos, digits, at := int64(high*10+low)*1_000_000_000, uint8(0), 2
	if s[at] == '.' {
		scale := int64(100_000_000)
		for at++; at < len(s) && s[at]-'0' <= 9 && digits < DigitsMax; at++ {
			nanos += int64(s[at]-'0') * scale
			scale /= 10
			digits++
		}
		if digits == 0 {
			return Time{}, false
		}
	}
	if at != len(s)-1 || s[at] != 'Z' {
		return Time{}, false
	}
	return Time{Nanos: r.nanos + nanos, Digits: digits, Canonical: true}, true
}
