package exec

import (
	"encoding/binary"

	"github.com/stere-log/stere/internal/wire"
)

// sums adds up the values that read as numbers, without rounding; with mean, it
// divides by their number. Whole numbers alone come out whole while the sum
// fits into 64 bits.
type sums struct {
	mean bool
	of   []sum
}

// sum is the state of one group: that of the whole numbers and, if there are
// others, that of the rest.
type sum struct {
	n     uint64
	whole whole128
	rest  *exactSum
}

// sumBytes and exactBytes are about what a sum takes, without and with a rest.
const (
	sumBytes   = 40
	exactBytes = 96
)

func (a *sums) add(group int, c *cell, n uint64) {
	if !c.numeric {
		return
	}
	s := at(&a.of, group)
	s.n += n
	if c.isWhole {
		s.whole.add(c.whole, n)
		return
	}
	if s.rest == nil {
		s.rest = &exactSum{}
	}
	s.rest.add(c.number, n)
}

func (a *sums) seal(n int) { grow(&a.of, n) }

func (a *sums) bytes() (bytes int64) {
	for i := range a.of {
		if bytes += sumBytes; a.of[i].rest != nil {
			bytes += exactBytes
		}
	}
	return bytes
}

func (a *sums) merge(group int, other aggregate, from int) {
	s, o := at(&a.of, group), *at(&other.(*sums).of, from)
	s.n += o.n
	s.whole.merge(o.whole)
	if o.rest == nil {
		return
	}
	if s.rest == nil {
		s.rest = &exactSum{}
	}
	s.rest.merge(o.rest)
}

func (a *sums) value(group int) any {
	s := at(&a.of, group)
	whole, fits := s.whole.int64()
	switch {
	case s.n == 0:
		return nil
	case a.mean:
		return renderNumber(s.float()/float64(s.n), false)
	case s.rest == nil && fits:
		return whole
	}
	return renderNumber(s.float(), false)
}

// float returns the float next to the sum.
func (s *sum) float() float64 {
	if whole, fits := s.whole.int64(); fits && s.rest == nil {
		return float64(whole)
	}
	var all exactSum
	if s.rest != nil {
		all.merge(s.rest)
	}
	all.addWhole(s.whole)
	return all.value()
}

func (a *sums) approximate() bool { return false }

func (a *sums) over() bool { return false }

// What the first byte of an encoded sum says is in it.
const (
	sumWide byte = 1 << iota // the whole numbers have 128 bits
	sumRest                  // there are others
)

func (a *sums) encode(dst []byte, n int) []byte {
	for group := range n {
		s := at(&a.of, group)
		whole, fits := s.whole.int64()
		flags := byte(0)
		if !fits {
			flags |= sumWide
		}
		if s.rest != nil {
			flags |= sumRest
		}
		dst = binary.AppendUvarint(append(dst, flags), s.n)
		if fits {
			dst = binary.AppendVarint(dst, whole)
		} else {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(s.whole.high))
			dst = binary.LittleEndian.AppendUint64(dst, s.whole.low)
		}
		if s.rest != nil {
			dst = s.rest.encode(dst)
		}
	}
	return dst
}

func (a *sums) decode(r *wire.Reader, n int) {
	for group := 0; group < n && !r.Failed(); group++ {
		flags := r.Byte()
		s := sum{n: r.Uvarint()}
		if flags&sumWide == 0 {
			s.whole.add(r.Varint(), 1)
		} else {
			s.whole = whole128{high: int64(takeUint64(r)), low: takeUint64(r)}
		}
		if flags&sumRest != 0 {
			s.rest = decodeExactSum(r)
		}
		a.of = append(a.of, s)
	}
}
