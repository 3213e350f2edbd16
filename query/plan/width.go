package plan

import (
	"math"
	"strconv"
	"strings"
)

// Width cuts numbers to buckets: decimally, so that 0.3 is in the bucket of 0.3
// where the width is 0.1.
type Width struct {
	text   string
	digits int64 // the width is this times
	power  int   // so many tens
}

// newWidth returns the buckets of a width as written, a positive decimal number.
func newWidth(text string) *Width {
	whole, fraction, _ := strings.Cut(text, ".")
	fraction = strings.TrimRight(fraction, "0")
	digits, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || digits <= 0 {
		digits, fraction = 1, "" // the parser lets no such width pass
	}
	return &Width{text: text, digits: digits, power: -len(fraction)}
}

// Key tells the buckets from others.
func (w *Width) Key() string { return w.text }

// nearBound is how near, relatively, a number may be to a bound to count as it:
// the float next to a decimal number is hardly ever that number.
const nearBound = 1e-12

// Number returns the number of the bucket that a value is in.
func (w *Width) Number(v float64) float64 {
	n := v / float64(w.digits)
	if w.power < 0 {
		n *= math.Pow10(-w.power)
	} else {
		n /= math.Pow10(w.power)
	}
	if near := math.Round(n); math.Abs(n-near) <= nearBound*math.Max(1, math.Abs(n)) {
		return near
	}
	return math.Floor(n)
}

// Bucket returns the lower bound of the bucket of a value: the value itself where
// it is so big that floats do not tell bounds apart.
func (w *Width) Bucket(v float64) string {
	n := w.Number(v)
	if math.Abs(n) >= wholeMax {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return w.Text(n)
}

// Text returns the lower bound of the bucket with a number.
func (w *Width) Text(number float64) string {
	if math.Abs(number)*float64(w.digits) >= wholeMax {
		bound := number * float64(w.digits) * math.Pow10(w.power)
		return strconv.FormatFloat(min(max(bound, -math.MaxFloat64), math.MaxFloat64), 'f', -1, 64)
	}
	text := strconv.FormatInt(int64(number)*w.digits, 10)
	switch {
	case text == "0":
		return text
	case w.power >= 0:
		return text + strings.Repeat("0", w.power)
	}
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	if missing := 1 - w.power - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	whole, fraction := text[:len(text)+w.power], strings.TrimRight(text[len(text)+w.power:], "0")
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}

// NiceWidth returns the least of the widths 1, 2 and 5 times a power of ten of
// which at most so many buckets hold all values from low to high.
func NiceWidth(low, high float64, most int) *Width {
	const powerLeast, powerMost = -300, 308
	power := 0
	if high > low {
		power = max(powerLeast, int(math.Floor(math.Log10(high/float64(most)-low/float64(most))))-1)
	}
	for ; power < powerMost; power++ {
		for _, digits := range [...]int64{1, 2, 5} {
			w := &Width{digits: digits, power: power}
			if w.Number(high)-w.Number(low)+1 <= float64(most) {
				return w
			}
		}
	}
	return &Width{digits: 1, power: powerMost}
}
