package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func intCases() map[string][]int64 {
	rng := rand.New(rand.NewPCG(1, 2))
	cases := map[string][]int64{
		"empty": nil, "one": {-7}, "constant": {5, 5, 5, 5}, "extremes": {math.MinInt64, math.MaxInt64, 0, -1, 1},
		"two": {math.MinInt64, math.MinInt64 + 1}, "runs": {},
	}
	for i := range 1000 {
		cases["runs"] = append(cases["runs"], int64(i/100%3)*1e12)
		cases["steps"] = append(cases["steps"], int64(i)*1000)
		cases["times"] = append(cases["times"], 1_700_000_000_000_000_000+int64(i)*1_000_000+rng.Int64N(1000))
	}
	for i := range 5000 { // in pairs, with values between that take more bits
		v := int64(rng.ExpFloat64() * 2)
		if i%97 == 0 {
			v = rng.Int64N(1 << (i % 40))
		}
		cases["short"] = append(cases["short"], v)
		cases["short steps"] = append(cases["short steps"], int64(i)*50+v)
	}
	for width := range 65 {
		name := fmt.Sprintf("width %d", width)
		for range 67 {
			v := rng.Uint64()
			if width < 64 {
				v &= 1<<width - 1
			}
			cases[name] = append(cases[name], int64(v)-3)
		}
	}
	return cases
}

func TestInts(t *testing.T) {
	for name, values := range intCases() {
		coded := AppendInts([]byte("x"), values)
		got, rest, err := Ints([]int64{42}, append(coded[1:], "rest"...), len(values))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got[0] != 42 || !slices.Equal(got[1:], values) || string(rest) != "rest" {
			t.Errorf("%s: got %v and %q, want %v", name, got[1:], rest, values)
		}
	}
}

func TestCodes(t *testing.T) {
	for name, values := range intCases() {
		codes := make([]uint32, len(values))
		for i, value := range values {
			codes[i] = uint32(value)
		}
		coded := AppendCodes([]byte("x"), codes)
		got, rest, err := Codes([]uint32{42}, append(coded[1:], "rest"...), len(codes))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got[0] != 42 || !slices.Equal(got[1:], codes) || string(rest) != "rest" {
			t.Errorf("%s: got %v and %q, want %v", name, got[1:], rest, codes)
		}
	}
}

// TestEncodingChosen pins what is picked for the forms that each encoding is
// for, so that a change of the costs shows.
func TestEncodingChosen(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	repeat := func(n int, f func(i int) string) (values []string) {
		for i := range n {
			values = append(values, f(i))
		}
		return values
	}
	for _, test := range []struct {
		name   string
		values []string
		want   byte
	}{
		{"constant", repeat(9, func(int) string { return "same" }), stringsConstant},
		{"integers", repeat(99, func(i int) string { return fmt.Sprint(i*7 - 40) }), stringsIntegers},
		{"padded", repeat(99, func(i int) string { return fmt.Sprintf("%06d", i) }), stringsPadded},
		{"decimals", repeat(99, func(i int) string { return fmt.Sprintf("%.3f", float64(i-20)*1.7) }), stringsDecimals},
		{"lower hex", repeat(99, func(int) string { return fmt.Sprintf("%08x", rng.Uint32()) }), stringsHexLower},
		{"near hex", repeat(99, func(i int) string { return fmt.Sprintf("%08x", 1<<31+i*i) }), stringsHexInts},
		{"sorted addresses", slices.Sorted(slices.Values(repeat(99, func(i int) string { return fmt.Sprintf("10.%d.%d.7", i, i*2) }))), stringsSorted},
		{"sorted integers", slices.Sorted(slices.Values(repeat(999, func(i int) string { return fmt.Sprint(i*3 + i%2) }))), stringsSorted},
		{"upper hex", repeat(99, func(i int) string { return fmt.Sprintf("%08X", uint32(i)*2654435761) }), stringsHexUpper},
		{"odd hex", repeat(99, func(i int) string { return fmt.Sprintf("%x", 1000+i*i*i) }), stringsHexLower},
		{"uuid", repeat(99, func(i int) string { return fmt.Sprintf("%08x-1234-4321-abcd-%012x", i*77777, i*999) }), stringsUUID},
		{"ipv4", repeat(99, func(i int) string { return fmt.Sprintf("10.%d.%d.7", i, i*2) }), stringsIPv4},
		{"dictionary", repeat(99, func(i int) string { return "name " + strings.Repeat("x", i%5) }), stringsDict},
		{"affix", repeat(99, func(i int) string { return fmt.Sprintf("blk_%d", i*i) }), stringsAffix},
		{"plain", repeat(99, func(i int) string { return strings.Repeat("xy", i) + fmt.Sprint(i) }), stringsPlain},
		{"leading zero", []string{"0", "01", "2"}, stringsHexLower},
		{"minus zero", []string{"-0", "1", "2"}, stringsPlain},
		{"minus zero decimal", []string{"-0.0", "1.5"}, stringsPlain},
	} {
		coded := AppendStrings(nil, test.values)
		if coded[0] != test.want {
			t.Errorf("%s: encoding %#x, want %#x", test.name, coded[0], test.want)
		}
		got, rest, err := Strings(nil, coded, len(test.values))
		if err != nil || len(rest) != 0 || !slices.Equal(got, test.values) {
			t.Errorf("%s: got %q, %d left, %v", test.name, got, len(rest), err)
		}
	}
}

