package column

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// fuzzCount keeps garbage from asking for more than the machine of a test has.
const fuzzCount = 1 << 12

// fuzzLimit is above the codes of pages that are looked at.
const fuzzLimit = 1 << 17

func FuzzInts(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, uint8(0))
	f.Add(bytes.Repeat([]byte{7}, 200), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, shift uint8) {
		var values []int64
		for rest := data; len(rest) >= 8; rest = rest[min(len(rest), int(shift%8)+1):] {
			values = append(values, int64(binary.LittleEndian.Uint64(rest))>>(shift%64))
		}
		got, rest, err := Ints(nil, AppendInts(nil, values), len(values))
		if err != nil || len(rest) != 0 || !slices.Equal(got, values) {
			t.Fatalf("integers: got %v, %d left, %v, want %v", got, len(rest), err, values)
		}
		var runs IntRuns
		rest, err = runs.Parse(append(AppendInts(nil, values), 1, 2), len(values))
		if got := flat(&runs); err != nil || len(rest) != 2 || !slices.Equal(got, values) {
			t.Fatalf("runs of integers: got %v, %d left, %v, want %v", got, len(rest), err, values)
		}
	})
}

// flat returns the values of runs.
func flat(runs *IntRuns) (values []int64) {
	at := uint32(0)
	for i := range runs.Runs() {
		value, end := runs.Run(i)
		for ; at < end; at++ {
			values = append(values, value)
		}
	}
	return values
}

func FuzzCodes(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(0))
	f.Add(bytes.Repeat([]byte{7}, 200), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, shift uint8) {
		var codes []uint32
		for rest := data; len(rest) >= 4; rest = rest[min(len(rest), int(shift%4)+1):] {
			codes = append(codes, binary.LittleEndian.Uint32(rest)>>(shift%32))
		}
		got, rest, err := Codes(nil, AppendCodes(nil, codes), len(codes))
		if err != nil || len(rest) != 0 || !slices.Equal(got, codes) {
			t.Fatalf("codes: got %v, %d left, %v, want %v", got, len(rest), err, codes)
		}
		if len(codes) > 0 && len(codes) < PageMax && slices.Max(codes) < fuzzLimit {
			p, err := ParseCodePage(AppendCodes(nil, codes), len(codes), fuzzLimit)
			if err != nil {
				t.Fatalf("page of codes: %v of %v", err, codes)
			}
			checkPage(t, p, codes, fuzzLimit)
			if rest, err := p.ParseFirst(append(AppendCodes(nil, codes), 1, 2, 3), len(codes), fuzzLimit); err != nil || len(rest) != 3 {
				t.Fatalf("page of codes and 3 bytes: %d left, %v", len(rest), err)
			}
			checkPage(t, p, codes, fuzzLimit)
		}
	})
}

func FuzzTimes(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(0))
	f.Add(bytes.Repeat([]byte{7, 200, 3, 0}, 50), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, shift uint8) {
		var times []int64
		var digits []uint32
		for rest := data; len(rest) >= 8; rest = rest[min(len(rest), int(shift%8)+1):] {
			d := uint32(rest[0]) % (TimeDigits + 1)
			at := int64(binary.LittleEndian.Uint64(rest)) >> (shift % 64)
			if shift < 128 {
				at -= at % timeUnits[d]
			}
			times, digits = append(times, at), append(digits, d)
		}
		coded := AppendTimes(nil, times, digits)
		gotTimes, gotDigits, rest, err := Times(nil, nil, coded, len(times))
		if err != nil || len(rest) != 0 || !slices.Equal(gotTimes, times) || !slices.Equal(gotDigits, digits) {
			t.Fatalf("times: got %v and %v, %d left, %v, want %v and %v", gotTimes, gotDigits, len(rest), err, times, digits)
		}
		checkTimesAt(t, rand.New(rand.NewPCG(uint64(len(data)), uint64(shift))), coded, times, digits)
	})
}

// FuzzTimesAt reads times at some places from arbitrary bytes: what all of them give, or an
// error.
func FuzzTimesAt(f *testing.F) {
	for _, c := range timeCases() {
		f.Add(AppendTimes(nil, c.times, c.digits), uint16(len(c.times)))
	}
	f.Fuzz(func(t *testing.T, src []byte, n uint16) {
		var places []uint32
		for place := 0; place < int(n); place += 1 + place/3 {
			places = append(places, uint32(place))
		}
		times, digits, rest, err := Times(nil, nil, src, int(n))
		have, haveDigits, haveRest, haveErr := (&Decoder{}).TimesAt(nil, nil, src, int(n), places)
		if err != nil || haveErr != nil {
			if (err == nil) != (haveErr == nil) {
				t.Fatalf("all: %v, some: %v", err, haveErr)
			}
			return
		}
		for i, place := range places {
			if have[i] != times[place] || haveDigits[i] != digits[place] {
				t.Fatalf("at %d: got %d with %d digits, want %d with %d", place, have[i], haveDigits[i], times[place], digits[place])
			}
		}
		if len(rest) != len(haveRest) {
			t.Fatalf("%d left, want %d", len(haveRest), len(rest))
		}
	})
}

// manyAscending joins values that ascend as texts.
func manyAscending(form func(i int) string) string {
	var values []string
	for i := range 60 {
		values = append(values, form(i))
	}
	slices.Sort(values)
	return strings.Join(values, ",")
}

