package column

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestMatch compares Match with decoding and trying every string.
func TestMatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	ascending := 0
	makers := []func() string{
		func() string { return "same" },
		func() string { return fmt.Sprint(rng.IntN(1000)) },
		func() string { return fmt.Sprintf("%08x", rng.Uint32()) },
		func() string { return fmt.Sprintf("10.0.%d.%d", rng.IntN(3), rng.IntN(256)) },
		func() string { ascending += 1 + rng.IntN(9); return fmt.Sprintf("%08x", ascending) },
		func() string { return []string{"GET", "PUT", "a longer text 7"}[rng.IntN(3)] },
		func() string { return fmt.Sprintf("pre%dfix", rng.IntN(1e6)) },
		func() string { return strings.Repeat("x", rng.IntN(9)) },
	}
	for i, maker := range makers {
		values := make([]string, 300)
		for j := range values {
			values[j] = maker()
		}
		src := AppendStrings(nil, values)
		for _, piece := range []string{"7", "e", "GET", "nothing", ""} {
			hits, err := Match(&Decoder{}, src, len(values), func(s string) bool { return strings.Contains(s, piece) })
			if err != nil {
				t.Fatal(err)
			}
			want := MatchEach(values, func(s string) bool { return strings.Contains(s, piece) })
			if !slices.Equal(hits, want) {
				t.Errorf("maker %d, %q: %v, want %v", i, piece, hits, want)
			}
		}
		for _, value := range values {
			for _, piece := range []string{value, value[:len(value)/2], value[len(value)/2:]} {
				if n := NewNeedle(strings.ToLower(piece)); !MayHold(src, n) || !n.AmongEncoded(src) {
					t.Fatalf("maker %d: %q is said not to hold %q", i, value, piece)
				}
			}
		}
	}
}

// TestMatchWords finds words in texts of all forms as a look at each text does, and reads
// what is stored as numbers without writing it out.
func TestMatchWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 5))
	makers := []func() string{
		func() string { return fmt.Sprint(rng.IntN(30)) },
		func() string { return fmt.Sprint(rng.IntN(30) - 15) },
		func() string { return fmt.Sprintf("%04d", rng.IntN(30)) },
		func() string { return fmt.Sprintf("%d.%02d", rng.IntN(9)-4, rng.IntN(30)) },
		func() string { return fmt.Sprintf("10.%d.%d.7", rng.IntN(3), rng.IntN(256)) },
		func() string { return fmt.Sprint(rng.Int64() - rng.Int64()) },
		func() string { return []string{"9223372036854775807", "-9223372036854775808"}[rng.IntN(2)] },
		func() string { return fmt.Sprintf("%03x", rng.IntN(30)) },
		func() string { return fmt.Sprintf("a%d b-%d", rng.IntN(9), rng.IntN(9)) },
	}
	var d Decoder
	for i, maker := range makers {
		values := make([]string, 200)
		for j := range values {
			values[j] = maker()
		}
		src := AppendStrings(nil, values)
		found := 0
		words := []string{"7", "07", "0007", "0", "a7", "10", "9223372036854775808", "18446744073709551616", "nothing", strings.TrimLeft(values[0], "-"), values[1]}
		for _, both := range [][]string{words[:1], words[1:3], words[2:], words} {
			var numbers []uint64
			for _, word := range both {
				if number, ok := Number(word); ok {
					numbers = append(numbers, number)
				}
			}
			test := func(text string) bool {
				return slices.ContainsFunc(both, func(word string) bool { return hasWord(text, word) })
			}
			hits, err := MatchWords(&d, src, len(values), numbers, test)
			if want := MatchEach(values, test); err != nil || !slices.Equal(hits, want) {
				t.Errorf("maker %d, %q: %v, want %v, %v", i, both, hits, want, err)
			}
			found += len(hits)
		}
		if found == 0 {
			t.Errorf("maker %d: nothing is found", i)
		}
	}
	if hits, err := MatchWords(&d, AppendStrings(nil, []string{"1", "2"}), 2, []uint64{1}, func(string) bool { return true }); err != nil || !slices.Equal(hits, []bool{true, false}) {
		t.Errorf("%v, %v: numbers that are none of the words are tried", hits, err)
	}
	if _, err := MatchWords(&d, []byte{stringsPadded, 99}, 2, []uint64{1}, func(string) bool { return true }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("damage is not found: %v", err)
	}
}

