package pattern

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestLearningIsBounded learns from outlines that are as much work as they can be: of more
// outlines each token takes hardly more steps, whatever is in them.
func TestLearningIsBounded(t *testing.T) {
	const (
		seed     = 11
		tokenMax = splitSteps + 8*sharedSteps + coverSteps // steps for each token, the names that it is in included
	)
	words := make([]string, 10_000)
	for i := range words {
		words[i] = "w" + strings.Map(func(r rune) rune { return 'a' + r - '0' }, fmt.Sprint(i))
	}
	row := func(n int, word func(i int) string) string {
		tokens := make([]string, n)
		for i := range tokens {
			tokens[i] = word(i)
		}
		return strings.Join(tokens, " ")
	}
	kinds := map[string]func(rng *rand.Rand, i, n int) string{
		"names that many places share": func(rng *rand.Rand, i, n int) string {
			name := words[rng.IntN(4)] // at all places, but no place has half of another's
			if i%12 > 3 {
				name = row(1+i%3, func(int) string { return words[rng.IntN(len(words))] })
			}
			return words[i/12%len(words)] + " opened " + name + " ended"
		},
		"statements that begin alike": func(rng *rand.Rand, i, n int) string {
			name := func(int) string { return words[rng.IntN(12)] }
			return "start " + row(1+rng.IntN(3), name) + " opened " + words[i%(n/20)]
		},
		"a word in twenty is another": func(rng *rand.Rand, _, _ int) string {
			return row(40, func(i int) string {
				if rng.IntN(20) > 0 {
					return words[i]
				}
				return words[100+i*8+rng.IntN(5)]
			})
		},
		"two words everywhere": func(rng *rand.Rand, _, _ int) string {
			return row(40, func(int) string { return words[rng.IntN(2)] })
		},
		"columns in combination": func(rng *rand.Rand, _, _ int) string {
			return row(40, func(i int) string { return words[i*9+rng.IntN(1+min(i, 8))] })
		},
		"what varies behind a name": func(rng *rand.Rand, _, _ int) string {
			return row(20, func(i int) string {
				if i%2 == 0 {
					return words[i]
				}
				return words[rng.IntN(40)] + ":" + words[rng.IntN(2000)]
			})
		},
		"reasons": func(rng *rand.Rand, i, n int) string {
			return "start " + words[i%(n/4)] + " failed: " + row(1+rng.IntN(4), func(int) string { return words[rng.IntN(200)] })
		},
	}
	for name, of := range kinds {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, seed))
			var perToken [2]int
			sizes := []int{500, 2000}
			if strings.Count(of(rng, 0, 500), " ") < 10 {
				sizes = []int{4000, 32_000}
			}
			for turn, n := range sizes {
				forms, tokens := make([]string, n), 0
				for i := range forms {
					forms[i] = of(rng, i, n)
					tokens += 1 + strings.Count(forms[i], " ")
				}
				l := learning{ctx: t.Context(), traits: tokenTraits{}}
				set := l.learn(nil, VersionReasons, forms)
				if perToken[turn] = l.steps / tokens; perToken[turn] > tokenMax {
					t.Errorf("seed %d: %d steps for each of %d tokens, the most is %d", seed, perToken[turn], tokens, tokenMax)
				}
				slices.Reverse(forms)
				again := learning{ctx: t.Context(), traits: tokenTraits{}}
				if turn == 0 && !again.learn(nil, VersionReasons, forms).Equal(set) {
					t.Errorf("seed %d: the order of outlines matters", seed)
				}
			}
			t.Logf("steps for each token: %d, of more outlines %d", perToken[0], perToken[1])
			if perToken[1] > 3*perToken[0]+16 {
				t.Errorf("seed %d: %d steps for each token, of many more outlines %d", seed, perToken[0], perToken[1])
			}
		})
	}
}

// TestLearningEnds learns for nobody.
func TestLearningEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var none *Set
	if set, err := none.LearnOf(ctx, VersionReasons, []string{"user anna came", "user bert came", "user claire came"}); set != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("learned %v, %v", set, err)
	}
}
