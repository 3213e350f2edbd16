package expr

import (
	"math"
	"math/bits"
	"time"
)

// arithmetic computes x op y; null where that has no result.
func arithmetic(op byte, x, y Value) Value {
	if x.Kind == Time || y.Kind == Time {
		return timeArithmetic(op, x, y)
	}
	a, okA := x.number()
	b, okB := y.number()
	if !okA || !okB {
		return Value{}
	}
	if a.whole && b.whole {
		if v, ok := wholeArithmetic(op, a.i, b.i); ok {
			return v
		}
	}
	switch op {
	case '+':
		return ofFloat(a.f + b.f)
	case '-':
		return ofFloat(a.f - b.f)
	case '*':
		return ofFloat(a.f * b.f)
	case '/':
		return ofFloat(a.f / b.f)
	case '%':
		return ofFloat(math.Mod(a.f, b.f))
	}
	return Value{}
}

// wholeArithmetic computes with whole numbers; ok is false where the result is
// not one of 64 bits.
func wholeArithmetic(op byte, a, b int64) (v Value, ok bool) {
	switch op {
	case '+':
		sum := a + b
		return OfInt(sum), (sum > a) == (b > 0)
	case '-':
		difference := a - b
		return OfInt(difference), (difference < a) == (b > 0)
	case '*':
		high, low := bits.Mul64(magnitude(a), magnitude(b))
		if high > 0 || low > math.MaxInt64 {
			return Value{}, false
		}
		return OfInt(a * b), true
	case '/':
		if b == 0 {
			return Value{}, true
		}
		if a == math.MinInt64 && b == -1 || a%b != 0 {
			return Value{}, false
		}
		return OfInt(a / b), true
	case '%':
		switch b {
		case 0:
			return Value{}, true
		case -1:
			return OfInt(0), true
		}
		return OfInt(a % b), true
	}
	return Value{}, true
}

// magnitude returns a number without its sign.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// timeArithmetic computes with times: the seconds between two, or one that is
// so many seconds later or earlier.
func timeArithmetic(op byte, x, y Value) Value {
	a, okA := x.time()
	b, okB := y.time()
	switch {
	case okA && okB && op == '-':
		if (a < 0) != (b < 0) && (a-b < 0) != (a < 0) {
			return ofFloat((float64(a) - float64(b)) / float64(time.Second))
		}
		return seconds(a - b)
	case x.Kind == Time && (op == '+' || op == '-'):
		return shift(a, y, op == '-')
	case y.Kind == Time && op == '+':
		return shift(b, x, false)
	}
	return Value{}
}

// shift returns a time that is some seconds later, or earlier.
func shift(at int64, by Value, back bool) Value {
	n, ok := by.number()
	if !ok {
		return Value{}
	}
	nanos := n.f * float64(time.Second)
	if back {
		nanos = -nanos
	}
	if math.Abs(nanos) > math.MaxInt64/2 {
		return Value{}
	}
	later := at + int64(math.Round(nanos))
	if (later > at) != (nanos > 0) && later != at {
		return Value{}
	}
	return OfTime(later)
}

// Buckets begin at 1970-01-01 UTC, those of whole weeks on Mondays.
const (
	week   = 7 * 24 * time.Hour
	monday = 4 * 24 * time.Hour // 1970-01-05
)

// bucket returns the beginning of the piece of a width that a number or time is
// in.
func bucket(v, width Value) Value {
	w, ok := width.number()
	if !ok || w.f <= 0 {
		return Value{}
	}
	if at, isTime := v.time(); isTime {
		nanos := w.f * float64(time.Second)
		if nanos < 1 || nanos > math.MaxInt64/2 {
			return Value{}
		}
		size, offset := int64(nanos), int64(0)
		if size%int64(week) == 0 {
			offset = int64(monday) % size
		}
		rest := (at%size - offset) % size
		if rest < 0 {
			rest += size
		}
		if at < math.MinInt64+rest {
			return Value{}
		}
		return OfTime(at - rest)
	}
	n, ok := v.number()
	if !ok {
		return Value{}
	}
	if n.whole && w.whole {
		rest := n.i % w.i
		if rest < 0 {
			rest += w.i
		}
		if n.i < math.MinInt64+rest {
			return Value{}
		}
		return OfInt(n.i - rest)
	}
	return ofFloat(math.Floor(n.f/w.f) * w.f)
}

// Difference returns x - y, null where there is none.
func Difference(x, y Value) Value { return arithmetic('-', x, y) }