func FuzzStrings(f *testing.F) {
	for _, seed := range []string{
		"1,2,3", "01,02,03", "1.5,2.5,-0.5", "0a,ff,0", "0A,FF", "1.2.3.4,10.0.0.1", "blk_1,blk_22", "a,b,a,b,a,b,a,b", "a b c,a c",
		"00000000-0000-0000-0000-000000000000,12345678-1234-1234-1234-123456789abc", ",,", "x,", "-0,-1",
		manyAscending(func(i int) string { return fmt.Sprint(1 + i*3) }), manyAscending(func(i int) string { return fmt.Sprintf("10.0.%d.7", i) }),
		manyAscending(func(i int) string { return fmt.Sprintf("%06x", i*i) }),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values := strings.Split(text, ",")
		var e Encoder
		first := e.AppendStrings(nil, values)
		if again := e.AppendStrings(nil, values); !bytes.Equal(first, again) {
			t.Fatalf("strings %q: %x and then %x", values, first, again)
		}
		got, rest, err := Strings(nil, first, len(values))
		if err != nil || len(rest) != 0 || !slices.Equal(got, values) {
			t.Fatalf("strings: got %q, %d left, %v, want %q", got, len(rest), err, values)
		}
		var at []uint32
		var want []string
		for i := len(values) - 1; i >= 0; i -= 1 + i%3 {
			at, want = append(at, uint32(i)), append(want, values[i])
		}
		some, rest, err := StringsAt(nil, first, len(values), at)
		if err != nil || len(rest) != 0 || !slices.Equal(some, want) {
			t.Fatalf("strings at %d: got %q, %d left, %v, want %q", at, some, len(rest), err, want)
		}
		joined, rest, err := JoinedStrings(first, len(values))
		if got := split(joined); err != nil || len(rest) != 0 || !slices.Equal(got, values) {
			t.Fatalf("joined strings: got %q, %d left, %v, want %q", got, len(rest), err, values)
		}
	})
}

// split returns the values of joined strings.
func split(joined Joined) []string {
	var distinct, values []string
	begin := uint32(0)
	for _, end := range joined.Ends {
		distinct = append(distinct, string(joined.Text[begin:end]))
		begin = end
	}
	if joined.Codes == nil {
		return distinct
	}
	for _, code := range joined.Codes {
		values = append(values, distinct[code])
	}
	return values
}

func FuzzGarbage(f *testing.F) {
	for _, values := range intCases() {
		f.Add(AppendInts(nil, values), uint16(len(values)))
	}
	for _, c := range timeCases() {
		f.Add(AppendTimes(nil, c.times, c.digits), uint16(len(c.times)))
	}
	f.Add(AppendStrings(nil, strings.Split(manyAscending(func(i int) string { return fmt.Sprint(i * 7) }), ",")), uint16(60))
	f.Add(AppendStrings(nil, strings.Split(manyAscending(func(i int) string { return fmt.Sprintf("%06x", i*i) }), ",")), uint16(60))
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprint("name ", i-i%3))
	}
	f.Add(AppendStrings(nil, many), uint16(len(many)))
	f.Add(AppendStrings(nil, []string{"blk_1", "blk_2", "blk_33"}), uint16(3))
	f.Add(AppendStrings(nil, []string{"aaaa", "bbbb", "aaaa", "bbbb", "aaaa", "bbbb", "aaaa", "bbbb"}), uint16(8))
	for _, header := range [][]byte{{stringsIntegers}, {stringsPadded, digitsMax}, {stringsDecimals, digitsMax - 1}, {stringsIPv4}, {stringsSorted, stringsDecimals, digitsMax - 1}} {
		f.Add(binary.AppendVarint(append(header, intsConstant), math.MinInt64), uint16(fuzzCount-1))
	}
	f.Add(Compress(nil, bytes.Repeat([]byte("abc"), 100), 3), uint16(300))
	codes := make([]uint32, 2000)
	for i := range codes {
		codes[i] = uint32(i / 5 * i / 7 % 300)
	}
	f.Add(AppendCodes(nil, codes), uint16(len(codes)))
	f.Fuzz(func(t *testing.T, data []byte, count uint16) {
		n := int(count) % fuzzCount
		if values, _, err := Ints(nil, data, n); err == nil && len(values) != n {
			t.Fatalf("got %d integers, want %d", len(values), n)
		}
		var runs IntRuns
		if _, err := runs.Parse(data, n); err == nil {
			values, _, err := Ints(nil, data, n)
			if got := flat(&runs); err != nil || !slices.Equal(got, values) {
				t.Fatalf("runs of integers: got %v, want %v, %v", got, values, err)
			}
		}
		if times, digits, _, err := Times(nil, nil, data, n); err == nil && (len(times) != n || len(digits) != n) {
			t.Fatalf("got %d times and %d digits, want %d", len(times), len(digits), n)
		}
		if codes, _, err := Codes(nil, data, n); err == nil && len(codes) != n {
			t.Fatalf("got %d codes, want %d", len(codes), n)
		}
		if p, err := ParseCodePage(data, n, fuzzLimit); err == nil {
			codes, _, err := Codes(nil, data, n)
			if err != nil {
				t.Fatalf("a page of codes that are none: %v", err)
			}
			checkPage(t, p, codes, fuzzLimit)
		}
		if values, _, err := Strings(nil, data, n); err == nil && len(values) != n {
			t.Fatalf("got %d strings, want %d", len(values), n)
		}
		if values, _, err := StringsAt(nil, data, n, []uint32{7, 1}); err == nil && len(values) != 2 {
			t.Fatalf("got %d strings, want 2", len(values))
		}
		if joined, _, err := JoinedStrings(data, n); err == nil && len(split(joined)) != n {
			t.Fatalf("got %d joined strings, want %d", len(split(joined)), n)
		}
		if raw, err := Decompress(nil, data, n); err == nil && len(raw) > n {
			t.Fatalf("got %d bytes, want at most %d", len(raw), n)
		}
	})
}
