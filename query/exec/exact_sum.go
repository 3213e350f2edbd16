package exec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/stere-log/stere/internal/wire"
)

// exactSum is a sum of floats without rounding, so that it is the same in
// whatever order parts and nodes add to it: a whole number in limbs of 32 bits,
// the i-th worth 2^(32*(low+i)) of the smallest unit. Limbs are wider than
// their 32 bits and signed, and carry only now and then. Values of similar size
// touch few limbs, which is why only those are kept.
type exactSum struct {
	low   int
	limbs []int64
	heavy int64 // no limb is beyond heavy * 2^32
}

// The limbs: the smallest float is 2^-1074, so that unitExponent, a multiple of
// the limbs' size, leaves none out; the biggest float times the biggest count,
// added up as often as can be, ends below limbsMax.
const (
	limbBits     = 32
	unitExponent = 34 * limbBits
	limbsMax     = 72
	heavyMax     = 1 << 29
)

// add adds a float n times.
func (s *exactSum) add(v float64, n uint64) {
	if v == 0 || n == 0 {
		return
	}
	const mantissaBits = 52
	exponent := int(math.Float64bits(v) >> mantissaBits & (1<<11 - 1))
	mantissa := math.Float64bits(v) & (1<<mantissaBits - 1)
	if exponent == 0 {
		exponent = 1 // a denormal one
	} else {
		mantissa |= 1 << mantissaBits
	}
	high, low := bits.Mul64(mantissa, n)
	s.addBits(math.Signbit(v), high, low, exponent-1023-mantissaBits+unitExponent)
}

// addWhole adds a whole number of 128 bits in two's complement.
func (s *exactSum) addWhole(w whole128) {
	negative := w.high < 0
	if negative {
		w = w.negated()
	}
	if w.high != 0 || w.low != 0 {
		s.addBits(negative, uint64(w.high), w.low, unitExponent)
	}
}

// addBits adds 128 bits whose lowest is worth 2^shift units.
func (s *exactSum) addBits(negative bool, high, low uint64, shift int) {
	by := uint(shift % limbBits)
	words := [...]uint64{low << by, low>>(64-by) | high<<by, high >> (64 - by)}
	var limbs [6]int64
	for i, word := range words {
		limbs[2*i], limbs[2*i+1] = int64(word&math.MaxUint32), int64(word>>limbBits)
	}
	n := len(limbs)
	for n > 0 && limbs[n-1] == 0 {
		n--
	}
	if negative {
		for i := range limbs {
			limbs[i] = -limbs[i]
		}
	}
	s.addLimbs(shift/limbBits, limbs[:n], 1)
}

// addLimbs adds limbs of which none is beyond heavy * 2^32, which is at most
// half of heavyMax.
func (s *exactSum) addLimbs(low int, limbs []int64, heavy int64) {
	if s.heavy+heavy > heavyMax {
		s.carry()
	}
	s.heavy += heavy
	switch {
	case len(s.limbs) == 0:
		s.low = low
	case low < s.low:
		s.limbs = append(make([]int64, s.low-low, len(s.limbs)+s.low-low), s.limbs...)
		s.low = low
	}
	for len(s.limbs) < low-s.low+len(limbs) {
		s.limbs = append(s.limbs, 0)
	}
	for i, limb := range limbs {
		s.limbs[low-s.low+i] += limb
	}
}

// merge adds another sum, which stays as it is.
func (s *exactSum) merge(other *exactSum) {
	if len(other.limbs) == 0 {
		return
	}
	if other.heavy > heavyMax/2 {
		other = &exactSum{low: other.low, limbs: slices.Clone(other.limbs)}
		other.carry()
	}
	s.addLimbs(other.low, other.limbs, other.heavy)
}

// carry brings all limbs but the last into 0 to 2^32-1, and the last below
// 2^32 either way: its sign is that of the sum.
func (s *exactSum) carry() {
	for i := 0; i < len(s.limbs); i++ {
		carried := s.limbs[i] >> limbBits
		if i == len(s.limbs)-1 {
			if carried == 0 || carried == -1 {
				break
			}
			s.limbs = append(s.limbs, 0)
		}
		s.limbs[i] -= carried << limbBits
		s.limbs[i+1] += carried
	}
	s.heavy = 1
}

