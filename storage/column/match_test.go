package column

import (
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
			hits, err := Match(src, len(values), func(s string) bool { return strings.Contains(s, piece) })
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
