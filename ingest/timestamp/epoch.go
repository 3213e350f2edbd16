package timestamp

import "math"

// epochDigitsMax bounds the significant digits that ParseNumber looks at; a
// time in nanoseconds has 19.
const epochDigitsMax = 40

// ParseNumber reads an epoch time from a decimal number (fraction and exponent
// allowed). The magnitude says the unit: below 1e11 seconds, below 1e14
// milliseconds, below 1e17 microseconds, else nanoseconds.
func ParseNumber(text string) (Time, bool) {
	d, ok := parseDecimal(text)
	if !ok {
		return Time{}, false
	}
	shift := 0 // power of ten from the unit to nanoseconds
	switch {
	case d.point <= 11:
		shift = 9
	case d.point <= 14:
		shift = 6
	case d.point <= 17:
		shift = 3
	}
	nanos, ok := d.shifted(shift)
	if !ok {
		return Time{}, false
	}
	digits := 9 - shift + max(0, d.size-d.point)
	return Time{Nanos: nanos, Digits: uint8(min(digits, DigitsMax))}, true
}

// decimal is a number as its significant digits and the position of the point
// in them: 0.digits * 10^point, without leading zeros.
type decimal struct {
	negative bool
	digits   [epochDigitsMax]byte
	size     int
	point    int
}

// parseDecimal reads [+-]digits[.digits][e[+-]digits].
func parseDecimal(s string) (d decimal, ok bool) {
	i := 0
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		i++
	}
	seen, pointSeen := false, false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !pointSeen {
			pointSeen = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen = true
		if c == '0' && d.size == 0 { // a leading zero
			if pointSeen {
				d.point--
			}
			continue
		}
		if d.size < epochDigitsMax {
			d.digits[d.size] = c - '0'
			d.size++
		}
		if !pointSeen {
			d.point++
		}
	}
	if !seen {
		return d, false
	}
	if i < len(s) {
		exponent, ok := parseExponent(s[i:])
		if !ok {
			return d, false
		}
		d.point += exponent
	}
	return d, true
}

// exponentMax bounds exponents; a larger one cannot be a time.
const exponentMax = 400

func parseExponent(s string) (int, bool) {
	if len(s) < 2 || s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	sign := 1
	if s[0] == '-' || s[0] == '+' {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 4 {
		return 0, false
	}
	n, ok := number(s, 0, len(s))
	return sign * n, ok && n <= exponentMax
}

// shifted returns d * 10^shift without its fraction, if that fits an int64.
func (d *decimal) shifted(shift int) (int64, bool) {
	point := d.point + shift
	if point > 19 && d.size > 0 {
		return 0, false
	}
	var n uint64
	for i := 0; i < point; i++ {
		var digit uint64
		if i < d.size {
			digit = uint64(d.digits[i])
		}
		if n > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
		if n == 0 {
			break // zero has no digits at all
		}
	}
	if d.negative {
		return -int64(n), true
	}
	return int64(n), true
}
