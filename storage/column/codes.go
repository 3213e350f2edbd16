package column

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Encodings of codes.
const (
	codesConstant = 0x01 // code
	codesPacked   = 0x02 // width, packed codes
	codesRuns     = 0x03 // runs, codes of run values, ints of run lengths-1
	codesLocal    = 0x04 // distinct count, ints of distinct codes, width, packed positions
	codesPlanes   = 0x05 // the low bytes, the high bytes
	codesRecent   = 0x06 // ints of how long ago a code was new; 0 for a new one
)

// alignedMin is from how many codes on whole bytes are better than packed bits:
// what compresses the column afterwards then sees the codes and their
// repetitions, which is worth more than the bits.
const alignedMin = 512

// Codes in order of first appearance are written by their age from so many
// codes, and distinct ones, on: whole bytes are as good for fewer.
const (
	recentMin      = 128
	recentDistinct = 64
)

// AppendCodes appends the cheapest encoding of dictionary codes to dst. There
// may be at most CountMax codes.
func AppendCodes(dst []byte, codes []uint32) []byte {
	var e Encoder
	return e.AppendCodes(dst, codes)
}

func (e *Encoder) appendCodes(dst []byte, codes []uint32, mayNest bool) []byte {
	n := len(codes)
	if n == 0 {
		return append(dst, codesConstant, 0)
	}
	low, high, runs, last := codes[0], codes[0], 1, codes[0]
	for _, code := range codes[1:] {
		low, high = min(low, code), max(high, code)
		if code != last {
			runs++
		}
		last = code
	}
	if low == high {
		return binary.AppendUvarint(append(dst, codesConstant), uint64(low))
	}
	width := widthOf(uint64(high))
	best := 2 + packedLen(n, width)
	if mayNest && runs <= n/2 && runs/4 < best {
		before := len(dst)
		dst = e.appendCodeRuns(dst, codes, runs)
		if len(dst)-before < best {
			return dst
		}
		dst = dst[:before]
	}
	// Without runs every change costs a code, so that n/2 changes of few
	// distinct codes are what a page-local dictionary is for.
	if mayNest && width > 3 {
		before := len(dst)
		var ok bool
		if dst, ok = e.appendLocalCodes(dst, codes, width); ok && len(dst)-before < best {
			return dst
		}
		dst = dst[:before]
	}
	if n >= alignedMin && width > 8 && width <= 16 {
		return appendPlanes(append(dst, codesPlanes), codes)
	}
	width = aligned(n, width)
	return appendPacked(append(dst, codesPacked, byte(width)), codes, 0, width)
}

// appendFirstSeen writes codes that are numbered in order of their first
// appearance. What repeats of many was mostly new not long ago.
func (e *Encoder) appendFirstSeen(dst []byte, codes []uint32, distinct int) []byte {
	if distinct <= recentDistinct || len(codes) < recentMin {
		return e.AppendCodes(dst, codes)
	}
	ages := resize(&e.numbers, len(codes))
	next := uint32(0)
	for i, code := range codes {
		ages[i] = int64(next - code)
		if code == next {
			next++
		}
	}
	return e.AppendInts(append(dst, codesRecent), ages)
}

func decodeRecent(dst []uint32, src []byte, n int) ([]uint32, []byte, error) {
	ages, src, err := Ints(nil, src, n)
	if err != nil {
		return nil, nil, err
	}
	all, err := appendRecent(dst, ages)
	return all, src, err
}

// appendRecent appends the codes that have the ages.
func appendRecent(dst []uint32, ages []int64) ([]uint32, error) {
	all, added := grow(dst, len(ages))
	next := uint32(0)
	for i, age := range ages {
		if age < 0 || age > int64(next) {
			return nil, fmt.Errorf("decode code %d before new ones: %w", age, ErrCorrupt)
		}
		added[i] = next - uint32(age)
		if age == 0 {
			next++
		}
	}
	return all, nil
}

// aligned returns the width to pack n codes with: whole bytes if there are many.
func aligned(n int, width uint) uint {
	if n >= alignedMin && width < 8 {
		return 8
	}
	return width
}

func appendPlanes(dst []byte, codes []uint32) []byte {
	for _, code := range codes {
		dst = append(dst, byte(code))
	}
	for _, code := range codes {
		dst = append(dst, byte(code>>8))
	}
	return dst
}

func (e *Encoder) appendCodeRuns(dst []byte, codes []uint32, runs int) []byte {
	heads, lengths := e.codeHeads[:0], e.lengths[:0]
	start := 0
	for i := 1; i <= len(codes); i++ {
		if i == len(codes) || codes[i] != codes[start] {
			heads, lengths = append(heads, codes[start]), append(lengths, int64(i-start-1))
			start = i
		}
	}
	e.codeHeads, e.lengths = heads, lengths
	dst = binary.AppendUvarint(append(dst, codesRuns), uint64(len(heads)))
	return e.appendInts(e.appendCodes(dst, heads, false), lengths, false)
}

