package column

import (
	"encoding/binary"
	"fmt"
	"math"
)

// CountMax is the largest number of values in one array.
const CountMax = 1 << 26

// Encodings of integers.
const (
	intsConstant = 0x01 // value
	intsPacked   = 0x02 // minimum, width, packed value-minimum
	intsDelta    = 0x03 // first, minimum delta, width, packed delta-minimum
	intsRuns     = 0x04 // runs, ints of run values, ints of run lengths-1
	intsSkewed   = 0x05 // mode, base, first, code lengths of classes, classes and open bits
)

// intsShape is what one pass learns about an array.
type intsShape struct {
	low, high           int64
	lowDelta, highDelta int64
	runs                int
}

func measureInts(values []int64) intsShape {
	s := intsShape{low: math.MaxInt64, high: math.MinInt64, lowDelta: math.MaxInt64, highDelta: math.MinInt64}
	last := values[0]
	s.low, s.high, s.runs = last, last, 1
	for _, v := range values[1:] {
		s.low, s.high = min(s.low, v), max(s.high, v)
		delta := v - last // wraps; decoding wraps back
		s.lowDelta, s.highDelta = min(s.lowDelta, delta), max(s.highDelta, delta)
		if delta != 0 {
			s.runs++
		}
		last = v
	}
	return s
}

// AppendInts appends the cheapest encoding of values to dst. There may be at
// most CountMax values.
func AppendInts(dst []byte, values []int64) []byte {
	var e Encoder
	return e.appendInts(dst, values, true)
}

func (e *Encoder) appendInts(dst []byte, values []int64, mayRun bool) []byte {
	n := len(values)
	if n == 0 {
		return append(dst, intsConstant, 0)
	}
	s := measureInts(values)
	if s.low == s.high {
		return binary.AppendVarint(append(dst, intsConstant), s.low)
	}
	width := widthOf(uint64(s.high) - uint64(s.low))
	deltaWidth := widthOf(uint64(s.highDelta) - uint64(s.lowDelta))
	packed := 2 + varintLen(s.low) + packedLen(n, width)
	delta := 2 + varintLen(values[0]) + varintLen(s.lowDelta) + packedLen(n-1, deltaWidth)
	best := min(packed, delta)
	if mayRun && s.runs <= n/2 && s.runs/4 < best {
		before := len(dst)
		dst = e.appendIntRuns(dst, values, s.runs)
		if len(dst)-before < best {
			return dst
		}
		dst = dst[:before]
	}
	if n >= skewedMin && best > skewedMin {
		if s := e.chooseSkewed(values, &s); s.cost < best-best/skewedGain {
			return s.append(dst, e.written)
		}
	}
	if delta < packed {
		dst = binary.AppendVarint(append(dst, intsDelta), values[0])
		dst = binary.AppendVarint(dst, s.lowDelta)
		dst = append(dst, byte(deltaWidth))
		deltas := resize(&e.deltas, n-1)
		for i := range deltas {
			deltas[i] = values[i+1] - values[i]
		}
		return appendPacked(dst, deltas, s.lowDelta, deltaWidth)
	}
	dst = binary.AppendVarint(append(dst, intsPacked), s.low)
	return appendPacked(append(dst, byte(width)), values, s.low, width)
}

func (e *Encoder) appendIntRuns(dst []byte, values []int64, runs int) []byte {
	heads, lengths := e.heads[:0], e.lengths[:0]
	start := 0
	for i := 1; i <= len(values); i++ {
		if i == len(values) || values[i] != values[start] {
			heads, lengths = append(heads, values[start]), append(lengths, int64(i-start-1))
			start = i
		}
	}
	e.heads, e.lengths = heads, lengths
	dst = binary.AppendUvarint(append(dst, intsRuns), uint64(len(heads)))
	return e.appendInts(e.appendInts(dst, heads, false), lengths, false)
}

// Ints appends the n values at the start of src to dst and returns them with
// the rest of src.
func Ints(dst []int64, src []byte, n int) (values []int64, rest []byte, err error) {
	if err := checkCount(n); err != nil {
		return nil, nil, err
	}
	return decodeInts(dst, src, n, &intRuns{})
}

// intRuns is room for the heads and the lengths of runs.
type intRuns struct{ heads, lengths []int64 }

// decodeInts decodes n integers; a nil room means that they are no runs.
func decodeInts(dst []int64, src []byte, n int, room *intRuns) (_ []int64, _ []byte, err error) {
	encoding, src, err := readByte(src, "encoding of integers")
	if err != nil {
		return nil, nil, err
	}
	switch {
	case encoding == intsConstant:
		var value int64
		if value, src, err = readVarint(src, "constant"); err != nil {
			return nil, nil, err
		}
		all, added := grow(dst, n)
		for i := range added {
			added[i] = value
		}
		return all, src, nil
	case encoding == intsPacked:
		var low int64
		if low, src, err = readVarint(src, "minimum"); err != nil {
			return nil, nil, err
		}
		width, src, err := readWidth(src, n, 64)
		if err != nil {
			return nil, nil, err
		}
		all, added := grow(dst, n)
		unpack(added, src, low, width)
		return all, src[packedLen(n, width):], nil
	case encoding == intsDelta:
		return decodeDeltas(dst, src, n)
	case encoding == intsSkewed:
		return decodeSkewed(dst, src, n)
	case encoding == intsRuns && room != nil:
		return decodeIntRuns(dst, src, n, room)
	}
	return nil, nil, fmt.Errorf("decode integers: encoding %#x: %w", encoding, ErrCorrupt)
}