// magnitude returns the sum as limbs of 32 bits without zeros at either end,
// where they begin, and the sign.
func (s *exactSum) magnitude() (negative bool, low int, limbs []uint32) {
	t := exactSum{low: s.low, limbs: slices.Clone(s.limbs)}
	t.carry()
	if n := len(t.limbs); n > 0 && t.limbs[n-1] < 0 {
		negative = true
		for i := range t.limbs {
			t.limbs[i] = -t.limbs[i]
		}
		t.carry()
	}
	first, end := 0, len(t.limbs)
	for end > 0 && t.limbs[end-1] == 0 {
		end--
	}
	for first < end && t.limbs[first] == 0 {
		first++
	}
	for _, limb := range t.limbs[first:end] {
		limbs = append(limbs, uint32(limb))
	}
	return negative, t.low + first, limbs
}

// value returns the float next to the sum.
func (s *exactSum) value() float64 {
	negative, low, limbs := s.magnitude()
	n := len(limbs)
	if n == 0 {
		return 0
	}
	// The 64 highest bits round as the whole does if the last of them says
	// whether there are more.
	var top uint64
	taken := 0
	for i := n - 1; i >= max(0, n-3); i-- {
		bit := min(limbBits, bits.LeadingZeros64(top))
		rest := uint64(limbs[i])
		top = top<<bit | rest>>(limbBits-bit)
		taken += bit
		if rest<<(64-limbBits+bit) != 0 {
			top |= 1
		}
	}
	for i := 0; i < n-3; i++ {
		if limbs[i] != 0 {
			top |= 1
		}
	}
	v := math.Ldexp(float64(top), limbBits*(low+n)-taken-unitExponent)
	if negative {
		v = -v
	}
	return v
}

// encode appends the sum.
func (s *exactSum) encode(dst []byte) []byte {
	negative, low, limbs := s.magnitude()
	sign := byte(0)
	if negative {
		sign = 1
	}
	dst = append(dst, sign, byte(low), byte(len(limbs)))
	for _, limb := range limbs {
		dst = binary.LittleEndian.AppendUint32(dst, limb)
	}
	return dst
}

// decodeExactSum takes a sum.
func decodeExactSum(r *wire.Reader) *exactSum {
	sign, low, n := r.Byte(), int(r.Byte()), int(r.Byte())
	if sign > 1 || low+n > limbsMax {
		r.Fail()
	}
	taken := r.Take(uint64(n) * limbBits / 8)
	if r.Failed() {
		return &exactSum{}
	}
	s := &exactSum{low: low, limbs: make([]int64, n), heavy: 1}
	for i := range s.limbs {
		s.limbs[i] = int64(binary.LittleEndian.Uint32(taken[4*i:]))
		if sign == 1 {
			s.limbs[i] = -s.limbs[i]
		}
	}
	return s
}

// whole128 is a whole number of 128 bits in two's complement: no sum of whole
// numbers of 64 bits leaves it.
type whole128 struct {
	high int64
	low  uint64
}

// add adds v n times.
func (w *whole128) add(v int64, n uint64) {
	magnitude := uint64(v)
	if v < 0 {
		magnitude = -magnitude
	}
	high, low := bits.Mul64(magnitude, n)
	product := whole128{int64(high), low}
	if v < 0 {
		product = product.negated()
	}
	w.merge(product)
}

// merge adds another number.
func (w *whole128) merge(other whole128) {
	low, carry := bits.Add64(w.low, other.low, 0)
	w.low, w.high = low, w.high+other.high+int64(carry)
}

// negated returns the number with the other sign.
func (w whole128) negated() whole128 {
	low, borrow := bits.Sub64(0, w.low, 0)
	return whole128{-w.high - int64(borrow), low}
}

// int64 returns the number if it has 64 bits.
func (w whole128) int64() (int64, bool) {
	v := int64(w.low)
	return v, w.high == v>>63
}