// hasWord reports whether a text has a word, letters and digits without others beside them.
func hasWord(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), word)
}

// FuzzMatchWords looks for words in arbitrary bytes: what is found is what the texts have, if
// these can be read.
func FuzzMatchWords(f *testing.F) {
	for _, values := range [][]string{{"7", "-8", "19"}, {"007", "008"}, {"7.50", "-0.07"}, {"10.0.0.7", "255.7.1.2"}, {"7", "a 7"}} {
		f.Add(AppendStrings(nil, values), uint16(len(values)), "7")
	}
	f.Fuzz(func(t *testing.T, src []byte, n uint16, word string) {
		n %= fuzzCount
		test := func(text string) bool { return hasWord(text, word) }
		var numbers []uint64
		if number, ok := Number(word); ok {
			numbers = append(numbers, number)
		}
		hits, err := MatchWords(&Decoder{}, src, int(n), numbers, test)
		values, _, errTexts := Strings(nil, src, int(n))
		if errTexts != nil {
			return
		}
		if want := MatchEach(values, test); err != nil || !slices.Equal(hits, want) {
			t.Fatalf("%q in %q: %v, want %v, %v", word, values, hits, want, err)
		}
	})
}

// TestMayHold names what encodings exclude.
func TestMayHold(t *testing.T) {
	for _, test := range []struct {
		values []string
		needle string
		want   bool
	}{
		{[]string{"1", "22", "333"}, "22", true},
		{[]string{"1", "22", "333"}, "e", false},
		{[]string{"10.0.0.1", "10.0.0.77"}, "time", false},
		{[]string{"00ff", "beef", "1234"}, "beef", true},
		{[]string{"00ff", "beef", "1234"}, "xyz", false},
		{strings.Split(manyAscending(func(i int) string { return fmt.Sprint(i * 7) }), ","), "7", true},
		{strings.Split(manyAscending(func(i int) string { return fmt.Sprint(i * 7) }), ","), "x", false},
		{[]string{"Took", "Took"}, "took", true},
		{[]string{"Took", "Took"}, "time", false},
		{[]string{"id7ms", "id12ms", "id999ms"}, "ms", true},
		{[]string{"id7ms", "id12ms", "id999ms"}, "position", false},
		{[]string{"anything", "at all", "is plain"}, "zzz", true},
		{[]string{"1", "2"}, "größe", true},
	} {
		if got := MayHold(AppendStrings(nil, test.values), NewNeedle(test.needle)); got != test.want {
			t.Errorf("%q, %q: %v, want %v", test.values, test.needle, got, test.want)
		}
	}
}

// TestAmongEncoded checks that no text is left out for a letter to which
// folding leads from beyond ASCII, and that others are.
func TestAmongEncoded(t *testing.T) {
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if lower := unicode.ToLower(r); lower < utf8.RuneSelf && !NewNeedle(string(lower)).AmongEncoded([]byte(string(r))) {
			t.Errorf("%c is said not to hold %c", r, lower)
		}
	}
	src := AppendStrings(AppendStrings(nil, []string{"7", "8"}), []string{"Took 5", "x"})
	for needle, want := range map[string]bool{"took": true, "tool": false, "tax": true, "größe": true, "7": true, "": true} {
		if got := NewNeedle(needle).AmongEncoded(src); got != want {
			t.Errorf("%q: %v, want %v", needle, got, want)
		}
	}
}
