package pattern

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What is looked at first of a form changes nothing in what forms cover.
func TestCoveredBy(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, seed))
	words := []string{"a", "b", "c" + wild, wild, hole, "x=" + hole, "请" + wild}
	names := []string{wide, "(" + wide + ")", reason, "\"" + reason + "\"", "来" + wide + "的"}
	row := func() (tokens []string) {
		for range 1 + rng.IntN(4) {
			tokens = append(tokens, words[rng.IntN(len(words))])
		}
		return tokens
	}
	covered := 0
	l := learning{ctx: t.Context()}
	for range 20_000 {
		form, tokens := row(), append(row(), row()...)
		form = slices.Insert(form, rng.IntN(len(form)+1), names[rng.IntN(len(names))])
		want := coversWide(form, tokens)
		if have := wideByStart([]string{strings.Join(form, " ")}).covers(&l, tokens); have != want {
			t.Fatalf("seed %d: %s", seed, fmt.Sprintf("%q covers %q: %v, want %v", form, tokens, have, want))
		}
		if want {
			covered++
		}
	}
	if covered < 100 {
		t.Errorf("%d are covered", covered)
	}
}
