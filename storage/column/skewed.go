package column

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
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
	skewedMin    = 24   // fewer values are not worth a code table
	skewedSub    = 2    // bits below the highest that are part of a fine class
	skewedGain   = 32   // a 32nd of the size is not worth the slower decoding
	skewedSample = 2048 // values that decide which differences are taken
	coarseMax    = 1024 // more values are worth the larger table of fine classes
	pairBits     = 10   // of the table of pairs
	pairedMin    = 2048 // fewer values are not worth that table
	loadedBits   = 56   // that a load of 64 bits has from any bit of a byte on
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

// written appends what is written for each value to dst.
func (s *skewed) written(dst []uint64, values []int64) []uint64 {
	dst = slices.Grow(dst, len(values))
	switch s.mode {
	case skewedOffsets:
		for _, v := range values {
			dst = append(dst, uint64(v)-uint64(s.base))
		}
	case skewedSteps:
		last := values[0]
		for _, v := range values[1:] {
			dst = append(dst, uint64(v)-uint64(last)-uint64(s.base))
			last = v
		}
	case skewedZigzag:
		last := values[0]
		for _, v := range values[1:] {
			delta := v - last
			dst = append(dst, uint64(delta<<1^delta>>63))
			last = v
		}
	}
	return dst
}

// measure counts classes and sets the cost.
func (s *skewed) measure(written []uint64) {
	s.sub = skewedSub
	s.counts = [symbolsMax]uint32{}
	open := 0
	for _, v := range written {
		class, more := classOf(v, skewedSub)
		s.counts[class]++
		open += int(more)
	}
	s.cost = s.price(len(written), open)
	if len(written) > coarseMax {
		return
	}
	coarse := *s
	coarse.sub, coarse.counts = 0, [symbolsMax]uint32{}
	open = 0
	for class, count := range s.counts {
		if count > 0 {
			base, _ := classBase(class, skewedSub)
			class, more := classOf(base, 0)
			coarse.counts[class] += count
			open += int(count) * int(more)
		}
	}
	if coarse.cost = coarse.price(len(written), open); coarse.cost < s.cost {
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

// chooseSkewed returns the cheapest way to write the values skewed. Which
// differences are best is seen on a sample of many.
func (e *Encoder) chooseSkewed(values []int64, shape *intsShape) skewed {
	var best, s skewed
	held := byte(0) // the mode whose values e.written has
	sample := values
	if len(sample) > skewedSample {
		sample = values[(len(values)-skewedSample)/2:][:skewedSample]
	}
	for mode := range byte(skewedModes) {
		switch s = (skewed{mode: mode, first: values[0]}); mode {
		case skewedOffsets:
			s.base, s.first = shape.low, 0
		case skewedSteps:
			s.base = shape.lowDelta
		case skewedZigzag:
			if shape.lowDelta >= 0 {
				continue // steps are the same and better
			}
		}
		e.written = s.written(e.written[:0], sample)
		held = mode
		s.measure(e.written)
		if mode == 0 || s.cost < best.cost {
			best = s
		}
	}
	if len(sample) < len(values) || best.mode != held {
		e.written = best.written(e.written[:0], values)
	}
	if len(sample) < len(values) {
		best.measure(e.written)
	}
	return best
}

// append appends the encoding of what is written for each value.
func (s *skewed) append(dst []byte, written []uint64) []byte {
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
	for _, v := range written {
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
	}
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
	base, start int64 // start is the first value, for differences
	src         []byte
	bit         uint // of src, up to which values were read
	table       decodeTable
	// classes tells of each class its least value and which bits are open.
	classes [1 << 8]struct{ base, open uint64 }
	// pairs tells for the next bits the two values that they are, if paired:
	// 8 bits for how many bits they take, 8 for how many values they are, 16
	// for the first and 16 for the second. 0 is a value that takes more bits.
	pairs  [1 << pairBits]uint64
	paired bool
}

// header reads what stands before the values.
func (r *skewedReader) header(src []byte) error {
	mode, src, err := readByte(src, "mode of integers")
	if err != nil {
		return err
	}
	sub := uint(mode >> 4)
	r.mode = mode & 15
	if r.mode >= skewedModes || sub != 0 && sub != skewedSub {
		return fmt.Errorf("decode skewed integers: mode %#x: %w", mode, ErrCorrupt)
	}
	if r.base, src, err = readVarint(src, "base"); err != nil {
		return err
	}
	if r.mode != skewedOffsets {
		if r.start, src, err = readVarint(src, "first value"); err != nil {
			return err
		}
	}
	if len(src) < 2 {
		return fmt.Errorf("decode classes: %w", ErrCorrupt)
	}
	first, last := int(src[0]), int(src[1])
	src = src[2:]
	classes := 65
	if sub != 0 {
		classes = symbolsMax
	}
	if first > last || last >= classes {
		return fmt.Errorf("decode classes %d to %d: %w", first, last, ErrCorrupt)
	}
	var open [symbolsMax]uint8
	for class := first; class <= last; class++ {
		base, bits := classBase(class, sub)
		r.classes[class].base, r.classes[class].open = base, 1<<bits-1
		open[class] = uint8(bits)
	}
	if first == last {
		r.src = src
		r.table.single(uint8(first), open[first])
		return nil
	}
	packed, src, err := readBytes(src, uint64(last-first+2)/2, "code lengths")
	if err != nil {
		return err
	}
	var lengths [symbolsMax]uint8
	for i := range last - first + 1 {
		lengths[first+i] = packed[i/2] >> (i % 2 * 4) & 15
	}
	r.src = src
	return r.table.build(&lengths, &open)
}

// pair fills the table of pairs if most values come in such.
func (r *skewedReader) pair() {
	if r.table.usual > pairBits/2 {
		return
	}
	mask := uint64(1)<<r.table.bits - 1
	for at := range uint64(len(r.pairs)) {
		first, used := r.value(at, mask)
		if used > pairBits {
			continue
		}
		second, more := r.value(at>>used, mask)
		if used+more > pairBits {
			r.pairs[at] = first<<16 | 1<<8 | uint64(used)
			continue
		}
		r.pairs[at] = second<<32 | first<<16 | 2<<8 | uint64(used+more)
	}
	r.paired = true
}

// value returns the value at the start of the next bits and how many of them
// it takes.
func (r *skewedReader) value(word, mask uint64) (v uint64, used uint) {
	entry := r.table.entries[word&mask&(1<<codeBits-1)]
	class := &r.classes[uint8(entry>>16)]
	return class.base + word>>(entry>>8&15)&class.open, uint(entry & 0xff)
}

// nextPairs decodes most of the next values, if they come in pairs, and returns
// the others.
func (r *skewedReader) nextPairs(dst []int64) []int64 {
	const per = loadedBits / pairBits
	bit, at := r.bit, 0
	for at+2*per <= len(dst) && bit>>3+8 <= uint(len(r.src)) {
		word := binary.LittleEndian.Uint64(r.src[bit>>3:]) >> (bit & 7)
		for range per {
			pair := r.pairs[word%(1<<pairBits)]
			two := dst[at : at+2 : at+2]
			two[0], two[1] = int64(pair>>16&0xffff), int64(pair>>32)
			word >>= pair & 63
			bit += uint(pair & 63)
			at += int(pair >> 8 & 3)
			if pair == 0 {
				r.bit = bit
				if r.nextEach(dst[at:at+1]) != nil {
					return dst[at:]
				}
				bit = r.bit
				at++
				break
			}
		}
	}
	r.bit = bit
	return dst[at:]
}

// next decodes what is written for each of the next values.
func (r *skewedReader) next(dst []int64) error {
	if r.paired {
		dst = r.nextPairs(dst)
	}
	return r.nextEach(dst)
}

// nextEach decodes value by value.
func (r *skewedReader) nextEach(dst []int64) error {
	src, bit, mask := r.src, r.bit, uint64(1)<<r.table.bits-1
	if longest := max(r.table.longest, 1); longest <= loadedBits {
		// So many values are whole in each load. What the next value waits for
		// is only how long the one before is, which the table has.
		per := int(loadedBits / longest)
		for ; len(dst) >= per && bit>>3+8 <= uint(len(src)); dst = dst[per:] {
			word := binary.LittleEndian.Uint64(src[bit>>3:]) >> (bit & 7)
			for i := range dst[:per] {
				v, used := r.value(word, mask)
				dst[i] = int64(v)
				word >>= used & 63
				bit += used
			}
		}
	}
	end := uint(len(src)) * 8
	for ; len(dst) > 0 && bit <= end; dst = dst[1:] {
		entry := r.table.entries[loadBits(src, bit, codeBits)&mask]
		class := &r.classes[uint8(entry>>16)]
		length := uint(entry >> 8 & 15)
		dst[0] = int64(class.base + loadBits(src, min(bit+length, end), uint(entry&0xff)-length))
		bit += uint(entry & 0xff)
	}
	r.bit = bit
	if bit > end || len(dst) > 0 {
		return fmt.Errorf("decode skewed integers, %d missing: %w", len(dst), ErrCorrupt)
	}
	return nil
}

// rest returns what follows the values that were read.
func (r *skewedReader) rest() []byte { return r.src[(r.bit+7)/8:] }

func decodeSkewed(dst []int64, src []byte, n int) ([]int64, []byte, error) {
	var r skewedReader
	if err := r.header(src); err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("decode no skewed integers: %w", ErrCorrupt)
	}
	all, added := grow(dst, n)
	written := added
	if r.mode != skewedOffsets {
		written = added[1:]
		added[0] = r.start
	}
	if n >= pairedMin {
		r.pair()
	}
	if err := r.next(written); err != nil {
		return nil, nil, err
	}
	switch r.mode {
	case skewedOffsets:
		for i := range added {
			added[i] += r.base
		}
	case skewedSteps:
		for i, last := 0, r.start; i < len(written); i++ {
			last += written[i] + r.base
			written[i] = last
		}
	case skewedZigzag:
		for i, last := 0, r.start; i < len(written); i++ {
			last += int64(uint64(written[i])>>1) ^ -(written[i] & 1)
			written[i] = last
		}
	}
	return all, r.rest(), nil
}
