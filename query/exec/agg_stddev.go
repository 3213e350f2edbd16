package exec

import (
	"encoding/binary"
	"math"
	"math/big"

	"github.com/stere-log/stere/internal/wire"
)

// deviations finds the standard deviation of the values that read as numbers, as
// floats, of the whole population. It adds up the values and their squares
// without rounding, so that the order does not show and nothing cancels out.
type deviations struct{ of []deviation }

// deviation is the state of one group.
type deviation struct {
	n       uint64
	huge    bool // a square is no float any more
	sum     exactSum
	squares exactSum
}

func (a *deviations) add(group int, c *cell, n uint64) {
	if !c.numeric {
		return
	}
	d := at(&a.of, group)
	d.n += n
	square := c.number * c.number
	rest := math.FMA(c.number, c.number, -square) // what square was rounded by
	if math.IsInf(square, 0) {
		d.huge = true
		return
	}
	d.sum.add(c.number, n)
	d.squares.add(square, n)
	d.squares.add(rest, n)
}

func (a *deviations) seal(n int) { grow(&a.of, n) }

func (a *deviations) bytes() int64 { return int64(len(a.of)) * (sumBytes + 2*exactBytes) }

func (a *deviations) merge(group int, other aggregate, from int) {
	d, o := at(&a.of, group), at(&other.(*deviations).of, from)
	d.n += o.n
	d.huge = d.huge || o.huge
	d.sum.merge(&o.sum)
	d.squares.merge(&o.squares)
}

func (a *deviations) value(group int) any {
	d := at(&a.of, group)
	if d.n == 0 || d.huge {
		return nil
	}
	// n² times the variance is n * squares - sum²: whole numbers of units.
	n := new(big.Int).SetUint64(d.n)
	sum := d.sum.units()
	spread := new(big.Int).Mul(n, d.squares.units())
	spread.Lsh(spread, unitExponent) // as sum² counts units of units
	spread.Sub(spread, sum.Mul(sum, sum))
	if spread.Sign() <= 0 { // squares too small for floats
		return 0.0
	}
	const precision = 128 // bits, more than twice those of a float
	root := new(big.Float).SetPrec(precision).SetInt(spread)
	root.Sqrt(root)
	root.Quo(root, new(big.Float).SetPrec(precision).SetInt(n))
	root.SetMantExp(root, -unitExponent)
	value, _ := root.Float64()
	return renderNumber(value, false)
}

// units returns the sum as a whole number of units.
func (s *exactSum) units() *big.Int {
	negative, low, limbs := s.magnitude()
	bytes := make([]byte, limbBits/8*len(limbs))
	for i, limb := range limbs {
		binary.BigEndian.PutUint32(bytes[limbBits/8*(len(limbs)-1-i):], limb)
	}
	units := new(big.Int).SetBytes(bytes)
	units.Lsh(units, uint(limbBits*low))
	if negative {
		units.Neg(units)
	}
	return units
}

func (a *deviations) approximate() bool { return false }

func (a *deviations) over() bool { return false }

func (a *deviations) encode(dst []byte, n int) []byte {
	for group := range n {
		d := at(&a.of, group)
		huge := byte(0)
		if d.huge {
			huge = 1
		}
		dst = binary.AppendUvarint(append(dst, huge), d.n)
		dst = d.squares.encode(d.sum.encode(dst))
	}
	return dst
}

func (a *deviations) decode(r *wire.Reader, n int) {
	for group := 0; group < n && !r.Failed(); group++ {
		flag := r.Byte()
		if flag > 1 {
			r.Fail()
		}
		d := deviation{huge: flag == 1, n: r.Uvarint()}
		d.sum, d.squares = *decodeExactSum(r), *decodeExactSum(r)
		a.of = append(a.of, d)
	}
}
