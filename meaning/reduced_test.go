package meaning_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stere-log/stere/meaning"
)

// TestReduced: what an outline is reduced to says the same in its place.
func TestReduced(t *testing.T) {
	const seed = 91
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	text := func(most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteString(pick("log", "in", "out", "foo", "paymentCard", "fooBar", "sql_injection", "-", ".", " ", " ", " ", "(", "\x11", "42", "brute", "force", "Größe", strings.Repeat("x", 25)))
		}
		return b.String()
	}
	added, err := meaning.NewLexicon([]meaning.Vocabulary{{Category: "own", Words: []string{"foo", "out foo", "force field"}, Weight: 3}})
	if err != nil {
		t.Fatal(err)
	}
	reduced := 0
	for range 100_000 {
		before, value, after := text(4)+" ", text(3), " "+text(4)
		for _, l := range []*meaning.Lexicon{meaning.BuiltIn(), added} {
			less := l.Reduced(value)
			if less != value {
				reduced++
			}
			if want, have := l.Evidence(before+value+after), l.Evidence(before+less+after); have != want {
				t.Fatalf("seed %d: %q in %q: %q, as %q %q", seed, value, before+value+after, want, less, have)
			}
		}
	}
	if reduced < 10_000 {
		t.Errorf("only %d were reduced", reduced)
	}
}
