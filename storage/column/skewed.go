package column

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Skewed integers: each value is a class, written with a prefix code, and the
// bits that the class leaves open. Small values and the highest bits of large
// ones decide the class, so that a column where small or near values are
// frequent costs about its entropy.

// What is written instead of the values.
const (
	skewedOffsets = 0 // value - minimum
	skewedSteps   = 1 // difference to the last value - least difference
	skewedZigzag  = 2 // difference to the last value, sign in the lowest bit
	skewedModes   = 3
)

// Limits of skewed integers.
const (
	skewedMin  = 24 // fewer values are not worth a code table
	skewedSub  = 2  // bits below the highest that are part of a fine class
	skewedGain = 32 // a 32nd of the size is not worth the slower decoding
)

// classOf returns the class of v, fine or coarse, and how many bits it leaves
// open.
func classOf(v uint64, sub uint) (class int, open uint) {
	if v < 2<<sub {
		return int(v), 0
	}
	length := uint(bits.Len64(v))
	open = length - 1 - sub
	return int((length-sub)<<sub | uint(v>>open)&(1<<sub-1)), open
}

// classBase returns the least value of a class and how many bits are open.
func classBase(class int, sub uint) (base uint64, open uint) {
	if class < 2<<sub {
		return uint64(class), 0
	}
	open = uint(class)>>sub - 1
	return uint64(1<<sub|class&(1<<sub-1)) << open, open
}

// skewed is how an array would be written.
type skewed struct {
	mode   byte
	sub    uint
	first  int64 // value, for differences
	base   int64 // minimum or least difference
	counts [symbolsMax]uint32
	cost   int // bytes, about
}

// each calls visit with what is written for each value.
func (s *skewed) each(values []int64, visit func(v uint64)) {
	switch s.mode {
	case skewedOffsets:
		for _, v := range values {
			visit(uint64(v) - uint64(s.base))
		}
	case skewedSteps:
		last := values[0]
		for _, v := range values[1:] {
			visit(uint64(v) - uint64(last) - uint64(s.base))
			last = v
		}
	case skewedZigzag:
		last := values[0]
		for _, v := range values[1:] {
			delta := v - last
			visit(uint64(delta<<1 ^ delta>>63))
			last = v
		}
	}
}

// measure counts classes and sets the cost.
func (s *skewed) measure(values []int64) {
	s.sub = skewedSub
	open, n := 0, len(values)
	if s.mode != skewedOffsets {
		n--
	}
	s.each(values, func(v uint64) {
		class, more := classOf(v, skewedSub)
		s.counts[class]++
		open += int(more)
	})
	s.cost = s.price(n, open)
	if n > skewedMin<<5 {
		return // a larger table is nothing then
	}
	coarse := *s
	coarse.sub, coarse.counts = 0, [symbolsMax]uint32{}
	open = 0
	for class, count := range s.counts {
		if count > 0 {
			base, more := classBase(class, skewedSub)
			class, length := classOf(base, 0)
			coarse.counts[class] += count
			open += int(count) * int(max(length, more))
		}
	}
	if coarse.cost = coarse.price(n, open); coarse.cost < s.cost {
		*s = coarse
	}
}

// price returns the bytes of n values that leave so many bits open.
func (s *skewed) price(n, open int) int {
	first, last, total := -1, 0, float64(open)
	for class, count := range s.counts {
		if count > 0 {
			if first < 0 {
				first = class
			}
			last = class
			total += float64(count) * max(math.Log2(float64(n)/float64(count)), 0)
		}
	}
	return int(total/8) + (last-first)/2 + 10 + varintLen(s.base) + varintLen(s.first)
}

// chooseSkewed returns the cheapest way to write the values skewed.
func chooseSkewed(values []int64, shape *intsShape) skewed {
	var best skewed
	for mode := range byte(skewedModes) {
		s := skewed{mode: mode}
		switch mode {
		case skewedOffsets:
			s.base = shape.low
		case skewedSteps:
			s.base, s.first = shape.lowDelta, values[0]
		case skewedZigzag:
			if shape.lowDelta >= 0 {
				continue // steps are the same and better
			}
			s.first = values[0]
		}
		s.measure(values)
		if mode == 0 || s.cost < best.cost {
			best = s
		}
	}
	return best
}