// appendLocalCodes writes the distinct codes once, in order, and then their
// positions. It gives up once that cannot be worth it.
func (e *Encoder) appendLocalCodes(dst []byte, codes []uint32, width uint) ([]byte, bool) {
	distinctMax := min(len(codes)/2, 1<<(width-1))
	if len(codes) >= alignedMin {
		distinctMax = min(distinctMax, 1<<8) // beyond, planes are better
	}
	positions := make(map[uint32]uint32, 64)
	for _, code := range codes {
		if _, known := positions[code]; !known {
			if len(positions) == distinctMax {
				return dst, false
			}
			positions[code] = 0
		}
	}
	distinct := make([]int64, 0, len(positions))
	for code := range positions {
		distinct = append(distinct, int64(code))
	}
	slices.Sort(distinct)
	for i, code := range distinct {
		positions[uint32(code)] = uint32(i)
	}
	dst = binary.AppendUvarint(append(dst, codesLocal), uint64(len(distinct)))
	dst = e.appendInts(dst, distinct, false)
	local := resize(&e.local, len(codes))
	for i, code := range codes {
		local[i] = positions[code]
	}
	width = aligned(len(codes), widthOf(uint64(len(distinct)-1)))
	return appendPacked(append(dst, byte(width)), local, 0, width), true
}

// Codes appends the n codes at the start of src to dst and returns them with
// the rest of src. Whether they lie in a dictionary is the caller's to check.
func Codes(dst []uint32, src []byte, n int) ([]uint32, []byte, error) {
	if err := checkCount(n); err != nil {
		return nil, nil, err
	}
	return decodeCodes(dst, src, n, true)
}

func decodeCodes(dst []uint32, src []byte, n int, mayNest bool) ([]uint32, []byte, error) {
	encoding, src, err := readByte(src, "encoding of codes")
	if err != nil {
		return nil, nil, err
	}
	switch {
	case encoding == codesConstant:
		code, src, err := readUvarint(src, "constant")
		if err != nil || code > 1<<32-1 {
			return nil, nil, fmt.Errorf("decode constant code %d: %w", code, ErrCorrupt)
		}
		all, added := grow(dst, n)
		for i := range added {
			added[i] = uint32(code)
		}
		return all, src, nil
	case encoding == codesPacked:
		width, src, err := readWidth(src, n, 32)
		if err != nil {
			return nil, nil, err
		}
		all, added := grow(dst, n)
		unpack(added, src, 0, width)
		return all, src[packedLen(n, width):], nil
	case encoding == codesPlanes:
		if len(src)/2 < n {
			return nil, nil, fmt.Errorf("decode planes of %d codes: %w", n, ErrCorrupt)
		}
		all, added := grow(dst, n)
		low, high := src[:n], src[n:2*n]
		for i := range added {
			added[i] = uint32(low[i]) | uint32(high[i])<<8
		}
		return all, src[2*n:], nil
	case encoding == codesRecent && mayNest:
		return decodeRecent(dst, src, n)
	case encoding == codesRuns && mayNest:
		return decodeCodeRuns(dst, src, n)
	case encoding == codesLocal && mayNest:
		return decodeLocalCodes(dst, src, n)
	}
	return nil, nil, fmt.Errorf("decode codes: encoding %#x: %w", encoding, ErrCorrupt)
}

func decodeCodeRuns(dst []uint32, src []byte, n int) ([]uint32, []byte, error) {
	count, src, err := readUvarint(src, "run count")
	if err != nil || count > uint64(n) {
		return nil, nil, fmt.Errorf("decode %d runs of %d codes: %w", count, n, ErrCorrupt)
	}
	heads, src, err := decodeCodes(nil, src, int(count), false)
	if err != nil {
		return nil, nil, err
	}
	lengths, src, err := decodeInts(nil, src, int(count), nil)
	if err != nil {
		return nil, nil, err
	}
	all, err := appendRepeated(dst, heads, lengths, n, "codes")
	if err != nil {
		return nil, nil, err
	}
	return all, src, nil
}

// decodeDistinct reads the distinct codes of n, or fewer.
func decodeDistinct(src []byte, n int) (distinct []uint32, rest []byte, err error) {
	count, src, err := readUvarint(src, "distinct count")
	if err != nil || count > uint64(n) {
		return nil, nil, fmt.Errorf("decode %d distinct of %d codes: %w", count, n, ErrCorrupt)
	}
	codes, src, err := decodeInts(nil, src, int(count), nil)
	if err != nil {
		return nil, nil, err
	}
	distinct = make([]uint32, len(codes))
	for i, code := range codes {
		if code < 0 || code > 1<<32-1 {
			return nil, nil, fmt.Errorf("decode distinct code %d: %w", code, ErrCorrupt)
		}
		distinct[i] = uint32(code)
	}
	return distinct, src, nil
}

func decodeLocalCodes(dst []uint32, src []byte, n int) ([]uint32, []byte, error) {
	distinct, src, err := decodeDistinct(src, n)
	if err != nil {
		return nil, nil, err
	}
	width, src, err := readWidth(src, n, 32)
	if err != nil {
		return nil, nil, err
	}
	all, added := grow(dst, n)
	unpack(added, src, 0, width)
	for i, position := range added {
		if int(position) >= len(distinct) {
			return nil, nil, fmt.Errorf("decode code at %d of %d distinct: %w", position, len(distinct), ErrCorrupt)
		}
		added[i] = distinct[position]
	}
	return all, src[packedLen(n, width):], nil
}