// TestFirstSeen has values that repeat soon after they are new, as ids of
// traces do.
func TestFirstSeen(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	var values []string
	for i := range 2000 {
		values = append(values, fmt.Sprintf("%08x %d", (i/6-rng.IntN(min(i/6+1, 20)))*7919, i%2))
	}
	coded := AppendStrings(nil, values)
	got, rest, err := Strings(nil, coded, len(values))
	if err != nil || len(rest) != 0 || !slices.Equal(got, values) {
		t.Fatalf("got %d, %d left, %v", len(got), len(rest), err)
	}
	if coded[0] != stringsDict {
		t.Errorf("encoding %#x, want a dictionary", coded[0])
	}
	seen := 0
	for i := range coded {
		if codes, rest, err := Codes(nil, coded[i:], len(values)); err == nil && len(rest) == 0 && len(codes) > 0 && coded[i] == codesRecent {
			seen++
		}
	}
	if seen == 0 {
		t.Error("no codes by age")
	}
}

func TestStringsAwkward(t *testing.T) {
	for _, values := range [][]string{
		nil, {""}, {"", ""}, {"", "a"}, {"a", "aa"}, {"aa", "a"}, {"aba", "aa"}, {"abcabc", "abc"}, {"abc", "abcabc", "abc"},
		{"1.2.3.4", "255.255.255.255", "0.0.0.0"}, {"1.2.3.4", "01.2.3.4"}, {"1.2.3.256"}, {"1.2.3."}, {"1..3.4"},
		{"-5", "5"}, {"-"}, {"--5"}, {"-0.5", "0.5"}, {"00.5", "1.5"}, {".5", "1.5"}, {"-.5", "1.5"}, {"5.", "6."}, {"1.-5"},
		{"999999999999999999", "-999999999999999999"}, {"9999999999999999999"}, {"9223372036854775807"}, {"-9223372036854775808"},
		{"abc", "ABC"}, {"a", "", "b"}, {"0a", "0b", "\x00"}, {"é", "è"}, {"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000A"},
	} {
		coded := AppendStrings(nil, values)
		got, rest, err := Strings(nil, coded, len(values))
		if err != nil || len(rest) != 0 || !slices.Equal(got, values) {
			t.Errorf("%q: got %q, %d left, %v", values, got, len(rest), err)
		}
	}
}

func TestCompress(t *testing.T) {
	text := []byte(strings.Repeat("some text that repeats ", 500))
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 1000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for _, raw := range [][]byte{nil, []byte("a"), text, noise} {
		for _, level := range []int{0, 1, 3, 6, 11, 22} {
			frame := Compress([]byte("x"), raw, level)[1:]
			got, err := Decompress([]byte("y"), frame, len(raw))
			if err != nil || string(got) != "y"+string(raw) {
				t.Errorf("%d bytes at level %d: got %d bytes, %v", len(raw), level, len(got), err)
			}
			if len(frame) > len(raw)+4 {
				t.Errorf("%d bytes at level %d: frame has %d", len(raw), level, len(frame))
			}
			if len(raw) > 0 {
				if _, err := Decompress(nil, frame, len(raw)-1); err == nil {
					t.Errorf("%d bytes at level %d: decompressed beyond the limit", len(raw), level)
				}
			}
		}
	}
}

