package index

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestFold checks that both ways to fold give the lower case of each rune.
func TestFold(t *testing.T) {
	for _, text := range []string{"", "a", "A", "@[`{AZaz", "Größe ÄÖ", "İstanbul", "ABC\xffDEF", "\xc3", "K", "ǅ", strings.Repeat("Ab9 ", 100), strings.Repeat("Ab", 50) + "É"} {
		want := strings.Map(unicode.ToLower, text)
		if have := Fold(text); have != want {
			t.Errorf("Fold(%q) is %q, want %q", text, have, want)
		}
		if have := string(AppendFold([]byte("X"), text)); have != "X"+want {
			t.Errorf("AppendFold(%q) is %q, want %q", text, have, "X"+want)
		}
	}
}

// A word is in a text if it is one of its words, whatever else is in it.
func TestHasWord(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	alphabet := []string{"a", "b", "A", "Z", "@", "[", "7", "_", " ", "-", "é", "É", "\u212a", "k", "\xff"}
	text := func(from []string, most int) string {
		var b strings.Builder
		for range random.IntN(most) {
			b.WriteString(from[random.IntN(len(from))])
		}
		return b.String()
	}
	found := 0
	for range 50_000 {
		from := alphabet[:3+random.IntN(len(alphabet)-2)]
		s := text(from, 24)
		words := Words(text(from, 4))
		for _, word := range append(words, "") {
			want := slices.Contains(Words(s), word)
			if HasWord(s, word) != want {
				t.Fatalf("HasWord(%q, %q) = %v", s, word, !want)
			}
			if want {
				found++
			}
		}
	}
	if found < 1000 {
		t.Errorf("only %d words were there", found)
	}
}
