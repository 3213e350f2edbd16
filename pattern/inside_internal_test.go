package pattern

import (
	"math/rand/v2"
	"testing"
)

// TestInsideIsBounded counts the names that are looked at of few and of many texts, short
// and long ones: there are never many more than of as many bytes as all are looked at of.
func TestInsideIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ rows, tokens, letters int }{{100, 1, 8}, {20_000, 2, 8}, {1000, wideTokens, insideText / 3}, {3000, wideTokens, insideText / 3}} {
		rows := make([][]string, c.rows)
		for i := range rows {
			for range c.tokens {
				letters := make([]rune, c.letters)
				for i := range letters {
					letters[i] = '一' + rune(random.IntN(20_000))
				}
				rows[i] = append(rows[i], string(letters))
			}
		}
		dense, of := insideOf(rows)
		names, all := 0, 0
		for _, tokens := range dense {
			eachInside(tokens, of, func(place, string) { names++ })
			all += c.tokens * c.letters * (insideLetters - 1)
		}
		most := insideAll / 3 * (insideLetters - 1)
		if names == 0 || names > most+most/10 || len(dense) != c.rows || of == 1 && names < all/2 {
			t.Errorf("%+v: %d names of about %d, want at most %d", c, names, all, most)
		}
	}
}