// append writes the values.
func (s *skewed) append(dst []byte, values []int64) []byte {
	dst = append(dst, intsSkewed, s.mode|byte(s.sub)<<4)
	dst = binary.AppendVarint(dst, s.base)
	if s.mode != skewedOffsets {
		dst = binary.AppendVarint(dst, s.first)
	}
	var lengths [symbolsMax]uint8
	var codes [symbolsMax]uint16
	first, last := s.span()
	if first != last {
		codeLengths(&lengths, &s.counts)
		assignCodes(&codes, &lengths)
	}
	dst = append(dst, byte(first), byte(last))
	for class := first; class <= last && first != last; class += 2 {
		pair := lengths[class]
		if class < last {
			pair |= lengths[class+1] << 4
		}
		dst = append(dst, pair)
	}
	var acc uint64
	var held uint
	s.each(values, func(v uint64) {
		class, open := classOf(v, s.sub)
		acc |= uint64(codes[class]) << held
		held += uint(lengths[class])
		if held+open > 64 {
			// bits that are written leave at most seven, so that 57 more fit
			for ; held >= 8; held -= 8 {
				dst = append(dst, byte(acc))
				acc >>= 8
			}
		}
		v &= 1<<open - 1
		if held+open > 64 {
			acc |= v << held
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			acc = v >> (64 - held)
			held += open - 64
		} else {
			acc |= v << held
			held += open
		}
		for held >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(acc))
			acc >>= 32
			held -= 32
		}
	})
	for ; held > 0; held -= min(held, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// span returns the first and the last class that occur.
func (s *skewed) span() (first, last int) {
	first = -1
	for class, count := range s.counts {
		if count > 0 {
			if first < 0 {
				first = class
			}
			last = class
		}
	}
	return first, last
}

// skewedReader decodes what skewed.append wrote.
type skewedReader struct {
	mode        byte
	sub         uint
	base, first int64
	class       int // the only one
	table       *decodeTable
}

func (r *skewedReader) header(src []byte) (_ []byte, err error) {
	mode, src, err := readByte(src, "mode of integers")
	if err != nil {
		return nil, err
	}
	r.mode, r.sub = mode&15, uint(mode>>4)
	if r.mode >= skewedModes || r.sub != 0 && r.sub != skewedSub {
		return nil, fmt.Errorf("decode skewed integers: mode %#x: %w", mode, ErrCorrupt)
	}
	if r.base, src, err = readVarint(src, "base"); err != nil {
		return nil, err
	}
	if r.mode != skewedOffsets {
		if r.first, src, err = readVarint(src, "first value"); err != nil {
			return nil, err
		}
	}
	if len(src) < 2 {
		return nil, fmt.Errorf("decode classes: %w", ErrCorrupt)
	}
	first, last := int(src[0]), int(src[1])
	src = src[2:]
	classes := 65
	if r.sub != 0 {
		classes = symbolsMax
	}
	if first > last || last >= classes {
		return nil, fmt.Errorf("decode classes %d to %d: %w", first, last, ErrCorrupt)
	}
	if first == last {
		r.class = first
		return src, nil
	}
	packed, src, err := readBytes(src, uint64(last-first+2)/2, "code lengths")
	if err != nil {
		return nil, err
	}
	var lengths [symbolsMax]uint8
	for i := range last - first + 1 {
		lengths[first+i] = packed[i/2] >> (i % 2 * 4) & 15
	}
	r.table = new(decodeTable)
	return src, r.table.build(&lengths)
}

// values decodes what is written for each value and returns the bytes used.
func (r *skewedReader) values(dst []int64, src []byte) (used int, err error) {
	var bases [symbolsMax]uint64
	var opens [symbolsMax]uint8
	for class := range bases {
		base, open := classBase(class, r.sub)
		bases[class], opens[class] = base, uint8(open)
		if r.sub == 0 && class == 64 {
			break
		}
	}
	end := uint(len(src)) * 8
	bit := uint(0)
	entry, mask := uint16(r.class), uint64(0)
	if r.table != nil {
		mask = 1<<r.table.bits - 1
	}
	for i := range dst {
		if bit > end {
			return 0, fmt.Errorf("decode %d skewed integers: %w", len(dst), ErrCorrupt)
		}
		at := bit >> 3
		var word uint64
		if at+8 <= uint(len(src)) {
			word = binary.LittleEndian.Uint64(src[at:]) >> (bit & 7)
		} else {
			word = loadBits(src, bit, 64)
		}
		if r.table != nil {
			entry = r.table.entries[word&mask&(1<<codeBits-1)]
		}
		length, class := uint(entry>>8), uint8(entry)
		open := uint(opens[class])
		if length+open <= 57 {
			dst[i] = int64(bases[class] + word>>length&(1<<open-1))
		} else {
			dst[i] = int64(bases[class] + loadBits(src, min(bit+length, end), open))
		}
		bit += length + open
	}
	if bit > end {
		return 0, fmt.Errorf("decode %d skewed integers: %w", len(dst), ErrCorrupt)
	}
	return int(bit+7) / 8, nil
}

func decodeSkewed(dst []int64, src []byte, n int) ([]int64, []byte, error) {
	var r skewedReader
	src, err := r.header(src)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("decode no skewed integers: %w", ErrCorrupt)
	}
	all, added := grow(dst, n)
	written := added
	if r.mode != skewedOffsets {
		written = added[1:]
		added[0] = r.first
	}
	used, err := r.values(written, src)
	if err != nil {
		return nil, nil, err
	}
	switch r.mode {
	case skewedOffsets:
		for i := range added {
			added[i] += r.base
		}
	case skewedSteps:
		for i, last := 0, r.first; i < len(written); i++ {
			last += written[i] + r.base
			written[i] = last
		}
	case skewedZigzag:
		for i, last := 0, r.first; i < len(written); i++ {
			last += int64(uint64(written[i])>>1) ^ -(written[i] & 1)
			written[i] = last
		}
	}
	return all, src[used:], nil
}
