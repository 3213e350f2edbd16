package column

import (
	"fmt"
	"sort"
)

// Encodings of times.
const (
	timesPlain = 0x01 // ints of times, codes of digits
	timesSplit = 0x02 // coarse digits, codes of digits, ints of coarse times, for each finer precision ints of the rest
)

// TimeDigits is the number of fraction digits of a second that nanoseconds
// have, and the largest precision of a time.
const TimeDigits = 9

// timeUnits are the nanoseconds of the last of so many fraction digits. Read
// only.
var timeUnits = [TimeDigits + 1]int64{1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1}

// AppendTimes appends times in nanoseconds, each with the number of fraction
// digits of a second that it has, to dst. Times that ascend cost least. There
// are as many digits as times, at most CountMax.
func AppendTimes(dst []byte, times []int64, digits []uint32) []byte {
	var e Encoder
	return e.AppendTimes(dst, times, digits)
}

// AppendTimes is the method of the function with its name.
func (e *Encoder) AppendTimes(dst []byte, times []int64, digits []uint32) []byte {
	var rows [TimeDigits + 1]int
	fits := len(times) > 0
	for i, t := range times {
		if digits[i] > TimeDigits || t%timeUnits[digits[i]] != 0 {
			fits = false
			break
		}
		rows[digits[i]]++
	}
	if !fits {
		return e.AppendCodes(e.AppendInts(append(dst, timesPlain), times), digits)
	}
	dst = e.AppendCodes(append(dst, timesSplit), digits)
	// Which precision is the coarse one is tried: it is what keeps the order,
	// and finer rows add the digits that it leaves out.
	start, best := len(dst), 0
	for coarse, count := range rows {
		if count == 0 {
			continue
		}
		before := len(dst)
		dst = e.appendSplitTimes(dst, times, digits, rows, coarse)
		switch size := len(dst) - before; {
		case best == 0:
			best = size
		case size < best:
			best = copy(dst[start:], dst[before:])
		}
		dst = dst[:start+best]
	}
	return dst
}

func (e *Encoder) appendSplitTimes(dst []byte, times []int64, digits []uint32, rows [TimeDigits + 1]int, coarse int) []byte {
	unit := timeUnits[coarse]
	scratch := resize(&e.numbers, len(times))
	for i, t := range times {
		scratch[i] = FloorDiv(t, unit)
	}
	dst = e.AppendInts(append(dst, byte(coarse)), scratch)
	for fine := coarse + 1; fine <= TimeDigits; fine++ {
		if rows[fine] == 0 {
			continue
		}
		scratch = scratch[:0]
		for i, t := range times {
			if digits[i] == uint32(fine) {
				scratch = append(scratch, (t-FloorDiv(t, unit)*unit)/timeUnits[fine])
			}
		}
		dst = e.AppendInts(dst, scratch)
	}
	return dst
}

// FloorDiv divides and rounds down.
func FloorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Times appends the n times and digits at the start of src to those given and
// returns them with the rest of src. No digits are beyond TimeDigits, unless
// those appended were.
func Times(times []int64, digits []uint32, src []byte, n int) (_ []int64, _ []uint32, rest []byte, err error) {
	return (&Decoder{}).Times(times, digits, src, n)
}