func decodeDeltas(dst []int64, src []byte, n int) (_ []int64, _ []byte, err error) {
	if n == 0 {
		return nil, nil, fmt.Errorf("decode no deltas: %w", ErrCorrupt)
	}
	var first, low int64
	if first, src, err = readVarint(src, "first value"); err != nil {
		return nil, nil, err
	}
	if low, src, err = readVarint(src, "minimum delta"); err != nil {
		return nil, nil, err
	}
	width, src, err := readWidth(src, n-1, 64)
	if err != nil {
		return nil, nil, err
	}
	all, added := grow(dst, n)
	unpack(added[1:], src, low, width)
	added[0] = first
	for i, last := 1, first; i < len(added); i++ {
		last += added[i]
		added[i] = last
	}
	return all, src[packedLen(n-1, width):], nil
}

// readIntRuns reads the heads and the lengths of the runs of n integers.
func readIntRuns(src []byte, n int, room *intRuns) (heads, lengths []int64, rest []byte, err error) {
	count, src, err := readUvarint(src, "run count")
	if err != nil || count > uint64(n) {
		return nil, nil, nil, fmt.Errorf("decode %d runs of %d integers: %w", count, n, ErrCorrupt)
	}
	if room.heads, src, err = decodeInts(room.heads[:0], src, int(count), nil); err != nil {
		return nil, nil, nil, err
	}
	if room.lengths, src, err = decodeInts(room.lengths[:0], src, int(count), nil); err != nil {
		return nil, nil, nil, err
	}
	return room.heads, room.lengths, src, nil
}

func decodeIntRuns(dst []int64, src []byte, n int, room *intRuns) ([]int64, []byte, error) {
	heads, lengths, src, err := readIntRuns(src, n, room)
	if err != nil {
		return nil, nil, err
	}
	all, err := appendRepeated(dst, heads, lengths, n, "integers")
	if err != nil {
		return nil, nil, err
	}
	return all, src, nil
}

// appendRepeated appends the n values of runs to dst: each head as often as its
// length plus one says. There is a length for each head.
func appendRepeated[T any](dst, heads []T, lengths []int64, n int, what string) ([]T, error) {
	all, added := grow(dst, n)
	for i, head := range heads {
		length := lengths[i]
		if length < 0 || length >= int64(len(added)) {
			return nil, fmt.Errorf("decode run of %d %s: %w", length, what, ErrCorrupt)
		}
		run := added[:length+1]
		for j := range run {
			run[j] = head
		}
		added = added[length+1:]
	}
	if len(added) != 0 {
		return nil, fmt.Errorf("decode runs of %s: %d missing: %w", what, len(added), ErrCorrupt)
	}
	return all, nil
}

// IntRuns is an array of integers as runs of the same value, so that what
// repeats is not decoded value by value. Runs that touch may have the same
// value. The zero value is ready to parse.
type IntRuns struct {
	values []int64
	ends   []uint32 // where each run ends
	room   intRuns
}

// Parse reads the n integers at the start of src in the memory of an array that
// nobody reads any more and returns the rest of src.
func (r *IntRuns) Parse(src []byte, n int) (rest []byte, err error) {
	if err := checkCount(n); err != nil {
		return nil, err
	}
	r.values, r.ends = r.values[:0], r.ends[:0]
	if n == 0 || len(src) == 0 || src[0] != intsConstant && src[0] != intsRuns {
		return r.parseEach(src, n)
	}
	if src[0] == intsConstant {
		value, rest, err := readVarint(src[1:], "constant")
		if err != nil {
			return nil, err
		}
		r.values, r.ends = append(r.values, value), append(r.ends, uint32(n))
		return rest, nil
	}
	heads, lengths, rest, err := readIntRuns(src[1:], n, &r.room)
	if err != nil {
		return nil, err
	}
	end := uint32(0)
	for i, length := range lengths {
		if length < 0 || length >= int64(uint32(n)-end) {
			return nil, fmt.Errorf("decode run of %d integers: %w", length, ErrCorrupt)
		}
		end += uint32(length) + 1
		r.values, r.ends = append(r.values, heads[i]), append(r.ends, end)
	}
	if end != uint32(n) {
		return nil, fmt.Errorf("decode runs of integers: %d missing: %w", uint32(n)-end, ErrCorrupt)
	}
	return rest, nil
}

// parseEach reads integers that are not stored as runs.
func (r *IntRuns) parseEach(src []byte, n int) (rest []byte, err error) {
	values, rest, err := decodeInts(r.room.heads[:0], src, n, nil)
	if err != nil {
		return nil, err
	}
	r.room.heads = values
	for i, value := range values {
		if last := len(r.values) - 1; last >= 0 && r.values[last] == value {
			r.ends[last]++
			continue
		}
		r.values, r.ends = append(r.values, value), append(r.ends, uint32(i)+1)
	}
	return rest, nil
}

// Run returns the value of a run and the place after it.
func (r *IntRuns) Run(i int) (value int64, end uint32) { return r.values[i], r.ends[i] }

// Runs returns how many runs there are.
func (r *IntRuns) Runs() int { return len(r.values) }
