package exec

import "math"

// sums adds up the values that read as numbers; with mean, it divides by their
// number. Whole numbers add up exactly while the sum fits into 64 bits.
type sums struct {
	mean bool
	of   []sum
}

// sum is the state of one group.
type sum struct {
	n        uint64
	whole    int64
	inexact  bool    // a value was not whole, or whole is too small
	number   float64 // the same sum
	residual float64 // what rounding took from number (Neumaier)
}

func (a *sums) add(group int, c *cell, n uint64) {
	if !c.numeric {
		return
	}
	s := at(&a.of, group)
	s.n += n
	s.float(c.number * float64(n))
	product := c.whole * int64(n)
	if !c.isWhole || n > math.MaxInt64 || c.whole != 0 && product/c.whole != int64(n) {
		s.inexact = true
		return
	}
	s.int(product)
}

// float adds to the sum of floats.
func (s *sum) float(v float64) {
	t := s.number + v
	if math.Abs(s.number) >= math.Abs(v) {
		s.residual += (s.number - t) + v
	} else {
		s.residual += (v - t) + s.number
	}
	s.number = t
}

// int adds to the sum of whole numbers.
func (s *sum) int(v int64) {
	t := s.whole + v
	if (t > s.whole) != (v > 0) && v != 0 {
		s.inexact = true
	}
	s.whole = t
}

func (a *sums) seal(n int) { grow(&a.of, n) }

func (a *sums) bytes() int64 { return 40 * int64(len(a.of)) }

func (a *sums) merge(group int, other aggregate, from int) {
	s, o := at(&a.of, group), *at(&other.(*sums).of, from)
	s.n += o.n
	s.float(o.number)
	s.residual += o.residual
	s.inexact = s.inexact || o.inexact
	s.int(o.whole)
}

func (a *sums) value(group int) any {
	s := at(&a.of, group)
	switch {
	case s.n == 0:
		return nil
	case !a.mean && !s.inexact:
		return s.whole
	case a.mean && !s.inexact:
		return renderNumber(float64(s.whole)/float64(s.n), false)
	case a.mean:
		return renderNumber((s.number+s.residual)/float64(s.n), false)
	}
	return renderNumber(s.number+s.residual, false)
}

func (a *sums) approximate() bool { return false }

func (a *sums) over() bool { return false }
