package column

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestMatch compares Match with decoding and trying every string.
func TestMatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	makers := []func() string{
		func() string { return "same" },
		func() string { return fmt.Sprint(rng.IntN(1000)) },
		func() string { return fmt.Sprintf("%08x", rng.Uint32()) },
		func() string { return fmt.Sprintf("10.0.%d.%d", rng.IntN(3), rng.IntN(256)) },
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
			want := matchEach(values, func(s string) bool { return strings.Contains(s, piece) })
			if !slices.Equal(hits, want) {
				t.Errorf("maker %d, %q: %v, want %v", i, piece, hits, want)
			}
		}
		for _, value := range values {
			for _, r := range value {
				if a := StringsAlphabet(src); a == Digits && !strings.ContainsRune("0123456789+-.:", r) || a == Hex && !strings.ContainsRune("0123456789abcdefABCDEF-", r) {
					t.Fatalf("maker %d: %q is beyond alphabet %d", i, value, a)
				}
			}
		}
	}
}