// A few bytes do not decode to more text than an array may have.
func TestTypedTextIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		src   []byte
		least int // bytes of a text
	}{
		"padded":   {[]byte{stringsPadded, digitsMax, intsConstant, 0}, digitsMax},
		"decimals": {[]byte{stringsDecimals, digitsMax - 1, intsConstant, 0}, digitsMax - 1},
		"ipv4":     {[]byte{stringsIPv4, intsConstant, 0}, addressMin},
		"sorted":   {[]byte{stringsSorted, stringsIPv4, intsConstant, 0}, addressMin},
		"hex ints": {[]byte{stringsHexInts, hexDigitsMax, intsConstant, 0}, hexDigitsMax},
		"uuid":     {[]byte{stringsUUID}, uuidLen},
	} {
		if _, _, err := Strings(nil, c.src, DecodedMax/c.least+1); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: too much text: %v, want %v", name, err, ErrTooLong)
		}
		texts, _, err := Strings(nil, c.src, 2)
		if name != "uuid" && (err != nil || len(texts) != 2 || len(texts[1]) < c.least) {
			t.Errorf("%s: two texts: %q, %v", name, texts, err)
		}
	}
}

// Numbers are long only once they are known.
func TestIntegersAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a gigabyte of memory")
	}
	src := binary.AppendVarint([]byte{stringsIntegers, intsConstant}, math.MinInt64)
	if _, _, err := Strings(nil, src, DecodedMax/20+1); !errors.Is(err, ErrTooLong) {
		t.Errorf("too much text: %v, want %v", err, ErrTooLong)
	}
}

// TestDifferent checks that each value is among the different ones, and nothing else,
// and that what repeats is there once.
func TestDifferent(t *testing.T) {
	var repeated, sorted, unique []string
	for i := range 3000 {
		repeated = append(repeated, fmt.Sprintf("user %d of them", i*7%11))
		sorted = append(sorted, fmt.Sprint(i*i%13)) // integers, which are not encoded as a dictionary
		unique = append(unique, fmt.Sprintf("%x", i*i))
	}
	var e Encoder
	for _, c := range []struct {
		name   string
		values []string
		want   int // 0 for no matter how many
	}{
		{"none", nil, 0}, {"one", []string{"a"}, 1}, {"constant", []string{"a", "a", "a"}, 1}, {"few", []string{"a", "b", "a"}, 0},
		{"repeated", repeated, 11}, {"integers", sorted, 7}, {"unique", unique, 3000}, {"none again", nil, 0},
	} {
		e.AppendStrings(nil, c.values)
		different := e.Different()
		got, want := slices.Compact(slices.Sorted(slices.Values(different))), slices.Compact(slices.Sorted(slices.Values(c.values)))
		if !slices.Equal(got, want) || c.want > 0 && len(different) != c.want {
			t.Errorf("%s: %d different values, %d of them, want %d of %d", c.name, len(got), len(different), c.want, len(want))
		}
	}
}

// TestHexadecimalDigits compares what is packed of values of all lengths, none and odd ones
// too, with all their digits one after the other; what has another byte is not packed.
func TestHexadecimalDigits(t *testing.T) {
	const lower, upper = "0123456789abcdef", "0123456789ABCDEF"
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 12))
		for range 500 {
			encoding, digits, strays := byte(stringsHexLower), lower, "ABCDEFgG/:@`\x00\xff"
			if rng.IntN(2) == 0 {
				encoding, digits, strays = stringsHexUpper, upper, "abcdefgG/:@`\x00\xff"
			}
			values, want := make([]string, 1+rng.IntN(9)), ""
			for i := range values {
				for range rng.IntN(6) {
					digit := rng.IntN(len(digits))
					values[i], want = values[i]+digits[digit:digit+1], want+lower[digit:digit+1]
				}
			}
			var e Encoder
			if coded, ok := e.appendHex(nil, values, encoding); !ok {
				t.Fatalf("%q are not packed", values)
			} else if coded[0] == encoding {
				if len(want)%2 > 0 {
					want += "0"
				}
				if packed := fmt.Sprintf("%x", coded); !strings.HasSuffix(packed, want) {
					t.Fatalf("%q are packed as %s", values, packed)
				}
			} else if coded[0] != stringsHexInts {
				t.Fatalf("%q: encoding %#x", values, coded[0])
			}
			coded := AppendStrings(nil, values)
			if got, rest, err := Strings(nil, coded, len(values)); err != nil || len(rest) != 0 || !slices.Equal(got, values) {
				t.Fatalf("%q are %q, %d left, %v", values, got, len(rest), err)
			}
			at, stray := rng.IntN(len(values)), rng.IntN(len(strays))
			cut := rng.IntN(len(values[at]) + 1)
			values[at] = values[at][:cut] + strays[stray:stray+1] + values[at][cut:]
			if _, ok := e.appendHex(nil, values, encoding); ok {
				t.Fatalf("%q are packed as digits", values)
			}
		}
	}
}