// Times is the function with its name.
func (d *Decoder) Times(times []int64, digits []uint32, src []byte, n int) (_ []int64, _ []uint32, rest []byte, err error) {
	if err := checkCount(n); err != nil {
		return nil, nil, nil, err
	}
	encoding, src, err := readByte(src, "encoding of times")
	if err != nil {
		return nil, nil, nil, err
	}
	switch encoding {
	case timesPlain:
		if times, src, err = decodeInts(times, src, n, &d.runs); err == nil {
			digits, src, err = Codes(digits, src, n)
		}
	case timesSplit:
		times, digits, src, err = d.decodeSplitTimes(times, digits, src, n)
	default:
		err = fmt.Errorf("decode times: encoding %#x: %w", encoding, ErrCorrupt)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	return times, digits, src, nil
}

func (d *Decoder) decodeSplitTimes(times []int64, digits []uint32, src []byte, n int) (_ []int64, _ []uint32, _ []byte, err error) {
	beforeDigits, beforeTimes := len(digits), len(times)
	if digits, src, err = Codes(digits, src, n); err != nil {
		return nil, nil, nil, err
	}
	coarse, src, err := readByte(src, "coarse digits")
	if err != nil {
		return nil, nil, nil, err
	}
	if times, src, err = decodeInts(times, src, n, &d.runs); err != nil {
		return nil, nil, nil, err
	}
	finest := uint32(0)
	var rows [TimeDigits + 1]int
	for _, have := range digits[beforeDigits:] {
		finest = max(finest, have)
		rows[min(have, TimeDigits)]++
	}
	if coarse > TimeDigits || finest > TimeDigits {
		return nil, nil, nil, fmt.Errorf("decode times of %d and %d digits: %w", coarse, finest, ErrCorrupt)
	}
	unit := timeUnits[coarse]
	added := times[beforeTimes:]
	for i := range added {
		added[i] *= unit
	}
	for fine := int(coarse) + 1; fine <= int(finest); fine++ {
		if rows[fine] == 0 {
			continue
		}
		var finer []int64
		if finer, src, err = d.ints(src, rows[fine]); err != nil {
			return nil, nil, nil, err
		}
		fineUnit := timeUnits[fine]
		for i, have := range digits[beforeDigits:] {
			if have == uint32(fine) {
				added[i] += finer[0] * fineUnit
				finer = finer[1:]
			}
		}
	}
	return times, digits, src, nil
}

// TimesAt is Times of those at some places alone, which ascend. What repeats is not decoded
// time by time.
func (d *Decoder) TimesAt(times []int64, digits []uint32, src []byte, n int, places []uint32) (_ []int64, _ []uint32, rest []byte, err error) {
	if n == 0 || n > PageMax || len(src) == 0 || src[0] != timesSplit {
		return d.timesAmong(times, digits, src, n, places)
	}
	if src, err = d.page.ParseFirst(src[1:], n, TimeDigits+1); err != nil {
		return nil, nil, nil, err
	}
	coarse, src, err := readByte(src, "coarse digits")
	if err != nil || coarse > TimeDigits {
		return nil, nil, nil, fmt.Errorf("decode times of %d digits: %w", coarse, ErrCorrupt)
	}
	before := len(times)
	if times, src, err = d.intsAt(times, src, n, places); err != nil {
		return nil, nil, nil, err
	}
	added, unit := times[before:], timeUnits[coarse]
	for i := range added {
		added[i] *= unit
	}
	asked := len(digits)
	digits = d.page.AppendAt(digits, places, 0)
	ranks, counts := d.ranksAt(places)
	for fine := int(coarse) + 1; fine <= TimeDigits; fine++ {
		if counts[fine] == 0 {
			continue
		}
		var finer []int64
		if finer, src, err = d.ints(src, int(counts[fine])); err != nil {
			return nil, nil, nil, err
		}
		for i, have := range digits[asked:] {
			if have == uint32(fine) {
				added[i] += finer[ranks[i]] * timeUnits[fine]
			}
		}
	}
	return times, digits, src, nil
}

// timesAmong is TimesAt that decodes all of them.
func (d *Decoder) timesAmong(times []int64, digits []uint32, src []byte, n int, places []uint32) (_ []int64, _ []uint32, rest []byte, err error) {
	all, have, rest, err := d.Times(nil, nil, src, n)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, place := range places {
		times, digits = append(times, all[place]), append(digits, have[place])
	}
	return times, digits, rest, nil
}

// intsAt appends those of the n integers at the start of src that are at places, which
// ascend.
func (d *Decoder) intsAt(dst []int64, src []byte, n int, places []uint32) (_ []int64, rest []byte, err error) {
	if len(src) == 0 || src[0] != intsRuns {
		all, rest, err := d.ints(src, n)
		if err != nil {
			return nil, nil, err
		}
		for _, place := range places {
			dst = append(dst, all[place])
		}
		return dst, rest, nil
	}
	if rest, err = d.steps.Parse(src, n); err != nil {
		return nil, nil, err
	}
	run := 0
	for _, place := range places {
		ends := d.steps.ends[run:]
		run += sort.Search(len(ends), func(i int) bool { return ends[i] > place })
		dst = append(dst, d.steps.values[run])
	}
	return dst, rest, nil
}

// ranksAt returns how often the page of digits has each, and before each of some places,
// which ascend, the one that is there.
func (d *Decoder) ranksAt(places []uint32) (ranks []uint32, counts [TimeDigits + 1]uint32) {
	ranks = make([]uint32, 0, len(places))
	begin := uint32(0)
	for run := range d.page.Runs() {
		have, end := d.page.Run(run)
		for len(ranks) < len(places) && places[len(ranks)] < end {
			ranks = append(ranks, counts[have]+places[len(ranks)]-begin)
		}
		counts[have] += end - begin
		begin = end
	}
	return ranks, counts
}
